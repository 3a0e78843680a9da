use std::collections::HashSet;

use crate::package::{Configuration, split_canonical};
use crate::path::Moment;

/// What a validation objects to.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// A profile that no package defines makes a document invalid; else the verdict is unknown.
    pub error_on_unknown_profile: bool,
    /// Extensions that no package defines are allowed.
    pub any_extensions_allowed: bool,
    /// Code systems whose codes are never objected to.
    pub ignored_code_systems: HashSet<String>,
    /// Value sets whose bindings are not checked.
    pub ignored_value_sets: HashSet<String>,
    /// The time that invariants take for now. Without it those that ask for it cannot be evaluated.
    pub now: Option<Moment>,
}

impl Settings {
    /// Takes what a configuration says.
    pub fn of(configuration: &Configuration) -> Self {
        Self {
            error_on_unknown_profile: configuration.error_on_unknown_profile,
            any_extensions_allowed: configuration.any_extensions_allowed,
            ignored_code_systems: configuration.ignored_code_systems.iter().cloned().collect(),
            ignored_value_sets: configuration.ignored_value_sets.iter().cloned().collect(),
            now: None,
        }
    }

    pub(super) fn is_ignored_code_system(&self, system: &str) -> bool {
        self.ignored_code_systems.contains(split_canonical(system).0)
    }

    pub(super) fn is_ignored_value_set(&self, value_set: &str) -> bool {
        self.ignored_value_sets.contains(split_canonical(value_set).0) || self.ignored_value_sets.contains(value_set)
    }
}
