use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use super::Schema;
use super::profile::Profile;
use crate::path::{self, ElementType, Primitive, TypeId};
use crate::source::NameId;

/// Most types that a schema numbers: data types, resources and their backbone elements. R4 has about 1,700.
pub const TYPES_MAX: usize = 16_384;

/// The types of the base, numbered as they are met. Entries are never taken away, so reading one needs no lock.
pub(super) struct Types {
    entries: Box<[OnceLock<Entry>]>,
    numbers: Mutex<HashMap<(u32, u32), TypeId>>,
    named: RwLock<HashMap<Box<str>, Option<TypeId>>>,
}

struct Entry {
    profile: Arc<Profile>,
    element: u32,
    name: Box<str>,
    primitive: Option<Primitive>,
    /// The type that it is derived from.
    parent: OnceLock<Option<TypeId>>,
    /// For each name in the lookup of the element.
    children: Box<[OnceLock<Option<ElementType>>]>,
}

impl Default for Types {
    fn default() -> Self {
        Self {
            entries: (0..TYPES_MAX).map(|_| OnceLock::new()).collect(),
            numbers: Mutex::default(),
            named: RwLock::default(),
        }
    }
}

impl Schema {
    /// The definition of a type: the base profile and the element in it (the root, or a backbone element).
    pub fn type_definition(&self, of: TypeId) -> Option<(&Arc<Profile>, u32)> {
        self.entry(of).map(|e| (&e.profile, e.element))
    }

    /// Number of a type that an element may have. Asked once per element.
    pub(crate) fn number_of(&self, of: &super::TypeRef) -> Option<TypeId> {
        *of.number.get_or_init(|| path::Schema::type_named(self, &of.code))
    }

    fn entry(&self, of: TypeId) -> Option<&Entry> {
        self.types.entries.get(of.0 as usize)?.get()
    }

    fn number(&self, profile: &Arc<Profile>, element: u32) -> Option<TypeId> {
        let mut numbers = self.types.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = numbers.get(&(profile.id, element)) {
            return Some(*known);
        }
        let number = numbers.len();
        let slot = self.types.entries.get(number)?;
        let definition = &profile.elements[element as usize];
        let name = if element == 0 {
            profile.type_name.clone()
        } else {
            definition
                .types
                .first()
                .map_or_else(|| "BackboneElement".into(), |t| t.code.clone())
        };
        slot.get_or_init(|| Entry {
            profile: Arc::clone(profile),
            element,
            primitive: Primitive::of_type_name(&name),
            name,
            parent: OnceLock::new(),
            children: definition.lookup.iter().map(|_| OnceLock::new()).collect(),
        });
        numbers.insert((profile.id, element), TypeId(number as u32));
        Some(TypeId(number as u32))
    }

    fn child_type(&self, entry: &Entry, child: usize, of_type: u16) -> Option<ElementType> {
        let index = entry.profile.elements[entry.element as usize].children[child];
        let definition = &entry.profile.elements[index as usize];
        let element = self.names.get(&definition.name)?;
        let type_id = if let Some(content) = definition.content {
            self.number(&entry.profile, content)?
        } else if !definition.children.is_empty() {
            self.number(&entry.profile, index)?
        } else {
            path::Schema::type_named(self, &definition.types.get(usize::from(of_type))?.code)?
        };
        Some(ElementType { element, type_id })
    }
}

impl path::Schema for Schema {
    fn type_named(&self, name: &str) -> Option<TypeId> {
        let named = &self.types.named;
        if let Some(known) = named.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return *known;
        }
        let found = self.type_profile(name).and_then(|p| self.number(&p, 0));
        named
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.into(), found);
        found
    }

    fn type_name(&self, of: TypeId) -> &str {
        self.entry(of).map_or("", |e| &e.name)
    }

    fn is_subtype(&self, of: TypeId, base: TypeId) -> bool {
        let mut at = Some(of);
        for _ in 0..super::DERIVATION_DEPTH_MAX {
            let Some(this) = at else { return false };
            if this == base {
                return true;
            }
            let Some(entry) = self.entry(this) else { return false };
            at = *entry.parent.get_or_init(|| {
                if entry.element != 0 {
                    return self.type_named(&entry.name);
                }
                let base = entry.profile.base.as_deref()?.strip_prefix(super::BASE)?;
                self.type_named(base)
            });
        }
        false
    }

    fn primitive(&self, of: TypeId) -> Option<Primitive> {
        self.entry(of)?.primitive
    }

    fn child(&self, of: TypeId, name: NameId) -> Option<ElementType> {
        let entry = self.entry(of)?;
        let lookup = &entry.profile.elements[entry.element as usize].lookup;
        let at = lookup.binary_search_by_key(&name, |(n, _, _)| *n).ok()?;
        let (_, child, of_type) = lookup[at];
        *entry.children[at].get_or_init(|| self.child_type(entry, child as usize, of_type))
    }

    fn element_types(&self, of: TypeId, element: &str) -> Option<Vec<TypeId>> {
        let entry = self.entry(of)?;
        let definition = &entry.profile.elements[entry.element as usize];
        let child = definition
            .children
            .iter()
            .position(|c| &*entry.profile.elements[*c as usize].name == element)?;
        let types = entry.profile.elements[definition.children[child] as usize].types.len().max(1);
        Some(
            (0..types)
                .filter_map(|t| self.child_type(entry, child, t as u16).map(|e| e.type_id))
                .collect(),
        )
    }
}
