use std::collections::BTreeSet;

use leckwehr_estate::Estate;
use leckwehr_incident::{Situation, StepOutcome};

use crate::plan::{RestorePlan, Step, StepKind};

/// Returns why the target of a reconnection must stay cut, one sentence for each gate that is not passed; empty if it may
/// return to the grid.
///
/// The gates of a system are the steps of the plan before this one that are about it, and the change of every account that is
/// valid on it; an account that the estate does not know is valid everywhere. Those of a connection are the gates of the
/// systems at its ends, except of one that is still isolated on its own. Passed means verified: a step that was not done, or
/// of which it is not known, holds the target back. Pure; O(steps · ends).
pub fn held_back(plan: &RestorePlan, step: &Step, situation: &Situation, estate: &Estate) -> Vec<String> {
    let returning = returning(&step.target, situation, estate);
    let is_gate = |s: &&Step| {
        s.number < step.number
            && match s.kind {
                StepKind::RotateCredentials => is_valid_on(&s.target, &returning, estate),
                _ => returning.contains(&s.target),
            }
    };
    let steps = situation.plans.get(&plan.hash).map(|view| &view.steps);
    let outcome = |number| Some(&steps?.get(&number)?.ended.as_ref()?.1);
    let why = |s: &Step| {
        let how = match outcome(s.number) {
            Some(StepOutcome::Verified { .. }) => return None,
            Some(StepOutcome::NotApplied { reason }) => format!("was not done: {reason}"),
            Some(StepOutcome::Doubtful { reason }) => format!("ended in doubt: {reason}"),
            None => "has not ended".to_owned(),
        };
        Some(format!("step {} ({} {}) {how}", s.number, s.kind.word(), s.target))
    };
    plan.steps.iter().filter(is_gate).filter_map(why).collect()
}

/// The systems that the step puts within reach of others.
pub(crate) fn returning(target: &str, situation: &Situation, estate: &Estate) -> BTreeSet<String> {
    let Some(connection) = estate.connections.get(target) else {
        return BTreeSet::from([target.to_owned()]);
    };
    let ends = [&connection.from, &connection.to];
    let is_isolated = |id: &String| situation.hosts.get(id).is_some_and(|host| host.isolated);
    let systems = estate.systems.iter();
    let at_an_end = systems.filter(|(id, s)| ends.contains(id) || ends.contains(&&s.zone) && !is_isolated(id));
    at_an_end.map(|(id, _)| id.clone()).collect()
}

pub(crate) fn is_valid_on(account: &str, systems: &BTreeSet<String>, estate: &Estate) -> bool {
    let account = estate.accounts.get(account);
    account.is_none_or(|a| a.logs_on_to.iter().any(|id| systems.contains(id)))
}
