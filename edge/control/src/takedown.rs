use std::collections::BTreeSet;

use leckwehr_contain::{ContainError, CutOption, harm_of, options, takedown_plan};
use leckwehr_guard::{Action, Order};
use leckwehr_incident::{Phase, PlanRecord, PlanStep, ServiceLevel, StepOutcome, What};
use leckwehr_trace::claims;

use crate::config::{Output, Wires};
use crate::errand::{Errand, Warranted};
use crate::error::ControlError;
use crate::proof::Proof;
use crate::room::Room;

/// Plans that one takedown may need: after each cut the analysis looks again.
const WAVES_MAX: u64 = 6;
/// A cut undoes itself after this time unless the control room still stands behind it, in milliseconds.
const LEASE_MS: u64 = 24 * 3_600_000;
/// Port that every host answers on: the logon service.
pub(crate) const LOGON_PORT: u16 = 22;

impl<W: Wires> Room<W> {
    /// Plans, gets approved, cuts and proves the cut, again until nothing is left to cut. False if there was nothing at all.
    pub(crate) async fn contain(&mut self) -> Result<bool, ControlError> {
        let (mut refused, mut proof) = (BTreeSet::new(), Proof::default());
        for wave in 1..=WAVES_MAX {
            self.settle().await?;
            let impact = self.impact();
            let policy = self.config.policy.clone();
            let choices = options(&impact, &self.config.estate, &policy);
            let Some(choice) = choices.into_iter().find(|o| o.scale == policy.scale) else {
                return Ok(false);
            };
            let left_alone = self.cut_already().union(&refused).cloned().collect();
            let generation = self.next_generation();
            let plan = match takedown_plan(&choice, &impact, &self.config.estate, &policy, generation, &left_alone) {
                Ok(plan) => plan,
                Err(error) => {
                    if let ContainError::TooMuch { .. } = error {
                        self.ask_people(
                            "contain",
                            vec![format!("{error}: raise the cap, choose a smaller scale, or cut by hand")],
                        )?;
                    }
                    if wave == 1 {
                        return Ok(false);
                    }
                    break;
                }
            };
            if self.situation.phase == Phase::Watching {
                self.enter(Phase::Alarm, "an alarm needs a decision")?;
            }
            if self.situation.phase != Phase::Declared {
                self.enter(Phase::Declared, "a critical alarm; a takedown is proposed")?;
            }
            let by_hand = choice.by_hand.iter();
            let by_hand = by_hand.map(|id| format!("{id} has no guard: cut it by hand"));
            self.ask_people("contain", by_hand.chain(choice.undecided.values().cloned()).collect())?;
            let warrant = self.approvals(&plan).await?;
            self.execute_cut(&warrant, &choice).await?;
            proof.add(self.prove(&plan).await?);
            refused.extend(self.hand_over(&plan)?);
        }
        let reason = match (refused.len(), proof.unproven) {
            (0, 0) => "every planned cut is verified from both sides".to_owned(),
            (by_hand, unproven) => format!(
                "what guards can cut is cut; {by_hand} cuts are left to people, and {unproven} isolated systems are not proven to \
                 be unreachable by probes from both sides"
            ),
        };
        self.claim_cut(&proof).await?;
        self.enter(Phase::Contained, &reason)?;
        self.publish().await?;
        self.settle().await?;
        let impact = self.impact();
        let said = claims(&impact, &self.config.estate, &self.trace_config());
        let facts = std::iter::once(What::Assessed { impact }).chain(said.into_iter().map(|claim| What::Claimed { claim }));
        self.record("trace", facts.collect())?;
        self.enter(Phase::Assessed, "the impact analysis stands, with what it cannot know")?;
        self.publish().await?;
        Ok(true)
    }

    /// Targets of a plan that no guard cut: people must, and no further plan asks for them.
    fn hand_over(&mut self, plan: &PlanRecord) -> Result<Vec<String>, ControlError> {
        let cut = self.cut_already();
        let open: Vec<String> = plan
            .steps
            .iter()
            .map(|s| s.target.clone())
            .filter(|t| !cut.contains(t))
            .collect();
        let unconfirmed = open
            .iter()
            .map(|target| format!("no guard confirms that {target} is cut: cut it by hand"));
        self.ask_people("contain", unconfirmed.collect())?;
        Ok(open)
    }

    /// Leaves something to people; what they were asked before is not asked again.
    pub(crate) fn ask_people(&mut self, room: &str, whats: Vec<String>) -> Result<(), ControlError> {
        let asked = |what: &String| self.situation.open_decisions.contains(&format!("{room}: {what}"));
        let new = whats
            .into_iter()
            .filter(|what| !asked(what))
            .map(|what| What::DecisionOpen { room: room.into(), what });
        let new = new.collect();
        self.record(room, new)
    }

    pub(crate) fn cut_already(&self) -> BTreeSet<String> {
        let isolated = self
            .situation
            .hosts
            .iter()
            .filter(|(_, h)| h.isolated)
            .map(|(id, _)| id.clone());
        isolated.chain(self.situation.connections_cut.iter().cloned()).collect()
    }

    /// Connections first, then hosts: each group in one go at all guards.
    async fn execute_cut(&mut self, warrant: &Warranted, choice: &CutOption) -> Result<(), ControlError> {
        for action in ["cut-connection", "isolate-host"] {
            let steps: Vec<PlanStep> = warrant.plan.steps.iter().filter(|s| s.action == action).cloned().collect();
            let outcomes = self.execute_steps(warrant, &steps, |step| {
                Order::new(Action::Deny, "x-leckwehr:compartment", step.target.clone()).with("x-leckwehr:lease_ms", LEASE_MS)
            });
            for (step, done) in steps.iter().zip(outcomes.await?) {
                if done && action == "isolate-host" {
                    self.record(
                        &step.executor,
                        vec![What::HostIsolated {
                            system: step.target.clone(),
                            isolated: true,
                        }],
                    )?;
                } else if done {
                    self.record(
                        &step.executor,
                        vec![What::ConnectionCut {
                            connection: step.target.clone(),
                            cut: true,
                        }],
                    )?;
                }
            }
        }
        let reason = format!("takedown, {} scale", serde_word(&choice.scale));
        self.record_levels(&reason)
    }

    /// Intent for all, orders side by side, outcome for all. Returns which steps were done.
    pub(crate) async fn execute_steps(
        &mut self,
        warrant: &Warranted,
        steps: &[PlanStep],
        order: impl Fn(&PlanStep) -> Order,
    ) -> Result<Vec<bool>, ControlError> {
        let plan = &warrant.plan.hash;
        let intents = steps.iter().map(|s| What::StepIntended {
            plan: plan.clone(),
            step: s.number,
        });
        self.record("control-room", intents.collect())?;
        let errands = steps.iter().map(|s| Errand {
            executor: s.executor.clone(),
            order: order(s),
            step: Some(s.number),
        });
        let answers = self.run_errands(errands.collect(), Some(warrant)).await;
        let mut done = Vec::new();
        let mut facts = Vec::new();
        for (step, answer) in steps.iter().zip(answers) {
            done.push(answer.is_ok());
            let outcome = match answer {
                Ok(_) => StepOutcome::Verified {
                    evidence: format!("{} reports it done and its state shows it", step.executor),
                },
                Err(outcome) => outcome,
            };
            self.say(Output::Step {
                text: format!("{} {}", step.action, step.target),
            });
            facts.push(What::StepEnded {
                plan: plan.clone(),
                step: step.number,
                outcome,
            });
        }
        self.record("control-room", facts)?;
        Ok(done)
    }

    /// Records the level of every service as it follows from what is off the grid now.
    pub(crate) fn record_levels(&mut self, reason: &str) -> Result<(), ControlError> {
        let estate = &self.config.estate;
        let (systems, connections) = self.cut_already().into_iter().partition(|id| estate.systems.contains_key(id));
        let harmed = harm_of(estate, &systems, &connections).services;
        let mut changes = Vec::new();
        for id in estate.services.keys() {
            let mut level = harmed.get(id).copied().unwrap_or(ServiceLevel::Full);
            let before = self.situation.services.get(id).map(|s| s.level);
            if level == ServiceLevel::Full && before.is_some_and(|b| b < ServiceLevel::Full) {
                level = ServiceLevel::Provisional;
            }
            if before != Some(level) {
                changes.push(What::ServiceChanged {
                    service: id.clone(),
                    level,
                    reason: reason.to_owned(),
                });
            }
        }
        self.record("estate", changes)
    }
}

/// Executor name of a host's agent.
pub fn agent(system: &str) -> String {
    format!("agent:{system}")
}

fn serde_word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default()
}
