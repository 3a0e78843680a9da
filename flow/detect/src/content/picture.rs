use flate2::Crc;

use super::{Check, u32_be};

/// Segments or chunks of one picture that are looked at.
const PARTS_MAX: usize = 65_536;

/// Walks the chunks of a PNG file (W3C PNG, section 5.3): each must hold its CRC.
pub(super) fn png(sample: &[u8], whole: bool) -> Check {
    let mut at = 8;
    for _ in 0..PARTS_MAX {
        let Some(length) = u32_be(sample, at) else {
            return ended(whole);
        };
        let length = length as usize;
        let kind = sample.get(at + 4..at + 8);
        if kind.is_some_and(|k| !k.iter().all(u8::is_ascii_alphabetic)) {
            return Check::Fails;
        }
        let Some(end) = at.checked_add(8 + length) else {
            return Check::Fails;
        };
        let (Some(covered), Some(crc)) = (sample.get(at + 4..end), u32_be(sample, end)) else {
            return ended(whole);
        };
        let mut sum = Crc::new();
        sum.update(covered);
        if sum.sum() != crc {
            return Check::Fails;
        }
        if kind == Some(b"IEND") {
            return Check::Holds;
        }
        at = end + 4;
    }
    Check::Holds
}

/// Walks the segments of a JPEG file (ITU-T T.81, annex B): in its entropy-coded data, 0xFF may only be followed by 0x00, a
/// restart or another marker, which noise does not keep to for long.
pub(super) fn jpeg(sample: &[u8], whole: bool) -> Check {
    let mut at = 2;
    for _ in 0..PARTS_MAX {
        let (Some(&mark), Some(&kind)) = (sample.get(at), sample.get(at + 1)) else {
            return ended(whole);
        };
        if mark != 0xff {
            return Check::Fails;
        }
        match kind {
            // Fill byte.
            0xff => at += 1,
            0xd9 => return Check::Holds,
            0x01 | 0xd0..=0xd7 => at += 2,
            0xc0..=0xfe => {
                let length = sample.get(at + 2..at + 4);
                let Some(&[high, low]) = length else {
                    return ended(whole);
                };
                let length = usize::from(u16::from_be_bytes([high, low]));
                if length < 2 {
                    return Check::Fails;
                }
                at += 2 + length;
                if kind == 0xda {
                    at = match scan(sample, at) {
                        Some(end) => end,
                        None => return ended(whole),
                    };
                }
            }
            _ => return Check::Fails,
        }
    }
    Check::Holds
}

/// Returns where the entropy-coded data ends: at the first marker that is no restart.
fn scan(sample: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += sample.get(at..)?.iter().position(|b| *b == 0xff)?;
        match sample.get(at + 1)? {
            0x00 | 0xd0..=0xd7 => at += 2,
            _ => return Some(at),
        }
    }
}

fn ended(whole: bool) -> Check {
    if whole { Check::Fails } else { Check::Holds }
}
