use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rsigma_parser::SigmaCollection;

use crate::sigma::condition::Fault;
use crate::sigma::correlation::Correlation;
use crate::sigma::error::RuleError;
use crate::sigma::filter::Filter;
use crate::sigma::item::Placeholders;
use crate::sigma::locate::{Position, locate};
use crate::sigma::rule::Rule;

/// Rules in one set.
pub const RULES_MAX: usize = 20_000;
/// Bytes of one file of rules; a longer one is refused.
pub const RULE_FILE_BYTES_MAX: u64 = 1 << 20;
/// Folders below one another in which rules are looked for.
pub const RULE_FOLDERS_DEEP_MAX: usize = 32;

/// Our own rules: what the field's records show of techniques, without any recorded address or host.
const OWN: [(&str, &str); 13] = [
    ("admin-share-write.yml", include_str!("../../rules/admin-share-write.yml")),
    (
        "admin-port-from-outside.yml",
        include_str!("../../rules/admin-port-from-outside.yml"),
    ),
    (
        "backup-destruction-command.yml",
        include_str!("../../rules/backup-destruction-command.yml"),
    ),
    (
        "backup-destruction-windows.yml",
        include_str!("../../rules/backup-destruction-windows.yml"),
    ),
    ("cloud-storage.yml", include_str!("../../rules/cloud-storage.yml")),
    ("credential-command.yml", include_str!("../../rules/credential-command.yml")),
    ("credential-file.yml", include_str!("../../rules/credential-file.yml")),
    ("executable-download.yml", include_str!("../../rules/executable-download.yml")),
    ("long-odd-port.yml", include_str!("../../rules/long-odd-port.yml")),
    ("remote-service.yml", include_str!("../../rules/remote-service.yml")),
    ("self-signed-outside.yml", include_str!("../../rules/self-signed-outside.yml")),
    ("upload-outside.yml", include_str!("../../rules/upload-outside.yml")),
    (
        "winrm-from-workstation.yml",
        include_str!("../../rules/winrm-from-workstation.yml"),
    ),
];

/// A set of rules, correlations and filters, read and checked, not yet joined for matching ([`crate::Engine::new`]).
#[derive(Debug, Clone, Default)]
pub struct Rules {
    rules: Vec<Arc<Rule>>,
    correlations: Vec<Arc<Correlation>>,
    filters: Vec<Arc<Filter>>,
    placeholders: Arc<Placeholders>,
}

impl Rules {
    /// Returns an empty set in which `expand` finds these values.
    pub fn with_placeholders(placeholders: Placeholders) -> Self {
        Self {
            placeholders: placeholders.into(),
            ..Self::default()
        }
    }

    /// Returns our own rules.
    pub fn own() -> Result<Self, RuleError> {
        let mut rules = Self::default();
        for (file, text) in OWN {
            match rules.add(file, text).into_iter().next() {
                Some(error) => return Err(error),
                None => continue,
            }
        }
        Ok(rules)
    }

    /// Returns the text of one of our own rules, by the name of its file.
    pub fn own_text(file: &str) -> Option<&'static str> {
        OWN.iter().find(|(name, _)| *name == file).map(|(_, text)| *text)
    }

    /// Reads all rules (`*.yml`, `*.yaml`) below the paths, with two threads; what could not be used is returned, each
    /// named. References between documents are checked.
    pub fn load(paths: &[PathBuf]) -> (Self, Vec<RuleError>) {
        let mut rules = Self::default();
        let errors = rules.read(paths);
        (rules, errors)
    }

    /// Reads all rules below the paths into this set; see [`Rules::load`].
    pub fn read(&mut self, paths: &[PathBuf]) -> Vec<RuleError> {
        let (mut files, mut errors) = (Vec::new(), Vec::new());
        for path in paths {
            collect(path, 0, &mut files, &mut errors);
        }
        let (first, second) = files.split_at(files.len() / 2);
        let placeholders = &self.placeholders;
        let (read, other) = std::thread::scope(|scope| {
            let other = scope.spawn(|| read_files(second, placeholders));
            (read_files(first, placeholders), other.join())
        });
        // A thread that panicked would be the parser's fault: its files are named, none is lost.
        let other = other.unwrap_or_else(|_| {
            let lost = second.iter().map(|file| RuleError::NoFile {
                file: file.display().to_string(),
                reason: "the parser failed".to_owned(),
            });
            vec![Parsed {
                errors: lost.collect(),
                ..Parsed::default()
            }]
        });
        for parsed in read.into_iter().chain(other) {
            errors.extend(self.join(parsed));
        }
        errors.extend(self.dangling());
        errors
    }

    /// Adds every rule of a YAML text; returns what could not be used, each named.
    pub fn add(&mut self, file: &str, text: &str) -> Vec<RuleError> {
        let parsed = parse(file, text, &self.placeholders);
        self.join(parsed)
    }

    fn join(&mut self, parsed: Parsed) -> Vec<RuleError> {
        let full = self.rules.len() + self.correlations.len() + self.filters.len() >= RULES_MAX;
        let refused = full && !parsed.is_empty();
        let mut errors = parsed.errors;
        if refused {
            errors.push(RuleError::TooMany { file: parsed.file });
            return errors;
        }
        self.rules.extend(parsed.rules.into_iter().map(Arc::new));
        self.correlations.extend(parsed.correlations.into_iter().map(Arc::new));
        self.filters.extend(parsed.filters.into_iter().map(Arc::new));
        errors
    }

    /// Returns an error for each reference of a filter or correlation to a rule that is not in the set, and for each
    /// correlation that is built on itself. O(rules + references).
    pub fn dangling(&self) -> Vec<RuleError> {
        let called = |id: &str, name: &Option<String>, title: &str| [Some(id.to_owned()), name.clone(), Some(title.to_owned())];
        let rules = self.rules.iter().flat_map(|r| called(&r.id, &r.name, &r.title));
        let rules: HashSet<String> = rules.flatten().collect();
        let mut correlations: HashMap<String, Vec<usize>> = HashMap::new();
        for (number, c) in self.correlations.iter().enumerate() {
            for name in called(&c.id, &c.name, &c.title).into_iter().flatten() {
                correlations.entry(name).or_default().push(number);
            }
        }
        let mut errors = Vec::new();
        let mut missing = |file: &str, at: Position, title: &str, name: &str| {
            let what = format!("there is no rule {name:?}");
            let remedy = "load the rule that has this id, name or title as well";
            errors.push(reference_error(file, at, title, what, remedy));
        };
        for filter in &self.filters {
            let names = filter.targets.iter().flatten();
            names
                .filter(|name| !rules.contains(*name))
                .for_each(|name| missing(&filter.file, filter.at, &filter.title, name));
        }
        for c in &self.correlations {
            let names = c
                .rules
                .iter()
                .filter(|name| !rules.contains(*name) && !correlations.contains_key(*name));
            names.for_each(|name| missing(&c.file, c.at, &c.title, name));
        }
        for c in self.circular(&correlations) {
            let what = "it is built on itself, or on correlations that are".to_owned();
            errors.push(reference_error(&c.file, c.at, &c.title, what, "break the circle"));
        }
        errors
    }

    /// Returns the correlations that are left when those that need no other are taken away, again and again.
    fn circular(&self, by_name: &HashMap<String, Vec<usize>>) -> Vec<&Correlation> {
        let below = |c: &Correlation| {
            c.rules
                .iter()
                .filter_map(|name| by_name.get(name))
                .flatten()
                .copied()
                .collect::<BTreeSet<_>>()
        };
        let mut above: Vec<Vec<usize>> = vec![Vec::new(); self.correlations.len()];
        let mut needs: Vec<usize> = Vec::new();
        for (number, c) in self.correlations.iter().enumerate() {
            let below = below(c);
            needs.push(below.len());
            for other in below {
                above.get_mut(other).into_iter().for_each(|list| list.push(number));
            }
        }
        let mut free: Vec<usize> = (0..needs.len()).filter(|n| needs.get(*n) == Some(&0)).collect();
        while let Some(number) = free.pop() {
            for user in above.get(number).into_iter().flatten() {
                if let Some(count) = needs.get_mut(*user) {
                    *count -= 1;
                    if *count == 0 {
                        free.push(*user);
                    }
                }
            }
        }
        let left = needs.iter().zip(&self.correlations).filter(|(count, _)| **count > 0);
        left.map(|(_, c)| &**c).collect()
    }

    /// Returns all rules, in the order in which they were read; correlations and filters are not among them.
    pub fn all(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// Returns all correlations.
    pub fn correlations(&self) -> &[Arc<Correlation>] {
        &self.correlations
    }

    pub(crate) fn filters(&self) -> &[Arc<Filter>] {
        &self.filters
    }
}

fn reference_error(file: &str, at: Position, title: &str, what: String, remedy: &str) -> RuleError {
    RuleError::Unsupported {
        file: file.to_owned(),
        at,
        rule: title.to_owned(),
        place: "rules".into(),
        what: what.into(),
        remedy: remedy.into(),
    }
}

/// What one text holds.
#[derive(Default)]
struct Parsed {
    file: String,
    rules: Vec<Rule>,
    correlations: Vec<Correlation>,
    filters: Vec<Filter>,
    errors: Vec<RuleError>,
}

impl Parsed {
    fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.correlations.is_empty() && self.filters.is_empty()
    }
}

fn read_files(files: &[PathBuf], placeholders: &Placeholders) -> Vec<Parsed> {
    let parse = |path: &PathBuf| {
        let file = path.display().to_string();
        let unreadable = |reason: String| Parsed {
            errors: vec![RuleError::NoFile {
                file: file.clone(),
                reason,
            }],
            ..Parsed::default()
        };
        let long = std::fs::metadata(path).is_ok_and(|m| m.len() > RULE_FILE_BYTES_MAX);
        if long {
            return unreadable(format!("longer than {RULE_FILE_BYTES_MAX} bytes"));
        }
        match std::fs::read_to_string(path) {
            Ok(text) => parse(&file, &text, placeholders),
            Err(error) => unreadable(error.to_string()),
        }
    };
    files.iter().map(parse).collect()
}

fn parse(file: &str, text: &str, placeholders: &Placeholders) -> Parsed {
    let mut parsed = Parsed {
        file: file.to_owned(),
        ..Parsed::default()
    };
    let collection = match rsigma_parser::parse_sigma_yaml(text) {
        Ok(collection) => collection,
        Err(error) => {
            parsed.errors.push(RuleError::unreadable(file, text, &error.to_string()));
            return parsed;
        }
    };
    let unreadable = collection.errors.iter().map(|e| RuleError::unreadable(file, text, e));
    parsed.errors.extend(unreadable);
    parsed.compile(text, &collection, placeholders);
    parsed
}

impl Parsed {
    fn compile(&mut self, text: &str, collection: &SigmaCollection, placeholders: &Placeholders) {
        let documents = collection.rules.len() + collection.correlations.len() + collection.filters.len();
        // Of several documents the one that has the title: the parser does not number them.
        let document = |title: &str| {
            if documents == 1 {
                return 0;
            }
            let own = |n: &usize| {
                let at = locate(text, *n, &["title"]);
                text.lines().nth(at.line - 1).is_some_and(|line| line.contains(title))
            };
            (0..documents).find(own).unwrap_or(0)
        };
        let file = self.file.clone();
        let fault = |title: &str, fault: Fault| RuleError::unsupported(&file, text, document(title), title, fault);
        for rule in &collection.rules {
            let at = locate(text, document(&rule.title), &["title"]);
            match Rule::compile(&file, at, rule, placeholders) {
                Ok(rule) => self.rules.push(rule),
                Err(what) => self.errors.push(fault(&rule.title, what)),
            }
        }
        for rule in &collection.correlations {
            let at = locate(text, document(&rule.title), &["title"]);
            match Correlation::compile(&file, at, rule) {
                Ok(correlation) => self.correlations.push(correlation),
                Err(what) => self.errors.push(fault(&rule.title, what)),
            }
        }
        for rule in &collection.filters {
            let at = locate(text, document(&rule.title), &["title"]);
            match Filter::compile(&file, at, rule, placeholders) {
                Ok(filter) => self.filters.push(filter),
                Err(what) => self.errors.push(fault(&rule.title, what)),
            }
        }
        if documents == 0 && self.errors.is_empty() {
            self.errors
                .push(RuleError::unreadable(&file, text, "there is no document in it"));
        }
    }
}

/// Collects the rule files below a path, in the order of their names.
fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>, errors: &mut Vec<RuleError>) {
    let mut failed = |reason: String| {
        errors.push(RuleError::NoFile {
            file: path.display().to_string(),
            reason,
        });
    };
    if depth > RULE_FOLDERS_DEEP_MAX {
        return failed(format!("folders nested more than {RULE_FOLDERS_DEEP_MAX} deep"));
    }
    let entries = match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => std::fs::read_dir(path),
        Ok(_) => return files.push(path.to_owned()),
        Err(error) => return failed(error.to_string()),
    };
    let mut paths = Vec::new();
    match entries {
        Ok(entries) => entries.for_each(|entry| match entry {
            Ok(entry) => paths.push(entry.path()),
            Err(error) => failed(error.to_string()),
        }),
        Err(error) => return failed(error.to_string()),
    }
    paths.sort();
    for path in paths {
        let rule = path.extension().is_some_and(|e| e == "yml" || e == "yaml");
        if rule || path.is_dir() {
            collect(&path, depth + 1, files, errors);
        }
    }
}
