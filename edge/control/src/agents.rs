use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;
use std::sync::{Mutex, PoisonError};

use leckwehr_crypt::{hex, random_bytes};
use leckwehr_estate::Estate;
use leckwehr_guard::{Action, Order, Reply};
use leckwehr_incident::{GateCheck, PlanStep, Situation, StepOutcome, Tier, Timestamp, What};
use leckwehr_restore::StepKind;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use crate::actuator::Orders;
use crate::config::{Config, Output, Wires};
use crate::course::{Manner, Ways};
use crate::cut::CutActuator;
use crate::errand::{Courier, Errand, Warranted, probe};
use crate::execution::{Actuator, Reading};
use crate::files::checked;
use crate::takedown::{LOGON_PORT, agent};

/// The executor of what no program can do.
const PEOPLE: &str = "people";

/// Carries a restoration out by the agents on systems and the guards, under a plan's approvals.
///
/// What agents do may be done again: sweeping, putting files back and changing a secret end in the same state.
pub(crate) struct Agents<'a, W> {
    pub courier: &'a Courier<W>,
    pub warrant: &'a Warranted,
    pub config: &'a Config,
    /// Accounts that the attacker may hold, and when he came first.
    pub compromised: BTreeSet<String>,
    pub first_compromise: Option<Timestamp>,
    /// Systems that are off the grid.
    pub isolated: BTreeSet<String>,
    /// What people say that they did, by step.
    words: BTreeMap<u32, String>,
    /// Where new secrets go: to the people in the room, never into the ledger.
    outputs: &'a UnboundedSender<Output>,
    /// What was seen of steps that are done, and the facts that go with it.
    seen: Mutex<BTreeMap<u32, (StepOutcome, Vec<What>)>>,
}

impl<'a, W: Wires> Agents<'a, W> {
    pub fn new(
        courier: &'a Courier<W>,
        warrant: &'a Warranted,
        config: &'a Config,
        situation: &Situation,
        outputs: &'a UnboundedSender<Output>,
    ) -> Self {
        let impact = &situation.impact;
        let isolated = situation.hosts.iter().filter(|(_, host)| host.isolated);
        let work = situation.plans.get(&warrant.plan.hash).map(|view| view.work.iter());
        let confirmed = work.into_iter().flatten().filter_map(|(step, work)| {
            let word = work.confirmed.as_ref()?;
            Some((*step, format!("{} at {}: {}", word.person, word.at, word.reason)))
        });
        let held = impact.credentials.iter().filter(|c| c.tier != Tier::Excluded);
        Self {
            courier,
            warrant,
            config,
            compromised: held.map(|c| c.account.clone()).collect(),
            first_compromise: impact.hosts.iter().filter_map(|h| h.since).min(),
            isolated: isolated.map(|(id, _)| id.clone()).collect(),
            words: confirmed.collect(),
            outputs,
            seen: Mutex::default(),
        }
    }

    async fn do_one(&self, step: &PlanStep) -> Result<(), StepOutcome> {
        let (outcome, facts) = match step.action.as_str() {
            _ if step.executor == PEOPLE => (self.word_of_people(step), Vec::new()),
            action if action == StepKind::RotateCredentials.word() => (self.rotate(step).await, Vec::new()),
            action if action == StepKind::Sweep.word() => self.sweep(step).await?,
            action if action == StepKind::Probe.word() => (self.probe(step).await, Vec::new()),
            action if action == StepKind::RestoreFiles.word() => match self.restore_files(step).await {
                Ok(done) => (StepOutcome::Verified { evidence: done.evidence }, done.facts),
                Err(reason) => (StepOutcome::Doubtful { reason }, Vec::new()),
            },
            action if action == StepKind::Reconnect.word() => return self.guards().allow(step).await,
            action => {
                let reason = format!("no agent knows how to {action}");
                return Err(StepOutcome::NotApplied { reason });
            }
        };
        let done = matches!(outcome, StepOutcome::Verified { .. });
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(step.number, (outcome.clone(), facts));
        match done {
            true => Ok(()),
            false => Err(outcome),
        }
    }

    fn word_of_people(&self, step: &PlanStep) -> StepOutcome {
        match self.words.get(&step.number) {
            Some(word) => StepOutcome::Verified { evidence: word.clone() },
            None => StepOutcome::NotApplied {
                reason: "nobody confirmed that it was done by hand".to_owned(),
            },
        }
    }

    async fn order(&self, step: &PlanStep, order: Order) -> Result<Reply, StepOutcome> {
        let errand = Errand {
            executor: step.executor.clone(),
            order,
            steps: vec![step.number],
        };
        self.courier.run_errand(errand, Some(self.warrant)).await
    }

    /// Removes what the attacker left, and compares what the agent says of its configuration.
    async fn sweep(&self, step: &PlanStep) -> Result<(StepOutcome, Vec<What>), StepOutcome> {
        let order = Order::new(Action::Investigate, "x-leckwehr:system", step.target.clone());
        let reply = self.order(step, order).await?;
        let evidence = format!("{} reports it done and its state shows it", step.executor);
        let mut facts = vec![checked(step, GateCheck::IndicatorsSwept, true, &evidence)];
        let differences = reply.results.get("differences").and_then(Value::as_array);
        let compared = match differences.map(Vec::as_slice) {
            Some([]) => Some((true, format!("{} compared it with how it was installed", step.executor))),
            Some(all) => Some((false, format!("other than installed: {}", in_words(all)))),
            None => None,
        };
        facts.extend(compared.map(|(passed, words)| checked(step, GateCheck::ConfigurationCompared, passed, &words)));
        Ok((StepOutcome::Verified { evidence }, facts))
    }

    /// Gives a stolen account a new secret on every system it is valid on, under the step's warrant.
    async fn rotate(&self, step: &PlanStep) -> StepOutcome {
        let secret = match random_bytes::<16>() {
            Ok(bytes) => hex(&bytes),
            Err(error) => {
                let reason = error.to_string();
                return StepOutcome::NotApplied { reason };
            }
        };
        let (executors, mut silent) = self.agents_of(&step.target);
        let order = Order::new(Action::Set, "x-leckwehr:account", step.target.clone()).with("x-leckwehr:secret", secret.clone());
        let errands = executors.iter().map(|e| Errand {
            executor: e.clone(),
            order: order.clone(),
            steps: vec![step.number],
        });
        let answers = self.courier.run_errands(errands.collect(), Some(self.warrant)).await;
        let refused = executors.iter().zip(&answers).filter(|(_, answer)| answer.is_err());
        silent.splice(0..0, refused.map(|(executor, _)| executor.clone()));
        // Told before it is written down: a secret that nobody knows locks its owner out.
        let account = step.target.clone();
        let _ = self.outputs.send(Output::Secret { account, secret });
        match (executors.len(), silent.as_slice()) {
            (0, []) => StepOutcome::Doubtful {
                reason: "no agent is there to change it".into(),
            },
            (agents, []) => StepOutcome::Verified {
                evidence: format!("changed by {agents} agents"),
            },
            (_, silent) => StepOutcome::Doubtful {
                reason: format!("the change is not confirmed by {}", silent.join(", ")),
            },
        }
    }

    /// The agents that can change an account's secret where it is valid, and those that would be needed and are not there. An
    /// account that the estate does not know is valid everywhere.
    fn agents_of(&self, account: &str) -> (Vec<String>, Vec<String>) {
        let executors = &self.config.executors;
        match self.config.estate.accounts.get(account) {
            Some(known) => {
                let wanted = known.logs_on_to.iter().map(|system| agent(system));
                wanted.partition(|executor| executors.contains_key(executor))
            }
            None => {
                let agents = executors.keys().filter(|executor| executor.starts_with("agent:"));
                (agents.cloned().collect(), Vec::new())
            }
        }
    }

    /// Lets a host try its own service.
    async fn probe(&self, step: &PlanStep) -> StepOutcome {
        let (to, words) = match self.probe_of(&step.target) {
            Ok(place) => place,
            Err(reason) => return StepOutcome::Doubtful { reason },
        };
        let reply = self.courier.run_errand(probe(&step.executor, to), None).await.ok();
        match reply.and_then(|reply| reply.results.get("reachable")?.as_bool()) {
            Some(true) => StepOutcome::Verified {
                evidence: format!("answers the system itself: {words}"),
            },
            Some(false) => StepOutcome::Doubtful {
                reason: format!("does not answer the system itself: {words}"),
            },
            None => StepOutcome::Doubtful {
                reason: format!("{} does not say whether it answers: {words}", step.executor),
            },
        }
    }

    /// The place that shows that a system works, and what it is in words. A system that carries a vital service needs a port of
    /// that service: a logon service that answers shows nothing of it.
    fn probe_of(&self, system: &str) -> Result<(SocketAddrV4, String), String> {
        let estate = &self.config.estate;
        let known = estate.systems.get(system);
        let address = known
            .and_then(|s| s.address)
            .ok_or_else(|| format!("no probe known: the estate has no address of {system}"))?;
        let mut vital = estate.services.iter().filter(|(_, s)| s.vital).map(|(id, _)| id);
        match known.and_then(|s| s.probe_port) {
            Some(port) => Ok((SocketAddrV4::new(address, port), format!("port {port}"))),
            None => match vital.find(|id| estate.needs_of_service(id).contains(system)) {
                Some(service) => Err(format!(
                    "no probe known: {system} carries {service}, which is vital, and the estate has no probe_port of it"
                )),
                None => {
                    let words = format!("log-on port {LOGON_PORT}; the estate has no probe_port of it");
                    Ok((SocketAddrV4::new(address, LOGON_PORT), words))
                }
            },
        }
    }

    /// The way to the guards, for reconnections.
    fn guards(&self) -> CutActuator<'_, W> {
        CutActuator::for_return(self.courier, self.warrant)
    }
}

impl<W: Wires> Actuator for Agents<'_, W> {
    async fn read(&self, step: &PlanStep) -> Reading {
        match step.action == StepKind::Reconnect.word() {
            true => Orders::read(&self.guards(), step).await,
            false => Reading::NotDone {
                state: "not tried".to_owned(),
            },
        }
    }

    async fn act(&self, steps: &[PlanStep]) -> Vec<Result<(), StepOutcome>> {
        let mut results = Vec::with_capacity(steps.len());
        for step in steps {
            results.push(self.do_one(step).await);
        }
        results
    }

    async fn verify(&self, step: &PlanStep) -> StepOutcome {
        if step.action == StepKind::Reconnect.word() {
            return match Orders::read(&self.guards(), step).await {
                Reading::Done { state } => StepOutcome::Verified { evidence: state },
                Reading::NotDone { state: reason } | Reading::Held { reason } | Reading::Unknown { reason } => {
                    StepOutcome::Doubtful { reason }
                }
            };
        }
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = seen.get(&step.number).map(|(outcome, _)| outcome.clone());
        outcome.unwrap_or_else(|| StepOutcome::Doubtful {
            reason: "nothing was seen of it".to_owned(),
        })
    }

    async fn undo(&self, step: &PlanStep, _before: &str) -> Result<(), StepOutcome> {
        Err(StepOutcome::NotApplied {
            reason: format!("{} is not taken back: plan a takedown to cut it again", step.action),
        })
    }

    fn consequences(&self, step: &PlanStep, _undone: bool) -> Vec<What> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&step.number).map(|(_, facts)| facts.clone()).unwrap_or_default()
    }
}

impl<W: Wires> Ways for Agents<'_, W> {
    fn manner(&self, step: &PlanStep, _estate: &Estate) -> Manner {
        match step.executor == PEOPLE {
            true => Manner::ByHand {
                owner: step.executor.clone(),
                what: format!("{} {}: no agent can", step.action, step.target),
                due_ms: step.planned_ms,
            },
            false => Manner::ByProgram,
        }
    }
}

fn in_words(names: &[Value]) -> String {
    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
    names.join(", ")
}
