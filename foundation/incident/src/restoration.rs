use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// A check in front of a system's return. There are two, and neither stands for the other: what is decrypted is not clean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// It can be brought back, and this was tried.
    Restorable,
    /// What is brought back is free of the attacker.
    Clean,
}

/// One piece of evidence that a [`Gate`] demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateCheck {
    /// Every byte of the backup is as it was written.
    BackupVerified,
    /// The restore point stands in a list that is kept outside the backup.
    SnapshotWitnessed,
    /// The restore was done into a place beside the system, and compared.
    RestoreRehearsed,
    /// Nothing is restored on this system: it works as it is, by its own probe, before it is on the grid.
    KeptInPlace,
    /// The restore point is older than the first compromise, by a margin.
    BeforeCompromise,
    /// Nothing that is known of the attacker is found on it.
    IndicatorsSwept,
    /// Every stolen account that is valid on it has a new secret.
    CredentialsRotated,
    /// Its configuration was compared with the one that it should have.
    ConfigurationCompared,
}

impl Gate {
    /// Both gates.
    pub const ALL: [Self; 2] = [Self::Restorable, Self::Clean];

    /// Returns the word used in JSON, on pages and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Restorable => "restorable",
            Self::Clean => "clean",
        }
    }
}

impl GateCheck {
    /// All checks.
    pub const ALL: [Self; 8] = [
        Self::BackupVerified,
        Self::SnapshotWitnessed,
        Self::RestoreRehearsed,
        Self::KeptInPlace,
        Self::BeforeCompromise,
        Self::IndicatorsSwept,
        Self::CredentialsRotated,
        Self::ConfigurationCompared,
    ];

    /// Returns the gate that demands it.
    pub fn gate(self) -> Gate {
        match self {
            Self::BackupVerified | Self::SnapshotWitnessed | Self::RestoreRehearsed | Self::KeptInPlace => Gate::Restorable,
            Self::BeforeCompromise | Self::IndicatorsSwept | Self::CredentialsRotated | Self::ConfigurationCompared => {
                Gate::Clean
            }
        }
    }

    /// Returns the word used in JSON, on pages and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::BackupVerified => "backup-verified",
            Self::SnapshotWitnessed => "snapshot-witnessed",
            Self::RestoreRehearsed => "restore-rehearsed",
            Self::KeptInPlace => "kept-in-place",
            Self::BeforeCompromise => "before-compromise",
            Self::IndicatorsSwept => "indicators-swept",
            Self::CredentialsRotated => "credentials-rotated",
            Self::ConfigurationCompared => "configuration-compared",
        }
    }
}

/// The newest word of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckView {
    /// When.
    pub at: Timestamp,
    /// Passed?
    pub passed: bool,
    /// What was seen.
    pub evidence: String,
}

/// A person's decision in place of a gate, or about data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideView {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub person: String,
    /// Why.
    pub reason: String,
}

/// What a person puts a name to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub enum WordAbout {
    /// The gate counts as passed without its evidence.
    Override {
        /// System id.
        system: String,
        /// Gate.
        gate: Gate,
    },
    /// What was written on the system up to then may be lost: an older state may be restored over it.
    Lost {
        /// System id.
        system: String,
        /// The newest data that may be lost.
        until: Timestamp,
    },
    /// The step was done by hand.
    Done {
        /// SHA-256 of the plan, hex.
        plan: String,
        /// Step number.
        step: u32,
    },
    /// The system ran long enough under observation: it runs in full.
    Observed {
        /// System id.
        system: String,
    },
}

/// A signed word of a person about a restoration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedWord {
    /// Who.
    pub person: String,
    /// About what.
    pub word: WordAbout,
    /// Why, or what was seen.
    pub reason: String,
    /// When it was given.
    pub at: Timestamp,
    /// Ed25519 signature over [`SignedWord::bytes`], hex.
    pub signature: String,
}

impl SignedWord {
    /// Returns the bytes that the person signs: one field per line under a heading of their own, so that no other signed text
    /// can be taken for it.
    pub fn bytes(&self) -> Vec<u8> {
        let about = match &self.word {
            WordAbout::Override { system, gate } => format!("override\n{}\n{}", one_line(system), gate.word()),
            WordAbout::Lost { system, until } => format!("lost\n{}\n{}", one_line(system), until.0),
            WordAbout::Done { plan, step } => format!("done\n{}\n{step}", one_line(plan)),
            WordAbout::Observed { system } => format!("observed\n{}\n-", one_line(system)),
        };
        let (person, reason) = (one_line(&self.person), one_line(&self.reason));
        format!("leckwehr restoration v1\n{about}\n{person}\n{reason}\n{}\n", self.at.0).into_bytes()
    }
}

/// A name with a line break could pretend to be two fields.
fn one_line(text: &str) -> String {
    text.escape_debug().to_string()
}

/// Work that a plan leaves to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkView {
    /// Who has it.
    pub owner: String,
    /// Until when it should be done.
    pub due: Timestamp,
    /// What is to be done.
    pub what: String,
    /// Who says that it is done, when and in which words.
    pub confirmed: Option<OverrideView>,
}

/// Where a step stands in the order in which a restoration is carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepPlace {
    /// Step number in the approved plan.
    pub number: u32,
    /// Numbers of the steps that must be verified before.
    pub after: Vec<u32>,
    /// Planned begin in milliseconds from the moment of planning.
    pub start_ms: u64,
}

/// What was foretold of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForecastView {
    /// When it was foretold.
    pub at: Timestamp,
    /// Runs again as likely before as after this.
    pub p50: Timestamp,
    /// Runs again by then in nine of ten cases.
    pub p90: Timestamp,
}

/// How a system comes back: its gates, and what people decided about it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReturnView {
    /// The newest word of every check since the system was last taken off the grid.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub checks: BTreeMap<GateCheck, CheckView>,
    /// Gates that count as passed by a person's decision.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<Gate, OverrideView>,
    /// Data up to this time may be lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_until: Option<Timestamp>,
    /// Somebody put a name to it that it runs in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<OverrideView>,
}

impl ReturnView {
    /// Forgets the evidence: the system was lost again.
    pub(crate) fn begin_again(&mut self) {
        *self = Self::default();
    }
}
