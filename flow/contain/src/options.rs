use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::{Connection, Estate};
use leckwehr_incident::{Impact, OutsideRole, Tier};
use serde::{Deserialize, Serialize};

use crate::harm::{Harm, harm_of};

/// How much is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// The hosts where the attacker was or probably was, and the connections he used.
    Surgical,
    /// Their whole zones.
    Compartment,
    /// Their whole sites.
    Site,
    /// Every system behind a guard and every connection with a switch.
    Everything,
    /// The cheapest switches between the attacker and what is protected; only [`crate::separations`] makes it.
    Minimum,
}

/// The agreed rules of a takedown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakedownPolicy {
    /// How much is cut unless people decide otherwise.
    pub scale: Scale,
    /// Most systems that one plan may isolate.
    pub systems_max: usize,
    /// Whether systems that a vital service needs stay out of a cut of their whole compartment or site. Those on which the
    /// attacker was or probably was are cut all the same.
    pub spare_vital: bool,
}

impl Default for TakedownPolicy {
    fn default() -> Self {
        Self {
            scale: Scale::Surgical,
            systems_max: 100,
            spare_vital: true,
        }
    }
}

/// One way to cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CutOption {
    /// How much.
    pub scale: Scale,
    /// Systems to isolate.
    pub systems: BTreeSet<String>,
    /// Connections to cut.
    pub connections: BTreeSet<String>,
    /// What it breaks.
    pub harm: Harm,
    /// Systems that the attacker may have reached and that stay connected.
    pub residual: BTreeSet<String>,
    /// Systems or connections that should be cut but have no guard: a person must.
    pub by_hand: BTreeSet<String>,
    /// Connections that the attacker may have come over, none of which this option cuts, with the reason why people must decide.
    pub undecided: BTreeMap<String, String>,
}

/// Computes the four options, the smallest first. O(systems + connections) each, and the harm of each.
pub fn options(impact: &Impact, estate: &Estate, policy: &TakedownPolicy) -> Vec<CutOption> {
    [Scale::Surgical, Scale::Compartment, Scale::Site, Scale::Everything]
        .into_iter()
        .map(|scale| option(scale, impact, estate, policy))
        .collect()
}

fn option(scale: Scale, impact: &Impact, estate: &Estate, policy: &TakedownPolicy) -> CutOption {
    let of_tiers = |tiers: &[Tier]| -> BTreeSet<String> {
        let hosts = impact
            .hosts
            .iter()
            .filter(|h| tiers.contains(&h.tier) && estate.systems.contains_key(&h.system));
        hosts.map(|h| h.system.clone()).collect()
    };
    let certain = of_tiers(&[Tier::Proven, Tier::Probable]);
    let zone = |id: &String| estate.systems.get(id).map(|s| s.zone.as_str());
    let site = |id: &String| estate.zones.get(zone(id)?)?.site.as_deref();
    let zones: BTreeSet<_> = certain.iter().filter_map(zone).collect();
    let sites: BTreeSet<_> = certain.iter().filter_map(site).collect();
    let vital = if policy.spare_vital {
        vital_systems(estate)
    } else {
        BTreeSet::new()
    };
    let wanted: BTreeSet<String> = estate
        .systems
        .keys()
        .filter(|id| {
            // Each scale holds the smaller ones: a compartment outside every site is cut at the scale of a site as well.
            let in_zones = scale >= Scale::Compartment && zone(id).is_some_and(|z| zones.contains(z));
            let in_sites = scale >= Scale::Site && site(id).is_some_and(|s| sites.contains(s));
            let in_scale = in_zones || in_sites || scale == Scale::Everything && site(id).is_some();
            certain.contains(*id) || in_scale && !vital.contains(*id)
        })
        .cloned()
        .collect();
    let used = if scale == Scale::Everything {
        estate.connections.keys().cloned().collect()
    } else {
        connections_used(impact, estate)
    };
    let undecided = perhaps_used(impact, estate).into_iter().filter(|(id, _)| !used.contains(id));
    let undecided = undecided.collect();
    let guarded_connection = |id: &String| {
        estate
            .connections
            .get(id)
            .and_then(|c| c.switch.as_ref()?.guard.as_ref())
            .is_some()
    };
    let (systems, systems_by_hand): (BTreeSet<_>, BTreeSet<_>) = wanted.into_iter().partition(|id| estate.guard_of(id).is_some());
    let (connections, connections_by_hand): (BTreeSet<_>, BTreeSet<_>) = used.into_iter().partition(guarded_connection);
    let mut reached = of_tiers(&[Tier::Proven, Tier::Probable, Tier::Possible]);
    reached.retain(|id| !systems.contains(id));
    CutOption {
        scale,
        harm: harm_of(estate, &systems, &connections),
        residual: reached,
        undecided,
        by_hand: systems_by_hand.into_iter().chain(connections_by_hand).collect(),
        systems,
        connections,
    }
}

/// Systems that a vital service may need, all alternatives included.
fn vital_systems(estate: &Estate) -> BTreeSet<String> {
    let vital = estate.services.iter().filter(|(_, s)| s.vital);
    vital.flat_map(|(id, _)| estate.needs_of_service(id)).collect()
}

/// Connections over which the attacker came in: those between the zone of an outside address and a host that he reached from
/// there. Ways out need no cut of their own: the hosts that used them are isolated, and cutting the internet as a whole would
/// take down what the attacker never touched.
pub(crate) fn connections_used(impact: &Impact, estate: &Estate) -> BTreeSet<String> {
    let known = entries(impact).filter_map(|address| Some((address, zone_of(estate, address)?)));
    let outside = known.filter(|(_, zone)| !estate.is_inside(zone));
    outside
        .flat_map(|(address, zone)| between(estate, &[zone], &reached_from(impact, address)))
        .cloned()
        .collect()
}

/// Connections over which the attacker perhaps came in, because his address lies in no network that the estate names: those
/// between an outside zone without a network and a host that he reached. With the reason, for people: which of them it was is
/// not known, and the other end may be the internet as a whole.
pub(crate) fn perhaps_used(impact: &Impact, estate: &Estate) -> BTreeMap<String, String> {
    let zones = estate
        .zones
        .iter()
        .filter(|(id, z)| z.network.is_none() && !estate.is_inside(id));
    let zones: Vec<&str> = zones.map(|(id, _)| id.as_str()).collect();
    let mut addresses: BTreeMap<&String, BTreeSet<&str>> = BTreeMap::new();
    for address in entries(impact).filter(|address| zone_of(estate, address).is_none()) {
        for id in between(estate, &zones, &reached_from(impact, address)) {
            addresses.entry(id).or_default().insert(address);
        }
    }
    let why = |(id, from): (&String, BTreeSet<&str>)| {
        let from = from.into_iter().collect::<Vec<_>>().join(", ");
        let breaks = estate
            .connections
            .get(id)
            .and_then(|c| c.switch.as_ref())
            .map(|s| s.breaks.join(", "));
        let breaks = breaks
            .filter(|b| !b.is_empty())
            .map_or_else(String::new, |b| format!("; that breaks {b}"));
        let why = format!("the attacker came from {from}, which lies in no network that the estate names, perhaps over {id}");
        (id.clone(), format!("{why}: decide whether it is cut{breaks}"))
    };
    addresses.into_iter().map(why).collect()
}

/// Outside addresses that played a part in the attack.
fn entries(impact: &Impact) -> impl Iterator<Item = &str> {
    let known = impact.outside.iter().filter(|o| o.role != OutsideRole::Unknown);
    known.map(|o| o.address.as_str())
}

/// The zone of an address or of a system's id.
fn zone_of<'e>(estate: &'e Estate, address: &str) -> Option<&'e str> {
    let known = estate.systems.get(address).map(|s| s.zone.as_str());
    known.or_else(|| estate.zone_of(address.parse().ok()?))
}

fn reached_from<'i>(impact: &'i Impact, address: &str) -> Vec<&'i String> {
    impact.hops.iter().filter(|h| h.from == address).map(|h| &h.to).collect()
}

/// Connections with one end in one of the zones and the other at one of the systems.
fn between<'e>(estate: &'e Estate, zones: &[&str], systems: &[&String]) -> Vec<&'e String> {
    let is_his = |end: &String| zones.iter().any(|zone| is_end_of_zone(estate, end, zone));
    let is_reached = |end: &String| systems.iter().any(|system| is_end_of_system(estate, end, system));
    let joins = |(_, c): &(&String, &Connection)| {
        let ends = [(&c.from, &c.to), (&c.to, &c.from)];
        ends.iter().any(|(end, other)| is_his(end) && is_reached(other))
    };
    estate.connections.iter().filter(joins).map(|(id, _)| id).collect()
}

/// Whether an end of a connection is the zone, its party, or a system in it.
fn is_end_of_zone(estate: &Estate, end: &str, zone: &str) -> bool {
    let party = estate.zones.get(zone).map(|z| z.party.as_str());
    end == zone || Some(end) == party || estate.systems.get(end).is_some_and(|s| s.zone == zone)
}

/// Whether an end of a connection is the system, its zone, or its party.
fn is_end_of_system(estate: &Estate, end: &str, system: &str) -> bool {
    let zone = estate.systems.get(system).map(|s| s.zone.as_str());
    let party = zone.and_then(|z| estate.zones.get(z)).map(|z| z.party.as_str());
    end == system || Some(end) == zone || Some(end) == party
}
