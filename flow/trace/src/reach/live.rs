use std::collections::BTreeMap;

use crate::reach::contacts::Contact;

/// Most nodes that are followed live: the table takes 8 bytes for each pair of them.
pub const LIVE_NODES_MAX: usize = 4_096;

/// Why a contact is not followed live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LiveError {
    /// Too many nodes.
    #[error("node {0} is over the {LIVE_NODES_MAX} that are followed live: ask over the recorded contacts instead")]
    TooManyNodes(u32),
    /// Its time stamp is settled.
    #[error(
        "a contact of {at} ns came after everything up to {settled} ns was settled: ask over the recorded contacts, or wait longer for late records"
    )]
    TooLate {
        /// Its time.
        at: i64,
        /// Settled up to here.
        settled: i64,
    },
}

/// Reach that is current with every contact: for each pair of nodes the latest time at which one could have been left to
/// be at the other by now.
///
/// With it both questions of an alarm are look-ups, exactly as [`super::forward`] and [`super::backward`] would answer
/// them: who could have come here, and who could be reached from here since a time. Contacts may come out of order by up
/// to `late_ns`; later ones are refused and counted, and what is said then holds for the contacts that were taken.
#[derive(Debug, Clone)]
pub struct Live {
    /// Row of a node: for each origin, the latest time of leaving it. Rows grow with the nodes.
    rows: Vec<Vec<i64>>,
    open: BTreeMap<i64, Vec<(u32, u32)>>,
    newest: i64,
    settled: i64,
    late_ns: u64,
    refused: u64,
}

/// Never left, or too early to matter.
const NEVER: i64 = i64::MIN;

impl Live {
    /// Begins without contacts.
    pub fn new(late_ns: u64) -> Self {
        Self {
            rows: Vec::new(),
            open: BTreeMap::new(),
            newest: NEVER,
            settled: NEVER,
            late_ns,
            refused: 0,
        }
    }

    /// Takes a contact. O(nodes) once its time is settled.
    pub fn push(&mut self, contact: Contact) -> Result<(), LiveError> {
        let highest = contact.from.max(contact.to);
        let error = if highest as usize >= LIVE_NODES_MAX {
            Some(LiveError::TooManyNodes(highest))
        } else if contact.at <= self.settled && self.settled != NEVER {
            Some(LiveError::TooLate {
                at: contact.at,
                settled: self.settled,
            })
        } else {
            None
        };
        if let Some(error) = error {
            self.refused += 1;
            return Err(error);
        }
        if self.rows.len() <= highest as usize {
            self.rows.resize(highest as usize + 1, Vec::new());
        }
        self.open.entry(contact.at).or_default().push((contact.from, contact.to));
        self.newest = self.newest.max(contact.at);
        let until = self.newest.saturating_sub_unsigned(self.late_ns);
        while let Some(group) = self.open.first_entry().filter(|g| *g.key() < until) {
            let (at, ways) = group.remove_entry();
            settle(&mut self.rows, at, &ways);
            self.settled = at;
        }
        Ok(())
    }

    /// Returns how many contacts were refused.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Returns per node the latest time at which it could have been left to be at `target` by now; `None` if it could
    /// not. The target itself is left out.
    pub fn origins(&self, target: u32) -> Vec<Option<i64>> {
        let rows = self.current();
        let row = rows.get(target as usize);
        (0..rows.len())
            .map(|origin| {
                row?.get(origin)
                    .copied()
                    .filter(|at| *at != NEVER && origin != target as usize)
            })
            .collect()
    }

    /// Returns the nodes that could have been reached from `origin` since a time, itself included.
    pub fn reached(&self, origin: u32, since: i64) -> Vec<u32> {
        let rows = self.current();
        let reached = rows.iter().enumerate().filter(|(node, row)| {
            *node == origin as usize || row.get(origin as usize).is_some_and(|at| *at != NEVER && *at >= since)
        });
        reached.map(|(node, _)| node as u32).collect()
    }

    /// The table with the contacts that are not settled yet.
    fn current(&self) -> Vec<Vec<i64>> {
        let mut rows = self.rows.clone();
        for (at, ways) in &self.open {
            settle(&mut rows, *at, ways);
        }
        rows
    }
}

/// Takes one time stamp as a fix-point.
fn settle(rows: &mut [Vec<i64>], at: i64, ways: &[(u32, u32)]) {
    let mut changed = true;
    while changed {
        changed = false;
        for (from, to) in ways.iter().filter(|(from, to)| from != to) {
            let (from, to) = (*from as usize, *to as usize);
            let Ok([source, target]) = rows.get_disjoint_mut([from, to]) else {
                continue;
            };
            let size = target.len().max(source.len()).max(from + 1);
            target.resize(size, NEVER);
            for (place, origin) in target.iter_mut().zip(source.iter()) {
                changed |= *origin > *place;
                *place = (*place).max(*origin);
            }
            changed |= target[from] < at;
            target[from] = target[from].max(at);
        }
    }
}
