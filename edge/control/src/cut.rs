use std::collections::BTreeMap;

use futures_util::future::join_all;
use leckwehr_crypt::{hex, sha256};
use leckwehr_guard::{Action, COMPARTMENT, COMPARTMENTS, Order, Reply, STEPS_PER_ORDER_MAX};
use leckwehr_incident::{PlanStep, StepOutcome, Timestamp, What};
use serde_json::{Value, json};

use crate::actuator::Orders;
use crate::config::{LifeLine, Wires};
use crate::errand::{Courier, Errand, Warranted, probe, question};
use crate::execution::{Actuator, Reading};
use crate::takedown::agent;

/// Longest list of what is cut that stands in a fact in full, in bytes.
const STATE_BYTES_MAX: usize = 2_000;
/// The step that brings a target back.
const RECONNECT: &str = "reconnect";

/// Lets guards cut compartments, for as long as a lease, and bring them back; they say by their kernel's state what is cut.
pub struct CutActuator<'a, W> {
    /// Brings the orders.
    pub courier: &'a Courier<W>,
    /// The approved plan.
    pub warrant: &'a Warranted,
    /// What must never be lost.
    pub life_lines: &'a [LifeLine],
    /// How long a cut holds unless it is renewed, in milliseconds.
    pub lease_ms: u64,
}

impl<'a, W> CutActuator<'a, W> {
    /// Brings systems back under a restoration, which cuts nothing and so costs no life-line.
    pub fn for_return(courier: &'a Courier<W>, warrant: &'a Warranted) -> Self {
        Self {
            courier,
            warrant,
            life_lines: &[],
            lease_ms: 0,
        }
    }
}

impl<W: Wires> CutActuator<'_, W> {
    /// The order that does steps of one kind: one as one compartment, several as one transaction.
    fn order_of(&self, steps: &[PlanStep]) -> Order {
        let brings_back = steps.first().is_some_and(|step| step.action == RECONNECT);
        let action = if brings_back { Action::Allow } else { Action::Deny };
        let order = match steps {
            [step] => Order::new(action, COMPARTMENT, step.target.clone()),
            _ => Order::new(
                action,
                COMPARTMENTS,
                json!(steps.iter().map(|s| &s.target).collect::<Vec<_>>()),
            ),
        };
        match action {
            Action::Deny => order.with("x-leckwehr:lease_ms", self.lease_ms),
            _ => order,
        }
    }

    async fn order(&self, steps: &[PlanStep], order: Order) -> Result<Reply, StepOutcome> {
        let errand = Errand {
            executor: steps.first().map(|step| step.executor.clone()).unwrap_or_default(),
            order,
            steps: steps.iter().map(|step| step.number).collect(),
        };
        self.courier.run_errand(errand, Some(self.warrant)).await
    }

    /// Does steps in one transaction. If the guard refuses it as a whole, each is ordered alone: one target that it cannot cut must
    /// not keep the others on the grid.
    async fn act_together(&self, steps: &[PlanStep]) -> Vec<Result<(), StepOutcome>> {
        match self.order(steps, self.order_of(steps)).await {
            Err(StepOutcome::NotApplied { .. }) if steps.len() > 1 => {
                let alone = steps.iter().map(|step| {
                    let step = std::slice::from_ref(step);
                    self.order(step, self.order_of(step))
                });
                join_all(alone).await.into_iter().map(|answer| answer.map(drop)).collect()
            }
            answer => steps.iter().map(|_| answer.clone().map(drop)).collect(),
        }
    }

    /// Guards of this control room that have no step in the plan: if one falls silent, a cut elsewhere took the way to it. A
    /// guard never cuts its own.
    fn other_guards(&self) -> impl Iterator<Item = &str> {
        let steps = &self.warrant.plan.steps;
        let is_other = move |name: &&str| !name.starts_with("agent:") && steps.iter().all(|s| s.executor != *name);
        self.courier.executors().filter(is_other)
    }
}

impl<W: Wires> Actuator for CutActuator<'_, W> {
    async fn read(&self, step: &PlanStep) -> Reading {
        let asked = question(&step.executor, COMPARTMENT, step.target.clone());
        match self.courier.run_errand(asked, None).await {
            Ok(reply) => match (names(&reply, "interfaces"), names(&reply, "cut")) {
                (Some(all), Some(cut)) => {
                    let is_done = match step.action.as_str() {
                        RECONNECT => cut.is_empty(),
                        _ => !all.is_empty() && cut.len() == all.len(),
                    };
                    let state = in_words(&cut);
                    if is_done {
                        Reading::Done { state }
                    } else {
                        Reading::NotDone { state }
                    }
                }
                _ => Reading::Unknown {
                    reason: format!("{} does not say what is cut of {}", step.executor, step.target),
                },
            },
            Err(outcome) => Reading::Unknown {
                reason: reason_of(outcome),
            },
        }
    }

    async fn act(&self, steps: &[PlanStep]) -> Vec<Result<(), StepOutcome>> {
        let mut answers = Vec::with_capacity(steps.len());
        for like in steps.chunk_by(|a, b| (a.action == RECONNECT) == (b.action == RECONNECT)) {
            for together in like.chunks(STEPS_PER_ORDER_MAX) {
                answers.extend(self.act_together(together).await);
            }
        }
        answers
    }

    async fn verify(&self, step: &PlanStep) -> StepOutcome {
        match Actuator::read(self, step).await {
            Reading::Done { state } => StepOutcome::Verified {
                evidence: format!("{} shows it in its kernel's state: {state}", step.executor),
            },
            Reading::NotDone { state } => StepOutcome::Doubtful {
                reason: format!("{} reports it done, and its state does not show it: {state}", step.executor),
            },
            Reading::Unknown { reason } | Reading::Held { reason } => StepOutcome::Doubtful { reason },
        }
    }

    async fn undo(&self, step: &PlanStep, _before: &str) -> Result<(), StepOutcome> {
        // The guard has written down for itself what was cut before.
        let none = || StepOutcome::NotApplied {
            reason: "nothing takes this back".to_owned(),
        };
        let step = std::slice::from_ref(step);
        let order = self.order_of(step).undoing().ok_or_else(none)?;
        self.order(step, order).await.map(drop)
    }

    async fn renew(&self, steps: &[PlanStep]) -> Vec<Result<Option<Timestamp>, StepOutcome>> {
        // Counted from before the order: the lease never ends earlier than it is thought to.
        let end = self.lease_end();
        let done = self.act(steps).await.into_iter();
        done.map(|answer| answer.map(|()| Some(end))).collect()
    }

    async fn life_lines(&self) -> BTreeMap<String, bool> {
        let probes = self.life_lines.iter().map(|line| async {
            let answer = self.courier.run_errand(probe(&agent(&line.from), line.to), None).await;
            let answers = answer.ok().and_then(|reply| reply.results.get("reachable")?.as_bool());
            (format!("{} to {}", line.from, line.to), answers == Some(true))
        });
        let ways = self.other_guards().map(|guard| async move {
            let answer = self.courier.run_errand(question(guard, "features", json!([])), None).await;
            (format!("the way to {guard}"), answer.is_ok())
        });
        let mut seen: BTreeMap<String, bool> = join_all(probes).await.into_iter().collect();
        seen.extend(join_all(ways).await);
        seen
    }

    fn consequences(&self, step: &PlanStep, undone: bool) -> Vec<What> {
        let (target, cut) = (step.target.clone(), (step.action == RECONNECT) == undone);
        let effect = match step.action.as_str() {
            "isolate-host" => What::HostIsolated {
                system: target,
                isolated: cut,
            },
            _ => What::ConnectionCut { connection: target, cut },
        };
        let lease = cut.then(|| What::LeaseGiven {
            plan: self.warrant.plan.hash.clone(),
            step: step.number,
            until: self.lease_end(),
        });
        std::iter::once(effect).chain(lease).collect()
    }
}

impl<W: Wires> Orders for CutActuator<'_, W> {
    async fn read(&self, step: &PlanStep) -> Reading {
        Actuator::read(self, step).await
    }

    async fn allow(&self, step: &PlanStep) -> Result<(), StepOutcome> {
        let step = std::slice::from_ref(step);
        self.order(step, self.order_of(step)).await.map(drop)
    }

    async fn deny(&self, step: &PlanStep) -> Result<(), StepOutcome> {
        self.undo(step, "").await
    }
}

impl<W: Wires> CutActuator<'_, W> {
    fn lease_end(&self) -> Timestamp {
        self.courier.wires().now().plus_ms(self.lease_ms.cast_signed())
    }
}

fn names(reply: &Reply, field: &str) -> Option<Vec<String>> {
    let list = reply.results.get(field).and_then(Value::as_array)?;
    let mut names: Vec<String> = list.iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect();
    names.sort_unstable();
    Some(names)
}

fn in_words(cut: &[String]) -> String {
    let names = cut.join(" ");
    match (cut.len(), names.len()) {
        (0, _) => "nothing is cut".to_owned(),
        (_, ..=STATE_BYTES_MAX) => format!("cut: {names}"),
        // A state must fit a fact, and equal states give equal texts.
        (n, _) => format!("cut: {n} names with SHA-256 {}", hex(&sha256(names.as_bytes()))),
    }
}

fn reason_of(outcome: StepOutcome) -> String {
    match outcome {
        StepOutcome::Verified { evidence: text }
        | StepOutcome::NotApplied { reason: text }
        | StepOutcome::Doubtful { reason: text } => text,
    }
}
