//! The k best ways in, through and out, with hypotheses where no record shows a step.
//!
//! ```text
//!   Impact ── hosts held ───────┐
//!   Scene ─── contacts ─ rarity ┼─► gap ── search ─► ways to each held host, weighed ─┐
//!   accounts ─ P(miss) per host ┘                                                     ├─► Routes
//!   Impact, Scene ─ link: hops and ways out by port, as certain as Impact says ───────┘
//! ```

mod find;
mod gap;
mod link;
mod model;
mod search;
mod sight;
mod upload;

pub use find::{ASIDE_MAX, BRIDGES, SHARE_MIN, SHARE_PROBABLE, WAYS_SHOWN, WAYS_WEIGHED, routes};
pub use gap::{Anchor, Between, GAPS_MAX, Gap, Network, SENSITIVITY, Sighting, Way, between, gaps};
pub use model::{Aside, Bridge, Leg, Route, RouteHop, RouteHost, Routes};
pub use search::{BRIDGES_MAX, Blind, Lead, Search, Start, Step, TRAIL_STEPS_MAX, TRAILS_MAX, Trail, trails};
