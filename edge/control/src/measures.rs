//! Carries a takedown, or the return of partners, through as the protocol has it.
//!
//! ```text
//!   cut at once ─► notify ─► wait ─► drain ─► flush ─► snapshot ─► cut ─► capture ─► power off     one stage after another
//!        └─ the first cut alone
//!   attest ─► accept ─► reconnect                                                            each partner for itself
//! ```
//!
//! Guards cut; programs of the runbook do what it names; the rest is people's work, which ends with a signed word or with its time:
//! a crew that cannot be reached holds no takedown up. What must not be done without it ([`turn`]) is not done then.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use leckwehr_contain::protocol::{Measure, Turn, is_reconnection, turn};
use leckwehr_estate::Estate;
use leckwehr_incident::{PlanRecord, PlanStep, PlanView, Situation, StepOutcome, Timestamp, What};

use crate::actuator::{RunbookActuator, WithoutOrders};
use crate::config::Wires;
use crate::course::{Manner, Ways};
use crate::cut::CutActuator;
use crate::error::ControlError;
use crate::execution::{Actuator, Ended, Execution, Journal, Reading, by_action, refused_steps};

/// Programs that run side by side.
const SIDE_BY_SIDE_MAX: usize = 16;

const BY: &str = "control-room";
const NOT_CONFIRMED: &str = "nobody confirmed that it was done by hand";
const NOT_OVER: &str = "the time of the notice is not over";

/// Carries out every step of a takedown: at guards, by programs, or by people.
pub struct TakedownActuator<'a, W> {
    cuts: CutActuator<'a, W>,
    runbook: RunbookActuator<'a, WithoutOrders>,
    view: PlanView,
    now: Timestamp,
}

/// Who does a step.
enum Doer {
    Guard,
    Clock,
    Program,
    People,
}

impl<'a, W: Wires> TakedownActuator<'a, W> {
    /// Puts it together for the situation as it is.
    pub fn new(cuts: CutActuator<'a, W>, runbook: RunbookActuator<'a, WithoutOrders>, situation: &Situation) -> Self {
        let plan = &cuts.warrant.plan;
        let view = situation.plans.get(&plan.hash).cloned();
        Self {
            view: view.unwrap_or_else(|| PlanView::new(plan.clone(), Timestamp::default())),
            now: cuts.courier.wires().now(),
            runbook,
            cuts,
        }
    }

    fn doer(&self, step: &PlanStep) -> Doer {
        if is_switch(step) && self.cuts.courier.executors().any(|name| name == step.executor) {
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
        match turn(&self.view, step, self.now) {
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

/// How far a takedown came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakedownEnd {
    /// It ended, was stopped, or was undone.
    Ended(Ended),
    /// Nothing can be done until people did what the ledger says and signed for it, or a time has passed.
    Waits {
        /// The steps that wait, each with who has it.
        work: Vec<(u32, String)>,
        /// When it may go on without anybody's doing.
        until: Option<Timestamp>,
    },
}

/// An approved takedown on its way.
pub struct Takedown<'a> {
    plan: &'a PlanRecord,
    estate: &'a Estate,
    canary: bool,
    /// Tried again once, though they ended without having been applied.
    again: BTreeSet<u32>,
}

/// What is to be done next.
enum Next {
    Do(Vec<u32>),
    Record(Vec<What>),
    End(TakedownEnd),
}

impl<'a> Takedown<'a> {
    /// Prepares to carry out an approved plan, its first cut alone. Whether it is approved is for the caller to know.
    pub fn new(plan: &'a PlanRecord, estate: &'a Estate) -> Self {
        Self {
            plan,
            estate,
            canary: true,
            again: BTreeSet::new(),
        }
    }

    /// Does not try the first cut alone.
    #[must_use]
    pub fn without_canary(mut self) -> Self {
        self.canary = false;
        self
    }

    /// Also tries steps again, once, that ended without having been applied, because somebody asks for it.
    pub fn again(mut self, journal: &Journal) -> Result<Self, ControlError> {
        let refused = refused_steps(journal.plan(&self.plan.hash)?);
        self.again = refused.into_iter().map(|step| step.number).collect();
        Ok(self)
    }

    /// Carries the plan on, from wherever the facts say that it is, until nothing is left that can be done now.
    ///
    /// # Errors
    /// The journal cannot be written: the next effect is not begun.
    pub async fn run<A: Ways>(
        &mut self,
        journal: &mut Journal,
        ways: impl Fn(&Situation) -> A,
    ) -> Result<TakedownEnd, ControlError> {
        loop {
            let actuator = ways(journal.situation());
            let view = journal.plan(&self.plan.hash)?;
            if view.undo.is_some() {
                let ended = Execution::new(self.plan, &actuator).run(journal).await?;
                return Ok(TakedownEnd::Ended(ended));
            }
            match self.next(view, journal.now(), &actuator) {
                Next::End(end) => return Ok(end),
                Next::Record(facts) => {
                    for fact in &facts {
                        if let What::StepEnded { step, .. } = fact {
                            self.again.remove(step);
                        }
                    }
                    journal.record(BY, facts)?;
                }
                Next::Do(batch) => {
                    self.again.retain(|step| !batch.contains(step));
                    let execution = Execution::new(self.plan, &actuator).in_stages(vec![batch]);
                    let ended = execution.again(journal)?.run(journal).await?;
                    if ended != Ended::Complete {
                        return Ok(TakedownEnd::Ended(ended));
                    }
                }
            }
        }
    }

    fn next<A: Ways>(&self, view: &PlanView, now: Timestamp, actuator: &A) -> Next {
        let open = self.open(view);
        if open.is_empty() {
            return Next::End(TakedownEnd::Ended(Ended::Complete));
        }
        let canary = self.canary(actuator);
        if let Some(reason) = canary.and_then(|step| self.failure_of(step, view)) {
            return Next::End(TakedownEnd::Ended(Ended::Stopped { reason }));
        }
        let (mut batch, mut facts, mut work, mut looks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for step in open {
            match turn(view, step, now) {
                Turn::Never { reason } => facts.push(self.left_out(step, reason)),
                Turn::Later { at } => {
                    looks.extend(at);
                    work.push((step.number, step.executor.clone()));
                }
                Turn::Now => match actuator.manner(step, self.estate) {
                    Manner::ByProgram => batch.push(step.number),
                    Manner::ByHand { owner, what, due_ms } => match view.work.get(&step.number) {
                        Some(given) if given.confirmed.is_some() => batch.push(step.number),
                        Some(given) if given.due <= now => {
                            facts.push(self.left_out(step, format!("{owner} did not confirm it by {}", given.due)));
                        }
                        Some(given) => {
                            looks.push(given.due);
                            work.push((step.number, owner));
                        }
                        None => facts.push(What::WorkGiven {
                            plan: self.plan.hash.clone(),
                            step: step.number,
                            owner,
                            due: now.plus_ms(i64::try_from(due_ms).unwrap_or(i64::MAX)),
                            what,
                        }),
                    },
                },
            }
        }
        if let Some(canary) = canary.filter(|step| batch.contains(step)) {
            batch = vec![canary];
        }
        match (facts.is_empty(), batch.is_empty()) {
            (false, _) => Next::Record(facts),
            (true, false) => Next::Do(batch),
            (true, true) => Next::End(TakedownEnd::Waits {
                work,
                until: looks.into_iter().min(),
            }),
        }
    }

    /// The open steps of the first stage that has any; of a return of partners all, since none waits for another.
    fn open(&self, view: &PlanView) -> Vec<&'a PlanStep> {
        let is_open = |step: u32| {
            let is_ended = view.steps.get(&step).is_some_and(|s| s.ended.is_some());
            !is_ended || self.again.contains(&step)
        };
        let stages = match is_reconnection(&self.plan.steps) {
            true => vec![self.plan.steps.iter().map(|s| s.number).collect()],
            false => by_action(self.plan),
        };
        let stage = stages.into_iter().find(|stage| stage.iter().any(|step| is_open(*step)));
        let stage = stage.unwrap_or_default();
        let steps = self.plan.steps.iter();
        steps.filter(|s| stage.contains(&s.number) && is_open(s.number)).collect()
    }

    /// The first cut that a guard or a program does, if another comes after it.
    fn canary<A: Ways>(&self, actuator: &A) -> Option<u32> {
        let is_cut = |step: &&PlanStep| {
            let by_program = actuator.manner(step, self.estate) == Manner::ByProgram;
            is_switch(step) && step.action != Measure::Reconnect.name() && by_program
        };
        let mut cuts = self.plan.steps.iter().filter(is_cut);
        let first = cuts.next().map(|step| step.number);
        first.filter(|_| self.canary && cuts.next().is_some())
    }

    fn failure_of(&self, canary: u32, view: &PlanView) -> Option<String> {
        let (_, outcome) = view.steps.get(&canary)?.ended.as_ref()?;
        match outcome {
            StepOutcome::NotApplied { reason } | StepOutcome::Doubtful { reason } if !self.again.contains(&canary) => Some(
                format!("step {canary} was tried alone first and is not verified ({reason}); nothing else was begun"),
            ),
            _ => None,
        }
    }

    fn left_out(&self, step: &PlanStep, reason: String) -> What {
        What::StepEnded {
            plan: self.plan.hash.clone(),
            step: step.number,
            outcome: StepOutcome::NotApplied { reason },
        }
    }
}
