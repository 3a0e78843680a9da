use std::collections::BTreeMap;
use std::future::Future;

use leckwehr_incident::{PlanStep, StepOutcome, Timestamp, What};

/// What is the case at a step's target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// The step is not done. `state` describes what is there, so that an undo can be told from it.
    NotDone {
        /// The state, in one canonical form: equal states give equal texts.
        state: String,
    },
    /// The target is as the step wants it, whoever did it.
    Done {
        /// The state, in the same form.
        state: String,
    },
    /// It must not be done now: a gate in front of it was not passed.
    Held {
        /// Why.
        reason: String,
    },
    /// It cannot be found out. A step that was not begun is not begun then; one that was is in doubt.
    Unknown {
        /// Why not.
        reason: String,
    },
}

/// Carries out the steps of one kind of plan.
///
/// Every method returns within a bounded time of its own. A step may be read, verified and undone any number of times. `act` is
/// called once per step; again only if `read` says that the first call, whose end nobody saw, did nothing. It must be harmless to
/// act on a target that is half done.
pub trait Actuator: Sync {
    /// Reads the state of the step's target. Changes nothing.
    fn read(&self, step: &PlanStep) -> impl Future<Output = Reading> + Send;

    /// Does steps that all have the same executor, as one transaction where the executor can. One result per step, in order: an
    /// error says whether it was certainly not applied or is in doubt.
    fn act(&self, steps: &[PlanStep]) -> impl Future<Output = Vec<Result<(), StepOutcome>>> + Send;

    /// Finds out from the world, not from the answer to `act`, whether the step is done.
    fn verify(&self, step: &PlanStep) -> impl Future<Output = StepOutcome> + Send;

    /// Takes a step back to the state that `read` gave before it.
    fn undo(&self, step: &PlanStep, before: &str) -> impl Future<Output = Result<(), StepOutcome>> + Send;

    /// Gives steps of one executor that would undo themselves more time, and returns their new ends. `None`: has no end.
    fn renew(&self, steps: &[PlanStep]) -> impl Future<Output = Vec<Result<Option<Timestamp>, StepOutcome>>> + Send {
        let ends = steps.iter().map(|_| Ok(None)).collect();
        async { ends }
    }

    /// Tries everything that must never be lost, the ways to executors included: what it is, in words, and whether it answers.
    fn life_lines(&self) -> impl Future<Output = BTreeMap<String, bool>> + Send {
        async { BTreeMap::new() }
    }

    /// Returns the facts that follow from a verified step, or from its verified undoing. They are written together with the
    /// outcome.
    fn consequences(&self, _step: &PlanStep, _undone: bool) -> Vec<What> {
        Vec::new()
    }
}
