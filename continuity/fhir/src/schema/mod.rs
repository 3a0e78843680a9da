//! StructureDefinitions made ready to walk documents with.
//!
//! ```text
//!  definition (JSON) ──► tree ──(overlay of a differential)──► tree ──flatten──► Profile: one array of elements
//!                                                                       Schema: profiles of one package set, made when first needed
//! ```

mod definition;
mod discriminator;
mod profile;
mod rule;
mod sample;
mod slice;
mod snapshot;
mod tree;
mod types;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::package::{DefinitionKind, PackageSet, Shelf};
use crate::source::Names;
use crate::terminology::Terminology;

use definition::{ConstraintDefinition, StructureDefinition};
use tree::Node;

pub use definition::ExtensionContext;
pub use discriminator::{Criterion, Discriminator, DiscriminatorKind, SliceTest, SliceTests, Step};
pub use profile::{Binding, Element, Profile, Slicing, SlicingRules, Strength, TypeRef};
pub(crate) use rule::Known;
pub use rule::{Rule, RuleExpression};
pub use sample::Sample;
pub use snapshot::EXPANSION_DEPTH_MAX;
pub use types::TYPES_MAX;

/// Longest chain of base definitions followed.
pub const DERIVATION_DEPTH_MAX: usize = 32;

const BASE: &str = "http://hl7.org/fhir/StructureDefinition/";
const BEST_PRACTICE: &str = "http://hl7.org/fhir/StructureDefinition/elementdefinition-bestpractice";

/// The profiles of one package set. Profiles are compiled when first asked for and kept; documents and threads share them.
pub struct Schema {
    set: PackageSet,
    names: Arc<Names>,
    terminology: Terminology,
    table: RwLock<Table>,
    trees: Mutex<HashMap<u32, Arc<Node>>>,
    expressions: Mutex<HashMap<Box<str>, Arc<RuleExpression>>>,
    keys: Mutex<HashMap<Box<str>, u32>>,
    types: types::Types,
}

#[derive(Default)]
struct Table {
    by_canonical: HashMap<Box<str>, Option<Arc<Profile>>>,
    by_definition: HashMap<u32, Arc<Profile>>,
}

/// Collects the element and type names of the base definitions of a shelf, with every name that a choice can have: what
/// documents are read with. One pass over the base's texts.
pub fn names_of(shelf: &Shelf) -> Names {
    let mut names = Names::new();
    let (mut elements, mut choices, mut types) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let finder = memchr::memmem::Finder::new(b"\"path\"");
    let base = shelf.definitions().filter(|(_, d)| {
        d.kind == DefinitionKind::Structure && d.url.strip_prefix(BASE).is_some_and(|rest| *rest == *d.type_name)
    });
    for (index, definition) in base {
        types.insert(definition.type_name.to_string());
        let text = shelf.text(index);
        for at in finder.find_iter(text) {
            let value = text[at + 6..].split(|b| *b == b'"').nth(1).unwrap_or_default();
            let last = value.rsplit(|b| *b == b'.').next().unwrap_or_default();
            let Ok(last) = std::str::from_utf8(last) else { continue };
            match last.strip_suffix("[x]") {
                Some(stem) => choices.insert(stem.to_owned()),
                None => elements.insert(last.to_owned()),
            };
        }
    }
    for name in elements.iter().chain(&choices).chain(&types) {
        names.intern(name);
    }
    for stem in &choices {
        for code in &types {
            names.intern(&tree::choice_name(stem, code));
        }
    }
    names
}

impl Schema {
    /// Makes an empty schema over a set. Costs nothing yet.
    pub fn new(set: PackageSet, names: Arc<Names>) -> Self {
        Self {
            terminology: Terminology::new(set.clone()),
            set,
            names,
            table: RwLock::default(),
            trees: Mutex::default(),
            expressions: Mutex::default(),
            keys: Mutex::default(),
            types: types::Types::default(),
        }
    }

    /// The packages that it is made of.
    pub fn set(&self) -> &PackageSet {
        &self.set
    }

    /// The names that documents for this schema are read with.
    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// The value sets and code systems of the set.
    pub fn terminology(&self) -> &Terminology {
        &self.terminology
    }

    /// The profile that a canonical names, if the set has it and it can be understood. The first call compiles it: about a
    /// millisecond per 100 kB of definition.
    pub fn profile(&self, canonical: &str) -> Option<Arc<Profile>> {
        if let Some(known) = self.read().by_canonical.get(canonical) {
            return known.clone();
        }
        let made = self
            .set
            .find(DefinitionKind::Structure, canonical)
            .and_then(|index| self.compile(index));
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if table.by_canonical.len() >= crate::terminology::LOOKUPS_MAX {
            return made;
        }
        table.by_canonical.entry(canonical.into()).or_insert(made).clone()
    }

    /// The definition of a type by its name.
    pub fn type_profile(&self, code: &str) -> Option<Arc<Profile>> {
        if code.contains(':') {
            self.profile(code)
        } else {
            self.profile(&format!("{BASE}{code}"))
        }
    }

    /// Whether a type is another one or is derived from it.
    pub fn is_a(&self, code: &str, ancestor: &str) -> bool {
        use crate::path::Schema as _;
        if code == ancestor {
            return true;
        }
        match (self.type_named(code), self.type_named(ancestor)) {
            (Some(of), Some(base)) => self.is_subtype(of, base),
            _ => false,
        }
    }

    /// Number of profiles compiled.
    pub fn len(&self) -> usize {
        self.read().by_definition.len()
    }

    /// Whether nothing was compiled yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn compile(&self, index: u32) -> Option<Arc<Profile>> {
        if let Some(known) = self.read().by_definition.get(&index) {
            return Some(Arc::clone(known));
        }
        let definition = self.parse(index)?;
        let tree = self.tree_of(&definition, 0)?;
        let elements = profile::flatten(&tree, &self.names, &|c| self.rule(c));
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let id = table.by_definition.len() as u32;
        let made = || {
            Arc::new(Profile {
                id,
                url: definition.url.as_str().into(),
                version: definition.version.as_deref().unwrap_or_default().into(),
                type_name: type_name(&definition).into(),
                kind: definition.kind.as_str().into(),
                is_abstract: definition.r#abstract,
                is_constraint: definition.derivation.as_deref() == Some("constraint"),
                base: definition.base_definition.as_deref().map(Into::into),
                contexts: definition.context.clone(),
                elements,
            })
        };
        Some(Arc::clone(table.by_definition.entry(index).or_insert_with(made)))
    }

    fn parse(&self, index: u32) -> Option<StructureDefinition> {
        serde_json::from_slice(self.set.shelf().text(index)).ok()
    }

    fn tree_of(&self, definition: &StructureDefinition, depth: usize) -> Option<Node> {
        if let Some(list) = definition.snapshot.as_ref().filter(|s| !s.element.is_empty()) {
            let mut tree = Node::from_list(list.element.clone())?;
            fold_choices(&mut tree);
            return Some(tree);
        }
        let base_url = definition.base_definition.as_deref()?;
        let base = self.tree(base_url, depth + 1)?;
        let mut tree = (*base).clone();
        if definition.derivation.as_deref() != Some("constraint") {
            rename(&mut tree, &type_name(definition));
        }
        if let Some(list) = definition.differential.as_ref().filter(|d| !d.element.is_empty())
            && let Some(differential) = Node::from_list(list.element.clone())
        {
            snapshot::overlay(&mut tree, differential, &|leaf| self.children_of(leaf, &base, depth + 1));
        }
        Some(tree)
    }

    /// The tree of the definition that a canonical names, kept for the next one that builds on it.
    fn tree(&self, canonical: &str, depth: usize) -> Option<Arc<Node>> {
        if depth > DERIVATION_DEPTH_MAX {
            return None;
        }
        let index = self.set.find(DefinitionKind::Structure, canonical)?;
        let trees = || self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = trees().get(&index) {
            return Some(Arc::clone(known));
        }
        let tree = Arc::new(self.tree_of(&self.parse(index)?, depth)?);
        trees().insert(index, Arc::clone(&tree));
        Some(tree)
    }

    fn children_of(&self, leaf: &Node, root: &Node, depth: usize) -> Vec<Node> {
        if let Some(reference) = &leaf.definition.content_reference {
            let path = reference.rsplit('#').next().unwrap_or_default();
            return find(root, path).map(|n| n.children.clone()).unwrap_or_default();
        }
        let types = leaf.definition.types.as_deref().unwrap_or_default();
        let canonical = match types {
            [only] => match only.profiles.as_slice() {
                [profile] => profile.clone(),
                _ => format!("{BASE}{}", only.code),
            },
            _ => format!("{BASE}Element"),
        };
        self.tree(&canonical, depth).map(|t| t.children.clone()).unwrap_or_default()
    }

    /// An expression as this schema's rules share it, by its text.
    pub(crate) fn expression(&self, text: &str) -> Arc<RuleExpression> {
        let mut expressions = self.expressions.lock().unwrap_or_else(PoisonError::into_inner);
        let next = expressions.len() as u32;
        let shared = expressions
            .entry(text.into())
            .or_insert_with(|| Arc::new(RuleExpression::new(next, text)));
        Arc::clone(shared)
    }

    fn rule(&self, constraint: &ConstraintDefinition) -> Option<Rule> {
        let text = constraint.expression.as_deref()?;
        let key_id = {
            let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            let next = keys.len() as u32;
            *keys.entry(constraint.key.as_str().into()).or_insert(next)
        };
        let expression = self.expression(text);
        Some(Rule {
            key: constraint.key.as_str().into(),
            key_id,
            is_error: constraint.severity != "warning",
            is_best_practice: constraint
                .extension
                .iter()
                .any(|e| e.url == BEST_PRACTICE && e.value_boolean == Some(true)),
            human: constraint.human.as_str().into(),
            expression,
        })
    }
}

/// `type`, without the prefix that some logical models give it.
fn type_name(definition: &StructureDefinition) -> String {
    let name = definition.type_name.as_str();
    name.strip_prefix(BASE).unwrap_or(name).to_owned()
}

fn rename(tree: &mut Node, name: &str) {
    name.clone_into(&mut tree.name);
}

fn fold_choices(node: &mut Node) {
    let stems: Vec<String> = node.children.iter().filter(|c| c.is_choice).map(|c| c.name.clone()).collect();
    if !stems.is_empty() {
        node.fold_typed_choices(&|stem| stems.iter().any(|s| s == stem));
    }
    for inner in node.children.iter_mut().chain(&mut node.slices) {
        fold_choices(inner);
    }
}

fn find<'a>(root: &'a Node, path: &str) -> Option<&'a Node> {
    let mut node = root;
    for name in path.split('.').skip(1) {
        node = &node.children[node.child_position(name.strip_suffix("[x]").unwrap_or(name))?];
    }
    Some(node)
}
