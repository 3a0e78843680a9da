//! The provably cheapest cut between where the attacker may be and what is protected.
//!
//! ```text
//!   Estate ─► ground: states and ways, each switch with its price ─┐
//!   Impact ─► sources      CutPolicy ─► targets, life-lines ───────┴─► Network ─► minimum_cut (Dinic) ─► Separation
//!                                                                                                           │
//!   check (own parser, own ways, own prices; believes nothing) ◄──────────── certificate: cut and flow ◄────┘
//! ```

pub mod certificate;
mod check;
mod check_ground;
mod dinic;
mod ground;
mod minimum;
mod network;
mod next;
mod policy;
mod separation;
mod synthetic;
mod weigh;

pub use check::{CheckedCut, CutRefusal, check_cut, check_flow};
pub use ground::Switchable;
pub use minimum::{MinimumCut, NoCut, minimum_cut};
pub use network::{Link, NEVER, Network, PARTS_MAX, Part, WEIGHT_MAX};
pub use next::{CUTS_MAX, FLOWS_MAX, Twins, cheapest_cuts, separates};
pub use policy::CutPolicy;
pub use separation::{CutSwitch, Inseparable, OpenState, Separation, reach_after, separations};
pub use synthetic::SyntheticNetwork;
