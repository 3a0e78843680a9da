//! What a file's bytes say about whether somebody encrypted it, wholly or in part.
//!
//! ```text
//!   bytes ─► magic ─► a format that can be checked: do its inner checks hold?   sound | broken
//!                  └► text: is it text everywhere?                              text  | mixed
//!                  └► nothing known: is it noise?                               binary | noise
//! ```
//!
//! Entropy alone cannot tell an archive from an encrypted file. Formats can: their checksums and compressed streams fail where
//! bytes were replaced. A sensor calls [`examine`] beside the file and ships a word, never content.

mod archive;
mod picture;
mod portable;
mod text;

use serde::{Deserialize, Serialize};

/// Bytes from the begin of a file that are looked at; what lies behind is not seen.
pub const SAMPLE_BYTES_MAX: usize = 1 << 20;
/// Bytes that are unpacked for a check at most.
pub(crate) const UNPACKED_BYTES_MAX: usize = 16 << 20;
/// Share of noise from which on a file without a known format is noise.
const NOISE_SHARE_MIN: f64 = 0.9;

/// What a file's structure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Structure {
    /// Text from begin to end.
    Text,
    /// A known format whose inner checks hold, as far as the sample goes.
    Sound,
    /// A known format that keeps its content under its own password, or one that cannot be checked.
    Sealed,
    /// Something else that is not noise.
    Binary,
    /// Text and noise in turn, as intermittent encryption and kept headers leave it.
    Mixed,
    /// A known format whose inner checks fail.
    Broken,
    /// Noise without a format.
    Noise,
}

impl Structure {
    /// Returns the word that sensors ship in `file.structure`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Sound => "sound",
            Self::Sealed => "sealed",
            Self::Binary => "binary",
            Self::Mixed => "mixed",
            Self::Broken => "broken",
            Self::Noise => "noise",
        }
    }

    /// Returns the structure of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        let all = [
            Self::Text,
            Self::Sound,
            Self::Sealed,
            Self::Binary,
            Self::Mixed,
            Self::Broken,
            Self::Noise,
        ];
        all.into_iter().find(|s| s.word() == word)
    }

    /// Returns whether encryption leaves files like this.
    pub fn is_suspicious(self) -> bool {
        matches!(self, Self::Mixed | Self::Broken | Self::Noise)
    }
}

/// What a file's content looks like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Content {
    /// What its structure is.
    pub structure: Structure,
    /// Shannon entropy of the sample in bits per byte.
    pub entropy: f64,
    /// Share of 4 KiB blocks whose bytes are evenly distributed.
    pub noise_share: f64,
    /// How much it looks encrypted, 0 to 1: 1 where an inner check fails, else by the share of noise.
    pub suspicion: f64,
}

/// What the inner checks of a format say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// They hold, as far as the sample goes.
    Holds,
    /// One fails.
    Fails,
    /// The format hides its content by itself, or has no checks.
    Cannot,
}

/// Looks at the first bytes of a file of `size` bytes; of `sample` at most [`SAMPLE_BYTES_MAX`] are read. O(sample).
pub fn examine(sample: &[u8], size: u64) -> Content {
    let sample = sample.get(..SAMPLE_BYTES_MAX).unwrap_or(sample);
    let whole = sample.len() as u64 >= size;
    let blocks = text::Blocks::count(sample);
    let (structure, suspicion) = match check(sample, whole) {
        Some(Check::Holds) => (Structure::Sound, 0.0),
        Some(Check::Fails) => (Structure::Broken, 1.0),
        // Nothing can be said, but that it is no text.
        Some(Check::Cannot) => (Structure::Sealed, 0.2),
        None if has_lost_its_head(sample, &blocks) => (Structure::Broken, 0.95),
        None => by_blocks(&blocks),
    };
    Content {
        structure,
        entropy: text::entropy(sample),
        noise_share: blocks.noise_share(),
        suspicion,
    }
}

/// Bytes at the end of a file in which some formats have their last mark.
const TAIL_BYTES: usize = 1_024;

/// Returns whether a file ends as an archive or a document does, but begins with noise.
fn has_lost_its_head(sample: &[u8], blocks: &text::Blocks) -> bool {
    let tail = sample.get(sample.len().saturating_sub(TAIL_BYTES)..).unwrap_or(sample);
    let ends: [&[u8]; 2] = [b"PK\x05\x06", b"%%EOF"];
    let marked = ends
        .into_iter()
        .any(|end| tail.windows(end.len()).any(|window| window == end));
    marked && blocks.has_noise()
}

fn by_blocks(blocks: &text::Blocks) -> (Structure, f64) {
    let noise = blocks.noise_share();
    match blocks {
        b if b.is_text() => (Structure::Text, 0.0),
        b if b.has_text() && b.has_noise() => (Structure::Mixed, 0.8 + 0.2 * noise),
        _ if noise >= NOISE_SHARE_MIN => (Structure::Noise, 0.9 * noise),
        _ => (Structure::Binary, 0.6 * noise),
    }
}

/// Checks a format by its magic; `None` if it is none that is known.
fn check(sample: &[u8], whole: bool) -> Option<Check> {
    let is = |magic: &[u8]| sample.starts_with(magic);
    let at = |offset: usize, magic: &[u8]| sample.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    if is(b"PK\x03\x04") {
        return Some(archive::zip(sample, whole));
    }
    if is(b"\x1f\x8b\x08") {
        return Some(archive::gzip(sample, whole));
    }
    if is(b"\x28\xb5\x2f\xfd") {
        return Some(archive::zstandard(sample, whole));
    }
    if is(b"\x89PNG\r\n\x1a\n") {
        return Some(picture::png(sample, whole));
    }
    if is(b"\xff\xd8\xff") {
        return Some(picture::jpeg(sample, whole));
    }
    if is(b"%PDF-") {
        return Some(portable::pdf(sample, whole));
    }
    if is(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return Some(portable::compound(sample, whole));
    }
    let sealed: [&[u8]; 7] = [
        b"7z\xbc\xaf\x27\x1c",
        b"Rar!\x1a\x07",
        b"\xfd7zXZ\0",
        b"BZh",
        b"OggS",
        b"ID3",
        b"fLaC",
    ];
    if sealed.into_iter().any(is) || at(4, b"ftyp") || is(b"RIFF") && at(8, b"WEBP") {
        return Some(Check::Cannot);
    }
    // Programs and databases are no noise, whatever they embed.
    let plain: [&[u8]; 3] = [b"\x7fELF", b"MZ", b"SQLite format 3\0"];
    plain.into_iter().any(is).then(|| {
        let noise = text::Blocks::count(sample).noise_share();
        if noise >= NOISE_SHARE_MIN {
            Check::Fails
        } else {
            Check::Holds
        }
    })
}

/// Little-endian numbers of formats; `None` behind the end.
pub(crate) fn u16_le(bytes: &[u8], at: usize) -> Option<usize> {
    let found = bytes.get(at..at.checked_add(2)?)?;
    Some(usize::from(u16::from_le_bytes(found.try_into().ok()?)))
}

pub(crate) fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    let found = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(found.try_into().ok()?))
}

pub(crate) fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    u32_le(bytes, at).map(u32::swap_bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn prose(bytes: usize) -> Vec<u8> {
        let words = [
            "Befund",
            "the ",
            "2023-04-25 ",
            "result\n",
            "of ",
            "Versicherte ",
            "insurance ",
        ];
        let mut seed = 7_u64;
        let mut text = Vec::new();
        while text.len() < bytes {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text.extend_from_slice(words[(seed >> 33) as usize % words.len()].as_bytes());
        }
        text
    }

    fn noise(bytes: usize) -> Vec<u8> {
        let mut seed = 9_u64;
        let mut next = || {
            seed ^= seed >> 12;
            seed ^= seed << 25;
            seed ^= seed >> 27;
            (seed.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
        };
        (0..bytes).map(|_| next()).collect()
    }

    fn gz(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn structure(bytes: &[u8]) -> Structure {
        examine(bytes, bytes.len() as u64).structure
    }

    #[test]
    fn whole_and_partial_encryption_of_text() {
        let text = prose(40_000);
        assert_eq!(structure(&text), Structure::Text);
        assert_eq!(structure(&noise(40_000)), Structure::Noise);
        for small in [300, 700, 2_000, 5_000] {
            assert_eq!(structure(&noise(small)), Structure::Noise, "{small} bytes");
            assert_eq!(structure(&prose(small)), Structure::Text, "{small} bytes");
        }
        let kept = [&text[..4_096], &noise(36_000)].concat();
        assert_eq!(structure(&kept), Structure::Mixed);
        let mut intermittent = text.clone();
        intermittent[16_384..20_480].copy_from_slice(&noise(4_096));
        assert_eq!(structure(&intermittent), Structure::Mixed);
    }

    #[test]
    fn compressed_is_not_encrypted_unless_it_was() {
        let packed = gz(&prose(400_000));
        assert_eq!(structure(&packed), Structure::Sound);
        let mut kept = packed.clone();
        let length = kept.len();
        kept[4_096..].copy_from_slice(&noise(length - 4_096));
        assert_eq!(structure(&kept), Structure::Broken);
    }

    #[test]
    fn a_sample_that_ends_early_is_no_damage() {
        let packed = gz(&noise(3 << 20));
        let content = examine(&packed[..SAMPLE_BYTES_MAX], packed.len() as u64);
        assert_eq!(content.structure, Structure::Sound);
    }

    #[test]
    fn hostile_bytes_do_no_harm() {
        let heads: [&[u8]; 8] = [
            b"PK\x03\x04",
            b"\x1f\x8b\x08",
            b"\x28\xb5\x2f\xfd",
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff",
            b"%PDF-1.7\n<</Filter/FlateDecode>>stream\n",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            b"\x7fELF",
        ];
        for head in heads {
            for length in [0, 1, 3, 30, 600, 5_000] {
                for tail in [noise(length), vec![0xff; length], vec![0; length]] {
                    let file = [head, &tail].concat();
                    examine(&file, file.len() as u64);
                    examine(&file, u64::MAX);
                }
            }
        }
        examine(&[], 0);
    }
}
