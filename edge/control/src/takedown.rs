use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use leckwehr_contain::{ContainError, harm_of};
use leckwehr_incident::{Phase, PlanKind, PlanRecord, PlanView, ServiceLevel, Situation, What};
use leckwehr_trace::claims;
use tokio::time::timeout;

use crate::actuator::Runbook;
use crate::choice::{chosen, planned};
use crate::config::{Output, Wires};
use crate::cut::CutActuator;
use crate::errand::Warranted;
use crate::error::ControlError;
use crate::execution::{Ended, Execution, NoFaults};
use crate::hands::{TakedownActuator, is_switch};
use crate::measures::{Takedown, TakedownEnd};
use crate::proof::{Proof, cut_now};
use crate::room::Room;

/// Plans that one takedown may need: after each cut the analysis looks again.
const WAVES_MAX: u64 = 6;
/// A cut undoes itself after this time unless the control room still stands behind it, in milliseconds.
const LEASE_MS: u64 = 24 * 3_600_000;
/// Age of a lease after which it is renewed, in milliseconds.
const RENEW_AFTER_MS: i64 = 8 * 3_600_000;
/// Milliseconds after which it is looked again whether the time of somebody's work is over.
const LOOK_MS: u64 = 1_000;
/// Port that every host answers on: the logon service.
pub(crate) const LOGON_PORT: u16 = 22;

impl<W: Wires> Room<W> {
    /// Plans, gets approved, cuts and proves the cut, again until nothing is left to cut. False if there was nothing at all.
    pub(crate) async fn contain(&mut self) -> Result<bool, ControlError> {
        let (mut refused, mut proof) = (BTreeSet::new(), Proof::default());
        // Of a room that was killed: its plans are ended as they were approved, before anything new is planned.
        let begun = self.takedowns();
        for plan in &begun {
            self.carry_out(plan, &mut refused, &mut proof).await?;
        }
        let waves = begun.len() as u64;
        for wave in waves + 1..=WAVES_MAX {
            self.settle().await?;
            let impact = self.impact();
            let (choice, inseparable) = chosen(&self.config, &impact);
            let instead =
                inseparable.map(|why| format!("{why}; what the attacker has is taken off the grid instead: look for more"));
            self.ask_people("contain", instead.into_iter().collect())?;
            let Some(choice) = choice else {
                if wave == 1 {
                    return Ok(false);
                }
                break;
            };
            let left_alone = self.cut_already().union(&refused).cloned().collect();
            let generation = self.next_generation();
            let plan = match planned(&self.config, &choice, &impact, generation, &left_alone) {
                Ok(plan) => plan,
                Err(error) => {
                    if !matches!(error, ContainError::Nothing) {
                        let remedy = "change the protocol or its caps, choose a smaller scale, or cut by hand";
                        self.ask_people("contain", vec![format!("{error}: {remedy}")])?;
                    }
                    if wave == 1 {
                        return Ok(false);
                    }
                    break;
                }
            };
            if self.journal.situation().phase == Phase::Watching {
                self.enter(Phase::Alarm, "an alarm needs a decision")?;
            }
            if self.journal.situation().phase != Phase::Declared {
                self.enter(Phase::Declared, "a critical alarm; a takedown is proposed")?;
            }
            let by_hand = choice.by_hand.iter();
            let by_hand = by_hand.map(|id| format!("{id} has no guard: cut it by hand"));
            self.ask_people("contain", by_hand.chain(choice.undecided.values().cloned()).collect())?;
            self.carry_out(&plan, &mut refused, &mut proof).await?;
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
        self.assess().await?;
        Ok(true)
    }

    /// Gets a plan approved and carried out, and proves it from both sides.
    async fn carry_out(
        &mut self,
        plan: &PlanRecord,
        refused: &mut BTreeSet<String>,
        proof: &mut Proof,
    ) -> Result<(), ControlError> {
        if !self.has_ended(plan) {
            let warrant = self.approvals(plan).await?;
            let ended = self.execute_cut(&warrant).await?;
            if let Ended::Stopped { reason } | Ended::Undone { reason } = ended {
                self.ask_people(
                    "contain",
                    vec![format!("plan {} was not carried through: {reason}", plan.hash)],
                )?;
            }
        }
        proof.add(self.prove(plan).await?);
        refused.extend(self.hand_over(plan)?);
        Ok(())
    }

    /// Says how far the attacker came, with what cannot be known.
    pub(crate) async fn assess(&mut self) -> Result<(), ControlError> {
        self.publish().await?;
        self.settle().await?;
        let impact = self.impact();
        let said = claims(&impact, &self.config.estate, &self.trace_config());
        let facts = std::iter::once(What::Assessed { impact }).chain(said.into_iter().map(|claim| What::Claimed { claim }));
        self.record("trace", facts.collect())?;
        self.enter(Phase::Assessed, "the impact analysis stands, with what it cannot know")?;
        self.publish().await
    }

    /// Targets of a plan that no guard cut: people must, and no further plan asks for them.
    fn hand_over(&mut self, plan: &PlanRecord) -> Result<Vec<String>, ControlError> {
        let cut = self.cut_already();
        let cuts = plan.steps.iter().filter(|step| is_switch(step));
        let open: Vec<String> = cuts.map(|s| s.target.clone()).filter(|t| !cut.contains(t)).collect();
        let unconfirmed = open
            .iter()
            .map(|target| format!("no guard confirms that {target} is cut: cut it by hand"));
        self.ask_people("contain", unconfirmed.collect())?;
        Ok(open)
    }

    /// Leaves something to people; what they were asked before is not asked again.
    pub(crate) fn ask_people(&mut self, room: &str, whats: Vec<String>) -> Result<(), ControlError> {
        let asked = |what: &String| self.journal.situation().open_decisions.contains(&format!("{room}: {what}"));
        let new = whats
            .into_iter()
            .filter(|what| !asked(what))
            .map(|what| What::DecisionOpen { room: room.into(), what });
        let new = new.collect();
        self.record(room, new)
    }

    pub(crate) fn cut_already(&self) -> BTreeSet<String> {
        cut_now(self.journal.situation())
    }

    /// Carries an approved takedown out, or goes on with it, stage after stage. While people have work, telemetry is taken in.
    pub(crate) async fn execute_cut(&mut self, warrant: &Warranted) -> Result<Ended, ControlError> {
        let (courier, life_lines) = (self.courier.clone(), self.config.life_lines.clone());
        let (estate, programs) = (self.config.estate.clone(), self.config.folder.join("work"));
        let (runbook, plan) = (Runbook::default(), &warrant.plan);
        let (takedown, mut told) = (Takedown::new(plan, &estate, self.config.minute_ms), BTreeSet::new());
        let ended = loop {
            // Words may have been renewed while people were waited for.
            let warrant = self.warrant_in_facts(plan);
            let ways = |situation: &Situation| {
                let cuts = CutActuator {
                    courier: &courier,
                    warrant: &warrant,
                    life_lines: &life_lines,
                    lease_ms: LEASE_MS,
                };
                TakedownActuator::new(cuts, &runbook, situation, &programs, Arc::new(NoFaults))
            };
            match takedown.run(&mut self.journal, &ways).await? {
                TakedownEnd::Ended(ended) => break ended,
                TakedownEnd::Waits { work, .. } => {
                    for (step, who) in work.into_iter().filter(|(step, _)| told.insert(*step)) {
                        let text = format!("step {step} waits for {who}");
                        self.say(Output::Step { text });
                    }
                    self.wait_for_people().await?;
                }
            }
        };
        for step in &warrant.plan.steps {
            self.say(Output::Step {
                text: format!("{} {}", step.action, step.target),
            });
        }
        let reason = match &ended {
            Ended::Undone { .. } => "a takedown was undone".to_owned(),
            _ => format!("takedown, {} scale", serde_word(&self.config.policy.scale)),
        };
        self.record_levels(&reason)?;
        self.plan_renewal();
        Ok(ended)
    }

    /// Waits a while for a word of somebody who has work.
    pub(crate) async fn wait_for_people(&mut self) -> Result<(), ControlError> {
        self.plan_renewal();
        if self.renew_at.is_some_and(|at| at <= self.wires.now()) {
            self.renew_leases().await?;
        }
        match timeout(Duration::from_millis(LOOK_MS), self.inputs.recv()).await {
            Err(_) => Ok(()),
            Ok(None) => Err(ControlError::Deserted),
            Ok(Some(input)) => {
                self.take(input)?;
                self.look()
            }
        }
    }

    /// Gives every cut that stands more time before it undoes itself.
    pub(crate) async fn renew_leases(&mut self) -> Result<(), ControlError> {
        let (courier, now) = (self.courier.clone(), self.wires.now());
        let horizon = now.plus_ms(LEASE_MS.cast_signed() - RENEW_AFTER_MS);
        let (cut, mut failed) = (self.cut_already(), Vec::new());
        for plan in self.standing(&cut) {
            let warrant = self.warrant_in_facts(&plan);
            let actuator = CutActuator {
                courier: &courier,
                warrant: &warrant,
                life_lines: &[],
                lease_ms: LEASE_MS,
            };
            let renewal = Execution::new(&plan, &actuator)
                .renew(&mut self.journal, horizon, |s| cut.contains(&s.target))
                .await?;
            failed.extend(renewal.failed);
        }
        self.plan_renewal();
        let failed = failed.into_iter();
        let words = failed.map(|(target, why)| format!("the cut of {target} will undo itself, it cannot be renewed: {why}"));
        self.ask_people("contain", words.collect())
    }

    /// Takedown plans with a cut that still stands.
    fn standing(&self, cut: &BTreeSet<String>) -> Vec<PlanRecord> {
        let views = self.journal.situation().plans.values();
        let takedowns = views.filter(|view| view.plan.kind == PlanKind::Takedown);
        let stands = |view: &&PlanView| {
            let mut steps = view.plan.steps.iter();
            steps.any(|s| view.stands(s.number) && cut.contains(&s.target))
        };
        takedowns.filter(stands).map(|view| view.plan.clone()).collect()
    }

    /// Notes when leases are to be renewed next.
    fn plan_renewal(&mut self) {
        let cut = self.cut_already();
        let ends = self.journal.situation().plans.values().flat_map(|view| {
            let standing = view
                .plan
                .steps
                .iter()
                .filter(|s| view.stands(s.number) && cut.contains(&s.target));
            standing.filter_map(|s| view.leases.get(&s.number))
        });
        let left_ms = LEASE_MS.cast_signed() - RENEW_AFTER_MS;
        self.renew_at = ends.min().map(|end| end.plus_ms(-left_ms));
    }

    /// Records the level of every service as it follows from what is off the grid now.
    pub(crate) fn record_levels(&mut self, reason: &str) -> Result<(), ControlError> {
        let estate = &self.config.estate;
        let (systems, connections) = self.cut_already().into_iter().partition(|id| estate.systems.contains_key(id));
        let harmed = harm_of(estate, &systems, &connections).services;
        let mut changes = Vec::new();
        for id in estate.services.keys() {
            let mut level = harmed.get(id).copied().unwrap_or(ServiceLevel::Full);
            let before = self.journal.situation().services.get(id).map(|s| s.level);
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
