use std::collections::BTreeSet;

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
    /// The first forecast of each service that came back.
    pub first_forecasts: ForecastScore,
    /// Every forecast of services that came back, made while they were not.
    pub forecasts: ForecastScore,
}

/// Forecasts held against what happened.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ForecastScore {
    /// Forecasts.
    pub made: usize,
    /// The service was back by the median.
    pub p50_met: usize,
    /// It was back by the time foretold for nine of ten cases.
    pub p90_met: usize,
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
    count_forecasts(books, &mut score);
    for (system, files) in &truth.files {
        let wrong = files.iter().filter(|(path, right)| {
            let found = truth.found.get(system).and_then(|found| found.get(*path));
            !attacked(system, path) && found.is_some_and(|digest| !right.contains(digest))
        });
        score.restored_over_newer += wrong.count();
    }
    score
}

fn count_forecasts(books: &Books, score: &mut ReturnScore) {
    let mut seen = BTreeSet::new();
    for fact in &books.facts {
        let What::Forecasted { service, p50, p90 } = &fact.what else {
            continue;
        };
        let changes = books.situation.services.get(service).map_or(&[][..], |view| &view.changes);
        let is_back = |level: ServiceLevel| level >= ServiceLevel::Provisional;
        let before = changes.iter().rev().find(|(at, _)| *at <= fact.at);
        let returned = changes.iter().find(|(at, level)| *at > fact.at && is_back(*level));
        let (Some((at, _)), false) = (returned, before.is_some_and(|(_, level)| is_back(*level))) else {
            continue;
        };
        let first = seen.insert(service).then_some(&mut score.first_forecasts);
        for count in first.into_iter().chain([&mut score.forecasts]) {
            count.made += 1;
            count.p50_met += usize::from(at <= p50);
            count.p90_met += usize::from(at <= p90);
        }
    }
}
