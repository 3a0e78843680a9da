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
//!   publish  SitePublished ──┘
//! ```
//!
//! # Architecture invariants
//! - This room has no clock and does no I/O: [`Timestamp`]s are handed in.
//! - The vocabulary is versioned ([`FACT_VERSION`]); a fact of a newer version is an error, never a guess.
//! - [`Situation`] holds ordered maps only, so its JSON is canonical.
//! - A fact never holds patient data: names of systems, accounts and services only.

mod assessment;
mod fact;
mod phase;
mod plan;
mod situation;
mod timestamp;

pub use assessment::{
    Alarm, AlarmLevel, Claim, ClaimTopic, Confidence, Coverage, CredentialAssessment, Finding, Hop, HostAssessment, Impact,
    OutsideEndpoint, OutsideRole, Tier,
};
pub use fact::{FACT_VERSION, Fact, FactError, What};
pub use phase::{Phase, PhaseError};
pub use plan::{PlanKind, PlanRecord, PlanStep, ProbeResult, ServiceLevel, StepOutcome};
pub use situation::{AlarmView, ClaimView, HostView, PlanView, ServiceView, SiteView, Situation, SituationError, StepView};
pub use timestamp::{Timestamp, TimestampError};
