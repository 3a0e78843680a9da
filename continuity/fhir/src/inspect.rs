use std::sync::{Arc, LazyLock};

use crate::source::{Document, Format, Limits, Names, NodeId};
use crate::{Canonical, Issue, IssueKind, Outcome, Place};

/// Longest identifying value kept, in bytes.
pub const VALUE_BYTES_MAX: usize = 1024;

static NO_SCHEMA: LazyLock<Arc<Names>> = LazyLock::new(Arc::default);

/// Reads an XML document and says what it is. O(bytes); never fails, never panics.
pub fn inspect(bytes: &[u8]) -> Outcome {
    let (document, stopped) = match Document::read(bytes, &NO_SCHEMA, &Limits::default()) {
        Ok(document) => (document, None),
        Err(unreadable) => (*unreadable.partial, Some(unreadable.issue)),
    };
    let mut outcome = Outcome {
        well_formed: stopped.is_none(),
        ..Outcome::default()
    };
    if document.format() == Format::Json {
        outcome.well_formed = false;
        outcome.issues.push(Issue {
            kind: IssueKind::Json,
            place: START,
        });
        return outcome;
    }
    outcome.issues = document.issues();
    take_all(&document, &mut outcome);
    if outcome.well_formed {
        check_whole(&mut outcome);
    }
    outcome.issues.extend(stopped);
    outcome
}

const START: Place = Place {
    byte: 0,
    line: 1,
    column: 1,
};

fn take_all(document: &Document, outcome: &mut Outcome) {
    if document.is_empty() {
        return;
    }
    let root = document.root();
    if outcome.issues.iter().all(|i| i.kind != IssueKind::NotFhir) {
        outcome.resource_type = document.resource_type(root).map(str::to_owned);
    }
    let is_bundle = outcome.resource_type.as_deref() == Some("Bundle");
    for child in document.children(root) {
        match document.name(child) {
            "meta" => {
                let profiles = document.children(child).filter(|n| document.name(*n) == "profile");
                let profiles: Vec<_> = profiles.filter_map(|n| short(document, n, outcome)).collect();
                outcome.profiles.extend(profiles.iter().map(|p| Canonical::parse(p)));
            }
            "identifier" if is_bundle => {
                for part in document.children(child) {
                    let (system, name) = (document.name(part) == "system", document.name(part));
                    let Some(text) = matches!(name, "system" | "value")
                        .then(|| short(document, part, outcome))
                        .flatten()
                    else {
                        continue;
                    };
                    let identifier = outcome.identifier.get_or_insert_default();
                    *if system {
                        &mut identifier.system
                    } else {
                        &mut identifier.value
                    } = text;
                }
            }
            "type" if is_bundle => outcome.bundle_type = short(document, child, outcome),
            "timestamp" if is_bundle => outcome.timestamp = short(document, child, outcome),
            "entry" => {
                let resources = document.children(child).filter(|n| document.name(*n) == "resource");
                let types = resources.filter_map(|n| document.resource_type(n));
                outcome.entries.extend(types.map(str::to_owned));
            }
            _ => {}
        }
    }
}

/// Returns the value of a node unless it is too long, which is noted.
fn short(document: &Document, node: NodeId, outcome: &mut Outcome) -> Option<String> {
    let value = document.value(node)?;
    if value.len() > VALUE_BYTES_MAX {
        outcome.issues.push(Issue {
            kind: IssueKind::ValueTooLong,
            place: document.place(node),
        });
        return None;
    }
    Some(value.to_owned())
}

fn check_whole(outcome: &mut Outcome) {
    if outcome.identifier.as_ref().is_some_and(|i| i.value.is_empty()) {
        outcome.identifier = None;
    }
    let mut note = |kind| outcome.issues.push(Issue { kind, place: START });
    if outcome.resource_type.as_deref() == Some("Bundle") && outcome.identifier.is_none() {
        note(IssueKind::NoIdentifier);
    }
    if outcome.resource_type.is_some() && outcome.profiles.is_empty() {
        note(IssueKind::NoProfile);
    }
}
