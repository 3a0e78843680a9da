use std::collections::{BTreeMap, BTreeSet};

use leckwehr_detect::AddressBook;
use leckwehr_estate::{Estate, SystemKind};
use leckwehr_incident::{CredentialAssessment, Finding, HostAssessment, Impact, Tier, Timestamp};
use leckwehr_telemetry::{Events, SensorAccount};

use crate::bytes::{self, Outflow};
use crate::coverage::CLOCK_SKEW_MS;
use crate::reach::{Contact, Contacts, Reach, forward};
use crate::route::Route;
use crate::scene::{Means, Scene};
use crate::{coverage, outside};

/// Hosts listed one by one as unknown; more are counted in one sentence.
pub const UNKNOWN_HOSTS_MAX: usize = 2_000;

/// What an analysis works with beside events, findings and estate.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceConfig {
    /// Loss accounts of the sensors.
    pub accounts: Vec<SensorAccount>,
    /// Milliseconds after the end of the window at which claims must be looked at again.
    pub review_after_ms: i64,
    /// Bytes that left through a guard beyond what its counters per address account for, by guard: they are in no
    /// bound of an address, and in the claim about all bytes.
    pub untold_bytes: BTreeMap<String, u64>,
}

impl TraceConfig {
    /// Builds a configuration whose claims are reviewed after six hours.
    pub fn new(accounts: Vec<SensorAccount>) -> Self {
        Self {
            accounts,
            review_after_ms: 6 * 3_600_000,
            untold_bytes: BTreeMap::new(),
        }
    }
}

/// Says where the attacker was, came from and went to, what left, and what cannot be known.
///
/// Pure and independent of the order of records with equal times. O(events × log events) plus the fix-point over held
/// hosts, which is linear in contacts per round.
pub fn assess(events: &Events, findings: &[Finding], estate: &Estate, config: &TraceConfig) -> Impact {
    let scene = Scene::new(events, findings, AddressBook::new(estate));
    let channels = outside::channels(&scene);
    let route = Route::find(&scene, &channels);
    let outflow = bytes::outflow(&scene);
    let mut hops: Vec<_> = route.hops.values().chain(&route.channel_hops).cloned().collect();
    hops.sort_by(|a, b| (a.at, &a.from, &a.to, &a.means, &a.account).cmp(&(b.at, &b.from, &b.to, &b.means, &b.account)));
    Impact {
        window: events.window(),
        hosts: hosts(&scene, &route, estate),
        credentials: credentials(&scene, &route),
        hops,
        outside: outside::endpoints(&scene, &route, &outflow),
        bytes_out_max: outflow.total,
        exits_unobserved: coverage::exits_unobserved(&scene, estate, &outflow),
        coverage: coverage::coverage(&scene, &config.accounts),
        unknowns: unknowns(&scene, &route, &outflow, config),
    }
}

fn hosts(scene: &Scene<'_>, route: &Route<'_>, estate: &Estate) -> Vec<HostAssessment> {
    let mut hosts: Vec<HostAssessment> = Vec::new();
    for (node, held) in route.held.iter().filter(|(n, _)| scene.is_inside(**n)) {
        hosts.push(HostAssessment {
            system: scene.name(*node).to_owned(),
            tier: held.tier,
            since: Some(held.since),
            via: held.via.map(|v| scene.name(v).to_owned()),
            reasons: held.reasons.clone(),
        });
    }
    hosts.extend(possible(scene, route));
    let mentioned: BTreeSet<&str> = scene.mentioned.iter().map(|n| scene.name(*n)).collect();
    let silent = |id: &str, zone: &str| estate.is_inside(zone) && !mentioned.contains(id);
    let unseen = estate
        .systems
        .iter()
        .filter(|(id, s)| silent(id, &s.zone) && s.kind != SystemKind::ControlRoom);
    hosts.extend(unseen.take(UNKNOWN_HOSTS_MAX).map(|(id, _)| HostAssessment {
        system: id.clone(),
        tier: Tier::Unknown,
        since: None,
        via: None,
        reasons: vec!["no record from it or about it in the window".to_owned()],
    }));
    hosts.sort_by(|a, b| (a.tier, a.since, &a.system).cmp(&(b.tier, b.since, &b.system)));
    hosts
}

/// Returns the hosts that are reached by steps forward in time, and by nothing more. Clocks may differ: a step shortly before
/// the attack's first sign on a host, or at an address outside that his sessions came from, counts as one after it.
fn possible(scene: &Scene<'_>, route: &Route<'_>) -> Vec<HostAssessment> {
    let contacts: Contacts = scene
        .touches
        .iter()
        .map(|t| Contact {
            at: t.at.0,
            from: t.from,
            to: t.to,
        })
        .collect();
    let seeds: Vec<(u32, i64)> = route
        .held
        .iter()
        .map(|(n, h)| (*n, h.since.plus_ms(-CLOCK_SKEW_MS).0))
        .collect();
    let Reach { time, parent } = forward(scene.names.len(), &contacts, &seeds);
    let mut hosts = Vec::new();
    for (node, (at, step)) in time.iter().zip(&parent).enumerate() {
        let (Some(at), Some(step)) = (at, step) else {
            continue;
        };
        let touch = &scene.touches[contacts.row(*step)];
        if route.held.contains_key(&touch.to) || node != touch.to as usize {
            continue;
        }
        let (from, means) = (scene.name(touch.from), touch.means);
        hosts.push(HostAssessment {
            system: scene.name(touch.to).to_owned(),
            tier: Tier::Possible,
            since: Some(Timestamp(*at)),
            via: Some(from.to_owned()),
            reasons: vec![format!("reach only: {} from {from} at {}", what(means), touch.at)],
        });
    }
    hosts
}

fn what(means: Means) -> &'static str {
    match means {
        Means::Logon => "an ordinary log-on",
        _ => "a connection",
    }
}

fn credentials(scene: &Scene<'_>, route: &Route<'_>) -> Vec<CredentialAssessment> {
    let mut credentials: Vec<CredentialAssessment> = route
        .credentials
        .iter()
        .map(|(account, c)| CredentialAssessment {
            account: account.clone(),
            tier: c.tier,
            used_on: c.used_on.iter().map(|n| scene.name(*n).to_owned()).collect(),
        })
        .collect();
    credentials.sort_by(|a, b| (a.tier, &a.account).cmp(&(b.tier, &b.account)));
    credentials
}

fn unknowns(scene: &Scene<'_>, route: &Route<'_>, outflow: &Outflow, config: &TraceConfig) -> Vec<String> {
    let mut unknowns: Vec<String> = route.unknowns.iter().cloned().collect();
    for account in config.accounts.iter().filter(|a| a.coverage() < 1.0) {
        unknowns.push(format!(
            "{} delivered {:.1} % of what is known to be due ({} missing, {} damaged, {:.1} % capture loss): what these \
             records said is not known.",
            account.sensor,
            account.coverage() * 100.0,
            account.missing,
            account.damaged,
            account.capture_loss * 100.0
        ));
    }
    if !outflow.unmeasured.is_empty() {
        unknowns.push(format!("{} addresses outside have no byte bound.", outflow.unmeasured.len()));
    }
    if !scene.events.is_empty() {
        unknowns.push(
            "What happened before the window, and what left on ways without a sensor (media, mobile networks, paper), \
             is in no figure."
                .to_owned(),
        );
        unknowns.push("What the attacker did inside hosts that ship no records of programs and files was not seen.".to_owned());
    }
    unknowns
}
