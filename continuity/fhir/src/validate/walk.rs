use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use super::explain::Applied;
use super::fault::{Fault, Severity};
use super::links::Links;
use super::settings::Settings;
use crate::path::{Schema as _, TypeId, TypedDocument};
use crate::schema::{Element, Profile, Rule, Schema, TypeRef};
use crate::source::{Document, NameId, Names, NodeId};
use crate::terminology::Missing;

/// Deepest nesting of profiles that are checked within each other.
pub const PROFILE_DEPTH_MAX: u32 = 64;
/// Most findings kept of one document.
pub const FINDINGS_MAX: usize = 10_000;

/// One walk over one document with the profiles of one schema.
pub(super) struct Walk<'a> {
    pub schema: &'a Schema,
    pub document: &'a Document,
    pub typed: &'a TypedDocument<'a>,
    pub settings: &'a Settings,
    pub links: &'a Links<'a>,
    /// What is wrong, for the profile being checked.
    pub found: Vec<Finding>,
    /// What is wrong whatever the profile.
    pub found_anyway: Vec<Finding>,
    pub missing: BTreeSet<Missing>,
    /// What was applied to which node, if somebody wants to know.
    pub applied: Option<Vec<Applied>>,
    conformance: HashMap<(u32, NodeId), State, Mix>,
    rule_results: HashMap<(u32, NodeId), (Option<bool>, u32), Mix>,
    /// Profiles that a resource claims, by their numbers.
    claimed: HashMap<NodeId, Vec<u32>, Mix>,
    extension_type: Option<TypeId>,
    coding_type: Option<TypeId>,
    pub words: Words,
    /// Findings below this are not kept.
    pub least: Severity,
    /// By node: what was done with it already, whatever the profile.
    done: Vec<u8>,
    depth: u32,
    spare: Vec<Vec<(u16, NodeId)>>,
}

/// Something wrong at a node.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub node: NodeId,
    pub severity: Severity,
    pub fault: Fault,
    /// The profile and the element in it that say so.
    pub source: Option<(Arc<Profile>, u32)>,
}

#[derive(Clone)]
enum State {
    /// Being checked further up; it cannot object to itself.
    Open,
    Done(Rc<Checked>),
}

/// The result of checking a node against a profile.
pub(super) struct Checked {
    pub found: Vec<Finding>,
    pub missing: BTreeSet<Missing>,
}

impl Checked {
    pub fn is_valid(&self) -> bool {
        self.found.iter().all(|f| f.severity < Severity::Error)
    }
}

/// What was done with a node whatever the profile.
#[derive(Clone, Copy)]
pub(super) enum Done {
    Base = 1,
    Resource = 2,
    Extension = 4,
    Coding = 8,
}

impl<'a> Walk<'a> {
    pub fn new(schema: &'a Schema, typed: &'a TypedDocument<'a>, settings: &'a Settings, links: &'a Links<'a>) -> Self {
        let document = typed.document();
        Self {
            schema,
            document,
            typed,
            settings,
            links,
            found: Vec::new(),
            found_anyway: Vec::new(),
            missing: BTreeSet::new(),
            applied: None,
            conformance: HashMap::default(),
            rule_results: HashMap::default(),
            claimed: HashMap::default(),
            extension_type: schema.type_named("Extension"),
            coding_type: schema.type_named("Coding"),
            words: Words::new(document.names()),
            least: Severity::Warning,
            done: vec![0; document.len()],
            depth: 0,
            spare: Vec::new(),
        }
    }

    /// Marks something as done with a node; says whether it was before.
    pub fn mark(&mut self, node: NodeId, what: Done) -> bool {
        let bits = &mut self.done[node.index()];
        let was = *bits & what as u8 != 0;
        *bits |= what as u8;
        was
    }

    /// Notes what is wrong for the profile being checked.
    pub fn find(&mut self, node: NodeId, severity: Severity, fault: Fault, source: Option<(&Arc<Profile>, &Element)>) {
        if severity >= self.least && self.found.len() < FINDINGS_MAX {
            let source = source.map(|(p, e)| (Arc::clone(p), e.index));
            self.found.push(Finding {
                node,
                severity,
                fault,
                source,
            });
        }
    }

    /// Notes what cannot be known.
    pub fn miss(&mut self, what: Missing) {
        self.missing.insert(what);
    }

    /// Runs a part whose findings hold whatever the profile.
    pub fn anyway(&mut self, part: impl FnOnce(&mut Self)) {
        let kept = std::mem::take(&mut self.found);
        part(self);
        let found = std::mem::replace(&mut self.found, kept);
        if self.found_anyway.len() < FINDINGS_MAX {
            self.found_anyway.extend(found);
        }
    }

    /// Checks a node against a profile, once; later calls return what was found then. `None` while that check is still going on.
    pub fn check(&mut self, profile: &Arc<Profile>, node: NodeId) -> Option<Rc<Checked>> {
        match self.conformance.get(&(profile.id, node)) {
            Some(State::Open) => return None,
            Some(State::Done(checked)) => return Some(Rc::clone(checked)),
            None => {}
        }
        if self.depth >= PROFILE_DEPTH_MAX {
            self.miss(Missing::Profile(profile.url.clone()));
            return None;
        }
        self.conformance.insert((profile.id, node), State::Open);
        let kept = (std::mem::take(&mut self.found), std::mem::take(&mut self.missing));
        self.depth += 1;
        if !self.fits_type(profile, node) {
            let fault = Fault::ProfileType(profile.type_name.clone());
            self.find(node, Severity::Error, fault, Some((profile, profile.root())));
        } else {
            self.element(profile, 0, node);
        }
        self.depth -= 1;
        let found = std::mem::replace(&mut self.found, kept.0);
        let missing = std::mem::replace(&mut self.missing, kept.1);
        let checked = Rc::new(Checked { found, missing });
        self.conformance.insert((profile.id, node), State::Done(Rc::clone(&checked)));
        Some(checked)
    }

    /// Checks a node against a profile that it must conform to.
    pub fn demand(&mut self, profile: &Arc<Profile>, node: NodeId) {
        if let Some(checked) = self.check(profile, node) {
            self.found.extend(checked.found.iter().cloned());
            self.missing.extend(checked.missing.iter().cloned());
        }
    }

    /// Whether a node conforms to a profile; what is open counts as conforming.
    pub fn conforms(&mut self, profile: &Arc<Profile>, node: NodeId) -> bool {
        self.check(profile, node).is_none_or(|checked| checked.is_valid())
    }

    /// Whether a resource claims a profile (its own errors are then its own), or else conforms to it.
    pub fn belongs(&mut self, profile: &Arc<Profile>, node: NodeId) -> bool {
        self.claims(profile, node) || self.conforms(profile, node)
    }

    fn claims(&mut self, profile: &Arc<Profile>, node: NodeId) -> bool {
        if let Some(known) = self.claimed.get(&node) {
            return known.contains(&profile.id);
        }
        let document = self.document;
        let metas = super::links::named(document, node, "meta");
        let claims = metas
            .flat_map(|m| super::links::named(document, m, "profile"))
            .filter_map(|c| document.value(c));
        let claimed: Vec<u32> = match document.resource_type_id(node) {
            Some(_) => claims.filter_map(|c| self.schema.profile(c)).map(|p| p.id).collect(),
            None => Vec::new(),
        };
        let is_claimed = claimed.contains(&profile.id);
        self.claimed.insert(node, claimed);
        is_claimed
    }

    /// Name of a node's type.
    pub fn type_name(&self, node: NodeId) -> &'a str {
        self.typed.type_of(node).map_or("", |t| self.schema.type_name(t))
    }

    fn fits_type(&self, profile: &Profile, node: NodeId) -> bool {
        let of = self.type_name(node);
        *profile.type_name == *of || of.is_empty() || self.schema.is_a(of, &profile.type_name)
    }

    /// Applies one element of a profile, or a slice, to a node.
    pub fn element(&mut self, profile: &Arc<Profile>, index: u32, node: NodeId) {
        let element = &profile.elements[index as usize];
        if let Some(applied) = &mut self.applied {
            applied.push(Applied::new(node, profile, element));
        }
        self.value(profile, element, node);
        self.rules(profile, element, node);
        let type_id = self.typed.type_of(node);
        let of_type = type_id.and_then(|t| self.type_of_element(element, t));
        if of_type.is_none() && !element.types.is_empty() && index != 0 && type_id.is_some() {
            self.find(node, Severity::Error, Fault::Type, Some((profile, element)));
            return;
        }
        if type_id.is_some() && type_id == self.extension_type {
            self.extension(node);
        }
        if let Some(of_type) = of_type {
            self.of_type(profile, element, of_type, node);
        }
        match element.content {
            _ if !element.children.is_empty() => self.children(profile, index, node),
            Some(content) => self.children(profile, content, node),
            None => {}
        }
        let is_resource = self.document.resource_type_id(node).is_some();
        if is_resource && index != 0 {
            self.resource(node);
        } else if !is_resource {
            self.base(node, !element.children.is_empty() || element.content.is_some());
        }
    }

    fn type_of_element<'e>(&self, element: &'e Element, of: TypeId) -> Option<&'e TypeRef> {
        let schema = self.schema;
        let exact = element.types.iter().find(|t| schema.number_of(t) == Some(of));
        let derived = |t: &&TypeRef| schema.number_of(t).is_some_and(|wanted| schema.is_subtype(of, wanted));
        // profiles call the type of ids `string`, the base `id`
        let of_id = || element.types.first().filter(|_| &*element.name == "id");
        exact.or_else(|| element.types.iter().find(derived)).or_else(of_id)
    }

    /// Profiles of the type, and of what a reference refers to.
    fn of_type(&mut self, profile: &Arc<Profile>, element: &Element, of_type: &TypeRef, node: NodeId) {
        match of_type.profiles.as_slice() {
            [] => {}
            [only] => match self.schema.profile(only) {
                Some(wanted) => self.demand(&wanted, node),
                None => self.unknown_profile(profile, element, only, node),
            },
            several => self.one_of(profile, element, several, node),
        }
        if !of_type.targets.is_empty() && matches!(&*of_type.code, "Reference" | "CodeableReference") {
            self.reference(profile, element, of_type, node);
        }
    }

    fn one_of(&mut self, profile: &Arc<Profile>, element: &Element, several: &[Box<str>], node: NodeId) {
        let mut unknown = None;
        for canonical in several {
            match self.schema.profile(canonical) {
                Some(wanted) if self.conforms(&wanted, node) => return self.demand(&wanted, node),
                Some(_) => {}
                None => unknown = Some(canonical),
            }
        }
        match unknown {
            Some(canonical) => self.unknown_profile(profile, element, canonical, node),
            None => self.find(node, Severity::Error, Fault::ProfileChoice, Some((profile, element))),
        }
    }

    fn unknown_profile(&mut self, profile: &Arc<Profile>, element: &Element, canonical: &str, node: NodeId) {
        // an extension without definition is judged where extensions are
        if self.typed.type_of(node) != self.extension_type {
            self.miss(Missing::Profile(canonical.into()));
            self.find(node, Severity::Warning, Fault::ProfileUnknown, Some((profile, element)));
        }
    }

    /// Applies the definition of a node's own type, once. `rules_only` if a profile has looked at what is within.
    pub fn base(&mut self, node: NodeId, rules_only: bool) {
        let Some(type_id) = self.typed.type_of(node) else { return };
        if Some(type_id) == self.coding_type {
            self.coding(node);
        }
        let Some((profile, index)) = self.schema.type_definition(type_id) else {
            return;
        };
        if rules_only {
            if index == 0 {
                self.anyway(|walk| walk.rules(profile, profile.root(), node));
            }
        } else if !self.mark(node, Done::Base) {
            let profile = Arc::clone(profile);
            self.anyway(|walk| {
                let element = &profile.elements[index as usize];
                if index == 0 {
                    walk.rules(&profile, element, node);
                }
                walk.children(&profile, index, node);
            });
        }
    }

    /// Checks a resource against the profiles that it claims, or against its type if it claims none, once.
    pub fn resource(&mut self, node: NodeId) {
        if self.mark(node, Done::Resource) {
            return;
        }
        self.anyway(|walk| walk.claimed(node, None));
    }

    /// The root of the document, with a profile that somebody asks for beside those that it claims.
    pub fn root(&mut self, asked: Option<&str>) {
        let root = self.document.root();
        self.mark(root, Done::Resource);
        self.claimed(root, asked);
    }

    fn claimed(&mut self, node: NodeId, asked: Option<&str>) {
        let document = self.document;
        let metas = super::links::named(document, node, "meta");
        let claims: Vec<NodeId> = metas.flat_map(|m| super::links::named(document, m, "profile")).collect();
        let mut is_checked = false;
        for claim in claims {
            let Some(canonical) = document.value(claim) else { continue };
            match self.schema.profile(canonical) {
                Some(profile) => {
                    is_checked = true;
                    self.demand(&profile, node);
                }
                None => self.unknown_claim(claim, canonical),
            }
        }
        if let Some(canonical) = asked {
            match self.schema.profile(canonical) {
                Some(profile) => {
                    is_checked = true;
                    self.demand(&profile, node);
                }
                None => {
                    self.miss(Missing::Profile(canonical.into()));
                    self.find(node, Severity::Warning, Fault::ProfileUnknown, None);
                }
            }
        }
        if !is_checked {
            self.own_type(node);
        }
        self.bundle(node);
    }

    fn own_type(&mut self, node: NodeId) {
        let of = self.document.resource_type(node).unwrap_or_default();
        match self.schema.type_profile(of) {
            Some(profile) if !profile.is_abstract => self.demand(&profile, node),
            _ => self.find(node, Severity::Error, Fault::UnknownResource, None),
        }
    }

    fn unknown_claim(&mut self, claim: NodeId, canonical: &str) {
        let severity = if self.settings.error_on_unknown_profile {
            Severity::Error
        } else {
            self.miss(Missing::Profile(canonical.into()));
            Severity::Warning
        };
        self.find(claim, severity, Fault::ProfileUnknown, None);
    }

    /// Remembers what an invariant's expression gave at a node, and which rule asked first: `(result, its number)`.
    pub fn rule_result(
        &mut self,
        rule: &Rule,
        node: NodeId,
        evaluate: impl FnOnce(&Self) -> Option<bool>,
    ) -> (Option<bool>, u32) {
        let key = (rule.expression.id, node);
        if let Some(known) = self.rule_results.get(&key) {
            return *known;
        }
        let result = (evaluate(self), rule.key_id);
        self.rule_results.insert(key, result);
        result
    }

    /// A list for children, taken from those that were used before.
    pub fn take_list(&mut self) -> Vec<(u16, NodeId)> {
        self.spare.pop().unwrap_or_default()
    }

    pub fn give_list(&mut self, mut list: Vec<(u16, NodeId)>) {
        list.clear();
        self.spare.push(list);
    }
}

/// Numbers of the element names that the walk itself asks for.
pub(super) struct Words {
    pub id: Option<NameId>,
    pub extension: Option<NameId>,
    pub value: Option<NameId>,
    pub system: Option<NameId>,
    pub code: Option<NameId>,
    pub reference: Option<NameId>,
}

impl Words {
    fn new(names: &Names) -> Self {
        Self {
            id: names.get("id"),
            extension: names.get("extension"),
            value: names.get("value"),
            system: names.get("system"),
            code: names.get("code"),
            reference: names.get("reference"),
        }
    }
}

impl<'a> Walk<'a> {
    /// The value of the first child whose name has this number.
    pub fn text_of(&self, node: NodeId, name: Option<NameId>) -> Option<&'a str> {
        let child = self
            .document
            .children(node)
            .find(|c| Some(self.document.name_id(*c)) == name)?;
        self.document.value(child)
    }
}

type Mix = BuildHasherDefault<NumberHasher>;

/// Hashes pairs of small numbers of our own making (profiles, expressions, nodes); not for keys that come from outside.
#[derive(Default)]
pub(super) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u32(u32::from(*b)));
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0.rotate_left(26) ^ u64::from(number)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
}
