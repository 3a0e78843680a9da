use std::sync::Arc;

use super::fault::{Fault, Severity};
use super::links::text;
use super::walk::Walk;
use crate::path::Resolution;
use crate::schema::{Element, Profile, TypeRef};
use crate::source::NodeId;
use crate::terminology::Missing;

impl Walk<'_> {
    /// The node that a Reference, or the text of one, leads to within the document.
    pub fn target(&self, node: NodeId) -> Option<NodeId> {
        let reference = self.document.value(node).or_else(|| text(self.document, node, "reference"))?;
        match self.links.resolve(node, reference) {
            Resolution::Node(target) => Some(target),
            Resolution::Nothing | Resolution::Unknown => None,
        }
    }

    /// What a profile demands of a reference's target.
    pub fn reference(&mut self, profile: &Arc<Profile>, element: &Element, of_type: &TypeRef, node: NodeId) {
        let source = Some((profile, element));
        let document = self.document;
        let said = text(document, node, "type").map(|t| t.rsplit('/').next().unwrap_or(t));
        let Some(reference) = text(document, node, "reference") else {
            if let Some(said) = said {
                self.target_type(profile, element, (of_type, said), node, Severity::Warning);
            }
            return;
        };
        let target = match self.links.resolve(node, reference) {
            Resolution::Node(target) => target,
            Resolution::Nothing => return self.find(node, Severity::Error, Fault::TargetMissing, source),
            Resolution::Unknown => {
                self.aggregation(profile, element, of_type, node, None);
                if let Some(of) = type_in(reference).or(said) {
                    // a type read off the text of a reference proves nothing
                    self.target_type(profile, element, (of_type, of), node, Severity::Warning);
                }
                return;
            }
        };
        self.aggregation(profile, element, of_type, node, Some(target));
        let of = document.resource_type(target).unwrap_or_default();
        if said.is_some_and(|said| said != of) {
            self.find(node, Severity::Error, Fault::TargetTypeDiffers, source);
        }
        if self.target_type(profile, element, (of_type, of), node, Severity::Error) {
            self.target_profile(profile, element, of_type, target, node);
        }
    }

    fn aggregation(
        &mut self,
        profile: &Arc<Profile>,
        element: &Element,
        of_type: &TypeRef,
        node: NodeId,
        target: Option<NodeId>,
    ) {
        if of_type.aggregation.is_empty() {
            return;
        }
        let place = match target {
            Some(target) if self.document.name(target) == "contained" => "contained",
            Some(target) if self.links.is_bundled(target) => "bundled",
            _ => "referenced",
        };
        // what is bundled or contained is referenced too
        if !of_type.aggregation.iter().any(|a| **a == *place || **a == *"referenced") {
            self.find(node, Severity::Error, Fault::Aggregation, Some((profile, element)));
        }
    }

    fn target_type(
        &mut self,
        profile: &Arc<Profile>,
        element: &Element,
        of: (&TypeRef, &str),
        node: NodeId,
        severity: Severity,
    ) -> bool {
        let (of_type, of) = of;
        let mut is_unknown = false;
        for target in &of_type.targets {
            match self.schema.profile(target) {
                Some(wanted) if self.schema.is_a(of, &wanted.type_name) => return true,
                Some(_) => {}
                None => is_unknown = true,
            }
        }
        if !is_unknown {
            self.find(node, severity, Fault::TargetType, Some((profile, element)));
        }
        is_unknown
    }

    fn target_profile(&mut self, profile: &Arc<Profile>, element: &Element, of_type: &TypeRef, target: NodeId, node: NodeId) {
        let mut unknown = None;
        for canonical in &of_type.targets {
            match self.schema.profile(canonical) {
                Some(wanted) if !wanted.is_constraint => {
                    if self.schema.is_a(self.type_name(target), &wanted.type_name) {
                        return;
                    }
                }
                Some(wanted) => {
                    if self.schema.is_a(self.type_name(target), &wanted.type_name) && self.belongs(&wanted, target) {
                        return;
                    }
                }
                None => unknown = Some(canonical),
            }
        }
        match unknown {
            Some(canonical) => {
                self.miss(Missing::Profile(canonical.clone()));
                self.find(node, Severity::Warning, Fault::ProfileUnknown, Some((profile, element)));
            }
            None => self.find(node, Severity::Error, Fault::TargetProfile, Some((profile, element))),
        }
    }
}

/// `Patient` of `Patient/1` or `http://server/Patient/1`.
fn type_in(reference: &str) -> Option<&str> {
    let head = reference.split("/_history/").next().unwrap_or(reference);
    let (before, _) = head.rsplit_once('/')?;
    let of = before.rsplit('/').next()?;
    let is_type = of.starts_with(|c: char| c.is_ascii_uppercase()) && of.bytes().all(|b| b.is_ascii_alphabetic());
    is_type.then_some(of)
}
