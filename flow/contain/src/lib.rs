//! The takedown: what to cut, in which order, and what it costs.
//!
//! ```text
//!   Impact + Estate ─► options (surgical · compartment · site · everything), each with harm and residual reach
//!                          └─ chosen option ─► PlanRecord (immutable, hashed, approved by people) ─► guards
//! ```
//!
//! # Architecture invariants
//! - Pure and deterministic: equal arguments give equal plans, byte for byte.
//! - A plan says what, who and why; it never talks to a guard. Executors make no choices.
//! - Connections are cut before hosts, so that nobody comes back while the hosts are being isolated; among hosts,
//!   dependents go before what they depend on.
//! - Does not know how to restore.

mod approval;
mod attestation;
pub mod cacao;
pub mod cut;
mod harm;
mod options;
mod plan;
pub mod protocol;

pub use approval::{
    Absence, ApprovalRules, DELEGATION_MS_MAX, Decision, Delegation, Ignored, PEOPLE_MAX, Person, Request, VOICES_MAX, Voice,
    decide,
};
pub use attestation::{Attestation, AttestationGround, Found, SENTENCES_MAX, SeparationProof, reconnect_plan};
pub use cut::{check_cut, separations};
pub use harm::{Harm, harm_of, service_level};
pub use options::{CutOption, Scale, TakedownPolicy, options};
pub use plan::{ContainError, takedown_plan};
pub use protocol::{Protocol, protocol_plan};
