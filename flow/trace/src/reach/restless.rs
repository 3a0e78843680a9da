use crate::reach::closure::Reach;
use crate::reach::contacts::{Contact, Contacts};

/// Returns who could have been reached from the seeds (node, since) if nobody waited longer than `waiting_ns` on any node,
/// the seed included: earliest arrival and the contact that gave it.
///
/// Walks, not paths: a node may be visited again, which starts its waiting time anew (Bentert et al. 2020). For paths the
/// question is NP-hard. O(contacts × longest chain inside one time stamp). For the way back, use [`Contacts::turned`].
pub fn forward_restless(nodes: usize, contacts: &Contacts, seeds: &[(u32, i64)], waiting_ns: u64) -> Reach {
    let size = nodes.max(contacts.nodes());
    let mut walk = Walk {
        latest: vec![None; size],
        reach: Reach {
            time: vec![None; size],
            parent: vec![None; size],
        },
        waiting_ns,
    };
    let mut waiting: Vec<(u32, i64)> = seeds.iter().filter(|(node, _)| (*node as usize) < size).copied().collect();
    waiting.sort_unstable_by_key(|(node, at)| (std::cmp::Reverse(*at), *node));
    let columns = contacts.columns();
    let mut next = 0;
    while next < contacts.len() {
        let tie = columns.tie(next);
        let at = columns.times[next];
        while let Some((node, since)) = waiting.pop_if(|(_, since)| *since <= at) {
            walk.begin(node, since);
        }
        next = tie.end;
        walk.settle(contacts, tie);
    }
    while let Some((node, since)) = waiting.pop() {
        walk.begin(node, since);
    }
    walk.reach.time.truncate(nodes);
    walk.reach.parent.truncate(nodes);
    walk.reach
}

struct Walk {
    /// Latest arrival so far.
    latest: Vec<Option<i64>>,
    reach: Reach,
    waiting_ns: u64,
}

impl Walk {
    fn begin(&mut self, node: u32, since: i64) {
        let node = node as usize;
        self.latest[node] = self.latest[node].max(Some(since));
        if self.reach.time[node].is_none() {
            self.reach.time[node] = Some(since);
        }
    }

    /// Can somebody still be at `node`, who goes on at `at`?
    fn is_there(&self, node: u32, at: i64) -> bool {
        self.latest[node as usize].is_some_and(|latest| latest <= at && at.abs_diff(latest) <= self.waiting_ns)
    }

    /// Takes one time stamp in rounds; in each, the smallest contact to a node wins.
    fn settle(&mut self, contacts: &Contacts, tie: std::ops::Range<usize>) {
        loop {
            let fires = |c: &Contact| self.is_there(c.from, c.at) && self.latest[c.to as usize] != Some(c.at);
            let mut round: Vec<(u32, Contact, usize)> = tie
                .clone()
                .map(|i| (contacts.get(i), i))
                .filter(|(c, _)| fires(c))
                .map(|(c, i)| (c.to, c, i))
                .collect();
            if round.is_empty() {
                return;
            }
            round.sort_unstable();
            round.dedup_by_key(|(node, ..)| *node);
            for (node, contact, index) in round {
                let node = node as usize;
                self.latest[node] = Some(contact.at);
                if self.reach.time[node].is_none() {
                    self.reach.time[node] = Some(contact.at);
                    self.reach.parent[node] = Some(index);
                }
            }
        }
    }
}
