use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::Estate;
use leckwehr_incident::{PlanRecord, PlanStep, PlanView, StepOutcome, StepPlace};

use crate::forecast::ServiceForecast;
use crate::left::left;
use crate::plan::{RestorePlan, Step, StepKind};

/// Times that a step is tried in one plan. What fails more often is for people.
pub const TRIES_MAX: u32 = 3;

/// What a new plan is to the one that people approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replan {
    /// It holds nothing but steps that were approved, and leaves out none that another one waits for: a new order under the old
    /// approval.
    Covered {
        /// The order of the approved steps that are still open.
        order: Vec<StepPlace>,
        /// When services that still wait are planned to be back, from now; what is done takes no time any more.
        forecasts: Vec<ServiceForecast>,
    },
    /// It goes further: people must approve it by its own hash.
    Widened {
        /// What was not approved, each a sentence.
        why: Vec<String>,
    },
}

/// Returns the places of a plan's own steps.
pub fn places(plan: &RestorePlan) -> Vec<StepPlace> {
    let place = |s: &Step| StepPlace {
        number: s.number,
        after: s.after.clone(),
        start_ms: s.start_ms,
    };
    plan.steps.iter().map(place).collect()
}

/// Judges a new plan against an approved one that is under way.
///
/// People approved steps by what is done to what, by whom. Another order of these steps, other times, and trying one again are
/// within their word. These are not: a step that they never saw, a reconnection without a gate that they were promised in front
/// of it, and one of what was reconnected under their word before and is lost again. O(steps · steps).
pub fn judge(approved: &PlanView, new: &RestorePlan, estate: &Estate) -> Replan {
    let numbers: BTreeMap<(&str, &str), &PlanStep> = approved.plan.steps.iter().map(|s| (key(s), s)).collect();
    let wanted: BTreeMap<u32, Option<&PlanStep>> = new
        .steps
        .iter()
        .map(|s| (s.number, numbers.get(&(s.kind.word(), s.target.as_str())).copied()))
        .collect();
    let mut why = Vec::new();
    for step in &new.steps {
        match wanted.get(&step.number).copied().flatten() {
            None => why.push(format!("{} {} was never approved", step.kind.word(), step.target)),
            Some(own) if step.kind == StepKind::Reconnect && approved.stands(own.number) => why.push(format!(
                "{} was lost again after it was reconnected: everything about it is to be done anew",
                step.target
            )),
            Some(_) => {}
        }
    }
    let kept: BTreeSet<u32> = wanted.values().flatten().map(|s| s.number).collect();
    let returns: BTreeSet<&str> = new
        .steps
        .iter()
        .filter(|s| s.kind == StepKind::Reconnect)
        .map(|s| s.target.as_str())
        .collect();
    for gate in approved.plan.steps.iter().filter(|s| s.action != StepKind::Reconnect.word()) {
        let is_before = returns.contains(gate.target.as_str()) || gate.action == StepKind::RotateCredentials.word();
        if is_before && !returns.is_empty() && !kept.contains(&gate.number) && !approved.stands(gate.number) {
            why.push(format!(
                "{} {}, which stands before a reconnection, would be left out",
                gate.action, gate.target
            ));
        }
    }
    if !why.is_empty() {
        return Replan::Widened { why };
    }
    let number = |n: &u32| wanted.get(n).copied().flatten().map(|s| s.number);
    let left = left(new, approved, estate);
    let mut order: Vec<StepPlace> = Vec::new();
    for step in &left.steps {
        let Some(own) = number(&step.number) else { continue };
        if !approved.stands(own) {
            order.push(StepPlace {
                number: own,
                after: step.after.iter().filter_map(number).collect(),
                start_ms: step.start_ms,
            });
        }
    }
    let forecasts = left.forecasts;
    Replan::Covered { order, forecasts }
}

/// Returns the steps that failed and may be tried again, with what happened. Steps that were only held back behind them are
/// tried with them; what the newest order left out is not.
pub fn to_reopen(view: &PlanView) -> Vec<(u32, String)> {
    let is_ordered = |number: u32| view.order.iter().any(|place| place.number == number);
    let failed = view.steps.iter().filter_map(|(number, step)| match &step.ended {
        Some((_, StepOutcome::NotApplied { reason } | StepOutcome::Doubtful { reason })) => Some((*number, reason.clone())),
        _ => None,
    });
    failed
        .filter(|(number, _)| tries(view, *number) < TRIES_MAX && is_ordered(*number))
        .collect()
}

/// Whether a step was tried as often as this plan tries, and failed; or it is a reconnection that was held back, which waits for
/// people.
pub(crate) fn is_given_up(view: &PlanView, number: u32) -> bool {
    let reconnects = step_of(&view.plan, number).is_some_and(|s| s.action == StepKind::Reconnect.word());
    has_ended(view, number) && !view.stands(number) && (reconnects || tries(view, number) >= TRIES_MAX)
}

fn tries(view: &PlanView, number: u32) -> u32 {
    view.reopened.get(&number).copied().unwrap_or(0) + 1
}

/// Returns the steps that can be begun now, in order: open, and what they wait for is over. Steps that do the same and are ready
/// together can be done side by side. O(steps · waited for · steps).
pub fn ready(view: &PlanView) -> Vec<&PlanStep> {
    let mut places: Vec<&StepPlace> = view.order.iter().filter(|place| !has_ended(view, place.number)).collect();
    places.retain(|place| place.after.iter().all(|n| is_met(view, place.number, *n)));
    places.sort_by_key(|place| place.start_ms);
    places
        .into_iter()
        .filter_map(|place| step_of(&view.plan, place.number))
        .collect()
}

/// Whether `number` need not wait for `before` any more: it is verified. A reconnection waits only for the end of what is done to
/// others (their secrets, the systems at the ends of a connection): whether that is enough for it, its gates say.
fn is_met(view: &PlanView, number: u32, before: u32) -> bool {
    if view.stands(before) {
        return true;
    }
    let (Some(step), Some(other)) = (step_of(&view.plan, number), step_of(&view.plan, before)) else {
        return false;
    };
    step.action == StepKind::Reconnect.word() && step.target != other.target && has_ended(view, before)
}

fn has_ended(view: &PlanView, number: u32) -> bool {
    view.steps.get(&number).is_some_and(|s| s.ended.is_some())
}

fn step_of(plan: &PlanRecord, number: u32) -> Option<&PlanStep> {
    let here = usize::try_from(number).ok().and_then(|n| plan.steps.get(n.checked_sub(1)?));
    here.filter(|s| s.number == number)
        .or_else(|| plan.steps.iter().find(|s| s.number == number))
}

/// Returns the steps that did not begin and cannot, each with what happened to those before it that are to blame. A
/// reconnection that only waits for the end of others is not among them: that comes.
/// O(steps · waited for) for each.
pub fn stuck(view: &PlanView) -> Vec<(u32, String)> {
    let after: BTreeMap<u32, &[u32]> = view.order.iter().map(|p| (p.number, p.after.as_slice())).collect();
    let target = |number: u32| step_of(&view.plan, number).map(|s| s.target.as_str());
    let mut stuck = Vec::new();
    for place in view.order.iter().filter(|place| !has_ended(view, place.number)) {
        let reconnects = step_of(&view.plan, place.number).is_some_and(|s| s.action == StepKind::Reconnect.word());
        let unmet = place.after.iter().filter(|n| !is_met(view, place.number, **n));
        let mut open: Vec<u32> = unmet
            .filter(|n| !reconnects || target(**n) == target(place.number))
            .copied()
            .collect();
        let (mut seen, mut why) = (BTreeSet::new(), BTreeMap::new());
        while let Some(number) = open.pop() {
            if view.stands(number) || !seen.insert(number) {
                continue;
            }
            let ended = view.steps.get(&number).and_then(|s| s.ended.as_ref());
            let how = match (ended, after.get(&number)) {
                (Some((_, StepOutcome::NotApplied { reason })), _) => format!("was not done: {reason}"),
                (Some((_, StepOutcome::Doubtful { reason })), _) => format!("ended in doubt: {reason}"),
                (_, Some(before)) if before.iter().any(|n| !is_met(view, number, *n)) => {
                    open.extend(before.iter());
                    continue;
                }
                _ => "has not ended".to_owned(),
            };
            why.insert(number, format!("step {number}{} {how}", words_of(&view.plan, number)));
        }
        if !why.is_empty() {
            stuck.push((place.number, why.into_values().collect::<Vec<_>>().join("; ")));
        }
    }
    stuck
}

fn words_of(plan: &PlanRecord, number: u32) -> String {
    step_of(plan, number).map_or(String::new(), |s| format!(" ({} {})", s.action, s.target))
}

fn key(step: &PlanStep) -> (&str, &str) {
    (step.action.as_str(), step.target.as_str())
}
