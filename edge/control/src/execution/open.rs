use leckwehr_incident::{PlanRecord, PlanStep, PlanView, StepOutcome};

/// Returns the steps of a plan that did not end, in the plan's order. A function of the facts alone.
pub fn open_steps(view: &PlanView) -> Vec<&PlanStep> {
    let is_open = |step: &&PlanStep| view.steps.get(&step.number).is_none_or(|s| s.ended.is_none());
    view.plan.steps.iter().filter(is_open).collect()
}

/// Returns the steps that ended without having been applied: people may have them tried again under the same approval.
pub fn refused_steps(view: &PlanView) -> Vec<&PlanStep> {
    let was_refused = |step: &&PlanStep| {
        let ended = view.steps.get(&step.number).and_then(|s| s.ended.as_ref());
        matches!(ended, Some((_, StepOutcome::NotApplied { .. })))
    };
    view.plan.steps.iter().filter(was_refused).collect()
}

/// Returns the steps that were begun and are not undone yet, the last of the plan first. A function of the facts alone.
pub fn undo_steps(view: &PlanView) -> Vec<&PlanStep> {
    let was_begun = |step: &&PlanStep| view.steps.contains_key(&step.number);
    let is_undone = |step: &&PlanStep| view.undone.get(&step.number).is_some_and(|u| u.ended.is_some());
    let steps = view.plan.steps.iter().rev();
    steps.filter(was_begun).filter(|s| !is_undone(s)).collect()
}

/// Divides a plan into stages: steps that follow each other and do the same go together.
pub fn by_action(plan: &PlanRecord) -> Vec<Vec<u32>> {
    let groups = plan.steps.chunk_by(|a, b| a.action == b.action);
    groups.map(|group| group.iter().map(|s| s.number).collect()).collect()
}
