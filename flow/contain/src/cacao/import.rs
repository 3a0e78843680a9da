use std::collections::{BTreeSet, VecDeque};

use serde::Serialize;
use serde_json::Value;

use super::export::{activity, extension_id};
use crate::protocol::{MEASURES, Measure, Protocol};

/// Largest playbook in bytes.
pub const BYTES_MAX: usize = 16 << 20;
/// Most steps of one playbook.
pub const STEPS_MAX: usize = 10_000;

/// A playbook that is none, or one that this build does not read.
#[derive(Debug, thiserror::Error)]
pub enum CacaoError {
    /// Too long.
    #[error("the playbook is longer than {} MiB", BYTES_MAX >> 20)]
    TooLong,
    /// Not JSON.
    #[error("the playbook is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// Something that a playbook must have is missing or of another kind.
    #[error("{place}: {what}")]
    Malformed {
        /// JSON pointer.
        place: String,
        /// What is wrong.
        what: String,
    },
}

/// Something that a protocol has no words for. It is listed, never dropped silently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotExpressed {
    /// JSON pointer.
    pub place: String,
    /// What stands there.
    pub what: String,
}

/// An action of a foreign playbook, as far as a clause can say it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportedClause {
    /// The step's id.
    pub step: String,
    /// Its name.
    pub title: String,
    /// Description and commands in words.
    pub text: String,
    /// What it does, where its activity says so.
    pub measures: BTreeSet<Measure>,
    /// Who does it.
    pub agent: String,
}

/// A playbook that was read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Imported {
    /// Id of the playbook.
    pub id: String,
    /// Name.
    pub name: String,
    /// The protocol, if the playbook carries one that was exported by this project.
    pub protocol: Option<Protocol>,
    /// Its actions in the order in which they can be reached.
    pub clauses: Vec<ImportedClause>,
    /// What could not be taken over.
    pub not_expressed: Vec<NotExpressed>,
}

/// Properties of a playbook that are read, or say nothing about what is done.
const READ: [&str; 23] = [
    "type",
    "spec_version",
    "id",
    "name",
    "description",
    "playbook_types",
    "playbook_activities",
    "playbook_processing_summary",
    "created_by",
    "created",
    "modified",
    "labels",
    "external_references",
    "industry_sectors",
    "priority",
    "severity",
    "impact",
    "workflow_start",
    "workflow",
    "agent_definitions",
    "playbook_extensions",
    "extension_definitions",
    "derived_from",
];

/// Properties of a step that are read.
const READ_OF_STEP: [&str; 8] = [
    "type",
    "name",
    "description",
    "commands",
    "agent",
    "on_completion",
    "step_extensions",
    "external_references",
];

/// Reads a CACAO v2 playbook.
///
/// # Errors
/// [`CacaoError`] where the bytes are no playbook of version 2.0, a step is missing, or limits are passed. O(steps).
pub fn import(bytes: &[u8]) -> Result<Imported, CacaoError> {
    if bytes.len() > BYTES_MAX {
        return Err(CacaoError::TooLong);
    }
    let book: Value = serde_json::from_slice(bytes).map_err(CacaoError::NotJson)?;
    expect(&book, "type", "playbook")?;
    expect(&book, "spec_version", "cacao-2.0")?;
    let workflow = book["workflow"]
        .as_object()
        .ok_or_else(|| malformed("/workflow", "is no object"))?;
    if workflow.len() > STEPS_MAX {
        return Err(malformed("/workflow", &format!("has more than {STEPS_MAX} steps")));
    }
    let mut reading = Reading {
        book: &book,
        not_expressed: Vec::new(),
    };
    for (field, value) in book.as_object().into_iter().flatten() {
        let says_nothing = field == "revoked" && *value == Value::Bool(false);
        if !says_nothing && !READ.contains(&field.as_str()) {
            let what = match field.as_str() {
                "signatures" => "signatures: they cover the playbook, not the protocol made of it",
                "target_definitions" => "targets: a plan names what it acts on",
                "authentication_info_definitions" => "credentials: they are not taken over",
                _ => "a property that a protocol has no words for",
            };
            reading.lost(format!("/{}", escape(field)), what);
        }
    }
    let start = book["workflow_start"].as_str().unwrap_or("");
    let order = reading.order(start)?;
    let clauses = order.iter().filter_map(|id| reading.clause(id)).collect();
    for id in workflow.keys().filter(|id| !order.contains(id)) {
        reading.lost(format!("/workflow/{}", escape(id)), "a step that no way leads to");
    }
    Ok(Imported {
        id: book["id"].as_str().unwrap_or("").to_owned(),
        name: book["name"].as_str().unwrap_or("").to_owned(),
        protocol: reading.ours(),
        clauses,
        not_expressed: reading.not_expressed,
    })
}

fn malformed(place: &str, what: &str) -> CacaoError {
    CacaoError::Malformed {
        place: place.to_owned(),
        what: what.to_owned(),
    }
}

fn expect(book: &Value, field: &str, wanted: &str) -> Result<(), CacaoError> {
    match book[field].as_str() {
        Some(found) if found == wanted => Ok(()),
        found => Err(malformed(&format!("/{field}"), &format!("is {found:?}, wanted {wanted:?}"))),
    }
}

/// A name as a part of a JSON pointer (RFC 6901).
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

struct Reading<'b> {
    book: &'b Value,
    not_expressed: Vec<NotExpressed>,
}

impl<'b> Reading<'b> {
    fn lost(&mut self, place: String, what: &str) {
        self.not_expressed.push(NotExpressed {
            place,
            what: what.to_owned(),
        });
    }

    /// The protocol that this project wrote into the playbook.
    fn ours(&mut self) -> Option<Protocol> {
        let key = extension_id();
        let extensions = self.book["playbook_extensions"].as_object();
        for other in extensions.into_iter().flatten().map(|(id, _)| id).filter(|id| **id != key) {
            self.lost(
                format!("/playbook_extensions/{}", escape(other)),
                "an extension of somebody else",
            );
        }
        let value = &extensions?.get(&key)?["protocol"];
        if value.is_null() {
            return None;
        }
        serde_json::from_value(value.clone()).map_or_else(
            |error| {
                self.lost(
                    format!("/playbook_extensions/{key}/protocol"),
                    &format!("no protocol of this version: {error}"),
                );
                None
            },
            Some,
        )
    }

    /// Every step that can be reached, breadth first; a branch follows the step that it leaves.
    fn order(&mut self, start: &str) -> Result<Vec<String>, CacaoError> {
        let (mut order, mut open) = (Vec::new(), VecDeque::from([("/workflow_start".to_owned(), start.to_owned())]));
        let mut seen = BTreeSet::new();
        let exception = self.book["workflow_exception"].as_str();
        open.extend(exception.map(|id| ("/workflow_exception".to_owned(), id.to_owned())));
        while let Some((place, id)) = open.pop_front() {
            if !seen.insert(id.clone()) {
                continue;
            }
            let step = self.book["workflow"]
                .get(&id)
                .ok_or_else(|| malformed(&place, &format!("no step is called {id:?}")))?;
            let here = format!("/workflow/{}", escape(&id));
            for field in [
                "on_completion",
                "on_success",
                "on_failure",
                "on_true",
                "on_false",
                "next_steps",
                "cases",
            ] {
                for next in names(&step[field]) {
                    open.push_back((format!("{here}/{field}"), next.to_owned()));
                }
            }
            order.push(id);
        }
        Ok(order)
    }

    /// One step as a clause; what it says beyond is listed.
    fn clause(&mut self, id: &str) -> Option<ImportedClause> {
        let book = self.book;
        let step = &book["workflow"][id];
        let here = format!("/workflow/{}", escape(id));
        let kind = step["type"].as_str().unwrap_or("");
        match kind {
            "start" | "end" => return None,
            "action" => {}
            "playbook-action" => self.lost(here.clone(), "another playbook that is to be run"),
            "parallel" => self.lost(here.clone(), "steps side by side: a protocol orders them one after the other"),
            "if-condition" | "while-condition" | "switch-condition" => self.lost(here.clone(), "a condition: people decide it"),
            _ => self.lost(here.clone(), "a step of an unknown kind"),
        }
        if kind != "action" {
            return None;
        }
        for field in step.as_object().into_iter().flatten().map(|(field, _)| field.as_str()) {
            let what = match field {
                _ if READ_OF_STEP.contains(&field) => continue,
                "targets" => "targets: a plan names what it acts on",
                "on_failure" | "on_success" => "another way on failure or success: an executor stops and asks",
                "step_variables" | "in_args" | "out_args" => "variables",
                _ => "a property that a clause has no words for",
            };
            self.lost(format!("{here}/{}", escape(field)), what);
        }
        let (mut text, mut measures) = (vec![step["description"].as_str().unwrap_or("").to_owned()], BTreeSet::new());
        for (i, command) in step["commands"].as_array().into_iter().flatten().enumerate() {
            self.command(&format!("{here}/commands/{i}"), command, &mut text, &mut measures);
        }
        let ours = step["step_extensions"][extension_id()]["measure"]
            .as_str()
            .and_then(Measure::of_action);
        if let Some(measure) = ours {
            measures = BTreeSet::from([measure]);
        }
        let agent = step["agent"].as_str().unwrap_or("");
        let name = self.book["agent_definitions"][agent]["name"].as_str();
        if name.is_none() {
            self.lost(format!("{here}/agent"), "an agent that the playbook does not describe");
        }
        text.retain(|t| !t.is_empty());
        Some(ImportedClause {
            step: id.to_owned(),
            title: step["name"].as_str().unwrap_or("").to_owned(),
            text: text.join("\n"),
            measures,
            agent: name.unwrap_or(agent).to_owned(),
        })
    }

    /// A command becomes words; what it would run is never run from a protocol.
    fn command(&mut self, place: &str, command: &Value, text: &mut Vec<String>, measures: &mut BTreeSet<Measure>) {
        let kind = command["type"].as_str().unwrap_or("");
        text.extend(command["description"].as_str().map(str::to_owned));
        text.extend(command["command"].as_str().map(|c| format!("{kind}: {c}")));
        let said = command["playbook_activity"].as_str();
        let known = MEASURES.iter().map(|(_, m)| *m).filter(|m| Some(activity(*m)) == said);
        // Activities that stand for several measures say too little.
        let fitting: Vec<Measure> = known.collect();
        if let [measure] = fitting[..] {
            measures.insert(measure);
        }
        if kind != "x-leckwehr" {
            self.lost(
                place.to_owned(),
                &format!("a command of the type {kind:?}: taken over as words, never executed"),
            );
        }
        for field in command.as_object().into_iter().flatten().map(|(field, _)| field.as_str()) {
            if ![
                "type",
                "description",
                "command",
                "playbook_activity",
                "version",
                "external_references",
            ]
            .contains(&field)
            {
                self.lost(format!("{place}/{}", escape(field)), "content of a command");
            }
        }
    }
}

/// Step ids in a property: one, a list, or the values of an object.
fn names(value: &Value) -> Vec<&str> {
    let nested = value.as_array().into_iter().flatten();
    let cases = value.as_object().into_iter().flatten().map(|(_, v)| v);
    let all = value.as_str().into_iter();
    all.chain(nested.chain(cases).flat_map(names)).collect()
}
