use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use leckwehr_incident::{Fact, Gate, PlanView, ServiceLevel, Situation, StepOutcome};
use leckwehr_ledger::Reader;
use leckwehr_restore::{GateState, expected, gate_state, newest_restoration};
use serde_json::json;

use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Show how far a restoration is: systems with their gates and what is missing, services, people's work, decisions, forecasts.
///
/// Reads the ledger, which may be in use. Example:
///
///     leckwehr restore status room/ledger
#[derive(clap::Args)]
pub struct Args {
    /// Folder of the ledger.
    ledger: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let situation = situation_of(&args.ledger)?;
    let view = newest_restoration(&situation);
    if args.json {
        let gates = view.map(|view| gates_json(&situation, view));
        print_json(&json!({
            "plan": view, "gates": gates, "hosts": situation.hosts, "services": situation.services,
            "forecasts": situation.forecasts, "open_decisions": situation.open_decisions,
        }))?;
    } else {
        print(&text_of(&situation, view))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn situation_of(folder: &Path) -> Result<Situation, Problem> {
    let bad = |error: &dyn std::error::Error| {
        Problem::new(
            "LW-RESTORE-011",
            format!("the ledger {} cannot be read", folder.display()),
            error,
        )
        .hint("try `leckwehr ledger verify` on it")
    };
    let reader = Reader::open(folder).map_err(|e| bad(&e))?;
    let entries = reader.entries(0..reader.size()).map_err(|e| bad(&e))?;
    let mut situation = Situation::default();
    for (index, bytes) in (0..).zip(entries) {
        let fact = Fact::from_bytes(index, &bytes).map_err(|e| bad(&e))?;
        situation.apply(&fact).map_err(|e| bad(&e))?;
    }
    Ok(situation)
}

fn gates_json(situation: &Situation, view: &PlanView) -> serde_json::Value {
    let systems = situation.hosts.iter().filter(|(_, host)| host.level.is_some());
    let of = |id: &str, gate| match gate_state(situation, &view.plan, id, gate) {
        GateState::Passed { evidence } => json!({ "state": "passed", "evidence": evidence }),
        GateState::Overridden { by } => json!({ "state": "decided", "by": by }),
        GateState::Open { missing } => json!({ "state": "open", "missing": missing }),
    };
    let gates = systems.map(|(id, _)| {
        let both = Gate::ALL.map(|gate| (gate.word().to_owned(), of(id, gate)));
        (id.clone(), serde_json::Value::Object(both.into_iter().collect()))
    });
    serde_json::Value::Object(gates.collect())
}

/// How far it is, in words.
pub(super) fn text_of(situation: &Situation, view: Option<&PlanView>) -> String {
    let Some(view) = view else {
        return "no restoration was planned yet\n".to_owned();
    };
    let mut text = format!("plan {}: {}\n", view.plan.hash, view.plan.summary);
    let _ = writeln!(text, "  approved by {}", view.approvals.join(", "));
    if let Some((times @ 2.., reason)) = &view.ordered {
        let _ = writeln!(text, "  ordered anew {} times, last because {reason}", times - 1);
    }
    for (id, host) in situation.hosts.iter().filter(|(_, host)| host.level.is_some()) {
        let reason = host.levels.last().map_or("", |(_, _, reason)| reason);
        let _ = writeln!(text, "{id}: {}; {reason}", word(host.level));
        for gate in Gate::ALL {
            let state = match gate_state(situation, &view.plan, id, gate) {
                GateState::Passed { .. } => "passed".to_owned(),
                GateState::Overridden { by } => format!("DECIDED WITHOUT EVIDENCE by {by}"),
                GateState::Open { missing } => format!("open: {}", missing.join("; ")),
            };
            let _ = writeln!(text, "  gate {}: {state}", gate.word());
        }
    }
    for step in &view.plan.steps {
        match view.steps.get(&step.number).and_then(|s| s.ended.as_ref()) {
            Some((_, StepOutcome::NotApplied { reason })) => {
                let _ = writeln!(
                    text,
                    "step {} {} {}: NOT DONE: {reason}",
                    step.number, step.action, step.target
                );
            }
            Some((_, StepOutcome::Doubtful { reason })) => {
                let _ = writeln!(
                    text,
                    "step {} {} {}: IN DOUBT: {reason}",
                    step.number, step.action, step.target
                );
            }
            _ => {}
        }
    }
    for (number, work) in view.work.iter().filter(|(_, work)| work.confirmed.is_none()) {
        let _ = writeln!(text, "step {number} is for {} until {}: {}", work.owner, work.due, work.what);
    }
    for (id, service) in &situation.services {
        let when = expected(situation, id).map_or(String::new(), |f| {
            format!("; expected {}, by {} in nine of ten cases", f.p50, f.p90)
        });
        let _ = writeln!(text, "service {id}: {}; {}{when}", word(Some(service.level)), service.reason);
    }
    text
}

fn word(level: Option<ServiceLevel>) -> &'static str {
    match level {
        None => "not known",
        Some(ServiceLevel::Off) => "off",
        Some(ServiceLevel::Rebuilding) => "rebuilding",
        Some(ServiceLevel::CleanRoom) => "clean-room test",
        Some(ServiceLevel::Limited) => "limited",
        Some(ServiceLevel::Provisional) => "provisional",
        Some(ServiceLevel::Full) => "full",
    }
}
