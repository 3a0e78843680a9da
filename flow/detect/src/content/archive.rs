use std::io::Read;

use flate2::read::MultiGzDecoder;
use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::{Check, UNPACKED_BYTES_MAX, u16_le, u32_le};

/// Entries of one archive that are looked at.
const ENTRIES_MAX: usize = 4_096;
const BUFFER_BYTES: usize = 64 << 10;

/// Walks the entries of a ZIP archive (PKWARE APPNOTE 6.3.10, sections 4.3.7 to 4.3.16; also DOCX, XLSX, ODT, JAR): every
/// header must follow the one before, every stream must unpack to its checksum.
pub(super) fn zip(sample: &[u8], whole: bool) -> Check {
    let (mut at, mut budget, mut sealed) = (0, UNPACKED_BYTES_MAX, false);
    for _ in 0..ENTRIES_MAX {
        let Some(signature) = u32_le(sample, at) else {
            return ended(whole);
        };
        match signature {
            0x0403_4b50 => match entry(sample, at, &mut budget) {
                Entry::Next { end, hidden } => {
                    at = end;
                    sealed |= hidden;
                }
                Entry::Behind => return ended(whole),
                Entry::Damaged => return Check::Fails,
                Entry::Enough => break,
            },
            // Central directory, its extra record, or the end.
            0x0201_4b50 | 0x0806_4b50 => return directory(sample, at, whole, sealed),
            0x0605_4b50 | 0x0606_4b50 => break,
            _ => return Check::Fails,
        }
    }
    if sealed { Check::Cannot } else { Check::Holds }
}

/// A file that ends within an entry is damaged; a sample may.
fn ended(whole: bool) -> Check {
    if whole { Check::Fails } else { Check::Holds }
}

enum Entry {
    Next { end: usize, hidden: bool },
    Behind,
    Damaged,
    Enough,
}

fn entry(sample: &[u8], at: usize, budget: &mut usize) -> Entry {
    let head = || {
        let (flags, method) = (u16_le(sample, at + 6)?, u16_le(sample, at + 8)?);
        let (crc, packed) = (u32_le(sample, at + 14)?, u32_le(sample, at + 18)? as usize);
        let begin = at + 30 + u16_le(sample, at + 26)? + u16_le(sample, at + 28)?;
        Some((flags, method, crc, packed, begin))
    };
    let Some((flags, method, crc, packed, begin)) = head() else {
        return Entry::Behind;
    };
    let Some(data) = sample.get(begin..) else {
        return Entry::Behind;
    };
    let descriptor = flags & 8 != 0;
    let hidden = flags & 1 != 0;
    if hidden || packed == u32::MAX as usize || !matches!(method, 0 | 8) || method == 0 && descriptor {
        // What cannot be unpacked is stepped over, if its size is known.
        return match begin.checked_add(packed) {
            Some(end) if !descriptor && packed != u32::MAX as usize => Entry::Next { end, hidden: true },
            _ => Entry::Enough,
        };
    }
    if method == 0 {
        let Some(stored) = data.get(..packed) else {
            return Entry::Behind;
        };
        let mut sum = Crc::new();
        sum.update(stored);
        return match sum.sum() == crc {
            true => Entry::Next {
                end: begin + packed,
                hidden: false,
            },
            false => Entry::Damaged,
        };
    }
    match inflate(data, false, budget) {
        Inflated::Whole { used, crc: found } => {
            let mut end = begin + used;
            let mut expected = crc;
            if descriptor {
                let signed = u32_le(sample, end) == Some(0x0807_4b50);
                end += if signed { 4 } else { 0 };
                let Some(told) = u32_le(sample, end) else {
                    return Entry::Behind;
                };
                expected = told;
                end += 12;
            }
            match found == expected {
                true => Entry::Next { end, hidden: false },
                false => Entry::Damaged,
            }
        }
        Inflated::Behind => Entry::Behind,
        Inflated::Damaged => Entry::Damaged,
        Inflated::Enough => Entry::Enough,
    }
}

/// Steps through the central directory to its end record.
fn directory(sample: &[u8], mut at: usize, whole: bool, sealed: bool) -> Check {
    for _ in 0..ENTRIES_MAX {
        let Some(signature) = u32_le(sample, at) else {
            return ended(whole);
        };
        let length = |from: usize| u16_le(sample, at + from);
        at += match signature {
            0x0201_4b50 => match (length(28), length(30), length(32)) {
                (Some(name), Some(extra), Some(comment)) => 46 + name + extra + comment,
                _ => return ended(whole),
            },
            0x0806_4b50 => 8 + u32_le(sample, at + 4).unwrap_or(0) as usize,
            0x0605_4b50 | 0x0606_4b50 => break,
            _ => return Check::Fails,
        };
    }
    if sealed { Check::Cannot } else { Check::Holds }
}

/// How unpacking a deflate stream went.
pub(super) enum Inflated {
    /// To its end; `used` bytes of input, checksum of the output.
    Whole { used: usize, crc: u32 },
    /// The input ended first.
    Behind,
    /// It is none.
    Damaged,
    /// The budget is used up.
    Enough,
}

/// Unpacks a deflate stream (RFC 1951), or one with a zlib head and checksum (RFC 1950).
pub(super) fn inflate(data: &[u8], zlib_head: bool, budget: &mut usize) -> Inflated {
    let mut stream = Decompress::new(zlib_head);
    let mut crc = Crc::new();
    let mut out = vec![0; BUFFER_BYTES];
    loop {
        let (used, made) = (stream.total_in(), stream.total_out());
        let Some(rest) = usize::try_from(used).ok().and_then(|used| data.get(used..)) else {
            return Inflated::Behind;
        };
        let Ok(status) = stream.decompress(rest, &mut out, FlushDecompress::None) else {
            return Inflated::Damaged;
        };
        let fresh = usize::try_from(stream.total_out() - made).unwrap_or(usize::MAX);
        crc.update(out.get(..fresh).unwrap_or(&[]));
        if status == Status::StreamEnd {
            let used = usize::try_from(stream.total_in()).unwrap_or(usize::MAX);
            return Inflated::Whole { used, crc: crc.sum() };
        }
        if fresh == 0 && stream.total_in() == used {
            return Inflated::Behind;
        }
        match budget.checked_sub(fresh) {
            Some(left) => *budget = left,
            None => return Inflated::Enough,
        }
    }
}

/// Unpacks gzip (RFC 1952) to its checksum.
pub(super) fn gzip(sample: &[u8], whole: bool) -> Check {
    unpack(MultiGzDecoder::new(sample), whole)
}

/// Unpacks Zstandard (RFC 8878), to its checksum if it has one.
pub(super) fn zstandard(sample: &[u8], whole: bool) -> Check {
    match zstd::stream::read::Decoder::new(sample) {
        Ok(decoder) => unpack(decoder, whole),
        Err(_) => Check::Fails,
    }
}

fn unpack(mut decoder: impl Read, whole: bool) -> Check {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut unpacked = 0_usize;
    while unpacked < UNPACKED_BYTES_MAX {
        match decoder.read(&mut buffer) {
            Ok(0) => return Check::Holds,
            Ok(bytes) => unpacked += bytes,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return ended(whole),
            Err(_) => return Check::Fails,
        }
    }
    Check::Holds
}
