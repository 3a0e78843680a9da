//! The planner against what it needs, and the judge of files against generated ones.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail like the test itself")]

mod content;
mod estate;
mod forecast;
mod gate;
mod means;
mod order;
mod outage;
mod plan;
mod psplib;
mod recovery;
mod way_back;
