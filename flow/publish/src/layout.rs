use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::Estate;
use leckwehr_incident::{OutsideRole, Situation, Tier, Timestamp};

use crate::Language;

/// Width of the lane names.
pub(crate) const LABELS: f64 = 168.0;
/// Width of a column.
pub(crate) const COLUMN: f64 = 132.0;
/// Height of a labelled host.
const ROW: f64 = 46.0;
/// Size of a host without label.
pub(crate) const CELL: f64 = 17.0;
/// Hosts without label in a row at the right.
pub(crate) const CELLS_PER_ROW: usize = 14;
/// Hosts without label in a row of a block.
const BLOCK_PER_ROW: usize = 6;
/// Width at least, so that short routes line up with the other drawings.
const WIDTH_MIN: f64 = 1180.0;
/// More leaf hosts that are only possible than this in one place become a block without labels.
const LEAVES_MAX: usize = 3;
/// Columns at most; a longer chain is folded into the last one.
const COLUMNS_MAX: usize = 40;

/// All hops between the same two ends, as one line.
pub(crate) struct Edge<'a> {
    pub from: &'a str,
    pub to: &'a str,
    pub at: Option<Timestamp>,
    pub tier: Tier,
    pub count: usize,
    pub means: &'a str,
}

/// A host or outside address on the route.
pub(crate) struct Node {
    pub lane: usize,
    pub column: usize,
    pub x: f64,
    pub y: f64,
    pub tier: Tier,
    pub isolated: bool,
    pub outside: Option<OutsideRole>,
    pub labelled: bool,
}

/// A zone.
pub(crate) struct Lane<'a> {
    pub name: String,
    /// The site, where there is one: zones of two sites often share a name.
    pub site: String,
    pub top: f64,
    pub height: f64,
    /// Hosts that are not on the route: id, tier, isolated.
    pub rest: Vec<(&'a str, Tier, bool)>,
}

/// Where everything goes.
pub(crate) struct Layout<'a> {
    pub edges: Vec<Edge<'a>>,
    pub lanes: Vec<Lane<'a>>,
    pub nodes: BTreeMap<&'a str, Node>,
    pub rest_x: f64,
    pub width: f64,
    pub height: f64,
}

/// What a lane stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place<'a> {
    Outside,
    Zone(&'a str),
    /// A compromised host that the estate does not know.
    Stranger,
}

impl<'a> Layout<'a> {
    /// Columns are steps from the first arrival, lanes are zones in order of arrival. O(hosts log hosts + hops log hops).
    pub fn new(situation: &'a Situation, estate: &'a Estate, l: Language) -> Self {
        let edges = edges(situation);
        let ids = on_route(situation, &edges);
        let places = places(situation, estate, &ids);
        let mut lanes: Vec<Lane<'a>> = places.iter().map(|place| lane(*place, estate, l)).collect();
        let depths = depths(&edges);
        let last = depths.values().copied().max().unwrap_or(0).max(1);
        let mut nodes = BTreeMap::new();
        for id in ids {
            let lane = places.iter().position(|p| *p == place_of(id, situation, estate)).unwrap_or(0);
            nodes.insert(id, node(id, lane, depths.get(id).copied(), last, situation));
        }
        for (id, system) in &estate.systems {
            let lane = places.iter().position(|p| *p == Place::Zone(&system.zone));
            if let Some(lane) = lane.and_then(|n| lanes.get_mut(n))
                && !nodes.contains_key(id.as_str())
            {
                let host = situation.hosts.get(id);
                let tier = host.and_then(|h| h.tier).unwrap_or(Tier::Unknown);
                lane.rest.push((id, tier, host.is_some_and(|h| h.isolated)));
            }
        }
        let starts: BTreeSet<&str> = edges.iter().map(|edge| edge.from).collect();
        let height = stack(&mut lanes, &mut nodes, &starts);
        let columns = nodes.values().map(|n| n.column).max().unwrap_or(0) + 1;
        let rest_x = LABELS + COLUMN * columns as f64 + 10.0;
        Self {
            edges,
            lanes,
            nodes,
            rest_x,
            width: f64::max(rest_x + CELL * CELLS_PER_ROW as f64 + 10.0, WIDTH_MIN),
            height,
        }
    }
}

fn edges(situation: &Situation) -> Vec<Edge<'_>> {
    let mut merged: BTreeMap<(&str, &str), Edge<'_>> = BTreeMap::new();
    for hop in &situation.impact.hops {
        let edge = merged.entry((&hop.from, &hop.to)).or_insert(Edge {
            from: &hop.from,
            to: &hop.to,
            at: Some(hop.at),
            tier: hop.tier,
            count: 0,
            means: &hop.means,
        });
        edge.count += 1;
        edge.at = edge.at.min(Some(hop.at));
        edge.tier = edge.tier.min(hop.tier);
    }
    let arrived: BTreeSet<&str> = situation.impact.hops.iter().map(|hop| hop.to.as_str()).collect();
    let lacking = situation
        .impact
        .hosts
        .iter()
        .filter(|host| !arrived.contains(host.system.as_str()));
    for host in lacking.filter(|host| host.tier <= Tier::Possible) {
        if let Some(via) = &host.via {
            merged.entry((via, &host.system)).or_insert(Edge {
                from: via,
                to: &host.system,
                at: host.since,
                tier: host.tier,
                count: 1,
                means: "",
            });
        }
    }
    let mut edges: Vec<Edge<'_>> = merged.into_values().collect();
    edges.sort_by_key(|edge| (edge.at, edge.from, edge.to));
    edges
}

/// Returns everything that has a place on the route, in order of arrival.
fn on_route<'a>(situation: &'a Situation, edges: &[Edge<'a>]) -> Vec<&'a str> {
    let ends = edges.iter().flat_map(|edge| [edge.from, edge.to]);
    let outside = situation.impact.outside.iter().map(|o| o.address.as_str());
    let hosts = situation.impact.hosts.iter().filter(|h| h.tier <= Tier::Possible);
    let mut seen = BTreeSet::new();
    let all = ends.chain(outside).chain(hosts.map(|h| h.system.as_str()));
    all.filter(|id| seen.insert(*id)).collect()
}

fn place_of<'a>(id: &str, situation: &Situation, estate: &'a Estate) -> Place<'a> {
    match estate.systems.get(id) {
        Some(system) => Place::Zone(&system.zone),
        None if situation.hosts.contains_key(id) => Place::Stranger,
        None => Place::Outside,
    }
}

/// Returns the lanes: outside, zones in order of arrival, then the other zones that have systems.
fn places<'a>(situation: &Situation, estate: &'a Estate, ids: &[&str]) -> Vec<Place<'a>> {
    let arrived = ids.iter().map(|id| place_of(id, situation, estate));
    let others = estate.systems.values().map(|system| Place::Zone(&system.zone));
    let mut seen = BTreeSet::new();
    let mut places: Vec<Place<'a>> = arrived.chain(others).filter(|place| seen.insert(*place)).collect();
    places.sort_by_key(|place| *place != Place::Outside);
    places
}

fn lane<'a>(place: Place<'_>, estate: &Estate, l: Language) -> Lane<'a> {
    let (name, site) = match place {
        Place::Outside => (l.pick("außerhalb", "outside"), ""),
        Place::Stranger => (l.pick("nicht im Verzeichnis", "not in the estate"), ""),
        Place::Zone(id) => {
            let zone = estate.zones.get(id);
            let site = zone.and_then(|zone| estate.sites.get(zone.site.as_ref()?));
            (zone.map_or(id, |zone| &zone.name), site.map_or("", |site| &site.name))
        }
    };
    Lane {
        name: name.to_owned(),
        site: site.to_owned(),
        top: 0.0,
        height: 0.0,
        rest: Vec::new(),
    }
}

/// Columns by first arrival: the ends of hops in order of time, each one step right of where it came from.
fn depths<'a>(edges: &[Edge<'a>]) -> BTreeMap<&'a str, usize> {
    let mut depths = BTreeMap::new();
    for edge in edges {
        let from = *depths.entry(edge.from).or_insert(0);
        depths.entry(edge.to).or_insert((from + 1).min(COLUMNS_MAX));
    }
    depths
}

fn node(id: &str, lane: usize, depth: Option<usize>, last: usize, situation: &Situation) -> Node {
    let outside = situation.impact.outside.iter().find(|o| o.address == id);
    let host = situation.hosts.get(id);
    let leaves = outside.is_some_and(|o| o.role != OutsideRole::Entry) && depth != Some(0);
    let column = if leaves { last } else { depth.unwrap_or(1) };
    Node {
        lane,
        column,
        x: LABELS + COLUMN * (column as f64 + 0.5),
        y: 0.0,
        tier: outside.map(|o| o.tier).or(host.and_then(|h| h.tier)).unwrap_or(Tier::Unknown),
        isolated: host.is_some_and(|h| h.isolated),
        outside: outside.map(|o| o.role),
        labelled: true,
    }
}

/// Gives every lane its height and every node its row; returns the height of all.
fn stack(lanes: &mut [Lane<'_>], nodes: &mut BTreeMap<&str, Node>, starts: &BTreeSet<&str>) -> f64 {
    let mut spots: BTreeMap<(usize, usize), Vec<&str>> = BTreeMap::new();
    for (id, node) in nodes.iter() {
        spots.entry((node.lane, node.column)).or_default().push(id);
    }
    let mut heights = vec![0.0_f64; lanes.len()];
    for ((lane, _), ids) in &spots {
        let is_leaf = |id: &&&str| {
            nodes
                .get(**id)
                .is_some_and(|n| n.tier >= Tier::Possible && n.outside.is_none())
        };
        let (leaves, mut tall): (Vec<&&str>, Vec<&&str>) = ids.iter().partition(|id| is_leaf(id) && !starts.contains(**id));
        let block = if leaves.len() > LEAVES_MAX {
            leaves
        } else {
            tall.extend(leaves);
            Vec::new()
        };
        let mut y = 0.0;
        for id in tall {
            if let Some(node) = nodes.get_mut(*id) {
                node.y = y + 20.0;
                y += ROW;
            }
        }
        for (n, id) in block.iter().enumerate() {
            if let Some(node) = nodes.get_mut(**id) {
                node.labelled = false;
                node.x += ((n % BLOCK_PER_ROW) as f64 - 2.5) * CELL;
                node.y = y + 12.0 + (n / BLOCK_PER_ROW) as f64 * CELL;
            }
        }
        y += block.len().div_ceil(BLOCK_PER_ROW) as f64 * CELL;
        if let Some(height) = heights.get_mut(*lane) {
            *height = height.max(y);
        }
    }
    let mut top = 0.0;
    for (lane, height) in lanes.iter_mut().zip(heights) {
        let rest = lane.rest.len().div_ceil(CELLS_PER_ROW) as f64 * CELL;
        lane.top = top;
        lane.height = height.max(rest).max(24.0) + 12.0;
        top += lane.height;
    }
    for node in nodes.values_mut() {
        node.y += lanes.get(node.lane).map_or(0.0, |lane| lane.top) + 6.0;
    }
    top
}
