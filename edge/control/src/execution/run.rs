use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use leckwehr_incident::{PlanRecord, PlanStep, StepOutcome, What};

use crate::error::ControlError;
use crate::execution::actuator::{Actuator, Reading};
use crate::execution::fault::Point;
use crate::execution::journal::Journal;
use crate::execution::open::{by_action, open_steps};

/// Who writes the facts of an execution.
pub(crate) const BY: &str = "control-room";

/// An approved plan and what carries it out. Making one does nothing.
pub struct Execution<'a, A> {
    pub(crate) plan: &'a PlanRecord,
    pub(crate) actuator: &'a A,
    stages: Vec<Vec<u32>>,
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Every step ended, one way or another: the facts say how.
    Complete,
    /// The first cut, which is done alone, was not verified, or what is done cannot be written down. The rest was not begun.
    Stopped {
        /// Why.
        reason: String,
    },
    /// The plan was undone.
    Undone {
        /// Why.
        reason: String,
    },
}

impl<'a, A: Actuator> Execution<'a, A> {
    /// Prepares to carry out a plan in stages of like steps.
    pub fn new(plan: &'a PlanRecord, actuator: &'a A) -> Self {
        let stages = by_action(plan);
        Self { plan, actuator, stages }
    }

    /// Replaces the stages: the steps of one stage are done side by side, stages one after another.
    #[must_use]
    pub fn in_stages(mut self, stages: Vec<Vec<u32>>) -> Self {
        self.stages = stages;
        self
    }

    /// Reads every target without changing anything, and records what is in the way of each step.
    pub async fn rehearse(&self, journal: &mut Journal) -> Result<Vec<String>, ControlError> {
        let mut problems = Vec::new();
        for step in &self.plan.steps {
            let (action, target) = (&step.action, &step.target);
            match self.read(journal, step).await? {
                Reading::NotDone { .. } => {}
                Reading::Done { .. } => problems.push(format!("step {}: {target} is so already", step.number)),
                Reading::Held { reason } => {
                    problems.push(format!("step {}, {action} {target}, is held back: {reason}", step.number));
                }
                Reading::Unknown { reason } => {
                    problems.push(format!("step {}, {action} {target}, cannot be tried: {reason}", step.number));
                }
            }
        }
        let life_lines = self.actuator.life_lines().await;
        let silent = life_lines.into_iter().filter(|(_, answers)| !answers);
        problems.extend(silent.map(|(line, _)| format!("the life-line {line} does not answer")));
        let plan = self.plan.hash.clone();
        let whats = vec![What::PlanRehearsed {
            plan,
            problems: problems.clone(),
        }];
        journal.record(BY, whats)?;
        Ok(problems)
    }

    /// Carries the plan out, from wherever the facts say that it is. Whether it is approved is for the caller to know.
    ///
    /// # Errors
    /// The journal cannot be written: the plan stops before the next effect.
    pub async fn run(&self, journal: &mut Journal) -> Result<Ended, ControlError> {
        if let Some((_, _, reason)) = &journal.plan(&self.plan.hash)?.undo {
            let reason = reason.clone();
            self.unwind(journal).await?;
            return Ok(Ended::Undone { reason });
        }
        if let Some(ended) = self.check_life_lines(journal).await? {
            return Ok(ended);
        }
        for stage in &self.stages {
            let view = journal.plan(&self.plan.hash)?;
            let open = open_steps(view);
            let steps: Vec<PlanStep> = open.into_iter().filter(|s| stage.contains(&s.number)).cloned().collect();
            if !steps.is_empty() {
                self.stage(journal, &steps).await?;
                if let Some(ended) = self.check_life_lines(journal).await? {
                    return Ok(ended);
                }
            }
        }
        Ok(Ended::Complete)
    }

    /// Reads, intends, acts, verifies and records the ends of steps of one stage.
    async fn stage(&self, journal: &mut Journal, steps: &[PlanStep]) -> Result<(), ControlError> {
        let views = journal.plan(&self.plan.hash)?.steps.iter();
        let begun: BTreeSet<u32> = views.filter(|(_, s)| s.ended.is_none()).map(|(n, _)| *n).collect();
        let mut outcomes = BTreeMap::new();
        let (mut intents, mut to_do, mut to_verify) = (Vec::new(), Vec::new(), Vec::new());
        let readings = join_all(steps.iter().map(|step| self.read(journal, step))).await;
        for (step, reading) in steps.iter().zip(readings) {
            let was_begun = begun.contains(&step.number);
            let seen = match reading? {
                Reading::NotDone { state } => {
                    to_do.push(step.clone());
                    Some(state)
                }
                Reading::Done { state } => {
                    to_verify.push(step.clone());
                    Some(state)
                }
                Reading::Held { reason } => {
                    let reason = format!("held back: {reason}");
                    outcomes.insert(step.number, StepOutcome::NotApplied { reason });
                    None
                }
                Reading::Unknown { reason } if was_begun => {
                    let reason = format!("it was begun, and what became of it cannot be read: {reason}");
                    outcomes.insert(step.number, StepOutcome::Doubtful { reason });
                    None
                }
                Reading::Unknown { reason } => {
                    outcomes.insert(step.number, StepOutcome::NotApplied { reason });
                    None
                }
            };
            if !was_begun {
                let (plan, step) = (self.plan.hash.clone(), step.number);
                intents.extend(seen.map(|state| What::StepSeen {
                    plan: plan.clone(),
                    step,
                    state,
                }));
                intents.push(What::StepIntended { plan, step });
            }
        }
        journal.record(BY, intents)?;
        for (step, done) in self.act(journal, to_do).await? {
            match done {
                Ok(()) => to_verify.push(step),
                // An answer that was lost says nothing; the world does.
                Err(outcome @ StepOutcome::Doubtful { .. }) => match self.read(journal, &step).await? {
                    Reading::Done { .. } => to_verify.push(step),
                    _ => drop(outcomes.insert(step.number, outcome)),
                },
                Err(outcome) => drop(outcomes.insert(step.number, outcome)),
            }
        }
        journal.pass(Point::BeforeVerify)?;
        let verified = join_all(to_verify.iter().map(|step| self.actuator.verify(step))).await;
        journal.pass(Point::AfterVerify)?;
        outcomes.extend(to_verify.iter().map(|step| step.number).zip(verified));
        let mut ends = Vec::new();
        for step in steps {
            let Some(outcome) = outcomes.remove(&step.number) else {
                continue;
            };
            let is_verified = matches!(outcome, StepOutcome::Verified { .. });
            ends.push(What::StepEnded {
                plan: self.plan.hash.clone(),
                step: step.number,
                outcome,
            });
            if is_verified {
                ends.extend(self.actuator.consequences(step, false));
            }
        }
        journal.record(BY, ends)
    }

    /// Hands the steps to their executors, side by side; one transaction each.
    async fn act(
        &self,
        journal: &Journal,
        steps: Vec<PlanStep>,
    ) -> Result<Vec<(PlanStep, Result<(), StepOutcome>)>, ControlError> {
        let mut groups: BTreeMap<String, Vec<PlanStep>> = BTreeMap::new();
        for step in steps {
            groups.entry(step.executor.clone()).or_default().push(step);
        }
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        journal.pass(Point::BeforeAct)?;
        let answers = join_all(groups.values().map(|steps| self.actuator.act(steps))).await;
        journal.pass(Point::AfterAct)?;
        let mut done = Vec::new();
        for (steps, answers) in groups.into_values().zip(answers) {
            let mut answers = answers.into_iter();
            for step in steps {
                let none = || StepOutcome::Doubtful {
                    reason: format!("{} said nothing of it", step.executor),
                };
                let answer = answers.next().unwrap_or_else(|| Err(none()));
                done.push((step, answer));
            }
        }
        Ok(done)
    }

    pub(crate) async fn read(&self, journal: &Journal, step: &PlanStep) -> Result<Reading, ControlError> {
        journal.pass(Point::BeforeRead)?;
        let reading = self.actuator.read(step).await;
        journal.pass(Point::AfterRead)?;
        Ok(reading)
    }
}
