use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Alarm, CheckView, Claim, Delegation, Fact, FactError, ForecastView, Impact, OverrideView, PaymentView, Phase, PhaseError,
    PlanView, ProbeResult, ReturnView, ServiceLevel, SignedWord, Suppression, Tier, Timestamp, Verdict, What, WordAbout,
};

/// Forecasts kept of one service: the first, and the newest of the others.
pub const FORECASTS_MAX: usize = 64;
/// Changes of level kept of one system; the oldest go first.
pub const LEVELS_MAX: usize = 256;
/// Closings kept of one alarm; the oldest go first.
pub const CLOSINGS_MAX: usize = 16;

/// What is the case now, computed from facts alone.
///
/// The fold is deterministic and uses ordered maps only: equal facts give equal bytes of [`Situation::to_json`].
/// Applying one fact costs O(log n) of what it touches; `Assessed` costs O(hosts).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Situation {
    /// Estate name.
    pub estate: String,
    /// Facts applied.
    pub facts: u64,
    /// Time of the last fact.
    pub as_of: Timestamp,
    /// Phase of the incident.
    pub phase: Phase,
    /// Every phase entered, with time and reason.
    pub history: Vec<(Timestamp, Phase, String)>,
    /// Findings so far.
    pub findings: u64,
    /// Alarms by id.
    pub alarms: BTreeMap<String, AlarmView>,
    /// Suppressions that have not ended, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub suppressions: BTreeMap<String, Suppression>,
    /// Hosts that were assessed or isolated, by system id.
    pub hosts: BTreeMap<String, HostView>,
    /// Connections now cut.
    pub connections_cut: Vec<String>,
    /// Plans by hash.
    pub plans: BTreeMap<String, PlanView>,
    /// Services by id.
    pub services: BTreeMap<String, ServiceView>,
    /// The impact analysis as it stands.
    pub impact: Impact,
    /// Claims by id, with their corrections.
    pub claims: BTreeMap<String, ClaimView>,
    /// Probes whose result was not the expected one.
    pub probes_unexpected: Vec<ProbeResult>,
    /// Probes run.
    pub probes: u64,
    /// The published site.
    pub site: SiteView,
    /// The newest start of a control room; executors refuse orders of older ones. 0 in ledgers of older builds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub epoch: u64,
    /// Delegations of the right to approve, the newest of each pair.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delegations: Vec<Delegation>,
    /// Who may approve and is away, from when and until when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absences: Vec<(String, Timestamp, Timestamp)>,
    /// Words and orders that did not count: forged, replayed, expired or of nobody who may.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rejected: u64,
    /// Files of emergency payment runs by their SHA-256.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub payments: BTreeMap<String, PaymentView>,
    /// Forecasts by service, the oldest first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub forecasts: BTreeMap<String, Vec<ForecastView>>,
    /// What cannot be known or done: `room: what`.
    pub unknown: Vec<String>,
    /// What people must decide or do: `room: what`.
    pub open_decisions: Vec<String>,
}

/// An alarm and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlarmView {
    /// The latest state of the alarm.
    pub alarm: Alarm,
    /// `closed as …`; later evidence clears it.
    pub closed_as: Option<String>,
    /// When, by whom and why it was closed, the last [`CLOSINGS_MAX`] times; it is open if `closed_as` is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closings: Vec<ClosedView>,
}

/// One closing of an alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClosedView {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// As what, for machines.
    pub verdict: Option<Verdict>,
    /// Why.
    pub reason: String,
    /// When and why later evidence opened it again.
    pub reopened: Option<(Timestamp, String)>,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HostView {
    /// How sure we are that the attacker was there.
    pub tier: Option<Tier>,
    /// Off the grid?
    pub isolated: bool,
    /// Since when it is in its present state of isolation.
    pub isolated_changed: Option<Timestamp>,
    /// Files restored so far.
    pub files_restored: u64,
    /// Files without a clean version.
    pub files_lost: u64,
    /// Where it is on its way back; `None` if it never was away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<ServiceLevel>,
    /// The last [`LEVELS_MAX`] changes of that, with their reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<(Timestamp, ServiceLevel, String)>,
    /// Its gates, and what people decided about it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub back: ReturnView,
}

/// A service and its history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceView {
    /// Level now.
    pub level: ServiceLevel,
    /// Why.
    pub reason: String,
    /// Every change of level.
    pub changes: Vec<(Timestamp, ServiceLevel)>,
}

/// A claim with the texts it replaced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClaimView {
    /// As it stands.
    pub claim: Claim,
    /// When it was last said.
    pub said: Timestamp,
    /// Earlier wordings: a correction carries them along.
    pub corrected: Vec<Claim>,
}

/// The published site.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SiteView {
    /// Last sequence number; 0 before the first.
    pub seq: u64,
    /// Mirrors that read back correctly.
    pub mirrors_ok: u32,
    /// Mirrors tried.
    pub mirrors: u32,
}

/// A fact that contradicts the ones before it.
#[derive(Debug, thiserror::Error)]
pub enum SituationError {
    /// Unreadable entry.
    #[error(transparent)]
    Fact(#[from] FactError),
    /// Impossible change of phase.
    #[error("fact {index} contradicts the facts before it")]
    Phase {
        /// Position among the facts.
        index: u64,
        /// The cause.
        #[source]
        source: PhaseError,
    },
    /// An approval or step for a plan that was not proposed.
    #[error("fact {index} names plan {hash}, which was never proposed")]
    NoSuchPlan {
        /// Position among the facts.
        index: u64,
        /// The hash.
        hash: String,
    },
}

impl Situation {
    /// Folds ledger entries, in order.
    pub fn replay<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, SituationError> {
        let mut situation = Self::default();
        for (index, bytes) in entries.into_iter().enumerate() {
            situation.apply(&Fact::from_bytes(index as u64, bytes)?)?;
        }
        Ok(situation)
    }

    /// Applies one fact. On error the situation is unchanged.
    pub fn apply(&mut self, fact: &Fact) -> Result<(), SituationError> {
        let at = fact.at;
        match &fact.what {
            What::WatchStarted { estate, services } => {
                self.estate.clone_from(estate);
                for service in services {
                    self.set_service(at, service, ServiceLevel::Full, "running when observation began");
                }
            }
            What::Found { .. } => self.findings += 1,
            What::Alarmed { alarm } => self.alarm(at, alarm),
            What::AlarmClosed {
                alarm,
                as_what,
                verdict,
                reason,
            } => {
                if let Some(view) = self.alarms.get_mut(alarm) {
                    view.closed_as = Some(as_what.clone());
                    if view.closings.len() == CLOSINGS_MAX {
                        view.closings.remove(0);
                    }
                    view.closings.push(ClosedView {
                        at,
                        by: fact.by.clone(),
                        verdict: *verdict,
                        reason: reason.clone(),
                        reopened: None,
                    });
                }
            }
            What::Suppressed { suppression } => {
                self.suppressions.insert(suppression.id.clone(), suppression.clone());
            }
            What::SuppressionEnded { suppression, .. } => {
                self.suppressions.remove(suppression);
            }
            What::SourceAccount {
                source,
                missing,
                damaged,
                ..
            } => {
                if missing + damaged > 0 {
                    self.add_unknown(format!("telemetry: {source} lost {missing} and damaged {damaged} records"));
                }
            }
            What::PhaseEntered { phase, reason } => {
                self.phase = self.phase.enter(*phase).map_err(|source| SituationError::Phase {
                    index: self.facts,
                    source,
                })?;
                self.history.push((at, *phase, reason.clone()));
            }
            What::PlanProposed { plan } => {
                self.plans.insert(plan.hash.clone(), PlanView::new(plan.clone(), at));
            }
            What::PlanContinued { hash, .. }
            | What::ApprovalAsked { hash, .. }
            | What::PlanApproved { hash, .. }
            | What::ApprovalRefused { hash, .. }
            | What::ApprovalExpired { hash, .. }
            | What::PlanRehearsed { plan: hash, .. }
            | What::LifeLinesSeen { plan: hash, .. }
            | What::StepSeen { plan: hash, .. }
            | What::StepIntended { plan: hash, .. }
            | What::StepEnded { plan: hash, .. }
            | What::LeaseGiven { plan: hash, .. }
            | What::UndoOrdered { plan: hash, .. }
            | What::UndoIntended { plan: hash, .. }
            | What::UndoEnded { plan: hash, .. }
            | What::PlanOrdered { plan: hash, .. }
            | What::StepReopened { plan: hash, .. }
            | What::WorkGiven { plan: hash, .. } => self.plan_mut(hash)?.apply(fact),
            What::WordGiven { word } => self.word(fact, word)?,
            What::GateChecked {
                system,
                check,
                passed,
                evidence,
            } => {
                let view = CheckView {
                    at,
                    passed: *passed,
                    evidence: evidence.clone(),
                };
                self.hosts.entry(system.clone()).or_default().back.checks.insert(*check, view);
            }
            What::SystemChanged { system, level, reason } => {
                let host = self.hosts.entry(system.clone()).or_default();
                host.level = Some(*level);
                if host.levels.len() == LEVELS_MAX {
                    host.levels.remove(0);
                }
                host.levels.push((at, *level, reason.clone()));
            }
            What::Forecasted { service, p50, p90 } => {
                let kept = self.forecasts.entry(service.clone()).or_default();
                if kept.len() == FORECASTS_MAX {
                    kept.remove(1);
                }
                kept.push(ForecastView {
                    at,
                    p50: *p50,
                    p90: *p90,
                });
            }
            What::ControlStarted { epoch } => self.epoch = (*epoch).max(self.epoch),
            What::WordRejected { hash, by, reason } => {
                self.rejected += 1;
                push_new(
                    &mut self.open_decisions,
                    format!("approval: a word for plan {hash} in the name of {by} does not count: {reason}"),
                );
            }
            What::ApprovalDelegated { delegation } => {
                self.delegations
                    .retain(|d| d.from != delegation.from || d.to != delegation.to);
                self.delegations.push(delegation.clone());
            }
            What::AbsenceNoted { person, since, until } => self.absences.push((person.clone(), *since, *until)),
            What::OrderRefused { executor, reason } => {
                self.rejected += 1;
                push_new(
                    &mut self.open_decisions,
                    format!("{executor}: an order was refused there that this room did not send: {reason}"),
                );
            }
            What::Probed { probe } => {
                self.probes += 1;
                if probe.expected_reachable != probe.reachable {
                    self.probes_unexpected.push(probe.clone());
                }
            }
            What::HostIsolated { system, isolated } => {
                let host = self.hosts.entry(system.clone()).or_default();
                if *isolated && !host.isolated {
                    host.back.begin_again();
                }
                host.isolated = *isolated;
                host.isolated_changed = Some(at);
            }
            What::ConnectionCut { connection, cut } => {
                self.connections_cut.retain(|c| c != connection);
                if *cut {
                    self.connections_cut.push(connection.clone());
                }
            }
            What::Assessed { impact } => {
                for host in self.hosts.values_mut() {
                    host.tier = None;
                }
                for host in &impact.hosts {
                    self.hosts.entry(host.system.clone()).or_default().tier = Some(host.tier);
                }
                self.impact = impact.clone();
            }
            What::Claimed { claim } => self.say(at, claim),
            What::ServiceChanged { service, level, reason } => self.set_service(at, service, *level, reason),
            What::FilesRestored { system, restored, lost } => {
                let host = self.hosts.entry(system.clone()).or_default();
                host.files_restored += restored;
                host.files_lost += lost;
            }
            What::PaymentRun {
                run,
                file,
                stage,
                payments,
                cents,
                held,
            } => {
                let view = PaymentView {
                    run: run.clone(),
                    stage: *stage,
                    at,
                    payments: *payments,
                    cents: *cents,
                    held: *held,
                };
                self.payments.insert(file.clone(), view);
            }
            What::SitePublished {
                seq,
                mirrors_ok,
                mirrors,
                ..
            } => {
                self.site = SiteView {
                    seq: *seq,
                    mirrors_ok: *mirrors_ok,
                    mirrors: *mirrors,
                };
            }
            What::DecisionOpen { room, what } => push_new(&mut self.open_decisions, format!("{room}: {what}")),
            What::NotKnown { room, what } => self.add_unknown(format!("{room}: {what}")),
            What::NotBuilt { room, what } => self.add_unknown(format!("{room}: {what} (not built yet)")),
        }
        self.facts += 1;
        self.as_of = at;
        Ok(())
    }

    /// Returns the situation as canonical JSON.
    pub fn to_json(&self) -> String {
        // Serialising cannot fail: all map keys are strings or integers.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    fn plan_mut(&mut self, hash: &str) -> Result<&mut PlanView, SituationError> {
        let index = self.facts;
        self.plans.get_mut(hash).ok_or_else(|| SituationError::NoSuchPlan {
            index,
            hash: hash.to_owned(),
        })
    }

    /// Takes a person's signed word. One about a plan needs the plan.
    fn word(&mut self, fact: &Fact, word: &SignedWord) -> Result<(), SituationError> {
        let view = OverrideView {
            at: fact.at,
            person: word.person.clone(),
            reason: word.reason.clone(),
        };
        match &word.word {
            WordAbout::Done { plan, .. } => self.plan_mut(plan)?.apply(fact),
            WordAbout::Override { system, gate } => {
                self.hosts
                    .entry(system.clone())
                    .or_default()
                    .back
                    .overrides
                    .insert(*gate, view);
            }
            WordAbout::Lost { system, until } => {
                self.hosts.entry(system.clone()).or_default().back.lost_until = Some(*until);
            }
            WordAbout::Observed { system } => self.hosts.entry(system.clone()).or_default().back.observed = Some(view),
        }
        Ok(())
    }

    fn set_service(&mut self, at: Timestamp, service: &str, level: ServiceLevel, reason: &str) {
        let view = self.services.entry(service.to_owned()).or_insert_with(|| ServiceView {
            level,
            reason: String::new(),
            changes: Vec::new(),
        });
        if view.changes.last().map(|(_, l)| *l) != Some(level) {
            view.changes.push((at, level));
        }
        view.level = level;
        reason.clone_into(&mut view.reason);
    }

    /// Takes a new, louder or reopened alarm.
    fn alarm(&mut self, at: Timestamp, alarm: &Alarm) {
        let closings = self.alarms.remove(&alarm.id).map(|view| view.closings);
        let mut closings = closings.unwrap_or_default();
        if let Some(closing) = closings.last_mut().filter(|c| c.reopened.is_none()) {
            closing.reopened = Some((at, alarm.reopened.clone().unwrap_or_default()));
        }
        let view = AlarmView {
            alarm: alarm.clone(),
            closed_as: None,
            closings,
        };
        self.alarms.insert(alarm.id.clone(), view);
    }

    fn say(&mut self, at: Timestamp, claim: &Claim) {
        match self.claims.get_mut(&claim.id) {
            Some(view) if view.claim == *claim => view.said = at,
            Some(view) => {
                let old = std::mem::replace(&mut view.claim, claim.clone());
                view.corrected.push(old);
                view.said = at;
            }
            None => {
                let view = ClaimView {
                    claim: claim.clone(),
                    said: at,
                    corrected: Vec::new(),
                };
                self.claims.insert(claim.id.clone(), view);
            }
        }
    }

    fn add_unknown(&mut self, text: String) {
        push_new(&mut self.unknown, text);
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn push_new(list: &mut Vec<String>, text: String) {
    if !list.contains(&text) {
        list.push(text);
    }
}
