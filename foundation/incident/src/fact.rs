use serde::{Deserialize, Serialize};

use crate::{
    Alarm, Claim, Delegation, Finding, GateCheck, Impact, PaymentStage, Phase, PlanRecord, PlanStep, ProbeResult, ServiceLevel,
    SignedWord, StepOutcome, StepPlace, Suppression, Timestamp, Verdict, WordView,
};

/// The newest version of the vocabulary that this build writes and reads.
pub const FACT_VERSION: u16 = 4;

/// One thing that happened, was decided or was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// Version of the vocabulary.
    pub v: u16,
    /// When the control room wrote it.
    pub at: Timestamp,
    /// Who says so: a room, a guard, a person's key id.
    pub by: String,
    /// What happened.
    pub what: What,
}

/// The vocabulary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "kebab-case")]
pub enum What {
    /// Observation began for an estate.
    WatchStarted {
        /// Estate name.
        estate: String,
        /// Services with their level at the start.
        services: Vec<String>,
    },
    /// A rule or detector fired.
    Found {
        /// The finding.
        finding: Finding,
    },
    /// Findings were fused into an alarm.
    Alarmed {
        /// The alarm.
        alarm: Alarm,
    },
    /// An alarm was closed.
    AlarmClosed {
        /// Its id.
        alarm: String,
        /// `closed as …`.
        as_what: String,
        /// The same for machines; `None` in ledgers of older builds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verdict: Option<Verdict>,
        /// Why, in the words of whoever closed it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// Findings were told to raise no alarm for a while. Since version 2.
    Suppressed {
        /// What, until when, by whom and why.
        suppression: Suppression,
    },
    /// A suppression ended. Since version 2.
    SuppressionEnded {
        /// Its id.
        suppression: String,
        /// Findings that raised no alarm because of it.
        findings: u64,
        /// `expired`, or who lifted it and why.
        reason: String,
    },
    /// A source lost records, fell silent or sent damaged ones.
    SourceAccount {
        /// Source id.
        source: String,
        /// Records read.
        records: u64,
        /// Records known to be missing.
        missing: u64,
        /// Records kept aside as damaged.
        damaged: u64,
    },
    /// The incident changed phase.
    PhaseEntered {
        /// The new phase.
        phase: Phase,
        /// Why.
        reason: String,
    },
    /// A plan was proposed.
    PlanProposed {
        /// The plan.
        plan: PlanRecord,
    },
    /// Further steps of a proposed plan that one entry does not hold. The hash covers the whole plan: it fits once all are there.
    PlanContinued {
        /// SHA-256 of the plan, hex.
        hash: String,
        /// The steps that follow those before.
        steps: Vec<PlanStep>,
    },
    /// A person approved a plan by its hash.
    PlanApproved {
        /// SHA-256 of the plan, hex.
        hash: String,
        /// Approver's name.
        approver: String,
        /// Ed25519 signature over the hash and the end of validity, hex.
        signature: String,
        /// Until when the word counts; `None` in ledgers of older builds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        valid_until: Option<Timestamp>,
        /// In whose place the approver decided.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on_behalf_of: Option<String>,
    },
    /// People were asked to approve a plan. Since version 3.
    ApprovalAsked {
        /// SHA-256 of the plan, hex.
        hash: String,
        /// Who wants the plan carried out; never the second of the people who approve it.
        requester: String,
        /// How many different people are needed.
        needed: u32,
        /// Words given later than this do not count.
        valid_until: Timestamp,
    },
    /// A person who was asked said no. Since version 3.
    ApprovalRefused {
        /// SHA-256 of the plan, hex.
        hash: String,
        /// Who.
        approver: String,
        /// Why.
        reason: String,
    },
    /// A person's word for a plan expired before the plan was begun. Since version 3.
    ApprovalExpired {
        /// SHA-256 of the plan, hex.
        hash: String,
        /// Whose.
        approver: String,
    },
    /// The right to approve was given to somebody else for a while. Since version 3.
    ApprovalDelegated {
        /// The delegation, signed by who gives it.
        delegation: Delegation,
    },
    /// A person who may approve is away for a while; a word in that name does not count meanwhile. Since version 3.
    AbsenceNoted {
        /// Who.
        person: String,
        /// From when.
        since: Timestamp,
        /// Until when.
        until: Timestamp,
    },
    /// A word for a plan that does not count: forged, replayed, expired, or of nobody who may. Since version 3.
    WordRejected {
        /// SHA-256 of the plan that it names, hex.
        hash: String,
        /// In whose name it came.
        by: String,
        /// Why it does not count.
        reason: String,
    },
    /// An executor refused an order: forged, replayed, expired or wrongly signed. It changed nothing. Since version 3.
    OrderRefused {
        /// Executor.
        executor: String,
        /// What it says of it.
        reason: String,
    },
    /// A control room began to work with this ledger. Since version 3.
    ControlStarted {
        /// Number of the start, greater than any before: executors refuse orders of older ones.
        epoch: u64,
    },
    /// A plan was tried without changing anything. Since version 3.
    PlanRehearsed {
        /// SHA-256 of the plan, hex.
        plan: String,
        /// What would keep steps from being done, each a sentence.
        problems: Vec<String>,
    },
    /// What must never be lost was tried before a plan began. Since version 4.
    LifeLinesSeen {
        /// SHA-256 of the plan, hex.
        plan: String,
        /// What answered, each in words: if it no longer does, the plan is undone.
        alive: Vec<String>,
        /// What did not answer even before the plan, and so says nothing about it.
        silent: Vec<String>,
    },
    /// The state of a step's target before the step, to which an undo leads back. Since version 3.
    StepSeen {
        /// SHA-256 of the plan, hex.
        plan: String,
        /// Step number.
        step: u32,
        /// The state, in the words of whoever carries the step out.
        state: String,
    },
    /// A cut that undoes itself was given time, the first or more of it. Since version 3.
    LeaseGiven {
        /// SHA-256 of the plan, hex.
        plan: String,
        /// Step number.
        step: u32,
        /// Its end.
        until: Timestamp,
    },
    /// A plan is to be undone, in reverse order. Since version 3.
    UndoOrdered {
        /// SHA-256 of the plan, hex.
        plan: String,
        /// Why: a person's word, or what was lost.
        reason: String,
        /// The words of those who ordered it; none where something was lost.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        words: Vec<WordView>,
    },
    /// A step is about to be undone. Since version 3.
    UndoIntended {
        /// SHA-256 of the plan, hex.
        plan: String,
        /// Step number.
        step: u32,
    },
    /// The undoing of a step ended. Since version 3.
    UndoEnded {
        /// SHA-256 of the plan, hex.
        plan: String,
        /// Step number.
        step: u32,
        /// How.
        outcome: StepOutcome,
    },
    /// A step is about to be done.
    StepIntended {
        /// SHA-256 of the plan, hex.
        plan: String,
        /// Step number.
        step: u32,
    },
    /// A step ended.
    StepEnded {
        /// SHA-256 of the plan, hex.
        plan: String,
        /// Step number.
        step: u32,
        /// How.
        outcome: StepOutcome,
    },
    /// The order in which the open steps of a restoration are carried out, the first or a new one. Since version 4.
    PlanOrdered {
        /// SHA-256 of the approved plan, hex.
        plan: String,
        /// Replaces the order before; false where one entry does not hold it all and this goes on with it.
        begins: bool,
        /// The steps, the first first.
        steps: Vec<StepPlace>,
        /// Why now.
        reason: String,
    },
    /// A step that did not succeed is tried again. Since version 4.
    StepReopened {
        /// SHA-256 of the plan, hex.
        plan: String,
        /// Step number.
        step: u32,
        /// Why it may succeed now.
        reason: String,
    },
    /// People have work that no program does. Since version 4.
    WorkGiven {
        /// SHA-256 of the plan, hex.
        plan: String,
        /// Step number.
        step: u32,
        /// Who has it.
        owner: String,
        /// Until when it should be done.
        due: Timestamp,
        /// What is to be done.
        what: String,
    },
    /// A person put a name to something about a restoration. The signature was checked before. Since version 4.
    WordGiven {
        /// The word.
        word: SignedWord,
    },
    /// A gate of a system was checked. Since version 4.
    GateChecked {
        /// System id.
        system: String,
        /// What was checked.
        check: GateCheck,
        /// Passed?
        passed: bool,
        /// What was seen.
        evidence: String,
    },
    /// A system went a step forward on its way back, or a step backward. Since version 4.
    SystemChanged {
        /// System id.
        system: String,
        /// Where it is now.
        level: ServiceLevel,
        /// Why.
        reason: String,
    },
    /// When a service is expected back. Since version 4.
    Forecasted {
        /// Service id.
        service: String,
        /// Half of all cases are over by then.
        p50: Timestamp,
        /// Nine of ten are.
        p90: Timestamp,
    },
    /// A probe was run.
    Probed {
        /// The result.
        probe: ProbeResult,
    },
    /// A host was taken off the grid (true) or put back (false), verified.
    HostIsolated {
        /// System id.
        system: String,
        /// Off the grid?
        isolated: bool,
    },
    /// A connection was cut (true) or restored (false), verified.
    ConnectionCut {
        /// Connection id.
        connection: String,
        /// Cut?
        cut: bool,
    },
    /// The impact analysis as it stands now; replaces the one before.
    Assessed {
        /// The analysis.
        impact: Impact,
    },
    /// A claim was made or, with the same id, corrected.
    Claimed {
        /// The claim.
        claim: Claim,
    },
    /// A service changed level.
    ServiceChanged {
        /// Service id.
        service: String,
        /// New level.
        level: ServiceLevel,
        /// Why.
        reason: String,
    },
    /// Files of a system were restored.
    FilesRestored {
        /// System id.
        system: String,
        /// Files put back.
        restored: u64,
        /// Files for which no clean version was found.
        lost: u64,
    },
    /// A file of an emergency payment run came to a stage. Counts, sums and hashes only. Since version 4.
    PaymentRun {
        /// The run's id.
        run: String,
        /// SHA-256 of the file, hex.
        file: String,
        /// What became of the file.
        stage: PaymentStage,
        /// Payments in the file.
        payments: u64,
        /// Their sum in euro cents.
        cents: u64,
        /// Payments of the whole run that were held back, for people to look at.
        held: u64,
    },
    /// A status site was published.
    SitePublished {
        /// Sequence number.
        seq: u64,
        /// SHA-256 of the signed manifest, hex.
        manifest: String,
        /// Mirrors that read back correctly.
        mirrors_ok: u32,
        /// Mirrors tried.
        mirrors: u32,
    },
    /// People must decide or do something that no plan does for them.
    DecisionOpen {
        /// Room that asks.
        room: String,
        /// What is to be decided or done.
        what: String,
    },
    /// Something that could not be found out; counted as unknown.
    NotKnown {
        /// Room that asked.
        room: String,
        /// What, and why not.
        what: String,
    },
    /// Something this build cannot do; counted as unknown.
    NotBuilt {
        /// Room.
        room: String,
        /// What.
        what: String,
    },
}

/// A ledger entry that is not a readable fact.
#[derive(Debug, thiserror::Error)]
pub enum FactError {
    /// Not JSON, or not of the vocabulary.
    #[error("entry {index} is not a fact of version {FACT_VERSION} or older")]
    Unreadable {
        /// Ledger index.
        index: u64,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// Written by a newer version.
    #[error("entry {index} is of version {found}; this build reads up to {FACT_VERSION}: use a newer leckwehr")]
    Newer {
        /// Ledger index.
        index: u64,
        /// Version found.
        found: u16,
    },
}

impl What {
    /// Returns the oldest version of the vocabulary that knows this.
    fn version(&self) -> u16 {
        match self {
            Self::Suppressed { .. } | Self::SuppressionEnded { .. } => 2,
            Self::PlanApproved {
                valid_until: None,
                on_behalf_of: None,
                ..
            } => 1,
            Self::PlanApproved { .. }
            | Self::ApprovalAsked { .. }
            | Self::ApprovalRefused { .. }
            | Self::ApprovalExpired { .. }
            | Self::ApprovalDelegated { .. }
            | Self::AbsenceNoted { .. }
            | Self::WordRejected { .. }
            | Self::OrderRefused { .. }
            | Self::ControlStarted { .. }
            | Self::PlanRehearsed { .. }
            | Self::StepSeen { .. }
            | Self::LeaseGiven { .. }
            | Self::UndoOrdered { .. }
            | Self::UndoIntended { .. }
            | Self::UndoEnded { .. } => 3,
            Self::PaymentRun { .. }
            | Self::LifeLinesSeen { .. }
            | Self::PlanOrdered { .. }
            | Self::StepReopened { .. }
            | Self::WorkGiven { .. }
            | Self::WordGiven { .. }
            | Self::GateChecked { .. }
            | Self::SystemChanged { .. }
            | Self::Forecasted { .. } => 4,
            _ => 1,
        }
    }
}

impl Fact {
    /// Builds a fact, in the oldest version that knows it.
    pub fn new(at: Timestamp, by: impl Into<String>, what: What) -> Self {
        Self {
            v: what.version(),
            at,
            by: by.into(),
            what,
        }
    }

    /// Returns the bytes that go into the ledger: compact JSON, keys in declaration order.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Serialising these types cannot fail: no maps with non-string keys, no fallible Serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads the ledger entry at `index`.
    pub fn from_bytes(index: u64, bytes: &[u8]) -> Result<Self, FactError> {
        /// Only the version, so that a newer fact is named as such even if its body is unknown.
        #[derive(Deserialize)]
        struct Version {
            v: u16,
        }
        let unreadable = |source| FactError::Unreadable { index, source };
        let Version { v } = serde_json::from_slice(bytes).map_err(unreadable)?;
        if v > FACT_VERSION {
            return Err(FactError::Newer { index, found: v });
        }
        serde_json::from_slice(bytes).map_err(unreadable)
    }
}
