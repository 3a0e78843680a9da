use std::collections::BTreeSet;

use leckwehr_estate::{Estate, Need};
use leckwehr_incident::{PlanView, ServiceLevel, Situation, StepOutcome};

use crate::order::down;
use crate::plan::newest_restoration;

/// One thing that keeps a service from running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocking {
    /// System or service id.
    pub what: String,
    /// Crew that has the work; `None` if the estate names none.
    pub owner: Option<String>,
    /// What is missing, one sentence.
    pub reason: String,
}

/// Answers "why is it not up?": the systems at the bottom of every need that no alternative meets, with the step that is
/// due there. Empty if nothing known keeps the service from running. O(needs of the estate).
pub fn why_not_up(situation: &Situation, estate: &Estate, service: &str) -> Vec<Blocking> {
    let Some(asked) = estate.services.get(service) else {
        return vec![Blocking {
            what: service.to_owned(),
            owner: None,
            reason: "the estate has no such service".to_owned(),
        }];
    };
    let isolated = situation.hosts.iter().filter(|(_, h)| h.isolated).map(|(id, _)| id.clone());
    let search = Search {
        situation,
        estate,
        down: down(estate, &isolated.collect()),
    };
    let mut found = Vec::new();
    search.needs(service, &asked.needs, &mut BTreeSet::new(), &mut found);
    if found.is_empty()
        && let Some(view) = situation
            .services
            .get(service)
            .filter(|view| view.level < ServiceLevel::Provisional)
    {
        found.push(Blocking {
            what: service.to_owned(),
            owner: None,
            reason: format!("everything it needs is there; last word: {}", view.reason),
        });
    }
    found
}

struct Search<'a> {
    situation: &'a Situation,
    estate: &'a Estate,
    down: BTreeSet<String>,
}

impl Search<'_> {
    fn needs(&self, of: &str, needs: &[Need], seen: &mut BTreeSet<String>, found: &mut Vec<Blocking>) {
        for need in needs.iter().filter(|n| n.any_of.iter().all(|id| self.down.contains(id))) {
            for id in &need.any_of {
                if seen.insert(id.clone()) {
                    self.one(of, id, seen, found);
                }
            }
        }
    }

    fn one(&self, of: &str, id: &str, seen: &mut BTreeSet<String>, found: &mut Vec<Blocking>) {
        let Some(system) = self.estate.systems.get(id) else {
            if let Some(service) = self.estate.services.get(id) {
                self.needs(id, &service.needs, seen, found);
            }
            return;
        };
        if let Some(host) = self.situation.hosts.get(id).filter(|h| h.isolated) {
            let since = host.isolated_changed.map_or(String::new(), |at| format!(" since {at}"));
            found.push(Blocking {
                what: id.to_owned(),
                owner: system.crew.clone(),
                reason: format!("{of} needs it and it is isolated{since}; {}", self.due(id)),
            });
        }
        self.needs(id, &system.needs, seen, found);
    }

    /// What the newest restoration plan has next for a system.
    fn due(&self, system: &str) -> String {
        let Some(view) = newest_restoration(self.situation) else {
            return "no restoration plan is proposed yet".to_owned();
        };
        if view.approvals.is_empty() {
            return format!("plan {} waits for approval", view.plan.generation);
        }
        let next = view
            .plan
            .steps
            .iter()
            .filter(|s| s.target == system)
            .find(|s| !is_done(view, s.number));
        let Some(step) = next else {
            return format!("plan {} has nothing left to do for it", view.plan.generation);
        };
        let state = match view.steps.get(&step.number).map(|s| &s.ended) {
            None => "is due",
            Some(None) => "is under way",
            Some(Some((_, StepOutcome::NotApplied { .. }))) => "was not done",
            Some(Some(_)) => "ended in doubt",
        };
        format!("step {} ({}) {state}", step.number, step.action)
    }
}

fn is_done(view: &PlanView, number: u32) -> bool {
    let ended = view.steps.get(&number).and_then(|s| s.ended.as_ref());
    matches!(ended, Some((_, StepOutcome::Verified { .. })))
}
