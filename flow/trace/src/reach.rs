/// Somebody at `from` touched `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contact {
    /// When, in nanoseconds.
    pub at: i64,
    /// Node that opened it.
    pub from: u32,
    /// Node that was touched.
    pub to: u32,
}

/// Earliest arrivals (or latest departures) with the contact that gave them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Per node: earliest time it can have been reached, or latest time it can have been left.
    pub time: Vec<Option<i64>>,
    /// Per node: index of the contact on the best way; `None` for seeds.
    pub parent: Vec<Option<usize>>,
}

/// Returns who could have been reached from the seeds by steps that never go back in time.
///
/// `contacts` are sorted by time. One pass (Wu et al., "Path problems in temporal graphs", VLDB 2014) with a fix-point
/// inside each time stamp, because logs have coarse clocks: neither losing chains within a second nor depending on the
/// order of records. O(contacts × longest chain inside one time stamp).
pub fn forward(nodes: usize, contacts: &[Contact], seeds: &[(u32, i64)]) -> Reach {
    let mut reach = Reach::seeded(nodes, seeds, i64::min);
    for (first, group) in groups(contacts) {
        let at = group[0].at;
        let reached = |reach: &Reach, node: u32| reach.time.get(node as usize).copied().flatten().is_some_and(|t| t <= at);
        reach.settle(
            first,
            group,
            |reach, c| reached(reach, c.from) && !reached(reach, c.to),
            |c| c.to,
        );
    }
    reach
}

/// Returns from where, and until when at the latest, the targets could have been reached: [`forward`] with time and
/// direction turned around.
pub fn backward(nodes: usize, contacts: &[Contact], targets: &[(u32, i64)]) -> Reach {
    let mut reach = Reach::seeded(nodes, targets, i64::max);
    let groups: Vec<_> = groups(contacts).collect();
    for (first, group) in groups.into_iter().rev() {
        let at = group[0].at;
        let left = |reach: &Reach, node: u32| reach.time.get(node as usize).copied().flatten().is_some_and(|t| t >= at);
        reach.settle(first, group, |reach, c| left(reach, c.to) && !left(reach, c.from), |c| c.from);
    }
    reach
}

impl Reach {
    fn seeded(nodes: usize, seeds: &[(u32, i64)], better: fn(i64, i64) -> i64) -> Self {
        let mut time: Vec<Option<i64>> = vec![None; nodes];
        for (node, at) in seeds {
            if let Some(slot) = time.get_mut(*node as usize) {
                *slot = Some(slot.map_or(*at, |old| better(old, *at)));
            }
        }
        Self {
            time,
            parent: vec![None; nodes],
        }
    }

    /// Takes the steps of one time stamp in rounds until nothing changes. A round looks only at what was reached before
    /// it, and the smallest contact wins, so that the order of records decides nothing.
    fn settle(&mut self, first: usize, group: &[Contact], new: impl Fn(&Self, &Contact) -> bool, end: impl Fn(&Contact) -> u32) {
        loop {
            let mut round: Vec<(u32, Contact, usize)> = Vec::new();
            for (i, contact) in group.iter().enumerate() {
                if new(self, contact) {
                    round.push((end(contact), *contact, first + i));
                }
            }
            if round.is_empty() {
                return;
            }
            round.sort_unstable_by_key(|(node, contact, index)| (*node, *contact, *index));
            round.dedup_by_key(|(node, ..)| *node);
            for (node, contact, index) in round {
                let node = node as usize;
                let (Some(time), Some(parent)) = (self.time.get_mut(node), self.parent.get_mut(node)) else {
                    return;
                };
                *time = Some(contact.at);
                *parent = Some(index);
            }
        }
    }
}

/// Splits sorted contacts into runs of equal time, with the index of each run's first contact.
fn groups(contacts: &[Contact]) -> impl Iterator<Item = (usize, &[Contact])> {
    let mut first = 0;
    contacts.chunk_by(|a, b| a.at == b.at).map(move |group| {
        let start = first;
        first += group.len();
        (start, group)
    })
}
