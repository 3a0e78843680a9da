//! What the provider runs, for whom, connected how, restored how.
//!
//! ```text
//!   *.toml ──source──► texts ──load, entry, section──► draft ──resolve, check──► Estate (every reference resolved)
//!                                                        │                         │
//!                                            every mistake, file:line:column       ├── dependency: what falls with what
//!                                                                                  └── lint: what will hurt on the day
//! ```
//!
//! # Architecture invariants
//! - An [`Estate`] that was loaded is consistent: every id it names exists. Errors name file, line, column and the nearest
//!   valid name, and all of them are reported at once.
//! - No time and no I/O other than the loader's; [`Estate::parse`] is the loader without the disk.
//! - Needs mean the same everywhere: [`Estate::services_down`] and the lint read one graph.

mod check;
mod dependency;
mod draft;
mod entry;
mod error;
mod kind;
mod lint;
mod load;
mod model;
mod nearest;
mod section;
mod source;

pub use draft::{ENTRIES_MAX, ERRORS_MAX, ID_BYTES_MAX};
pub use entry::{LIST_ITEMS_MAX, TEXT_BYTES_MAX};
pub use error::{EstateError, EstateErrors};
pub use lint::{LintFinding, Severity, lint};
pub use model::{
    Account, BackupSet, Connection, ConnectionKind, Crew, DataClass, DegradedMode, Estate, Need, Party, PartyKind, Recipe,
    RecipeStep, Sensor, Service, Shift, Site, Switch, System, SystemKind, ThreePointEstimate, Zone,
};
pub use nearest::nearest;
pub use source::{DEPTH_FOLDERS_MAX, FILE_BYTES_MAX, FILES_MAX, Source};
