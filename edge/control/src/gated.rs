use std::collections::BTreeMap;

use leckwehr_estate::Estate;
use leckwehr_incident::{PlanStep, StepOutcome, What};
use leckwehr_restore::StepKind;

use crate::execution::{Actuator, Reading};

/// Lets nothing back on the grid that did not pass its gates, whoever carries it out.
pub(crate) struct Gated<'a, A> {
    pub inner: &'a A,
    pub estate: &'a Estate,
    /// Why a step must not be done, by number.
    pub closed: BTreeMap<u32, Vec<String>>,
}

impl<A: Actuator> Actuator for Gated<'_, A> {
    async fn read(&self, step: &PlanStep) -> Reading {
        match self.closed.get(&step.number) {
            Some(why) => Reading::Held { reason: why.join("; ") },
            None => self.inner.read(step).await,
        }
    }

    async fn act(&self, steps: &[PlanStep]) -> Vec<Result<(), StepOutcome>> {
        self.inner.act(steps).await
    }

    async fn verify(&self, step: &PlanStep) -> StepOutcome {
        self.inner.verify(step).await
    }

    async fn undo(&self, step: &PlanStep, before: &str) -> Result<(), StepOutcome> {
        self.inner.undo(step, before).await
    }

    fn consequences(&self, step: &PlanStep, undone: bool) -> Vec<What> {
        let mut facts = self.inner.consequences(step, undone);
        if step.action == StepKind::Reconnect.word() {
            let target = step.target.clone();
            facts.push(match self.estate.connections.contains_key(&target) {
                true => What::ConnectionCut {
                    connection: target,
                    cut: undone,
                },
                false => What::HostIsolated {
                    system: target,
                    isolated: undone,
                },
            });
        }
        facts
    }
}
