//! The takedown: what to cut, in which order, and what it costs.
//!
//! ```text
//!                     ┌─► options (surgical · compartment · site · everything) ──┐  each with harm and what stays in reach
//!   Impact + Estate ──┤                                                          ├─► PlanRecord ─► people, guards
//!                     └─► separations (the cheapest cuts) ─► certificate ─► check┘      ▲ every step cites its clause
//!   protocol.toml ◄──► CACAO v2                                  Protocol ──────────────┴─► decide: is it approved?
//!   Attestation ─► reconnect_plan: both sides' steps before a partner comes back
//! ```
//!
//! # Architecture invariants
//! - Pure and deterministic: equal arguments give equal plans, byte for byte.
//! - A plan says what, who and why; it never talks to a guard. Executors make no choices.
//! - Connections are cut before hosts, so that nobody comes back while the hosts are being isolated; among hosts,
//!   dependents go before what they depend on. Under a protocol what the attacker holds goes first, and evidence is kept
//!   before anything is switched off.
//! - The checker of a cut (`cut/check.rs`, `cut/check_ground.rs`) shares no code with the engine.
//! - Under a protocol no step is planned that no clause covers. Signatures are checked elsewhere; who may order what is
//!   decided here.
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
