use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Fact, OverrideView, PlanRecord, SignedWord, StepOutcome, StepPlace, Timestamp, What, WordAbout, WorkView};

/// A step of a plan, or its undoing, and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepView {
    /// Intended since.
    pub intended: Timestamp,
    /// End and outcome.
    pub ended: Option<(Timestamp, StepOutcome)>,
}

/// One person's word for a plan, with what is needed to show it to executors again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WordView {
    /// Who.
    pub approver: String,
    /// In whose place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// When it was given.
    pub given: Timestamp,
    /// Until when it counts.
    pub valid_until: Timestamp,
    /// Ed25519 signature over the plan's hash and the end of validity, hex.
    pub signature: String,
}

/// What people were asked about a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedView {
    /// Who wants it carried out.
    pub requester: String,
    /// How many different people are needed.
    pub needed: u32,
    /// Words given later do not count.
    pub valid_until: Timestamp,
}

/// A plan and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanView {
    /// The plan.
    pub plan: PlanRecord,
    /// When it was proposed.
    pub proposed: Timestamp,
    /// Approvers, in order.
    pub approvals: Vec<String>,
    /// Steps begun, by number.
    pub steps: BTreeMap<u32, StepView>,
    /// What people were asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<AskedView>,
    /// The words for it that have an end of validity and did not expire before the plan was begun.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<WordView>,
    /// Who said no, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<(String, String)>,
    /// What the last dry run found in its way; `None` before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsed: Option<Vec<String>>,
    /// What must never be lost and answered before the plan began; `None` if nothing was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life_lines: Option<Vec<String>>,
    /// States of targets before their steps, by number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub seen: BTreeMap<u32, String>,
    /// Ends of leases, by number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub leases: BTreeMap<u32, Timestamp>,
    /// When, by whom and why the plan is to be undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<(Timestamp, String, String)>,
    /// Steps whose undoing began, by number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub undone: BTreeMap<u32, StepView>,
    /// The order in which open steps are carried out; empty for plans without one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<StepPlace>,
    /// How often it was ordered, and why the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered: Option<(u32, String)>,
    /// When it was ordered last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered_at: Option<Timestamp>,
    /// How often steps were tried again, by number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reopened: BTreeMap<u32, u32>,
    /// Work that people have, by step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub work: BTreeMap<u32, WorkView>,
}

impl PlanView {
    /// A plan that was just proposed.
    pub fn new(plan: PlanRecord, proposed: Timestamp) -> Self {
        Self {
            plan,
            proposed,
            approvals: Vec::new(),
            steps: BTreeMap::new(),
            asked: None,
            words: Vec::new(),
            refusals: Vec::new(),
            rehearsed: None,
            life_lines: None,
            seen: BTreeMap::new(),
            leases: BTreeMap::new(),
            undo: None,
            undone: BTreeMap::new(),
            order: Vec::new(),
            ordered: None,
            ordered_at: None,
            reopened: BTreeMap::new(),
            work: BTreeMap::new(),
        }
    }

    /// Returns whether the step was done, seen to be done, and not undone since.
    pub fn stands(&self, step: u32) -> bool {
        let ended = self.steps.get(&step).and_then(|s| s.ended.as_ref());
        matches!(ended, Some((_, StepOutcome::Verified { .. }))) && !self.undone.contains_key(&step)
    }

    /// Takes one fact about this plan; others change nothing.
    pub(crate) fn apply(&mut self, fact: &Fact) {
        let at = fact.at;
        match &fact.what {
            What::PlanContinued { steps, .. } => self.plan.steps.extend(steps.iter().cloned()),
            What::ApprovalAsked {
                requester,
                needed,
                valid_until,
                ..
            } => {
                self.asked = Some(AskedView {
                    requester: requester.clone(),
                    needed: *needed,
                    valid_until: *valid_until,
                });
            }
            What::PlanApproved {
                approver,
                signature,
                valid_until,
                on_behalf_of,
                ..
            } => {
                if !self.approvals.contains(approver) {
                    self.approvals.push(approver.clone());
                }
                if let Some(valid_until) = *valid_until {
                    self.words.retain(|word| word.approver != *approver);
                    self.words.push(WordView {
                        approver: approver.clone(),
                        on_behalf_of: on_behalf_of.clone(),
                        given: at,
                        valid_until,
                        signature: signature.clone(),
                    });
                }
            }
            What::ApprovalRefused { approver, reason, .. } => self.refusals.push((approver.clone(), reason.clone())),
            What::ApprovalExpired { approver, .. } => {
                self.words.retain(|word| word.approver != *approver);
                self.approvals.retain(|name| name != approver);
            }
            What::PlanRehearsed { problems, .. } => self.rehearsed = Some(problems.clone()),
            What::LifeLinesSeen { alive, .. } => self.life_lines = Some(alive.clone()),
            What::StepSeen { step, state, .. } => {
                // The first look is the one before the deed.
                self.seen.entry(*step).or_insert_with(|| state.clone());
            }
            What::StepIntended { step, .. } => {
                let view = StepView {
                    intended: at,
                    ended: None,
                };
                self.steps.insert(*step, view);
            }
            What::StepEnded { step, outcome, .. } => {
                let view = self.steps.entry(*step).or_insert(StepView {
                    intended: at,
                    ended: None,
                });
                view.ended = Some((at, outcome.clone()));
            }
            What::PlanOrdered {
                begins, steps, reason, ..
            } => {
                if *begins {
                    self.order.clear();
                    let times = self.ordered.as_ref().map_or(0, |(times, _)| *times);
                    self.ordered = Some((times + 1, reason.clone()));
                    self.ordered_at = Some(at);
                }
                self.order.extend(steps.iter().cloned());
            }
            What::StepReopened { step, .. } => {
                self.steps.remove(step);
                // Work that nobody did is given out anew.
                if self.work.get(step).is_some_and(|work| work.confirmed.is_none()) {
                    self.work.remove(step);
                }
                *self.reopened.entry(*step).or_default() += 1;
            }
            What::WorkGiven {
                step, owner, due, what, ..
            } => {
                let confirmed = self.work.remove(step).and_then(|work| work.confirmed);
                let work = WorkView {
                    owner: owner.clone(),
                    due: *due,
                    what: what.clone(),
                    confirmed,
                };
                self.work.insert(*step, work);
            }
            What::WordGiven { word } => self.confirm(at, word),
            What::LeaseGiven { step, until, .. } => {
                self.leases.insert(*step, *until);
            }
            What::UndoOrdered { reason, .. } => self.undo = Some((at, fact.by.clone(), reason.clone())),
            What::UndoIntended { step, .. } => {
                let view = StepView {
                    intended: at,
                    ended: None,
                };
                self.undone.insert(*step, view);
            }
            What::UndoEnded { step, outcome, .. } => {
                let view = self.undone.entry(*step).or_insert(StepView {
                    intended: at,
                    ended: None,
                });
                view.ended = Some((at, outcome.clone()));
            }
            _ => {}
        }
    }

    /// Takes a person's word that a step was done by hand.
    fn confirm(&mut self, at: Timestamp, word: &SignedWord) {
        if let WordAbout::Done { step, .. } = &word.word
            && let Some(work) = self.work.get_mut(step)
        {
            work.confirmed = Some(OverrideView {
                at,
                person: word.person.clone(),
                reason: word.reason.clone(),
            });
        }
    }
}
