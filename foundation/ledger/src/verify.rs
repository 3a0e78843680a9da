use std::path::Path;

use crate::database::Database;
use crate::error::LedgerError;
use crate::export::Export;
use crate::folder::{self, CHECKPOINT, DATABASE, SIGNER_KEY, SUM, VERIFIER_KEY};
use crate::limit::{DAMAGE_NAMED_MAX, ENTRIES_MAX};
use crate::note::{Checkpoint, SignerKey, VerifierKey};
use crate::rebuild::rebuild;
use crate::report::{Damage, Form, KeyFrom, Pages, Place, Report, Trust};
use crate::source::Source;
use crate::sum;
use crate::wal::{self, LOG};

/// What stands for the older checkpoint in a [`Damage`].
const AGAINST: &str = "older checkpoint";

/// Verifies a store folder or an exported folder: every entry → its hash → every stored hash above it → the root → the
/// signed checkpoint, the keys, the page sums, and the older checkpoint where one is given. Changes no file.
///
/// An error means that nothing can be said at all (no ledger there, an unreadable verifier key handed in); damage is in the report.
/// Reads everything once: O(entries).
pub fn verify(path: &Path, trust: &Trust) -> Result<Report, LedgerError> {
    let was_closed = !path.join(LOG).exists();
    let mut report = verify_once(path, trust)?;
    // A closed store is read as immutable. Where a writer opened it meanwhile, what was read may be half old, half new.
    if !report.is_ok() && was_closed && path.join(LOG).exists() {
        report = verify_once(path, trust)?;
    }
    if report.damage.len() > DAMAGE_NAMED_MAX {
        let more = report.damage.len() - DAMAGE_NAMED_MAX;
        report.damage.truncate(DAMAGE_NAMED_MAX);
        report.notes.push(format!("{more} more damaged places are not listed"));
    }
    Ok(report)
}

fn verify_once(path: &Path, trust: &Trust) -> Result<Report, LedgerError> {
    let form = Form::of(path)?;
    let mut report = Report {
        form,
        checkpoint: None,
        key: KeyFrom::Folder,
        pages: Pages::NotAStore,
        against: None,
        damage: Vec::new(),
        notes: Vec::new(),
    };
    let key = check_keys(path, trust, &mut report)?;
    match form {
        Form::Store => verify_store(path, key.as_ref(), trust, &mut report),
        Form::Export => verify_export(path, key.as_ref(), trust, &mut report),
    }
    Ok(report)
}

/// Checks `ledger.vkey` and `ledger.key`; returns the key to believe.
fn check_keys(path: &Path, trust: &Trust, report: &mut Report) -> Result<Option<VerifierKey>, LedgerError> {
    let given = match &trust.verifier_key {
        Some(line) => Some(VerifierKey::parse(line.trim()).map_err(|source| LedgerError::Note {
            file: "the verifier key handed in",
            source,
        })?),
        None => None,
    };
    let own = match folder::verifier_key(path) {
        Ok(key) => Some(key),
        Err(error) => {
            report.damage.push(Damage::new(VERIFIER_KEY, Place::File, chain(&error)));
            None
        }
    };
    if let (Some(given), Some(own)) = (&given, &own)
        && given != own
    {
        report
            .damage
            .push(Damage::new(VERIFIER_KEY, Place::File, "is not the key handed in"));
    }
    if report.form == Form::Store && path.join(SIGNER_KEY).exists() {
        match folder::signer_key(path).as_ref().map(SignerKey::verifier_key) {
            Err(error) => report.damage.push(Damage::new(SIGNER_KEY, Place::File, chain(error))),
            Ok(public) if own.as_ref().is_some_and(|own| own != public) => {
                report
                    .damage
                    .push(Damage::new(SIGNER_KEY, Place::File, "is not the private half of ledger.vkey"));
            }
            Ok(_) => {}
        }
    }
    if given.is_some() {
        report.key = KeyFrom::OutOfBand;
    }
    Ok(given.or(own))
}

fn verify_store(path: &Path, key: Option<&VerifierKey>, trust: &Trust, report: &mut Report) {
    match sum::check(path) {
        Ok((pages, damage)) => {
            report.pages = pages;
            report.damage.extend(damage);
        }
        Err(error) => {
            report.pages = Pages::NoSums;
            report.damage.push(Damage::new(SUM, Place::File, chain(&error)));
        }
    }
    match wal::check(path) {
        Ok((damage, note)) => {
            report.damage.extend(damage);
            report.notes.extend(note);
        }
        Err(error) => report.damage.push(Damage::new(LOG, Place::File, chain(&error))),
    }
    let (database, text) = match Database::open_for_reading(path).and_then(|db| Ok((db.checkpoint()?, db))) {
        Ok((text, database)) => (database, text),
        Err(error) => return report.damage.push(Damage::new(DATABASE, Place::File, chain(&error))),
    };
    let checkpoint = check_checkpoint(&text, DATABASE, key, report);
    if let Some(checkpoint) = checkpoint {
        report.damage.extend(database.check_structure(checkpoint.size));
        check_tree(&database, &checkpoint, key, trust, report);
        report.checkpoint = Some(checkpoint);
    }
    let known = [DATABASE, LOG, "ledger.db-shm", VERIFIER_KEY, SIGNER_KEY, SUM];
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !known.contains(&name.as_str()) {
            report.notes.push(format!("{name} is no part of the ledger"));
        }
    }
}

fn verify_export(path: &Path, key: Option<&VerifierKey>, trust: &Trust, report: &mut Report) {
    let export = Export::new(path);
    let text = match export.checkpoint() {
        Ok(text) => text,
        Err(error) => return report.damage.push(Damage::new(CHECKPOINT, Place::File, chain(&error))),
    };
    let Some(checkpoint) = check_checkpoint(&text, CHECKPOINT, key, report) else {
        return;
    };
    check_tree(&export, &checkpoint, key, trust, report);
    if report.is_ok() {
        let strays = export.strays(checkpoint.size);
        report
            .notes
            .extend(strays.iter().map(|name| format!("{name} is no part of the ledger")));
    }
    report.checkpoint = Some(checkpoint);
}

/// Checks the signature. What an unsigned checkpoint says is still returned, so that entries and hashes can be compared.
fn check_checkpoint(text: &str, file: &str, key: Option<&VerifierKey>, report: &mut Report) -> Option<Checkpoint> {
    let opened = match key {
        Some(key) => Checkpoint::open_own(text, key),
        None => {
            report
                .notes
                .push("without a verifier key the checkpoint's signature was not checked".to_owned());
            Checkpoint::read_unverified(text)
        }
    };
    let checkpoint = opened.or_else(|error| {
        report.damage.push(Damage::new(file, Place::Checkpoint, &error));
        Checkpoint::read_unverified(text)
    });
    let checkpoint = checkpoint.ok();
    if checkpoint.is_none() {
        report
            .notes
            .push("without a readable checkpoint the entries were not checked".to_owned());
    }
    let too_large = checkpoint.as_ref().is_some_and(|c| c.size > ENTRIES_MAX);
    if too_large {
        let what = format!("speaks of more than {ENTRIES_MAX} entries");
        report.damage.push(Damage::new(file, Place::Checkpoint, what));
    }
    checkpoint.filter(|_| !too_large)
}

fn check_tree(source: &dyn Source, now: &Checkpoint, key: Option<&VerifierKey>, trust: &Trust, report: &mut Report) {
    let older = trust.against.as_ref().and_then(|text| match key {
        None => None,
        Some(key) => match Checkpoint::open(text, key) {
            Ok(older) => Some(older),
            Err(error) => {
                report.damage.push(Damage::new(AGAINST, Place::Checkpoint, &error));
                None
            }
        },
    });
    let rebuilt = rebuild(source, now, older.as_ref().map(|older| older.size));
    report.damage.extend(rebuilt.damage);
    let Some(older) = older else { return };
    let file = source.checkpoint_file();
    if older.size > now.size {
        let what = format!(
            "cut off or rolled back: it covers {} entries, the older one {}",
            now.size, older.size
        );
        report.damage.push(Damage::new(file, Place::Checkpoint, what));
    } else if rebuilt.earlier_root == Some(older.root) {
        report.against = Some(older.size);
    } else if rebuilt.earlier_root.is_none() {
        report
            .notes
            .push("too much is damaged to compare with the older checkpoint".to_owned());
    } else {
        let what = format!(
            "history was rewritten: the first {} entries are not those of the older checkpoint",
            older.size
        );
        report.damage.push(Damage::new(file, Place::Checkpoint, what));
    }
}

/// Writes an error with its causes on one line.
fn chain(error: &LedgerError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
