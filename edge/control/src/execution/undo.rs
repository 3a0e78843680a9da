use leckwehr_incident::{PlanStep, StepOutcome, What};

use crate::error::ControlError;
use crate::execution::actuator::{Actuator, Reading};
use crate::execution::fault::Point;
use crate::execution::journal::Journal;
use crate::execution::open::undo_steps;
use crate::execution::run::{BY, Ended, Execution};

impl<A: Actuator> Execution<'_, A> {
    /// Undoes every step that was begun, the last first, until each target is in the state in which it was found.
    ///
    /// # Errors
    /// The journal cannot be written: nothing further is undone.
    pub async fn undo(&self, journal: &mut Journal, by: &str, reason: &str) -> Result<Ended, ControlError> {
        if journal.plan(&self.plan.hash)?.undo.is_none() {
            let ordered = What::UndoOrdered {
                plan: self.plan.hash.clone(),
                reason: reason.to_owned(),
                words: Vec::new(),
            };
            journal.record(by, vec![ordered])?;
        }
        self.unwind(journal).await?;
        Ok(Ended::Undone {
            reason: reason.to_owned(),
        })
    }

    /// Goes on undoing, from wherever the facts say that it is.
    pub(crate) async fn unwind(&self, journal: &mut Journal) -> Result<(), ControlError> {
        let open: Vec<PlanStep> = undo_steps(journal.plan(&self.plan.hash)?).into_iter().cloned().collect();
        for step in open {
            let (outcome, is_free) = self.undo_step(journal, &step).await?;
            let is_undone = is_free && matches!(outcome, StepOutcome::Verified { .. });
            let mut ends = vec![What::UndoEnded {
                plan: self.plan.hash.clone(),
                step: step.number,
                outcome,
            }];
            if is_undone {
                ends.extend(self.actuator.consequences(&step, true));
            }
            journal.record(BY, ends)?;
        }
        Ok(())
    }

    /// Undoes a step and says whether the target is without it now: what was so before the plan stays so, and nothing follows from
    /// a step that was never done.
    async fn undo_step(&self, journal: &mut Journal, step: &PlanStep) -> Result<(StepOutcome, bool), ControlError> {
        let view = journal.plan(&self.plan.hash)?;
        let was_intended = view.undone.contains_key(&step.number);
        let Some(before) = view.seen.get(&step.number).cloned() else {
            // Nobody could read the target, so nothing was done to it.
            let evidence = "nothing was done".to_owned();
            return Ok((StepOutcome::Verified { evidence }, false));
        };
        if !was_intended {
            let intent = What::UndoIntended {
                plan: self.plan.hash.clone(),
                step: step.number,
            };
            journal.record(BY, vec![intent])?;
        }
        if let Some(is_free) = self.as_before(journal, step, &before).await? {
            let evidence = format!("found as it was before the plan: {before}");
            return Ok((StepOutcome::Verified { evidence }, is_free));
        }
        journal.pass(Point::BeforeUndo)?;
        let answer = self.actuator.undo(step, &before).await;
        journal.pass(Point::AfterUndo)?;
        // As with doing: the world says whether it is undone.
        if let Some(is_free) = self.as_before(journal, step, &before).await? {
            let evidence = format!("as it was before the plan: {before}");
            return Ok((StepOutcome::Verified { evidence }, is_free));
        }
        let outcome = answer.err().unwrap_or_else(|| StepOutcome::Doubtful {
            reason: format!("{} reports it undone, and its state does not show it", step.executor),
        });
        Ok((outcome, false))
    }

    /// If the target is as it was before: whether that is without the step.
    async fn as_before(&self, journal: &Journal, step: &PlanStep, before: &str) -> Result<Option<bool>, ControlError> {
        Ok(match self.read(journal, step).await? {
            Reading::NotDone { state } if state == before => Some(true),
            Reading::Done { state } if state == before => Some(false),
            _ => None,
        })
    }
}
