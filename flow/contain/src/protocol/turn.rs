use leckwehr_incident::{PlanStep, PlanView, StepOutcome, Timestamp};

use super::model::Measure;

/// Whether a step may be begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Yes.
    Now,
    /// Not yet: another step has to end first, or a time to pass.
    Later {
        /// When to look again, if that is known.
        at: Option<Timestamp>,
    },
    /// No: what it needs was not done.
    Never {
        /// What.
        reason: String,
    },
}

/// Says whether a step's turn has come, as the protocol has it: a party's time counts from its notice, and its connection is cut
/// after that time; nothing is switched off whose evidence was not kept; a connection comes back after both sides gave their word.
/// Which stage of the plan it belongs to is another question. O(steps).
pub fn turn(view: &PlanView, step: &PlanStep, now: Timestamp) -> Turn {
    let measure = Measure::of_action(&step.action);
    let needs: &[Measure] = match measure {
        Some(Measure::AwaitNotice) => &[Measure::Notify],
        Some(Measure::CutConnection) => &[Measure::AwaitNotice],
        Some(Measure::PowerOff) => &[Measure::Snapshot, Measure::CaptureMemory, Measure::CaptureDisk],
        Some(Measure::Accept) => &[Measure::Attest],
        Some(Measure::Reconnect) => &[Measure::Attest, Measure::Accept],
        _ => &[],
    };
    let is_needed = |s: &&PlanStep| s.target == step.target && needs.iter().any(|m| m.name() == s.action);
    if measure == Some(Measure::Reconnect) && !needs.iter().all(|m| has(view, step, *m)) {
        let reason = "both sides' word is not part of the plan".to_owned();
        return Turn::Never { reason };
    }
    let mut last = None;
    for needed in view.plan.steps.iter().filter(is_needed) {
        let ended = view.steps.get(&needed.number).and_then(|s| s.ended.as_ref());
        match ended {
            None => return Turn::Later { at: None },
            Some((at, StepOutcome::Verified { .. })) => last = last.max(Some(*at)),
            Some((_, StepOutcome::NotApplied { reason } | StepOutcome::Doubtful { reason })) => {
                let reason = format!(
                    "step {}, {} {}, is not done: {reason}",
                    needed.number, needed.action, needed.target
                );
                return Turn::Never { reason };
            }
        }
    }
    let waits = (step.action == Measure::AwaitNotice.name()).then_some(step.planned_ms);
    match last
        .zip(waits)
        .map(|(noticed, ms)| noticed.plus_ms(i64::try_from(ms).unwrap_or(i64::MAX)))
    {
        Some(end) if now < end => Turn::Later { at: Some(end) },
        _ => Turn::Now,
    }
}

fn has(view: &PlanView, step: &PlanStep, measure: Measure) -> bool {
    let mut steps = view.plan.steps.iter();
    steps.any(|s| s.target == step.target && s.action == measure.name())
}

/// Returns whether a plan brings partners back, each after both sides' word ([`crate::reconnect_plan`]).
pub fn is_reconnection(steps: &[PlanStep]) -> bool {
    steps.iter().any(|step| step.action == Measure::Attest.name())
}
