use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use leckwehr_estate::{Estate, PartyKind, SystemKind};
use serde::{Deserialize, Serialize};

/// Prefix of the state "somewhere in the segment of this zone".
pub(super) const ZONE: &str = "zone:";
/// The state "somewhere outside".
pub(super) const OUTSIDE: &str = "outside";

/// What a way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WayKind {
    /// A system and the segment it stands in, in both directions.
    Segment,
    /// A connection of the estate, in a direction in which it can be opened.
    Connection,
    /// From a hypervisor or directory to a system that needs it.
    Control,
    /// Between the public and a zone that belongs to it.
    Border,
}

/// One way that an attacker may take whether or not a record shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Way {
    pub from: String,
    pub to: String,
    pub kind: WayKind,
    /// Connection id, else empty.
    pub via: String,
    /// All of these must be open: a connection, a system.
    pub gates: Vec<String>,
}

/// The estate as ways.
pub(super) struct Ways<'e> {
    estate: &'e Estate,
    pub all: Vec<Way>,
    /// Connections by their two ends as states, in directions in which they can be opened.
    between: BTreeMap<(String, String), BTreeSet<&'e str>>,
}

impl<'e> Ways<'e> {
    /// Reads every way out of the estate; `unlisted` are states of the records that the estate does not list.
    /// O(systems + connections × zones of a party).
    pub(super) fn new(estate: &'e Estate, unlisted: &BTreeSet<&str>) -> Self {
        let mut ways = Self {
            estate,
            all: Vec::new(),
            between: BTreeMap::new(),
        };
        for (id, system) in &estate.systems {
            ways.segment(id, &system.zone, &[id]);
            ways.controls(id);
        }
        for state in unlisted {
            if let Some(zone) = ways.zone_of(state) {
                ways.segment(state, &zone, &[]);
            }
        }
        for id in estate.connections.keys() {
            ways.connection(id);
        }
        for (id, zone) in &estate.zones {
            if estate.parties.get(&zone.party).is_some_and(|p| p.kind == PartyKind::Public) {
                let zone = format!("{ZONE}{id}");
                ways.push(OUTSIDE, &zone, WayKind::Border, "", &[]);
                ways.push(&zone, OUTSIDE, WayKind::Border, "", &[]);
            }
        }
        ways.all.sort_unstable();
        ways.all.dedup();
        ways
    }

    /// Returns the zone that a state lies in: a system's, else the one whose network holds the address.
    pub(super) fn zone_of(&self, state: &str) -> Option<String> {
        match self.estate.systems.get(state) {
            Some(system) => Some(system.zone.clone()),
            None => self.estate.zone_of(state.parse::<Ipv4Addr>().ok()?).map(str::to_owned),
        }
    }

    /// Returns the connections that a contact between two states must have taken; none between neighbours.
    pub(super) fn connections(&self, from: &str, to: &str) -> BTreeSet<&'e str> {
        let (Some(a), Some(b)) = (self.zone_of(from), self.zone_of(to)) else {
            return BTreeSet::new();
        };
        if a == b {
            return BTreeSet::new();
        }
        let froms = [from.to_owned(), format!("{ZONE}{a}")];
        let tos = [to.to_owned(), format!("{ZONE}{b}")];
        let pairs = froms.iter().flat_map(|f| tos.iter().map(move |t| (f.clone(), t.clone())));
        pairs.filter_map(|pair| self.between.get(&pair)).flatten().copied().collect()
    }

    fn segment(&mut self, state: &str, zone: &str, gates: &[&str]) {
        let zone = format!("{ZONE}{zone}");
        self.push(state, &zone, WayKind::Segment, "", gates);
        self.push(&zone, state, WayKind::Segment, "", gates);
    }

    /// Whoever holds the machine under a system, or the directory it obeys, holds the system.
    fn controls(&mut self, id: &str) {
        let Some(system) = self.estate.systems.get(id) else {
            return;
        };
        for over in system.needs.iter().flat_map(|n| &n.any_of) {
            match self.estate.systems.get(over).map(|s| s.kind) {
                Some(SystemKind::Hypervisor) => self.push(over, id, WayKind::Control, "", &[]),
                Some(SystemKind::Directory) => self.push(over, id, WayKind::Control, "", &[over, id]),
                _ => {}
            }
        }
    }

    fn connection(&mut self, id: &'e str) {
        let Some(connection) = self.estate.connections.get(id) else {
            return;
        };
        let (froms, tos) = (self.states_of(&connection.from), self.states_of(&connection.to));
        for (from, to) in froms.iter().flat_map(|f| tos.iter().map(move |t| (f, t))) {
            self.link(id, from, to);
            if connection.both_ways {
                self.link(id, to, from);
            }
        }
    }

    fn link(&mut self, id: &'e str, from: &str, to: &str) {
        let mut gates = vec![id];
        gates.extend([from, to].into_iter().filter(|s| !s.starts_with(ZONE)));
        self.push(from, to, WayKind::Connection, id, &gates);
        self.between.entry((from.to_owned(), to.to_owned())).or_default().insert(id);
    }

    /// An end of a connection is a system, a zone, or a party with all its zones.
    fn states_of(&self, end: &str) -> Vec<String> {
        if self.estate.systems.contains_key(end) {
            return vec![end.to_owned()];
        }
        if self.estate.zones.contains_key(end) {
            return vec![format!("{ZONE}{end}")];
        }
        let zones = self.estate.zones.iter().filter(|(_, z)| z.party == end);
        zones.map(|(id, _)| format!("{ZONE}{id}")).collect()
    }

    fn push(&mut self, from: &str, to: &str, kind: WayKind, via: &str, gates: &[&str]) {
        self.all.push(Way {
            from: from.to_owned(),
            to: to.to_owned(),
            kind,
            via: via.to_owned(),
            gates: gates.iter().map(|g| (*g).to_owned()).collect(),
        });
    }
}
