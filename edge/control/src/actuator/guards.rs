use leckwehr_guard::{Action, COMPARTMENT, Order};
use leckwehr_incident::{PlanStep, StepOutcome};
use serde_json::Value;

use crate::actuator::Orders;
use crate::config::Wires;
use crate::errand::{Courier, Errand, Warranted, question};
use crate::execution::Reading;

/// Orders to real guards, sealed by this control room, under the approvals of a plan.
pub struct GuardOrders<'a, W> {
    /// Brings the orders.
    pub courier: &'a Courier<W>,
    /// The approved plan.
    pub warrant: &'a Warranted,
}

impl<W: Wires> GuardOrders<'_, W> {
    async fn order(&self, step: &PlanStep, action: Action) -> Result<(), StepOutcome> {
        let errand = Errand {
            executor: step.executor.clone(),
            order: Order::new(action, COMPARTMENT, step.target.clone()),
            steps: vec![step.number],
        };
        self.courier.run_errand(errand, Some(self.warrant)).await.map(drop)
    }
}

impl<W: Wires> Orders for GuardOrders<'_, W> {
    async fn read(&self, step: &PlanStep) -> Reading {
        let asked = question(&step.executor, COMPARTMENT, step.target.clone());
        match self.courier.run_errand(asked, None).await {
            Ok(reply) => match reply.results.get("cut").and_then(Value::as_array).map(Vec::as_slice) {
                Some([]) => Reading::Done {
                    state: format!("{} shows that nothing of it is cut", step.executor),
                },
                Some(cut) => Reading::NotDone {
                    state: format!("{} interfaces are cut", cut.len()),
                },
                None => Reading::Unknown {
                    reason: format!("{} does not say what is cut of {}", step.executor, step.target),
                },
            },
            Err(
                StepOutcome::NotApplied { reason }
                | StepOutcome::Doubtful { reason }
                | StepOutcome::Verified { evidence: reason },
            ) => Reading::Unknown { reason },
        }
    }

    async fn allow(&self, step: &PlanStep) -> Result<(), StepOutcome> {
        self.order(step, Action::Allow).await
    }

    async fn deny(&self, step: &PlanStep) -> Result<(), StepOutcome> {
        self.order(step, Action::Deny).await
    }
}
