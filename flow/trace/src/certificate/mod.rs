//! Certificates for sentences of the form "the attacker could not reach zone Z between t0 and t1".
//!
//! ```text
//!   Events, Impact, Facts ─► Basis ──┐                ┌─► Certificate ──► check (own parser, own rules, no engine)
//!   Estate ──────────────────────────┴─► certify ─────┤        ▲ binds basis and estate by SHA-256
//!   Question (zone, window, level) ──────┘            └─► CounterRoute: the walk that breaks the sentence
//! ```
//!
//! A certificate is a set of states that is *closed*: it holds every seed, no step leaves it, and nothing of the zone is in
//! it. A closed set proves the sentence without trusting whoever found it; that is why the checker is small and separate.
//!
//! Two levels, which say very different things: [`Level::ObservedContacts`] is closed under what records show.
//! [`Level::PossibleWays`] is closed also under every way that stood open, whether or not a record shows traffic on it.

mod assumed;
mod basis;
mod certify;
mod check;
mod check_ground;
mod closure;
mod switch;
mod ways;

pub use assumed::Assumed;
pub use basis::{Answered, Basis, BasisLine, Held, Observed, SwitchChange, estate_bytes};
pub use certify::{
    CERTIFICATE_FORMAT, Certificate, CertificateError, CounterRoute, Gate, LeavingContacts, LeavingWay, Level, Outside, Question,
    RouteStep, Seed, State, Verdict, WayKind, WhyNot, certify,
};
pub use check::{Checked, Refusal, check};
pub use switch::switch_changes;
