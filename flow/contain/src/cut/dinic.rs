//! Maximum flow after Dinic (Soviet Math. Dokl. 11, 1970) over arcs that lie beside each other in memory.
use super::network::{NEVER, Network, WEIGHT_MAX};

/// Capacity of what may not be cut: more than all that may.
pub(super) const UNBOUNDED: u64 = 1 << 62;
const NO_LEVEL: u32 = u32::MAX;

/// One arc of the residual network. Its twin goes the other way.
#[derive(Clone, Copy, Default)]
struct Arc {
    to: u32,
    twin: u32,
    left: u64,
}

/// Flow from all sources to all targets of a network whose vertices are split in two: `2v` is entered, `2v + 1` is left.
pub(super) struct Flow {
    arcs: Vec<Arc>,
    /// Arcs of node `n` are `first[n]..first[n + 1]`.
    first: Vec<u32>,
    levels: Vec<u32>,
    next: Vec<u32>,
    queue: Vec<u32>,
    source: u32,
    target: u32,
    /// Vertices of the network.
    vertices: usize,
}

/// An arc before it has its place: from, to, capacity.
type Draft = (u32, u32, u64);

/// Returns the capacity that a weight gives.
pub(super) fn capacity(weight: u64) -> u64 {
    if weight == NEVER { UNBOUNDED } else { weight.min(WEIGHT_MAX) }
}

impl Flow {
    /// Lays out the arcs. Draft `v` is vertex `v`, draft `vertices + l` is link `l`, then come sources and targets.
    pub(super) fn new(network: &Network, sources: &[u32], targets: &[u32]) -> Self {
        let vertices = network.vertices.len();
        let (source, target) = (2 * vertices as u32, 2 * vertices as u32 + 1);
        let nodes = 2 * vertices + 2;
        let mut first = vec![0_u32; nodes + 2];
        drafts(network, sources, targets, source, target).for_each(|draft| {
            first[draft.0 as usize + 2] += 1;
            first[draft.1 as usize + 2] += 1;
        });
        for node in 2..first.len() {
            first[node] += first[node - 1];
        }
        let mut arcs = vec![Arc::default(); first[nodes + 1] as usize];
        drafts(network, sources, targets, source, target).for_each(|(from, to, left)| {
            let there = first[from as usize + 1];
            first[from as usize + 1] += 1;
            let twin = first[to as usize + 1];
            first[to as usize + 1] += 1;
            arcs[there as usize] = Arc { to, twin, left };
            arcs[twin as usize] = Arc {
                to: from,
                twin: there,
                left: 0,
            };
        });
        Self {
            arcs,
            first,
            levels: vec![NO_LEVEL; nodes],
            next: vec![0; nodes],
            queue: Vec::with_capacity(nodes),
            source,
            target,
            vertices,
        }
    }

    /// Sends as much as can be sent; the caller has made sure that no way of unbounded arcs leads through.
    pub(super) fn run(&mut self) -> u64 {
        let mut value = 0;
        while self.measure() {
            value += self.fill();
        }
        value
    }

    /// Measures the distance of nodes from the source, as far as the target. False if the target cannot be reached.
    fn measure(&mut self) -> bool {
        self.levels.fill(NO_LEVEL);
        self.queue.clear();
        self.levels[self.source as usize] = 0;
        self.queue.push(self.source);
        let (mut at, mut last) = (0, NO_LEVEL);
        while let Some(&node) = self.queue.get(at) {
            at += 1;
            let level = self.levels[node as usize] + 1;
            if level > last {
                break;
            }
            let arcs = self.first[node as usize] as usize..self.first[node as usize + 1] as usize;
            for arc in &self.arcs[arcs] {
                if arc.left > 0 && self.levels[arc.to as usize] == NO_LEVEL {
                    self.levels[arc.to as usize] = level;
                    self.queue.push(arc.to);
                    if arc.to == self.target {
                        last = level;
                    }
                }
            }
        }
        last != NO_LEVEL
    }

    /// Fills the ways of the measured length until none is left. It walks from the target back towards the source: every
    /// node that was measured has a way there, so the walk meets no dead end but those that it filled itself.
    fn fill(&mut self) -> u64 {
        for node in self.queue.iter().chain([&self.target]) {
            self.next[*node as usize] = self.first[*node as usize];
        }
        let mut path: Vec<u32> = Vec::new();
        let (mut node, mut value) = (self.target, 0);
        loop {
            if node == self.source {
                value += self.send(&mut path);
                node = path.last().map_or(self.target, |arc| self.tail(*arc));
            } else if let Some(arc) = self.retrace(node) {
                path.push(arc);
                node = self.tail(arc);
            } else if let Some(arc) = path.pop() {
                self.levels[node as usize] = NO_LEVEL;
                node = self.arcs[arc as usize].to;
                self.next[node as usize] += 1;
            } else {
                return value;
            }
        }
    }

    fn tail(&self, arc: u32) -> u32 {
        self.arcs[self.arcs[arc as usize].twin as usize].to
    }

    /// Finds the next arc that leads here from one level before.
    fn retrace(&mut self, node: u32) -> Option<u32> {
        let level = self.levels[node as usize];
        let end = self.first[node as usize + 1];
        let mut at = self.next[node as usize];
        while at < end {
            let twin = &self.arcs[at as usize];
            let before = self.levels[twin.to as usize];
            if before != NO_LEVEL && before + 1 == level && self.arcs[twin.twin as usize].left > 0 {
                break;
            }
            at += 1;
        }
        self.next[node as usize] = at;
        (at < end).then(|| self.arcs[at as usize].twin)
    }

    /// Sends what the path can carry, and goes back to its first arc, seen from the target, that is full.
    fn send(&mut self, path: &mut Vec<u32>) -> u64 {
        let carried = path.iter().map(|arc| self.arcs[*arc as usize].left).min().unwrap_or(0);
        let mut full = path.len();
        for (place, arc) in path.iter().enumerate().rev() {
            let arc = *arc as usize;
            self.arcs[arc].left -= carried;
            let twin = self.arcs[arc].twin as usize;
            self.arcs[twin].left += carried;
            if self.arcs[arc].left == 0 {
                full = place;
            }
        }
        path.truncate(full);
        carried
    }

    /// Says of every node (`2v` entered, `2v + 1` left) whether the source can still send to it. After [`Self::run`], whose
    /// last measure went as far as it could.
    pub(super) fn source_side(&self) -> Vec<bool> {
        let levels = self.levels.iter().take(2 * self.vertices);
        levels.map(|level| *level != NO_LEVEL).collect()
    }

    /// Returns all that flows, as (from, to, amount) between nodes; `2 · vertices` is the source and one more the target.
    ///
    /// Arcs against the flow begin with nothing, so what they hold is what flows.
    pub(super) fn amounts(&self) -> Vec<(u32, u32, u64)> {
        let mut amounts = Vec::new();
        for (node, ends) in (0_u32..).zip(self.first.windows(2)) {
            for arc in &self.arcs[ends[0] as usize..ends[1] as usize] {
                if arc.left > 0 && self.is_against(node, arc.to) {
                    amounts.push((arc.to, node, arc.left));
                }
            }
        }
        amounts
    }

    /// Says whether an arc is the twin of one of the network: those go from `2v` to `2v + 1`, from `2v + 1` to `2w`, from the
    /// source and to the target.
    fn is_against(&self, from: u32, to: u32) -> bool {
        let is_end = |node: u32| node == self.source || node == self.target;
        if is_end(from) || is_end(to) {
            return to == self.source || from == self.target;
        }
        let same = from / 2 == to / 2;
        from.is_multiple_of(2) != same
    }
}

/// Every arc of the split network, in a fixed order.
fn drafts<'n>(
    network: &'n Network,
    sources: &'n [u32],
    targets: &'n [u32],
    source: u32,
    target: u32,
) -> impl Iterator<Item = Draft> + 'n {
    let vertices = (0..)
        .zip(&network.vertices)
        .map(|(v, weight)| (2 * v, 2 * v + 1, capacity(*weight)));
    // A link from a vertex to itself leads nowhere.
    let links = network.links.iter().filter(|l| l.from != l.to).flat_map(|link| {
        let there = (2 * link.from + 1, 2 * link.to, capacity(link.weight));
        let back = (2 * link.to + 1, 2 * link.from, capacity(link.weight));
        std::iter::once(there).chain(link.both_ways.then_some(back))
    });
    let begins = sources.iter().map(move |v| (source, 2 * v, UNBOUNDED));
    let ends = targets.iter().map(move |v| (2 * v + 1, target, UNBOUNDED));
    vertices.chain(links).chain(begins).chain(ends)
}
