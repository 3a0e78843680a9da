use std::collections::BTreeMap;

use leckwehr_crypt::{VerifyingKey, from_hex};
use leckwehr_incident::{SignedWord, Situation, StepOutcome, Timestamp, What, WordAbout};

use crate::config::Confirmer;
use crate::error::ControlError;
use crate::execution::Journal;

/// Longest reason, in bytes: the word is a fact as it was signed.
const REASON_BYTES_MAX: usize = 4_000;
/// How far a person's clock may be ahead of the control room's, in milliseconds.
const AHEAD_MS_MAX: i64 = 5 * 60_000;

/// Takes a person's signed word about work by hand or a restoration: a fact if it counts, and if not, a fact that says why. Returns why it does
/// not count.
///
/// `keys` are the public keys of the people who may decide. That a step is done, a confirmer of its executor may say as well, and
/// of a step that is another party's only that party's confirmers: nobody signs for the other side. A word counts about what is the case now: one from before the system
/// was lost the last time is of another day, whoever shows it again.
///
/// # Errors
/// The journal cannot be written.
pub fn take_signed_word(
    keys: &BTreeMap<String, [u8; 32]>,
    confirmers: &[Confirmer],
    journal: &mut Journal,
    word: &SignedWord,
) -> Result<Option<String>, ControlError> {
    let fault = fault(keys, confirmers, journal.situation(), journal.now(), word);
    let what = match &fault {
        None => What::WordGiven { word: word.clone() },
        Some(reason) => What::WordRejected {
            hash: subject(&word.word),
            by: word.person.clone(),
            reason: reason.clone(),
        },
    };
    let by = if fault.is_none() {
        word.person.as_str()
    } else {
        "control-room"
    };
    journal.record(by, vec![what])?;
    if fault.is_none() {
        reopen_if_late(journal, &word.word)?;
    }
    Ok(fault)
}

/// Work that was done after its time was over counts all the same: its step is open again.
fn reopen_if_late(journal: &mut Journal, word: &WordAbout) -> Result<(), ControlError> {
    let WordAbout::Done { plan, step } = word else {
        return Ok(());
    };
    let ended = journal.plan(plan)?.steps.get(step).and_then(|s| s.ended.as_ref());
    if !matches!(ended, Some((_, StepOutcome::NotApplied { .. }))) {
        return Ok(());
    }
    let reopened = What::StepReopened {
        plan: plan.clone(),
        step: *step,
        reason: "it was done, later than it was due".to_owned(),
    };
    journal.record("control-room", vec![reopened])
}

fn subject(about: &WordAbout) -> String {
    match about {
        WordAbout::Done { plan, .. } => plan.clone(),
        WordAbout::Override { system, .. } | WordAbout::Lost { system, .. } | WordAbout::Observed { system } => system.clone(),
    }
}

/// The key of who may say this.
fn key_of(
    keys: &BTreeMap<String, [u8; 32]>,
    confirmers: &[Confirmer],
    situation: &Situation,
    word: &SignedWord,
) -> Option<[u8; 32]> {
    let WordAbout::Done { plan, step } = &word.word else {
        return keys.get(&word.person).copied();
    };
    let steps = situation.plans.get(plan).map(|view| view.plan.steps.as_slice());
    let executor = steps?.iter().find(|s| s.number == *step).map(|s| s.executor.as_str())?;
    let own = confirmers
        .iter()
        .find(|c| c.name == word.person && c.executors.contains(executor));
    let approver = keys.get(&word.person).filter(|_| !executor.starts_with("party:"));
    own.map(|c| c.key).or(approver.copied())
}

fn fault(
    keys: &BTreeMap<String, [u8; 32]>,
    confirmers: &[Confirmer],
    situation: &Situation,
    now: Timestamp,
    word: &SignedWord,
) -> Option<String> {
    let Some(key) = key_of(keys, confirmers, situation, word) else {
        return Some(format!("no key of {} is known that may say this", word.person));
    };
    let signature = from_hex(&word.signature).unwrap_or_default();
    if VerifyingKey::from_bytes(key).verify(&word.bytes(), &signature).is_err() {
        return Some("the signature does not fit".to_owned());
    }
    if word.reason.len() > REASON_BYTES_MAX {
        return Some(format!("its reason is longer than {REASON_BYTES_MAX} bytes"));
    }
    if word.at > now.plus_ms(AHEAD_MS_MAX) {
        return Some(format!("it is dated {}, which is still to come", word.at));
    }
    match &word.word {
        WordAbout::Done { plan, step } => {
            let work = situation.plans.get(plan).and_then(|view| view.work.get(step));
            match work {
                None => Some(format!("step {step} of that plan is not people's work, or not yet")),
                Some(work) if work.confirmed.is_some() => Some(format!("step {step} was confirmed before")),
                Some(_) => None,
            }
        }
        WordAbout::Override { system, .. } | WordAbout::Lost { system, .. } | WordAbout::Observed { system } => {
            let Some(host) = situation.hosts.get(system) else {
                return Some(format!("nothing is known of a loss of {system}"));
            };
            let lost = host.isolated_changed.filter(|_| host.isolated);
            lost.filter(|lost| word.at < *lost)
                .map(|lost| format!("it is older than the loss of {system} at {lost}"))
        }
    }
}
