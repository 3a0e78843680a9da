use std::collections::{BTreeMap, BTreeSet};

use leckwehr_incident::{Hop, Impact, OutsideEndpoint, OutsideRole, Tier, Timestamp};
use leckwehr_telemetry::{Event, Kind, Product};

use crate::routes::model::RouteHop;
use crate::routes::upload::Uploads;
use crate::scene::{Means, Scene};
use crate::technique::Meaning;

/// Clocks of two machines differ by no more than this.
const SKEW_MS: i64 = 2_000;
/// What the impact analysis calls a hop that the host inside opened.
const CHANNEL: &str = "command channel";
/// Sentences kept per hop.
const EVIDENCE_MAX: usize = 12;

/// Everything between two hosts over one port, or in one kind of session where records name no port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) from: u32,
    pub(crate) to: u32,
    port: u16,
    session: Option<(Means, String)>,
}

/// What was between two hosts over one port.
#[derive(Debug, Clone, Default)]
pub(crate) struct Link {
    first: Timestamp,
    last: Timestamp,
    connections: u64,
    out: u64,
    back: u64,
    means: BTreeSet<Means>,
    /// The first record, whatever order they came in.
    reference: String,
    rows: Vec<usize>,
    uploads: Uploads,
}

impl Link {
    fn add(&mut self, at: Timestamp, ended: Timestamp, event: &Event<'_>) {
        if self.rows.is_empty() {
            (self.first, self.last) = (at, ended);
        }
        let reference = || event.reference();
        if self.rows.is_empty() || at < self.first || (at == self.first && reference() < self.reference) {
            self.reference = reference();
        }
        (self.first, self.last) = (self.first.min(at), self.last.max(ended));
        self.rows.push(event.row());
    }

    fn counts(&self) -> String {
        let s = if self.connections == 1 { "" } else { "s" };
        format!(
            "{} connection{s}, {} bytes there, {} bytes back",
            self.connections, self.out, self.back
        )
    }
}

/// A record that a finding stands on: its row, what the finding means, and the finding as a sentence.
type Mark = (usize, Meaning, String);

/// What records show between held hosts and others, split by port, with the tier that the impact analysis supports.
pub(crate) struct Links<'s> {
    scene: &'s Scene<'s>,
    impact: &'s Impact,
    since: BTreeMap<u32, Timestamp>,
    inside: BTreeMap<Key, Link>,
    outside: BTreeMap<Key, Link>,
    /// Findings about a host and an address outside, by both.
    marks: BTreeMap<(u32, u32), Vec<Mark>>,
}

impl<'s> Links<'s> {
    pub(crate) fn new(scene: &'s Scene<'s>, impact: &'s Impact) -> Self {
        let held = |h: &&leckwehr_incident::HostAssessment| matches!(h.tier, Tier::Proven | Tier::Probable);
        let since = impact
            .hosts
            .iter()
            .filter(held)
            .filter_map(|h| Some((scene.node(&h.system)?, h.since?)));
        let mut links = Self {
            scene,
            impact,
            since: since.collect(),
            inside: BTreeMap::new(),
            outside: BTreeMap::new(),
            marks: BTreeMap::new(),
        };
        links.read_touches();
        links.read_calls();
        links.read_uploads();
        links.read_marks();
        links
    }

    fn is_held(&self, node: u32, at: Timestamp) -> bool {
        self.since.get(&node).is_some_and(|since| *since <= at)
    }

    fn read_touches(&mut self) {
        let scene = self.scene;
        for touch in scene.touches.iter().filter(|t| t.means != Means::Flow) {
            if scene.is_inside(touch.from) && !self.is_held(touch.from, touch.at.plus_ms(SKEW_MS)) {
                continue;
            }
            let Some(event) = scene.events.get(touch.row) else {
                continue;
            };
            let port = event.port();
            let session = (port == 0).then(|| (touch.means, scene.account(touch.account).to_owned()));
            let key = Key {
                from: touch.from,
                to: touch.to,
                port,
                session,
            };
            let link = self.inside.entry(key).or_default();
            let took = event.duration_ns().unwrap_or(0).max(0);
            link.add(touch.at, Timestamp(touch.at.0.saturating_add(took)), &event);
            link.means.insert(touch.means);
            if event.kind() == Kind::Flow {
                link.connections += 1;
                link.out = link.out.saturating_add(touch.bytes);
                link.back = link.back.saturating_add(event.bytes_in().unwrap_or(0));
            }
        }
    }

    fn read_calls(&mut self) {
        let scene = self.scene;
        for event in scene.events.iter().filter(|e| e.kind() == Kind::Flow) {
            let Some(key) = self.call(&event) else {
                continue;
            };
            let took = event.duration_ns().unwrap_or(0).max(0);
            // Our own sensors write a flow at its end, Zeek stamps it with its start.
            let closed = event.product() == Product::Leckwehr;
            let at = Timestamp(event.time().0.saturating_sub(if closed { took } else { 0 }));
            let link = self.outside.entry(key).or_default();
            link.add(at, Timestamp(at.0.saturating_add(took)), &event);
            link.connections += 1;
            link.out = link.out.saturating_add(event.bytes_out().unwrap_or(0));
            link.back = link.back.saturating_add(event.bytes_in().unwrap_or(0));
        }
    }

    /// Returns whom a record shows calling from a host that was ever held to an address outside.
    fn call(&self, event: &Event<'_>) -> Option<Key> {
        let scene = self.scene;
        let from = scene.node_of(event.origin_sym()).or(scene.node_of(event.host_sym()))?;
        let to = scene.node_of(event.destination_sym())?;
        (scene.place(to).is_outside() && self.since.contains_key(&from)).then(|| Key {
            from,
            to,
            port: event.port(),
            session: None,
        })
    }

    fn read_uploads(&mut self) {
        for event in self.scene.events.iter().filter(Uploads::is_upload) {
            if let Some(link) = self.call(&event).and_then(|key| self.outside.get_mut(&key)) {
                link.uploads.add(&event);
            }
        }
    }

    /// Finds the records that findings about addresses outside stand on.
    fn read_marks(&mut self) {
        let scene = self.scene;
        let mut wanted: BTreeMap<&str, Vec<(u32, u32, Meaning, String)>> = BTreeMap::new();
        for deed in &scene.deeds {
            let Some(origin) = deed.origin.filter(|o| scene.place(*o).is_outside()) else {
                continue;
            };
            let finding = &scene.findings[deed.finding];
            let sentence = format!("{}: {} [{}]", finding.title, finding.detail, finding.evidence.join(", "));
            for reference in &finding.evidence {
                let mark = (deed.host, origin, deed.meaning, sentence.clone());
                wanted.entry(reference.as_str()).or_default().push(mark);
            }
        }
        if wanted.is_empty() {
            return;
        }
        // A record of a file names no port, but the connection that it came over.
        let mut over: BTreeMap<&str, Vec<(u32, u32, Meaning, String)>> = BTreeMap::new();
        for event in scene.events.iter() {
            let Some(marks) = wanted.get(event.reference().as_str()) else {
                continue;
            };
            let carrier = event.field("conn_uids").filter(|_| event.port() == 0);
            for (host, to, meaning, sentence) in marks {
                match carrier {
                    Some(uid) => over.entry(uid).or_default().push((*host, *to, *meaning, sentence.clone())),
                    None => self
                        .marks
                        .entry((*host, *to))
                        .or_default()
                        .push((event.row(), *meaning, sentence.clone())),
                }
            }
        }
        for event in scene.events.iter().filter(|e| e.kind() == Kind::Flow && !over.is_empty()) {
            for (host, to, meaning, sentence) in event.field("uid").and_then(|uid| over.get(uid)).into_iter().flatten() {
                let mark = (event.row(), *meaning, sentence.clone());
                self.marks.entry((*host, *to)).or_default().push(mark);
            }
        }
    }

    /// Returns the pairs of inside hosts between which the impact analysis sees a hop.
    pub(crate) fn pairs(&self) -> BTreeSet<(u32, u32)> {
        let node = |name: &str| self.scene.node(name);
        let pairs = self.impact.hops.iter().filter_map(|h| Some((node(&h.from)?, node(&h.to)?)));
        pairs.filter(|(from, to)| !self.is_channel(*from, *to)).collect()
    }

    /// A command channel is told as a hop from outside, but the host inside opened it.
    fn is_channel(&self, from: u32, to: u32) -> bool {
        let (from, to) = (self.scene.name(from), self.scene.name(to));
        let mut hops = self.impact.hops.iter().filter(|h| h.from == from && h.to == to);
        hops.all(|h| h.means == CHANNEL)
    }

    /// Returns the hops of the impact analysis from one host to another, split by port, in order of time.
    ///
    /// A port is a hop if the evidence of the impact analysis names a record of it, and is as certain as that.
    pub(crate) fn hops(&self, from: u32, to: u32) -> Vec<RouteHop> {
        let (a, b) = (self.scene.name(from), self.scene.name(to));
        let told = self
            .impact
            .hops
            .iter()
            .filter(|h| h.from == a && h.to == b && h.means != CHANNEL);
        let told: Vec<&Hop> = told.collect();
        let links: Vec<(&Key, &Link)> = self.inside.iter().filter(|(k, _)| (k.from, k.to) == (from, to)).collect();
        let cited: Vec<BTreeSet<String>> = links.iter().map(|(_, l)| self.references(l)).collect();
        let mut named = BTreeSet::new();
        let (mut hops, mut plain) = (Vec::new(), Vec::new());
        for ((key, link), own) in links.iter().zip(&cited) {
            let by: Vec<usize> = (0..told.len()).filter(|i| cites(&told[*i].evidence, own)).collect();
            let Some(best) = by.iter().map(|i| told[*i]).min_by_key(|h| h.tier) else {
                plain.push(unmarked(key, link));
                continue;
            };
            named.extend(by);
            let foreign: BTreeSet<String> = cited.iter().flatten().filter(|r| !own.contains(*r)).cloned().collect();
            let fits = |e: &&String| !cites(std::slice::from_ref(*e), &foreign);
            hops.push(self.inside_hop(key, link, best, best.evidence.iter().filter(fits).cloned().collect()));
        }
        // Hops whose session no record of a contact shows: the record of the deed itself names where it came from.
        let unseen = told.iter().enumerate().filter(|(i, _)| !named.contains(i));
        hops.extend(unseen.map(|(_, h)| self.told_hop(h)));
        hops.sort_by(|x, y| (x.earliest, x.port, &x.account, &x.means).cmp(&(y.earliest, y.port, &y.account, &y.means)));
        if let Some(first) = hops.first_mut() {
            first.evidence.extend(plain);
        }
        hops
    }

    fn references(&self, link: &Link) -> BTreeSet<String> {
        link.rows.iter().map(|r| self.scene.reference(*r)).collect()
    }

    fn inside_hop(&self, key: &Key, link: &Link, hop: &Hop, evidence: Vec<String>) -> RouteHop {
        let words: Vec<&str> = link.means.iter().map(|m| m.words()).collect();
        let mut sentences = vec![link.reference.clone()];
        if link.connections > 0 {
            sentences.push(link.counts());
        }
        sentences.extend(evidence);
        RouteHop {
            from: hop.from.clone(),
            to: hop.to.clone(),
            earliest: link.first,
            latest: link.last,
            port: (key.port != 0).then_some(key.port),
            account: hop.account.clone(),
            tier: hop.tier,
            means: words.join(", "),
            bytes: link.out,
            evidence: once(sentences),
            bridge: None,
        }
    }

    /// Returns the sessions from outside to held hosts that are no hops of the impact analysis: possible, and no more.
    pub(crate) fn sessions_in(&self) -> BTreeMap<(u32, u32), Vec<RouteHop>> {
        let pairs = self.pairs();
        let mut sessions: BTreeMap<(u32, u32), Vec<RouteHop>> = BTreeMap::new();
        for (key, link) in &self.inside {
            let pair = (key.from, key.to);
            let to_held = self.scene.place(key.from).is_outside() && self.since.contains_key(&key.to);
            if to_held && !pairs.contains(&pair) {
                sessions.entry(pair).or_default().push(self.session_in(key, link));
            }
        }
        sessions
    }

    fn session_in(&self, key: &Key, link: &Link) -> RouteHop {
        let words: Vec<&str> = link.means.iter().map(|m| m.words()).collect();
        let mut evidence = vec![link.reference.clone()];
        if link.connections > 0 {
            evidence.push(link.counts());
        }
        let marks = self.marks.get(&(key.to, key.from)).into_iter().flatten();
        evidence.extend(marks.map(|(.., sentence)| sentence.clone()));
        let since = self.since.get(&key.to).copied().unwrap_or_default();
        if since < link.first {
            evidence.push(format!(
                "the attacker was there before, since {since}: not how he first came in"
            ));
        }
        RouteHop {
            from: self.scene.name(key.from).to_owned(),
            to: self.scene.name(key.to).to_owned(),
            earliest: link.first,
            latest: link.last,
            port: (key.port != 0).then_some(key.port),
            account: key.session.as_ref().map(|(_, a)| a.clone()).filter(|a| !a.is_empty()),
            tier: Tier::Possible,
            means: words.join(", "),
            bytes: link.out,
            evidence: once(evidence),
            bridge: None,
        }
    }

    fn told_hop(&self, hop: &Hop) -> RouteHop {
        RouteHop {
            from: hop.from.clone(),
            to: hop.to.clone(),
            earliest: hop.at,
            latest: hop.at,
            port: None,
            account: hop.account.clone(),
            tier: hop.tier,
            means: hop.means.clone(),
            bytes: 0,
            evidence: hop.evidence.clone(),
            bridge: None,
        }
    }

    /// Returns how each held host was in contact with each address outside that matters, split by port.
    pub(crate) fn ways_out(&self) -> BTreeMap<(u32, u32), Vec<RouteHop>> {
        let mut ways: BTreeMap<(u32, u32), Vec<RouteHop>> = BTreeMap::new();
        for (key, link) in self.outside.iter().filter(|(k, l)| self.is_held(k.from, l.last)) {
            let name = self.scene.name(key.to);
            if let Some(endpoint) = self.impact.outside.iter().find(|o| o.address == name) {
                ways.entry((key.from, key.to))
                    .or_default()
                    .push(self.outside_hop(key, link, endpoint));
            }
        }
        for hops in ways.values_mut() {
            hops.sort_by_key(|h| (h.earliest, h.port));
        }
        ways
    }

    /// A port is as certain as the address if a finding stands on a record of this port; an address may serve both sides.
    fn outside_hop(&self, key: &Key, link: &Link, endpoint: &OutsideEndpoint) -> RouteHop {
        let scene = self.scene;
        let port_of = |row: usize| scene.events.get(row).map_or(0, |e| e.port());
        let of_pair = self.marks.get(&(key.from, key.to)).into_iter().flatten();
        let marks: Vec<&Mark> = of_pair.filter(|(row, ..)| port_of(*row) == key.port).collect();
        // Much volume alone is no mark unless more went out than came back.
        let marked = marks
            .iter()
            .any(|(_, m, _)| *m != Meaning::Exfiltration || link.out > link.back);
        let tier = match (link.back > 0, marked) {
            (true, true) => endpoint.tier,
            (true, false) => endpoint.tier.max(Tier::Probable),
            (false, _) => endpoint.tier.max(Tier::Possible),
        };
        let mut evidence = vec![link.reference.clone(), link.counts()];
        evidence.extend(link.uploads.sentences());
        evidence.extend(marks.iter().map(|(.., sentence)| sentence.clone()));
        if link.back == 0 {
            evidence.push("nothing came back: an attempt, or a way that only sends".to_owned());
        }
        RouteHop {
            from: scene.name(key.from).to_owned(),
            to: endpoint.address.clone(),
            earliest: link.first,
            latest: link.last,
            port: (key.port != 0).then_some(key.port),
            account: None,
            tier,
            means: purpose(&marks, link, endpoint.role, tier).to_owned(),
            bytes: link.out,
            evidence: once(evidence),
            bridge: None,
        }
    }

    /// Returns the tier that the impact analysis gives to the contact of this row.
    pub(crate) fn tier_of(&self, from: u32, to: u32, row: usize) -> Tier {
        let (a, b) = (self.scene.name(from), self.scene.name(to));
        let mut told = self.impact.hops.iter().filter(|h| h.from == a && h.to == b).peekable();
        if told.peek().is_none() {
            return Tier::Possible;
        }
        let reference = BTreeSet::from([self.scene.reference(row)]);
        let cited = told.filter(|h| cites(&h.evidence, &reference));
        cited.map(|h| h.tier).min().unwrap_or(Tier::Possible)
    }
}

fn unmarked(key: &Key, link: &Link) -> String {
    let over = match &key.session {
        Some((means, account)) => format!("{} as {account}", means.words()),
        None => format!("port {}", key.port),
    };
    format!("also over {over}, without marks: {} [{}]", link.counts(), link.reference)
}

/// Volume alone is called an upload only where the address is one that data went to and more went out than came back.
fn purpose(marks: &[&Mark], link: &Link, role: OutsideRole, tier: Tier) -> &'static str {
    let has = |meaning: Meaning| marks.iter().any(|(_, m, _)| *m == meaning);
    let takes = matches!(role, OutsideRole::Exfiltration | OutsideRole::CommandAndExfiltration);
    let named = marks
        .iter()
        .any(|(_, m, s)| *m == Meaning::Exfiltration && !s.starts_with("Outbound volume"));
    let upload = takes && has(Meaning::Exfiltration) && (named || link.out > link.back);
    match (has(Meaning::Channel) || has(Meaning::SelfSigned), upload) {
        _ if tier > Tier::Probable => "connection",
        (true, true) => "command channel, with an upload",
        (true, false) => "command channel",
        (false, true) => "upload",
        (false, false) if has(Meaning::Download) => "a program came from there",
        _ if role == OutsideRole::Unknown => "connection",
        _ => "connection to the attacker's address, without marks of its own",
    }
}

/// Evidence sentences name a record alone or in brackets.
fn cites(evidence: &[String], references: &BTreeSet<String>) -> bool {
    let parts = evidence.iter().flat_map(|e| e.split(['[', ']', ',', ' ']));
    parts.into_iter().any(|part| references.contains(part))
}

fn once(sentences: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for sentence in sentences {
        if kept.len() < EVIDENCE_MAX && !kept.contains(&sentence) {
            kept.push(sentence);
        }
    }
    kept
}
