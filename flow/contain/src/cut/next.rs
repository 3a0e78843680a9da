use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::minimum::{MinimumCut, NoCut, minimum_cut};
use super::network::{NEVER, Network, Part};

/// Most cuts that are listed.
pub const CUTS_MAX: usize = 64;
/// Flows that are computed for one list at most.
pub const FLOWS_MAX: usize = 4_096;

/// Returns the `count` cheapest cuts of which none holds another, the cheapest first; fewer if there are no more.
///
/// After Lawler (Management Science 18, 1972) and Hamacher and Queyranne (1985): all cuts but the cheapest one lack one of its
/// parts, so they are found by forbidding part after part while the ones before are cut for good. One flow per part of each
/// cut in the list; the list ends where more than [`FLOWS_MAX`] would be needed. Parts that are `twins` are one; a cut names the first of them.
///
/// # Errors
/// As [`minimum_cut`].
pub fn cheapest_cuts(
    network: &Network,
    sources: &[u32],
    targets: &[u32],
    count: usize,
    twins: &Twins,
) -> Result<Vec<MinimumCut>, NoCut> {
    let problem = Problem {
        network,
        sources,
        targets,
        twins,
    };
    let first = minimum_cut(network, sources, targets)?;
    let mut found: Vec<MinimumCut> = Vec::new();
    let mut open = BinaryHeap::from([Branch::new(first, twins, Vec::new(), Vec::new())]);
    let mut flows = 1;
    while let Some(branch) = open.pop() {
        let whole = branch.whole();
        let is_new = !found.iter().any(|f| f.parts == whole.parts);
        if is_new && problem.is_minimal(&whole.parts) {
            found.push(whole);
        }
        flows += branch.free.len();
        // A list that is cut short is right as far as it goes; one with branches left out would not be.
        if found.len() >= count.min(CUTS_MAX) || flows > FLOWS_MAX {
            break;
        }
        for (i, part) in branch.free.iter().enumerate() {
            let cut: Vec<Part> = branch.cut.iter().chain(&branch.free[..i]).copied().collect();
            let kept: Vec<Part> = branch.kept.iter().copied().chain([*part]).collect();
            open.extend(problem.solve(cut, kept));
        }
    }
    Ok(found)
}

/// A part of the solutions: those that hold all of `cut`, none of `kept`; `free` is what the cheapest of them cuts besides.
struct Branch {
    value: u64,
    cut: Vec<Part>,
    free: Vec<Part>,
    kept: Vec<Part>,
    flow: Vec<(u32, u32, u64)>,
}

impl Branch {
    fn new(rest: MinimumCut, twins: &Twins, cut: Vec<Part>, kept: Vec<Part>) -> Self {
        let free: BTreeSet<Part> = rest.parts.iter().map(|part| twins.lead(*part)).collect();
        Self {
            value: rest.value,
            free: free.into_iter().filter(|part| !cut.contains(part)).collect(),
            cut,
            kept,
            flow: rest.flow,
        }
    }

    fn whole(&self) -> MinimumCut {
        let parts: BTreeSet<Part> = self.cut.iter().chain(&self.free).copied().collect();
        MinimumCut {
            value: self.value,
            parts: parts.into_iter().collect(),
            flow: self.flow.clone(),
        }
    }
}

/// Cheapest first in the heap; of equal ones the one with the lower parts.
impl Ord for Branch {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        fn key(b: &Branch) -> (u64, &[Part], &[Part], &[Part]) {
            (b.value, &b.cut, &b.free, &b.kept)
        }
        key(other).cmp(&key(self))
    }
}

impl PartialOrd for Branch {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Branch {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Branch {}

struct Problem<'p> {
    network: &'p Network,
    sources: &'p [u32],
    targets: &'p [u32],
    twins: &'p Twins,
}

impl Problem<'_> {
    fn solve(&self, cut: Vec<Part>, kept: Vec<Part>) -> Option<Branch> {
        let mut changed = self.network.clone();
        let mut weigh = |part: &Part, weight| self.twins.all(*part).for_each(|twin| changed.weigh(twin, weight));
        kept.iter().for_each(|part| weigh(part, NEVER));
        cut.iter().for_each(|part| weigh(part, 0));
        let paid: u64 = cut.iter().map(|part| self.network.weight(*part)).sum();
        let mut rest = minimum_cut(&changed, self.sources, self.targets).ok()?;
        rest.value += paid;
        Some(Branch::new(rest, self.twins, cut, kept))
    }

    /// Says whether every part is needed: without it, a way leads through.
    fn is_minimal(&self, parts: &[Part]) -> bool {
        parts.iter().all(|left_out| {
            let others = parts.iter().filter(|p| *p != left_out);
            let others = others.flat_map(|p| self.twins.all(*p)).collect();
            !separates(self.network, self.sources, self.targets, &others)
        })
    }
}

/// Parts that one switch cuts together, at the price of one. The cheapest cut never needs two of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Twins {
    lead: BTreeMap<Part, Part>,
    all: BTreeMap<Part, Vec<Part>>,
}

impl Twins {
    /// Takes each part with its switch; parts that are not named stand alone.
    pub fn new<S: Ord>(switches: impl Iterator<Item = (Part, S)>) -> Self {
        let mut by_switch: BTreeMap<S, Vec<Part>> = BTreeMap::new();
        switches.for_each(|(part, switch)| by_switch.entry(switch).or_default().push(part));
        let mut twins = Self::default();
        for parts in by_switch.into_values().filter(|parts| parts.len() > 1) {
            let Some(lead) = parts.iter().min().copied() else {
                continue;
            };
            twins.lead.extend(parts.iter().map(|part| (*part, lead)));
            twins.all.insert(lead, parts);
        }
        twins
    }

    fn lead(&self, part: Part) -> Part {
        self.lead.get(&part).copied().unwrap_or(part)
    }

    fn all(&self, part: Part) -> impl Iterator<Item = Part> {
        let own = [part];
        let twins = self.all.get(&self.lead(part)).cloned();
        twins.unwrap_or_else(|| own.to_vec()).into_iter()
    }
}

/// Says whether no way leads from a source to a target once `parts` are cut. O(vertices + links · log links).
pub fn separates(network: &Network, sources: &[u32], targets: &[u32], parts: &BTreeSet<Part>) -> bool {
    let reached = reach(network, sources, parts);
    !targets.iter().any(|target| reached.contains(target))
}

/// Returns the vertices that can be reached from the sources once `parts` are cut. A vertex that is cut is not reached.
pub(super) fn reach(network: &Network, sources: &[u32], parts: &BTreeSet<Part>) -> BTreeSet<u32> {
    let stays = |v: u32| !parts.contains(&Part::Vertex(v));
    let mut ways: Vec<(u32, u32)> = Vec::new();
    for (l, link) in (0..).zip(&network.links) {
        if !parts.contains(&Part::Link(l)) {
            ways.push((link.from, link.to));
            ways.extend(link.both_ways.then_some((link.to, link.from)));
        }
    }
    ways.sort_unstable();
    let mut seen: BTreeSet<u32> = sources.iter().copied().filter(|v| stays(*v)).collect();
    let mut open: Vec<u32> = seen.iter().copied().collect();
    while let Some(here) = open.pop() {
        let start = ways.partition_point(|(from, _)| *from < here);
        for (_, to) in ways[start..].iter().take_while(|(from, _)| *from == here) {
            if stays(*to) && seen.insert(*to) {
                open.push(*to);
            }
        }
    }
    seen
}
