use std::cmp::Ordering;
use std::sync::Arc;

use super::fault::{Fault, Severity};
use super::links::text;
use super::walk::Walk;
use crate::path::{Conformance, Host, Moment, Resolution, Scene, Value};
use crate::schema::{Element, Known, Profile, Rule};
use crate::source::NodeId;
use crate::terminology::{Membership, Missing};

impl Walk<'_> {
    /// Evaluates the invariants of an element at a node.
    ///
    /// An expression is evaluated once for a node, and the rule that is met first speaks for all that have the same one, with
    /// its key and severity. So does the HL7 validator, and published packages rely on it (where a warning stands before an
    /// error of the same expression, they reword the error to bring it into force).
    pub fn rules(&mut self, profile: &Arc<Profile>, element: &Element, node: NodeId) {
        for rule in &element.rules {
            let severity = match (rule.is_error, rule.is_best_practice) {
                (true, _) => Severity::Error,
                (false, true) => Severity::Information,
                (false, false) => Severity::Warning,
            };
            if severity < self.least {
                continue;
            }
            let holds = match rule.expression.known {
                Known::HasContent => Some(self.has_content(node)),
                Known::ExtensionOrValue => Some(self.has_extension(node) != self.has_value(node)),
                Known::No => self.first_result(rule, node),
            };
            match holds {
                Some(true) => {}
                Some(false) => {
                    let fault = Fault::Rule(rule.key.clone(), rule.human.clone());
                    self.find(node, severity, fault, Some((profile, element)));
                }
                None if rule.is_error => {
                    self.miss(Missing::Rule(rule.key.clone()));
                    let fault = Fault::RuleUnknown(rule.key.clone());
                    self.find(node, Severity::Warning, fault, Some((profile, element)));
                }
                None => {}
            }
        }
    }

    /// What a rule's expression gives at a node; for a rule that repeats the expression of another one it holds, because the
    /// other one has spoken.
    fn first_result(&mut self, rule: &Rule, node: NodeId) -> Option<bool> {
        let schema = self.schema;
        let (result, speaker) = self.rule_result(rule, node, |walk| {
            let expression = rule.expression.compiled(schema)?;
            let host = RuleHost { walk };
            let scene = Scene::new(walk.typed, schema, &host);
            // an error and a doubt alike: nothing can be said
            expression.holds(&scene, node).ok()
        });
        if speaker == rule.key_id { result } else { Some(true) }
    }

    fn has_content(&self, node: NodeId) -> bool {
        let document = self.document;
        document.value(node).is_some() || document.children(node).any(|c| Some(document.name_id(c)) != self.words.id)
    }

    fn has_extension(&self, node: NodeId) -> bool {
        self.document
            .children(node)
            .any(|c| Some(self.document.name_id(c)) == self.words.extension)
    }

    fn has_value(&self, node: NodeId) -> bool {
        self.document
            .children(node)
            .any(|c| Some(self.typed.element(c)) == self.words.value)
    }
}

/// What rules may ask of the world: the document's own references and the terminology of the set.
struct RuleHost<'w, 'a> {
    walk: &'w Walk<'a>,
}

impl Host for RuleHost<'_, '_> {
    fn now(&self) -> Option<Moment> {
        self.walk.settings.now
    }

    fn resolve(&self, from: NodeId, reference: &str) -> Resolution {
        self.walk.links.resolve(from, reference)
    }

    fn member_of(&self, item: &Value<'_>, value_set: &str) -> Option<bool> {
        let walk = self.walk;
        let terminology = walk.schema.terminology();
        let truth = |membership| match membership {
            Membership::Yes => Some(true),
            Membership::No => Some(false),
            Membership::Unknown(_) => None,
        };
        let node = match item {
            Value::Node(node) => *node,
            Value::String(code) => return truth(terminology.member(value_set, None, code)),
            _ => return None,
        };
        let of_coding = |coding: NodeId| {
            let code = text(walk.document, coding, "code")?;
            truth(terminology.member(
                value_set,
                Some(text(walk.document, coding, "system").unwrap_or_default()),
                code,
            ))
        };
        match walk.type_name(node) {
            "CodeableConcept" => {
                let mut is_told = true;
                for coding in super::links::named(walk.document, node, "coding") {
                    match of_coding(coding) {
                        Some(true) => return Some(true),
                        Some(false) => {}
                        None => is_told = false,
                    }
                }
                is_told.then_some(false)
            }
            "Coding" | "Quantity" => of_coding(node),
            _ => truth(terminology.member(value_set, None, walk.document.value(node)?)),
        }
    }

    fn conforms_to(&self, node: NodeId, profile: &str) -> Conformance {
        let walk = self.walk;
        let Some(wanted) = walk.schema.profile(profile) else {
            return Conformance::NoSuchProfile;
        };
        // a walk of its own: rules run while this one is busy
        let mut inner = Walk::new(walk.schema, walk.typed, walk.settings, walk.links);
        match inner.check(&wanted, node) {
            Some(checked) if !checked.is_valid() => Conformance::No,
            Some(checked) if checked.missing.is_empty() => Conformance::Yes,
            _ => Conformance::Unknown,
        }
    }
}

/// Orders two values of a primitive type as far as their forms allow it.
pub(super) fn compare(type_name: &str, a: &str, b: &str) -> Option<Ordering> {
    match type_name {
        "integer" | "positiveInt" | "unsignedInt" | "decimal" | "integer64" => {
            let number = |t: &str| t.parse::<f64>().ok();
            number(a)?.partial_cmp(&number(b)?)
        }
        "date" | "dateTime" | "instant" | "time" => {
            let length = a.len().min(b.len()).min(10);
            Some(a.get(..length)?.cmp(b.get(..length)?))
        }
        _ => None,
    }
}
