use std::collections::BTreeSet;

use leckwehr_estate::Estate;
use leckwehr_incident::{PlanStep, PlanView, Situation, Timestamp};

use crate::ServiceForecast;
use crate::gate::is_valid_on;
use crate::outage::OutageProblemError;
use crate::plan::{RestoreConfig, RestorePlan, Step, StepKind, newest_restoration};
use crate::planner::written;
use crate::recovery::Recovery;
use crate::replan::is_given_up;
use crate::schedule::{Layout, Rest, Scene, away, schedule, unit_minutes};

/// How much faster and slower than planned steps are taken to be, in percent of the planned time.
const PACE_PERCENT_MIN: u64 = 10;
const PACE_PERCENT_MAX: u64 = 2_000;

/// What is left at least of a step that is under way longer than planned, in percent of its time.
const UNDER_WAY_PERCENT_MIN: u64 = 10;

/// What is left of a plan of which some steps are done.
pub(crate) struct Left {
    /// All steps, with the times of what is left; those that are done take none.
    pub steps: Vec<Step>,
    /// When services are planned to be back that still wait for something.
    pub forecasts: Vec<ServiceForecast>,
}

/// Returns what is left of a new plan, when the steps of an approved one that stand need not be done again and those that failed
/// too often will not be. A step takes what steps of its kind took so far beside what was planned for them.
/// O(one schedule · tries and scenarios).
pub(crate) fn left(new: &RestorePlan, approved: &PlanView, estate: &Estate) -> Left {
    let given_up: Vec<&Step> = new
        .steps
        .iter()
        .filter(|step| own(approved, step).is_some_and(|number| is_given_up(approved, number)))
        .collect();
    let is_lost = |system: &String| {
        let on_it = BTreeSet::from([system.clone()]);
        given_up.iter().any(|step| match step.kind {
            StepKind::RotateCredentials => is_valid_on(&step.target, &on_it, estate),
            _ => step.target == *system,
        })
    };
    let mut rests = rests(&new.steps, approved, new.as_of);
    for (step, rest) in new.steps.iter().zip(&mut rests) {
        if given_up.iter().any(|other| other.number == step.number) {
            rest.ms = 0;
        }
    }
    let mut steps = new.steps.clone();
    let systems = steps.iter().filter(|s| estate.systems.contains_key(&s.target));
    let open = systems.filter(|s| own(approved, s).is_none_or(|number| !approved.stands(number)));
    let scene = Scene {
        estate,
        config: &new.config,
        away: &new.away,
        lost: open.map(|s| s.target.clone()).filter(is_lost).collect(),
    };
    let forecasts = schedule(&mut steps, &rests, &scene).services;
    Left { steps, forecasts }
}

/// What is left of an estate's way back as a scheduling problem: the steps that a restoration would have now, without those of the
/// newest approved one that stand, and less what is done of those under way. Crews were called when that restoration was proposed.
///
/// # Errors
/// There is too much of it, or work never finds its people.
pub fn recovery_left(situation: &Situation, estate: &Estate, config: &RestoreConfig) -> Result<Recovery, OutageProblemError> {
    let approved = newest_restoration(situation).filter(|view| view.undo.is_none() && view.ordered.is_some());
    let as_of = config.clock.unwrap_or(situation.as_of);
    let called = approved.map_or(0, |view| minutes_between(view.proposed, as_of));
    let config = RestoreConfig {
        crews_called_minutes_ago: config.crews_called_minutes_ago.max(called),
        ..config.clone()
    };
    let (written, away) = (written(situation, estate, &config), away(situation));
    let rests = match approved {
        Some(view) => rests(&written.steps, view, as_of),
        None => written.steps.iter().map(Rest::of).collect(),
    };
    let scene = Scene {
        estate,
        config: &config,
        away: &away,
        lost: BTreeSet::new(),
    };
    let mut recovery = Layout::new(&written.steps, &rests, &scene, unit_minutes(&rests, &config))?.recovery;
    recovery.warnings.extend(written.warnings);
    Ok(recovery)
}

fn minutes_between(since: Timestamp, until: Timestamp) -> u32 {
    let minutes = until.0.saturating_sub(since.0).max(0) / 60_000_000_000;
    u32::try_from(minutes).unwrap_or(u32::MAX)
}

/// The number of a step in an approved plan.
fn own(approved: &PlanView, step: &Step) -> Option<u32> {
    let same = |s: &&PlanStep| s.action == step.kind.word() && s.target == step.target;
    approved.plan.steps.iter().find(same).map(|s| s.number)
}

/// What is left of each step at a time, by the steps of an approved plan.
fn rests(steps: &[Step], approved: &PlanView, as_of: Timestamp) -> Vec<Rest> {
    let rest = |step: &Step| {
        let number = own(approved, step);
        if number.is_some_and(|number| approved.stands(number)) {
            return Rest { ms: 0, ..Rest::of(step) };
        }
        let pace = pace_percent(approved, step.kind);
        let whole_ms = step.planned_ms.saturating_mul(pace.unwrap_or(100)) / 100;
        let begun = number
            .and_then(|number| approved.steps.get(&number))
            .filter(|s| s.ended.is_none());
        let done_ms = begun.map_or(0, |s| {
            (as_of.0.saturating_sub(s.intended.0).max(0) / 1_000_000).unsigned_abs()
        });
        let least_ms = (whole_ms.saturating_mul(UNDER_WAY_PERCENT_MIN) / 100).max(1);
        Rest {
            ms: whole_ms.saturating_sub(done_ms).max(least_ms),
            is_begun: begun.is_some(),
            is_paced: pace.is_some(),
        }
    };
    steps.iter().map(rest).collect()
}

/// What the verified steps of a kind took, in percent of what was planned for them; `None` before the first.
fn pace_percent(approved: &PlanView, kind: StepKind) -> Option<u64> {
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
        0 => None,
        _ => Some((took_ms.saturating_mul(100) / planned_ms).clamp(PACE_PERCENT_MIN, PACE_PERCENT_MAX)),
    }
}
