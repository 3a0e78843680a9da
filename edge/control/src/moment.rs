use std::collections::BTreeSet;

use leckwehr_estate::Estate;
use leckwehr_incident::{PlanStep, PlanView, Situation, StepOutcome, Timestamp};

/// A step that takes more of its planned time than this is an event, in percent.
const LATE_PERCENT: i64 = 200;

/// What is held against later to see that something happened.
#[derive(Clone)]
pub(crate) struct Moment {
    isolated: BTreeSet<String>,
    crews_away: BTreeSet<String>,
}

impl Moment {
    /// How it stands now.
    pub fn of(situation: &Situation, estate: &Estate, now: Timestamp) -> Self {
        let isolated = situation.hosts.iter().filter(|(_, h)| h.isolated).map(|(id, _)| id.clone());
        let away = |(who, since, until): &&(String, Timestamp, Timestamp)| {
            estate.crews.contains_key(who) && *since <= now && now < *until
        };
        Self {
            isolated: isolated.collect(),
            crews_away: situation.absences.iter().filter(away).map(|(who, ..)| who.clone()).collect(),
        }
    }

    /// What happened since an earlier moment that no plan foresees, in words; empty if nothing did.
    pub fn since(&self, before: &Self) -> String {
        let fell = self.isolated.difference(&before.isolated).map(|id| format!("{id} fell"));
        let gone = self.crews_away.difference(&before.crews_away);
        let back = before.crews_away.difference(&self.crews_away);
        let crews = gone.map(|crew| format!("crew {crew} is gone"));
        let crews = crews.chain(back.map(|crew| format!("crew {crew} is back")));
        fell.chain(crews).collect::<Vec<_>>().join("; ")
    }
}

/// A step that failed or took much longer than planned.
pub(crate) fn what_happened(view: &PlanView, step: &PlanStep) -> Option<String> {
    let done = view.steps.get(&step.number)?;
    let (at, outcome) = done.ended.as_ref()?;
    let name = format!("step {} ({} {})", step.number, step.action, step.target);
    match outcome {
        StepOutcome::Verified { .. } => {
            let took_ms = at.0.saturating_sub(done.intended.0) / 1_000_000;
            let planned_ms = i64::try_from(step.planned_ms).unwrap_or(i64::MAX);
            let is_late = took_ms > planned_ms.saturating_mul(LATE_PERCENT) / 100;
            is_late.then(|| format!("{name} took {took_ms} ms instead of {planned_ms}"))
        }
        StepOutcome::NotApplied { .. } | StepOutcome::Doubtful { .. } => Some(format!("{name} failed")),
    }
}
