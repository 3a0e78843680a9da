use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::Estate;
use leckwehr_incident::{Impact, PlanKind, PlanRecord, PlanStep, Tier};

use crate::options::{CutOption, TakedownPolicy};

/// Planned time of one transaction at a guard, in milliseconds.
pub(crate) const CUT_MS: u64 = 50;

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
    /// The protocol's cap on connections is reached.
    #[error("the option cuts {found} connections; the protocol allows {max} in one plan")]
    TooManyConnections {
        /// Connections in the option.
        found: usize,
        /// The cap.
        max: usize,
    },
    /// The protocol's cap on harm is reached.
    #[error("the option does harm of {found} euros per hour; the protocol allows {max} in one plan")]
    TooMuchHarm {
        /// Euros per hour.
        found: u64,
        /// The cap.
        max: u64,
    },
    /// The protocol never cuts this.
    #[error("the option takes down {id}, which the protocol never cuts")]
    LifeLine {
        /// System, connection or service.
        id: String,
    },
    /// No clause covers a step.
    #[error("no clause of the protocol allows `{action}` on {target}")]
    NoClause {
        /// What the step does.
        action: &'static str,
        /// To what.
        target: String,
    },
}

/// Turns an option into a plan, leaving out what is cut already.
///
/// O(n²) in the systems of the option, O(n³) where they need each other in cycles.
pub fn takedown_plan(
    option: &CutOption,
    impact: &Impact,
    estate: &Estate,
    policy: &TakedownPolicy,
    generation: u64,
    cut_already: &BTreeSet<String>,
) -> Result<PlanRecord, ContainError> {
    let found = option.systems.difference(cut_already).count();
    if found > policy.systems_max {
        let max = policy.systems_max;
        return Err(ContainError::TooMuch { found, max });
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
                clause: String::new(),
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
    let hosts = steps.iter().filter(|s| s.action == "isolate-host").count();
    let summary = format!("Cut {} connections and isolate {hosts} systems", steps.len() - hosts);
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

pub(crate) fn reason(system: &str, impact: &Impact) -> String {
    let host = impact.hosts.iter().find(|h| h.system == system);
    match host.map(|h| h.tier) {
        Some(Tier::Proven) => "the attacker acted here".into(),
        Some(Tier::Probable) => "the attacker was probably here".into(),
        Some(Tier::Possible) => "the attacker can have reached it".into(),
        _ => "in a compartment that is cut as a whole".into(),
    }
}

/// Puts systems that need others before the ones they need, by id where it does not matter. The systems of a cycle go together.
pub(crate) fn dependents_first(systems: &BTreeSet<String>, estate: &Estate) -> Vec<String> {
    let needs: Needs<'_> = systems.iter().map(|id| (id, needs_within(id, systems, estate))).collect();
    let mut open: BTreeSet<&String> = systems.iter().collect();
    let mut order = Vec::new();
    while !open.is_empty() {
        let needed: BTreeSet<&String> = open.iter().flat_map(|id| &needs[*id]).copied().collect();
        let mut now: Vec<&String> = open.difference(&needed).copied().collect();
        if now.is_empty() {
            now = outer_cycle(&open, &needs);
        }
        debug_assert!(!now.is_empty(), "some cycle is always the outermost");
        for id in now {
            open.remove(id);
            order.push(id.clone());
        }
    }
    order
}

type Needs<'s> = BTreeMap<&'s String, BTreeSet<&'s String>>;

fn needs_within<'s>(id: &String, systems: &'s BTreeSet<String>, estate: &Estate) -> BTreeSet<&'s String> {
    let needs = estate.systems.get(id).map(|s| s.needs.as_slice()).unwrap_or_default();
    let named = needs.iter().flat_map(|n| &n.any_of).filter(|n| *n != id);
    named.filter_map(|n| systems.get(n)).collect()
}

/// Where everything that is open is needed by something open: the systems of a cycle that nothing outside it needs, by id.
fn outer_cycle<'s>(open: &BTreeSet<&'s String>, needs: &Needs<'s>) -> Vec<&'s String> {
    let reached: Needs<'s> = open.iter().map(|id| (*id, all_needs(id, open, needs))).collect();
    let reaches = |from: &String, to: &String| reached.get(from).is_some_and(|all| all.contains(to));
    let is_outer = |id: &&&String| open.iter().all(|o| !reaches(o, id) || reaches(id, o));
    let Some(first) = open.iter().find(is_outer) else {
        return Vec::new();
    };
    let in_cycle = |id: &&String| reaches(first, id) && reaches(id, first);
    open.iter().copied().filter(in_cycle).collect()
}

fn all_needs<'s>(id: &'s String, open: &BTreeSet<&'s String>, needs: &Needs<'s>) -> BTreeSet<&'s String> {
    let mut found = BTreeSet::new();
    let mut next = vec![id];
    while let Some(id) = next.pop() {
        next.extend(needs[id].iter().filter(|n| open.contains(**n) && found.insert(**n)));
    }
    found
}
