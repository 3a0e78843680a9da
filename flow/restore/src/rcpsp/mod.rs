//! The resource-constrained project scheduling problem (RCPSP): shortest makespan.
//!
//! ```text
//!   Patterson text ─► Problem ─► Network ─► two populations, alternately generated ─► Solution ─► checker
//!                                  │        forward and backward in time                 ▲
//!                                  └─► lower bounds ─► branch and bound ─────────────────┘ proved
//! ```
//! One *schedule* is one start time for every activity (Kolisch and Hartmann 2006): every pass counts, and a pass that is
//! given up counts with the share of the activities that it placed (the rule of Debels and Vanhoucke 2007 for parts of
//! schedules).

mod bound;
mod branch;
mod check;
mod crossing;
mod lookahead;
mod manner;
mod network;
mod patterson;
mod problem;
mod random;
mod search;
mod serial;
mod solve;

pub use bound::{critical_path, lower_bound};
pub use branch::NODES_PROOF_MAX;
pub use check::{Violation, check};
pub use patterson::{PattersonError, read_patterson};
pub use problem::{ACTIVITIES_MAX, Activity, CAPACITY_UNITS_MAX, HORIZON_MAX, Problem, ProblemError, RESOURCES_MAX};
pub(crate) use random::Random;
pub use solve::{Effort, Solution, solve};
