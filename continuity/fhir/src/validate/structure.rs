use super::fault::{Fault, Severity};
use super::primitive;
use super::walk::Walk;
use crate::IssueKind;
use crate::path::{Primitive, Schema as _};
use crate::source::{Format, NodeId, Written};

impl Walk<'_> {
    /// What holds for every element whatever the profile: it exists, has the form of its type, stands in its order. One pass.
    pub fn structure(&mut self) {
        for flaw in self.document.flaws() {
            let severity = if flaw.kind == IssueKind::ByteOrderMark {
                Severity::Warning
            } else {
                Severity::Error
            };
            let node = flaw.node.unwrap_or(self.document.root());
            self.find(node, severity, Fault::Source(flaw.kind), None);
        }
        let root = self.document.root();
        let is_json = self.document.format() == Format::Json;
        self.kind(root, is_json);
        for node in self.document.descendants(root) {
            if self.typed.type_of(node).is_some() {
                self.kind(node, is_json);
            } else if self.document.parent(node).is_some_and(|p| self.typed.type_of(p).is_some()) {
                let is_resource = self.document.resource_type_id(node).is_some();
                let fault = if is_resource {
                    Fault::UnknownResource
                } else {
                    Fault::UnknownElement
                };
                self.find(node, Severity::Error, fault, None);
            }
        }
    }

    fn kind(&mut self, node: NodeId, is_json: bool) {
        let Some(type_id) = self.typed.type_of(node) else { return };
        let type_name = self.schema.type_name(type_id);
        let primitive = self.schema.primitive(type_id);
        if let Some(value) = self.document.value(node) {
            if self.document.is_narrative(node) {
                if crate::narrative::check(value).is_some() {
                    self.find(node, Severity::Error, Fault::Narrative, None);
                }
            } else if primitive.is_none() || !primitive::is_of_type(self.form(node, type_name), value) {
                self.find(node, Severity::Error, Fault::Format(type_name.into()), None);
            }
        } else if self.document.children(node).next().is_none() && self.document.resource_type_id(node).is_none() {
            self.find(node, Severity::Error, Fault::Empty, None);
        }
        if is_json {
            self.json(node, primitive);
        } else if primitive.is_none() {
            self.order(node);
        }
    }

    /// The type whose form a value must have. R4's definitions call that of a resource's id `string`, its pages say `id`.
    fn form<'t>(&self, node: NodeId, type_name: &'t str) -> &'t str {
        let is_id = Some(self.document.name_id(node)) == self.words.id;
        let holder = self.document.parent(node).filter(|_| is_id);
        let is_of_resource = holder.is_some_and(|h| self.document.resource_type_id(h).is_some());
        if is_of_resource { "id" } else { type_name }
    }

    /// XML: elements come in the order of the definition, repetitions together.
    fn order(&mut self, node: NodeId) {
        let Some(type_id) = self.typed.type_of(node) else { return };
        let Some((profile, element)) = self.schema.type_definition(type_id) else {
            return;
        };
        let mut last = 0;
        for child in self.document.children(node) {
            if self.document.written(child) == Written::XmlAttribute {
                continue;
            }
            let Some((position, _)) = profile.child_of(element, self.document.name_id(child), "") else {
                continue;
            };
            if position < last {
                self.find(child, Severity::Error, Fault::Order, None);
            }
            last = last.max(position);
        }
    }

    /// JSON: values are of the kind of their type, and arrays are where elements repeat.
    fn json(&mut self, node: NodeId, primitive: Option<Primitive>) {
        let fits = match (self.document.written(node), primitive) {
            (Written::JsonNull | Written::XmlAttribute | Written::XmlElement, _) => true,
            (Written::JsonBool, Some(of)) => of == Primitive::Boolean,
            (Written::JsonNumber, Some(of)) => matches!(of, Primitive::Integer | Primitive::Decimal),
            (Written::JsonString, Some(of)) => !matches!(of, Primitive::Boolean | Primitive::Integer | Primitive::Decimal),
            (Written::JsonString, None) => self.document.is_narrative(node),
            (Written::JsonObject, of) => of.is_none(),
            (Written::JsonBool | Written::JsonNumber, None) => false,
        };
        if !fits {
            self.find(node, Severity::Error, Fault::JsonKind, None);
        }
        let Some(parent) = self.document.parent(node) else { return };
        let Some(parent_type) = self.typed.type_of(parent) else {
            return;
        };
        let Some((profile, element)) = self.schema.type_definition(parent_type) else {
            return;
        };
        let Some((position, _)) = profile.child_of(element, self.document.name_id(node), "") else {
            return;
        };
        let child = profile.elements[element as usize].children[position];
        if profile.elements[child as usize].is_list() != self.document.is_array_item(node) {
            self.find(node, Severity::Error, Fault::JsonArray, None);
        }
    }
}
