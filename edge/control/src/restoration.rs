use std::collections::{BTreeMap, BTreeSet};

use leckwehr_crypt::{hex, random_bytes};
use leckwehr_guard::{Action, Order};
use leckwehr_incident::{Claim, ClaimTopic, Confidence, Phase, PlanStep, ServiceLevel, StepOutcome, What};
use leckwehr_restore::{RestoreConfig, RestorePlan, StepKind, plan_restore};

use crate::config::{Output, Wires};
use crate::errand::{Errand, Warranted};
use crate::error::ControlError;
use crate::room::Room;
use crate::takedown::agent;

/// Hours until a claim of this room must be looked at again.
pub(crate) const REVIEW_MS: i64 = 6 * 3_600_000;

impl<W: Wires> Room<W> {
    /// Plans the return, gets it approved, and brings everything back wave by wave.
    pub(crate) async fn restore(&mut self) -> Result<(), ControlError> {
        let generation = self.next_generation();
        let config = RestoreConfig {
            generation,
            minute_ms: self.config.minute_ms,
            ..RestoreConfig::default()
        };
        let plan = plan_restore(self.journal.situation(), &self.config.estate, &config);
        let open = plan
            .open_decisions
            .iter()
            .chain(&plan.warnings)
            .map(|what| What::DecisionOpen {
                room: "restore".into(),
                what: what.clone(),
            });
        let open = open.collect();
        self.record("restore", open)?;
        let warrant = self.approvals(&plan.to_record()).await?;
        // A room that was killed while it restored plans the rest anew.
        if self.journal.situation().phase != Phase::Restoring {
            self.enter(Phase::Restoring, "the restoration plan is approved")?;
        }
        self.publish().await?;
        let waves: BTreeSet<u32> = plan.steps.iter().map(|s| s.wave).collect();
        for wave in waves {
            self.run_wave(&plan, wave, &warrant).await?;
            self.take_waiting()?;
        }
        self.record_levels("restored, under observation")?;
        self.claim_restoration()?;
        self.claim_lifted()?;
        let reason = self.how_it_ended(&warrant);
        self.enter(Phase::Recovered, &reason)?;
        self.publish().await
    }

    async fn run_wave(&mut self, plan: &RestorePlan, wave: u32, warrant: &Warranted) -> Result<(), ControlError> {
        let kinds = [
            StepKind::RotateCredentials,
            StepKind::Sweep,
            StepKind::RestoreFiles,
            StepKind::Probe,
            StepKind::Reconnect,
        ];
        for kind in kinds {
            let numbers: BTreeSet<u32> = plan
                .steps
                .iter()
                .filter(|s| s.wave == wave && s.kind == kind)
                .map(|s| s.number)
                .collect();
            let steps: Vec<PlanStep> = warrant
                .plan
                .steps
                .iter()
                .filter(|s| numbers.contains(&s.number))
                .cloned()
                .collect();
            if steps.is_empty() {
                continue;
            }
            match kind {
                StepKind::RotateCredentials => self.rotate(warrant, &steps).await?,
                StepKind::Sweep => {
                    let sweep = |step: &PlanStep| Order::new(Action::Investigate, "x-leckwehr:system", step.target.clone());
                    self.execute_steps(warrant, &steps, sweep).await?;
                }
                StepKind::RestoreFiles => {
                    for step in &steps {
                        self.restore_files(warrant, step).await?;
                    }
                }
                StepKind::Probe => self.probe_steps(warrant, &steps).await?,
                StepKind::Reconnect => {
                    let passed = self.hold_back(plan, warrant, steps)?;
                    self.reconnect(warrant, &passed).await?;
                }
            }
        }
        Ok(())
    }

    /// Gives each stolen account a new secret on every system it is valid on, under the step's warrant.
    async fn rotate(&mut self, warrant: &Warranted, steps: &[PlanStep]) -> Result<(), ControlError> {
        for step in steps {
            self.intend(warrant, step)?;
            let secret = hex(&random_bytes::<16>().map_err(|error| ControlError::Keys(Box::new(error)))?);
            let (executors, missing) = self.agents_of(&step.target);
            let order =
                Order::new(Action::Set, "x-leckwehr:account", step.target.clone()).with("x-leckwehr:secret", secret.clone());
            let errands = executors.iter().map(|e| Errand {
                executor: e.clone(),
                order: order.clone(),
                steps: vec![step.number],
            });
            let answers = self.run_errands(errands.collect(), Some(warrant)).await;
            let refused = executors.iter().zip(&answers).filter(|(_, answer)| answer.is_err());
            let silent: Vec<String> = refused.map(|(executor, _)| executor.clone()).chain(missing).collect();
            let outcome = match (executors.len(), silent.as_slice()) {
                (0, []) => StepOutcome::Doubtful {
                    reason: "no agent is there to change it".into(),
                },
                (agents, []) => StepOutcome::Verified {
                    evidence: format!("changed by {agents} agents"),
                },
                (_, silent) => StepOutcome::Doubtful {
                    reason: format!("the change is not confirmed by {}", silent.join(", ")),
                },
            };
            self.end(warrant, step, outcome)?;
            self.say(Output::Secret {
                account: step.target.clone(),
                secret,
            });
        }
        Ok(())
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

    async fn reconnect(&mut self, warrant: &Warranted, steps: &[PlanStep]) -> Result<(), ControlError> {
        let allow = |step: &PlanStep| Order::new(Action::Allow, "x-leckwehr:compartment", step.target.clone());
        let done = self.execute_steps(warrant, steps, allow).await?;
        let unconfirmed = steps.iter().zip(&done).filter(|(_, done)| !**done);
        let unconfirmed = unconfirmed.map(|(s, _)| format!("{} does not confirm that {} is reconnected", s.executor, s.target));
        self.ask_people("restore", unconfirmed.collect())?;
        for (step, done) in steps.iter().zip(done) {
            let target = step.target.clone();
            match done {
                true if self.config.estate.connections.contains_key(&target) => {
                    self.record(
                        &step.executor,
                        vec![What::ConnectionCut {
                            connection: target,
                            cut: false,
                        }],
                    )?;
                }
                true => self.record(
                    &step.executor,
                    vec![What::HostIsolated {
                        system: target,
                        isolated: false,
                    }],
                )?,
                false => {}
            }
        }
        self.record_levels("restored, under observation")
    }

    pub(crate) fn intend(&mut self, warrant: &Warranted, step: &PlanStep) -> Result<(), ControlError> {
        self.record(
            "control-room",
            vec![What::StepIntended {
                plan: warrant.plan.hash.clone(),
                step: step.number,
            }],
        )
    }

    pub(crate) fn end(&mut self, warrant: &Warranted, step: &PlanStep, outcome: StepOutcome) -> Result<(), ControlError> {
        self.say(Output::Step {
            text: format!("{} {}", step.action, step.target),
        });
        self.record(
            "control-room",
            vec![What::StepEnded {
                plan: warrant.plan.hash.clone(),
                step: step.number,
                outcome,
            }],
        )
    }

    /// Says which services are back. Only what was verified is said.
    fn claim_restoration(&mut self) -> Result<(), ControlError> {
        let review_by = self.wires.now().plus_ms(REVIEW_MS);
        let back = self
            .journal
            .situation()
            .services
            .iter()
            .filter(|(_, s)| s.level == ServiceLevel::Provisional);
        let claims = back.map(|(id, _)| {
            let name = self.config.estate.services.get(id).map_or(id.as_str(), |s| s.name.as_str());
            let claim = Claim {
                id: format!("claim-restored-{id}"),
                topic: ClaimTopic::ServiceRestored { service: id.clone() },
                text: BTreeMap::from([
                    ("de".to_owned(), format!("{name}: läuft wieder, unter Beobachtung.")),
                    ("en".to_owned(), format!("{name}: works again, under observation.")),
                ]),
                confidence: Confidence::Likely,
                evidence: vec!["the steps of the restoration plan in the ledger".into()],
                coverage: "every system it needs is back on the grid and answers its own probe".into(),
                not_seen: "use by customers since then".into(),
                review_by,
            };
            What::Claimed { claim }
        });
        let claims = claims.collect();
        self.record("restore", claims)
    }
}
