use leckwehr_incident::What;

use crate::error::ControlError;
use crate::execution::actuator::Actuator;
use crate::execution::fault::Point;
use crate::execution::journal::Journal;
use crate::execution::run::{BY, Ended, Execution};

/// Times a life-line is tried before it counts as lost: one lost packet must not undo a takedown.
const TRIES_MAX: usize = 3;

impl<A: Actuator> Execution<'_, A> {
    /// Undoes the plan if it cost a life-line that answered before it.
    pub(crate) async fn check_life_lines(&self, journal: &mut Journal) -> Result<Option<Ended>, ControlError> {
        journal.pass(Point::BeforeProbe)?;
        let now = self.actuator.life_lines().await;
        journal.pass(Point::AfterProbe)?;
        let Some(alive_before) = journal.plan(&self.plan.hash)?.life_lines.clone() else {
            if now.is_empty() {
                return Ok(None);
            }
            let (alive, silent): (Vec<_>, Vec<_>) = now.into_iter().partition(|(_, answers)| *answers);
            let names = |lines: Vec<(String, bool)>| lines.into_iter().map(|(line, _)| line).collect();
            let seen = What::LifeLinesSeen {
                plan: self.plan.hash.clone(),
                alive: names(alive),
                silent: names(silent),
            };
            journal.record(BY, vec![seen])?;
            return Ok(None);
        };
        let mut lost: Vec<String> = alive_before
            .into_iter()
            .filter(|line| now.get(line) == Some(&false))
            .collect();
        for _ in 1..TRIES_MAX {
            if lost.is_empty() {
                return Ok(None);
            }
            let now = self.actuator.life_lines().await;
            lost.retain(|line| now.get(line) == Some(&false));
        }
        if lost.is_empty() {
            return Ok(None);
        }
        let reason = format!("lost since the plan began: {}", lost.join("; "));
        self.undo(journal, BY, &reason).await.map(Some)
    }
}
