use serde_json::Value;

use crate::source::{Document, NodeId};

/// A value that a profile demands (`fixed[x]`) or a part of one (`pattern[x]`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sample {
    value: Option<Box<str>>,
    children: Vec<(Box<str>, Vec<Sample>)>,
}

impl Sample {
    /// Takes the JSON of a fixed or pattern value.
    pub(crate) fn new(json: &Value) -> Self {
        match json {
            Value::Object(fields) => {
                let mut children = Vec::new();
                for (name, inner) in fields {
                    if name.starts_with('_') {
                        continue;
                    }
                    let items = match inner {
                        Value::Array(items) => items.iter().map(Self::new).collect(),
                        other => vec![Self::new(other)],
                    };
                    children.push((name.as_str().into(), items));
                }
                Self { value: None, children }
            }
            Value::String(text) => Self::primitive(text),
            other => Self::primitive(&other.to_string()),
        }
    }

    fn primitive(text: &str) -> Self {
        Self {
            value: Some(text.into()),
            children: Vec::new(),
        }
    }

    /// The value, if it is a primitive.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// Names of the parts, if it is not a primitive.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.children.iter().map(|(name, _)| &**name)
    }

    /// Whether a node holds exactly this: the same parts, no others; ids and extensions of the node do not count.
    pub fn is_fixed_in(&self, document: &Document, node: NodeId) -> bool {
        if let Some(value) = &self.value {
            return document.value(node) == Some(value);
        }
        let counted = |name: &str| !matches!(name, "id" | "extension") || self.children.iter().any(|(n, _)| **n == *name);
        let there = document.children(node).filter(|c| counted(document.name(*c))).count();
        let wanted: usize = self.children.iter().map(|(_, items)| items.len()).sum();
        there == wanted
            && self.children.iter().all(|(name, items)| {
                let mut nodes = document.children(node).filter(|c| document.name(*c) == &**name);
                items
                    .iter()
                    .all(|item| nodes.next().is_some_and(|n| item.is_fixed_in(document, n)))
            })
    }

    /// Whether a node holds at least this: every part of the pattern, repetitions in any place.
    pub fn is_pattern_of(&self, document: &Document, node: NodeId) -> bool {
        if let Some(value) = &self.value {
            return document.value(node) == Some(value);
        }
        self.children.iter().all(|(name, items)| {
            items.iter().all(|item| {
                document
                    .children(node)
                    .filter(|c| document.name(*c) == &**name)
                    .any(|n| item.is_pattern_of(document, n))
            })
        })
    }
}
