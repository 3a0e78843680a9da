use std::collections::BTreeMap;

use leckwehr_crypt::{hex, sha256};
use leckwehr_estate::Estate;
use leckwehr_incident::{Coverage, Tier, Timestamp};
use serde::{Deserialize, Serialize};

use super::assumed::Assumed;
use super::basis::{Answered, Basis, estate_bytes};
use super::closure::{Reached, Scope, Step};
use super::switch::Cuts;
pub use super::ways::WayKind;
use super::ways::ZONE;

/// What the first field of a certificate says.
pub const CERTIFICATE_FORMAT: &str = "leckwehr-certificate/1";

/// What the set is closed under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Every contact that a record shows. Says: nothing that was recorded led there.
    ObservedContacts,
    /// Also every way that stood open, with or without a record. Says: there was no open way.
    PossibleWays,
}

/// What the attacker is taken to hold outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outside {
    /// The addresses that the analysis names.
    Named,
    /// Everything public, from the beginning of the records.
    Everything,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Zone id.
    pub zone: String,
    /// Start of the window.
    pub from: Timestamp,
    /// End of the window.
    pub to: Timestamp,
    /// How strong the answer must be.
    pub level: Level,
    /// What the attacker holds outside.
    pub outside: Outside,
    /// Nanoseconds that any clock may be off, in either direction.
    pub skew_ns: i64,
}

/// A question that cannot be answered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The estate has no such zone.
    #[error("the estate has no zone {zone}")]
    NoZone {
        /// The zone asked for.
        zone: String,
    },
    /// The window is empty or reaches beyond what was recorded.
    #[error("the window {from} to {to} does not lie within the records, {first} to {last}")]
    Window {
        /// Start asked for.
        from: Timestamp,
        /// End asked for.
        to: Timestamp,
        /// First record.
        first: Timestamp,
        /// Last record.
        last: Timestamp,
    },
    /// Nothing is known to be held: then there is nothing to prove.
    #[error("nothing is known to be held by an attacker: there is nothing that a certificate could say")]
    NoSeed,
    /// A clock cannot be off by less than nothing.
    #[error("the clock allowance of {skew_ns} ns is negative")]
    Skew {
        /// The allowance asked for.
        skew_ns: i64,
    },
}

/// A state in the attacker's hands when the closure begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seed {
    /// System id, address, name, or `outside`.
    pub state: String,
    /// Since when, by the record.
    pub since: Timestamp,
    /// How sure; none for `outside`, which is assumed.
    pub tier: Option<Tier>,
}

/// A state that the attacker may have reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// System id, address, name, `zone:<id>` for a segment, or `outside`.
    pub state: String,
    /// The earliest time the attacker can be there.
    pub since: Timestamp,
}

/// A switch on a way, and when it was cut: start and, if it ended, end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// Connection or system id.
    pub target: String,
    /// When it was cut, by the record; open otherwise.
    pub cut: Vec<(Timestamp, Option<Timestamp>)>,
    /// Ledger entries, with what probes and counters showed.
    pub evidence: Vec<String>,
}

/// A way that leaves the closed set. At the strong level it was cut for as long as its source was held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeavingWay {
    /// State inside the set.
    pub from: String,
    /// State outside the set.
    pub to: String,
    /// What it is.
    pub kind: WayKind,
    /// Connection id, else empty.
    pub via: String,
    /// Its switches.
    pub gates: Vec<Gate>,
}

/// Why a contact is no step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhyNot {
    /// It was over before its source could be held.
    BeforeArrival,
    /// Nobody answered.
    NoAnswer,
    /// Every connection it can have taken was cut, or one end was off the grid, and no answer is on record.
    WhileCut,
    /// It came after the window.
    AfterWindow,
}

/// Contacts out of the set between the same two states that are no steps for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeavingContacts {
    /// State inside the set.
    pub from: String,
    /// State outside the set.
    pub to: String,
    /// Why they are no steps.
    pub why: WhyNot,
    /// How many.
    pub count: u64,
    /// Start of the first.
    pub first: Timestamp,
    /// End of the last.
    pub last: Timestamp,
    /// The first one's record.
    pub evidence: String,
}

/// A proof that the attacker did not reach a zone, as far as its assumptions hold. Read by `leckwehr trace check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Certificate {
    /// [`CERTIFICATE_FORMAT`].
    pub format: String,
    /// SHA-256 over [`Certificate::to_bytes`] with this field empty, hex.
    pub seal: String,
    /// The zone that was not reached.
    pub zone: String,
    /// Start of the window.
    pub from: Timestamp,
    /// End of the window.
    pub to: Timestamp,
    /// What the set is closed under.
    pub level: Level,
    /// What the attacker is taken to hold outside.
    pub outside: Outside,
    /// Nanoseconds that any clock may be off.
    pub skew_ns: i64,
    /// SHA-256 of [`estate_bytes`], hex.
    pub estate_sha256: String,
    /// SHA-256 of [`Basis::to_bytes`], hex.
    pub basis_sha256: String,
    /// Where the attacker was to begin with.
    pub seeds: Vec<Seed>,
    /// The closed set, by name.
    pub closed: Vec<State>,
    /// Every way that leaves the set; at the weak level the connections on which records show no step.
    pub ways: Vec<LeavingWay>,
    /// Every contact that leaves the set, and why it is no step.
    pub contacts: Vec<LeavingContacts>,
    /// What the records cover.
    pub coverage: Vec<Coverage>,
    /// Systems of the zone (the zone, if it has none) that no sensor of the estate observes: nothing there is on record.
    pub unwatched: Vec<String>,
    /// What is assumed.
    pub assumed: Vec<Assumed>,
}

/// One step of a walk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteStep {
    /// From.
    pub from: String,
    /// To.
    pub to: String,
    /// The earliest time of arrival.
    pub at: Timestamp,
    /// `contact`, `segment`, `connection`, `control`, `border`.
    pub kind: String,
    /// What it was, or the connection's id.
    pub via: String,
    /// Whether a record shows traffic: `false` is a way that stood open, no more.
    pub observed: bool,
    /// Records, or what the switches showed.
    pub evidence: Vec<String>,
}

/// The walk that breaks the sentence: each step follows the one before in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CounterRoute {
    /// The zone that may have been reached.
    pub zone: String,
    /// Start of the window.
    pub from: Timestamp,
    /// End of the window.
    pub to: Timestamp,
    /// The level at which it breaks the sentence.
    pub level: Level,
    /// Where it begins.
    pub seed: State,
    /// Its steps; none if the seed itself lies in the zone.
    pub steps: Vec<RouteStep>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The sentence holds, under the certificate's assumptions.
    Holds(Box<Certificate>),
    /// It does not.
    Broken(CounterRoute),
}

/// Answers whether the attacker could reach a zone: with a certificate that he could not, or with the walk by which he could.
///
/// Pure. O((contacts + ways) log states). Errors: no such zone, a window beyond the records, nothing held.
pub fn certify(estate: &Estate, basis: &Basis, question: &Question) -> Result<Verdict, CertificateError> {
    refuse(estate, basis, question)?;
    let scope = Scope::new(estate, basis, question);
    let reached = scope.close();
    if reached.is_empty() {
        return Err(CertificateError::NoSeed);
    }
    let in_zone = |state: &str| {
        state.strip_prefix(ZONE) == Some(&question.zone) || scope.ways.zone_of(state).as_ref() == Some(&question.zone)
    };
    let hit = reached.iter().filter(|(state, _)| in_zone(state));
    if let Some((state, _)) = hit.min_by_key(|(state, (at, _))| (*at, state.starts_with(ZONE), *state)) {
        return Ok(Verdict::Broken(counter_route(&scope, &reached, state)));
    }
    Ok(Verdict::Holds(Box::new(certificate(estate, &scope, &reached).sealed())))
}

fn refuse(estate: &Estate, basis: &Basis, question: &Question) -> Result<(), CertificateError> {
    let (from, to) = (question.from, question.to);
    let (first, last) = basis.window;
    if !estate.zones.contains_key(&question.zone) {
        let zone = question.zone.clone();
        return Err(CertificateError::NoZone { zone });
    }
    if question.skew_ns < 0 {
        let skew_ns = question.skew_ns;
        return Err(CertificateError::Skew { skew_ns });
    }
    if from > to || from < first || to > last {
        return Err(CertificateError::Window { from, to, first, last });
    }
    Ok(())
}

fn certificate(estate: &Estate, scope: &Scope<'_>, reached: &Reached) -> Certificate {
    let question = scope.question;
    let closed = reached.iter().map(|(state, (at, _))| State {
        state: state.clone(),
        since: Timestamp(*at),
    });
    Certificate {
        format: CERTIFICATE_FORMAT.to_owned(),
        seal: String::new(),
        zone: question.zone.clone(),
        from: question.from,
        to: question.to,
        level: question.level,
        outside: question.outside,
        skew_ns: question.skew_ns,
        estate_sha256: hex(&sha256(&estate_bytes(estate))),
        basis_sha256: hex(&sha256(&scope.basis.to_bytes())),
        seeds: seeds(scope),
        closed: closed.collect(),
        ways: leaving_ways(scope, reached),
        contacts: leaving_contacts(scope, reached),
        coverage: scope.basis.coverage.clone(),
        unwatched: unwatched(estate, &question.zone),
        assumed: Assumed::of(question.level, question.outside),
    }
}

fn unwatched(estate: &Estate, zone: &str) -> Vec<String> {
    let watched = |id: &str| estate.sensors.values().any(|s| s.observes.iter().any(|o| o == id));
    if watched(zone) {
        return Vec::new();
    }
    let systems = estate.systems.iter().filter(|(_, s)| s.zone == zone);
    if systems.clone().next().is_none() {
        return vec![zone.to_owned()];
    }
    systems.filter(|(id, _)| !watched(id)).map(|(id, _)| id.clone()).collect()
}

fn seeds(scope: &Scope<'_>) -> Vec<Seed> {
    let held = scope.basis.held.iter().map(|h| Seed {
        state: h.state.clone(),
        since: h.since,
        tier: Some(h.tier),
    });
    let outside = (scope.question.outside == Outside::Everything).then(|| Seed {
        state: super::ways::OUTSIDE.to_owned(),
        since: scope.basis.window.0,
        tier: None,
    });
    held.chain(outside).collect()
}

/// At the weak level the set holds hosts only, so a segment counts as held as soon as one of its hosts is.
fn leaving_ways(scope: &Scope<'_>, reached: &Reached) -> Vec<LeavingWay> {
    let mut inside: BTreeMap<String, ()> = reached.keys().map(|s| (s.clone(), ())).collect();
    let weak = scope.question.level == Level::ObservedContacts;
    if weak {
        let zones = reached.keys().filter_map(|s| scope.ways.zone_of(s));
        inside.extend(zones.map(|z| (format!("{ZONE}{z}"), ())));
    }
    let leaves = |from: &str, to: &str, kind: WayKind| match weak {
        true => kind == WayKind::Connection && inside.contains_key(from),
        false => inside.contains_key(from) && !inside.contains_key(to),
    };
    let ways = scope.ways.all.iter().filter(|w| leaves(&w.from, &w.to, w.kind));
    let gate = |target: &String| {
        let (cut, evidence): (Cuts, _) = scope.switches.of(target);
        Gate {
            target: target.clone(),
            cut: cut.into_iter().map(|(a, b)| (Timestamp(a), b.map(Timestamp))).collect(),
            evidence,
        }
    };
    ways.map(|way| LeavingWay {
        from: way.from.clone(),
        to: way.to.clone(),
        kind: way.kind,
        via: way.via.clone(),
        gates: way.gates.iter().map(gate).collect(),
    })
    .collect()
}

fn leaving_contacts(scope: &Scope<'_>, reached: &Reached) -> Vec<LeavingContacts> {
    let mut groups: BTreeMap<(&str, &str, WhyNot), LeavingContacts> = BTreeMap::new();
    for contact in &scope.basis.contacts {
        let (from, to) = (scope.state(&contact.from), scope.state(&contact.to));
        let (Some((since, _)), false) = (reached.get(from), reached.contains_key(to)) else {
            continue;
        };
        let Err(why) = scope.contact(contact, *since) else {
            continue;
        };
        let group = groups.entry((from, to, why)).or_insert_with(|| LeavingContacts {
            from: from.to_owned(),
            to: to.to_owned(),
            why,
            count: 0,
            first: contact.at,
            last: contact.until,
            evidence: contact.evidence.clone(),
        });
        group.count += 1;
        group.last = group.last.max(contact.until);
    }
    groups.into_values().collect()
}

fn counter_route(scope: &Scope<'_>, reached: &Reached, target: &str) -> CounterRoute {
    let mut steps = Vec::new();
    let mut here = target;
    while let Some((at, Some((before, step)))) = reached.get(here) {
        steps.push(route_step(scope, before, here, *at, *step));
        here = before;
    }
    steps.reverse();
    let since = reached.get(here).map_or(Timestamp::default(), |(at, _)| Timestamp(*at));
    CounterRoute {
        zone: scope.question.zone.clone(),
        from: scope.question.from,
        to: scope.question.to,
        level: scope.question.level,
        seed: State {
            state: here.to_owned(),
            since,
        },
        steps,
    }
}

fn route_step(scope: &Scope<'_>, from: &str, to: &str, at: i64, step: Step) -> RouteStep {
    let (kind, via, observed, evidence) = match step {
        Step::Contact(index) => {
            let contact = &scope.basis.contacts[index];
            let answer = match contact.answered {
                Answered::Yes => "answered",
                _ => "not known whether it was answered",
            };
            let record = format!(
                "{} recorded at {}, {answer} [{}]",
                contact.means, contact.at, contact.evidence
            );
            ("contact", contact.means.clone(), true, vec![record])
        }
        Step::Way(index) => {
            let way = &scope.ways.all[index];
            let kind = match way.kind {
                WayKind::Segment => "segment",
                WayKind::Connection => "connection",
                WayKind::Control => "control",
                WayKind::Border => "border",
            };
            let told: Vec<String> = way.gates.iter().flat_map(|g| scope.switches.of(g).1).collect();
            (kind, way.via.clone(), false, told)
        }
    };
    RouteStep {
        from: from.to_owned(),
        to: to.to_owned(),
        at: Timestamp(at),
        kind: kind.to_owned(),
        via,
        observed,
        evidence,
    }
}

impl Certificate {
    /// Writes the certificate as JSON for people and for the checker; the seal covers these bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Serialising cannot fail: plain structs, string keys.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// Fills in the seal. It catches accidents; what a forger changes and seals anew the checker must find by content.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.seal = String::new();
        self.seal = hex(&sha256(&self.to_bytes()));
        self
    }
}
