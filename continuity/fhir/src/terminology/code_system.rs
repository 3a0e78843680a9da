use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

/// A code system: its concepts, who stands above whom, and their properties.
#[derive(Debug)]
pub struct CodeSystem {
    content: Content,
    is_case_sensitive: bool,
    value_set: Option<Box<str>>,
    by_code: HashMap<Box<str>, u32>,
    concepts: Vec<Concept>,
}

/// How much of a code system is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// All codes.
    Complete,
    /// Some codes, none of them, or an example: a code that is not there may exist.
    Partial,
}

#[derive(Debug)]
pub(super) struct Concept {
    pub code: Box<str>,
    pub display: Option<Box<str>>,
    pub parents: Vec<u32>,
    pub properties: Vec<(Box<str>, Box<str>)>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct CodeSystemJson {
    content: Option<String>,
    case_sensitive: Option<bool>,
    value_set: Option<String>,
    concept: Vec<ConceptJson>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ConceptJson {
    code: String,
    display: Option<String>,
    property: Vec<Value>,
    concept: Vec<ConceptJson>,
}

impl CodeSystem {
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let json: CodeSystemJson = serde_json::from_slice(text).ok()?;
        let mut system = Self {
            content: match json.content.as_deref() {
                Some("complete") => Content::Complete,
                _ => Content::Partial,
            },
            is_case_sensitive: json.case_sensitive.unwrap_or(true),
            value_set: json.value_set.map(Into::into),
            by_code: HashMap::new(),
            concepts: Vec::new(),
        };
        let mut above = Vec::new();
        for concept in json.concept {
            system.add(concept, None, &mut above);
        }
        for (child, parent) in above {
            if let Some(parent) = system.by_code.get(&parent).copied()
                && !system.concepts[child as usize].parents.contains(&parent)
            {
                system.concepts[child as usize].parents.push(parent);
            }
        }
        Some(system)
    }

    /// How much of it is there.
    pub fn content(&self) -> Content {
        self.content
    }

    /// The value set of all its codes.
    pub fn value_set(&self) -> Option<&str> {
        self.value_set.as_deref()
    }

    /// Number of concepts.
    pub fn len(&self) -> usize {
        self.concepts.len()
    }

    /// Whether it has no concepts.
    pub fn is_empty(&self) -> bool {
        self.concepts.is_empty()
    }

    /// Number of the concept with a code. O(1).
    pub fn find(&self, code: &str) -> Option<u32> {
        if self.is_case_sensitive {
            self.by_code.get(code).copied()
        } else {
            self.by_code.get(code.to_lowercase().as_str()).copied()
        }
    }

    /// Whether a concept is another one or stands below it. O(concepts above it).
    pub(super) fn is_below(&self, concept: u32, ancestor: u32) -> bool {
        let mut open = vec![concept];
        let mut seen = vec![false; self.concepts.len()];
        while let Some(at) = open.pop() {
            if at == ancestor {
                return true;
            }
            if !std::mem::replace(&mut seen[at as usize], true) {
                open.extend(&self.concepts[at as usize].parents);
            }
        }
        false
    }

    pub(super) fn concept(&self, number: u32) -> &Concept {
        &self.concepts[number as usize]
    }

    pub(super) fn has_children(&self, number: u32) -> bool {
        self.concepts.iter().any(|c| c.parents.contains(&number))
    }

    /// Adds a concept and those nested in it; serde_json bounds how deep they nest.
    fn add(&mut self, json: ConceptJson, parent: Option<u32>, above: &mut Vec<(u32, Box<str>)>) {
        let number = self.concepts.len() as u32;
        let mut properties = Vec::new();
        for property in &json.property {
            let Some(code) = property.get("code").and_then(Value::as_str) else {
                continue;
            };
            let Some(value) = property_value(property) else { continue };
            if matches!(code, "parent" | "subsumedBy") {
                above.push((number, self.key(&value)));
            }
            properties.push((code.into(), value.into()));
        }
        let key = self.key(&json.code);
        self.by_code.entry(key).or_insert(number);
        self.concepts.push(Concept {
            code: json.code.into(),
            display: json.display.map(Into::into),
            parents: parent.into_iter().collect(),
            properties,
        });
        for inner in json.concept {
            self.add(inner, Some(number), above);
        }
    }

    fn key(&self, code: &str) -> Box<str> {
        if self.is_case_sensitive {
            code.into()
        } else {
            code.to_lowercase().into()
        }
    }
}

fn property_value(property: &Value) -> Option<String> {
    let fields = property.as_object()?;
    let (_, value) = fields.iter().find(|(key, _)| key.starts_with("value"))?;
    Some(match value {
        Value::String(text) => text.clone(),
        Value::Object(coding) => coding.get("code")?.as_str()?.to_owned(),
        other => other.to_string(),
    })
}
