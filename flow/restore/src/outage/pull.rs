use super::justify::Change;
use super::plan::{Search, closure};

/// Percent of the moves that let another outage end later, and of those the ones that pull none forward.
const RELAXED_PERCENT: usize = 50;
const ONLY_RELAXED_PERCENT: usize = 30;
/// Percent of the groups with alternatives in which any of them is taken instead of the first to be over.
const ALTERNATIVE_PERCENT: usize = 25;

impl Search<'_> {
    /// Lets a costly outage end sooner (before it is a breach, or by chance), another one later, or both: the order is that
    /// of the latest starts for these ends. `start` belongs to `order`. O(tasks · time units looked at).
    pub(super) fn pull(&mut self, order: &mut [u16], start: &[u32]) {
        let problem = self.prepared.problem;
        let (tasks, outages) = (&problem.tasks, &problem.outages);
        if outages.is_empty() {
            return;
        }
        let finish = |a: &usize| start[*a].saturating_add(tasks[*a].duration);
        let chosen = self.costly(start);
        let (now, soonest) = (self.end(chosen, start), self.prepared.soonest[chosen]);
        if now <= soonest {
            return self.disturb(order);
        }
        let last = (0..outages.len()).map(|o| self.end(o, start)).max().unwrap_or(0);
        let random = &mut self.random;
        let mut change = Change::default();
        if random.below(100) < RELAXED_PERCENT {
            let by = (f64::from(last) * random.unit() / 2.0) as u32;
            change.relaxed = Some((random.below(outages.len()), by));
        }
        if change.relaxed.is_none() || random.below(100) >= ONLY_RELAXED_PERCENT {
            let breach = outages[chosen].breach_at.max(soonest);
            change.until = if breach < now && random.below(2) == 0 {
                breach
            } else {
                now - (f64::from(now - soonest) * random.unit() * random.unit()) as u32
            };
            change.pulled = closure(problem, &outages[chosen].needs, &mut |group| {
                if group.len() > 1 && random.below(100) < ALTERNATIVE_PERCENT {
                    group[random.below(group.len())]
                } else {
                    group.iter().copied().min_by_key(finish).unwrap_or(0)
                }
            });
        }
        self.justifier.justify_for(self.prepared, start, &change, order);
    }
}
