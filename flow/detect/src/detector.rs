use leckwehr_estate::Estate;
use leckwehr_incident::{Finding, Timestamp};
use leckwehr_telemetry::Events;
use serde::{Deserialize, Serialize};

use crate::behaviour::{Behaviour, Context, Found, Keyed, Names, Opinion, Thresholds, digest};
use crate::placed::RuleWatch;
use crate::{AddressBook, CorrelationSnapshot, RestoreError, Rules};

/// What a detector works with.
#[derive(Debug, Clone)]
pub struct DetectConfig {
    /// Sigma rules.
    pub rules: Rules,
    /// Which system, inside or outside.
    pub book: AddressBook,
    /// When the behaviour detectors fire.
    pub thresholds: Thresholds,
    /// Files that nobody has a reason to touch, as the ends of their paths; a change to one is critical at once.
    pub canaries: Vec<String>,
    /// Key of the digests under which the detectors file names: with a secret one nobody can choose names that collide.
    pub hash_key: u64,
}

impl DetectConfig {
    /// Builds the configuration for an estate with the default thresholds.
    pub fn new(rules: Rules, estate: &Estate) -> Self {
        Self {
            rules,
            book: AddressBook::new(estate),
            thresholds: Thresholds::default(),
            canaries: Vec::new(),
            hash_key: 0x6c65_636b_7765_6872,
        }
    }
}

/// Turns events into findings.
///
/// It learns what is normal until [`Detector::end_learning`]; what needs a baseline is silent until then. Everything
/// that is wrong without a baseline (rules, backup destruction, mass encryption, failed log-ons) fires from the start.
#[derive(Debug)]
pub struct Detector {
    context: Context,
    rules: RuleWatch,
    state: State,
    opinions: Option<Vec<Opinion>>,
}

/// Everything that a detector learned and remembers.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct State {
    version: u32,
    learned: bool,
    hash_key: u64,
    behaviour: Behaviour,
    fired: Fired,
    /// Absent while nothing is correlated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlations: Option<CorrelationSnapshot>,
}

/// Version of what [`Detector::snapshot`] returns.
const SNAPSHOT_VERSION: u32 = 1;

/// A snapshot that cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It is damaged, or none.
    #[error("the snapshot cannot be read")]
    Unreadable(#[from] serde_json::Error),
    /// It was written by a version that kept other things.
    #[error("the snapshot has version {0}, this program reads version {SNAPSHOT_VERSION}")]
    Version(u32),
    /// Its names were filed under another key.
    #[error("the snapshot was made with another hash key")]
    HashKey,
    /// Its correlations cannot be gone on with.
    #[error(transparent)]
    Correlations(#[from] RestoreError),
}

impl Detector {
    /// Builds a detector that is learning.
    pub fn new(config: DetectConfig) -> Self {
        Self {
            context: Context {
                book: config.book,
                thresholds: config.thresholds,
                canaries: config.canaries,
                hash_key: config.hash_key,
                learning: true,
            },
            rules: RuleWatch::new(&config.rules),
            state: State::default(),
            opinions: None,
        }
    }

    /// Ends the learning phase: what was seen until now is normal.
    pub fn end_learning(&mut self) {
        self.context.learning = false;
    }

    /// Takes a batch and returns what fired, in order of time. See [`crate::Matcher::matches`] for the cost of rules.
    ///
    /// Within the batch events are taken in order of time, as files often hold one kind of record after the other.
    pub fn push(&mut self, events: &Events) -> Vec<Finding> {
        self.take(events, None)
    }

    /// The same for live telemetry: `arrived` is when the batch came, against which the clocks of its sensors are judged.
    pub fn push_arrived(&mut self, events: &Events, arrived: Timestamp) -> Vec<Finding> {
        self.take(events, Some(arrived))
    }

    /// Tells the present, so that silence can be heard; call it every few seconds on live telemetry.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Finding> {
        let mut found = self.found();
        self.state.behaviour.tick(now, &self.context, &mut found);
        self.opinions = found.opinions;
        found.findings
    }

    /// Returns what behaviour detectors and correlations learned and remember, as JSON.
    ///
    /// Equal states give equal bytes, and a restored detector goes on exactly as the saved one would have.
    ///
    /// # Errors
    /// None in practice: the state is made of numbers, texts and lists.
    pub fn snapshot(&mut self) -> Result<Vec<u8>, SnapshotError> {
        self.state.version = SNAPSHOT_VERSION;
        self.state.learned = !self.context.learning;
        self.state.hash_key = self.context.hash_key;
        self.state.correlations = self.rules.snapshot();
        Ok(serde_json::to_vec(&self.state)?)
    }

    /// Goes on where the snapshot was made. The configuration stays as it is.
    ///
    /// # Errors
    /// When the bytes are no snapshot of this version and hash key; the detector is then unchanged.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<(), SnapshotError> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let head: Head = serde_json::from_slice(snapshot)?;
        if head.version != SNAPSHOT_VERSION {
            return Err(SnapshotError::Version(head.version));
        }
        let mut state: State = serde_json::from_slice(snapshot)?;
        if state.hash_key != self.context.hash_key {
            return Err(SnapshotError::HashKey);
        }
        self.rules.restore(state.correlations.take())?;
        self.context.learning = !state.learned;
        self.state = state;
        Ok(())
    }

    /// Keeps what the behaviour detectors think of everything they watch, for measurements; see
    /// [`Detector::take_opinions`], which must be called often, as nothing else bounds them.
    pub fn keep_opinions(&mut self) {
        self.opinions = Some(Vec::new());
    }

    /// Returns the opinions since the last call.
    pub fn take_opinions(&mut self) -> Vec<Opinion> {
        self.opinions.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn found(&mut self) -> Found {
        Found {
            findings: Vec::new(),
            opinions: self.opinions.take(),
        }
    }

    fn take(&mut self, events: &Events, arrived: Option<Timestamp>) -> Vec<Finding> {
        let mut found = self.found();
        let mut names = Names::new(events, &self.context.book, self.context.hash_key);
        for event in events.rows_by_time().into_iter().filter_map(|row| events.get(row)) {
            let look = names.look(event);
            let first = found.findings.len();
            self.rules.observe(&look, &self.context.book, &mut found.findings);
            self.state.behaviour.note_rules(&found.findings[first..], &self.context);
            self.state.behaviour.observe(&look, &self.context, &mut found);
        }
        self.state.behaviour.end_batch(arrived, &self.context, &mut found);
        self.opinions = found.opinions;
        let mut findings = found.findings;
        findings.retain(|f| self.state.fired.is_news(f, &self.context));
        findings
    }
}

/// What was told already, so that the same rule on the same entities is told once per `repeat_ms`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Fired {
    last: Keyed<(u64, u64, u64, u64), Option<Timestamp>>,
}

impl Fired {
    fn is_news(&mut self, finding: &Finding, context: &Context) -> bool {
        let key = |text: &str| digest(context.hash_key, text);
        let who = [&finding.account, &finding.origin].map(|who| key(who.as_deref().unwrap_or("")));
        let last = self.last.entry((key(&finding.rule), key(&finding.host), who[0], who[1]));
        let repeat_ms = context.thresholds.repeat_ms;
        let news = last.is_none_or(|at| at.plus_ms(repeat_ms) < finding.at || finding.at.plus_ms(repeat_ms) < at);
        if news {
            *last = Some(finding.at);
        }
        news
    }
}
