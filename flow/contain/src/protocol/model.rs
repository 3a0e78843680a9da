use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::approval::ApprovalRules;

/// The same words in both languages of the people who agreed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Words {
    /// German.
    pub de: String,
    /// English.
    pub en: String,
}

/// What a clause can allow or demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Tell a party before its connection is cut.
    Notify,
    /// Wait until the time of the notice is over.
    AwaitNotice,
    /// Let a system finish what it does, and take nothing new.
    Drain,
    /// Have a database write everything to disk.
    Flush,
    /// Keep the state of a system for forensics.
    Snapshot,
    /// Keep the memory of a system as evidence.
    CaptureMemory,
    /// Keep the disks of a system as evidence.
    CaptureDisk,
    /// Cut a connection.
    CutConnection,
    /// Take a system off the grid.
    IsolateHost,
    /// Switch a system off.
    PowerOff,
    /// Hand a partner the attestation of what was found and changed.
    Attest,
    /// The partner's word that it was checked.
    Accept,
    /// Put a connection back, with both sides' word.
    Reconnect,
}

/// Every measure with its name in files and plans.
pub const MEASURES: &[(&str, Measure)] = &[
    ("notify", Measure::Notify),
    ("await-notice", Measure::AwaitNotice),
    ("drain", Measure::Drain),
    ("flush", Measure::Flush),
    ("snapshot", Measure::Snapshot),
    ("capture-memory", Measure::CaptureMemory),
    ("capture-disk", Measure::CaptureDisk),
    ("cut-connection", Measure::CutConnection),
    ("isolate-host", Measure::IsolateHost),
    ("power-off", Measure::PowerOff),
    ("attest", Measure::Attest),
    ("accept", Measure::Accept),
    ("reconnect", Measure::Reconnect),
];

impl Measure {
    /// Returns the name in files and plans, e.g. `isolate-host`.
    pub fn name(self) -> &'static str {
        MEASURES.iter().find(|(_, m)| *m == self).map_or("", |(name, _)| name)
    }

    /// Returns the measure whose clause covers this one too: notice belongs to the cut, both sides' words to the return.
    pub fn belongs_to(self) -> Self {
        match self {
            Self::Notify | Self::AwaitNotice => Self::CutConnection,
            Self::Attest | Self::Accept => Self::Reconnect,
            other => other,
        }
    }

    /// Returns the measure of a plan's action, if it is one.
    pub fn of_action(action: &str) -> Option<Self> {
        MEASURES.iter().find(|(name, _)| *name == action).map(|(_, m)| *m)
    }
}

/// One clause of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Clause {
    /// Title.
    pub title: Words,
    /// What was agreed.
    pub text: Words,
    /// What rests on it.
    pub measures: BTreeSet<Measure>,
    /// Systems, zones, connections and parties that it is about; empty means all.
    pub applies_to: BTreeSet<String>,
    /// Systems, connections and services that are never cut.
    pub life_lines: BTreeSet<String>,
    /// Minutes between telling the party and cutting its connection.
    pub notice_minutes: u32,
    /// Whether notice may be given after the cut where the attacker came over the connection.
    pub notice_waived_if_used: bool,
    /// Parties that sign before.
    pub counter_signers: BTreeSet<String>,
    /// Minutes that one of its measures takes where people do it.
    pub minutes: u32,
}

/// What one plan may do at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caps {
    /// Systems taken off the grid.
    pub systems_max: usize,
    /// Connections cut.
    pub connections_max: usize,
    /// Harm in euros per hour.
    pub eur_per_hour_max: u64,
}

/// The agreed security protocol: who may order what, in which order it is done, and on which clause each step rests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Protocol {
    /// Id; names the playbook that it is exported as.
    pub id: String,
    /// Name.
    pub name: Words,
    /// Version.
    pub version: String,
    /// When it was agreed, RFC 3339.
    pub agreed: String,
    /// Hours for which a cut is expected to stand.
    pub expected_hours: u64,
    /// Who may order.
    pub approval: ApprovalRules,
    /// How much.
    pub caps: Caps,
    /// The clauses by number.
    pub clauses: BTreeMap<String, Clause>,
}

impl Protocol {
    /// Returns everything that some clause never cuts.
    pub fn life_lines(&self) -> BTreeSet<String> {
        self.clauses.values().flat_map(|c| c.life_lines.iter().cloned()).collect()
    }

    /// Returns the clause that a measure on a target rests on: one that names the target before one that names something it
    /// belongs to (`belongs_to`: its zone, parties), before one about all. Of several the first by number.
    pub fn clause_for(&self, measure: Measure, target: &str, belongs_to: &BTreeSet<String>) -> Option<(&str, &Clause)> {
        let rank = |clause: &Clause| {
            if clause.applies_to.contains(target) {
                Some(0)
            } else if !clause.applies_to.is_disjoint(belongs_to) {
                Some(1)
            } else {
                clause.applies_to.is_empty().then_some(2)
            }
        };
        let fitting = self.clauses.iter().filter(|(_, c)| c.measures.contains(&measure));
        let ranked = fitting.filter_map(|(number, c)| Some((rank(c)?, number, c)));
        ranked
            .min_by_key(|(rank, number, _)| (*rank, *number))
            .map(|(_, number, c)| (number.as_str(), c))
    }
}
