//! Who carries out each step of a takedown: guards, a clock, programs of the runbook, or people who sign.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;
use leckwehr_contain::protocol::{Measure, Turn, turn};
use leckwehr_estate::Estate;
use leckwehr_incident::{PlanStep, PlanView, Situation, StepOutcome, Timestamp, What};

use crate::actuator::{Runbook, RunbookActuator, WithoutOrders};
use crate::config::Wires;
use crate::course::{Manner, Ways};
use crate::cut::CutActuator;
use crate::execution::{Actuator, Faults, Reading};

/// Programs that run side by side.
pub(crate) const SIDE_BY_SIDE_MAX: usize = 16;

const NOT_CONFIRMED: &str = "nobody confirmed that it was done by hand";
const NOT_OVER: &str = "the time of the notice is not over";

/// Carries out every step of a takedown: at guards, by programs, or by people.
pub struct TakedownActuator<'a, W> {
    cuts: CutActuator<'a, W>,
    runbook: RunbookActuator<'a, WithoutOrders>,
    view: PlanView,
}

/// Who does a step.
enum Doer {
    Guard,
    Clock,
    Program,
    People,
}

impl<'a, W: Wires> TakedownActuator<'a, W> {
    /// Puts it together for the situation as it is. `work` is a folder for the locks of programs.
    pub fn new(
        cuts: CutActuator<'a, W>,
        runbook: &'a Runbook,
        situation: &Situation,
        work: &Path,
        faults: Arc<dyn Faults>,
    ) -> Self {
        let plan = &cuts.warrant.plan;
        let view = situation.plans.get(&plan.hash).cloned();
        Self {
            view: view.unwrap_or_else(|| PlanView::new(plan.clone(), Timestamp::default())),
            runbook: RunbookActuator::new(runbook, &WithoutOrders, plan, situation, work, faults),
            cuts,
        }
    }

    fn doer(&self, step: &PlanStep) -> Doer {
        let is_people = step.executor.starts_with("crew:") || step.executor.starts_with("party:");
        if is_switch(step) && !is_people {
            Doer::Guard
        } else if step.action == Measure::AwaitNotice.name() {
            Doer::Clock
        } else if self.runbook.is_by_hand(step) {
            Doer::People
        } else {
            Doer::Program
        }
    }

    fn word_for(&self, step: &PlanStep) -> Option<String> {
        let word = self.view.work.get(&step.number)?.confirmed.as_ref()?;
        Some(format!("{} at {}: {}", word.person, word.at, word.reason))
    }

    fn read_word(&self, step: &PlanStep) -> Reading {
        let is_begun = self.view.steps.contains_key(&step.number);
        match self.word_for(step).filter(|_| is_begun) {
            Some(state) => Reading::Done { state },
            None => Reading::NotDone {
                state: "nobody did it".to_owned(),
            },
        }
    }

    fn read_clock(&self, step: &PlanStep) -> Reading {
        match turn(&self.view, step, self.cuts.courier.wires().now()) {
            Turn::Now => Reading::Done {
                state: "the time of the notice is over".to_owned(),
            },
            Turn::Later { .. } => Reading::NotDone {
                state: NOT_OVER.to_owned(),
            },
            Turn::Never { reason } => Reading::Held { reason },
        }
    }

    async fn act_one(&self, step: &PlanStep) -> Result<(), StepOutcome> {
        let not_applied = |reason: &str| StepOutcome::NotApplied {
            reason: reason.to_owned(),
        };
        let step_alone = std::slice::from_ref(step);
        let mut answers = match self.doer(step) {
            Doer::Guard => self.cuts.act(step_alone).await,
            Doer::Program => self.runbook.act(step_alone).await,
            Doer::Clock => return Err(not_applied(NOT_OVER)),
            Doer::People => return self.word_for(step).map(drop).ok_or_else(|| not_applied(NOT_CONFIRMED)),
        };
        answers.pop().unwrap_or_else(|| Err(not_applied("nothing does it")))
    }
}

impl<W: Wires> Actuator for TakedownActuator<'_, W> {
    async fn read(&self, step: &PlanStep) -> Reading {
        match self.doer(step) {
            Doer::Guard => self.cuts.read(step).await,
            Doer::Clock => self.read_clock(step),
            Doer::Program => self.runbook.read(step).await,
            Doer::People => self.read_word(step),
        }
    }

    async fn act(&self, steps: &[PlanStep]) -> Vec<Result<(), StepOutcome>> {
        if steps.iter().all(|step| matches!(self.doer(step), Doer::Guard)) {
            return self.cuts.act(steps).await;
        }
        let mut answers = Vec::with_capacity(steps.len());
        for some in steps.chunks(SIDE_BY_SIDE_MAX) {
            answers.extend(join_all(some.iter().map(|step| self.act_one(step))).await);
        }
        answers
    }

    async fn verify(&self, step: &PlanStep) -> StepOutcome {
        let seen = match self.doer(step) {
            Doer::Guard => return self.cuts.verify(step).await,
            Doer::Program => return self.runbook.verify(step).await,
            Doer::Clock => match self.read_clock(step) {
                Reading::Done { state } => Some(state),
                _ => None,
            },
            Doer::People => self.word_for(step),
        };
        match seen {
            Some(evidence) => StepOutcome::Verified { evidence },
            None => StepOutcome::Doubtful {
                reason: format!("{NOT_CONFIRMED}, or {NOT_OVER}"),
            },
        }
    }

    async fn undo(&self, step: &PlanStep, before: &str) -> Result<(), StepOutcome> {
        match self.doer(step) {
            Doer::Guard => self.cuts.undo(step, before).await,
            Doer::Clock => Ok(()),
            Doer::Program | Doer::People => self.runbook.undo(step, before).await,
        }
    }

    async fn renew(&self, steps: &[PlanStep]) -> Vec<Result<Option<Timestamp>, StepOutcome>> {
        self.cuts.renew(steps).await
    }

    async fn life_lines(&self) -> BTreeMap<String, bool> {
        self.cuts.life_lines().await
    }

    fn consequences(&self, step: &PlanStep, undone: bool) -> Vec<What> {
        if !is_switch(step) {
            return Vec::new();
        }
        let mut facts = self.cuts.consequences(step, undone);
        // What people or programs cut does not come back by itself.
        let by_guard = matches!(self.doer(step), Doer::Guard);
        facts.retain(|fact| by_guard || !matches!(fact, What::LeaseGiven { .. }));
        facts
    }
}

impl<W: Wires> Ways for TakedownActuator<'_, W> {
    fn manner(&self, step: &PlanStep, estate: &Estate) -> Manner {
        match (self.doer(step), self.runbook.manner(step, estate)) {
            // Whose word counts is the plan's to say, not the runbook's.
            (Doer::People, Manner::ByHand { what, due_ms, .. }) => Manner::ByHand {
                owner: step.executor.clone(),
                what,
                due_ms,
            },
            _ => Manner::ByProgram,
        }
    }
}

/// Whether the step cuts or brings back.
pub(crate) fn is_switch(step: &PlanStep) -> bool {
    let measure = Measure::of_action(&step.action);
    matches!(
        measure,
        Some(Measure::CutConnection | Measure::IsolateHost | Measure::Reconnect)
    )
}
