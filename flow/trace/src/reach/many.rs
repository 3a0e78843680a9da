use crate::reach::contacts::{Columns, Contacts};

/// Lanes of one pass: starts of [`forward_many`], plans of [`what_if`].
pub const LANES: usize = 512;
/// 64-bit words of [`LANES`].
const NARROW: usize = LANES / 64;
/// Words of a pass of [`blast_radius`]: 4,096 nodes at a time.
const BROAD: usize = 64;
/// Contacts looked at together.
const BLOCK: usize = 32;

/// Something has come here.
const HELD: u8 = 1;
/// A seed that has not left its node yet.
const FRESH: u8 = 2;

/// Per node one bit for each lane: held at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lanes {
    rows: Vec<[u64; NARROW]>,
}

impl Lanes {
    /// Says whether `node` is held in `lane`.
    pub fn holds(&self, node: u32, lane: usize) -> bool {
        let row = self.rows.get(node as usize);
        row.is_some_and(|row| row.get(lane / 64).is_some_and(|word| word >> (lane % 64) & 1 == 1))
    }

    /// Returns how many nodes each lane holds.
    pub fn sizes(&self) -> Vec<usize> {
        sizes(&self.rows)
    }
}

/// Returns who could have been reached from each of up to [`LANES`] seeds (node, since) on its own, in one pass; further
/// seeds are left out. Lane `i` is seed `i`.
///
/// A contact is passed over unless its target lacks a lane that has left its seed. O(contacts) with about one look at a
/// byte per end while most nodes hold all they can; a row of 64 bytes where they do not.
pub fn forward_many(nodes: usize, contacts: &Contacts, seeds: &[(u32, i64)]) -> Lanes {
    let mut many = Many::<NARROW>::new(nodes.max(contacts.nodes()));
    let lanes = seeds.iter().take(LANES).enumerate();
    let mut changes: Vec<(i64, Change<NARROW>)> = lanes.map(|(lane, (node, at))| (*at, Change::Seed(*node, lane))).collect();
    changes.sort_by_key(|(at, _)| *at);
    many.run(contacts.columns(), &changes);
    many.rows.truncate(nodes);
    Lanes { rows: many.rows }
}

/// What a plan takes off the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cut {
    /// Everything from and to a node.
    Node(u32),
    /// Everything between two groups of nodes, both ways.
    Between(u16, u16),
}

/// A plan of cuts, each from a time on (nanoseconds).
pub type CutPlan = Vec<(i64, Cut)>;

/// Returns who would be reached from the seeds under each of up to [`LANES`] plans, in one pass; further plans are left
/// out. Lane `i` is plan `i`. `groups` gives each node its group (zone, site, party); nodes behind its end are in group 0.
///
/// A contact at the time of a cut does not pass any more. Exact: every lane is a closure of its own. O(contacts), with a
/// row of 64 bytes wherever a target lacks a lane, which behind a cut stays so.
pub fn what_if(nodes: usize, contacts: &Contacts, seeds: &[(u32, i64)], groups: &[u16], plans: &[CutPlan]) -> Lanes {
    let mut many = Many::<NARROW>::new(nodes.max(contacts.nodes()));
    let plans = &plans[..plans.len().min(LANES)];
    let mut all = [0; NARROW];
    (0..plans.len()).for_each(|lane| set(&mut all, lane));
    many.left = all;
    let mut changes: Vec<(i64, Change<NARROW>)> = seeds.iter().map(|(node, at)| (*at, Change::Everywhere(*node, all))).collect();
    for (lane, plan) in plans.iter().enumerate() {
        changes.extend(plan.iter().map(|(at, cut)| (*at, Change::Cut(*cut, lane))));
    }
    changes.sort_by_key(|(at, _)| *at);
    many.barred = Some(Barred::new(many.rows.len(), groups));
    many.run(contacts.columns(), &changes);
    many.rows.truncate(nodes);
    Lanes { rows: many.rows }
}

/// Returns for every node how many nodes could have been reached from it, itself included, over all contacts.
///
/// One pass per 4,096 nodes; a pass needs 512 bytes per node.
pub fn blast_radius(nodes: usize, contacts: &Contacts) -> Vec<usize> {
    let width = BROAD * 64;
    let mut all = Vec::with_capacity(nodes);
    for start in (0..nodes).step_by(width) {
        let lanes = width.min(nodes - start);
        let mut many = Many::<BROAD>::new(nodes.max(contacts.nodes()));
        let changes: Vec<_> = (0..lanes)
            .map(|lane| (i64::MIN, Change::Seed((start + lane) as u32, lane)))
            .collect();
        many.run(contacts.columns(), &changes);
        all.extend(sizes(&many.rows).into_iter().take(lanes));
    }
    all
}

fn sizes<const W: usize>(rows: &[[u64; W]]) -> Vec<usize> {
    let mut sizes = vec![0; W * 64];
    for row in rows {
        for (word, bits) in row.iter().enumerate() {
            let mut bits = *bits;
            while bits != 0 {
                sizes[word * 64 + bits.trailing_zeros() as usize] += 1;
                bits &= bits - 1;
            }
        }
    }
    sizes
}

fn set<const W: usize>(row: &mut [u64; W], lane: usize) {
    if let Some(word) = row.get_mut(lane / 64) {
        *word |= 1 << (lane % 64);
    }
}

/// What happens between two contacts.
enum Change<const W: usize> {
    /// A lane begins at a node.
    Seed(u32, usize),
    /// Many lanes begin at a node.
    Everywhere(u32, [u64; W]),
    /// A lane loses a node or a way.
    Cut(Cut, usize),
}

/// Lanes that may not pass, by node and by pair of groups.
struct Barred<const W: usize> {
    nodes: Vec<[u64; W]>,
    groups: Vec<u16>,
    ways: Vec<[u64; W]>,
    width: usize,
}

impl<const W: usize> Barred<W> {
    fn new(nodes: usize, groups: &[u16]) -> Self {
        let mut groups: Vec<u16> = groups.iter().take(nodes).copied().collect();
        groups.resize(nodes, 0);
        let width = groups.iter().max().map_or(1, |g| usize::from(*g) + 1);
        Self {
            nodes: vec![[0; W]; nodes],
            groups,
            ways: vec![[0; W]; width * width],
            width,
        }
    }

    fn cut(&mut self, cut: Cut, lane: usize) {
        match cut {
            Cut::Node(node) => {
                if let Some(row) = self.nodes.get_mut(node as usize) {
                    set(row, lane);
                }
            }
            Cut::Between(a, b) => {
                let (a, b) = (usize::from(a), usize::from(b));
                if a < self.width && b < self.width {
                    set(&mut self.ways[a * self.width + b], lane);
                    set(&mut self.ways[b * self.width + a], lane);
                }
            }
        }
    }

    /// Returns word `w` of the lanes that may not go from `source` to `target`.
    fn word(&self, source: usize, target: usize, w: usize) -> u64 {
        let way = usize::from(self.groups[source]) * self.width + usize::from(self.groups[target]);
        self.nodes[source][w] | self.nodes[target][w] | self.ways[way][w]
    }
}

/// A closure with `W` × 64 lanes.
///
/// Two bytes per node decide whether a contact needs a look at the rows: its source holds something, and its target lacks
/// a lane of those that have left their seeds (`left`). A lane that has never left sits at its seed alone, so nobody else
/// can be said to lack it; when it leaves, everybody does, until the next look.
struct Many<const W: usize> {
    rows: Vec<[u64; W]>,
    state: Vec<u8>,
    lacks: Vec<u8>,
    /// Lanes that left their seeds.
    left: [u64; W],
    /// Lanes at their seeds that have not left: node and lane.
    fresh: Vec<(u32, usize)>,
    barred: Option<Barred<W>>,
}

impl<const W: usize> Many<W> {
    fn new(nodes: usize) -> Self {
        Self {
            rows: vec![[0; W]; nodes],
            state: vec![0; nodes],
            lacks: vec![HELD | FRESH; nodes],
            left: [0; W],
            fresh: Vec::new(),
            barred: None,
        }
    }

    /// Goes through the contacts; `changes` are sorted by time and come before the contacts of their time.
    fn run(&mut self, columns: Columns<'_>, changes: &[(i64, Change<W>)]) {
        let mut start = 0;
        for (at, change) in changes {
            let end = start.max(columns.times.partition_point(|t| t < at));
            self.pass(columns, start, end);
            start = end;
            self.change(change);
        }
        self.pass(columns, start, columns.len());
    }

    fn change(&mut self, change: &Change<W>) {
        match change {
            Change::Seed(node, lane) => {
                if let Some(row) = self.rows.get_mut(*node as usize) {
                    set(row, *lane);
                    self.state[*node as usize] |= HELD | FRESH;
                    self.fresh.push((*node, *lane));
                }
            }
            Change::Everywhere(node, lanes) => {
                if let Some(row) = self.rows.get_mut(*node as usize) {
                    row.iter_mut().zip(lanes).for_each(|(word, lanes)| *word |= lanes);
                    self.state[*node as usize] |= HELD;
                }
            }
            Change::Cut(cut, lane) => {
                if let Some(barred) = &mut self.barred {
                    barred.cut(*cut, *lane);
                }
            }
        }
    }

    fn pass(&mut self, columns: Columns<'_>, mut start: usize, end: usize) {
        while start < end {
            let part = columns.part(start, end);
            let (sources, _) = part.froms.as_chunks::<BLOCK>();
            let (targets, _) = part.tos.as_chunks::<BLOCK>();
            let quiet = sources.iter().zip(targets).take_while(|(s, t)| !self.any_look(s, t)).count();
            start += quiet * BLOCK;
            start = self
                .look(columns, start, end.min(start + BLOCK))
                .unwrap_or(end.min(start + BLOCK));
        }
    }

    #[inline]
    fn any_look(&self, sources: &[u32; BLOCK], targets: &[u32; BLOCK]) -> bool {
        let mut any = 0;
        for i in 0..BLOCK {
            any |= self.needs_look(sources[i] as usize, targets[i] as usize);
        }
        any != 0
    }

    #[inline]
    fn needs_look(&self, source: usize, target: usize) -> u8 {
        self.state.get(source).copied().unwrap_or(0) & self.lacks.get(target).copied().unwrap_or(0)
    }

    /// Looks at contacts one by one; returns where to go on if one of them brought something new and took its time stamp
    /// with it.
    fn look(&mut self, columns: Columns<'_>, start: usize, end: usize) -> Option<usize> {
        for i in start..end {
            let (source, target) = (columns.froms[i] as usize, columns.tos[i] as usize);
            let look = self.needs_look(source, target);
            if look == 0 || source == target {
                continue;
            }
            if look & FRESH != 0 {
                self.leave(source);
            }
            let (new, lacks) = self.compare(source, target);
            if new {
                let tie = columns.tie(i);
                self.settle(columns, tie.clone());
                return Some(tie.end);
            }
            if !lacks {
                self.lacks[target] = FRESH;
            }
        }
        None
    }

    /// The lanes at a node leave it for the first time: everybody else lacks them.
    #[cold]
    fn leave(&mut self, node: usize) {
        let left = &mut self.left;
        self.fresh.retain(|(at, lane)| {
            let stays = *at as usize != node;
            if !stays {
                set(left, *lane);
            }
            stays
        });
        self.state[node] &= !FRESH;
        self.lacks.fill(HELD | FRESH);
    }

    /// Says whether the source has a lane for the target, and whether the target lacks any that ever left its seed.
    fn compare(&self, source: usize, target: usize) -> (bool, bool) {
        let (from, to) = (&self.rows[source], &self.rows[target]);
        let (mut new, mut lacks) = (0, 0);
        match &self.barred {
            None => {
                for w in 0..W {
                    new |= from[w] & !to[w];
                    lacks |= self.left[w] & !to[w];
                }
            }
            Some(barred) => {
                for w in 0..W {
                    new |= from[w] & !to[w] & !barred.word(source, target, w);
                    lacks |= self.left[w] & !to[w] & !barred.nodes[target][w];
                }
            }
        }
        (new != 0, lacks != 0)
    }

    /// Takes the contacts of one time stamp until nothing changes.
    fn settle(&mut self, columns: Columns<'_>, tie: std::ops::Range<usize>) {
        let mut changed = true;
        while changed {
            changed = false;
            for i in tie.clone() {
                let (source, target) = (columns.froms[i] as usize, columns.tos[i] as usize);
                if self.state[source] == 0 || source == target {
                    continue;
                }
                if self.state[source] & FRESH != 0 {
                    self.leave(source);
                }
                changed |= self.carry(source, target);
            }
        }
    }

    fn carry(&mut self, source: usize, target: usize) -> bool {
        let from = self.rows[source];
        let mut any = 0;
        for (w, lanes) in from.iter().enumerate() {
            let barred = self.barred.as_ref().map_or(0, |b| b.word(source, target, w));
            let new = lanes & !self.rows[target][w] & !barred;
            self.rows[target][w] |= new;
            any |= new;
        }
        if any != 0 {
            self.state[target] |= HELD;
        }
        any != 0
    }
}
