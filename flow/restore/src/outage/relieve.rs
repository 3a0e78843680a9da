use super::plan::{Search, shift};
use super::problem::Task;

/// Percent of the moves in which the hindrance is put off, and in which both change places; in all others the hindered
/// task is preferred.
const PUT_OFF_PERCENT: usize = 25;
const SWAPPED_PERCENT: usize = 35;

impl Search<'_> {
    /// Follows the chain that a costly outage waits for back from its end, picks a task on it that waits for resources, and
    /// moves it before one of those that hold them, or that one behind it, or swaps them. False if nothing on the chain waits for
    /// resources. `start` belongs to `order`; `u32::MAX` is a task without a place. O(tasks).
    pub(super) fn relieve(&mut self, order: &mut [u16], start: &[u32]) -> bool {
        let problem = self.prepared.problem;
        let (tasks, outages) = (&problem.tasks, &problem.outages);
        if outages.is_empty() {
            return false;
        }
        let finish = |a: usize| start[a].saturating_add(tasks[a].duration);
        let first = |group: &Vec<usize>| group.iter().copied().min_by_key(|a| finish(*a));
        let last = |groups: &[Vec<usize>]| groups.iter().filter_map(first).max_by_key(|a| finish(*a));
        let chosen = self.costly(start);
        let mut hindered = Vec::new();
        let mut at = last(&outages[chosen].needs);
        // Alternatives that take no time can each seem to wait for the other: no chain is longer than all tasks.
        for _ in 0..tasks.len() {
            let Some(a) = at.filter(|a| self.prepared.fixed[*a].is_none() && start[*a] < u32::MAX) else {
                break;
            };
            at = last(&tasks[a].after);
            let ready = at.map_or(0, finish).max(tasks[a].release).max(self.prepared.now);
            if start[a] > ready {
                hindered.push((a, ready));
            }
        }
        if hindered.is_empty() {
            return false;
        }
        let (task, ready) = hindered[self.random.below(hindered.len())];
        let is_hindrance = |b: &usize| start[*b] < start[task] && finish(*b) > ready && is_sharing(&tasks[task], &tasks[*b]);
        let hindrances: Vec<usize> = (0..tasks.len()).filter(is_hindrance).collect();
        if hindrances.is_empty() {
            return false;
        }
        let hindrance = hindrances[self.random.below(hindrances.len())];
        let place = |of: usize| order.iter().position(|a| usize::from(*a) == of);
        let (Some(to), Some(from)) = (place(hindrance), place(task)) else {
            return false;
        };
        match self.random.below(100) {
            kind if kind < PUT_OFF_PERCENT => shift(order, to, from),
            kind if kind < PUT_OFF_PERCENT + SWAPPED_PERCENT => order.swap(to, from),
            _ => shift(order, from, to),
        }
        true
    }
}

fn is_sharing(one: &Task, other: &Task) -> bool {
    one.demand.iter().any(|(r, _)| other.demand.iter().any(|(q, _)| q == r))
}
