use std::collections::BTreeSet;
use std::time::Duration;

use leckwehr_contain::protocol::{clause_faults, is_reconnection};
use leckwehr_contain::{Absence, Decision, Delegation as Handed, Request, Voice, decide};
use leckwehr_crypt::{VerifyingKey, hex, sha256};
use leckwehr_guard::Approval;
use leckwehr_incident::{Phase, PlanKind, PlanRecord, PlanView, Situation, Timestamp, What, WordView};
use tokio::time::timeout;

use crate::config::{Config, Input, Output, Wires};
use crate::errand::Warranted;
use crate::error::ControlError;
use crate::execution::{Journal, Point};
use crate::fit::plan_facts;
use crate::room::Room;

/// Longest time for which one word for a plan may count, in milliseconds.
pub const APPROVAL_MS_MAX: i64 = 24 * 3_600_000;
/// Words that do not count which are written into the ledger; further ones are dropped.
const REJECTED_MAX: u64 = 1_024;
/// Milliseconds after which it is looked again whether a word expired while others are waited for.
const LOOK_MS: u64 = 1_000;
/// Who writes what nobody else says.
const BY: &str = "control-room";

/// Returns why a word for a plan does not count, if so: a pure function of the word, the keys and the time.
pub fn fault_of(config: &Config, approval: &Approval, hash: &str, now: Timestamp) -> Option<String> {
    let Some(key) = config.approvers.get(&approval.approver) else {
        return Some("nobody of that name may approve".to_owned());
    };
    if !approval.is_of(&VerifyingKey::from_bytes(*key), hash) {
        return Some("the signature is not of that person for this plan".to_owned());
    }
    match approval.valid_until {
        None => Some("it has no end of validity".to_owned()),
        Some(end) if end < now => Some(format!("it was valid until {end}")),
        Some(end) if end > now.plus_ms(APPROVAL_MS_MAX) => Some(format!(
            "it would be valid for more than {} hours",
            APPROVAL_MS_MAX / 3_600_000
        )),
        Some(_) => None,
    }
}

/// Says whether the words in the facts allow a plan to be begun at `now`: enough different people, by the agreed rules where there
/// are some. A pure function.
pub fn decision_about(config: &Config, situation: &Situation, view: &PlanView, now: Timestamp) -> Decision {
    let in_time: Vec<_> = view.words.iter().filter(|word| word.valid_until >= now).collect();
    let names = in_time.iter().map(|word| word.approver.as_str());
    let names: BTreeSet<&str> = names.filter(|name| config.decides(name)).collect();
    let until = in_time.iter().map(|word| word.valid_until).min().unwrap_or(now);
    let missing = config.approvals_min.saturating_sub(names.len());
    let plain = if missing == 0 {
        let by = names.iter().map(|name| (*name).to_owned()).collect();
        Decision::Granted { by, until }
    } else {
        Decision::Waiting {
            people: missing,
            counter_signers: BTreeSet::new(),
            ignored: Vec::new(),
        }
    };
    let Some(rules) = config.protocol.as_ref().map(|protocol| &protocol.approval) else {
        return plain;
    };
    let request = request_of(config, view);
    let voices: Vec<Voice> = in_time
        .iter()
        .map(|word| Voice {
            person: word.approver.clone(),
            at: word.given,
        })
        .collect();
    let handed = situation.delegations.iter().map(|d| Handed {
        from: d.from.clone(),
        to: d.to.clone(),
        since: d.since,
        until: d.until,
    });
    let absences = situation.absences.iter().map(|(person, since, until)| Absence {
        person: person.clone(),
        since: *since,
        until: *until,
    });
    let (handed, absences): (Vec<Handed>, Vec<Absence>) = (handed.collect(), absences.collect());
    // Both must hold: the agreed rules, and as many people as executors ask for.
    match (decide(rules, &request, &voices, &handed, &absences, now), plain) {
        (Decision::Granted { by, until }, Decision::Granted { until: end, .. }) => Decision::Granted {
            by,
            until: until.min(end),
        },
        (Decision::Granted { .. }, waiting) => waiting,
        (waiting, _) => waiting,
    }
}

fn request_of(config: &Config, view: &PlanView) -> Request {
    let hosts = view
        .plan
        .steps
        .iter()
        .filter(|s| s.action == "isolate-host")
        .map(|s| &s.target);
    let hosts: BTreeSet<&String> = hosts.collect();
    let vital = config.estate.services.iter().filter(|(_, s)| s.vital).any(|(id, _)| {
        let needs = config.estate.needs_of_service(id);
        hosts.iter().any(|host| needs.contains(*host))
    });
    let asked = view.asked.as_ref();
    Request {
        requester: asked.map(|a| a.requester.clone()).unwrap_or_default(),
        at: view.proposed,
        systems: hosts.len(),
        eur_per_hour: view.plan.harm_eur_per_hour,
        vital,
        counter_signers: counter_signers(config, view),
    }
}

/// Parties that sign before, by the clauses that the plan's steps cite.
fn counter_signers(config: &Config, view: &PlanView) -> BTreeSet<String> {
    let clauses = config.protocol.iter().map(|protocol| &protocol.clauses);
    let cited = clauses.flat_map(|all| view.plan.steps.iter().filter_map(|step| all.get(&step.clause)));
    cited.flat_map(|clause| clause.counter_signers.iter().cloned()).collect()
}

/// Writes a plan into the ledger, whole, unless it is there.
///
/// # Errors
/// What the ledger then holds is not the plan that people would approve.
pub fn propose(journal: &mut Journal, plan: &PlanRecord) -> Result<(), ControlError> {
    if !journal.situation().plans.contains_key(&plan.hash) {
        journal.record(BY, plan_facts(plan))?;
    }
    match journal.plan(&plan.hash)?.plan == *plan {
        true => Ok(()),
        false => Err(ControlError::PlanNotRecorded { hash: plan.hash.clone() }),
    }
}

/// Notes that people are asked to approve a plan, once.
pub fn ask_for(config: &Config, journal: &mut Journal, plan: &PlanRecord, requester: &str) -> Result<(), ControlError> {
    if journal.plan(&plan.hash)?.asked.is_some() {
        return Ok(());
    }
    let asked = What::ApprovalAsked {
        hash: plan.hash.clone(),
        requester: requester.to_owned(),
        needed: config.approvals_min as u32,
        valid_until: journal.now().plus_ms(APPROVAL_MS_MAX),
    };
    journal.record(BY, vec![asked])
}

/// Takes a person's word for a plan: a fact if it counts, and a fact if it does not. Returns why it does not.
pub fn take_word(
    config: &Config,
    journal: &mut Journal,
    plan: &PlanRecord,
    approval: &Approval,
) -> Result<Option<String>, ControlError> {
    let (hash, approver) = (plan.hash.clone(), approval.approver.clone());
    if journal
        .plan(&hash)?
        .words
        .iter()
        .any(|word| word.approver == approver && word.signature == approval.signature)
    {
        return Ok(None);
    }
    journal.pass(Point::BeforeApproval)?;
    let fault = fault_of(config, approval, &hash, journal.now());
    if let Some(reason) = &fault {
        reject(journal, &hash, &approver, reason)?;
    } else if is_longer(&journal.plan(&hash)?.words, approval) {
        let approved = What::PlanApproved {
            hash,
            approver: approver.clone(),
            signature: approval.signature.clone(),
            valid_until: approval.valid_until,
            on_behalf_of: None,
        };
        journal.record(&approver, vec![approved])?;
    }
    journal.pass(Point::AfterApproval)?;
    Ok(fault)
}

/// Returns why a takedown, or a return of partners, is not one of the agreed protocol, one sentence each; nothing where none was
/// agreed. Such a plan is never begun.
pub fn faults_of_plan(config: &Config, plan: &PlanRecord) -> Vec<String> {
    let is_checked = plan.kind == PlanKind::Takedown || is_reconnection(&plan.steps);
    let protocol = config.protocol.as_ref().filter(|_| is_checked);
    let faults = protocol.map(|protocol| clause_faults(plan, &config.estate, protocol, config.minute_ms));
    faults.unwrap_or_default()
}

/// Whether the approver gave no word yet, or one that ends sooner.
fn is_longer(words: &[WordView], approval: &Approval) -> bool {
    let mut of_person = words.iter().filter(|word| word.approver == approval.approver);
    of_person.all(|word| approval.valid_until > Some(word.valid_until))
}

/// Returns whether a plan may be carried out now: enough words are there and in time, or it was begun when they were. Words that
/// expired before it was begun are said to be, once.
pub fn may_begin(config: &Config, journal: &mut Journal, plan: &PlanRecord) -> Result<bool, ControlError> {
    let now = journal.now();
    let view = journal.plan(&plan.hash)?;
    if !view.steps.is_empty() {
        let ours = view.words.iter().filter(|word| config.decides(&word.approver));
        return Ok(ours.count() >= config.approvals_min);
    }
    if !faults_of_plan(config, plan).is_empty() {
        return Ok(false);
    }
    let expired = view.words.iter().filter(|word| word.valid_until < now);
    let expired = expired.map(|word| What::ApprovalExpired {
        hash: plan.hash.clone(),
        approver: word.approver.clone(),
    });
    let expired: Vec<What> = expired.collect();
    journal.record(BY, expired)?;
    let decision = decision_about(config, journal.situation(), journal.plan(&plan.hash)?, now);
    Ok(matches!(decision, Decision::Granted { .. }))
}

pub(crate) fn reject(journal: &mut Journal, hash: &str, by: &str, reason: &str) -> Result<(), ControlError> {
    // A flood of them must not fill the disk.
    if journal.situation().rejected >= REJECTED_MAX {
        return Ok(());
    }
    let rejected = What::WordRejected {
        hash: hash.to_owned(),
        by: by.to_owned(),
        reason: reason.to_owned(),
    };
    journal.record(BY, vec![rejected])
}

/// Returns what people sign who want a plan undone, in the place of its hash.
pub fn undo_hash(hash: &str) -> String {
    hex(&sha256(format!("leckwehr undo v1\n{hash}\n").as_bytes()))
}

/// Orders that a plan is undone, if as many different people approved that ([`undo_hash`]) as must approve a plan. Returns the words
/// that do not count, with the reason; each is a fact. Nothing is undone yet.
pub fn order_undo(
    config: &Config,
    journal: &mut Journal,
    hash: &str,
    reason: &str,
    approvals: &[Approval],
) -> Result<Vec<(String, String)>, ControlError> {
    let (mut words, mut faults): (Vec<WordView>, Vec<(String, String)>) = (Vec::new(), Vec::new());
    let (signed, now) = (undo_hash(hash), journal.now());
    for approval in approvals {
        let approver = approval.approver.clone();
        if let Some(fault) = fault_of(config, approval, &signed, now) {
            reject(journal, hash, &approver, &fault)?;
            faults.push((approver, fault));
        } else if !config.decides(&approver) {
            faults.push((approver, "it counter-signs for a customer, and undoes nothing".to_owned()));
        } else if words.iter().all(|word| word.approver != approver) {
            words.push(WordView {
                approver,
                on_behalf_of: None,
                given: now,
                valid_until: approval.valid_until.unwrap_or(now),
                signature: approval.signature.clone(),
            });
        }
    }
    if words.len() < config.approvals_min || journal.plan(hash)?.undo.is_some() {
        return Ok(faults);
    }
    let people: Vec<&str> = words.iter().map(|word| word.approver.as_str()).collect();
    let (by, reason) = (
        people.join(" and "),
        format!("{reason} (ordered by {})", people.join(" and ")),
    );
    let plan = hash.to_owned();
    journal.record(&by, vec![What::UndoOrdered { plan, reason, words }])?;
    Ok(faults)
}

impl<W: Wires> Room<W> {
    /// Waits until enough different people approved the plan; telemetry is taken in meanwhile. Words that are in the ledger and
    /// still in time are not asked for again.
    pub(crate) async fn approvals(&mut self, plan: &PlanRecord) -> Result<Warranted, ControlError> {
        propose(&mut self.journal, plan)?;
        if !may_begin(&self.config, &mut self.journal, plan)? {
            self.ask_to_approve(plan).await?;
        }
        while !may_begin(&self.config, &mut self.journal, plan)? {
            match timeout(Duration::from_millis(LOOK_MS), self.inputs.recv()).await {
                Err(_) => self.renew_due_leases().await?,
                Ok(None) => return Err(ControlError::Deserted),
                Ok(Some(Input::Approved { hash, approval })) if hash == plan.hash => {
                    take_word(&self.config, &mut self.journal, plan, &approval)?;
                }
                Ok(Some(other)) => {
                    self.take(other)?;
                    self.look()?;
                }
            }
        }
        Ok(self.warrant_in_facts(plan))
    }

    /// Returns a plan with the words for it that the ledger holds.
    pub(crate) fn warrant_in_facts(&self, plan: &PlanRecord) -> Warranted {
        let view = self.journal.situation().plans.get(&plan.hash);
        let words = view.map(|v| v.words.as_slice()).unwrap_or_default();
        Warranted::new(plan.clone(), words)
    }

    /// Asks people, and tells the public that something is wrong: people need longer to decide than that takes.
    async fn ask_to_approve(&mut self, plan: &PlanRecord) -> Result<(), ControlError> {
        ask_for(&self.config, &mut self.journal, plan, BY)?;
        self.say(Output::Approve { plan: plan.clone() });
        if self.journal.situation().phase == Phase::Declared {
            self.publish().await?;
        }
        Ok(())
    }
}
