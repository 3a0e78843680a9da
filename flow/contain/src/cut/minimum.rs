use super::dinic::Flow;
use super::network::{NEVER, Network, PARTS_MAX, Part};

/// The cheapest way to separate sources from targets, and the flow that proves that there is none cheaper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinimumCut {
    /// Sum of the weights of what is cut; as much flows.
    pub value: u64,
    /// What is cut, vertices first, by number. Of several cheapest cuts, the one nearest to the sources.
    pub parts: Vec<Part>,
    /// The flow as (from, to, amount). Node `2v` is where vertex `v` is entered, `2v + 1` where it is left; the two numbers
    /// behind the last vertex are all sources and all targets.
    pub flow: Vec<(u32, u32, u64)>,
}

/// Sources and targets that cannot be separated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoCut {
    /// A way leads from a source to a target over nothing that may be cut.
    #[error("a way leads through over nothing that may be cut")]
    Open {
        /// The vertices of the way, source first; one that is source and target stands alone.
        way: Vec<u32>,
    },
    /// The network is too large, or a link or end names a vertex that is not there.
    #[error("the network is no network: {0}")]
    Malformed(&'static str),
}

/// Returns the minimum cut between `sources` and `targets`, in which vertices and links can be cut.
///
/// Sources and targets can be cut off themselves where their weight allows it. By the max-flow min-cut theorem (Ford and
/// Fulkerson 1956) the flow proves that no cut is cheaper. Dinic's algorithm, O(vertices² · links) at worst; on networks like
/// those of estates a few passes over all links. 16 bytes per arc and direction.
///
/// # Errors
/// [`NoCut::Open`] with a shortest way over what may not be cut, if there is one.
pub fn minimum_cut(network: &Network, sources: &[u32], targets: &[u32]) -> Result<MinimumCut, NoCut> {
    let (sources, targets) = (distinct(sources), distinct(targets));
    let count = network.vertices.len();
    if count + network.links.len() > PARTS_MAX {
        return Err(NoCut::Malformed("more than 2^24 vertices and links"));
    }
    let mut ends = network
        .links
        .iter()
        .flat_map(|l| [l.from, l.to])
        .chain(sources.iter().chain(&targets).copied());
    if ends.any(|v| v as usize >= count) {
        return Err(NoCut::Malformed("an end is no vertex"));
    }
    if let Some(way) = open_way(network, &sources, &targets) {
        return Err(NoCut::Open { way });
    }
    let mut flow = Flow::new(network, &sources, &targets);
    let value = flow.run();
    let held = flow.source_side();
    let crosses = |from: usize, to: usize| held.get(from) == Some(&true) && held.get(to) == Some(&false);
    let vertices = (0..count)
        .filter(|v| crosses(2 * v, 2 * v + 1))
        .map(|v| Part::Vertex(v as u32));
    let links = (0..).zip(&network.links).filter(|(_, l)| {
        let (from, to) = (l.from as usize, l.to as usize);
        crosses(2 * from + 1, 2 * to) || l.both_ways && crosses(2 * to + 1, 2 * from)
    });
    Ok(MinimumCut {
        value,
        parts: vertices.chain(links.map(|(l, _)| Part::Link(l))).collect(),
        flow: flow.amounts(),
    })
}

fn distinct(vertices: &[u32]) -> Vec<u32> {
    let mut vertices = vertices.to_vec();
    vertices.sort_unstable();
    vertices.dedup();
    vertices
}

/// Finds a shortest way from a source to a target over vertices and links that may not be cut.
fn open_way(network: &Network, sources: &[u32], targets: &[u32]) -> Option<Vec<u32>> {
    let fixed = |v: u32| network.vertices.get(v as usize) == Some(&NEVER);
    let mut ways: Vec<(u32, u32)> = Vec::new();
    for link in network.links.iter().filter(|l| l.weight == NEVER) {
        if fixed(link.from) && fixed(link.to) {
            ways.push((link.from, link.to));
            ways.extend(link.both_ways.then_some((link.to, link.from)));
        }
    }
    ways.sort_unstable();
    let mut before: Vec<Option<u32>> = vec![None; network.vertices.len()];
    let mut queue: Vec<u32> = sources.iter().copied().filter(|v| fixed(*v)).collect();
    queue.iter().for_each(|v| before[*v as usize] = Some(*v));
    let mut at = 0;
    while let Some(&here) = queue.get(at) {
        at += 1;
        if targets.binary_search(&here).is_ok() {
            return Some(walk_back(&before, here));
        }
        let start = ways.partition_point(|(from, _)| *from < here);
        for (_, to) in ways[start..].iter().take_while(|(from, _)| *from == here) {
            if before[*to as usize].is_none() {
                before[*to as usize] = Some(here);
                queue.push(*to);
            }
        }
    }
    None
}

fn walk_back(before: &[Option<u32>], end: u32) -> Vec<u32> {
    let mut way = vec![end];
    let mut here = end;
    while let Some(Some(earlier)) = before.get(here as usize) {
        if *earlier == here {
            break;
        }
        way.push(*earlier);
        here = *earlier;
    }
    way.reverse();
    way
}
