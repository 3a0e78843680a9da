use std::sync::Arc;

use super::fault::{Fault, Severity};
use super::links::text;
use super::walk::{Done, Walk};
use crate::path::{Schema as _, TypeId};
use crate::schema::{ExtensionContext, Profile};
use crate::source::NodeId;
use crate::terminology::Missing;

impl Walk<'_> {
    /// Checks an extension against its definition and the places where it may be used, once.
    pub fn extension(&mut self, node: NodeId) {
        if self.mark(node, Done::Extension) {
            return;
        }
        self.anyway(|walk| walk.defined(node));
    }

    fn defined(&mut self, node: NodeId) {
        let document = self.document;
        let is_modifier = document.name(node) == "modifierExtension";
        let Some(url) = text(document, node, "url") else { return };
        let Some(profile) = self.schema.profile(url) else {
            return self.undefined(node, url, is_modifier);
        };
        if profile.root().is_modifier != is_modifier {
            let fault = Fault::ModifierMisplaced;
            self.find(node, Severity::Error, fault, Some((&profile, profile.root())));
        }
        if let Some(parent) = document.parent(node)
            && !self.is_allowed_in(&profile, parent, node)
        {
            let allowed: Vec<&str> = profile.contexts.iter().map(|c| c.expression.as_str()).collect();
            let fault = Fault::ExtensionContext(allowed.join(", ").into());
            self.find(node, Severity::Error, fault, Some((&profile, profile.root())));
        }
        self.demand(&profile, node);
    }

    fn undefined(&mut self, node: NodeId, url: &str, is_modifier: bool) {
        // parts of a complex extension have short names that their whole defines
        if !url.contains(':') {
            return;
        }
        if is_modifier {
            return self.find(node, Severity::Error, Fault::ModifierUnknown, None);
        }
        if self.settings.any_extensions_allowed {
            self.find(node, Severity::Information, Fault::ExtensionUnknown, None);
        } else if self.settings.error_on_unknown_profile {
            self.find(node, Severity::Error, Fault::ExtensionUnknown, None);
        } else {
            self.miss(Missing::Profile(Box::from("extension")));
            self.find(node, Severity::Warning, Fault::ExtensionUnknown, None);
        }
    }

    fn is_allowed_in(&self, profile: &Arc<Profile>, parent: NodeId, _node: NodeId) -> bool {
        profile.contexts.is_empty() || profile.contexts.iter().any(|c| self.is_context(c, parent))
    }

    fn is_context(&self, context: &ExtensionContext, parent: NodeId) -> bool {
        let Some(of) = self.typed.type_of(parent) else { return true };
        match context.kind.as_str() {
            "extension" => {
                let of_extension = text(self.document, parent, "url");
                of_extension == Some(crate::package::split_canonical(&context.expression).0)
            }
            "element" | "" => self.is_element(&context.expression, parent, of),
            // an expression that selects elements: not refused here
            _ => true,
        }
    }

    /// Whether a node is what a path names: a type or one that it is derived from, or an element of one (`Patient.contact`).
    fn is_element(&self, expression: &str, parent: NodeId, of: TypeId) -> bool {
        let expression = expression.rsplit('#').next().unwrap_or(expression);
        let (head, steps) = match expression.split_once('.') {
            None => (expression, Vec::new()),
            Some((head, rest)) => (head, rest.split('.').collect()),
        };
        if steps.is_empty() {
            let is_named = self
                .schema
                .type_named(head)
                .is_some_and(|wanted| self.schema.is_subtype(of, wanted));
            return is_named || head == "Element" || self.is_profiled(head, parent);
        }
        // walk up: the last step is the node itself, the head the type of what holds the first
        let mut at = parent;
        for step in steps.iter().rev() {
            let stem = step.strip_suffix("[x]").unwrap_or(step);
            let name = self.document.names().text(self.typed.element(at)).unwrap_or_default();
            if name != stem && self.document.name(at) != stem {
                return false;
            }
            match self.document.parent(at) {
                Some(above) => at = above,
                None => return false,
            }
        }
        let wanted = self.schema.type_named(head);
        let holder = self.typed.type_of(at);
        matches!((wanted, holder), (Some(wanted), Some(holder)) if self.schema.is_subtype(holder, wanted))
    }

    /// A context may name a profile on a type by its canonical.
    fn is_profiled(&self, canonical: &str, parent: NodeId) -> bool {
        let wanted = self.schema.profile(canonical);
        wanted.is_some_and(|p| self.schema.is_a(self.type_name(parent), &p.type_name))
    }
}
