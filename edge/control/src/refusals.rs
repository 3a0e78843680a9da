use std::collections::BTreeMap;

use leckwehr_guard::{Event, REPORTS, Report};
use leckwehr_incident::{PlanView, Situation, What};

use crate::config::Wires;
use crate::errand::{Courier, question};

/// Longest text that an executor may put into the ledger this way, in characters.
const REASON_CHARS_MAX: usize = 300;

/// Asks executors what they refused: orders that were forged, replayed, expired or wrongly signed changed nothing there, and
/// become facts here. `seen` keeps the number of the last report of each.
pub async fn refusals<W: Wires>(courier: &Courier<W>, seen: &mut BTreeMap<String, u64>, situation: &Situation) -> Vec<What> {
    let guards: Vec<String> = courier
        .executors()
        .filter(|e| !e.starts_with("agent:"))
        .map(str::to_owned)
        .collect();
    let ask = |guard: &String| question(guard, REPORTS, seen.get(guard).copied().unwrap_or_default());
    let answers = courier.run_errands(guards.iter().map(ask).collect(), None).await;
    let mut facts = Vec::new();
    for (executor, answer) in guards.into_iter().zip(answers) {
        let reports = answer
            .ok()
            .and_then(|mut reply| reply.results.get_mut("reports").map(serde_json::Value::take));
        let reports: Vec<Report> = reports.and_then(|list| serde_json::from_value(list).ok()).unwrap_or_default();
        for report in reports {
            let number = seen.entry(executor.clone()).or_default();
            *number = report.number.max(*number);
            if let (Event::Refused { reason, .. }, false) = (&report.event, is_ours(&report, situation)) {
                let reason: String = format!("{} ({}): {reason}", report.order, report.at);
                facts.push(What::OrderRefused {
                    executor: executor.clone(),
                    reason: reason.chars().take(REASON_CHARS_MAX).collect(),
                });
            }
        }
    }
    let told = |what: &What| match what {
        What::OrderRefused { executor, reason } => situation
            .open_decisions
            .iter()
            .any(|d| d.starts_with(executor) && d.ends_with(reason)),
        _ => false,
    };
    facts.retain(|what| !told(what));
    facts
}

/// Whether the refused order belongs to a step that this room began: its end says so already.
fn is_ours(report: &Report, situation: &Situation) -> bool {
    let Some((plan, steps)) = &report.steps else { return false };
    let view = situation.plans.get(plan);
    let is_begun = |view: &PlanView, step| view.steps.contains_key(&step) && view.plan.steps.iter().any(|s| s.number == step);
    view.is_some_and(|view| steps.iter().all(|step| is_begun(view, *step)))
}
