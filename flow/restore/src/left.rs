use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::Estate;
use leckwehr_incident::{PlanStep, PlanView};

use crate::ServiceForecast;
use crate::forecast::forecast;
use crate::gate::is_valid_on;
use crate::plan::{RestorePlan, Step, StepKind};
use crate::replan::is_given_up;
use crate::schedule::schedule;

/// How much faster and slower than planned steps are taken to be, in percent of the planned time.
const PACE_PERCENT_MIN: u64 = 10;
const PACE_PERCENT_MAX: u64 = 2_000;

/// What is left of a plan of which some steps are done.
pub(crate) struct Left {
    /// All steps, with the times of what is left; those that are done take none.
    pub steps: Vec<Step>,
    /// When services are planned to be back that still wait for something.
    pub forecasts: Vec<ServiceForecast>,
}

/// Returns what is left of a new plan, when the steps of an approved one that stand need not be done again and those that failed
/// too often will not be. A step takes what steps of its kind took so far beside what was planned for them.
/// O(steps · (steps + people of a crew)).
pub(crate) fn left(new: &RestorePlan, approved: &PlanView, estate: &Estate) -> Left {
    let own = |step: &Step| {
        let same = |s: &&PlanStep| s.action == step.kind.word() && s.target == step.target;
        approved.plan.steps.iter().find(same).map(|s| s.number)
    };
    let stands = |step: &Step| own(step).is_some_and(|number| approved.stands(number));
    let mut steps = new.steps.clone();
    for step in &mut steps {
        step.planned_ms = match stands(step) {
            true => 0,
            false => step.planned_ms.saturating_mul(pace_percent(approved, step.kind)) / 100,
        };
    }
    schedule(&mut steps, estate, &new.config, &new.away);
    let given_up = |step: &&Step| own(step).is_some_and(|number| is_given_up(approved, number));
    let given_up: Vec<&Step> = steps.iter().filter(given_up).collect();
    let is_lost = |system: &String| {
        let on_it = BTreeSet::from([system.clone()]);
        given_up.iter().any(|step| match step.kind {
            StepKind::RotateCredentials => is_valid_on(&step.target, &on_it, estate),
            _ => step.target == *system,
        })
    };
    let mut ready_ms: BTreeMap<String, u64> = BTreeMap::new();
    for step in steps.iter().filter(|s| estate.systems.contains_key(&s.target) && !stands(s)) {
        let ready = ready_ms.entry(step.target.clone()).or_default();
        *ready = if is_lost(&step.target) {
            u64::MAX
        } else {
            step.end_ms().max(*ready)
        };
    }
    let forecasts = forecast(estate, &ready_ms, new.config.p90_percent);
    Left { steps, forecasts }
}

/// What the verified steps of a kind took, in percent of what was planned for them; 100 before the first.
fn pace_percent(approved: &PlanView, kind: StepKind) -> u64 {
    let done = approved
        .plan
        .steps
        .iter()
        .filter(|s| s.action == kind.word() && approved.stands(s.number));
    let (mut planned_ms, mut took_ms) = (0_u64, 0_u64);
    for step in done {
        let view = approved.steps.get(&step.number);
        let Some((intended, (ended, _))) = view.and_then(|v| Some((v.intended, v.ended.as_ref()?))) else {
            continue;
        };
        planned_ms = planned_ms.saturating_add(step.planned_ms);
        took_ms = took_ms.saturating_add((ended.0 - intended.0).max(0).unsigned_abs() / 1_000_000);
    }
    match planned_ms {
        0 => 100,
        _ => (took_ms.saturating_mul(100) / planned_ms).clamp(PACE_PERCENT_MIN, PACE_PERCENT_MAX),
    }
}
