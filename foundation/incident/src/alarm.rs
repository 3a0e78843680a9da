use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// One rule or detector firing on one record or window.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Finding {
    /// When the record says it happened.
    pub at: Timestamp,
    /// Stable id of the rule or detector, e.g. a Sigma UUID or `detector:backup-destruction`.
    pub rule: String,
    /// Title for people.
    pub title: String,
    /// Author of the rule (Sigma's Detection Rule License asks for it); `Leckwehr` for own detectors.
    pub author: String,
    /// ATT&CK technique ids, e.g. `T1490`.
    pub techniques: Vec<String>,
    /// The system it happened on: an estate id where known, else the address or name in the record.
    pub host: String,
    /// The account involved, if the record names one.
    pub account: Option<String>,
    /// Where it came from (system id or address), if the record names one.
    pub origin: Option<String>,
    /// Risk weight, 0 to 100.
    pub weight: u8,
    /// Where the raw records are: `source#record`.
    pub evidence: Vec<String>,
    /// One sentence with the figures that made it fire.
    pub detail: String,
    /// What others can look for: addresses outside, domain names, hashes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indicators: Vec<String>,
}

/// How loud an alarm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmLevel {
    /// Worth reading in the morning.
    Notice,
    /// Someone looks now.
    Warning,
    /// A takedown is on the table.
    Critical,
}

/// Findings fused for one entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// Stable id within the incident, e.g. `alarm-3`.
    pub id: String,
    /// When the level was reached.
    pub at: Timestamp,
    /// The entity: `host:<id>`, `account:<name>`, `service:<id>` or `party:<id>`.
    pub entity: String,
    /// The level.
    pub level: AlarmLevel,
    /// Risk at that moment.
    pub risk: f64,
    /// The reasons in words, loudest first: finding titles with their count, share of the risk and author.
    pub reasons: Vec<String>,
    /// The same for machines, loudest first; empty in ledgers of older builds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// Why it is open again after it was closed, as one sentence; `None` for one that was not closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reopened: Option<String>,
}

/// What one rule adds to an alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Id of the rule or detector.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// Its author.
    pub author: String,
    /// ATT&CK technique ids.
    pub techniques: Vec<String>,
    /// Findings of this rule about this entity.
    pub count: u64,
    /// Its share of the risk at that moment, 0 to 1.
    pub share: f64,
    /// First finding.
    pub first: Timestamp,
    /// Last finding.
    pub last: Timestamp,
    /// Where the raw records of some of them are: `source#record`.
    pub evidence: Vec<String>,
}

/// As what an alarm is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The rule was wrong: nothing of what it describes happened.
    FalsePositive,
    /// It happened, and it was allowed: maintenance, a test, an administrator's work.
    BenignTruePositive,
    /// It was an attack, and it was stopped.
    Contained,
    /// Another alarm tells the same.
    Duplicate,
    /// It can no longer be found out.
    Undetermined,
}

impl Verdict {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 5] = [
        Self::FalsePositive,
        Self::BenignTruePositive,
        Self::Contained,
        Self::Duplicate,
        Self::Undetermined,
    ];

    /// Returns the word of the vocabulary, e.g. `false-positive`.
    pub fn word(self) -> &'static str {
        match self {
            Self::FalsePositive => "false-positive",
            Self::BenignTruePositive => "benign-true-positive",
            Self::Contained => "contained",
            Self::Duplicate => "duplicate",
            Self::Undetermined => "undetermined",
        }
    }

    /// Returns the verdict with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.word() == word)
    }

    /// Returns whether the findings it was closed over say nothing bad of the entity.
    pub fn is_harmless(self) -> bool {
        matches!(self, Self::FalsePositive | Self::BenignTruePositive | Self::Duplicate)
    }
}

/// Findings that shall raise no alarm for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// Stable id, e.g. `suppression-2`.
    pub id: String,
    /// Pattern of entities, with `*` for any text: `host:scan-*`.
    pub entity: String,
    /// Pattern of rule ids or titles, with `*` for any text.
    pub rule: String,
    /// Findings later than this count again.
    pub until: Timestamp,
    /// Who answers for it.
    pub author: String,
    /// Why.
    pub reason: String,
}

/// What a person decides about alarms; the control room writes it down as a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "kebab-case")]
pub enum Decision {
    /// Close an alarm.
    Close {
        /// Its id.
        alarm: String,
        /// As what.
        verdict: Verdict,
        /// Who says so.
        by: String,
        /// Why.
        reason: String,
    },
    /// Let findings raise no alarm for a while; the id is given by the control room.
    Suppress {
        /// What, until when, by whom and why.
        suppression: Suppression,
    },
    /// End a suppression before its time.
    Lift {
        /// Its id.
        suppression: String,
        /// Who says so.
        by: String,
        /// Why.
        reason: String,
    },
}
