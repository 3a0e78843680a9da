use std::collections::HashMap;

use leckwehr_telemetry::Event;

use crate::condition::Fields;
use crate::{AddressBook, Place, Rule, RuleError};

/// Rules in one set.
pub const RULES_MAX: usize = 20_000;

/// Our own rules: what the field's records show of techniques, without any recorded address or host.
const OWN: [(&str, &str); 13] = [
    ("admin-share-write.yml", include_str!("../rules/admin-share-write.yml")),
    (
        "admin-port-from-outside.yml",
        include_str!("../rules/admin-port-from-outside.yml"),
    ),
    (
        "backup-destruction-command.yml",
        include_str!("../rules/backup-destruction-command.yml"),
    ),
    (
        "backup-destruction-windows.yml",
        include_str!("../rules/backup-destruction-windows.yml"),
    ),
    ("cloud-storage.yml", include_str!("../rules/cloud-storage.yml")),
    ("credential-command.yml", include_str!("../rules/credential-command.yml")),
    ("credential-file.yml", include_str!("../rules/credential-file.yml")),
    ("executable-download.yml", include_str!("../rules/executable-download.yml")),
    ("long-odd-port.yml", include_str!("../rules/long-odd-port.yml")),
    ("remote-service.yml", include_str!("../rules/remote-service.yml")),
    ("self-signed-outside.yml", include_str!("../rules/self-signed-outside.yml")),
    ("upload-outside.yml", include_str!("../rules/upload-outside.yml")),
    (
        "winrm-from-workstation.yml",
        include_str!("../rules/winrm-from-workstation.yml"),
    ),
];

/// A set of rules.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    rules: Vec<Rule>,
}

impl Rules {
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

    /// Adds every rule of a YAML text; returns what could not be used, each named.
    pub fn add(&mut self, file: &str, text: &str) -> Vec<RuleError> {
        let unreadable = |reason: String| RuleError::Unreadable {
            file: file.to_owned(),
            reason,
        };
        let unsupported = |rule: &str, what: &str| RuleError::Unsupported {
            file: file.to_owned(),
            rule: rule.to_owned(),
            place: "document".to_owned(),
            what: what.to_owned(),
        };
        let collection = match rsigma_parser::parse_sigma_yaml(text) {
            Ok(collection) => collection,
            Err(error) => return vec![unreadable(error.to_string())],
        };
        let mut errors: Vec<_> = collection.errors.iter().map(|e| unreadable(e.clone())).collect();
        errors.extend(
            collection
                .correlations
                .iter()
                .map(|c| unsupported(&c.title, "correlations are not built yet")),
        );
        errors.extend(
            collection
                .filters
                .iter()
                .map(|f| unsupported(&f.title, "filters are not built yet")),
        );
        for rule in &collection.rules {
            if self.rules.len() >= RULES_MAX {
                errors.push(RuleError::TooMany { file: file.to_owned() });
                break;
            }
            match Rule::compile(file, rule) {
                Ok(rule) => self.rules.push(rule),
                Err(error) => errors.push(error),
            }
        }
        errors
    }

    /// Returns all rules.
    pub fn all(&self) -> &[Rule] {
        &self.rules
    }

    /// Returns the rules that fire on an event. O(rules) for the log source, then the fields of those that remain.
    pub(crate) fn matching<'a>(&'a self, event: &Event<'_>, book: &AddressBook) -> Vec<&'a Rule> {
        let fields = PlacedFields::new(event, book);
        let mut found = Vec::new();
        found.extend(self.rules.iter().filter(|r| r.is_for(event) && r.holds(&fields)));
        found
    }
}

/// The record's fields, and beside them what the estate knows: `place.origin`, `place.destination`,
/// `place.origin.kind`, `place.destination.kind`.
struct PlacedFields<'a> {
    event: Event<'a>,
    places: HashMap<&'static str, String>,
}

impl<'a> PlacedFields<'a> {
    fn new(event: &Event<'a>, book: &AddressBook) -> Self {
        let ends = [
            ("place.origin", "place.origin.kind", event.origin()),
            ("place.destination", "place.destination.kind", event.destination()),
        ];
        let mut places = HashMap::new();
        for (name, kind_name, text) in ends {
            let place = book.place(text);
            if let Place::System(id) = &place {
                let kind = book.kind(id).map(|k| format!("{k:?}").to_lowercase());
                places.insert(kind_name, kind.unwrap_or_default());
            }
            places.insert(name, place.word().to_owned());
        }
        Self { event: *event, places }
    }
}

impl Fields for PlacedFields<'_> {
    fn any(&self, name: &str, test: &mut dyn FnMut(&str) -> bool) -> bool {
        match self.places.get(name) {
            Some(value) => test(value),
            None => self.event.values(name).any(test),
        }
    }

    fn any_at_all(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        self.event.fields().any(|(_, value)| test(value))
    }
}
