use std::collections::BTreeMap;

use leckwehr_incident::{PlanStep, Timestamp, What};

use crate::error::ControlError;
use crate::execution::actuator::Actuator;
use crate::execution::fault::Point;
use crate::execution::journal::Journal;
use crate::execution::run::{BY, Execution};

/// What became of leases that were to be renewed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Renewal {
    /// When the next lease of the plan ends; `None` if none does.
    pub next_end: Option<Timestamp>,
    /// Targets whose lease could not be renewed, each with the reason.
    pub failed: Vec<(String, String)>,
}

impl<A: Actuator> Execution<'_, A> {
    /// Gives every step that stands, is still `wanted` and whose lease ends before `horizon` more time. What another plan took
    /// back is not wanted: a reconnected host must not be cut again.
    ///
    /// A lease that ran out while no control room was there is renewed just so: the plan stands, and its target is cut again.
    pub async fn renew(
        &self,
        journal: &mut Journal,
        horizon: Timestamp,
        wanted: impl Fn(&PlanStep) -> bool,
    ) -> Result<Renewal, ControlError> {
        let view = journal.plan(&self.plan.hash)?;
        let mut renewal = Renewal::default();
        if view.undo.is_some() {
            return Ok(renewal);
        }
        let mut due: BTreeMap<String, Vec<PlanStep>> = BTreeMap::new();
        let standing = view.plan.steps.iter().filter(|s| view.stands(s.number) && wanted(s));
        for step in standing {
            match view.leases.get(&step.number) {
                Some(end) if *end < horizon => due.entry(step.executor.clone()).or_default().push(step.clone()),
                Some(end) => renewal.next_end = Some(renewal.next_end.map_or(*end, |next| next.min(*end))),
                None => {}
            }
        }
        for steps in due.into_values() {
            journal.pass(Point::BeforeRenew)?;
            let ends = self.actuator.renew(&steps).await;
            journal.pass(Point::AfterRenew)?;
            let mut facts = Vec::new();
            for (step, end) in steps.iter().zip(ends) {
                match end {
                    Ok(None) => {}
                    Ok(Some(until)) => {
                        renewal.next_end = Some(renewal.next_end.map_or(until, |next| next.min(until)));
                        facts.push(What::LeaseGiven {
                            plan: self.plan.hash.clone(),
                            step: step.number,
                            until,
                        });
                    }
                    Err(outcome) => renewal.failed.push((step.target.clone(), in_words(outcome))),
                }
            }
            journal.record(BY, facts)?;
        }
        Ok(renewal)
    }
}

fn in_words(outcome: leckwehr_incident::StepOutcome) -> String {
    use leckwehr_incident::StepOutcome::{Doubtful, NotApplied, Verified};
    match outcome {
        Verified { evidence: text } | NotApplied { reason: text } | Doubtful { reason: text } => text,
    }
}
