//! Page sums: SQLite does not look at every byte of its file (unused space in pages, free pages, reserved fields), so
//! a closed database gets a sidecar with one SHA-256 per page. It is removed before the first write after opening and
//! written after the write-ahead log was emptied: where it exists, it is current.
//!
//! ```text
//! leckwehr page sums 1
//! <64 hex digits>          one line per page of 4,096 bytes
//! sum <64 hex digits>      SHA-256 of everything above
//! ```

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use leckwehr_crypt::{hex, sha256};

use crate::error::LedgerError;
use crate::folder::{self, DATABASE, SUM};
use crate::report::{Damage, Pages, Place};

/// Bytes of a database page.
pub(crate) const PAGE_BYTES: usize = 4096;
/// Largest sidecar: that of a database of 65 GB.
const SUM_BYTES_MAX: u64 = 1 << 30;
/// Readings of sums that somebody is changing.
const READINGS_MAX: usize = 5;
const FIRST_LINE: &str = "leckwehr page sums 1";

/// Writes the sums of the database as it is on disk.
pub(crate) fn write(dir: &Path) -> Result<(), LedgerError> {
    let mut text = format!("{FIRST_LINE}\n");
    for sum in page_sums(&dir.join(DATABASE))? {
        text += &sum;
        text.push('\n');
    }
    let own = hex(&sha256(text.as_bytes()));
    text += &format!("sum {own}\n");

    let (path, new) = (dir.join(SUM), dir.join("ledger.sum.new"));
    remove(&new)?;
    folder::write_new(&new, text.as_bytes(), 0o644)?;
    fs::rename(&new, &path).map_err(LedgerError::file(&path))?;
    folder::sync(dir)
}

/// Removes the sums, durably: called before the database changes.
pub(crate) fn discard(dir: &Path) -> Result<(), LedgerError> {
    remove(&dir.join(SUM))?;
    folder::sync(dir)
}

/// Compares the database with its sums, where there are any.
pub(crate) fn check(dir: &Path) -> Result<(Pages, Vec<Damage>), LedgerError> {
    for _ in 0..READINGS_MAX {
        let Some(text) = read(dir)? else { break };
        let found = page_sums(&dir.join(DATABASE))?;
        // Sums that went away or changed meanwhile say that somebody opened or closed the ledger.
        if read(dir)?.as_ref() == Some(&text) {
            return Ok(compare(&text, &found));
        }
    }
    Ok((Pages::NoSums, Vec::new()))
}

fn compare(text: &[u8], found: &[String]) -> (Pages, Vec<Damage>) {
    let Some(expected) = parse(text) else {
        let damage = Damage::new(
            SUM,
            Place::File,
            "its own sum does not fit: this file was changed, not the database",
        );
        return (Pages::NoSums, vec![damage]);
    };
    let mut damage: Vec<_> = (1u32..)
        .zip(found.iter().zip(&expected))
        .filter(|(_, (found, expected))| found != expected)
        .map(|(page, _)| {
            Damage::new(
                DATABASE,
                Place::Page(page),
                "is not what was written when the ledger was closed",
            )
        })
        .collect();
    if found.len() != expected.len() {
        let what = format!("has {} pages, was closed with {}", found.len(), expected.len());
        damage.push(Damage::new(DATABASE, Place::File, what));
    }
    (Pages::Checked(found.len()), damage)
}

/// Reads the sidecar; `None` if there is none.
fn read(dir: &Path) -> Result<Option<Vec<u8>>, LedgerError> {
    match folder::read(&dir.join(SUM), SUM_BYTES_MAX) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the sums of the pages; `None` if the sidecar's own sum does not fit.
fn parse(text: &[u8]) -> Option<Vec<&str>> {
    let (body, own) = str::from_utf8(text).ok()?.rsplit_once("sum ")?;
    if own != format!("{}\n", hex(&sha256(body.as_bytes()))) {
        return None;
    }
    let mut lines = body.split_terminator('\n');
    (lines.next() == Some(FIRST_LINE)).then(|| lines.collect())
}

fn page_sums(path: &Path) -> Result<Vec<String>, LedgerError> {
    let mut file = File::open(path).map_err(LedgerError::file(path))?;
    let (mut sums, mut page) = (Vec::new(), Vec::with_capacity(PAGE_BYTES));
    loop {
        page.clear();
        let mut rest = (&mut file).take(PAGE_BYTES as u64);
        if rest.read_to_end(&mut page).map_err(LedgerError::file(path))? == 0 {
            return Ok(sums);
        }
        sums.push(hex(&sha256(&page)));
    }
}

fn remove(path: &Path) -> Result<(), LedgerError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(LedgerError::file(path)(error)),
        _ => Ok(()),
    }
}
