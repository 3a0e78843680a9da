use std::collections::{BTreeMap, BTreeSet};

use leckwehr_incident::{
    Alarm, AlarmLevel, ClaimTopic, Fact, OutsideRole, Phase, PlanKind, ServiceLevel, Situation, Tier, Timestamp, What,
};
use serde::Serialize;

use crate::attacker::Act;
use crate::books::Books;
use crate::director::{Played, Seconds, Truth};
use crate::payday::Paid;
use crate::returns::{ReturnScore, return_score};

/// Hosts: true ones, and how the control room did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct HostScore {
    /// Hosts that the attacker was on.
    #[serde(rename = "true")]
    pub truth: usize,
    /// Of these, found (proven, probable) or listed as a hypothesis (possible).
    pub found: usize,
    /// Of these, not named at all.
    pub missed: usize,
    /// Named as compromised (proven, probable) without being so.
    pub wrong: usize,
    /// Of the found ones, those that were only a hypothesis.
    pub hypothesis: usize,
    /// All hosts that were listed as a hypothesis, true or not: who lists everything misses nothing.
    pub possible: usize,
}

/// Credentials that the attacker used with success, and how the control room did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CredentialScore {
    /// Used with success.
    #[serde(rename = "true")]
    pub truth: usize,
    /// Of these, named.
    pub found: usize,
    /// Of these, not named.
    pub missed: usize,
}

/// Bytes that left, and the bound.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct BytesScore {
    /// Bytes that came out to the attacker.
    #[serde(rename = "true")]
    pub truth: u64,
    /// The bound that was claimed for all exits together.
    pub bound: u64,
    /// The bound for the addresses that were named as the attacker's.
    pub bound_attacker: u64,
}

/// Messages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct MessageScore {
    /// Sent at least once.
    pub sent: usize,
    /// Receipt given.
    pub accepted: usize,
    /// Receipt given, but not in core processing at the end.
    pub lost: usize,
    /// In core processing more than once.
    pub duplicated: usize,
}

/// Files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct FileScore {
    /// Encrypted or deleted by the attacker.
    pub damaged: usize,
    /// Of these, right at the end.
    pub restored: usize,
    /// Files, damaged or not, that are not right at the end.
    pub lost: usize,
}

/// The ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct LedgerScore {
    /// Entries.
    pub entries: u64,
    /// Store and export verified, and replay gives the same situation.
    pub verified: bool,
}

/// Claims.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ClaimScore {
    /// Made, corrections included.
    pub made: usize,
    /// Untrue.
    pub untrue: usize,
    /// Which, and why.
    pub untrue_because: Vec<String>,
    /// Neither true nor untrue: about a service that no node of the range can use.
    pub unchecked: usize,
    /// Which.
    pub unchecked_claims: Vec<String>,
}

/// Alarms that somebody would look at, raised while there was no attacker yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct FalseAlarms {
    /// Of level warning or above.
    pub raised: usize,
    /// Of these, critical: such an alarm starts a takedown.
    pub takedown: usize,
    /// Which.
    pub alarms: Vec<String>,
}

/// Service minutes.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ServiceScore {
    /// Minutes that services were off, all services together.
    pub lost: f64,
    /// The same, as the restoration plan expected it.
    pub planned: f64,
}

/// The score of a drill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// Nothing lost, nothing untrue, nothing through the cut, nobody missed.
    pub passed: bool,
    /// Why not.
    pub because: Vec<String>,
    /// `real` or `simulated`.
    pub network: &'static str,
    /// Seed.
    pub seed: u64,
    /// Hosts built.
    pub hosts_built: usize,
    /// Seconds of each stage.
    pub seconds: Seconds,
    /// Hosts.
    pub hosts: HostScore,
    /// Credentials.
    pub credentials: CredentialScore,
    /// Packets that passed a cut interface after the cut.
    pub packets_after_cut: u64,
    /// Things the attacker still got done on the provider's hosts after the cut was declared proven, by his own diary.
    pub acts_after_cut: usize,
    /// Packets of attempts that the cut stopped, as counted at the end.
    pub packets_stopped: u64,
    /// Bytes out.
    pub bytes_out: BytesScore,
    /// Messages.
    pub messages: MessageScore,
    /// Files.
    pub files: FileScore,
    /// Service minutes.
    pub service_minutes: ServiceScore,
    /// How systems and services came back.
    pub restoration: ReturnScore,
    /// Emergency payments while services were cut.
    pub payments: Paid,
    /// Ledger.
    pub ledger: LedgerScore,
    /// Claims.
    pub claims: ClaimScore,
    /// False alarms.
    pub false_alarms: FalseAlarms,
    /// Copies of the status site that a stranger could verify and that are the last one published.
    pub site_copies_verified: usize,
    /// Copies that verified but are not the last one published.
    pub site_copies_stale: usize,
    /// What the control room leaves to people.
    pub open_decisions: Vec<String>,
    /// What the control room says it cannot know or do.
    pub unknown: Vec<String>,
}

/// Holds what the control room says against what really happened.
pub fn score(played: &Played, books: &Books, network: &'static str, seed: u64) -> Score {
    let truth = &played.truth;
    let compromised = compromised(truth);
    let mut score = Score {
        passed: false,
        because: Vec::new(),
        network,
        seed,
        hosts_built: played.estate.systems.len(),
        seconds: seconds(played, books),
        hosts: host_score(&compromised, &books.situation),
        credentials: credential_score(truth, &books.situation),
        packets_after_cut: truth.guards.values().flat_map(|g| g.passed.values()).map(|c| c.packets).sum(),
        acts_after_cut: acts_after_cut(played),
        packets_stopped: truth.guards.values().flat_map(|g| g.cut.values()).map(|c| c.packets).sum(),
        bytes_out: bytes_score(truth, &books.situation),
        messages: message_score(truth),
        files: file_score(truth),
        service_minutes: service_score(books),
        restoration: return_score(books, truth, |system, path| {
            damaged(truth).iter().any(|(s, p)| *s == system && *p == path)
        }),
        payments: truth.paid.clone(),
        ledger: LedgerScore {
            entries: books.entries,
            verified: books.verified,
        },
        claims: ClaimScore::default(),
        false_alarms: false_alarms(truth, books),
        site_copies_verified: 0,
        site_copies_stale: 0,
        open_decisions: books.situation.open_decisions.clone(),
        unknown: books
            .situation
            .unknown
            .iter()
            .chain(&books.situation.impact.unknowns)
            .cloned()
            .collect(),
    };
    let last = books.last_site();
    let copies = truth.copies.iter().flatten();
    let (right, stale): (Vec<_>, Vec<_>) = copies.partition(|copy| last == Some((copy.seq, copy.manifest.as_str())));
    (score.site_copies_verified, score.site_copies_stale) = (right.len(), stale.len());
    score.claims = claim_score(&score, &compromised, truth, books);
    score.because = reasons(&score, truth);
    score.passed = score.because.is_empty();
    score
}

fn reasons(score: &Score, truth: &Truth) -> Vec<String> {
    let checks = [
        (
            score.hosts.missed == 0,
            format!("{} compromised hosts were missed", score.hosts.missed),
        ),
        (score.hosts.truth > 0, "the attacker came nowhere: nothing was drilled".into()),
        (
            score.packets_after_cut == 0,
            format!("{} packets passed the cut", score.packets_after_cut),
        ),
        (
            score.acts_after_cut == 0,
            format!("the attacker still did {} things after the cut", score.acts_after_cut),
        ),
        (
            score.bytes_out.bound >= score.bytes_out.truth,
            "more bytes left than the bound says".into(),
        ),
        (score.messages.accepted > 0, "no message was accepted".into()),
        (
            score.messages.lost == 0,
            format!("{} accepted messages were lost", score.messages.lost),
        ),
        (
            score.messages.duplicated == 0,
            format!("{} messages were duplicated", score.messages.duplicated),
        ),
        (score.files.lost == 0, format!("{} files were lost", score.files.lost)),
        (
            score.restoration.gates_skipped == 0,
            format!("{} gates were skipped", score.restoration.gates_skipped),
        ),
        (
            score.restoration.restored_over_newer == 0,
            format!(
                "{} files were restored over newer ones",
                score.restoration.restored_over_newer
            ),
        ),
        (
            score.payments.failures.is_empty(),
            format!("the emergency payment run failed: {}", score.payments.failures.join("; ")),
        ),
        (
            score.payments.paid_once == score.payments.orders && score.payments.too_many == 0,
            format!(
                "{} of {} emergency payments were made once, {} too many",
                score.payments.paid_once, score.payments.orders, score.payments.too_many
            ),
        ),
        (score.ledger.verified, "the ledger did not verify".into()),
        (
            score.claims.untrue == 0,
            format!("{} claims were untrue", score.claims.untrue),
        ),
        (
            score.false_alarms.takedown == 0,
            format!("{} false alarms would start a takedown", score.false_alarms.takedown),
        ),
        (
            score.site_copies_verified > 0,
            "no copy of the status site could be verified from outside as the last one published".into(),
        ),
        (
            score.site_copies_stale == 0,
            format!("{} copies of the status site are not the last one", score.site_copies_stale),
        ),
        (
            truth.failures.is_empty(),
            format!("nodes failed: {}", truth.failures.join("; ")),
        ),
    ];
    checks.into_iter().filter(|(good, _)| !good).map(|(_, why)| why).collect()
}

/// Systems of the provider on which the attacker logged on with success.
pub fn compromised(truth: &Truth) -> BTreeSet<String> {
    let logins = truth.diary.iter().filter(|e| e.act == Act::Login && e.done);
    logins.filter_map(|e| truth.systems.get(&e.host).cloned()).collect()
}

/// Counts what worked for the attacker after the phase `contained`. The flood comes from outside and touches the portal only; it
/// is no way through the cut.
fn acts_after_cut(played: &Played) -> usize {
    let Some(contained) = played.phases.get(Phase::Contained.word()) else {
        return 0;
    };
    let later = played
        .truth
        .diary
        .iter()
        .filter(|e| e.done && e.at > *contained && e.act != Act::Flooded);
    later.count()
}

fn host_score(compromised: &BTreeSet<String>, situation: &Situation) -> HostScore {
    let named = |tiers: &[Tier]| -> BTreeSet<&String> {
        situation
            .impact
            .hosts
            .iter()
            .filter(|h| tiers.contains(&h.tier))
            .map(|h| &h.system)
            .collect()
    };
    let certain = named(&[Tier::Proven, Tier::Probable]);
    let hypothesis = named(&[Tier::Possible]);
    let found = compromised
        .iter()
        .filter(|h| certain.contains(h) || hypothesis.contains(h))
        .count();
    HostScore {
        truth: compromised.len(),
        found,
        missed: compromised.len() - found,
        wrong: certain.iter().filter(|h| !compromised.contains(**h)).count(),
        hypothesis: compromised
            .iter()
            .filter(|h| !certain.contains(h) && hypothesis.contains(h))
            .count(),
        possible: hypothesis.len(),
    }
}

fn credential_score(truth: &Truth, situation: &Situation) -> CredentialScore {
    let logins = truth
        .diary
        .iter()
        .filter(|e| e.act == Act::Login && e.done && truth.systems.contains_key(&e.host));
    let used: BTreeSet<&String> = logins.map(|e| &e.account).collect();
    let named: BTreeSet<&String> = situation.impact.credentials.iter().map(|c| &c.account).collect();
    let found = used.intersection(&named).count();
    CredentialScore {
        truth: used.len(),
        found,
        missed: used.len() - found,
    }
}

fn bytes_score(truth: &Truth, situation: &Situation) -> BytesScore {
    let through_tunnel: u64 = truth
        .diary
        .iter()
        .filter(|e| matches!(e.act, Act::Stole | Act::Credentials))
        .map(|e| e.bytes)
        .sum();
    let attackers = situation.impact.outside.iter().filter(|o| o.role != OutsideRole::Unknown);
    BytesScore {
        truth: truth.dropped_bytes + through_tunnel,
        bound: situation.impact.bytes_out_max,
        bound_attacker: attackers.map(|o| o.bytes_out_max).sum(),
    }
}

fn message_score(truth: &Truth) -> MessageScore {
    let mut times: BTreeMap<&String, usize> = BTreeMap::new();
    for id in &truth.delivered {
        *times.entry(id).or_default() += 1;
    }
    let accepted: Vec<&String> = truth.accepted().collect();
    let tried = truth.services.values().filter(|used| used.message_id.is_some()).count();
    MessageScore {
        sent: truth.practices.iter().map(|p| p.sent.len()).sum::<usize>() + tried,
        accepted: accepted.len(),
        lost: accepted.iter().filter(|id| !times.contains_key(*id)).count(),
        duplicated: times.values().filter(|n| **n > 1).count(),
    }
}

/// Files that the attacker encrypted or deleted.
fn damaged(truth: &Truth) -> BTreeSet<(&String, &String)> {
    let acts = truth.diary.iter().filter(|e| matches!(e.act, Act::Encrypted | Act::Deleted));
    acts.filter_map(|e| Some((truth.systems.get(&e.host)?, &e.path))).collect()
}

fn file_score(truth: &Truth) -> FileScore {
    let damaged = damaged(truth);
    let right = |system: &String, path: &String| {
        let found = truth.found.get(system).and_then(|files| files.get(path));
        let expected = truth.files.get(system).and_then(|files| files.get(path));
        expected.is_some_and(|expected| found.is_some_and(|digest| expected.contains(digest)))
    };
    let all = truth
        .files
        .iter()
        .flat_map(|(system, files)| files.keys().map(move |path| (system, path)));
    FileScore {
        damaged: damaged.len(),
        restored: damaged.iter().filter(|(system, path)| right(system, path)).count(),
        lost: all.filter(|(system, path)| !right(system, path)).count(),
    }
}

fn service_score(books: &Books) -> ServiceScore {
    let mut lost_s = 0.0;
    for service in books.situation.services.values() {
        let ends = service
            .changes
            .iter()
            .skip(1)
            .map(|(at, _)| *at)
            .chain([books.situation.as_of]);
        for ((from, level), to) in service.changes.iter().zip(ends) {
            if *level < ServiceLevel::Limited {
                lost_s += to.seconds_since(*from);
            }
        }
    }
    let restore = books.situation.plans.values().filter(|p| p.plan.kind == PlanKind::Restore);
    let off = books
        .situation
        .services
        .values()
        .filter(|s| s.changes.iter().any(|(_, l)| *l < ServiceLevel::Limited))
        .count();
    let planned_ms: u64 = restore.map(|p| p.plan.steps.iter().map(|s| s.planned_ms).sum::<u64>()).sum();
    ServiceScore {
        lost: lost_s / 60.0,
        planned: planned_ms as f64 * off as f64 / 60_000.0,
    }
}

fn claim_score(score: &Score, compromised: &BTreeSet<String>, truth: &Truth, books: &Books) -> ClaimScore {
    let mut claims = ClaimScore::default();
    for fact in &books.facts {
        let What::Claimed { claim } = &fact.what else { continue };
        claims.made += 1;
        let untrue = match &claim.topic {
            ClaimTopic::BytesOut { bytes } => {
                (score.bytes_out.truth > *bytes).then(|| format!("{} bytes left", score.bytes_out.truth))
            }
            ClaimTopic::Compromised { hosts } => hosts
                .iter()
                .find(|h| !compromised.contains(*h))
                .map(|h| format!("{h} was not compromised")),
            ClaimTopic::NotReached { hosts, .. } => hosts
                .iter()
                .find(|h| compromised.contains(*h))
                .map(|h| format!("{h} was reached")),
            ClaimTopic::CutHolds { .. } => {
                (score.packets_after_cut > 0).then(|| format!("{} packets passed", score.packets_after_cut))
            }
            ClaimTopic::ServiceRestored { service } => {
                let used = truth.services.get(service);
                if used.is_none() {
                    claims.unchecked += 1;
                    claims.unchecked_claims.push(claim.id.clone());
                }
                let error = used.and_then(|used| used.error.as_ref());
                error.map(|error| format!("{service} does not work: {error}"))
            }
            ClaimTopic::MessagesKept { .. } => {
                (score.messages.lost > 0).then(|| format!("{} messages were lost", score.messages.lost))
            }
        };
        if let Some(why) = untrue {
            claims.untrue += 1;
            claims.untrue_because.push(format!("{}: {why}", claim.id));
        }
    }
    claims
}

/// Raised before the attack, or for something that happened before it.
fn is_false(alarm: &Alarm, fact: &Fact, truth: &Truth) -> bool {
    alarm.at.min(fact.at) < truth.attack_began
}

fn false_alarms(truth: &Truth, books: &Books) -> FalseAlarms {
    let mut found = FalseAlarms::default();
    for fact in &books.facts {
        let What::Alarmed { alarm } = &fact.what else { continue };
        if alarm.level < AlarmLevel::Warning || !is_false(alarm, fact, truth) {
            continue;
        }
        found.raised += 1;
        found.takedown += usize::from(alarm.level == AlarmLevel::Critical);
        let reasons = alarm.reasons.join("; ");
        found
            .alarms
            .push(format!("{} {:?} {}: {reasons}", alarm.id, alarm.level, alarm.entity));
    }
    found
}

fn seconds(played: &Played, books: &Books) -> Seconds {
    let truth = &played.truth;
    let first_act = truth.diary.first().map_or(truth.attack_began, |e| e.at);
    let alarm = books.facts.iter().find_map(|f| match &f.what {
        What::Alarmed { alarm } if alarm.level >= AlarmLevel::Warning && !is_false(alarm, f, truth) => Some(f.at),
        _ => None,
    });
    let entered = |phase: Phase| played.phases.get(phase.word()).copied();
    let between = |from: Option<Timestamp>, to: Option<Timestamp>| match (from, to) {
        (Some(from), Some(to)) => to.seconds_since(from),
        _ => 0.0,
    };
    Seconds {
        detect: between(Some(first_act), alarm),
        contain: between(alarm, entered(Phase::Contained)),
        analyse: between(entered(Phase::Contained), entered(Phase::Assessed)),
        restore: between(entered(Phase::Assessed), entered(Phase::Recovered)),
        ..played.seconds
    }
}
