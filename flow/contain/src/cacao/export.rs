use std::collections::{BTreeMap, BTreeSet};

use leckwehr_crypt::uuid_v5;
use leckwehr_estate::Estate;
use leckwehr_incident::{PlanRecord, Timestamp};
use serde_json::{Map, Value, json};

use crate::protocol::{Measure, Protocol};

/// Namespace of the ids that follow from names: this project's own, as the one of the specification is kept for its rules.
const NAMESPACE: [u8; 16] = *b"leckwehr-cacao-2";
/// The extension that carries the protocol or a step as it is.
const EXTENSION: &str = "leckwehr protocol";

/// Measures in the order in which a protocol has them done.
const ORDER: [Measure; 13] = [
    Measure::Notify,
    Measure::AwaitNotice,
    Measure::Drain,
    Measure::Flush,
    Measure::CutConnection,
    Measure::IsolateHost,
    Measure::CaptureMemory,
    Measure::Snapshot,
    Measure::CaptureDisk,
    Measure::PowerOff,
    Measure::Attest,
    Measure::Accept,
    Measure::Reconnect,
];

/// Returns an id `kind--uuid` that follows from the name.
///
/// The specification wants version 4 for steps: the digest takes its place, so that equal protocols give equal playbooks.
pub(super) fn id(kind: &str, name: &str) -> String {
    let digest = uuid_v5(NAMESPACE, format!("{kind} {name}").as_bytes());
    let uuid: String = digest
        .chars()
        .enumerate()
        .map(|(i, c)| if i == 14 { '4' } else { c })
        .collect();
    format!("{kind}--{uuid}")
}

/// Returns the id under which playbooks carry what is only ours.
pub(super) fn extension_id() -> String {
    id("extension-definition", EXTENSION)
}

/// Returns the playbook's activity that a measure is, from the specification's open vocabulary (section 3.1.2).
pub(super) fn activity(measure: Measure) -> &'static str {
    match measure {
        Measure::Notify | Measure::Attest => "deliver-content",
        Measure::AwaitNotice | Measure::Accept => "step-sequence",
        Measure::Drain | Measure::Flush | Measure::PowerOff => "configure-systems",
        Measure::Snapshot | Measure::CaptureMemory | Measure::CaptureDisk => "analyze-collected-data",
        Measure::CutConnection => "restrict-access",
        Measure::IsolateHost => "disconnect-system",
        Measure::Reconnect => "restore-capabilities",
    }
}

/// Writes a protocol as a playbook: one action for each measure of each clause, in the order of a takedown.
pub fn export_protocol(protocol: &Protocol) -> Value {
    let mut book = Book::new(&format!("protocol {} {}", protocol.id, protocol.version));
    let crew = book.agent(
        "group",
        "on-call",
        json!({ "description": "Whoever the plan names for the step" }),
    );
    for measure in ORDER {
        for (number, clause) in protocol.clauses.iter().filter(|(_, c)| c.measures.contains(&measure)) {
            let command = json!({
                "type": "x-leckwehr",
                "description": format!("{}: {}", measure.name(), clause.text.en),
                "playbook_activity": activity(measure),
            });
            let mut step = json!({
                "type": "action",
                "name": format!("{number} {}: {}", clause.title.en, measure.name()),
                "description": format!("{}\n\n{}", clause.text.en, clause.text.de),
                "commands": [command],
                "agent": crew.clone(),
            });
            step["step_extensions"] = json!({ extension_id(): { "clause": number, "measure": measure.name() } });
            book.step(&format!("{number} {}", measure.name()), step, measure);
        }
    }
    let agreed = protocol.agreed.parse::<Timestamp>().unwrap_or_default();
    let whole = serde_json::to_value(protocol).unwrap_or_default();
    let described = format!("{} / {}, version {}", protocol.name.en, protocol.name.de, protocol.version);
    book.finish(&protocol.name.en, &described, agreed, &json!({ "protocol": whole }))
}

/// Writes a plan as a playbook: one action for each step, with its executor as agent and what it acts on as target.
pub fn export_plan(plan: &PlanRecord, estate: &Estate, created: Timestamp) -> Value {
    let mut book = Book::new(&format!("plan {}", plan.hash));
    for planned in &plan.steps {
        let measure = Measure::of_action(&planned.action).unwrap_or(Measure::IsolateHost);
        let agent = match planned.executor.strip_prefix("crew:") {
            Some(crew) => book.agent("group", crew, json!({})),
            None => book.agent("security-category", &planned.executor, json!({ "category": ["firewall"] })),
        };
        let address = estate.systems.get(&planned.target).and_then(|s| s.address);
        let target = match address {
            Some(address) => book.target(
                "net-address",
                &planned.target,
                json!({ "address": { "ipv4": [address.to_string()] } }),
            ),
            None => book.target("security-category", &planned.target, json!({ "category": ["router"] })),
        };
        let mut step = json!({
            "type": "action",
            "name": format!("{} {} {}", planned.number, planned.action, planned.target),
            "description": planned.reason,
            "commands": [{
                "type": "x-leckwehr",
                "description": format!("{} {}", planned.action, planned.target),
                "playbook_activity": activity(measure),
            }],
            "agent": agent,
            "targets": [target],
        });
        step["step_extensions"] = json!({ extension_id(): planned });
        book.step(&format!("{}", planned.number), step, measure);
    }
    let mut bare = serde_json::to_value(plan).unwrap_or_default();
    if let Some(fields) = bare.as_object_mut() {
        fields.remove("steps");
    }
    book.finish(
        &plan.summary,
        &format!("Plan {}", plan.hash),
        created,
        &json!({ "plan": bare }),
    )
}

/// A playbook while it is written.
struct Book {
    name: String,
    steps: Vec<(String, Value)>,
    agents: BTreeMap<String, Value>,
    targets: BTreeMap<String, Value>,
    activities: BTreeSet<&'static str>,
}

impl Book {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            steps: Vec::new(),
            agents: BTreeMap::new(),
            targets: BTreeMap::new(),
            activities: BTreeSet::new(),
        }
    }

    fn agent(&mut self, kind: &str, name: &str, fields: Value) -> String {
        define(&mut self.agents, kind, name, "agent", fields)
    }

    fn target(&mut self, kind: &str, name: &str, fields: Value) -> String {
        define(&mut self.targets, kind, name, "target", fields)
    }

    fn step(&mut self, name: &str, step: Value, measure: Measure) {
        self.activities.insert(activity(measure));
        self.steps.push((id("action", &format!("{} {name}", self.name)), step));
    }

    fn finish(self, name: &str, description: &str, created: Timestamp, ours: &Value) -> Value {
        let (start, end) = (id("start", &self.name), id("end", &self.name));
        let mut workflow = Map::new();
        let order: Vec<String> = self.steps.iter().map(|(id, _)| id.clone()).chain([end.clone()]).collect();
        let first = order.first().cloned().unwrap_or_default();
        workflow.insert(
            start.clone(),
            json!({ "type": "start", "name": "Start", "on_completion": first }),
        );
        for ((id, mut step), next) in self.steps.into_iter().zip(order.iter().skip(1)) {
            step["on_completion"] = json!(next);
            workflow.insert(id, step);
        }
        workflow.insert(end, json!({ "type": "end", "name": "End" }));
        let creator = id("identity", "leckwehr");
        let mut book = json!({
            "type": "playbook",
            "spec_version": "cacao-2.0",
            "id": id("playbook", &self.name),
            "name": name,
            "description": description,
            "playbook_types": ["mitigation"],
            "playbook_activities": self.activities,
            "playbook_processing_summary": { "extensions": true },
            "created_by": creator,
            "created": created.to_string(),
            "modified": created.to_string(),
            "labels": ["takedown"],
            "workflow_start": start,
            "workflow": workflow,
            "playbook_extensions": { extension_id(): ours },
            "agent_definitions": self.agents,
            "extension_definitions": {
                extension_id(): {
                    "type": "extension-definition",
                    "name": EXTENSION,
                    "description": "The agreed protocol, a plan or a step of it, as Leckwehr writes them",
                    "created_by": creator,
                    "schema": "Clauses with measures, caps and approval rules; see docs/protocol.md of Leckwehr",
                    "version": "1.0.0",
                }
            },
        });
        if !self.targets.is_empty() {
            book["target_definitions"] = json!(self.targets);
        }
        book
    }
}

fn define(all: &mut BTreeMap<String, Value>, kind: &str, name: &str, role: &str, fields: Value) -> String {
    let key = id(kind, &format!("{role} {name}"));
    let mut object = json!({ "type": kind, "name": name });
    for (field, value) in fields.as_object().into_iter().flatten() {
        object[field] = value.clone();
    }
    all.insert(key.clone(), object);
    key
}
