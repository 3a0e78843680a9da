use std::collections::{BTreeMap, BTreeSet};

use leckwehr_contain::CutOption;
use leckwehr_estate::Estate;
use leckwehr_incident::{Impact, Tier, Timestamp};
use leckwehr_telemetry::Events;
use leckwehr_trace::load::{LoadError, LoadOptions, contacts_of_events};
use leckwehr_trace::{Cut, CutPlan, LANES, what_if};

/// What the recorded events would have reached had an option been carried out at a time.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Replayed {
    /// Systems of the estate that the attacker could have reached by recorded contacts.
    pub reached: BTreeSet<String>,
    /// Systems that he could only reach without the cut.
    pub spared: BTreeSet<String>,
}

/// Replays the recorded contacts under each option, cut at `at`, and returns as many results, in order; options behind
/// [`LANES`] − 1 are left out. The attacker is taken to hold the hosts that are proven or probable, each from when he first
/// came there.
///
/// A connection counts as cut between two zones only if no other connection of the estate joins them any more: what may have
/// taken another way is not counted as spared. One pass over the contacts.
///
/// # Errors
/// If the events name more hosts than can be numbered.
pub fn what_if_options(
    events: &Events,
    impact: &Impact,
    estate: &Estate,
    options: &[&CutOption],
    at: Timestamp,
) -> Result<Vec<Replayed>, LoadError> {
    let load = LoadOptions {
        estate: Some(estate),
        ..LoadOptions::default()
    };
    let loaded = contacts_of_events(events, &load)?;
    let names = &loaded.names;
    let numbers: BTreeMap<&str, u16> = (1..).zip(estate.zones.keys()).map(|(n, id)| (id.as_str(), n)).collect();
    let zone = |host: &str| {
        let known = estate.systems.get(host).map(|s| s.zone.as_str());
        known.or_else(|| estate.zone_of(host.parse().ok()?))
    };
    let group = |node: u32| zone(names.host(node)).and_then(|z| numbers.get(z)).copied().unwrap_or(0);
    let groups: Vec<u16> = (0..names.len() as u32).map(group).collect();
    let first = loaded.contacts.times().first().copied().unwrap_or(0);
    let held = impact.hosts.iter().filter(|h| h.tier <= Tier::Probable);
    let seeds = held.flat_map(|h| {
        let since = h.since.map_or(first, |s| s.0);
        names.nodes_of_host(&h.system).map(move |node| (node, since))
    });
    let seeds: Vec<(u32, i64)> = seeds.collect();
    let mut plans: Vec<CutPlan> = vec![Vec::new()];
    for option in options.iter().take(LANES - 1) {
        let nodes = option.systems.iter().flat_map(|id| names.nodes_of_host(id));
        let ways = severed(option, estate).into_iter();
        let ways = ways.filter_map(|(a, b)| Some(Cut::Between(*numbers.get(a)?, *numbers.get(b)?)));
        plans.push(nodes.map(Cut::Node).chain(ways).map(|cut| (at.0, cut)).collect());
    }
    let lanes = what_if(names.len(), &loaded.contacts, &seeds, &groups, &plans);
    let reached = |lane: usize| -> BTreeSet<String> {
        let nodes = (0..names.len() as u32).filter(|node| lanes.holds(*node, lane));
        let systems = nodes
            .map(|node| names.host(node))
            .filter(|host| estate.systems.contains_key(*host));
        systems.map(str::to_owned).collect()
    };
    let without = reached(0);
    let replayed = (1..plans.len()).map(|lane| {
        let reached = reached(lane);
        Replayed {
            spared: without.difference(&reached).cloned().collect(),
            reached,
        }
    });
    Ok(replayed.collect())
}

/// Pairs of zones all of whose connections are cut.
fn severed<'e>(option: &CutOption, estate: &'e Estate) -> BTreeSet<(&'e str, &'e str)> {
    let mut left: BTreeMap<(&str, &str), bool> = BTreeMap::new();
    for (id, connection) in &estate.connections {
        for (a, b) in zones_of(estate, &connection.from)
            .iter()
            .flat_map(|a| zones_of(estate, &connection.to).into_iter().map(move |b| (*a, b)))
        {
            let pair = if a < b { (a, b) } else { (b, a) };
            let cut = left.entry(pair).or_insert(true);
            *cut &= option.connections.contains(id);
        }
    }
    left.into_iter()
        .filter(|((a, b), cut)| *cut && a != b)
        .map(|(pair, _)| pair)
        .collect()
}

fn zones_of<'e>(estate: &'e Estate, end: &'e str) -> Vec<&'e str> {
    if let Some(system) = estate.systems.get(end) {
        return vec![&system.zone];
    }
    if estate.zones.contains_key(end) {
        return vec![end];
    }
    estate
        .zones
        .iter()
        .filter(|(_, z)| z.party == end)
        .map(|(id, _)| id.as_str())
        .collect()
}
