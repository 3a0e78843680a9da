use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// How sure we are that the attacker was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Direct evidence of the attacker's action there.
    Proven,
    /// Reached by a step that has the attacker's marks, without direct evidence of action.
    Probable,
    /// Reach only: a time-respecting step exists.
    Possible,
    /// Excluded, with the coverage that excludes it.
    Excluded,
    /// Not enough was seen to say.
    Unknown,
}

/// One host in the impact analysis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostAssessment {
    /// Estate id, or the address where the estate does not know it.
    pub system: String,
    /// How sure.
    pub tier: Tier,
    /// Earliest time the attacker can have been there.
    pub since: Option<Timestamp>,
    /// The previous host on the best route.
    pub via: Option<String>,
    /// Why, one sentence each, with evidence references.
    pub reasons: Vec<String>,
}

/// One credential in the impact analysis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CredentialAssessment {
    /// Account name.
    pub account: String,
    /// How sure we are that the attacker holds it.
    pub tier: Tier,
    /// Hosts it was used on by the attacker.
    pub used_on: Vec<String>,
}

/// One step of a route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hop {
    /// Host (or outside address) the step starts from.
    pub from: String,
    /// Host it arrives at.
    pub to: String,
    /// When.
    pub at: Timestamp,
    /// The account used, if seen.
    pub account: Option<String>,
    /// How sure.
    pub tier: Tier,
    /// What it was: `remote logon`, `remote execution (WinRM)`, `command channel`, …
    pub means: String,
    /// Evidence references and sentences.
    pub evidence: Vec<String>,
}

/// What an address outside was to the attacker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutsideRole {
    /// Commands came from there.
    Command,
    /// Data went there.
    Exfiltration,
    /// Both.
    CommandAndExfiltration,
    /// The attacker entered from there.
    Entry,
    /// Contacted by a compromised host, role not determined.
    Unknown,
}

/// An address outside the estate that the attacker used or may have used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutsideEndpoint {
    /// Address or name.
    pub address: String,
    /// What it was.
    pub role: OutsideRole,
    /// How sure.
    pub tier: Tier,
    /// No more than this many bytes went there through observed exits.
    pub bytes_out_max: u64,
    /// First and last contact.
    pub seen: Option<(Timestamp, Timestamp)>,
    /// Evidence sentences.
    pub evidence: Vec<String>,
}

/// What was observed of one asset, by what, when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// System id, zone or exit.
    pub asset: String,
    /// Evidence class: `logon`, `process`, `file`, `flow`, `backup`, …
    pub class: String,
    /// Share of expected records that arrived, 0 to 1.
    pub seen: f64,
    /// What is missing, in words; empty if nothing is known to be missing.
    pub missing: String,
}

/// The impact analysis: where the attacker was, came from, went to, what left, and what cannot be known.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Impact {
    /// Start and end of the examined window.
    pub window: Option<(Timestamp, Timestamp)>,
    /// Hosts, most certain first, then by time.
    pub hosts: Vec<HostAssessment>,
    /// Credentials.
    pub credentials: Vec<CredentialAssessment>,
    /// Steps, in order of time.
    pub hops: Vec<Hop>,
    /// Addresses outside.
    pub outside: Vec<OutsideEndpoint>,
    /// No more than this many bytes left through observed exits in the window.
    pub bytes_out_max: u64,
    /// Exits that were not observed, in words.
    pub exits_unobserved: Vec<String>,
    /// Coverage per asset and class.
    pub coverage: Vec<Coverage>,
    /// What the analysis cannot know, one sentence each.
    pub unknowns: Vec<String>,
}

/// STIX-like confidence in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Direct evidence with full coverage (STIX 95).
    Confirmed,
    /// Strong evidence (STIX 75).
    Likely,
    /// Judged from partial evidence (STIX 50).
    Assessed,
    /// Not known (STIX 0).
    Unknown,
}

/// What a claim is about, so that a score or a reader can hold it against the truth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ClaimTopic {
    /// No more than `bytes` left through observed exits.
    BytesOut {
        /// The bound in bytes.
        bytes: u64,
    },
    /// These hosts were compromised.
    Compromised {
        /// Estate ids.
        hosts: Vec<String>,
    },
    /// The attacker was not seen on these hosts.
    NotReached {
        /// Zone or service in words.
        scope: String,
        /// Estate ids.
        hosts: Vec<String>,
    },
    /// No packet crossed the cut.
    CutHolds {
        /// Isolated systems.
        hosts: Vec<String>,
    },
    /// A service is back at a level.
    ServiceRestored {
        /// Service id.
        service: String,
    },
    /// Messages accepted and none lost.
    MessagesKept {
        /// Messages accepted.
        accepted: u64,
    },
}

/// A sentence for people, with what it stands on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// Stable id, e.g. `claim-bytes-out`.
    pub id: String,
    /// What it says, for machines.
    pub topic: ClaimTopic,
    /// The sentence by language tag (`de`, `en`).
    pub text: BTreeMap<String, String>,
    /// How sure.
    pub confidence: Confidence,
    /// Evidence references.
    pub evidence: Vec<String>,
    /// What was observed.
    pub coverage: String,
    /// What was not seen.
    pub not_seen: String,
    /// When it must be looked at again.
    pub review_by: Timestamp,
}
