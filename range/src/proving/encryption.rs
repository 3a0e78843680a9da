use std::collections::BTreeMap;

use leckwehr_crypt::{SealError, scrambled};
use leckwehr_detect::examine;
use serde::Serialize;

use super::chance::{Chance, after};
use super::paper::{FORMATS, make};
use super::roc::{Curve, Truth};

/// Ways in which ransomware leaves files.
const WAYS: [&str; 6] = [
    "whole file",
    "first 4 KiB kept",
    "first 4 KiB only",
    "every 2nd block of 4 KiB",
    "every 4th block of 4 KiB",
    "every 16th block of 4 KiB",
];
const BLOCK_BYTES: usize = 4_096;
const FILES_PER_FORMAT: usize = 12;
const THRESHOLDS: [f64; 6] = [0.1, 0.3, 0.5, 0.7, 0.8, 0.95];

/// What of a file of one format is found, by way.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ByFormat {
    /// Format.
    pub format: String,
    /// Share of benign files that look encrypted.
    pub fpr: f64,
    /// Share found, by way of encryption in the order of [`ways`].
    pub tpr: Vec<f64>,
}

/// Names of the ways of encryption.
pub fn ways() -> Vec<String> {
    WAYS.map(str::to_owned).to_vec()
}

/// Encrypts in one of the ways (AES-256).
fn encrypt(file: &[u8], way: usize, key: [u8; 32]) -> Result<Vec<u8>, SealError> {
    let hidden = scrambled(&key, file)?;
    let blocks = file.chunks(BLOCK_BYTES).zip(hidden.chunks(BLOCK_BYTES)).enumerate();
    let takes = |block: usize| match way {
        0 => true,
        1 => block > 0,
        2 => block == 0,
        3 => block % 2 == 1,
        4 => block % 4 == 3,
        _ => block % 16 == 15,
    };
    Ok(blocks
        .flat_map(|(number, (plain, secret))| if takes(number) { secret } else { plain })
        .copied()
        .collect())
}

/// Files that were encrypted, wholly or in part, among files that are compressed anyway.
///
/// # Errors
/// When AES refuses a key, which it does not.
pub(super) fn prove(seeds: &[u64], threshold: f64) -> Result<(Curve, Vec<ByFormat>), SealError> {
    let mut truth = Truth::new(ways());
    let mut found: BTreeMap<(usize, Option<usize>), (usize, usize)> = BTreeMap::new();
    for seed in seeds {
        let mut chance = Chance::new(*seed, "files");
        for (number, format) in FORMATS.into_iter().enumerate() {
            for copy in 0..FILES_PER_FORMAT {
                let bytes = chance.lognormal(150_000.0, 0.8).clamp(70_000.0, 800_000.0) as usize;
                let file = make(format, &mut chance, bytes);
                let mut key = [0; 32];
                key[..8].copy_from_slice(&chance.number().to_le_bytes());
                let mut hear = |class: Option<usize>, content: &[u8]| {
                    let subject = format!("{format}-{copy}-{class:?}");
                    match class {
                        Some(class) => truth.attack(&subject, class, after(0.0)),
                        None => truth.benign(&subject),
                    }
                    let seen = examine(content, content.len() as u64);
                    truth.score(&subject, after(0.0), seen.suspicion);
                    let (hits, all) = found.entry((number, class)).or_default();
                    *hits += usize::from(seen.structure.is_suspicious());
                    *all += 1;
                };
                hear(None, &file);
                for way in 0..WAYS.len() {
                    hear(Some(way), &encrypt(&file, way, key)?);
                }
            }
        }
        truth.next_run();
    }
    let rate = |key: (usize, Option<usize>)| found.get(&key).map_or(0.0, |(hits, all)| *hits as f64 / *all as f64);
    let by_format = FORMATS.into_iter().enumerate();
    let by_format = by_format.map(|(number, format)| ByFormat {
        format: format.to_owned(),
        fpr: rate((number, None)),
        tpr: (0..WAYS.len()).map(|way| rate((number, Some(way)))).collect(),
    });
    let curve = Curve {
        detector: "Encrypted files".to_owned(),
        what: "Twelve files each of twelve formats, 70 to 800 kB, made with real compressors (deflate, Zstandard) and encrypted with \
               AES-256; a subject is a file. The detector's unit is not the file but eight of them in ten seconds, or twelve in ten \
               minutes: one file proves nothing."
            .to_owned(),
        score: "how much a file's structure looks encrypted".to_owned(),
        benign: truth.benign_count(),
        threshold,
        points: truth.points(&THRESHOLDS),
        words: "Entropy alone cannot do this: half of these benign formats lie above 7.2 bits per byte. What formats check inside can: \
                a deflate stream or a checksum does not survive one replaced block. Not detectable: files of formats that nobody \
                can look into (7z, RAR, password-protected archives and PDFs, video) after only a part of them was encrypted; and \
                binary data without a format of which less than nine tenths were encrypted. What lies behind the first MiB of a file is not \
                looked at. Canary files and the note in many folders do not depend on any of this."
            .to_owned(),
    };
    Ok((curve, by_format.collect()))
}
