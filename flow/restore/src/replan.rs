use std::collections::{BTreeMap, BTreeSet};

use leckwehr_incident::{PlanRecord, PlanStep, PlanView, StepOutcome, StepPlace};

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
/// within their word. These are not: a step that they never saw, another executor for one, and a reconnection without a gate
/// that they were promised in front of it. O(steps · log steps).
pub fn judge(approved: &PlanView, new: &RestorePlan) -> Replan {
    let numbers: BTreeMap<(&str, &str), &PlanStep> = approved.plan.steps.iter().map(|s| (key(s), s)).collect();
    let wanted: BTreeMap<u32, Option<&PlanStep>> = new
        .steps
        .iter()
        .map(|s| (s.number, numbers.get(&(s.kind.word(), s.target.as_str())).copied()))
        .collect();
    let mut why = Vec::new();
    for step in &new.steps {
        if wanted.get(&step.number).is_none_or(Option::is_none) {
            why.push(format!("{} {} was never approved", step.kind.word(), step.target));
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
    let mut order: Vec<StepPlace> = Vec::new();
    for step in &new.steps {
        let Some(own) = number(&step.number) else { continue };
        if !approved.stands(own) {
            order.push(StepPlace {
                number: own,
                after: step.after.iter().filter_map(number).collect(),
                start_ms: step.start_ms,
            });
        }
    }
    Replan::Covered { order }
}

/// Returns the steps that failed and may be tried again, with what happened. Steps that were only held back behind them are
/// tried with them.
pub fn to_reopen(view: &PlanView) -> Vec<(u32, String)> {
    let tried = |number: u32| view.reopened.get(&number).copied().unwrap_or(0) + 1;
    let failed = view.steps.iter().filter_map(|(number, step)| match &step.ended {
        Some((_, StepOutcome::NotApplied { reason } | StepOutcome::Doubtful { reason })) => Some((*number, reason.clone())),
        _ => None,
    });
    failed.filter(|(number, _)| tried(*number) < TRIES_MAX).collect()
}

/// Returns the steps that can be begun now, in order: open, and everything before them is verified. Steps that do the same and
/// wait for nothing can be done side by side. O(steps · waited for).
pub fn ready(view: &PlanView) -> Vec<&PlanStep> {
    let ended = |number: u32| view.steps.get(&number).is_some_and(|s| s.ended.is_some());
    let may_begin = |place: &&StepPlace| !ended(place.number) && place.after.iter().all(|n| view.stands(*n));
    let mut places: Vec<&StepPlace> = view.order.iter().filter(may_begin).collect();
    places.sort_by_key(|place| place.start_ms);
    let of_number = |number: u32| view.plan.steps.iter().find(|s| s.number == number);
    places.into_iter().filter_map(|place| of_number(place.number)).collect()
}

/// Returns the steps that did not begin and cannot, each with what happened to those before it that are to blame.
/// O(steps · waited for) for each.
pub fn stuck(view: &PlanView) -> Vec<(u32, String)> {
    let after: BTreeMap<u32, &[u32]> = view.order.iter().map(|p| (p.number, p.after.as_slice())).collect();
    let ended = |number: u32| view.steps.get(&number).and_then(|s| s.ended.as_ref());
    let mut stuck = Vec::new();
    for place in view.order.iter().filter(|place| ended(place.number).is_none()) {
        let (mut seen, mut open, mut why) = (BTreeSet::new(), place.after.clone(), BTreeMap::new());
        while let Some(number) = open.pop() {
            if view.stands(number) || !seen.insert(number) {
                continue;
            }
            let how = match ended(number) {
                Some((_, StepOutcome::NotApplied { reason })) => format!("was not done: {reason}"),
                Some((_, StepOutcome::Doubtful { reason })) => format!("ended in doubt: {reason}"),
                _ => match after.get(&number) {
                    Some(before) if before.iter().any(|n| !view.stands(*n)) => {
                        open.extend(before.iter());
                        continue;
                    }
                    _ => "has not ended".to_owned(),
                },
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
    let step = plan.steps.iter().find(|s| s.number == number);
    step.map_or(String::new(), |s| format!(" ({} {})", s.action, s.target))
}

fn key(step: &PlanStep) -> (&str, &str) {
    (step.action.as_str(), step.target.as_str())
}
