//! Whether a file's bytes look encrypted.
//!
//! Pearson's chi-square against equal frequencies tells random bytes (255 ± 23 for any length) from text and tables
//! (thousands) far better than entropy does on short windows. Compressed bytes are nearly random too, so a file that has
//! the head *and* the inner structure of a known compressed format is believed.

/// Length in bytes of the windows that a file is judged in.
pub const WINDOW_BYTES: usize = 1024;
/// Below this length in bytes nothing can be said, and the answer is "no".
pub const JUDGED_BYTES_MIN: usize = 32;

/// One window in this many must look random for the whole file to look encrypted; some programs encrypt every n-th block.
const RANDOM_SHARE: usize = 8;
const ENDS_BYTES: usize = 1024;

/// Returns whether the bytes look encrypted, in whole or in part, with or without their head left as it was. O(bytes).
///
/// Honest limits: compressed formats other than zip (office documents), PNG, JPEG, PDF and gzip are taken for encrypted;
/// ciphertext written as text (base64), in blocks so sparse that fewer than one window in eight is hit (and not the
/// first), or inside an intact zip's members is not recognised. For gzip only head and stated length can be checked.
pub fn looks_encrypted(bytes: &[u8]) -> bool {
    if bytes.len() < JUDGED_BYTES_MIN {
        return false;
    }
    if let Some(intact) = structure(bytes) {
        return !intact;
    }
    if bytes.len() < WINDOW_BYTES {
        return is_random(bytes);
    }
    let mut windows: Vec<&[u8]> = bytes.chunks(WINDOW_BYTES).collect();
    if windows.len() > 1 {
        // The last one may be short: take a whole window from the end instead.
        windows.pop();
        windows.push(&bytes[bytes.len() - WINDOW_BYTES..]);
    }
    let random = windows.iter().filter(|w| is_random(w)).count();
    random * RANDOM_SHARE >= windows.len() || is_random(windows[0])
}

/// Returns chi-square per degree of freedom against equal frequencies; near 1 for random bytes. For windows too short
/// for 256 bins, the upper four bits of each byte are counted.
pub fn evenness(bytes: &[u8]) -> f64 {
    let shift = if bytes.len() < WINDOW_BYTES { 4 } else { 0 };
    let mut counts = [0_u32; 256];
    for byte in bytes {
        counts[usize::from(byte >> shift)] += 1;
    }
    let bins = 256 >> shift;
    let expected = bytes.len() as f64 / bins as f64;
    let off = |count: &u32| (f64::from(*count) - expected).powi(2) / expected;
    counts[..bins].iter().map(off).sum::<f64>() / (bins - 1) as f64
}

/// The bound is more than six standard deviations above the mean of random bytes for windows of 256 bins, and five for 16.
fn is_random(window: &[u8]) -> bool {
    let bound = if window.len() < WINDOW_BYTES { 3.0 } else { 1.6 };
    evenness(window) < bound
}

/// For a known compressed format: whether its inner structure is intact. `None` for anything else.
fn structure(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [b'P', b'K', 3, 4, ..] => Some(zip_is_intact(bytes)),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', chunks @ ..] => Some(png_is_intact(chunks)),
        [0xff, 0xd8, 0xff, ..] => Some(jpeg_is_intact(bytes)),
        [b'%', b'P', b'D', b'F', b'-', ..] => Some(pdf_is_intact(bytes)),
        [0x1f, 0x8b, 8, flags, ..] => Some(flags & 0xe0 == 0 && gzip_length_fits(bytes)),
        _ => None,
    }
}

/// The end-of-central-directory record stands at the end and points to a central directory (APPNOTE 4.3.16).
fn zip_is_intact(bytes: &[u8]) -> bool {
    let from = bytes.len().saturating_sub(22 + ENDS_BYTES);
    let Some(at) = bytes[from..].windows(4).rposition(|w| w == b"PK\x05\x06") else {
        return false;
    };
    let end = &bytes[from + at..];
    let (Some(directory), Some(length)) = (u32_le(end, 16), u32_le(end, 12)) else {
        return false;
    };
    let directory = directory as usize;
    let inside = directory.checked_add(length as usize).is_some_and(|end| end <= from + at);
    let starts = bytes.get(directory..).is_some_and(|d| d.starts_with(b"PK\x01\x02"));
    inside && (starts || length == 0)
}

/// Every chunk up to `IEND` has the checksum it states (PNG, third edition, 5.3).
fn png_is_intact(mut chunks: &[u8]) -> bool {
    loop {
        let Some(length) = chunks.first_chunk::<4>() else {
            return false;
        };
        let length = u32::from_be_bytes(*length) as usize;
        let Some(checked) = length.checked_add(8).and_then(|end| chunks.get(4..end)) else {
            return false;
        };
        let Some(stated) = chunks.get(8 + length..12 + length) else {
            return false;
        };
        if crc32(checked).to_be_bytes() != stated {
            return false;
        }
        if checked.starts_with(b"IEND") {
            return true;
        }
        chunks = &chunks[12 + length..];
    }
}

/// After the first scan begins, `FF` is followed by nothing but a stuffed zero, a restart mark or a segment, up to the end
/// mark (ITU T.81, B.1.1).
fn jpeg_is_intact(bytes: &[u8]) -> bool {
    let mut at = 2;
    loop {
        match bytes.get(at..at + 2) {
            Some([0xff, 0xd9]) => return true,
            Some([0xff, 0x00 | 0xff | 0xd0..=0xd7]) => at += 1,
            Some([0xff, mark]) => {
                let Some([high, low]) = bytes.get(at + 2..at + 4) else {
                    return false;
                };
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                if length < 2 || !matches!(mark, 0xc0..=0xcf | 0xda..=0xdf | 0xe0..=0xef | 0xfe) {
                    return false;
                }
                at += 2 + length;
                if *mark != 0xda && bytes.get(at) != Some(&0xff) {
                    return false;
                }
            }
            Some(_) => at += 1,
            None => return false,
        }
        // In a scan: on to the next FF.
        let Some(rest) = bytes.get(at..) else { return false };
        at += rest.iter().position(|b| *b == 0xff).unwrap_or(rest.len());
    }
}

/// `startxref` near the end points to a cross-reference table or object (ISO 32000-1, 7.5.5).
fn pdf_is_intact(bytes: &[u8]) -> bool {
    let from = bytes.len().saturating_sub(ENDS_BYTES);
    let Some(at) = bytes[from..].windows(9).rposition(|w| w == b"startxref") else {
        return false;
    };
    let digits = bytes[from + at + 9..].trim_ascii_start();
    let end = digits.iter().position(|b| !b.is_ascii_digit()).unwrap_or(digits.len());
    let offset = str::from_utf8(&digits[..end]).ok().and_then(|d| d.parse::<usize>().ok());
    let target = offset.and_then(|o| bytes.get(o..)).unwrap_or_default().trim_ascii_start();
    target.starts_with(b"xref")
        || (target.first().is_some_and(u8::is_ascii_digit) && target[..target.len().min(32)].windows(3).any(|w| w == b"obj"))
}

/// The stated length of the content (RFC 1952) is one that deflate can have made from these bytes.
fn gzip_length_fits(bytes: &[u8]) -> bool {
    let packed = bytes.len() as u64;
    let content = u32_le(bytes, bytes.len() - 4).map_or(0, u64::from);
    content >= packed.saturating_sub(18) * 9 / 10 && content <= packed * 1032
}

fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|b| u32::from_le_bytes(*b))
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        let fed = crc ^ u32::from(*byte);
        (0..8).fold(fed, |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 })
    };
    !bytes.iter().fold(u32::MAX, step)
}
