use crate::reach::contacts::{Columns, Contact, Contacts};

/// Contacts looked at together; only where one of them reaches somebody new is a closer look needed.
const BLOCK: usize = 32;

/// Earliest arrivals (or latest departures) with the contact that gave them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Per node: earliest time it can have been reached, or latest time it can have been left.
    pub time: Vec<Option<i64>>,
    /// Per node: index of the contact on the best way; `None` for seeds.
    pub parent: Vec<Option<usize>>,
}

/// Returns who could have been reached from the seeds (node, since) by steps that never go back in time.
///
/// One pass with a fix-point inside each time stamp. A contact can only matter where its source is held and its target is
/// not, which happens at most once per node: blocks of contacts without such a one are passed over, so that the pass runs
/// at about the speed of reading the two columns of nodes. O(contacts + nodes × contacts of one time stamp).
pub fn forward(nodes: usize, contacts: &Contacts, seeds: &[(u32, i64)]) -> Reach {
    let mut closure = Scan::<false>::new(nodes.max(contacts.nodes()), seeds);
    closure.pass(contacts.columns(), 0);
    closure.reach(nodes)
}

/// Returns from where, and until when at the latest, the targets (node, until) could have been reached: [`forward`] with
/// time and direction turned around.
pub fn backward(nodes: usize, contacts: &Contacts, targets: &[(u32, i64)]) -> Reach {
    let mut closure = Scan::<true>::new(nodes.max(contacts.nodes()), targets);
    closure.pass(contacts.columns(), 0);
    closure.reach(nodes)
}

/// Contacts that stream must come in order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("contact {index} lies before the one in front of it ({at} ns after {before} ns): sort the contacts by time")]
pub struct NotSorted {
    /// Its number from the start of the stream, from 0.
    pub index: usize,
    /// Its time.
    pub at: i64,
    /// The time before it.
    pub before: i64,
}

/// [`forward`] over contacts that come piece by piece, so that more of them can be looked at than fit into memory.
pub struct Closure {
    scan: Scan<false>,
    /// Contacts of the last time stamp: more of it may follow in the next piece.
    open: (Vec<i64>, Vec<u32>, Vec<u32>),
    /// Index of the first contact in `open`.
    first: usize,
    seen: usize,
    nodes: usize,
}

impl Closure {
    /// Begins with the seeds (node, since).
    pub fn new(nodes: usize, seeds: &[(u32, i64)]) -> Self {
        Self {
            scan: Scan::new(nodes, seeds),
            open: (Vec::new(), Vec::new(), Vec::new()),
            first: 0,
            seen: 0,
            nodes,
        }
    }

    /// Takes the next piece.
    pub fn push(&mut self, columns: Columns<'_>) -> Result<(), NotSorted> {
        let (Some(first), Some(last)) = (columns.times.first(), columns.times.last()) else {
            return Ok(());
        };
        self.check_order(columns)?;
        self.scan.make_room(columns);
        let mut taken = 0;
        if let Some(open) = self.open.0.last().copied() {
            taken = columns.times.iter().take_while(|t| **t == open).count();
            self.keep(columns.part(0, taken));
            if taken < columns.len() {
                self.pass_open();
            }
        }
        self.seen += taken;
        if first != last || taken == 0 {
            let tail = columns.times.iter().rev().take_while(|t| *t == last).count();
            let whole = (columns.len() - tail).max(taken);
            self.scan.pass(columns.part(taken, whole), self.seen);
            self.seen += whole - taken;
            if whole < columns.len() {
                self.first = self.seen;
                self.keep(columns.part(whole, columns.len()));
                self.seen += columns.len() - whole;
            }
        }
        Ok(())
    }

    /// Ends the stream. As many nodes as in [`Closure::new`], or more if higher ones were reached.
    pub fn finish(mut self) -> Reach {
        self.pass_open();
        let highest = self.scan.time.iter().rposition(Option::is_some).map_or(0, |node| node + 1);
        self.scan.reach(self.nodes.max(highest))
    }

    fn check_order(&self, columns: Columns<'_>) -> Result<(), NotSorted> {
        let before = self.open.0.last().copied().unwrap_or(i64::MIN);
        let starts_late = columns.times.first().is_some_and(|t| *t < before);
        if !starts_late && columns.times.is_sorted() {
            return Ok(());
        }
        let mut last = before;
        for (i, at) in columns.times.iter().enumerate() {
            if *at < last {
                return Err(NotSorted {
                    index: self.seen + i,
                    at: *at,
                    before: last,
                });
            }
            last = *at;
        }
        Ok(())
    }

    fn keep(&mut self, part: Columns<'_>) {
        self.open.0.extend_from_slice(part.times);
        self.open.1.extend_from_slice(part.froms);
        self.open.2.extend_from_slice(part.tos);
    }

    fn pass_open(&mut self) {
        let (times, froms, tos) = std::mem::take(&mut self.open);
        let open = Columns {
            times: &times,
            froms: &froms,
            tos: &tos,
        };
        self.scan.pass(open, self.first);
    }
}

/// The state of a pass, forwards or `BACK`wards.
struct Scan<const BACK: bool> {
    /// 1 where the node is held at the time the pass stands at. Its length is a power of two, so that an index needs a
    /// mask and no check; every node of the contacts has a place of its own.
    held: Vec<u8>,
    time: Vec<Option<i64>>,
    parent: Vec<Option<usize>>,
    /// Seeds whose time has not come, the next one last.
    waiting: Vec<(u32, i64)>,
    /// The steps of a round.
    round: Vec<(u32, Contact, usize)>,
}

impl<const BACK: bool> Scan<BACK> {
    fn new(nodes: usize, seeds: &[(u32, i64)]) -> Self {
        let mut waiting: Vec<(u32, i64)> = seeds.iter().filter(|(node, _)| (*node as usize) < nodes).copied().collect();
        waiting.sort_unstable_by_key(|(node, at)| (if BACK { *at } else { at.saturating_neg() }, *node));
        let mut scan = Self {
            held: Vec::new(),
            time: Vec::new(),
            parent: Vec::new(),
            waiting,
            round: Vec::new(),
        };
        scan.resize(nodes.next_power_of_two());
        scan
    }

    /// Nodes that only a later piece names.
    fn make_room(&mut self, columns: Columns<'_>) {
        // All bits together are an upper bound of the highest number, and cheaper.
        let bits = |nodes: &[u32]| nodes.iter().fold(0, |bits, n| bits | n) as usize;
        let nodes = (bits(columns.froms) | bits(columns.tos)) + 1;
        if nodes > self.held.len() {
            self.resize(nodes.next_power_of_two());
        }
    }

    fn resize(&mut self, places: usize) {
        self.held.resize(places, 0);
        self.time.resize(places, None);
        self.parent.resize(places, None);
    }

    /// Takes whole time stamps, in order; `base` is the index of the first contact. Seeds whose time comes join.
    fn pass(&mut self, columns: Columns<'_>, base: usize) {
        let mut rest = 0..columns.len();
        while let Some((_, at)) = self.waiting.last().copied() {
            let part = match BACK {
                false => rest.start..rest.start.max(columns.times.partition_point(|t| *t < at)),
                true => rest.end.min(columns.times.partition_point(|t| *t <= at))..rest.end,
            };
            if part.len() == rest.len() {
                break;
            }
            self.run(columns, part.clone(), base);
            rest = if BACK { rest.start..part.start } else { part.end..rest.end };
            self.begin_seed();
        }
        self.run(columns, rest, base);
    }

    fn begin_seed(&mut self) {
        let Some((node, at)) = self.waiting.pop() else { return };
        let node = node as usize;
        if self.held[node] == 0 {
            self.held[node] = 1;
            self.time[node] = Some(at);
        }
    }

    /// Takes a range of contacts during which no seed joins.
    fn run(&mut self, columns: Columns<'_>, mut range: std::ops::Range<usize>, base: usize) {
        let (sources, targets) = match BACK {
            false => (columns.froms, columns.tos),
            true => (columns.tos, columns.froms),
        };
        while let Some(hit) = self.find(&sources[range.clone()], &targets[range.clone()]) {
            let tie = columns.tie(range.start + hit);
            self.settle(columns, tie.clone(), base);
            range = if BACK {
                range.start..tie.start.max(range.start)
            } else {
                tie.end.min(range.end)..range.end
            };
        }
    }

    /// Returns the first contact (the last one when going back) from a held node to one that is not.
    fn find(&self, sources: &[u32], targets: &[u32]) -> Option<usize> {
        let held = self.held.as_slice();
        let is_new = |i: &usize| is_new(held, sources[*i], targets[*i]) != 0;
        if BACK {
            let (_, chunks) = sources.as_rchunks::<BLOCK>();
            let (_, others) = targets.as_rchunks::<BLOCK>();
            let quiet = chunks
                .iter()
                .zip(others)
                .rev()
                .take_while(|(s, t)| !any_new(held, s, t))
                .count();
            return (0..sources.len() - quiet * BLOCK).rev().take(BLOCK).find(is_new);
        }
        let (chunks, _) = sources.as_chunks::<BLOCK>();
        let (others, _) = targets.as_chunks::<BLOCK>();
        let quiet = chunks.iter().zip(others).take_while(|(s, t)| !any_new(held, s, t)).count();
        (quiet * BLOCK..sources.len()).take(BLOCK).find(is_new)
    }

    /// Takes the steps of one time stamp in rounds until nothing changes. A round looks only at what was reached before
    /// it, and the smallest contact wins, so that the order of records decides nothing.
    fn settle(&mut self, columns: Columns<'_>, tie: std::ops::Range<usize>, base: usize) {
        loop {
            let mut round = std::mem::take(&mut self.round);
            for i in tie.clone() {
                let (at, from, to) = (columns.times[i], columns.froms[i], columns.tos[i]);
                let (source, target) = if BACK { (to, from) } else { (from, to) };
                if is_new(&self.held, source, target) != 0 {
                    round.push((target, Contact { at, from, to }, base + i));
                }
            }
            let more = !round.is_empty();
            round.sort_unstable();
            round.dedup_by_key(|(node, ..)| *node);
            for (node, contact, index) in round.drain(..) {
                let node = node as usize;
                self.held[node] = 1;
                self.time[node] = Some(contact.at);
                self.parent[node] = Some(index);
            }
            self.round = round;
            if !more {
                return;
            }
        }
    }

    fn reach(mut self, nodes: usize) -> Reach {
        while !self.waiting.is_empty() {
            self.begin_seed();
        }
        self.time.resize(nodes, None);
        self.parent.resize(nodes, None);
        Reach {
            time: self.time,
            parent: self.parent,
        }
    }
}

#[inline]
fn any_new(held: &[u8], sources: &[u32; BLOCK], targets: &[u32; BLOCK]) -> bool {
    let mut any = 0;
    for i in 0..BLOCK {
        any |= is_new(held, sources[i], targets[i]);
    }
    any != 0
}

/// 1 if the source is held and the target is not; the length of `held` is a power of two.
#[inline]
fn is_new(held: &[u8], source: u32, target: u32) -> u8 {
    let held = |node: u32| held[node as usize & (held.len() - 1)];
    held(source) & !held(target)
}
