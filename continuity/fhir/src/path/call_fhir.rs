use smallvec::smallvec;

use super::evaluate::{Doubt, EvaluationError, Evaluator, Items, Outcome, Scope, Stop};
use super::expression::Call;
use super::function::Function;
use super::host::{Conformance, Resolution};
use super::operator::{answer, single};
use super::value::Value;
use crate::narrative;
use crate::source::{NameId, NodeId};

impl<'a> Evaluator<'a> {
    /// The functions that FHIR adds (FHIR R4, "FHIRPath", additional functions).
    pub fn call_of_fhir(&mut self, call: &'a Call, items: Items<'a>, scope: Scope<'_, 'a>) -> Outcome<'a> {
        match call.function {
            Function::Extension => {
                let url = self.argument(call, 0, scope)?;
                let Some(url) = self.single_text(&url)? else {
                    return Ok(Items::new());
                };
                self.extensions(&items, self.scene.typed.extension, |found| found == url)
            }
            Function::HasValue => Ok(answer(Some(matches!(&items[..], [item] if self.has_value(item))))),
            Function::GetValue => match &items[..] {
                [item] if self.has_value(item) => Ok(smallvec![self.system(item)]),
                _ => Ok(Items::new()),
            },
            Function::Resolve => self.resolve(&items),
            Function::MemberOf => {
                let value_set = self.argument(call, 0, scope)?;
                let (Some(item), Some(value_set)) = (single(items)?, self.single_text(&value_set)?) else {
                    return Ok(Items::new());
                };
                let member = self.scene.host.member_of(&item, &value_set);
                Ok(answer(Some(member.ok_or(Doubt::Terminology)?)))
            }
            Function::Subsumes | Function::SubsumedBy => {
                let other = self.argument(call, 0, scope)?;
                let (Some(item), Some(other)) = (single(items)?, single(other)?) else {
                    return Ok(Items::new());
                };
                let (general, special) = if call.function == Function::Subsumes {
                    (item, other)
                } else {
                    (other, item)
                };
                let subsumes = self.scene.host.subsumes(&general, &special);
                Ok(answer(Some(subsumes.ok_or(Doubt::Terminology)?)))
            }
            Function::HtmlChecks => self.html_checks(&items),
            Function::ConformsTo => self.conforms_to(call, items, scope),
            Function::CheckModifiers => self.check_modifiers(call, items, scope),
            _ => Err(Doubt::Definitions.into()),
        }
    }

    fn has_value(&self, item: &Value<'a>) -> bool {
        match item {
            Value::Node(node) => {
                let text = self.document().value(*node);
                text.is_some_and(|text| !text.is_empty()) && self.primitive(*node).is_some()
            }
            Value::Type(_) => false,
            _ => true,
        }
    }

    fn extensions(&mut self, items: &[Value<'a>], kind: Option<NameId>, wanted: impl Fn(&str) -> bool) -> Outcome<'a> {
        let Some(kind) = kind else { return Ok(Items::new()) };
        let mut found = Items::new();
        for item in items {
            let Value::Node(node) = item else { continue };
            let looked = self.scene.typed.children_named(*node, kind, |child| {
                if self.url(child).is_some_and(&wanted) {
                    found.push(Value::Node(child));
                }
            });
            self.spend(looked)?;
        }
        Ok(found)
    }

    fn url(&self, extension: NodeId) -> Option<&'a str> {
        let mut url = None;
        self.scene
            .typed
            .children_named(extension, self.scene.typed.url?, |child| url = Some(child));
        self.document().value(url?)
    }

    /// Follows references, canonicals and URIs. What leads nowhere is left out.
    fn resolve(&mut self, items: &[Value<'a>]) -> Outcome<'a> {
        let document = self.document();
        let mut found = Items::new();
        for item in items {
            self.spend(10)?;
            let (from, reference) = match item {
                Value::Node(node) => match document.value(*node) {
                    Some(text) => (*node, text),
                    None => {
                        let reference = document.children(*node).find(|n| document.name(*n) == "reference");
                        let Some(text) = reference.and_then(|r| document.value(r)) else {
                            continue;
                        };
                        (*node, text)
                    }
                },
                Value::String(text) => (self.context, &**text),
                _ => continue,
            };
            match self.scene.host.resolve(from, reference) {
                Resolution::Node(node) if node.index() < document.len() => found.push(Value::Node(node)),
                Resolution::Node(_) | Resolution::Nothing => {}
                Resolution::Unknown => return Err(Doubt::Reference.into()),
            }
        }
        Ok(found)
    }

    fn html_checks(&mut self, items: &[Value<'a>]) -> Outcome<'a> {
        let Some(item) = single(items.iter().cloned().collect())? else {
            return Ok(Items::new());
        };
        let Some(text) = self.text(&item) else {
            return Ok(answer(Some(false)));
        };
        self.spend(text.len())?;
        Ok(answer(Some(narrative::check(&text).is_none())))
    }

    fn conforms_to(&mut self, call: &'a Call, items: Items<'a>, scope: Scope<'_, 'a>) -> Outcome<'a> {
        let profile = self.argument(call, 0, scope)?;
        let Some(profile) = self.single_text(&profile)? else {
            return Ok(Items::new());
        };
        match single(items)? {
            None => Ok(Items::new()),
            Some(Value::Node(node)) => {
                self.spend(1_000)?;
                match self.scene.host.conforms_to(node, &profile) {
                    Conformance::Yes => Ok(answer(Some(true))),
                    Conformance::No => Ok(answer(Some(false))),
                    Conformance::NoSuchProfile => Err(EvaluationError::NoSuchProfile.into()),
                    Conformance::Unknown => Err(Doubt::Conformance.into()),
                }
            }
            Some(_) => Err(EvaluationError::WrongType.into()),
        }
    }

    /// Returns its input, unless that has a modifier extension other than those named.
    fn check_modifiers(&mut self, call: &'a Call, items: Items<'a>, scope: Scope<'_, 'a>) -> Outcome<'a> {
        let mut known = Vec::new();
        for index in 0..call.arguments.len() {
            let url = self.argument(call, index, scope)?;
            known.extend(self.single_text(&url)?);
        }
        let unexpected = self.extensions(&items, self.document().name_of("modifierExtension"), |url| {
            known.iter().all(|k| k != url)
        })?;
        if unexpected.is_empty() {
            Ok(items)
        } else {
            Err(Stop::Error(EvaluationError::Modifier))
        }
    }
}
