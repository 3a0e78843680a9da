//! Carries a restoration through: gates, levels, people's work, and a new plan after every event.
//!
//! ```text
//!     ┌──────────────── an event: failed, late, a host fell, a crew is gone ◄────────────┐
//!     ▼                                                                                  │
//! plan again ─► covered by the approval? ─► new order ─► what is ready ─► execution ─► levels, checks
//!                  └─ no: Widened, people must approve          └─ reconnections only through their gates
//! ```

use std::collections::{BTreeMap, BTreeSet};

use leckwehr_contain::harm_of;
use leckwehr_estate::Estate;
use leckwehr_incident::{PlanRecord, PlanStep, Situation, StepOutcome, StepPlace, Timestamp, What};
use leckwehr_restore::{
    Replan, RestorePlan, ServiceForecast, StepKind, follow, gates_closed, judge, places, ready, services_now, stuck, to_reopen,
};

use crate::error::ControlError;
use crate::execution::{Actuator, Execution, Journal, open_steps};
use crate::gated::Gated;
use crate::moment::{Moment, what_happened};

/// Steps done side by side.
const SIDE_BY_SIDE_MAX: usize = 16;
/// Places of steps in one fact: an entry of the ledger is bounded.
const PLACES_MAX: usize = 400;
/// Rounds of facts that follow from facts: more than a system has levels and checks.
const ROUNDS_MAX: usize = 32;
/// Orders of one plan; who asks for more changes them without end.
const ORDERS_MAX: u32 = 1_000;

/// From when on an approval is late for the shifts that a plan was made for, in milliseconds after the plan.
const LATE_APPROVAL_MS: i64 = 30 * 60_000;

const BY: &str = "restore";

/// Who does a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manner {
    /// A program, a guard or an agent.
    ByProgram,
    /// People, who sign that it is done.
    ByHand {
        /// Who has it.
        owner: String,
        /// What is to be done.
        what: String,
        /// Milliseconds from now until it should be done.
        due_ms: u64,
    },
}

/// An [`Actuator`] that knows which steps are people's.
pub trait Ways: Actuator {
    /// Returns who does the step.
    fn manner(&self, step: &PlanStep, estate: &Estate) -> Manner;
}

/// How far a restoration came.
#[derive(Debug, Clone, PartialEq)]
pub enum CourseEnd {
    /// Every step ended, one way or another: the facts say how.
    Complete,
    /// Nothing can be done until people did what the ledger says, and signed for it.
    WaitsForPeople {
        /// The steps that wait, each with its owner.
        work: Vec<(u32, String)>,
    },
    /// Something happened, and the plan that fits now goes beyond what was approved.
    Widened {
        /// The new plan; it is neither proposed nor approved yet.
        plan: Box<RestorePlan>,
        /// What was not approved.
        why: Vec<String>,
    },
}

/// An approved restoration on its way.
pub struct Course<'a> {
    plan: &'a PlanRecord,
    estate: &'a Estate,
    try_again: bool,
    /// Who was lost and away when it was looked at last; nothing before the first look.
    seen: Option<Moment>,
}

impl<'a> Course<'a> {
    /// Prepares to carry out an approved plan. Whether it is approved is for the caller to know.
    pub fn new(plan: &'a PlanRecord, estate: &'a Estate) -> Self {
        Self {
            plan,
            estate,
            try_again: true,
            seen: None,
        }
    }

    /// Leaves a step that failed to people instead of trying it again.
    #[must_use]
    pub fn trying_once(mut self) -> Self {
        self.try_again = false;
        self
    }

    /// Records the first order, which is the plan's own, and when each service is expected. A plan that was approved late is
    /// ordered by the crews that are there now, if it still is what `again` plans. Nothing if there is an order already.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn begin(
        &self,
        journal: &mut Journal,
        plan: &RestorePlan,
        again: impl Fn(&Situation, Timestamp) -> RestorePlan,
    ) -> Result<(), ControlError> {
        let view = journal.plan(&self.plan.hash)?;
        if !view.order.is_empty() {
            return Ok(());
        }
        let is_late = journal.now() > view.proposed.plus_ms(LATE_APPROVAL_MS);
        self.order(journal, &places(plan), "as it was approved", &plan.service_forecasts)?;
        if is_late {
            // What goes further is found after the first event as well, and needs people; what was approved can begin.
            self.plan_again(journal, "it was approved late", again)?;
        }
        Ok(())
    }

    /// Carries the plan on, from wherever the facts say that it is, until nothing is left that can be done now.
    ///
    /// `ways` makes the actuator for a situation. `again` plans anew; it is asked after every event.
    ///
    /// # Errors
    /// The journal cannot be written: the next effect is not begun.
    pub async fn run<A: Ways>(
        &mut self,
        journal: &mut Journal,
        ways: impl Fn(&Situation) -> A,
        again: impl Fn(&Situation, Timestamp) -> RestorePlan,
    ) -> Result<CourseEnd, ControlError> {
        loop {
            if let Some(end) = self.go_on(journal, &ways, &again).await? {
                return Ok(end);
            }
        }
    }

    /// Carries the plan one batch of like steps on; what came in meanwhile can be looked at between two. `None`: there is more.
    ///
    /// # Errors
    /// The journal cannot be written: the next effect is not begun.
    pub async fn go_on<A: Ways>(
        &mut self,
        journal: &mut Journal,
        ways: impl Fn(&Situation) -> A,
        again: impl Fn(&Situation, Timestamp) -> RestorePlan,
    ) -> Result<Option<CourseEnd>, ControlError> {
        self.follow(journal)?;
        let now = Moment::of(journal.situation(), self.estate, journal.now());
        let happened = self.seen.replace(now.clone()).map(|before| now.since(&before));
        if let Some(reason) = happened.filter(|reason| !reason.is_empty()) {
            return self.plan_again(journal, &reason, again);
        }
        let actuator = ways(journal.situation());
        let batch = match self.batch(journal, &actuator)? {
            Next::Do(batch) => batch,
            Next::Wait(work) => return Ok(Some(CourseEnd::WaitsForPeople { work })),
            Next::Nothing if self.try_again(journal)? => return Ok(None),
            // What waited only for the end of others can be tried after that.
            Next::Nothing if self.give_up(journal)? => return Ok(None),
            Next::Nothing => {
                self.leave_to_people(journal)?;
                self.follow(journal)?;
                return Ok(Some(CourseEnd::Complete));
            }
        };
        self.carry_out(journal, &actuator, &batch).await?;
        self.follow(journal)?;
        let view = journal.plan(&self.plan.hash)?;
        let happened: Vec<String> = batch.iter().filter_map(|step| what_happened(view, step)).collect();
        match happened.is_empty() {
            true => Ok(None),
            false => self.plan_again(journal, &happened.join("; "), again),
        }
    }

    /// Plans anew because of what happened: another order if the approval covers that, else an end.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn plan_again(
        &self,
        journal: &mut Journal,
        reason: &str,
        again: impl Fn(&Situation, Timestamp) -> RestorePlan,
    ) -> Result<Option<CourseEnd>, ControlError> {
        let view = journal.plan(&self.plan.hash)?;
        if view.ordered.as_ref().is_some_and(|(times, _)| *times >= ORDERS_MAX) {
            return Ok(None);
        }
        let plan = again(journal.situation(), journal.now());
        match judge(view, &plan, self.estate) {
            Replan::Covered { order, forecasts } => {
                self.order(journal, &order, reason, &forecasts)?;
                Ok(None)
            }
            Replan::Widened { why } => {
                let plan = Box::new(plan);
                Ok(Some(CourseEnd::Widened { plan, why }))
            }
        }
    }

    async fn carry_out<A: Ways>(&self, journal: &mut Journal, actuator: &A, batch: &[PlanStep]) -> Result<(), ControlError> {
        let mut closed = BTreeMap::new();
        for step in batch {
            let why = self.closed(journal, step)?;
            if !why.is_empty() {
                closed.insert(step.number, why);
            }
        }
        let gated = Gated {
            inner: actuator,
            estate: self.estate,
            closed,
        };
        let stage = batch.iter().map(|s| s.number).collect();
        let execution = Execution::new(self.plan, &gated).in_stages(vec![stage]);
        execution.run(journal).await.map(drop)
    }

    /// Records what follows from the facts: checks, levels of systems, levels of services.
    fn follow(&self, journal: &mut Journal) -> Result<(), ControlError> {
        for _ in 0..ROUNDS_MAX {
            let facts = follow(journal.situation(), self.estate, &self.plan.hash);
            if facts.is_empty() {
                break;
            }
            journal.record(BY, facts)?;
        }
        let facts = levels(journal.situation(), self.estate);
        journal.record(BY, facts)
    }

    /// The steps to be done next, side by side: of those that are ready, the ones that do the same as the first.
    fn batch<A: Ways>(&self, journal: &mut Journal, actuator: &A) -> Result<Next, ControlError> {
        let view = journal.plan(&self.plan.hash)?;
        let (mut batch, mut waiting, mut given) = (Vec::<PlanStep>::new(), Vec::new(), Vec::new());
        for step in ready(view) {
            let work = view.work.get(&step.number);
            // Nobody is asked to plug in what has not passed its gates: that ends as held back.
            let is_asked = work.is_none_or(|w| w.confirmed.is_none()) && self.closed(journal, step)?.is_empty();
            match actuator.manner(step, self.estate) {
                Manner::ByHand { owner, what, due_ms } if is_asked => {
                    if work.is_none() {
                        given.push(What::WorkGiven {
                            plan: self.plan.hash.clone(),
                            step: step.number,
                            owner: owner.clone(),
                            due: journal.now().plus_ms(i64::try_from(due_ms).unwrap_or(i64::MAX)),
                            what,
                        });
                    }
                    waiting.push((step.number, owner));
                }
                _ if batch.len() < SIDE_BY_SIDE_MAX && batch.first().is_none_or(|first| first.action == step.action) => {
                    batch.push(step.clone());
                }
                _ => {}
            }
        }
        journal.record(BY, given)?;
        Ok(match (batch.is_empty(), waiting.is_empty()) {
            (false, _) => Next::Do(batch),
            (true, false) => Next::Wait(waiting),
            (true, true) => Next::Nothing,
        })
    }

    /// Returns why a step must not be done now, if it leads back to the grid: the gates that are not passed.
    fn closed(&self, journal: &Journal, step: &PlanStep) -> Result<Vec<String>, ControlError> {
        let view = journal.plan(&self.plan.hash)?;
        Ok(match step.action == StepKind::Reconnect.word() {
            true => gates_closed(view, step, journal.situation(), self.estate),
            false => Vec::new(),
        })
    }

    /// Opens failed steps again once everything else is done, but none whose gates are still closed. False if nothing is to be
    /// tried.
    fn try_again(&self, journal: &mut Journal) -> Result<bool, ControlError> {
        let view = journal.plan(&self.plan.hash)?;
        let failed = if self.try_again { to_reopen(view) } else { Vec::new() };
        let mut facts = Vec::new();
        for (step, reason) in failed {
            let own = self.plan.steps.iter().find(|s| s.number == step);
            if own.map_or(Ok(false), |own| self.closed(journal, own).map(|why| why.is_empty()))? {
                let plan = self.plan.hash.clone();
                facts.push(What::StepReopened { plan, step, reason });
            }
        }
        let any = !facts.is_empty();
        journal.record(BY, facts)?;
        Ok(any)
    }

    /// Ends what cannot be begun. False if there is nothing.
    fn give_up(&self, journal: &mut Journal) -> Result<bool, ControlError> {
        let view = journal.plan(&self.plan.hash)?;
        let held = stuck(view).into_iter();
        let ended: Vec<What> = held
            .flat_map(|(step, why)| ended(&self.plan.hash, step, format!("held back: {why}")))
            .collect();
        let any = !ended.is_empty();
        journal.record(BY, ended)?;
        Ok(any)
    }

    /// Says what stays cut and why; people decide.
    fn leave_to_people(&self, journal: &mut Journal) -> Result<(), ControlError> {
        let (view, mut asked) = (journal.plan(&self.plan.hash)?, Vec::new());
        for step in self.plan.steps.iter().filter(|s| s.action == StepKind::Reconnect.word()) {
            let outcome = view.steps.get(&step.number).and_then(|s| s.ended.as_ref());
            let why = match outcome {
                Some((_, StepOutcome::NotApplied { reason } | StepOutcome::Doubtful { reason })) => reason,
                _ => continue,
            };
            let why = why.strip_prefix("held back: ").unwrap_or(why);
            let what = format!(
                "{} is held back: {why}. Look there, then let {} reconnect it or keep it cut",
                step.target, step.executor
            );
            if !journal.situation().open_decisions.contains(&format!("{BY}: {what}")) {
                asked.push(What::DecisionOpen { room: BY.into(), what });
            }
        }
        journal.record(BY, asked)
    }

    /// Writes down in which order open steps are done from now on, and when services are expected. Steps that the order leaves
    /// out end.
    fn order(
        &self,
        journal: &mut Journal,
        order: &[StepPlace],
        reason: &str,
        forecasts: &[ServiceForecast],
    ) -> Result<(), ControlError> {
        let plan = &self.plan.hash;
        // An empty order is one, too.
        let chunks = order.chunks(PLACES_MAX).map(<[_]>::to_vec);
        let chunks = chunks.chain(order.is_empty().then(Vec::new)).enumerate();
        let mut facts: Vec<What> = chunks
            .map(|(index, steps)| What::PlanOrdered {
                plan: plan.clone(),
                begins: index == 0,
                steps,
                reason: reason.to_owned(),
            })
            .collect();
        let kept: BTreeSet<u32> = order.iter().map(|place| place.number).collect();
        let view = journal.plan(plan)?;
        let left_out = open_steps(view).into_iter().filter(|step| !kept.contains(&step.number));
        facts.extend(left_out.flat_map(|step| ended(plan, step.number, format!("not needed any more: {reason}"))));
        let now = journal.now();
        let in_ms = |ms: u64| now.plus_ms(i64::try_from(ms).unwrap_or(i64::MAX));
        for forecast in forecasts {
            if let (Some(p50), Some(p90)) = (forecast.full_p50_ms, forecast.full_p90_ms) {
                facts.push(What::Forecasted {
                    service: forecast.service.clone(),
                    p50: in_ms(p50),
                    p90: in_ms(p90),
                });
            }
        }
        journal.record(BY, facts)
    }
}

/// The facts of a step that is ended without having been done.
fn ended(plan: &str, step: u32, reason: String) -> [What; 2] {
    let (plan, outcome) = (plan.to_owned(), StepOutcome::NotApplied { reason });
    let intended = What::StepIntended {
        plan: plan.clone(),
        step,
    };
    [intended, What::StepEnded { plan, step, outcome }]
}

/// Returns the changes of level that services are due, from systems and cut connections.
pub(crate) fn levels(situation: &Situation, estate: &Estate) -> Vec<What> {
    let cut = situation.connections_cut.iter().cloned().collect();
    let without = harm_of(estate, &BTreeSet::new(), &cut).services;
    let mut facts = Vec::new();
    for (service, now) in services_now(situation, estate) {
        let (level, reason) = match without.get(&service) {
            Some(level) if *level < now.level => (*level, "a connection that it needs is cut".to_owned()),
            _ => (now.level, now.reason),
        };
        let known = situation.services.get(&service);
        if known.is_none_or(|view| view.level != level) {
            facts.push(What::ServiceChanged { service, level, reason });
        }
    }
    facts
}

/// What is to be done next.
enum Next {
    Do(Vec<PlanStep>),
    Wait(Vec<(u32, String)>),
    Nothing,
}
