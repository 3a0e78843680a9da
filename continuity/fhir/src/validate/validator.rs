use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use fancy_regex::Regex;

use super::fault::{Fault, Language, Severity};
use super::links::{Links, named};
use super::report::{Report, Verdict};
use super::settings::Settings;
use super::walk::Walk;
use crate::package::{Configuration, Day, DependencyList, PackageSet, ProfileRule, Shelf, day_of};
use crate::path::{NoHost, Scene, TypedDocument};
use crate::schema::{Schema, names_of};
use crate::source::{Document, Format, Limits, Names};
use crate::terminology::Missing;

/// Checks documents against the profiles of a shelf of packages. Shared by threads; profiles are compiled when first met and
/// kept, so the first documents cost milliseconds more than the later ones.
pub struct Validator {
    shelf: Arc<Shelf>,
    names: Arc<Names>,
    configuration: Option<Configuration>,
    settings: Settings,
    limits: Limits,
    /// Packages that some dependency list names.
    listed: HashSet<usize>,
    schemas: Mutex<HashMap<SetKey, Arc<Schema>>>,
}

/// Which package set: a dependency list, or the one around a package.
#[derive(Clone, PartialEq, Eq, Hash)]
enum SetKey {
    List(String),
    Around(Option<u32>),
}

/// How one document is to be validated.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// A profile to check beside those that the document claims.
    pub profile: Option<String>,
    /// Whether to note what was applied to each element.
    pub explain: bool,
    /// Whether to tell what is merely good to know (severity information).
    pub remarks: bool,
}

/// A shelf without the base definitions of FHIR R4.
#[derive(Debug, thiserror::Error)]
#[error("no package defines the base types of FHIR R4")]
pub struct NoBase;

impl Validator {
    /// Makes a validator. One pass over the base definitions for the names of elements; profiles are not compiled yet.
    ///
    /// # Errors
    /// Fails if no package of the shelf holds the base definitions.
    pub fn new(shelf: Shelf, configuration: Option<Configuration>) -> Result<Self, NoBase> {
        if !shelf.packages().iter().any(|p| p.is_base) {
            return Err(NoBase);
        }
        let names = Arc::new(names_of(&shelf));
        let lists = configuration.iter().flat_map(|c| c.lists.values());
        let listed = lists.flat_map(|l| &l.packages).filter_map(|p| shelf.position(p)).collect();
        Ok(Self {
            names,
            settings: configuration.as_ref().map(Settings::of).unwrap_or_default(),
            limits: Limits::default(),
            listed,
            shelf: Arc::new(shelf),
            configuration,
            schemas: Mutex::default(),
        })
    }

    /// Changes what is objected to.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// The packages.
    pub fn shelf(&self) -> &Arc<Shelf> {
        &self.shelf
    }

    /// The names that documents are read with.
    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// Reads and checks one document. O(elements × profiles that apply); never panics, whatever the bytes.
    pub fn validate(&self, bytes: impl Into<Vec<u8>>, request: &Request) -> Report {
        match Document::read(bytes, &self.names, &self.limits) {
            Ok(document) => self.validate_document(&document, request),
            Err(unreadable) => Report::unreadable(unreadable.issue),
        }
    }

    /// Checks a document that was read with the [`names`](Self::names) of this validator.
    pub fn validate_document(&self, document: &Document, request: &Request) -> Report {
        let claimed: Vec<&str> = match &request.profile {
            Some(profile) => vec![profile],
            None => claims(document),
        };
        if let Some(configuration) = &self.configuration {
            if !accepts(configuration, document.format()) {
                return Report::single(
                    Severity::Error,
                    Fault::Encoding,
                    document.place(document.root()),
                    document.name(document.root()),
                    "",
                );
            }
            let rule = claimed.iter().find_map(|c| configuration.rule(c));
            if let Some(rule) = rule {
                return self.by_rule(configuration, rule, document, request);
            }
        }
        // the first claim that a package answers decides which packages belong together
        let holder = claimed.iter().find_map(|c| PackageSet::holder(&self.shelf, c));
        let key = SetKey::Around(holder);
        let schema = self.schema(&key, || PackageSet::around(&self.shelf, holder));
        self.walk(&schema, None, document, request)
    }

    /// Checks by the dependency lists of a rule: those of the document's date, or any of them. Outside of all of them it is
    /// invalid; what the last one says is told beside that.
    fn by_rule(&self, configuration: &Configuration, rule: &ProfileRule, document: &Document, request: &Request) -> Report {
        let named = |name: &String| configuration.lists.get_key_value(name);
        let lists: Vec<(&String, &DependencyList)> = rule.lists.iter().filter_map(named).collect();
        let mut valid = lists.clone();
        let mut outside = None;
        if let (Some(locator), Some((name, _))) = (&rule.date_locator, lists.last()) {
            let schema = self.schema_of_list(configuration, name);
            match self.date(&schema, locator, document) {
                Some(day) => {
                    valid.retain(|(_, list)| list.is_valid_on(day));
                    outside = valid.is_empty().then_some(Fault::OutOfValidity);
                }
                None => outside = Some(Fault::NoDate),
            }
        }
        if let Some(fault) = outside {
            valid = lists.last().copied().into_iter().collect();
            let mut report = self.first_valid(configuration, &valid, document, request);
            report.add(Severity::Error, fault, document);
            return report;
        }
        self.first_valid(configuration, &valid, document, request)
    }

    fn first_valid(
        &self,
        configuration: &Configuration,
        lists: &[(&String, &DependencyList)],
        document: &Document,
        request: &Request,
    ) -> Report {
        let mut last = Report::new(Vec::new(), std::collections::BTreeSet::new(), "");
        for (name, list) in lists {
            let schema = self.schema_of_list(configuration, name);
            last = self.walk(&schema, Some(list), document, request);
            if last.verdict == Verdict::Valid {
                break;
            }
        }
        last
    }

    fn walk(&self, schema: &Schema, list: Option<&DependencyList>, document: &Document, request: &Request) -> Report {
        let typed = TypedDocument::new(document, schema);
        let links = Links::new(document);
        let mut walk = Walk::new(schema, &typed, &self.settings, &links);
        walk.applied = request.explain.then(Vec::new);
        let may_become_more = list.is_some_and(|l| !l.transformations.is_empty());
        walk.least = if request.remarks || may_become_more {
            Severity::Information
        } else {
            Severity::Warning
        };
        for package in schema.set().missing() {
            walk.miss(Missing::Package(package.as_str().into()));
        }
        walk.anyway(Walk::structure);
        walk.root(request.profile.as_deref());
        let mut report = Report::of_walk(walk, schema.set().name());
        if let Some(list) = list {
            transform(&mut report, list);
        }
        if !request.remarks {
            report.issues.retain(|i| i.severity > Severity::Information);
        }
        report
    }

    fn schema_of_list(&self, configuration: &Configuration, name: &str) -> Arc<Schema> {
        let packages = configuration
            .lists
            .get(name)
            .map(|l| l.packages.as_slice())
            .unwrap_or_default();
        let key = SetKey::List(name.to_owned());
        self.schema(&key, || PackageSet::of_list(&self.shelf, name, packages, &self.listed))
    }

    fn schema(&self, key: &SetKey, set: impl FnOnce() -> PackageSet) -> Arc<Schema> {
        let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = schemas.get(key) {
            return Arc::clone(known);
        }
        let made = Arc::new(Schema::new(set(), Arc::clone(&self.names)));
        schemas.insert(key.clone(), Arc::clone(&made));
        made
    }

    fn date(&self, schema: &Schema, locator: &str, document: &Document) -> Option<Day> {
        // its types have numbers of this schema: an expression belongs to the schema that it was compiled with
        let shared = schema.expression(locator);
        let expression = shared.compiled(schema)?;
        let typed = TypedDocument::new(document, schema);
        let scene = Scene::new(&typed, schema, &NoHost);
        let found = expression.evaluate(&scene, document.root()).ok()?;
        let [only] = found.as_slice() else { return None };
        let crate::path::Value::Node(node) = only else { return None };
        day_of(document.value(*node)?)
    }
}

fn claims(document: &Document) -> Vec<&str> {
    let metas = named(document, document.root(), "meta");
    metas
        .flat_map(|m| named(document, m, "profile"))
        .filter_map(|p| document.value(p))
        .collect()
}

fn accepts(configuration: &Configuration, format: Format) -> bool {
    let written = match format {
        Format::Xml => "xml",
        Format::Json => "json",
    };
    let accepted = &configuration.accepted_encodings;
    accepted.is_empty() || accepted.iter().any(|e| e.eq_ignore_ascii_case(written))
}

/// Changes severities as a dependency list says, by the HL7 validator's message id, text or place.
fn transform(report: &mut Report, list: &DependencyList) {
    for transformation in &list.transformations {
        let pattern = |text: &Option<String>| text.as_deref().map(Regex::new).transpose();
        let (Ok(text), Ok(location)) = (pattern(&transformation.text), pattern(&transformation.location)) else {
            continue;
        };
        let (Some(from), Some(to)) = (Severity::of_code(&transformation.from), Severity::of_code(&transformation.to)) else {
            continue;
        };
        for issue in &mut report.issues {
            let says = |regex: &Regex| {
                let languages = [Language::English, Language::German];
                let told = issue.profile.iter().chain(&issue.element);
                languages.iter().any(|l| matches(regex, &issue.fault.text(*l))) || told.into_iter().any(|t| matches(regex, t))
            };
            let fits = issue.severity == from
                && transformation
                    .message_id
                    .as_deref()
                    .is_none_or(|id| issue.fault.message_id() == Some(id))
                && text.as_ref().is_none_or(says)
                && location.as_ref().is_none_or(|l| matches(l, &issue.location));
            if fits {
                issue.severity = to;
            }
        }
    }
    report.judge();
}

/// A pattern that gives up has not matched.
fn matches(regex: &Regex, text: &str) -> bool {
    regex.is_match(text).unwrap_or(false)
}
