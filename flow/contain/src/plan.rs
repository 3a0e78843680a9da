use std::collections::BTreeSet;

use leckwehr_estate::Estate;
use leckwehr_incident::{Impact, PlanKind, PlanRecord, PlanStep, Tier};

use crate::options::{CutOption, TakedownPolicy};

/// Planned time of one transaction at a guard, in milliseconds.
const CUT_MS: u64 = 50;

/// A takedown that is not planned.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContainError {
    /// Nothing to cut.
    #[error("nothing to cut: no host or connection with a guard is known to be the attacker's")]
    Nothing,
    /// The protocol's cap is reached.
    #[error("the option isolates {found} systems; the protocol allows {max} in one plan")]
    TooMuch {
        /// Systems in the option.
        found: usize,
        /// The cap.
        max: usize,
    },
}

/// Turns an option into a plan, leaving out what is cut already. O(n²) in the systems of the option.
pub fn takedown_plan(
    option: &CutOption,
    impact: &Impact,
    estate: &Estate,
    policy: &TakedownPolicy,
    generation: u64,
    cut_already: &BTreeSet<String>,
) -> Result<PlanRecord, ContainError> {
    if option.systems.len() > policy.systems_max {
        return Err(ContainError::TooMuch {
            found: option.systems.len(),
            max: policy.systems_max,
        });
    }
    let mut steps = Vec::new();
    let mut add = |executor: Option<&str>, action: &str, target: &String, reason: String| {
        if let (Some(executor), false) = (executor, cut_already.contains(target)) {
            steps.push(PlanStep {
                number: steps.len() as u32 + 1,
                executor: executor.to_owned(),
                action: action.to_owned(),
                target: target.clone(),
                reason,
                planned_ms: CUT_MS,
            });
        }
    };
    for id in &option.connections {
        let guard = estate.connections.get(id).and_then(|c| c.switch.as_ref()?.guard.as_deref());
        add(guard, "cut-connection", id, "the attacker came or commanded over it".into());
    }
    for id in dependents_first(&option.systems, estate) {
        add(estate.guard_of(&id), "isolate-host", &id, reason(&id, impact));
    }
    if steps.is_empty() {
        return Err(ContainError::Nothing);
    }
    let summary = format!(
        "Cut {} connections and isolate {} systems",
        option.connections.len(),
        option.systems.len()
    );
    Ok(PlanRecord {
        kind: PlanKind::Takedown,
        generation,
        hash: String::new(),
        summary,
        harm_eur_per_hour: option.harm.eur_per_hour,
        steps,
    }
    .sealed())
}

fn reason(system: &str, impact: &Impact) -> String {
    let host = impact.hosts.iter().find(|h| h.system == system);
    match host.map(|h| h.tier) {
        Some(Tier::Proven) => "the attacker acted here".into(),
        Some(Tier::Probable) => "the attacker was probably here".into(),
        Some(Tier::Possible) => "the attacker can have reached it".into(),
        _ => "in a compartment that is cut as a whole".into(),
    }
}

/// Puts systems that need others before the ones they need, by id where it does not matter. A cycle is broken at its
/// smallest id.
fn dependents_first(systems: &BTreeSet<String>, estate: &Estate) -> Vec<String> {
    let needs = |id: &String| -> BTreeSet<&String> {
        let needs = estate.systems.get(id).map(|s| s.needs.as_slice()).unwrap_or_default();
        needs
            .iter()
            .flat_map(|n| &n.any_of)
            .filter(|n| systems.contains(*n) && *n != id)
            .collect()
    };
    let mut open: BTreeSet<&String> = systems.iter().collect();
    let mut order = Vec::new();
    while let Some(first) = open.first().copied() {
        let needed: BTreeSet<&String> = open.iter().flat_map(|id| needs(id)).collect();
        let free: Vec<&String> = open.iter().copied().filter(|id| !needed.contains(id)).collect();
        let now = if free.is_empty() { vec![first] } else { free };
        for id in now {
            open.remove(id);
            order.push(id.clone());
        }
    }
    order
}
