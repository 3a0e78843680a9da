use std::collections::BTreeSet;

use leckwehr_detect::AddressBook;
use leckwehr_estate::Estate;
use leckwehr_incident::{Coverage, Fact, Finding, Impact, OutsideRole, Tier, Timestamp, What};
use leckwehr_telemetry::{Event, Events, Kind, Outcome, Product};
use serde::{Deserialize, Serialize};

use super::switch::switch_changes;
use super::ways::{OUTSIDE, ZONE};
use crate::scene::{Means, Scene};

/// Whether the other side of a contact answered, as far as the record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answered {
    /// Something came back, or the target itself reports it. No cut can have stood in between.
    Yes,
    /// Nothing came back.
    No,
    /// The record does not say.
    Unknown,
}

/// A host or address outside in the attacker's hands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// Estate id, address or name.
    pub state: String,
    /// Since when.
    pub since: Timestamp,
    /// How sure.
    pub tier: Tier,
}

/// One contact as recorded: from `at` to `until`, nanoseconds UTC.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Observed {
    /// Its start.
    pub at: Timestamp,
    /// Its end; equal to the start if the record gives no duration.
    pub until: Timestamp,
    /// Who opened it.
    pub from: String,
    /// Towards whom.
    pub to: String,
    /// Whether the other side answered.
    pub answered: Answered,
    /// What it was.
    pub means: String,
    /// `source#record`.
    pub evidence: String,
}

/// A connection or host was cut (true) or opened (false).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchChange {
    /// When it was verified.
    pub at: Timestamp,
    /// Connection or system id.
    pub target: String,
    /// Cut?
    pub cut: bool,
    /// Ledger entries, with what probes and counters showed.
    pub evidence: Vec<String>,
}

/// Everything a certificate stands on beside the estate. Written as JSON lines, it is what the checker reads.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Basis {
    /// First and last record.
    pub window: (Timestamp, Timestamp),
    /// What the attacker held, at any tier from *possible* up.
    pub held: Vec<Held>,
    /// Contacts, by time.
    pub contacts: Vec<Observed>,
    /// Switching, by time.
    pub switches: Vec<SwitchChange>,
    /// What the records cover.
    pub coverage: Vec<Coverage>,
}

/// One line of the written basis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
pub enum BasisLine {
    /// First and last record.
    Window {
        /// First.
        from: Timestamp,
        /// Last.
        to: Timestamp,
    },
    /// A held host or address.
    Held(Held),
    /// A contact.
    Contact(Observed),
    /// A switching.
    Switch(SwitchChange),
    /// Coverage of one asset and class.
    Coverage(Coverage),
}

impl Basis {
    /// Collects the basis from events, the analysis of them, and the ledger's facts. O(events log events).
    pub fn new(events: &Events, findings: &[Finding], estate: &Estate, impact: &Impact, facts: &[(u64, Fact)]) -> Self {
        let scene = Scene::new(events, findings, AddressBook::new(estate));
        let mut contacts = observed(&scene);
        contacts.extend(probed(facts));
        contacts.sort_unstable();
        contacts.dedup();
        let mut held = held(impact);
        held.sort_by(|a, b| (a.since, &a.state).cmp(&(b.since, &b.state)));
        let mut switches = switch_changes(facts);
        switches.sort_by(|a, b| (a.at, &a.target, a.cut).cmp(&(b.at, &b.target, b.cut)));
        Self {
            window: impact.window.unwrap_or_default(),
            held,
            contacts,
            switches,
            coverage: impact.coverage.clone(),
        }
    }

    /// Writes the basis as JSON lines: window, held, switches, coverage, contacts. Equal bases give equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (from, to) = self.window;
        let mut out = Vec::new();
        let mut line = |line: &BasisLine| {
            // Serialising these types cannot fail: string keys, no maps.
            out.extend(serde_json::to_vec(line).unwrap_or_default());
            out.push(b'\n');
        };
        line(&BasisLine::Window { from, to });
        self.held.iter().for_each(|h| line(&BasisLine::Held(h.clone())));
        self.switches.iter().for_each(|s| line(&BasisLine::Switch(s.clone())));
        self.coverage.iter().for_each(|c| line(&BasisLine::Coverage(c.clone())));
        self.contacts.iter().for_each(|c| line(&BasisLine::Contact(c.clone())));
        out
    }
}

/// Returns the bytes of the estate that a certificate binds.
pub fn estate_bytes(estate: &Estate) -> Vec<u8> {
    // Serialising cannot fail: plain structs, string keys.
    serde_json::to_vec(estate).unwrap_or_default()
}

fn held(impact: &Impact) -> Vec<Held> {
    let hosts = impact.hosts.iter().filter(|h| h.tier <= Tier::Possible);
    let hosts = hosts.filter_map(|h| Some((h.system.clone(), h.since?, h.tier)));
    let named = impact.outside.iter().filter(|o| o.role != OutsideRole::Unknown);
    let named = named.filter_map(|o| Some((o.address.clone(), o.seen?.0, o.tier)));
    let held = hosts.chain(named);
    held.map(|(state, since, tier)| Held { state, since, tier }).collect()
}

fn observed(scene: &Scene<'_>) -> Vec<Observed> {
    let mut contacts = Vec::new();
    for touch in &scene.touches {
        let event = scene.events.get(touch.row);
        let (at, until) = event.as_ref().map_or((touch.at, touch.at), span);
        contacts.push(Observed {
            at,
            until,
            from: state(scene.name(touch.from)),
            to: state(scene.name(touch.to)),
            answered: event.as_ref().map_or(Answered::Unknown, answered),
            means: touch.means.words().to_owned(),
            evidence: scene.reference(touch.row),
        });
    }
    for event in scene.events.iter().filter(|e| e.kind() == Kind::Flow) {
        contacts.extend(flow(scene, &event));
    }
    contacts
}

/// Flows that the scene keeps apart: those to outside, and those that nobody answered.
fn flow(scene: &Scene<'_>, event: &Event<'_>) -> Option<Observed> {
    let from = scene
        .node_of(event.origin_sym())
        .or_else(|| scene.node_of(event.host_sym()))?;
    let to = scene.node_of(event.destination_sym())?;
    let touched = scene.is_inside(to) && answered(event) != Answered::No;
    if from == to || touched {
        return None;
    }
    let (at, until) = span(event);
    Some(Observed {
        at,
        until,
        from: state(scene.name(from)),
        to: state(scene.name(to)),
        answered: answered(event),
        means: Means::Flow.words().to_owned(),
        evidence: event.reference(),
    })
}

/// Our own sensors write a flow at its end, others stamp it with its start.
fn span(event: &Event<'_>) -> (Timestamp, Timestamp) {
    let took_ns = event.duration_ns().unwrap_or(0).max(0);
    let at = event.time();
    if event.kind() == Kind::Flow && event.product() == Product::Leckwehr {
        return (Timestamp(at.0.saturating_sub(took_ns)), at);
    }
    (at, Timestamp(at.0.saturating_add(took_ns)))
}

/// A host may call itself anything, also by a name that stands for a segment here.
fn state(name: &str) -> String {
    if name == OUTSIDE || name.starts_with(ZONE) {
        return format!("host {name}");
    }
    name.to_owned()
}

fn answered(event: &Event<'_>) -> Answered {
    match (event.kind(), event.bytes_in()) {
        (Kind::Logon, _) if event.outcome() == Outcome::Success => Answered::Yes,
        (Kind::RemoteCall | Kind::Share | Kind::ShareFile, _) => Answered::Yes,
        (_, Some(0)) if event.product() != Product::Leckwehr => Answered::No,
        (_, Some(n)) if n > 0 => Answered::Yes,
        _ => Answered::Unknown,
    }
}

/// A probe that got through against expectation is a contact that answered, whatever a cut was to do.
fn probed(facts: &[(u64, Fact)]) -> impl Iterator<Item = Observed> {
    let probes = facts.iter().filter_map(|(index, fact)| match &fact.what {
        What::Probed { probe } if probe.reachable && !probe.expected_reachable => Some((index, fact.at, probe)),
        _ => None,
    });
    let unique: BTreeSet<_> = probes.map(|(index, at, probe)| (at, &probe.from, &probe.to, index)).collect();
    unique.into_iter().map(|(at, from, to, index)| Observed {
        at,
        until: at,
        from: from.clone(),
        to: to.clone(),
        answered: Answered::Yes,
        means: "probe".to_owned(),
        evidence: format!("ledger entry {index}"),
    })
}
