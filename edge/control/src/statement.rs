//! What people sign beside their words for plans: a no, the right to approve handed on, somebody's absence.

use leckwehr_contain::{Absence, DELEGATION_MS_MAX};
use leckwehr_crypt::{VerifyingKey, from_hex};
use leckwehr_incident::{Delegation, What};
use serde::{Deserialize, Serialize};

use crate::approval::reject;
use crate::config::Config;
use crate::error::ControlError;
use crate::execution::Journal;

/// Longest absence, in milliseconds.
const ABSENCE_MS_MAX: i64 = 90 * 24 * 3_600_000;

/// Something that a person signed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "statement", rename_all = "kebab-case")]
pub enum Statement {
    /// No to a plan.
    Refusal {
        /// Hash of the plan.
        hash: String,
        /// Who.
        approver: String,
        /// Why.
        reason: String,
        /// Ed25519 signature over [`refusal_bytes`], hex.
        signature: String,
    },
    /// The right to approve is handed on for a while.
    Delegation {
        /// The delegation, signed by who gives it.
        delegation: Delegation,
    },
    /// Somebody who may approve will be away: the rules say who stands in. Nobody says that of another, since a word of who is away
    /// does not count.
    Absence {
        /// Who, and when.
        absence: Absence,
        /// Ed25519 signature over [`absence_bytes`], hex.
        signature: String,
    },
}

impl Statement {
    /// Returns who signed it.
    pub fn by(&self) -> &str {
        match self {
            Self::Refusal { approver, .. } => approver,
            Self::Absence { absence, .. } => &absence.person,
            Self::Delegation { delegation } => &delegation.from,
        }
    }
}

/// Returns what a person signs who says no to a plan.
pub fn refusal_bytes(hash: &str, reason: &str) -> Vec<u8> {
    format!("leckwehr refusal v1\n{hash}\n{}\n", reason.escape_debug()).into_bytes()
}

/// Returns what a person signs who will be away.
pub fn absence_bytes(absence: &Absence) -> Vec<u8> {
    let (person, since, until) = (absence.person.escape_debug(), absence.since.0, absence.until.0);
    format!("leckwehr absence v1\n{person}\n{since}\n{until}\n").into_bytes()
}

/// Takes what a person signed: a fact if it counts, and a fact that says why if it does not. Returns why it does not.
///
/// # Errors
/// The journal cannot be written.
pub fn take_statement(config: &Config, journal: &mut Journal, statement: &Statement) -> Result<Option<String>, ControlError> {
    let by = statement.by().to_owned();
    if let Some(fault) = fault(config, journal, statement) {
        let about = match statement {
            Statement::Refusal { hash, .. } => hash.as_str(),
            Statement::Delegation { delegation } => &delegation.to,
            Statement::Absence { absence, .. } => &absence.person,
        };
        reject(journal, about, &by, &fault)?;
        return Ok(Some(fault));
    }
    if is_known(journal, statement) {
        return Ok(None);
    }
    let what = match statement.clone() {
        Statement::Refusal {
            hash, approver, reason, ..
        } => What::ApprovalRefused { hash, approver, reason },
        Statement::Delegation { delegation } => What::ApprovalDelegated { delegation },
        Statement::Absence { absence, .. } => What::AbsenceNoted {
            person: absence.person,
            since: absence.since,
            until: absence.until,
        },
    };
    journal.record(&by, vec![what])?;
    Ok(None)
}

/// Whether it is a fact already: the same file may be handed in again.
fn is_known(journal: &Journal, statement: &Statement) -> bool {
    let situation = journal.situation();
    match statement {
        Statement::Refusal {
            hash, approver, reason, ..
        } => {
            let refusals = situation.plans.get(hash).map(|view| view.refusals.as_slice());
            refusals.unwrap_or_default().contains(&(approver.clone(), reason.clone()))
        }
        Statement::Delegation { delegation } => situation.delegations.contains(delegation),
        Statement::Absence { absence: a, .. } => situation.absences.contains(&(a.person.clone(), a.since, a.until)),
    }
}

fn fault(config: &Config, journal: &Journal, statement: &Statement) -> Option<String> {
    let (bytes, signature, span) = match statement {
        Statement::Refusal {
            hash, reason, signature, ..
        } => {
            if !journal.situation().plans.contains_key(hash) {
                return Some("it is about a plan that was never proposed".to_owned());
            }
            (refusal_bytes(hash, reason), signature, None)
        }
        Statement::Delegation { delegation: d } => (d.bytes(), &d.signature, Some((d.since, d.until, &d.to, DELEGATION_MS_MAX))),
        Statement::Absence { absence: a, signature } => (
            absence_bytes(a),
            signature,
            Some((a.since, a.until, &a.person, ABSENCE_MS_MAX)),
        ),
    };
    let key = config.approvers.get(statement.by()).map(|key| VerifyingKey::from_bytes(*key));
    let signed = key
        .zip(from_hex(signature))
        .is_some_and(|(key, s)| key.verify(&bytes, &s).is_ok());
    if !signed {
        return Some(format!("{} did not sign it, or may not approve", statement.by()));
    }
    let (since, until, who, ms_max) = span?;
    if !config.approvers.contains_key(who) {
        return Some(format!("nobody called {who} may approve"));
    }
    if until <= journal.now() {
        return Some(format!("it ended at {until}"));
    }
    let is_span = since < until && until <= since.plus_ms(ms_max);
    (!is_span).then(|| format!("from {since} to {until} is no time of at most {} hours", ms_max / 3_600_000))
}
