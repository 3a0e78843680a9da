//! What carries out the steps of a restoration: programs, units, backups, guards and people.
//!
//! ```text
//! PlanStep ─► Runbook ─┬─ restic    beside the target, compared, swapped in one moment
//!   action, target     ├─ unit      systemd
//!                      ├─ command   programs with arguments, no shell
//!                      ├─ guard     orders under the plan's approvals (Orders)
//!                      └─ manual    somebody signs that it is done
//! ```
//!
//! Everything that is started has a time, a bounded output and a process group of its own. What a step proves about its system
//! is written into the ledger together with its outcome.

mod command;
mod program;
mod restic;
mod runbook;
mod tree;
mod unit;
mod witness;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leckwehr_estate::Estate;
use leckwehr_incident::{PlanRecord, PlanStep, Situation, StepOutcome, Timestamp, What};

pub use program::{PROGRAM_MS_MAX, PROGRAM_OUTPUT_BYTES_MAX, Program, ProgramEnd, ProgramError};
pub use runbook::{CommandWay, ManualWay, RUNBOOK_BYTES_MAX, ResticWay, Runbook, RunbookError, RunbookStep, UnitState, UnitWay};

use crate::actuator::program::lock;
use crate::actuator::restic::Restore;
use crate::course::{Manner, Ways};
use crate::execution::{Actuator, Faults, Reading};

/// Milliseconds of a minute.
const MINUTE_MS: i64 = 60_000;

/// Orders to guards under the approvals of a plan.
pub trait Orders: Sync {
    /// Reads what the executor of a step holds: is its target on the grid?
    fn read(&self, step: &PlanStep) -> impl Future<Output = Reading> + Send;

    /// Lets the executor put the target back on the grid.
    fn allow(&self, step: &PlanStep) -> impl Future<Output = Result<(), StepOutcome>> + Send;

    /// Lets the executor cut the target again.
    fn deny(&self, step: &PlanStep) -> impl Future<Output = Result<(), StepOutcome>> + Send;
}

/// No guard can be reached from here.
#[derive(Debug, Clone, Copy, Default)]
pub struct WithoutOrders;

impl Orders for WithoutOrders {
    async fn read(&self, step: &PlanStep) -> Reading {
        Reading::Unknown {
            reason: format!("{} is reached by the control room only: let it do this step", step.executor),
        }
    }

    async fn allow(&self, _step: &PlanStep) -> Result<(), StepOutcome> {
        let reason = "no way to guards".to_owned();
        Err(StepOutcome::NotApplied { reason })
    }

    async fn deny(&self, step: &PlanStep) -> Result<(), StepOutcome> {
        self.allow(step).await
    }
}

/// Carries out steps as a runbook says, as the situation stands.
pub struct RunbookActuator<'a, O> {
    runbook: &'a Runbook,
    orders: &'a O,
    faults: Arc<dyn Faults>,
    work: PathBuf,
    plan: String,
    first_compromise: Option<Timestamp>,
    lost_until: BTreeMap<String, Timestamp>,
    /// Who confirmed a step, in words.
    confirmed: BTreeMap<u32, String>,
}

impl<'a, O: Orders> RunbookActuator<'a, O> {
    /// Prepares to carry out steps of `plan`. `work` is a folder for the locks of programs.
    pub fn new(
        runbook: &'a Runbook,
        orders: &'a O,
        plan: &PlanRecord,
        situation: &Situation,
        work: &Path,
        faults: Arc<dyn Faults>,
    ) -> Self {
        let lost = situation
            .hosts
            .iter()
            .filter_map(|(id, h)| Some((id.clone(), h.back.lost_until?)));
        let given = situation.plans.get(&plan.hash).map(|view| &view.work);
        let confirmed = given.into_iter().flatten().filter_map(|(number, work)| {
            let word = work.confirmed.as_ref()?;
            Some((*number, format!("{} at {}: {}", word.person, word.at, word.reason)))
        });
        Self {
            runbook,
            orders,
            faults,
            work: work.to_owned(),
            plan: plan.hash.clone(),
            first_compromise: situation.impact.hosts.iter().filter_map(|h| h.since).min(),
            lost_until: lost.collect(),
            confirmed: confirmed.collect(),
        }
    }

    /// Returns whether the runbook leaves the step to people.
    pub fn is_by_hand(&self, step: &PlanStep) -> bool {
        self.runbook.way(step).is_none_or(|way| way.manual.is_some())
    }

    fn restore(&self, way: &ResticWay, step: &PlanStep) -> Restore {
        let margin_ms = i64::from(self.runbook.margin_minutes) * MINUTE_MS;
        Restore {
            way: way.clone(),
            plan: self.plan.clone(),
            step: step.number,
            clean_before: self.first_compromise.map(|first| first.plus_ms(-margin_ms)),
            lost_until: self.lost_until.get(&step.target).copied(),
            faults: Arc::clone(&self.faults),
        }
    }

    /// Waits until no program of an earlier run is at work on the step any more, which a killed control room may have left.
    async fn hold(&self, step: &PlanStep, timeout_minutes: u32) -> Result<File, String> {
        let plan: String = self.plan.chars().take(12).collect();
        let path = self.work.join(format!("{plan}-{}.lock", step.number));
        let patience_ms = u64::from(timeout_minutes) * MINUTE_MS.unsigned_abs();
        let locked = async {
            fs::create_dir_all(&self.work)?;
            lock(&path, patience_ms).await
        };
        locked.await.map_err(|error| error.to_string())
    }

    async fn hold_to_act(&self, step: &PlanStep, timeout_minutes: u32) -> Result<File, StepOutcome> {
        let held = self.hold(step, timeout_minutes).await;
        held.map_err(|reason| StepOutcome::NotApplied { reason })
    }

    async fn act_one(&self, step: &PlanStep) -> Result<(), StepOutcome> {
        match self.runbook.way(step) {
            Some(RunbookStep { restic: Some(way), .. }) => self.restore(way, step).act().await,
            Some(RunbookStep { unit: Some(way), .. }) => {
                let hold = self.hold_to_act(step, way.timeout_minutes).await?;
                unit::act(way, Some(hold)).await
            }
            Some(RunbookStep { command: Some(way), .. }) => {
                let hold = self.hold_to_act(step, way.timeout_minutes).await?;
                command::act(way, step, hold).await
            }
            Some(RunbookStep { guard: true, .. }) => self.orders.allow(step).await,
            _ => Err(StepOutcome::NotApplied {
                reason: "nobody confirmed yet that it was done by hand".to_owned(),
            }),
        }
    }
}

impl<O: Orders> Actuator for RunbookActuator<'_, O> {
    async fn read(&self, step: &PlanStep) -> Reading {
        match self.runbook.way(step) {
            Some(RunbookStep { restic: Some(way), .. }) => self.restore(way, step).read().await,
            Some(RunbookStep { unit: Some(way), .. }) => match self.hold(step, way.timeout_minutes).await {
                Ok(_) => unit::read(way).await,
                Err(reason) => Reading::Unknown { reason },
            },
            Some(RunbookStep { command: Some(way), .. }) => match self.hold(step, way.timeout_minutes).await {
                Ok(_) => command::read(way, step).await,
                Err(reason) => Reading::Unknown { reason },
            },
            Some(RunbookStep { guard: true, .. }) => self.orders.read(step).await,
            _ => match self.confirmed.get(&step.number) {
                Some(words) => Reading::Done { state: words.clone() },
                None => Reading::Held {
                    reason: "nobody confirmed yet that it was done by hand".to_owned(),
                },
            },
        }
    }

    async fn act(&self, steps: &[PlanStep]) -> Vec<Result<(), StepOutcome>> {
        let mut results = Vec::with_capacity(steps.len());
        for step in steps {
            results.push(self.act_one(step).await);
        }
        results
    }

    async fn verify(&self, step: &PlanStep) -> StepOutcome {
        match self.runbook.way(step) {
            Some(RunbookStep { restic: Some(way), .. }) => self.restore(way, step).verify().await,
            Some(RunbookStep { command: Some(way), .. }) => command::verify(way, step).await,
            _ => match self.read(step).await {
                Reading::Done { state } => StepOutcome::Verified { evidence: state },
                Reading::NotDone { state } => StepOutcome::Doubtful {
                    reason: format!("it is {state}"),
                },
                Reading::Held { reason } | Reading::Unknown { reason } => StepOutcome::Doubtful { reason },
            },
        }
    }

    async fn undo(&self, step: &PlanStep, before: &str) -> Result<(), StepOutcome> {
        match self.runbook.way(step) {
            Some(RunbookStep { restic: Some(way), .. }) => self.restore(way, step).undo().await,
            Some(RunbookStep { unit: Some(way), .. }) => {
                let hold = self.hold_to_act(step, way.timeout_minutes).await?;
                unit::undo(way, before, Some(hold)).await
            }
            Some(RunbookStep { command: Some(way), .. }) => {
                let hold = self.hold_to_act(step, way.timeout_minutes).await?;
                command::undo(way, step, hold).await
            }
            Some(RunbookStep { guard: true, .. }) => self.orders.deny(step).await,
            _ => Err(StepOutcome::NotApplied {
                reason: "it was done by hand: undo it by hand".to_owned(),
            }),
        }
    }

    fn consequences(&self, step: &PlanStep, undone: bool) -> Vec<What> {
        let Some(way) = self.runbook.way(step) else {
            return Vec::new();
        };
        let checked = |(check, passed, evidence)| What::GateChecked {
            system: step.target.clone(),
            check,
            passed: passed && !undone,
            evidence: if undone { "undone".to_owned() } else { evidence },
        };
        let words = |check: &_| {
            let evidence = format!("step {} ({}) is verified", step.number, step.action);
            (*check, true, evidence)
        };
        let of_restore = way.restic.iter().flat_map(|w| self.restore(w, step).evidence());
        of_restore.chain(way.proves.iter().map(words)).map(checked).collect()
    }
}

impl<O: Orders> Ways for RunbookActuator<'_, O> {
    fn manner(&self, step: &PlanStep, estate: &Estate) -> Manner {
        let Some(way) = self.runbook.way(step) else {
            let crew = estate.systems.get(&step.target).and_then(|s| s.crew.clone());
            let owner = crew.unwrap_or_else(|| "people".to_owned());
            return Manner::ByHand {
                owner,
                what: format!("{} {}: {}", step.action, step.target, step.reason),
                due_ms: step.planned_ms,
            };
        };
        match &way.manual {
            Some(manual) => Manner::ByHand {
                owner: manual.owner.clone(),
                what: manual.what.clone(),
                due_ms: u64::from(manual.due_minutes) * MINUTE_MS.unsigned_abs(),
            },
            None => Manner::ByProgram,
        }
    }
}
