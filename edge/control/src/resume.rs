use leckwehr_incident::{AlarmLevel, Phase, PlanKind, PlanRecord, What};

use crate::config::Wires;
use crate::error::ControlError;
use crate::execution::{open_steps, undo_steps};
use crate::room::Room;
use crate::spool::Spooled;

/// Spooled lines that the detectors look at at once.
const BATCH_LINES_MAX: usize = 4_096;

impl<W: Wires> Room<W> {
    /// Takes up the work of a control room that was killed: looks at the same telemetry again, and goes on where the facts end.
    pub(crate) async fn resume(&mut self) -> Result<(), ControlError> {
        self.look_again()?;
        let alarms = self.journal.situation().alarms.values();
        let mut open = alarms.filter(|view| view.closed_as.is_none());
        self.critical |= open.any(|view| view.alarm.level == AlarmLevel::Critical);
        self.renew_leases().await?;
        // Whatever was begun is ended first, wherever the incident stood.
        self.end_undoing().await?;
        match self.journal.situation().phase {
            Phase::Watching | Phase::Alarm | Phase::Recovered | Phase::Closed => Ok(()),
            Phase::Declared => {
                if self.contain().await? {
                    self.restore().await?;
                }
                Ok(())
            }
            Phase::Contained => {
                self.assess().await?;
                self.restore().await
            }
            Phase::Assessed | Phase::Restoring => self.restore().await,
        }
    }

    /// Goes on with undoings that were ordered and did not end.
    async fn end_undoing(&mut self) -> Result<(), ControlError> {
        let plans = self.journal.situation().plans.values();
        let is_open = |view: &&leckwehr_incident::PlanView| view.undo.is_some() && !undo_steps(view).is_empty();
        let open: Vec<PlanRecord> = plans.filter(is_open).map(|view| view.plan.clone()).collect();
        for plan in open {
            let warrant = self.warrant_in_facts(&plan);
            self.execute_cut(&warrant).await?;
        }
        Ok(())
    }

    /// The takedown plans of this incident, oldest first, which are not undone.
    pub(crate) fn takedowns(&self) -> Vec<PlanRecord> {
        let situation = self.journal.situation();
        let declared = situation.history.iter().rev().find(|(_, phase, _)| *phase == Phase::Declared);
        let since = declared.map(|(at, _, _)| *at).unwrap_or_default();
        let of_now = |view: &&leckwehr_incident::PlanView| {
            view.plan.kind == PlanKind::Takedown && view.proposed >= since && view.undo.is_none()
        };
        let mut plans: Vec<PlanRecord> = situation.plans.values().filter(of_now).map(|v| v.plan.clone()).collect();
        plans.sort_by_key(|plan| plan.generation);
        plans
    }

    /// Returns whether every step of a plan ended.
    pub(crate) fn has_ended(&self, plan: &PlanRecord) -> bool {
        let view = self.journal.situation().plans.get(&plan.hash);
        view.is_some_and(|view| open_steps(view).is_empty())
    }

    /// Lets the detectors see again what they saw. What they find is in the ledger already, but for what came last.
    fn look_again(&mut self) -> Result<(), ControlError> {
        let recorded = self.journal.situation().findings;
        let mut spooled = Vec::new();
        self.spool.read(|entry, _| {
            spooled.push(entry);
            Ok(())
        })?;
        let mut left = recorded;
        let mut lines = 0;
        for entry in spooled {
            match entry {
                Spooled::Line { from, line } => {
                    self.push_line(&from, &line);
                    lines += 1;
                }
                Spooled::EndLearning => self.end_learning(),
            }
            if lines >= BATCH_LINES_MAX {
                self.detect_again(&mut left)?;
                lines = 0;
            }
        }
        self.detect_again(&mut left)?;
        if left == 0 {
            return Ok(());
        }
        let what = format!(
            "after a restart {left} of {recorded} findings could not be found again: the telemetry that was kept is not whole"
        );
        self.record(
            "telemetry",
            vec![What::NotKnown {
                room: "telemetry".into(),
                what,
            }],
        )
    }
}
