//! What happened, and what follows from it.
//!
//! Every room says what it found, decided or did as a [`Fact`]. Facts go into the ledger; the [`Situation`] is a
//! pure fold over them, so that deleting every cache and replaying gives the same situation, byte for byte.
//!
//! ```text
//!   detect ─ Finding, Alarm ─┐
//!   trace ── Impact, Claim ──┤
//!   contain  Plan, Step ─────┼─► Fact ─► ledger ─► fold ─► Situation ─► console, publish, report
//!   restore  Plan, Step ─────┤
//!   pay ──── PaymentRun ─────┤
//!   publish  SitePublished ──┘
//! ```
//!
//! # Architecture invariants
//! - This room has no clock and does no I/O: [`Timestamp`]s are handed in.
//! - The vocabulary is versioned ([`FACT_VERSION`]); a fact of a newer version is an error, never a guess. A fact is written in
//!   the oldest version that knows it, so that older builds read a ledger as far as they understand it.
//! - [`Situation`] holds ordered maps only, so its JSON is canonical.
//! - A fact never holds patient data: names of systems, accounts and services only.

mod alarm;
mod approval;
mod assessment;
mod execution;
mod fact;
mod payment;
mod phase;
mod plan;
mod restoration;
mod situation;
mod timestamp;

pub use alarm::{Alarm, AlarmLevel, Cause, Decision, Finding, Suppression, Verdict};
pub use approval::Delegation;
pub use assessment::{
    Claim, ClaimTopic, Confidence, Coverage, CredentialAssessment, Hop, HostAssessment, Impact, OutsideEndpoint, OutsideRole,
    Tier,
};
pub use execution::{AskedView, PlanView, StepView, WordView};
pub use fact::{FACT_VERSION, Fact, FactError, What};
pub use payment::{PaymentStage, PaymentView};
pub use phase::{Phase, PhaseError};
pub use plan::{PlanKind, PlanRecord, PlanStep, ProbeResult, ServiceLevel, StepOutcome};
pub use restoration::{
    CheckView, ForecastView, Gate, GateCheck, OverrideView, ReturnView, SignedWord, StepPlace, WordAbout, WorkView,
};
pub use situation::{
    AlarmView, CLOSINGS_MAX, ClaimView, ClosedView, FORECASTS_MAX, HostView, LEVELS_MAX, ServiceView, SiteView, Situation,
    SituationError,
};
pub use timestamp::{Timestamp, TimestampError};
