use std::sync::Arc;

use super::fault::{Fault, Severity};
use super::links::{named, text};
use super::rules::compare;
use super::walk::{Done, Walk};
use crate::schema::{Binding, Element, Profile, Strength};
use crate::source::NodeId;
use crate::terminology::{Membership, Missing};

impl Walk<'_> {
    /// What a profile's element demands of a node's own value.
    pub fn value(&mut self, profile: &Arc<Profile>, element: &Element, node: NodeId) {
        let source = Some((profile, element));
        if element
            .fixed
            .as_ref()
            .is_some_and(|fixed| !fixed.is_fixed_in(self.document, node))
        {
            self.find(node, Severity::Error, Fault::Fixed, source);
        }
        if element
            .pattern
            .as_ref()
            .is_some_and(|pattern| !pattern.is_pattern_of(self.document, node))
        {
            self.find(node, Severity::Error, Fault::Pattern, source);
        }
        if let Some(most) = element.max_length
            && let Some(value) = self.document.value(node)
            && value.len() > most as usize
            && value.chars().count() > most as usize
        {
            self.find(node, Severity::Error, Fault::Length(most), source);
        }
        if element.min_value.is_some() || element.max_value.is_some() {
            self.range(profile, element, node);
        }
        if let Some(binding) = &element.binding {
            self.binding(profile, element, binding, node);
        }
    }

    fn range(&mut self, profile: &Arc<Profile>, element: &Element, node: NodeId) {
        let Some(value) = self.document.value(node) else { return };
        let type_name = self.type_name(node);
        let order = |limit: &Option<crate::schema::Sample>| compare(type_name, value, limit.as_ref()?.value()?);
        if order(&element.min_value).is_some_and(|o| o.is_lt()) || order(&element.max_value).is_some_and(|o| o.is_gt()) {
            self.find(node, Severity::Error, Fault::Range, Some((profile, element)));
        }
    }

    fn binding(&mut self, profile: &Arc<Profile>, element: &Element, binding: &Binding, node: NodeId) {
        let source = Some((profile, element));
        let value_set = || binding.value_set.clone();
        if binding.strength >= Strength::Extensible && !self.settings.is_ignored_value_set(&binding.value_set) {
            let is_required = binding.strength == Strength::Required;
            match self.membership(node, &binding.value_set) {
                Some(Membership::Yes) | None => {}
                Some(Membership::No) if is_required => {
                    self.find(node, Severity::Error, Fault::NotInValueSet(value_set()), source);
                }
                Some(Membership::No) => self.find(node, Severity::Information, Fault::NotInExtensible(value_set()), source),
                Some(Membership::Unknown(what)) if is_required => {
                    self.miss(what);
                    self.find(node, Severity::Warning, Fault::ValueSetUnknown(value_set()), source);
                }
                Some(Membership::Unknown(_)) => {}
            }
        }
        if let Some(most) = &binding.max_value_set
            && self.membership(node, most) == Some(Membership::No)
        {
            self.find(node, Severity::Error, Fault::NotInValueSet(most.clone()), source);
        }
    }

    /// Whether the code at a node is in a value set; nothing if there is no code to look at.
    pub fn membership(&mut self, node: NodeId, value_set: &str) -> Option<Membership> {
        let document = self.document;
        match self.type_name(node) {
            "CodeableConcept" => {
                let mut all = None;
                let mut has_coding = false;
                for coding in named(document, node, "coding") {
                    has_coding = true;
                    match self.coding_membership(coding, value_set) {
                        Some(Membership::Yes) => return Some(Membership::Yes),
                        Some(unknown @ Membership::Unknown(_)) => all = Some(unknown),
                        Some(Membership::No) => all = all.or(Some(Membership::No)),
                        None => {}
                    }
                }
                // a concept in words alone has no code of the value set
                all.or_else(|| (has_coding || document.children(node).next().is_some()).then_some(Membership::No))
            }
            "Coding" | "Quantity" | "Age" | "Duration" | "Money" | "SimpleQuantity" => {
                let member = self.coding_membership(node, value_set);
                member.or_else(|| document.children(node).next().is_some().then_some(Membership::No))
            }
            _ => {
                let code = document.value(node)?;
                Some(self.told(None, self.schema.terminology().member(value_set, None, code)))
            }
        }
    }

    fn coding_membership(&self, coding: NodeId, value_set: &str) -> Option<Membership> {
        let code = self.text_of(coding, self.words.code)?;
        let system = self.text_of(coding, self.words.system);
        if system.is_some_and(|s| self.settings.is_ignored_code_system(s)) {
            return Some(Membership::Yes);
        }
        // without a system a Coding says nothing
        let system = system.unwrap_or_default();
        Some(self.told(Some(system), self.schema.terminology().member(value_set, Some(system), code)))
    }

    /// What a configuration says to ignore cannot be missing.
    fn told(&self, system: Option<&str>, membership: Membership) -> Membership {
        match &membership {
            Membership::Unknown(Missing::CodeSystem(of)) if self.settings.is_ignored_code_system(of) => {
                if system.is_none_or(|s| s == &**of) {
                    Membership::Yes
                } else {
                    membership
                }
            }
            _ => membership,
        }
    }

    /// A Coding's code must exist in its code system, if that is known in full.
    pub fn coding(&mut self, node: NodeId) {
        if self.mark(node, Done::Coding) {
            return;
        }
        let (Some(system), Some(code)) = (self.text_of(node, self.words.system), self.text_of(node, self.words.code)) else {
            return;
        };
        if self.settings.is_ignored_code_system(system) {
            return;
        }
        let version = text(self.document, node, "version");
        if self.schema.terminology().has_code(system, version, code) == Membership::No {
            let fault = Fault::NotInCodeSystem(self.system_name(system));
            self.anyway(|walk| walk.find(node, Severity::Error, fault, None));
        }
    }

    /// The canonical of a known code system, which a package names too and is thus no text of the document alone.
    fn system_name(&self, system: &str) -> Box<str> {
        system.into()
    }
}
