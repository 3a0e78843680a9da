use std::collections::{HashMap, HashSet};

use fancy_regex::Regex;
use serde::Deserialize;

use super::code_system::{CodeSystem, Content};
use super::{Membership, Missing, Terminology};

/// A value set: what it includes, what it excludes again, and an expansion if it came with one.
#[derive(Debug)]
pub(super) struct ValueSet {
    includes: Vec<Part>,
    excludes: Vec<Part>,
    has_compose: bool,
    /// Codes by system, as listed by an expansion.
    expansion: Option<HashMap<Box<str>, HashSet<Box<str>>>>,
}

#[derive(Debug)]
struct Part {
    system: Option<Box<str>>,
    version: Option<Box<str>>,
    codes: Option<HashSet<Box<str>>>,
    filters: Vec<Filter>,
    value_sets: Vec<Box<str>>,
}

#[derive(Debug)]
struct Filter {
    property: Box<str>,
    operation: Operation,
    value: Box<str>,
    name: Box<str>,
}

#[derive(Debug)]
enum Operation {
    Equal,
    IsA,
    DescendentOf,
    IsNotA,
    Generalizes,
    In(Vec<Box<str>>),
    NotIn(Vec<Box<str>>),
    Regex(Option<Regex>),
    Exists,
    Other,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ValueSetJson {
    compose: Option<ComposeJson>,
    expansion: Option<ExpansionJson>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ComposeJson {
    include: Vec<PartJson>,
    exclude: Vec<PartJson>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PartJson {
    system: Option<String>,
    version: Option<String>,
    concept: Option<Vec<CodeJson>>,
    filter: Vec<FilterJson>,
    value_set: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CodeJson {
    code: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct FilterJson {
    property: String,
    op: String,
    value: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ExpansionJson {
    contains: Vec<ContainsJson>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ContainsJson {
    system: Option<String>,
    code: Option<String>,
    r#abstract: bool,
    contains: Vec<ContainsJson>,
}

impl ValueSet {
    pub fn parse(text: &[u8]) -> Option<Self> {
        let json: ValueSetJson = serde_json::from_slice(text).ok()?;
        let has_compose = json.compose.as_ref().is_some_and(|c| !c.include.is_empty());
        let compose = json.compose.unwrap_or_default();
        let expansion = json.expansion.map(|expansion| {
            let mut codes = HashMap::new();
            list(expansion.contains, &mut codes);
            codes
        });
        Some(Self {
            includes: compose.include.into_iter().map(Part::new).collect(),
            excludes: compose.exclude.into_iter().map(Part::new).collect(),
            has_compose,
            expansion,
        })
    }

    /// Whether it has a code: in one of the includes and in none of the excludes.
    pub fn member(&self, terminology: &Terminology, own: &str, system: Option<&str>, code: &str, depth: usize) -> Membership {
        let listed = self.expansion.as_ref().is_some_and(|expansion| match system {
            Some(system) => expansion.get(system).is_some_and(|codes| codes.contains(code)),
            None => expansion.values().any(|codes| codes.contains(code)),
        });
        if listed {
            return Membership::Yes;
        }
        if !self.has_compose {
            // an expansion alone is the whole; a value set without either says nothing
            return match self.expansion {
                Some(_) => Membership::No,
                None => Membership::Unknown(Missing::ValueSet(own.into())),
            };
        }
        let included = any(self.includes.iter().map(|p| p.member(terminology, system, code, depth)));
        if included == Membership::No {
            return Membership::No;
        }
        match any(self.excludes.iter().map(|p| p.member(terminology, system, code, depth))) {
            Membership::Yes => Membership::No,
            Membership::No => included,
            unknown => unknown,
        }
    }
}

impl Part {
    fn new(json: PartJson) -> Self {
        Self {
            system: json.system.map(Into::into),
            version: json.version.map(Into::into),
            codes: json.concept.map(|codes| codes.into_iter().map(|c| c.code.into()).collect()),
            filters: json.filter.into_iter().map(Filter::new).collect(),
            value_sets: json.value_set.into_iter().map(Into::into).collect(),
        }
    }

    fn member(&self, terminology: &Terminology, system: Option<&str>, code: &str, depth: usize) -> Membership {
        let mut all = Membership::Yes;
        if let Some(own) = self.system.as_deref() {
            if system.is_some_and(|s| s != own) {
                return Membership::No;
            }
            all = self.member_of_system(terminology, own, code);
        }
        for value_set in &self.value_sets {
            if all == Membership::No {
                break;
            }
            all = both(all, terminology.member_at(value_set, system, code, depth));
        }
        all
    }

    fn member_of_system(&self, terminology: &Terminology, own: &str, code: &str) -> Membership {
        if let Some(codes) = &self.codes {
            if codes.contains(code) {
                return Membership::Yes;
            }
            let known = terminology.code_system(own);
            // systems that do not mind case: compare what the system takes for the same
            let same = known
                .filter(|s| s.find(code).is_some())
                .is_some_and(|s| codes.iter().any(|c| s.find(c) == s.find(code)));
            return if same { Membership::Yes } else { Membership::No };
        }
        if self.filters.is_empty() {
            return terminology.has_code(own, self.version.as_deref(), code);
        }
        let missing = || Membership::Unknown(Missing::CodeSystem(own.into()));
        let Some(known) = terminology.code_system(own) else {
            return missing();
        };
        let Some(concept) = known.find(code) else {
            return if known.content() == Content::Complete {
                Membership::No
            } else {
                missing()
            };
        };
        self.filters
            .iter()
            .fold(Membership::Yes, |all, f| both(all, f.holds(&known, concept)))
    }
}

impl Filter {
    fn new(json: FilterJson) -> Self {
        let codes = || json.value.split(',').map(|c| c.trim().into()).collect();
        let operation = match json.op.as_str() {
            "=" => Operation::Equal,
            "is-a" => Operation::IsA,
            "descendent-of" | "descendant-of" => Operation::DescendentOf,
            "is-not-a" => Operation::IsNotA,
            "generalizes" => Operation::Generalizes,
            "in" => Operation::In(codes()),
            "not-in" => Operation::NotIn(codes()),
            "regex" => Operation::Regex(Regex::new(&format!("^(?:{})$", json.value)).ok()),
            "exists" => Operation::Exists,
            _ => Operation::Other,
        };
        Self {
            name: format!("{} {}", json.property, json.op).into(),
            property: json.property.into(),
            value: json.value.into(),
            operation,
        }
    }

    fn holds(&self, system: &CodeSystem, number: u32) -> Membership {
        let truth = |t: bool| if t { Membership::Yes } else { Membership::No };
        let unknown = || Membership::Unknown(Missing::Filter(self.name.clone()));
        let below = |strictly: bool| match system.find(&self.value) {
            Some(ancestor) => truth(system.is_below(number, ancestor) && !(strictly && ancestor == number)),
            None if system.content() == Content::Complete => Membership::No,
            None => unknown(),
        };
        let values = || self.values(system, number);
        match &self.operation {
            Operation::IsA => below(false),
            Operation::DescendentOf => below(true),
            Operation::IsNotA => match below(false) {
                Membership::Yes => Membership::No,
                Membership::No => Membership::Yes,
                unknown => unknown,
            },
            Operation::Generalizes => match system.find(&self.value) {
                Some(descendant) => truth(system.is_below(descendant, number)),
                None => unknown(),
            },
            Operation::Equal => truth(values().contains(&&*self.value)),
            Operation::In(list) => truth(values().iter().any(|v| list.iter().any(|l| **l == **v))),
            Operation::NotIn(list) => truth(!values().iter().any(|v| list.iter().any(|l| **l == **v))),
            Operation::Regex(Some(regex)) => truth(values().iter().any(|v| regex.is_match(v).unwrap_or(false))),
            Operation::Exists => truth(values().is_empty() != (&*self.value == "true")),
            Operation::Regex(None) | Operation::Other => unknown(),
        }
    }

    fn values<'a>(&self, system: &'a CodeSystem, number: u32) -> Vec<&'a str> {
        let concept = system.concept(number);
        match &*self.property {
            "concept" | "code" => vec![&concept.code],
            "display" => concept.display.as_deref().into_iter().collect(),
            "parent" => concept.parents.iter().map(|p| &*system.concept(*p).code).collect(),
            "child" if !system.has_children(number) => Vec::new(),
            property => concept
                .properties
                .iter()
                .filter(|(p, _)| **p == *property)
                .map(|(_, v)| &**v)
                .collect(),
        }
    }
}

/// One is enough; what is not known may be.
fn any(parts: impl Iterator<Item = Membership>) -> Membership {
    let mut all = Membership::No;
    for part in parts {
        match part {
            Membership::Yes => return Membership::Yes,
            Membership::No => {}
            unknown => all = unknown,
        }
    }
    all
}

/// Both must hold; one that does not is enough to say no.
fn both(a: Membership, b: Membership) -> Membership {
    match (a, b) {
        (Membership::No, _) | (_, Membership::No) => Membership::No,
        (Membership::Unknown(what), _) | (_, Membership::Unknown(what)) => Membership::Unknown(what),
        _ => Membership::Yes,
    }
}

fn list(contains: Vec<ContainsJson>, into: &mut HashMap<Box<str>, HashSet<Box<str>>>) {
    for entry in contains {
        if let (Some(system), Some(code), false) = (entry.system, entry.code, entry.r#abstract) {
            into.entry(system.into()).or_default().insert(code.into());
        }
        list(entry.contains, into);
    }
}
