use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use leckwehr_estate::{Estate, PartyKind, SystemKind};

use super::network::{Link, NEVER, Network, Part};
use super::next::Twins;
use super::policy::CutPolicy;
use super::weigh::{Broken, Scale};

/// The state "somewhere outside".
pub(super) const OUTSIDE: &str = "outside";

/// Something with a switch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Switchable {
    /// A system, taken off the grid by the guard of its zone.
    System(String),
    /// A connection.
    Connection(String),
}

impl Switchable {
    /// Returns the name in certificates: `system:…` or `connection:…`.
    pub fn name(&self) -> String {
        match self {
            Self::System(id) => format!("system:{id}"),
            Self::Connection(id) => format!("connection:{id}"),
        }
    }

    /// Returns the estate's id.
    pub fn id(&self) -> &str {
        match self {
            Self::System(id) | Self::Connection(id) => id,
        }
    }
}

/// What a switch costs, and why it may not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Price {
    pub weight: u64,
    /// Reason if the weight is [`NEVER`].
    pub life_line: Option<String>,
}

/// An estate as a network that can be cut.
///
/// The ways are those of the trace room's certificates: a system and the segment of its zone, connections in the directions in
/// which they can be opened, a hypervisor or directory and what obeys it, the public and its zones. A system that a hypervisor
/// holds, or that is one, is three vertices (`x/in`, `x`, `x/out`), because taking it off the grid does not end that hold. A
/// switch may stand at several links, yet no cheapest cut pays for it twice: whoever holds a system holds the way into it.
pub(super) struct Ground {
    pub network: Network,
    pub names: Vec<String>,
    pub switches: BTreeMap<Part, Switchable>,
    pub prices: BTreeMap<Switchable, Price>,
    numbers: BTreeMap<String, u32>,
}

impl Ground {
    /// Reads the estate. O(systems + connections · zones of a party), and what falls with each switch.
    pub(super) fn new(estate: &Estate, policy: &CutPolicy) -> Self {
        let mut ground = Self {
            network: Network::default(),
            names: Vec::new(),
            switches: BTreeMap::new(),
            prices: prices(estate, policy),
            numbers: BTreeMap::new(),
        };
        ground.vertex(OUTSIDE.into(), None);
        for (id, zone) in &estate.zones {
            ground.vertex(format!("zone:{id}"), None);
            if estate.parties.get(&zone.party).is_some_and(|p| p.kind == PartyKind::Public) {
                ground.link(OUTSIDE, &format!("zone:{id}"), true, None);
            }
        }
        let controls = controls(estate);
        let held: BTreeSet<&str> = controls
            .iter()
            .filter(|(_, _, hold)| *hold)
            .flat_map(|(a, b, _)| [*a, *b])
            .collect();
        for (id, system) in &estate.systems {
            ground.system(id, &system.zone, held.contains(id.as_str()));
        }
        for (over, id, holds) in controls {
            match holds {
                true => ground.link(over, id, false, None),
                false => ground.link(&ground.way_out(over), &ground.way_in(id), false, None),
            }
        }
        for (id, connection) in &estate.connections {
            let ends = (ends(estate, &connection.from), ends(estate, &connection.to));
            ground.connection(id, &ends.0, &ends.1, connection.both_ways);
        }
        ground
    }

    /// Returns the number of a state: `x`, `zone:z`, `outside`; an address counts for the segment that it lies in.
    pub(super) fn state(&self, estate: &Estate, name: &str) -> Option<u32> {
        let of_address = || Some(format!("zone:{}", estate.zone_of(name.parse::<Ipv4Addr>().ok()?)?));
        self.numbers
            .get(name)
            .copied()
            .or_else(|| self.numbers.get(&of_address()?).copied())
    }

    /// Returns which parts are cut by one switch.
    pub(super) fn twins(&self) -> Twins {
        Twins::new(self.switches.iter().map(|(part, switch)| (*part, switch)))
    }

    fn vertex(&mut self, name: String, switch: Option<Switchable>) -> u32 {
        let number = self.names.len() as u32;
        let weight = switch.as_ref().map_or(NEVER, |s| self.weight(s));
        self.network.vertices.push(weight);
        if let Some(switch) = switch {
            self.switches.insert(Part::Vertex(number), switch);
        }
        self.numbers.insert(name.clone(), number);
        self.names.push(name);
        number
    }

    fn weight(&self, switch: &Switchable) -> u64 {
        self.prices.get(switch).map_or(NEVER, |price| price.weight)
    }

    fn link(&mut self, from: &str, to: &str, both_ways: bool, switch: Option<&Switchable>) {
        let (Some(&from), Some(&to)) = (self.numbers.get(from), self.numbers.get(to)) else {
            return;
        };
        if let Some(switch) = switch {
            let part = Part::Link(self.network.links.len() as u32);
            self.switches.insert(part, switch.clone());
        }
        self.network.links.push(Link {
            from,
            to,
            weight: switch.map_or(NEVER, |s| self.weight(s)),
            both_ways,
        });
    }

    fn system(&mut self, id: &str, zone: &str, held: bool) {
        let switch = Switchable::System(id.to_owned());
        let zone = format!("zone:{zone}");
        if !held {
            self.vertex(id.to_owned(), Some(switch));
            return self.link(id, &zone, true, None);
        }
        let (enter, leave) = (format!("{id}/in"), format!("{id}/out"));
        for name in [id, &enter, &leave] {
            self.vertex(name.to_owned(), None);
        }
        self.link(&enter, id, false, Some(&switch));
        self.link(id, &leave, false, Some(&switch));
        self.link(&zone, &enter, false, None);
        self.link(&leave, &zone, false, None);
    }

    fn connection(&mut self, id: &str, froms: &[String], tos: &[String], both_ways: bool) {
        let switch = Switchable::Connection(id.to_owned());
        if let ([from], [to]) = (froms, tos) {
            self.link(&self.way_out(from), &self.way_in(to), false, Some(&switch));
            if both_ways {
                self.link(&self.way_out(to), &self.way_in(from), false, Some(&switch));
            }
            return;
        }
        // A party with several zones: one place in the middle, so that the switch is paid for once.
        let hub = format!("connection:{id}");
        self.vertex(hub.clone(), Some(switch));
        let (enter, leave): (Vec<&String>, Vec<&String>) = match both_ways {
            false => (froms.iter().collect(), tos.iter().collect()),
            true => (froms.iter().chain(tos).collect(), froms.iter().chain(tos).collect()),
        };
        for from in enter {
            self.link(&self.way_out(from), &hub, false, None);
        }
        for to in leave {
            self.link(&hub, &self.way_in(to), false, None);
        }
    }

    fn way_in(&self, state: &str) -> String {
        let enter = format!("{state}/in");
        if self.numbers.contains_key(&enter) {
            enter
        } else {
            state.to_owned()
        }
    }

    fn way_out(&self, state: &str) -> String {
        let leave = format!("{state}/out");
        if self.numbers.contains_key(&leave) {
            leave
        } else {
            state.to_owned()
        }
    }
}

/// Who holds whom: over, under, and whether isolating either leaves the hold (a hypervisor's) or ends it (a directory's).
fn controls(estate: &Estate) -> Vec<(&str, &str, bool)> {
    let mut all = BTreeSet::new();
    for (id, system) in &estate.systems {
        for over in system.needs.iter().flat_map(|n| &n.any_of) {
            match estate.systems.get(over).map(|s| s.kind) {
                Some(SystemKind::Hypervisor) => all.insert((over.as_str(), id.as_str(), true)),
                Some(SystemKind::Directory) => all.insert((over.as_str(), id.as_str(), false)),
                _ => false,
            };
        }
    }
    all.into_iter().collect()
}

/// An end of a connection is a system, a zone, or a party with all its zones.
fn ends(estate: &Estate, end: &str) -> Vec<String> {
    if estate.systems.contains_key(end) {
        return vec![end.to_owned()];
    }
    if estate.zones.contains_key(end) {
        return vec![format!("zone:{end}")];
    }
    let zones = estate.zones.iter().filter(|(_, z)| z.party == end);
    zones.map(|(id, _)| format!("zone:{id}")).collect()
}

/// Weighs every switch on its own.
fn prices(estate: &Estate, policy: &CutPolicy) -> BTreeMap<Switchable, Price> {
    let mut scale = Scale::new(estate);
    let mut prices = BTreeMap::new();
    for id in estate.systems.keys().filter(|id| estate.guard_of(id).is_some()) {
        let broken = scale.weigh(std::iter::once(id.as_str()), false, policy);
        prices.insert(Switchable::System(id.clone()), price(estate, policy, id, broken));
    }
    for (id, connection) in &estate.connections {
        if let Some(switch) = &connection.switch {
            let breaks = switch.breaks.iter().map(String::as_str);
            let broken = scale.weigh(breaks, switch.guard.is_none(), policy);
            prices.insert(Switchable::Connection(id.clone()), price(estate, policy, id, broken));
        }
    }
    prices
}

fn price(estate: &Estate, policy: &CutPolicy, id: &str, broken: Broken) -> Price {
    let agreed = policy
        .life_lines
        .contains(id)
        .then(|| format!("the protocol never cuts {id}"));
    let is_kept = |id: &&String| {
        let vital = policy.spare_vital && estate.services.get(*id).is_some_and(|s| s.vital);
        vital || policy.life_lines.contains(*id)
    };
    let service = broken.off.iter().find(is_kept).map(|id| format!("it alone takes down {id}"));
    match agreed.or(service) {
        Some(reason) => Price {
            weight: NEVER,
            life_line: Some(reason),
        },
        None => Price {
            weight: broken.weight,
            life_line: None,
        },
    }
}
