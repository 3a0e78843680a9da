use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::error::LedgerError;
use crate::limit::TEXT_BYTES_MAX;
use crate::note::{SignerKey, VerifierKey};

/// The database of a store folder.
pub(crate) const DATABASE: &str = "ledger.db";
/// The verifier key, in store and exported folders.
pub(crate) const VERIFIER_KEY: &str = "ledger.vkey";
/// The private key, where its owner keeps it in the folder.
pub(crate) const SIGNER_KEY: &str = "ledger.key";
/// The page sums of a cleanly closed store.
pub(crate) const SUM: &str = "ledger.sum";
/// The checkpoint of an exported folder.
pub(crate) const CHECKPOINT: &str = "checkpoint";

/// Reads at most `bytes_max` bytes of a file; a longer file is an error.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, LedgerError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes));
    read.map_err(LedgerError::file(path))?;
    if bytes.len() as u64 > bytes_max {
        let error = std::io::Error::new(std::io::ErrorKind::FileTooLarge, format!("more than {bytes_max} bytes"));
        return Err(LedgerError::file(path)(error));
    }
    Ok(bytes)
}

/// Reads a small text file.
pub(crate) fn read_text(path: &Path) -> Result<String, LedgerError> {
    String::from_utf8(read(path, TEXT_BYTES_MAX)?)
        .map_err(|_| LedgerError::file(path)(std::io::Error::new(std::io::ErrorKind::InvalidData, "not UTF-8")))
}

/// Reads the verifier key of a folder.
pub(crate) fn verifier_key(dir: &Path) -> Result<VerifierKey, LedgerError> {
    parse_exactly(&read_text(&dir.join(VERIFIER_KEY))?, VerifierKey::parse).map_err(|source| LedgerError::Note {
        file: VERIFIER_KEY,
        source,
    })
}

/// Reads the private key of a folder.
pub(crate) fn signer_key(dir: &Path) -> Result<SignerKey, LedgerError> {
    parse_exactly(&read_text(&dir.join(SIGNER_KEY))?, SignerKey::parse).map_err(|source| LedgerError::Note {
        file: SIGNER_KEY,
        source,
    })
}

/// A key file is one line with its line break; without it, it was changed.
fn parse_exactly<T>(text: &str, parse: impl Fn(&str) -> Result<T, crate::note::NoteError>) -> Result<T, crate::note::NoteError> {
    match text.strip_suffix('\n') {
        Some(line) if !line.ends_with('\n') => parse(line),
        _ => Err(crate::note::NoteError::VerifierKey("not exactly one line")),
    }
}

/// Writes a new file and waits until it is on disk; `mode` are its permissions.
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), LedgerError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(LedgerError::file(path))
}

/// Waits until the names in a folder are on disk.
pub(crate) fn sync(dir: &Path) -> Result<(), LedgerError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(LedgerError::file(dir))
}

/// Takes the only right to append to the ledger in `dir`, until the file is dropped.
pub(crate) fn lock(dir: &Path) -> Result<File, LedgerError> {
    let path = dir.join(VERIFIER_KEY);
    let file = File::open(&path).map_err(LedgerError::file(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LedgerError::Locked(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(LedgerError::file(&path)(error)),
    }
}

/// Tells whether `dir` is there and has something in it.
pub(crate) fn is_occupied(dir: &Path) -> Result<bool, LedgerError> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(LedgerError::file(dir)(error)),
    }
}
