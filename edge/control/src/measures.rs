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

use std::collections::BTreeMap;

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
            runbook,
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
    minute_ms: u64,
}

/// What is to be done next.
enum Next {
    Do(Vec<u32>),
    Record(Vec<What>),
    End(TakedownEnd),
}

/// Open steps, sorted by what they wait for.
#[derive(Default)]
struct Open<'p> {
    /// A guard, a program or a signed word can end them now.
    ready: Vec<&'p PlanStep>,
    /// People's, with who has them and what is to be done.
    by_hand: Vec<(&'p PlanStep, String, String, u64)>,
    /// Another step or a time comes first.
    later: Vec<(&'p PlanStep, Option<Timestamp>)>,
    /// What they need was not done.
    never: Vec<(&'p PlanStep, String)>,
}

impl Open<'_> {
    /// Whether something here holds the next stage back. A notice whose time runs does not: only its own connection waits for it.
    fn blocks(&self) -> bool {
        !(self.ready.is_empty() && self.by_hand.is_empty() && self.never.is_empty())
    }
}

impl<'a> Takedown<'a> {
    /// Prepares to carry out an approved plan, its first cut alone. Whether it is approved is for the caller to know. A planned
    /// minute has `minute_ms` milliseconds.
    pub fn new(plan: &'a PlanRecord, estate: &'a Estate, minute_ms: u64) -> Self {
        Self {
            plan,
            estate,
            canary: true,
            minute_ms,
        }
    }

    /// Does not try the first cut alone.
    #[must_use]
    pub fn without_canary(mut self) -> Self {
        self.canary = false;
        self
    }

    /// Opens steps again that ended without having been applied, because somebody asks for it: a guard may be back, a crew awake.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn again(self, journal: &mut Journal) -> Result<Self, ControlError> {
        let view = journal.plan(&self.plan.hash)?;
        let refused = if view.undo.is_none() {
            refused_steps(view)
        } else {
            Vec::new()
        };
        let reopened = refused.into_iter().map(|step| What::StepReopened {
            plan: self.plan.hash.clone(),
            step: step.number,
            reason: "somebody asked to try it again".to_owned(),
        });
        let reopened = reopened.collect();
        journal.record(BY, reopened)?;
        Ok(self)
    }

    /// Carries the plan on, from wherever the facts say that it is, until nothing is left that can be done now.
    ///
    /// # Errors
    /// The journal cannot be written: the next effect is not begun.
    pub async fn run<A: Ways>(&self, journal: &mut Journal, ways: impl Fn(&Situation) -> A) -> Result<TakedownEnd, ControlError> {
        loop {
            let actuator = ways(journal.situation());
            let view = journal.plan(&self.plan.hash)?;
            if view.undo.is_some() {
                let ended = Execution::new(self.plan, &actuator).run(journal).await?;
                return Ok(TakedownEnd::Ended(ended));
            }
            let before = view.clone();
            match self.next(view, journal.now(), &actuator) {
                Next::End(end) => return Ok(end),
                Next::Record(facts) => journal.record(BY, facts)?,
                Next::Do(batch) => {
                    let execution = Execution::new(self.plan, &actuator).in_stages(vec![batch]);
                    let ended = execution.run(journal).await?;
                    if ended != Ended::Complete {
                        return Ok(TakedownEnd::Ended(ended));
                    }
                }
            }
            // What cannot be written down as it is must not be done over and over.
            if *journal.plan(&self.plan.hash)? == before {
                let reason = "what was done could not be written down: look at the newest facts".to_owned();
                return Ok(TakedownEnd::Ended(Ended::Stopped { reason }));
            }
        }
    }

    fn next<A: Ways>(&self, view: &PlanView, now: Timestamp, actuator: &A) -> Next {
        if let Some(reason) = self.failed_canary(view, actuator) {
            return Next::End(TakedownEnd::Ended(Ended::Stopped { reason }));
        }
        let open = self.open(view, now, actuator);
        let left_out = |(step, reason): (&PlanStep, String)| What::StepEnded {
            plan: self.plan.hash.clone(),
            step: step.number,
            outcome: StepOutcome::NotApplied { reason },
        };
        let mut facts: Vec<What> = open.never.into_iter().map(left_out).collect();
        let (mut work, mut looks) = (Vec::new(), Vec::new());
        for (step, owner, what, due_ms) in open.by_hand {
            match view.work.get(&step.number) {
                Some(given) if given.due <= now => {
                    facts.push(left_out((step, format!("{owner} did not confirm it by {}", given.due))));
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
            }
        }
        for (step, at) in open.later {
            looks.extend(at);
            work.push((step.number, step.executor.clone()));
        }
        let batch = self.batch(view, &open.ready, actuator);
        match (facts.is_empty(), batch.is_empty(), work.is_empty()) {
            (false, ..) => Next::Record(facts),
            (true, false, _) => Next::Do(batch),
            (true, true, true) => Next::End(TakedownEnd::Ended(Ended::Complete)),
            (true, true, false) => Next::End(TakedownEnd::Waits {
                work,
                until: looks.into_iter().min(),
            }),
        }
    }

    /// What is done side by side: everything at guards, so that each has one transaction, and of programs a few. The first cut alone.
    fn batch<A: Ways>(&self, view: &PlanView, ready: &[&PlanStep], actuator: &A) -> Vec<u32> {
        let cuts = || self.plan.steps.iter().filter(|step| self.is_tried(step, actuator));
        let is_proven = !self.canary || cuts().count() < 2 || cuts().any(|step| view.stands(step.number));
        let first = ready.iter().find(|step| !is_proven && self.is_tried(step, actuator));
        if let Some(first) = first {
            return vec![first.number];
        }
        let (switches, programs): (Vec<&PlanStep>, Vec<&PlanStep>) = ready.iter().partition(|step| is_switch(step));
        let all = switches.into_iter().chain(programs.into_iter().take(SIDE_BY_SIDE_MAX));
        all.map(|step| step.number).collect()
    }

    /// The open steps of the first stage that holds the next one back, and before it those that only wait; of a return of partners all,
    /// since none waits for another.
    fn open<A: Ways>(&self, view: &PlanView, now: Timestamp, actuator: &A) -> Open<'a> {
        let stages = match is_reconnection(&self.plan.steps) {
            true => vec![self.plan.steps.iter().map(|s| s.number).collect()],
            false => by_action(self.plan),
        };
        let mut open = Open::default();
        for stage in stages {
            let steps = self.plan.steps.iter().filter(|s| stage.contains(&s.number));
            for step in steps.filter(|s| view.steps.get(&s.number).is_none_or(|s| s.ended.is_none())) {
                let is_confirmed = view.work.get(&step.number).is_some_and(|work| work.confirmed.is_some());
                match (turn(view, step, now), actuator.manner(step, self.estate)) {
                    (Turn::Never { reason }, _) => open.never.push((step, reason)),
                    (Turn::Later { at }, _) => open.later.push((step, at)),
                    (Turn::Now, Manner::ByHand { owner, what, due_ms }) if !is_confirmed => {
                        let due_ms = due_ms.max(self.time_of(view, step));
                        open.by_hand.push((step, owner, what, due_ms));
                    }
                    (Turn::Now, _) => open.ready.push(step),
                }
            }
            if open.blocks() {
                break;
            }
        }
        open
    }

    /// Milliseconds that a crew needs for a step by hand: until it is there, and for all that it has to do in the same stage.
    fn time_of(&self, view: &PlanView, step: &PlanStep) -> u64 {
        let crew = step.executor.strip_prefix("crew:").and_then(|id| self.estate.crews.get(id));
        let like = self
            .plan
            .steps
            .iter()
            .filter(|s| s.executor == step.executor && s.action == step.action);
        let open = like.filter(|s| view.steps.get(&s.number).is_none_or(|s| s.ended.is_none()));
        let sum: u64 = open.map(|s| s.planned_ms).sum();
        let people = crew.map_or(1, |crew| u64::from(crew.size.max(1)));
        let reach_ms = crew.map_or(0, |crew| u64::from(crew.reach_hours) * 60 * self.minute_ms);
        reach_ms + step.planned_ms.max(sum.div_ceil(people))
    }

    /// Whether the step cuts something without people: the first such is done alone.
    fn is_tried<A: Ways>(&self, step: &PlanStep, actuator: &A) -> bool {
        let by_program = actuator.manner(step, self.estate) == Manner::ByProgram;
        is_switch(step) && step.action != Measure::Reconnect.name() && by_program
    }

    /// Why nothing more is begun: a cut was tried, no cut is verified, and more would follow.
    fn failed_canary<A: Ways>(&self, view: &PlanView, actuator: &A) -> Option<String> {
        let cuts = || self.plan.steps.iter().filter(|step| self.is_tried(step, actuator));
        let is_open = |step: &PlanStep| view.steps.get(&step.number).is_none_or(|s| s.ended.is_none());
        if !self.canary || cuts().any(|step| view.stands(step.number)) || !cuts().any(is_open) {
            return None;
        }
        // One that was left out, or whose guard could not be asked, was not tried.
        let mut tried = cuts().filter(|step| view.seen.contains_key(&step.number));
        tried.find_map(|step| match view.steps.get(&step.number)?.ended.as_ref()? {
            (_, StepOutcome::NotApplied { reason } | StepOutcome::Doubtful { reason }) => Some(format!(
                "step {} was tried alone first and is not verified ({reason}); nothing else was begun",
                step.number
            )),
            _ => None,
        })
    }
}
