//! What a ledger promises, tried out on real folders.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

mod corruption;
mod crash;
mod group;
mod life;
mod oracle;
mod proofs;
mod rollback;

use std::path::Path;

use leckwehr_crypt::{Dice, SigningKey};
use leckwehr_ledger::Ledger;

/// Makes entries of 0 to 400 bytes, the same for every run.
fn entries(count: u64, label: &str) -> Vec<Vec<u8>> {
    let mut dice = Dice::new(count, label);
    let mut entry = || (0..dice.below(400)).map(|_| dice.below(256) as u8).collect();
    (0..count).map(|_| entry()).collect()
}

/// Makes a ledger with a fixed key and appends `count` entries in batches of uneven size.
fn filled(dir: &Path, count: u64) -> Ledger {
    let mut ledger = Ledger::create(dir, "leckwehr.example/test", SigningKey::from_seed(&[3; 32]).unwrap()).unwrap();
    let entries = entries(count, "filled");
    let (mut rest, mut size) = (&entries[..], 1);
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(size.min(rest.len()));
        ledger.append(batch).unwrap();
        (rest, size) = (after, size * 2 + 1);
    }
    ledger
}
