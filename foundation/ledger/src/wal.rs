//! The write-ahead log that a crash leaves behind. SQLite reads it up to the first frame that does not fit its checksum
//! and takes the rest for a torn write: a flipped bit would silently roll back everything behind it. So it is read here
//! once more, by the [WAL file format](https://www.sqlite.org/fileformat2.html#the_write_ahead_log): commits behind a
//! frame that does not fit were there, and are lost now.

use std::path::Path;

use crate::error::LedgerError;
use crate::folder;
use crate::report::{Damage, Place};
use crate::sum::PAGE_BYTES;

/// The write-ahead log beside the database, while the ledger is open or after a crash.
pub(crate) const LOG: &str = "ledger.db-wal";
/// Largest log that is checked: sixteen times the largest batch.
const LOG_BYTES_MAX: u64 = 1 << 30;
const HEADER_BYTES: usize = 32;
const FRAME_BYTES: usize = 24 + PAGE_BYTES;
/// Readings of a log that does not stand still.
const READINGS_MAX: usize = 5;

/// What a log tells about the commits in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finding {
    /// Every commit in it is readable.
    Sound,
    /// The last commit is not readable: a power failure before it was acknowledged, or damage after.
    LastLost { frame: u32 },
    /// Several commits are not readable: each but the last was acknowledged.
    Lost { frame: u32 },
}

/// Reads the log, if there is one: what is certainly damaged, and what should be known.
pub(crate) fn check(dir: &Path) -> Result<(Option<Damage>, Option<String>), LedgerError> {
    let path = dir.join(LOG);
    if std::fs::metadata(&path).is_ok_and(|file| file.len() > LOG_BYTES_MAX) {
        return Ok((None, Some(format!("{LOG} is too large to be checked"))));
    }
    let mut log = read(&path)?;
    let mut finding = judge(&log);
    for _ in 0..READINGS_MAX {
        // A writer may be at work: what it is just writing looks torn, and differs when read again.
        let again = read(&path)?;
        if finding == Finding::Sound || log == again {
            break;
        }
        (finding, log) = (judge(&again), again);
    }
    Ok(match finding {
        Finding::Sound => (None, None),
        Finding::LastLost { frame } => {
            let note =
                format!("{LOG}, frame {frame}: the last commit is torn: not acknowledged before a power failure, or damaged");
            (None, Some(note))
        }
        Finding::Lost { frame } => {
            let what = format!("frame {frame} was changed: the commits in it and behind it cannot be read");
            (Some(Damage::new(LOG, Place::File, what)), None)
        }
    })
}

fn read(path: &Path) -> Result<Vec<u8>, LedgerError> {
    match folder::read(path, LOG_BYTES_MAX) {
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        result => result,
    }
}

fn judge(log: &[u8]) -> Finding {
    let Some((header, frames)) = log.split_at_checked(HEADER_BYTES) else {
        return Finding::Sound;
    };
    let (frames, _) = frames.as_chunks::<FRAME_BYTES>();
    let is_big_endian = header[3] & 1 == 1;
    let mut sum = add(is_big_endian, (0, 0), &header[..24]);
    // The header is synced before the first commit, so behind a damaged one every commit counts.
    let header_fits = header[..4] == [0x37, 0x7f, 0x06, 0x82 | header[3] & 1] && stored(&header[24..]) == sum;
    let mut first_bad = (!header_fits).then_some(0);
    let mut lost = 0;
    for (number, frame) in (1..).zip(frames) {
        let (head, page) = frame.split_at(24);
        let is_of_this_log = head[8..16] == header[16..24];
        if first_bad.is_none() {
            sum = add(is_big_endian, add(is_big_endian, sum, &head[..8]), page);
            if !is_of_this_log || stored(&head[16..]) != sum {
                first_bad = Some(number);
            }
        }
        let commits = head[4..8] != [0; 4];
        lost += u32::from(first_bad.is_some() && commits && (is_of_this_log || !header_fits));
    }
    match (first_bad, lost) {
        (None, _) | (_, 0) => Finding::Sound,
        (Some(frame), 1) if header_fits => Finding::LastLost { frame },
        (Some(frame), _) => Finding::Lost { frame },
    }
}

/// The checksum of the format: two interleaved sums over pairs of 32-bit words.
fn add(is_big_endian: bool, (mut a, mut b): (u32, u32), bytes: &[u8]) -> (u32, u32) {
    let word = |bytes: [u8; 4]| {
        if is_big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    };
    for &[c, d, e, f, g, h, i, j] in bytes.as_chunks::<8>().0 {
        a = a.wrapping_add(word([c, d, e, f])).wrapping_add(b);
        b = b.wrapping_add(word([g, h, i, j])).wrapping_add(a);
    }
    (a, b)
}

/// Reads a stored checksum: two big-endian words.
fn stored(bytes: &[u8]) -> (u32, u32) {
    match bytes.as_chunks::<4>().0 {
        [a, b, ..] => (u32::from_be_bytes(*a), u32::from_be_bytes(*b)),
        _ => (0, 0),
    }
}
