use std::collections::{BTreeMap, BTreeSet};

use leckwehr_crypt::{SigningKey, VerifyingKey, from_hex, hex, sha256};
use leckwehr_incident::Timestamp;

use crate::journal::{FileState, Word};

/// Different people without whom no file is released.
pub const APPROVALS_NEEDED: usize = 2;
/// Longest time that a word counts, in hours.
pub const APPROVAL_HOURS_MAX: i64 = 48;
/// Most people of a roster.
const PEOPLE_MAX: usize = 100;

/// Who may build and approve, and their Ed25519 keys: lines `name hex`.
#[derive(Debug, Clone)]
pub struct Roster {
    people: BTreeMap<String, VerifyingKey>,
    hash: String,
}

/// What is wrong with a roster or with a person's word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// A line is not a name and a key.
    #[error("line {0} of the roster is not `NAME KEY`, the key as 64 hex digits")]
    Line(usize),
    /// A name or key twice.
    #[error("line {0} of the roster names a person or a key a second time: every person has a key of their own")]
    Twice(usize),
    /// Too few or too many people.
    #[error("a roster has 2 to {PEOPLE_MAX} people")]
    Count,
    /// Not on the roster.
    #[error("`{0}` is not on the roster")]
    Unknown(String),
    /// The key is another person's.
    #[error("the key given is not the one that the roster has for `{0}`")]
    OtherKey(String),
}

/// Why a word for a file does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ignored {
    /// Not on the roster.
    Unknown,
    /// The signature does not fit.
    Forged,
    /// Expired, or not yet given.
    OutOfTime,
    /// The same person again.
    Twice,
    /// Who built the file is never the second.
    BuilderSecond,
}

impl Roster {
    /// Reads a roster. Empty lines and those that begin with `#` are passed over.
    ///
    /// # Errors
    /// The first bad line, a name or key twice, or fewer than two people.
    pub fn parse(text: &str) -> Result<Self, RosterError> {
        let mut people = BTreeMap::new();
        let mut keys = BTreeSet::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let parts: Vec<&str> = line.split_whitespace().collect();
            let [name, key] = parts.as_slice() else {
                return Err(RosterError::Line(number));
            };
            let bytes: [u8; 32] = from_hex(key)
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or(RosterError::Line(number))?;
            let is_new = keys.insert(bytes);
            if !is_new || people.insert((*name).to_owned(), VerifyingKey::from_bytes(bytes)).is_some() {
                return Err(RosterError::Twice(number));
            }
        }
        if !(APPROVALS_NEEDED..=PEOPLE_MAX).contains(&people.len()) {
            return Err(RosterError::Count);
        }
        let lines: String = people
            .iter()
            .map(|(name, key)| format!("{name} {}\n", hex(key.as_bytes())))
            .collect();
        Ok(Self {
            people,
            hash: hex(&sha256(lines.as_bytes())),
        })
    }

    /// Returns the SHA-256 over names and keys, hex.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Returns whether the key is the one of this person.
    ///
    /// # Errors
    /// Nobody of this name, or another key.
    pub fn check(&self, name: &str, key: &SigningKey) -> Result<(), RosterError> {
        let known = self.people.get(name).ok_or_else(|| RosterError::Unknown(name.to_owned()))?;
        let is_own = *known == key.verifying_key();
        if is_own {
            Ok(())
        } else {
            Err(RosterError::OtherKey(name.to_owned()))
        }
    }

    /// Returns the people whose words count at `now`, and the words that do not.
    pub fn count(&self, file: &str, state: &FileState, now: Timestamp) -> (Vec<String>, Vec<(String, Ignored)>) {
        let (mut counted, mut ignored): (Vec<String>, Vec<_>) = (Vec::new(), Vec::new());
        for word in &state.words {
            match self.why_not(file, state, word, now, &counted) {
                None => counted.push(word.by.clone()),
                Some(why) => ignored.push((word.by.clone(), why)),
            }
        }
        (counted, ignored)
    }

    fn why_not(&self, file: &str, state: &FileState, word: &Word, now: Timestamp, before: &[String]) -> Option<Ignored> {
        let Some(key) = self.people.get(&word.by) else {
            return Some(Ignored::Unknown);
        };
        let bytes = approval_bytes(file, state, &word.by, word.at, word.valid_until);
        let signature = from_hex(&word.signature).unwrap_or_default();
        if key.verify(&bytes, &signature).is_err() {
            return Some(Ignored::Forged);
        }
        let latest = word.at.plus_ms(APPROVAL_HOURS_MAX * 3_600_000);
        if word.at < state.built || word.at > now || word.valid_until <= now || word.valid_until > latest {
            return Some(Ignored::OutOfTime);
        }
        if before.contains(&word.by) {
            return Some(Ignored::Twice);
        }
        (word.by == state.by && !before.is_empty()).then_some(Ignored::BuilderSecond)
    }
}

/// The bytes that an approver signs: one field per line under a heading of their own. Names hold no white space.
pub(crate) fn approval_bytes(file: &str, state: &FileState, by: &str, at: Timestamp, valid_until: Timestamp) -> Vec<u8> {
    let FileState {
        run, payments, cents, ..
    } = state;
    let (at, valid_until) = (at.0, valid_until.0);
    format!("leckwehr payment approval v1\n{file}\n{run}\n{payments}\n{cents}\n{by}\n{at}\n{valid_until}\n").into_bytes()
}

/// The bytes that are signed by whoever builds or gives up a file.
pub(crate) fn deed_bytes(deed: &str, file: &str, by: &str, at: Timestamp) -> Vec<u8> {
    format!("leckwehr payment {deed} v1\n{file}\n{by}\n{}\n", at.0).into_bytes()
}
