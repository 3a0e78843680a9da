//! What comes back in which order, and through which gates.
//!
//! ```text
//!   Situation ─┐              order            steps and gates        schedule         forecast
//!              ├─► affected ─► roots of trust, ─► rotate · sweep ·  ─► crews, waves ─► per service ─► RestorePlan
//!   Estate ────┘              needs, priority    restore · probe ·                                       │ hash
//!                                                reconnect                                      PlanRecord (approved)
//! ```
//!
//! # Architecture invariants
//! - Pure and deterministic: equal facts and estate give the same plan, byte for byte, whatever order lists came in. The
//!   hash that people approve covers steps, dependencies, times, warnings, open decisions and forecasts.
//! - No step stands before one that it needs; a cycle is broken in one named place, with a warning.
//! - A system that the attacker was in (proven or probable) is restored from a version before the compromise; one that he
//!   could only have reached is swept. Neither returns to the grid before stolen credentials are changed.
//! - A gate that is not passed holds its system back ([`gates_closed`]); the rest of the plan goes on.
//! - A gate is passed by evidence that is a fact ([`gate_state`]), or by a person's signed decision, which shows. Levels of
//!   systems and services follow from facts ([`follow`], [`services_now`]); going back is one of them.
//! - A new plan is a new order under the old approval, or needs its own ([`judge`]).
//! - A cut connection to a third party is an open decision, never a step: its end must attest first.
//! - Executors choose nothing but the clean version of a file, by [`clean_version`], which is pure as well.

mod blocking;
mod calendar;
mod content;
mod degraded;
mod evidence;
mod forecast;
mod gate;
mod insurer;
mod left;
mod means;
mod order;
pub mod outage;
mod plan;
mod planner;
pub mod rcpsp;
mod recovery;
mod replan;
mod schedule;
mod state;
mod steps;
mod tasks;
mod version;

pub use blocking::{Blocking, why_not_up};
pub use content::{JUDGED_BYTES_MIN, WINDOW_BYTES, evenness, looks_encrypted};
pub use degraded::{ServiceNow, services_now};
pub use evidence::{GateState, demanded, gate_state, gates_closed};
pub use forecast::{InsurerForecast, ServiceForecast, expected};
pub use insurer::{InsurerWay, insurer_ways, with_insurers};
pub use left::recovery_left;
pub use plan::{RestoreConfig, RestorePlan, Step, StepKind, newest_restoration, restorations};
pub use planner::plan_restore;
pub use recovery::{Recovery, Work, recovery};
pub use replan::{Replan, TRIES_MAX, judge, places, ready, stuck, to_reopen};
pub use state::{follow, lost_now};
pub use version::{Version, clean_version};
