use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::reach::closure::Reach;
use crate::reach::contacts::Contacts;

/// How a chain is judged whose clocks may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// Some true times within the error give the chain: nobody is missed.
    Pessimistic,
    /// All true times within the error give the chain: nobody is named without need.
    Optimistic,
}

/// Returns who could have been reached from the seeds (node, since) if each contact truly happened within `error_ns` of
/// its stamp, independently of the others. The seeds' times are exact.
///
/// Pessimistic: a chain counts if true times exist that never fall, and `time` is the earliest possible arrival. It is the
/// least cost under max(arrival, stamp − error) over contacts whose stamp + error is not before the arrival; a
/// label-setting search is exact because costs never fall along a chain. Optimistic: a chain counts if its times never
/// fall whatever the errors are, and `time` is the latest that the arrival can have been. O(contacts × log contacts).
/// With an error of 0 both are [`super::forward`]. For the way back, use [`Contacts::turned`].
pub fn forward_skewed(nodes: usize, contacts: &Contacts, seeds: &[(u32, i64)], error_ns: u64, certainty: Certainty) -> Reach {
    let size = nodes.max(contacts.nodes());
    let error = i64::try_from(error_ns).unwrap_or(i64::MAX);
    let leaving = Leaving::new(size, contacts);
    let mut reach = Reach {
        time: vec![None; size],
        parent: vec![None; size],
    };
    let mut done = vec![false; size];
    let mut queue = BinaryHeap::new();
    for (node, since) in seeds.iter().filter(|(node, _)| (*node as usize) < size) {
        queue.push(Reverse((*since, *node, 0, 0, None)));
    }
    while let Some(Reverse((arrival, node, _, _, parent))) = queue.pop() {
        let place = node as usize;
        if std::mem::replace(&mut done[place], true) {
            continue;
        }
        reach.time[place] = Some(arrival);
        reach.parent[place] = parent;
        for i in leaving.of(node) {
            let contact = contacts.get(i);
            let (earliest, latest) = (contact.at.saturating_sub(error), contact.at.saturating_add(error));
            let (passes, then) = match certainty {
                Certainty::Pessimistic => (latest >= arrival, arrival.max(earliest)),
                Certainty::Optimistic => (earliest >= arrival, latest),
            };
            if passes && !done[contact.to as usize] {
                queue.push(Reverse((then, contact.to, contact.at, contact.from, Some(i))));
            }
        }
    }
    reach.time.truncate(nodes);
    reach.parent.truncate(nodes);
    reach
}

/// Contacts by the node they leave: 4 bytes each.
struct Leaving {
    starts: Vec<usize>,
    contacts: Vec<u32>,
}

impl Leaving {
    fn new(nodes: usize, contacts: &Contacts) -> Self {
        let mut starts = vec![0; nodes + 1];
        for from in contacts.froms() {
            starts[*from as usize + 1] += 1;
        }
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        let mut next = starts.clone();
        let mut order = vec![0; contacts.len()];
        for (i, from) in contacts.froms().iter().enumerate() {
            order[next[*from as usize]] = i as u32;
            next[*from as usize] += 1;
        }
        Self { starts, contacts: order }
    }

    fn of(&self, node: u32) -> impl Iterator<Item = usize> + '_ {
        let node = node as usize;
        self.contacts[self.starts[node]..self.starts[node + 1]]
            .iter()
            .map(|i| *i as usize)
    }
}
