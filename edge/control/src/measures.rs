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

use leckwehr_contain::protocol::{Measure, Turn, is_reconnection, turn};
use leckwehr_estate::Estate;
use leckwehr_incident::{PlanRecord, PlanStep, PlanView, Situation, StepOutcome, Timestamp, What};

use crate::course::{Manner, Ways};
use crate::error::ControlError;
use crate::execution::{Ended, Execution, Journal, by_action, refused_steps};
use crate::hands::{SIDE_BY_SIDE_MAX, is_switch};

const BY: &str = "control-room";

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
