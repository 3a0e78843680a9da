//! Value sets and code systems: whether a code belongs.
//!
//! ```text
//!  (system, code) ──► ValueSet: includes and excludes ──► CodeSystem: concepts, hierarchy, properties ──► Yes | No | Unknown(what is missing)
//! ```
//! What cannot be known (a code system without content, a filter that is not understood) is `Unknown`, never `No`.

mod builtin;
mod code_system;
mod value_set;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::package::{DefinitionKind, PackageSet};

pub use code_system::{CodeSystem, Content};
use value_set::ValueSet;

/// Most canonicals remembered, found or not; documents name some of them, so there must be an end.
pub const LOOKUPS_MAX: usize = 65_536;
/// Deepest nesting of value sets that include each other.
pub const VALUE_SET_DEPTH_MAX: usize = 16;

/// Whether a code belongs to a value set or code system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Membership {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It cannot be said, because this is missing or not understood.
    Unknown(Missing),
}

/// What is missing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Missing {
    /// A value set that no package of the set defines.
    ValueSet(Box<str>),
    /// A code system that no package defines, or only without its codes.
    CodeSystem(Box<str>),
    /// A filter that is not understood: property and operation.
    Filter(Box<str>),
    /// A profile that no package defines.
    Profile(Box<str>),
    /// A package that is named and not there.
    Package(Box<str>),
    /// What a slice is recognised by: element and path.
    Discriminator(Box<str>),
    /// An invariant that could not be evaluated: its key.
    Rule(Box<str>),
}

/// The terminology of one package set; parsed when first needed, kept, shared by threads.
pub struct Terminology {
    set: PackageSet,
    value_sets: Cache<ValueSet>,
    code_systems: Cache<CodeSystem>,
}

/// What was looked for by its canonical; `None` if the set does not have it.
type Cache<T> = RwLock<HashMap<Box<str>, Option<Arc<T>>>>;

impl Terminology {
    pub(crate) fn new(set: PackageSet) -> Self {
        Self {
            set,
            value_sets: Cache::default(),
            code_systems: Cache::default(),
        }
    }

    /// Whether a code belongs to a value set. Without a system (the type `code`) the code may come from any of its systems.
    /// O(1) for enumerated sets once parsed.
    pub fn member(&self, value_set: &str, system: Option<&str>, code: &str) -> Membership {
        self.member_at(value_set, system, code, 0)
    }

    /// Whether a code system has a code.
    pub fn has_code(&self, system: &str, version: Option<&str>, code: &str) -> Membership {
        if let Some(answer) = builtin::has_code(system, code) {
            return answer;
        }
        let of_version = version.and_then(|v| self.code_system(&format!("{system}|{v}")));
        let missing = || Membership::Unknown(Missing::CodeSystem(system.into()));
        let Some(known) = of_version.or_else(|| self.code_system(system)) else {
            return missing();
        };
        match (known.find(code), known.content()) {
            (Some(_), _) => Membership::Yes,
            (None, Content::Complete) => Membership::No,
            (None, Content::Partial) => missing(),
        }
    }

    /// A code system by its canonical.
    pub fn code_system(&self, canonical: &str) -> Option<Arc<CodeSystem>> {
        self.cached(&self.code_systems, DefinitionKind::CodeSystem, canonical, CodeSystem::parse)
    }

    fn member_at(&self, value_set: &str, system: Option<&str>, code: &str, depth: usize) -> Membership {
        let missing = || Membership::Unknown(Missing::ValueSet(value_set.into()));
        if depth == VALUE_SET_DEPTH_MAX {
            return missing();
        }
        match self.cached(&self.value_sets, DefinitionKind::ValueSet, value_set, ValueSet::parse) {
            Some(set) => set.member(self, value_set, system, code, depth + 1),
            None => builtin::member(value_set, code).unwrap_or_else(missing),
        }
    }

    fn cached<T>(
        &self,
        cache: &Cache<T>,
        kind: DefinitionKind,
        canonical: &str,
        parse: fn(&[u8]) -> Option<T>,
    ) -> Option<Arc<T>> {
        if let Some(known) = cache.read().unwrap_or_else(PoisonError::into_inner).get(canonical) {
            return known.clone();
        }
        let found = self
            .set
            .find(kind, canonical)
            .and_then(|index| parse(self.set.shelf().text(index)));
        let mut cache = cache.write().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= LOOKUPS_MAX {
            return found.map(Arc::new);
        }
        cache.entry(canonical.into()).or_insert(found.map(Arc::new)).clone()
    }
}
