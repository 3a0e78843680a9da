//! FHIR packages: what they hold, which of them belong together on a day, and which resource a canonical names.
//!
//! ```text
//!  *.tgz, folders ──archive──► Shelf (every package, side by side) ──PackageSet (a dependency list, a closure)──► resource text
//!  validity periods (YAML) ──config──► which PackageSets are valid for a profile at a date
//! ```

mod archive;
mod config;
mod date;
mod scan;
mod set;
mod shelf;
mod version;

pub use archive::{ARCHIVE_BYTES_MAX, ENTRIES_MAX, ENTRY_BYTES_MAX, PackageError, UNPACKED_BYTES_MAX};
pub use config::{Configuration, DependencyList, ProfileRule, Transformation};
pub use date::{Day, day_of};
pub use scan::{Skimmed, skim};
pub use set::{Layer, PackageSet};
pub use shelf::{Definition, DefinitionKind, Package, PackageIssue, Shelf};
pub use version::{compare_versions, satisfies, split_canonical};
