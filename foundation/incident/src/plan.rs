use serde::{Deserialize, Serialize};

/// What a plan does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanKind {
    /// Takes systems off the grid.
    Takedown,
    /// Brings systems and services back.
    Restore,
}

/// One step as people approve it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStep {
    /// Position in the plan, from 1.
    pub number: u32,
    /// Who executes: a guard, or `agent:<system>`.
    pub executor: String,
    /// Verb of the field: `isolate-host`, `cut-connection`, `rotate-credentials`, `restore-files`, `probe`, `reconnect`.
    pub action: String,
    /// What it acts on: a system, connection, zone or service id.
    pub target: String,
    /// Why this step, one sentence.
    pub reason: String,
    /// Planned duration in milliseconds.
    pub planned_ms: u64,
    /// Number of the protocol's clause that the step rests on; empty where no protocol is in force, and in ledgers of older
    /// builds. The hash covers it where it is given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub clause: String,
}

/// An immutable, numbered, hashed plan as it stands in the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanRecord {
    /// What it does.
    pub kind: PlanKind,
    /// Generation: an executor of an older generation is refused.
    pub generation: u64,
    /// SHA-256 over the plan's canonical bytes, hex. People approve this.
    pub hash: String,
    /// One sentence.
    pub summary: String,
    /// Harm of doing it, in euros per hour of outage, as the estate states it.
    pub harm_eur_per_hour: u64,
    /// The steps in order.
    pub steps: Vec<PlanStep>,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum StepOutcome {
    /// Done, and seen to be done.
    Verified {
        /// What was seen.
        evidence: String,
    },
    /// Certainly not applied.
    NotApplied {
        /// Why.
        reason: String,
    },
    /// Not known whether it was applied.
    Doubtful {
        /// Why.
        reason: String,
    },
}

/// One probe from one side of a cut or against a restored service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeResult {
    /// System that tried.
    pub from: String,
    /// System that was tried.
    pub to: String,
    /// What was expected.
    pub expected_reachable: bool,
    /// What was seen.
    pub reachable: bool,
}

/// The level at which a service runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceLevel {
    /// Does not run.
    Off,
    /// Being rebuilt or restored.
    Rebuilding,
    /// Runs in the clean room only.
    CleanRoom,
    /// Runs for essential functions, e.g. accepts and spools.
    Limited,
    /// Runs whole, under observation.
    Provisional,
    /// Runs whole.
    Full,
}

impl PlanRecord {
    /// Returns the bytes that the hash covers: compact JSON with an empty hash.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let unsealed = Self {
            hash: String::new(),
            ..self.clone()
        };
        // Serialising cannot fail: plain structs, string keys.
        serde_json::to_vec(&unsealed).unwrap_or_default()
    }

    /// Fills in the hash. People approve the result; changing anything afterwards breaks [`Self::is_sealed`].
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.hash = leckwehr_crypt::hex(&leckwehr_crypt::sha256(&self.canonical_bytes()));
        self
    }

    /// Returns whether the hash fits the content.
    pub fn is_sealed(&self) -> bool {
        self.hash == leckwehr_crypt::hex(&leckwehr_crypt::sha256(&self.canonical_bytes()))
    }
}
