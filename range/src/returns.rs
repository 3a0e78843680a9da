use leckwehr_incident::{Gate, ServiceLevel, Situation, What};
use leckwehr_restore::{GateState, gate_state, newest_restoration};
use serde::Serialize;

use crate::books::Books;
use crate::director::Truth;

/// How systems and services came back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ReturnScore {
    /// Systems that were put back on the grid.
    pub systems: usize,
    /// Gates that a system passed by without evidence and without a person's decision.
    pub gates_skipped: usize,
    /// Gates in whose place a person decided.
    pub gates_decided: usize,
    /// Files that nobody attacked and that are older at the end than the newest that was confirmed to somebody.
    pub restored_over_newer: usize,
    /// New orders of plans that were under way.
    pub replanned: u32,
    /// First forecasts of services that came back.
    pub forecasts: usize,
    /// Of these, services that were back by the time foretold for nine of ten cases.
    pub forecasts_kept: usize,
}

/// Counts from the facts, gate by gate as they stood when each system returned.
pub(crate) fn return_score(books: &Books, truth: &Truth, attacked: impl Fn(&str, &str) -> bool) -> ReturnScore {
    let mut score = ReturnScore::default();
    let mut situation = Situation::default();
    for fact in &books.facts {
        if situation.apply(fact).is_err() {
            continue;
        }
        let What::HostIsolated { system, isolated: false } = &fact.what else {
            continue;
        };
        score.systems += 1;
        let newest = newest_restoration(&situation);
        for gate in Gate::ALL {
            match newest.map(|view| gate_state(&situation, &view.plan, system, gate)) {
                Some(GateState::Passed { .. }) => {}
                Some(GateState::Overridden { .. }) => score.gates_decided += 1,
                _ => score.gates_skipped += 1,
            }
        }
    }
    let orders = books.situation.plans.values().filter_map(|view| view.ordered.as_ref());
    score.replanned = orders.map(|(times, _)| times.saturating_sub(1)).sum();
    for (service, foretold) in &books.situation.forecasts {
        let (Some(first), Some(view)) = (foretold.first(), books.situation.services.get(service)) else {
            continue;
        };
        let mut later = view.changes.iter().filter(|(at, _)| *at >= first.at);
        if let Some((at, _)) = later.find(|(_, level)| *level >= ServiceLevel::Provisional) {
            score.forecasts += 1;
            score.forecasts_kept += usize::from(*at <= first.p90);
        }
    }
    for (system, files) in &truth.files {
        let wrong = files.iter().filter(|(path, right)| {
            let found = truth.found.get(system).and_then(|found| found.get(*path));
            !attacked(system, path) && found.is_some_and(|digest| !right.contains(digest))
        });
        score.restored_over_newer += wrong.count();
    }
    score
}
