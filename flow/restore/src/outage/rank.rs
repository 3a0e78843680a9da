use super::decode::{NO_PLAN, until};
use super::plan::{STOP_EVERY, Search, closure};

/// First and last temperature as shares of the best cost.
const HOT: f64 = 0.03;
const COLD: f64 = 0.000_02;

impl Search<'_> {
    /// Anneals over ranks of outages: all that the first one waits for comes first, then what the second one needs beside
    /// that. Which outages are kept short is decided here, among few ranks, before single tasks are moved.
    pub(super) fn rank(&mut self, evaluations: u64, stop: &mut dyn FnMut() -> bool) {
        let problem = self.prepared.problem;
        let count = problem.outages.len();
        if count < 2 || self.best.0 == NO_PLAN {
            return;
        }
        let order = self.best.1.clone();
        self.consider(&order);
        let tasks = self.decoder.start().iter().zip(&problem.tasks);
        let finish: Vec<u32> = tasks.map(|(start, task)| start.saturating_add(task.duration)).collect();
        let mut ranks: Vec<usize> = (0..count).collect();
        ranks.sort_by_key(|o| until(&problem.outages[*o].needs, &finish));
        let mut closures = self.closures.clone();
        let mut order = Vec::with_capacity(problem.tasks.len());
        join(problem.tasks.len(), &ranks, &closures, &mut order);
        let mut cost = self.consider(&order);
        let scale = self.best.0.max(1) as f64;
        let from = self.spent();
        let mut i = 0_u64;
        while self.spent() < from + evaluations {
            if i.is_multiple_of(STOP_EVERY) && stop() {
                return;
            }
            i += 1;
            let share = (self.spent() - from) as f64 / evaluations as f64;
            let temperature = scale * HOT * (COLD / HOT).powf(share);
            let (moved, to) = (self.random.below(count), self.random.below(count));
            let kind = self.random.below(10);
            let kept = (ranks.clone(), std::mem::take(&mut closures[moved]));
            closures[moved] = if kind < 2 {
                let random = &mut self.random;
                closure(problem, &problem.outages[moved].needs, &mut |group| {
                    group[random.below(group.len())]
                })
            } else {
                kept.1.clone()
            };
            match kind {
                0 | 1 => {}
                2 | 3 => ranks.swap(moved, to),
                _ => {
                    let outage = ranks.remove(moved);
                    ranks.insert(to, outage);
                }
            }
            join(problem.tasks.len(), &ranks, &closures, &mut order);
            match self.try_near(&order, cost, temperature) {
                NO_PLAN => (ranks, closures[moved]) = kept,
                found => cost = found,
            }
        }
    }
}

/// An order of all tasks: the closures by rank, each task once, then what no outage needs.
fn join(tasks: usize, ranks: &[usize], closures: &[Vec<u16>], order: &mut Vec<u16>) {
    let mut taken = vec![false; tasks];
    order.clear();
    let needed = ranks.iter().flat_map(|o| &closures[*o]).copied();
    for a in needed.chain(0..tasks as u16) {
        if !std::mem::replace(&mut taken[usize::from(a)], true) {
            order.push(a);
        }
    }
}
