//! Findings become alarms: risk per entity, closed alarms that later evidence reopens, suppressions that expire.

mod closing;
mod entity;
mod stakes;
mod suppression;

use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::Estate;
use leckwehr_incident::{Alarm, AlarmLevel, Decision, Fact, Finding, Suppression, Timestamp, Verdict, What};
use serde::{Deserialize, Serialize};

use entity::Entity;
use stakes::Stakes;
pub use suppression::{SUPPRESSION_MS_MAX, SUPPRESSIONS_MAX, SuppressionError};

/// Entities with a risk; when one more comes, the quietest sixteenth goes.
pub const ENTITIES_MAX: usize = 20_000;
/// Version of a [`Fusion::snapshot`].
const SNAPSHOT_VERSION: u16 = 1;

/// Fuses findings into alarms: risk per host, account, service and party, with decay, raised by the diversity of techniques.
///
/// A rule that fires again on the same entity counts half of what it counted before, and its risk never passes twice its
/// weight, so that one kind of noise cannot add up to a critical alarm; different techniques can. The host a finding came from
/// carries half of its weight, services that rest on the host and the party it belongs to three tenths.
///
/// An alarm that was closed stays closed until evidence comes that it was not closed over: see [`Fusion::close`].
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Fusion {
    entities: BTreeMap<String, Entity>,
    /// Entities with a closed alarm, by what its findings pointed at.
    closed_over: BTreeMap<String, BTreeSet<String>>,
    suppressions: BTreeMap<String, Silenced>,
    alarms_raised: u64,
    suppressions_made: u64,
    entities_forgotten: u64,
    #[serde(skip)]
    stakes: Stakes,
}

/// A suppression and what it kept quiet.
#[derive(Debug, Serialize, Deserialize)]
struct Silenced {
    suppression: Suppression,
    findings: u64,
}

/// Something that cannot be done with an alarm, or a state that cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum FusionError {
    /// No alarm has this id.
    #[error("there is no alarm {alarm:?}")]
    NoSuchAlarm {
        /// The id.
        alarm: String,
    },
    /// The alarm is closed already.
    #[error("{alarm} is closed already")]
    Closed {
        /// Its id.
        alarm: String,
    },
    /// Nobody says why, or who.
    #[error("closing {alarm} wants a name and a reason")]
    Unsigned {
        /// Its id.
        alarm: String,
    },
    /// A suppression that may not be.
    #[error(transparent)]
    Suppression(#[from] SuppressionError),
    /// Not a snapshot of this build.
    #[error("not a snapshot of the fusion, version {SNAPSHOT_VERSION}")]
    Snapshot(#[source] serde_json::Error),
    /// A snapshot of another version.
    #[error("the snapshot is of version {found}; this build reads version {SNAPSHOT_VERSION}: fold the ledger's facts instead")]
    SnapshotVersion {
        /// Version found.
        found: u16,
    },
}

#[derive(Serialize, Deserialize)]
struct Snapshot<F> {
    version: u16,
    fusion: F,
}

impl Fusion {
    /// Builds a fusion that knows nothing yet, and no services and parties.
    pub fn new() -> Self {
        Self::default()
    }

    /// Builds a fusion that also carries risk to the services and parties of an estate.
    pub fn for_estate(estate: &Estate) -> Self {
        Self {
            stakes: Stakes::new(estate),
            ..Self::default()
        }
    }

    /// Takes findings and returns the alarms that are new, louder than before, open again, or told again after a quiet day; an
    /// alarm keeps its id. O(findings × (entities touched × log entities + suppressions)).
    pub fn push(&mut self, findings: &[Finding]) -> Vec<Alarm> {
        let mut raised: Vec<Alarm> = Vec::new();
        for finding in findings {
            let alarms = self.take_finding(finding);
            raised.retain(|before| alarms.iter().all(|a| a.id != before.id));
            raised.extend(alarms);
        }
        raised
    }

    /// Takes a person's decision and returns who decided and the fact that says so; nothing changes on an error.
    pub fn decide(&mut self, decision: Decision, now: Timestamp) -> Result<(String, What), FusionError> {
        match decision {
            Decision::Close {
                alarm,
                verdict,
                by,
                reason,
            } => {
                let fact = self.close(&alarm, now, &by, verdict, &reason)?;
                Ok((by, fact))
            }
            Decision::Suppress { suppression } => {
                let by = suppression.author.clone();
                Ok((by, self.suppress(suppression, now)?))
            }
            Decision::Lift { suppression, by, reason } => {
                let fact = self.lift(&suppression, &by, &reason)?;
                Ok((by, fact))
            }
        }
    }

    /// Takes a fact that a ledger holds: after all of them, in order, the fusion is what it was when they were written.
    pub fn take_fact(&mut self, fact: &Fact) {
        match &fact.what {
            What::Found { finding } => {
                self.push(std::slice::from_ref(finding));
            }
            What::AlarmClosed { alarm, verdict, .. } => {
                // What an older build closed carries no verdict: nothing is known to be harmless.
                let verdict = verdict.unwrap_or(Verdict::Undetermined);
                self.close_over(alarm, fact.at, &fact.by, verdict);
            }
            What::Suppressed { suppression } => self.keep_quiet(suppression.clone()),
            What::SuppressionEnded { suppression, .. } => {
                self.suppressions.remove(suppression);
            }
            _ => {}
        }
    }

    /// Returns the loudest level of any open alarm.
    pub fn level(&self) -> Option<AlarmLevel> {
        self.entities.values().filter_map(Entity::open_level).max()
    }

    /// Returns how many quiet entities were forgotten because there were more than [`ENTITIES_MAX`].
    pub fn entities_forgotten(&self) -> u64 {
        self.entities_forgotten
    }

    /// Returns the whole state as JSON, without the estate.
    pub fn snapshot(&self) -> Vec<u8> {
        let snapshot = Snapshot {
            version: SNAPSHOT_VERSION,
            fusion: self,
        };
        // Serialising cannot fail: all map keys are strings.
        serde_json::to_vec(&snapshot).unwrap_or_default()
    }

    /// Reads a snapshot back; the estate is handed in again.
    pub fn restore(snapshot: &[u8], estate: &Estate) -> Result<Self, FusionError> {
        #[derive(Deserialize)]
        struct Version {
            version: u16,
        }
        let Version { version: found } = serde_json::from_slice(snapshot).map_err(FusionError::Snapshot)?;
        if found != SNAPSHOT_VERSION {
            return Err(FusionError::SnapshotVersion { found });
        }
        let read: Snapshot<Self> = serde_json::from_slice(snapshot).map_err(FusionError::Snapshot)?;
        Ok(Self {
            stakes: Stakes::new(estate),
            ..read.fusion
        })
    }

    fn take_finding(&mut self, finding: &Finding) -> Vec<Alarm> {
        if self.is_suppressed(finding) {
            return Vec::new();
        }
        let mut raised = self.reopen_by_indicator(finding);
        for (entity, share) in self.stakes.touched(finding) {
            if !self.is_entity_suppressed(&entity, finding) {
                raised.extend(self.add(&entity, finding, share));
            }
        }
        raised
    }

    fn add(&mut self, name: &str, finding: &Finding, share: f64) -> Option<Alarm> {
        if !self.entities.contains_key(name) && self.entities.len() >= ENTITIES_MAX {
            self.forget_quietest();
        }
        let entity = self.entities.entry(name.to_owned()).or_default();
        let was_closed = entity.is_closed();
        let news = entity.add(finding, share)?;
        let id = entity.alarm_id(&mut self.alarms_raised);
        let alarm = entity.tell(id, name, news, finding.at);
        if was_closed {
            self.forget_closing(name);
        }
        Some(alarm)
    }

    /// Makes room: entities without an alarm go first, then those with a closed one, each the quietest first.
    fn forget_quietest(&mut self) {
        let now = self.entities.values().map(Entity::at).max().unwrap_or_default();
        let mut quiet: Vec<_> = self
            .entities
            .iter()
            .map(|(name, e)| (e.rank(), e.risk_at(now), name.clone()))
            .collect();
        quiet.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then_with(|| a.2.cmp(&b.2)));
        for (_, _, name) in quiet.into_iter().take(ENTITIES_MAX / 16) {
            self.forget_closing(&name);
            self.entities.remove(&name);
            self.entities_forgotten += 1;
        }
    }
}

/// Returns the level of a risk.
fn level(risk: f64) -> Option<AlarmLevel> {
    match risk {
        r if r >= 80.0 => Some(AlarmLevel::Critical),
        r if r >= 50.0 => Some(AlarmLevel::Warning),
        r if r >= 25.0 => Some(AlarmLevel::Notice),
        _ => None,
    }
}

/// Returns how much is left after a time of what halves every [`HALF_LIFE_S`].
fn decay(from: Timestamp, to: Timestamp) -> f64 {
    0.5_f64.powf(to.seconds_since(from).max(0.0) / HALF_LIFE_S)
}

/// Risk halves in this time.
const HALF_LIFE_S: f64 = 1_800.0;
