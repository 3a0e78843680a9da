//! What the provider runs, for whom, connected how, restored how.
//!
//! ```text
//!   *.toml ──load──► Estate (typed, every reference resolved) ──lint──► what will hurt on the day
//! ```
//!
//! # Architecture invariants
//! - An [`Estate`] that exists is consistent: every id it names exists. Errors name file, line, column and the nearest
//!   valid name.
//! - No time and no I/O other than the loader's.

mod dependency;
mod model;

pub use model::{
    Account, BackupSet, Connection, ConnectionKind, Crew, DataClass, DegradedMode, Estate, Need, Party, PartyKind, Recipe,
    RecipeStep, Sensor, Service, Site, Switch, System, SystemKind, Zone,
};
