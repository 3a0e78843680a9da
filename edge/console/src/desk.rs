use leckwehr_crypt::{hex, random_bytes};
use leckwehr_incident::{Decision, Suppression, Timestamp, Verdict};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};

/// Bytes of a posted form.
pub(crate) const FORM_BYTES_MAX: usize = 16 * 1024;
/// Characters of each field that a person fills in.
const FIELD_CHARS_MAX: usize = 2_000;
const HOUR_MS: i64 = 3_600_000;

/// A decision that waits for its answer: `Ok` once it is in the ledger, else why not.
#[derive(Debug)]
pub struct Asked {
    /// The decision.
    pub decision: Decision,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Result<(), String>>,
}

/// The way from the console to whoever writes the ledger.
#[derive(Debug, Clone)]
pub struct Desk {
    sender: mpsc::Sender<Asked>,
    /// Only a page of this console knows it, so that no other site can post in a person's name.
    token: String,
}

/// What a page posts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Form {
    token: String,
    pub(crate) lang: String,
    verdict: String,
    by: String,
    reason: String,
    entity: String,
    rule: String,
    hours: String,
}

impl Desk {
    /// Builds a desk; decisions come out of the receiver's other end. Fails without randomness.
    pub fn new(sender: mpsc::Sender<Asked>) -> Option<Self> {
        let token = hex(&random_bytes::<16>().ok()?);
        Some(Self { sender, token })
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    pub(crate) fn knows(&self, form: &Form) -> bool {
        form.token == self.token
    }

    /// Hands a decision over and waits for the answer.
    pub(crate) async fn ask(&self, decision: Decision) -> Result<(), String> {
        let (answer, answered) = oneshot::channel();
        let gone = || "nobody writes the ledger any more".to_owned();
        self.sender.send(Asked { decision, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Form {
    /// Reads the form as the closing of an alarm.
    pub(crate) fn close(self, alarm: String) -> Result<Decision, String> {
        let verdict = Verdict::from_word(&self.verdict).ok_or_else(|| format!("{:?} is no verdict", self.verdict))?;
        Ok(Decision::Close {
            alarm,
            verdict,
            by: bounded(self.by)?,
            reason: bounded(self.reason)?,
        })
    }

    /// Reads the form as a suppression of some hours from `now`.
    pub(crate) fn suppress(self, now: Timestamp) -> Result<Decision, String> {
        let hours: i64 = self
            .hours
            .trim()
            .parse()
            .map_err(|_| format!("{:?} is no number of hours", self.hours))?;
        let suppression = Suppression {
            id: String::new(),
            entity: bounded(self.entity)?,
            rule: bounded(self.rule)?,
            until: now.plus_ms(hours.saturating_mul(HOUR_MS)),
            author: bounded(self.by)?,
            reason: bounded(self.reason)?,
        };
        Ok(Decision::Suppress { suppression })
    }

    /// Reads the form as the end of a suppression.
    pub(crate) fn lift(self, suppression: String) -> Result<Decision, String> {
        Ok(Decision::Lift {
            suppression,
            by: bounded(self.by)?,
            reason: bounded(self.reason)?,
        })
    }
}

/// Returns the text without what a terminal or page would obey.
fn bounded(text: String) -> Result<String, String> {
    if text.chars().count() > FIELD_CHARS_MAX {
        return Err(format!("a field is longer than {FIELD_CHARS_MAX} characters"));
    }
    Ok(text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
}
