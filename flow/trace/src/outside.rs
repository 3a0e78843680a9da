use std::collections::{BTreeMap, BTreeSet};

use leckwehr_detect::Place;
use leckwehr_incident::{Finding, OutsideEndpoint, OutsideRole, Tier, Timestamp};

use crate::bytes::Outflow;
use crate::route::Route;
use crate::scene::{Call, Means, Scene, Touch};
use crate::technique::Meaning;

/// Connections of one host to one address that make a channel.
const CONNECTIONS_MIN: u64 = 30;
/// Duration of one connection that makes a channel.
const HELD_S_MIN: f64 = 300.0;
/// Bytes that make an upload where more goes out than comes back.
const UPLOAD_BYTES_MIN: u64 = 10_000;
/// Weight of a finding about volume that had a baseline to compare with.
const VOLUME_WEIGHT_MIN: u8 = 35;
/// Ports of common services; a channel elsewhere is odd.
const COMMON_PORTS: [u16; 18] = [
    22, 25, 53, 80, 110, 123, 143, 443, 465, 500, 587, 853, 993, 995, 1194, 4500, 8080, 51820,
];

/// All connections of one inside host to one address outside, and what is odd about them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Channel {
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
    pub(crate) connections: u64,
    ports: BTreeSet<u16>,
    answered: BTreeSet<u16>,
    pub(crate) out: u64,
    pub(crate) back: u64,
    longest_s: f64,
    /// Sum of the signs' weights.
    pub(crate) score: u32,
    /// The signs as sentences.
    pub(crate) signs: Vec<String>,
    /// Something was uploaded, as findings say.
    pub(crate) uploads: Vec<String>,
}

impl Channel {
    /// From three on, commands came from there; self-signed certificates count twice.
    pub(crate) fn is_command(&self) -> bool {
        self.score >= 3
    }

    fn add(&mut self, call: &Call) {
        if self.connections == 0 {
            (self.first, self.last) = (call.at, call.ended);
        }
        self.first = self.first.min(call.at);
        self.last = self.last.max(call.ended);
        self.connections += 1;
        self.ports.insert(call.port);
        // A refused connection says nothing about what the port serves.
        if call.back > 0 {
            self.answered.insert(call.port);
        }
        self.out = self.out.saturating_add(call.out);
        self.back = self.back.saturating_add(call.back);
        self.longest_s = self.longest_s.max(call.ended.seconds_since(call.at));
    }

    fn sign(&mut self, weight: u32, sentence: String) {
        self.score += weight;
        self.signs.push(sentence);
    }

    /// More went out than came back, and enough to matter.
    fn is_upload(&self) -> bool {
        self.out >= UPLOAD_BYTES_MIN && self.out > self.back
    }
}

/// Returns the connections of every inside host to every address outside.
pub(crate) fn channels(scene: &Scene<'_>) -> BTreeMap<(u32, u32), Channel> {
    let mut channels: BTreeMap<(u32, u32), Channel> = BTreeMap::new();
    for call in &scene.calls {
        channels.entry((call.host, call.to)).or_default().add(call);
    }
    // A partner's address is talked to all the time; only findings speak against it.
    for ((_, to), channel) in channels.iter_mut().filter(|((_, to), _)| *scene.place(*to) == Place::Outside) {
        let odd: Vec<u16> = channel
            .answered
            .iter()
            .copied()
            .filter(|p| !COMMON_PORTS.contains(p))
            .collect();
        if !odd.is_empty() {
            channel.sign(1, format!("port {} belongs to no common service", list(&odd)));
        }
        if channel.connections >= CONNECTIONS_MIN {
            channel.sign(1, format!("{} connections", channel.connections));
        } else if channel.longest_s >= HELD_S_MIN {
            channel.sign(1, format!("one connection was held for {:.0} s", channel.longest_s));
        }
        if scene.bare.contains(to) {
            channel.sign(1, "it was addressed by its number, not by a name".to_owned());
        }
    }
    add_findings(scene, &mut channels);
    channels
}

fn add_findings(scene: &Scene<'_>, channels: &mut BTreeMap<(u32, u32), Channel>) {
    let mut told: BTreeSet<(u32, u32, Meaning)> = BTreeSet::new();
    for deed in &scene.deeds {
        let Some(origin) = deed.origin else {
            continue;
        };
        let Some(channel) = channels.get_mut(&(deed.host, origin)) else {
            continue;
        };
        let finding = &scene.findings[deed.finding];
        let sentence = || format!("{}: {} [{}]", finding.title, finding.detail, finding.evidence.join(", "));
        match deed.meaning {
            Meaning::SelfSigned | Meaning::Download if !told.insert((deed.host, origin, deed.meaning)) => {}
            Meaning::SelfSigned => channel.sign(2, sentence()),
            Meaning::Download => channel.sign(1, sentence()),
            // Much volume alone is an upload only against a baseline, or if less came back.
            Meaning::Exfiltration if is_volume(finding) && deed.weight < VOLUME_WEIGHT_MIN && !channel.is_upload() => {}
            Meaning::Exfiltration => channel.uploads.push(sentence()),
            _ => {}
        }
    }
}

fn is_volume(finding: &Finding) -> bool {
    finding.techniques.first().is_some_and(|t| t == "T1041")
}

/// What connects one address outside with held hosts.
#[derive(Default)]
struct Seen<'s> {
    channels: Vec<(u32, &'s Channel)>,
    sessions: Vec<&'s Touch>,
}

/// Returns the addresses outside that a compromised host was in contact with, and what each was to the attacker.
pub(crate) fn endpoints(scene: &Scene<'_>, route: &Route<'_>, outflow: &Outflow) -> Vec<OutsideEndpoint> {
    let mut by_address: BTreeMap<u32, Seen<'_>> = BTreeMap::new();
    for ((host, to), channel) in route.channels {
        if route.held.get(host).is_some_and(|h| h.since <= channel.last) {
            by_address.entry(*to).or_default().channels.push((*host, channel));
        }
    }
    for touch in sessions_from_outside(scene, route) {
        by_address.entry(touch.from).or_default().sessions.push(touch);
    }
    for address in route.entries.keys() {
        by_address.entry(*address).or_default();
    }
    let mut endpoints: Vec<OutsideEndpoint> = by_address
        .iter()
        .map(|(address, seen)| endpoint(scene, route, outflow, *address, seen))
        .collect();
    endpoints.sort_by(|a, b| (a.tier, a.seen, &a.address).cmp(&(b.tier, b.seen, &b.address)));
    endpoints
}

fn endpoint(scene: &Scene<'_>, route: &Route<'_>, outflow: &Outflow, address: u32, seen: &Seen<'_>) -> OutsideEndpoint {
    let (role, tier) = role(scene, route, address, &seen.channels);
    let mut evidence: Vec<String> = route
        .entries
        .get(&address)
        .map(|(_, sentence)| sentence.clone())
        .into_iter()
        .collect();
    for t in seen.sessions.iter().take(8) {
        let (host, account) = (scene.name(t.to), scene.account(t.account));
        evidence.push(format!(
            "{} to {host} {account} at {} [{}]",
            t.means.words(),
            t.at,
            scene.reference(t.row)
        ));
    }
    for (host, channel) in &seen.channels {
        evidence.push(summary(scene.name(*host), channel));
        evidence.extend(channel.signs.iter().chain(&channel.uploads).take(8).cloned());
    }
    let times = seen.sessions.iter().map(|t| t.at);
    let first = seen.channels.iter().map(|(_, c)| c.first).chain(times.clone()).min();
    let last = seen.channels.iter().map(|(_, c)| c.last).chain(times).max();
    OutsideEndpoint {
        address: scene.name(address).to_owned(),
        role,
        tier,
        bytes_out_max: outflow.by_address.get(&address).copied().unwrap_or(0),
        seen: first.zip(last),
        evidence,
    }
}

fn role(scene: &Scene<'_>, route: &Route<'_>, address: u32, from: &[(u32, &Channel)]) -> (OutsideRole, Tier) {
    let held = |host: &u32| route.held.get(host);
    let command = from.iter().any(|(_, c)| c.is_command());
    let upload = from.iter().any(|(_, c)| !c.uploads.is_empty());
    // Without a finding, an upload must be new: nobody spoke to the address before the host was compromised.
    let new = |host: &u32, c: &Channel| held(host).is_some_and(|h| h.since <= c.first);
    let outside = *scene.place(address) == Place::Outside;
    let dominating = outside && from.iter().any(|(host, c)| c.is_upload() && new(host, c));
    let entry = route.entries.get(&address);
    let role = match (command, upload || dominating, entry) {
        (true, true, _) => OutsideRole::CommandAndExfiltration,
        (true, false, _) => OutsideRole::Command,
        (false, true, _) => OutsideRole::Exfiltration,
        (false, false, Some(_)) => OutsideRole::Entry,
        (false, false, None) => OutsideRole::Unknown,
    };
    let by_proven = from
        .iter()
        .any(|(host, _)| held(host).is_some_and(|h| h.tier == Tier::Proven));
    let strong = upload && from.iter().any(|(_, c)| c.is_upload());
    let tier = match role {
        OutsideRole::Command | OutsideRole::CommandAndExfiltration if by_proven => Tier::Proven,
        OutsideRole::Command | OutsideRole::CommandAndExfiltration => Tier::Probable,
        OutsideRole::Exfiltration if strong && by_proven => Tier::Proven,
        OutsideRole::Exfiltration if strong || dominating => Tier::Probable,
        OutsideRole::Entry => entry.map_or(Tier::Possible, |e| e.0),
        _ => Tier::Possible,
    };
    (role, entry.map_or(tier, |e| e.0.min(tier)))
}

/// Returns the sessions, not mere connections, that came from outside to a host while the attacker held it.
fn sessions_from_outside<'s>(scene: &'s Scene<'_>, route: &'s Route<'_>) -> impl Iterator<Item = &'s Touch> {
    scene.touches.iter().filter(|t| {
        let session = t.means != Means::Flow && scene.place(t.from).is_outside();
        session && route.held.get(&t.to).is_some_and(|h| h.since <= t.at)
    })
}

fn summary(host: &str, c: &Channel) -> String {
    let ports: Vec<u16> = c.ports.iter().copied().collect();
    format!(
        "{host}: {} connections to port {} from {} to {}, {} bytes out, {} back",
        c.connections,
        list(&ports),
        c.first,
        c.last,
        c.out,
        c.back
    )
}

fn list(ports: &[u16]) -> String {
    let words: Vec<String> = ports.iter().take(8).map(u16::to_string).collect();
    words.join(", ")
}
