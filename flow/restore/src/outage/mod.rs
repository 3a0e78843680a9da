//! The plan whose outages cost least: tasks with alternatives, crews in shifts, releases, and breaches of the maximum
//! tolerable period of disruption (the objective of Nurre et al. 2012, with steps).
//!
//! ```text
//!   OutageProblem ─► greedy orders ─► annealing over ranks, orders (justified) ─► OutagePlan ─► checker
//!                                        ▲ an earlier plan's order, and what is fixed (re-planning)
//! ```

mod check;
mod decode;
mod forecast;
mod generate;
mod justify;
mod plan;
mod prepare;
mod problem;
mod pull;
mod rank;
mod relieve;
mod slack;
mod units;

pub use check::{OutageViolation, check_outages};
pub(crate) use decode::until;
pub(crate) use forecast::quantile;
pub use forecast::{Chance, OutageForecast, Play, SCENARIOS_MAX, Spread, backlog_hours, forecast_outages};
pub use generate::generated_recovery;
pub use plan::{OutageEffort, OutagePlan, plan_outages};
pub(crate) use prepare::Prepared;
pub use problem::{HORIZON_UNITS_MAX, Outage, OutageProblem, OutageProblemError, Resource, TASKS_MAX, Task};
pub use slack::latest_starts;
