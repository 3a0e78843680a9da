use std::sync::{Arc, OnceLock};

use super::definition::{ExtensionContext, SlicingDefinition};
use super::discriminator::{Discriminator, SliceTests};
use super::rule::Rule;
use super::sample::Sample;
use super::tree::{Node, choice_name};
use crate::path::TypeId;
use crate::source::{NameId, Names};

/// A StructureDefinition made ready to walk documents with: its elements in one array, the root first.
#[derive(Debug)]
pub struct Profile {
    /// Number of the profile within its schema.
    pub id: u32,
    /// Canonical URL.
    pub url: Box<str>,
    /// Version; empty if it has none.
    pub version: Box<str>,
    /// The type that it defines or constrains.
    pub type_name: Box<str>,
    /// `resource`, `complex-type`, `primitive-type` or `logical`.
    pub kind: Box<str>,
    /// Whether no instance is of this type itself.
    pub is_abstract: bool,
    /// Whether it constrains a type (and does not define one).
    pub is_constraint: bool,
    /// Canonical of what it is derived from.
    pub base: Option<Box<str>>,
    /// Where an extension may be used; empty for what is no extension.
    pub contexts: Vec<ExtensionContext>,
    /// Elements; 0 is the root.
    pub elements: Vec<Element>,
}

/// One element of a profile, or a slice of one.
#[derive(Debug, Default)]
pub struct Element {
    /// Position in the profile.
    pub index: u32,
    /// Last part of the path, without `[x]`.
    pub name: Box<str>,
    /// Id in the profile: path with slice names.
    pub label: Box<str>,
    /// Name of the slice; empty if it is none.
    pub slice: Box<str>,
    /// Named after its type (`value[x]`).
    pub is_choice: bool,
    /// Fewest repetitions.
    pub min: u32,
    /// Most repetitions; `u32::MAX` for `*`.
    pub max: u32,
    /// Types it may have.
    pub types: Vec<TypeRef>,
    /// What it must be.
    pub fixed: Option<Sample>,
    /// What it must contain.
    pub pattern: Option<Sample>,
    /// Where its codes come from.
    pub binding: Option<Binding>,
    /// Invariants.
    pub rules: Vec<Rule>,
    /// How its repetitions are told apart.
    pub slicing: Option<Slicing>,
    /// Its slices.
    pub slices: Vec<u32>,
    /// Elements within it; empty if its type says them.
    pub children: Vec<u32>,
    /// The element whose children it has (`contentReference`).
    pub content: Option<u32>,
    /// Most characters.
    pub max_length: Option<u32>,
    /// Least value.
    pub min_value: Option<Sample>,
    /// Greatest value.
    pub max_value: Option<Sample>,
    /// Changes the meaning of what it stands in.
    pub is_modifier: bool,
    /// Children by name number: (name, position in `children`, index of the type for a choice).
    pub(crate) lookup: Box<[(NameId, u16, u16)]>,
    /// Children whose name no base definition has.
    pub(crate) unnumbered: Vec<(Box<str>, u16, u16)>,
    /// How its slices are recognised; found out when first needed.
    pub(crate) tests: OnceLock<Arc<[SliceTests]>>,
}

/// A type that an element may have.
#[derive(Debug, Clone, Default)]
pub struct TypeRef {
    /// Name of the type.
    pub code: Box<str>,
    /// Profiles of the type, one of which it must conform to.
    pub profiles: Vec<Box<str>>,
    /// Profiles of the target, for references.
    pub targets: Vec<Box<str>>,
    /// How the target must be reachable: `contained`, `bundled`, `referenced`.
    pub aggregation: Vec<Box<str>>,
    /// Number of the type, once somebody asked.
    pub(crate) number: OnceLock<Option<TypeId>>,
}

/// How strictly a binding is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// No more than an example.
    Example,
    /// Recommended.
    Preferred,
    /// To be used where it has a fitting code.
    Extensible,
    /// Must be used.
    Required,
}

/// Where the codes of an element come from.
#[derive(Debug, Clone)]
pub struct Binding {
    /// How strictly.
    pub strength: Strength,
    /// Canonical of the value set.
    pub value_set: Box<str>,
    /// Canonical of a value set that no code may leave, whatever the strength.
    pub max_value_set: Option<Box<str>>,
}

/// How repetitions of an element are told apart.
#[derive(Debug, Clone)]
pub struct Slicing {
    /// By what.
    pub discriminators: Vec<Discriminator>,
    /// Whether others than the slices may occur.
    pub rules: SlicingRules,
    /// Whether slices come in the order of the profile.
    pub is_ordered: bool,
}

/// Whether others than the slices may occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlicingRules {
    /// Anywhere.
    Open,
    /// After all slices.
    OpenAtEnd,
    /// Nowhere.
    Closed,
}

const MAX_VALUE_SET: &str = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet";

impl Profile {
    /// The root element.
    pub fn root(&self) -> &Element {
        &self.elements[0]
    }

    /// Canonical with version, as issues name it.
    pub fn canonical(&self) -> String {
        if self.version.is_empty() {
            self.url.to_string()
        } else {
            format!("{}|{}", self.url, self.version)
        }
    }

    /// Position of the child that an instance's element belongs to, and the index of its type if it is a choice.
    pub(crate) fn child_of(&self, element: u32, name: NameId, text: &str) -> Option<(usize, u16)> {
        let element = &self.elements[element as usize];
        if name.is_local() {
            let found = element.unnumbered.iter().find(|(n, _, _)| &**n == text)?;
            return Some((found.1 as usize, found.2));
        }
        let at = element.lookup.binary_search_by_key(&name, |(n, _, _)| *n).ok()?;
        let (_, child, of_type) = element.lookup[at];
        Some((child as usize, of_type))
    }
}

impl Element {
    /// Whether it may repeat in FHIR's base (then JSON writes an array).
    pub fn is_list(&self) -> bool {
        self.max > 1
    }

    /// The type with this name.
    pub fn type_named(&self, code: &str) -> Option<&TypeRef> {
        self.types.iter().find(|t| &*t.code == code)
    }
}

/// Makes the array of elements of a tree.
pub(crate) fn flatten(
    root: &Node,
    names: &Names,
    make_rule: &dyn Fn(&super::definition::ConstraintDefinition) -> Option<Rule>,
) -> Vec<Element> {
    let mut maker = Maker {
        elements: Vec::new(),
        references: Vec::new(),
        names,
        make_rule,
    };
    maker.add(root, &root.name);
    let Maker {
        mut elements,
        references,
        ..
    } = maker;
    for (element, path) in references {
        // `#Bundle.link` or a canonical with that fragment
        let path = path.rsplit('#').next().unwrap_or_default();
        elements[element].content = elements.iter().position(|e| &*e.label == path).map(|i| i as u32);
    }
    elements
}

/// Children by the number of their name, and those whose name has none.
type Lookup = (Box<[(NameId, u16, u16)]>, Vec<(Box<str>, u16, u16)>);

struct Maker<'a> {
    elements: Vec<Element>,
    references: Vec<(usize, String)>,
    names: &'a Names,
    make_rule: &'a dyn Fn(&super::definition::ConstraintDefinition) -> Option<Rule>,
}

impl Maker<'_> {
    fn add(&mut self, node: &Node, label: &str) -> u32 {
        let index = self.elements.len();
        let mut element = self.element_of(node, label);
        element.index = index as u32;
        if let Some(reference) = &node.definition.content_reference {
            self.references.push((index, reference.clone()));
        }
        let slicing = element.slicing.take();
        self.elements.push(element);
        let mut children = Vec::with_capacity(node.children.len());
        for child in &node.children {
            let suffix = if child.is_choice { "[x]" } else { "" };
            children.push(self.add(child, &format!("{label}.{}{suffix}", child.name)));
        }
        let mut slices = Vec::with_capacity(node.slices.len());
        let unsliced = label
            .rsplit_once(':')
            .filter(|_| !node.slice.is_empty())
            .map_or(label, |(l, _)| l);
        for slice in &node.slices {
            slices.push(self.add(slice, &format!("{unsliced}:{}", slice.slice)));
        }
        let (lookup, unnumbered) = self.lookup_of(&children);
        let element = &mut self.elements[index];
        element.slicing = slicing.or_else(|| implied_slicing(node));
        (element.children, element.slices) = (children, slices);
        (element.lookup, element.unnumbered) = (lookup, unnumbered);
        index as u32
    }

    fn lookup_of(&self, children: &[u32]) -> Lookup {
        let (mut numbered, mut unnumbered) = (Vec::new(), Vec::new());
        let mut note = |name: &str, child: usize, of_type: usize| match self.names.get(name) {
            Some(id) => numbered.push((id, child as u16, of_type as u16)),
            None => unnumbered.push((name.into(), child as u16, of_type as u16)),
        };
        for (position, child) in children.iter().enumerate().take(usize::from(u16::MAX)) {
            let child = &self.elements[*child as usize];
            if child.is_choice {
                for (i, code) in child.types.iter().map(|t| &t.code).enumerate() {
                    note(&choice_name(&child.name, code), position, i);
                }
            } else {
                note(&child.name, position, 0);
            }
        }
        numbered.sort_unstable();
        numbered.dedup_by_key(|(name, _, _)| *name);
        (numbered.into(), unnumbered)
    }

    fn element_of(&self, node: &Node, label: &str) -> Element {
        let definition = &node.definition;
        let texts = |list: &[String]| list.iter().map(|t| t.as_str().into()).collect();
        let types = definition.types.iter().flatten().map(|t| TypeRef {
            code: t.code.as_str().into(),
            profiles: texts(&t.profiles),
            targets: texts(&t.targets),
            aggregation: texts(&t.aggregation),
            number: OnceLock::new(),
        });
        Element {
            name: node.name.as_str().into(),
            label: label.into(),
            slice: node.slice.as_str().into(),
            is_choice: node.is_choice,
            min: definition.min.unwrap_or(0),
            max: match definition.max.as_deref() {
                None | Some("*") => u32::MAX,
                Some(max) => max.parse().unwrap_or(u32::MAX),
            },
            types: types.collect(),
            fixed: definition.fixed.as_ref().map(Sample::new),
            pattern: definition.pattern.as_ref().map(Sample::new),
            binding: definition.binding.as_ref().and_then(binding_of),
            rules: definition.constraints.iter().filter_map(|c| (self.make_rule)(c)).collect(),
            slicing: definition.slicing.as_ref().map(slicing_of),
            max_length: definition.max_length,
            min_value: definition.min_value.as_ref().map(Sample::new),
            max_value: definition.max_value.as_ref().map(Sample::new),
            is_modifier: definition.is_modifier == Some(true),
            ..Element::default()
        }
    }
}

fn binding_of(definition: &super::definition::BindingDefinition) -> Option<Binding> {
    let strength = match definition.strength.as_str() {
        "required" => Strength::Required,
        "extensible" => Strength::Extensible,
        "preferred" => Strength::Preferred,
        _ => Strength::Example,
    };
    let max = definition.extension.iter().find(|e| e.url == MAX_VALUE_SET);
    let max_value_set = max.and_then(|e| e.value_canonical.as_deref().or(e.value_uri.as_deref()));
    Some(Binding {
        strength,
        value_set: definition.value_set.as_deref()?.into(),
        max_value_set: max_value_set.map(Into::into),
    })
}

fn slicing_of(definition: &SlicingDefinition) -> Slicing {
    Slicing {
        discriminators: definition
            .discriminator
            .iter()
            .map(|d| Discriminator::new(&d.kind, &d.path))
            .collect(),
        rules: match definition.rules.as_str() {
            "closed" => SlicingRules::Closed,
            "openAtEnd" => SlicingRules::OpenAtEnd,
            _ => SlicingRules::Open,
        },
        is_ordered: definition.ordered,
    }
}

/// What slices an element that has slices and does not say by what: a choice by its type, extensions by their URL.
fn implied_slicing(node: &Node) -> Option<Slicing> {
    let discriminator = if node.slices.is_empty() {
        return None;
    } else if node.is_choice {
        Discriminator::new("type", "$this")
    } else if matches!(node.name.as_str(), "extension" | "modifierExtension") {
        Discriminator::new("value", "url")
    } else {
        return None;
    };
    Some(Slicing {
        discriminators: vec![discriminator],
        rules: SlicingRules::Open,
        is_ordered: false,
    })
}
