use super::prepare::Prepared;
use super::units::Units;

/// Outages that are to end at other times than they do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Change {
    /// Tasks, what is waited for first, that are to be over by `until`: they claim their resources before all others, as
    /// late as that allows.
    pub pulled: Vec<u16>,
    pub until: u32,
    /// An outage that may end later, and by how much.
    pub relaxed: Option<(usize, u32)>,
}

/// What right justification needs; allocated once.
#[derive(Debug, Clone)]
pub(crate) struct Justifier {
    free: Units,
    used: usize,
    by_finish: Vec<u16>,
    deadline: Vec<u32>,
    latest: Vec<u32>,
    is_pulled: Vec<bool>,
    /// Tasks that were shifted, in all passes.
    pub shifted: u64,
}

impl Justifier {
    pub fn new(prepared: &Prepared) -> Self {
        let n = prepared.problem.tasks.len();
        Self {
            free: prepared.base.clone(),
            used: 0,
            by_finish: Vec::with_capacity(n),
            deadline: vec![0; n],
            latest: vec![0; n],
            is_pulled: vec![false; n],
            shifted: 0,
        }
    }

    /// Sorts an order by the latest starts at which no outage ends later than in the schedule of these starts (`u32::MAX`:
    /// not placed); what no outage needs comes last. Generated from this order no outage ends later than before (right
    /// justification; Valls, Ballestin and Quintanilla 2005, here with an end of its own for each outage).
    pub fn justify(&mut self, prepared: &Prepared, start: &[u32], order: &mut [u16]) {
        self.justify_for(prepared, start, &Change::default(), order);
    }

    /// The same, for outages that are to end at other times.
    pub fn justify_for(&mut self, prepared: &Prepared, start: &[u32], change: &Change, order: &mut [u16]) {
        let tasks = &prepared.problem.tasks;
        let finish = |a: usize| start[a].saturating_add(tasks[a].duration);
        let first = |group: &Vec<usize>| group.iter().copied().min_by_key(|a| finish(*a));
        self.free.copy(&prepared.base, 0, &prepared.base, self.used);
        self.used = 0;
        self.claim(prepared, start, change);
        for (o, outage) in prepared.problem.outages.iter().enumerate() {
            let mut until = outage.needs.iter().filter_map(first).map(finish).max().unwrap_or(0);
            if let Some((_, by)) = change.relaxed.filter(|(relaxed, _)| *relaxed == o) {
                until = until.saturating_add(by);
            }
            for a in outage.needs.iter().filter_map(first) {
                self.deadline[a] = self.deadline[a].min(until);
            }
        }
        order.sort_by_key(|a| start[usize::from(*a)]);
        self.by_finish.clear();
        self.by_finish.extend_from_slice(order);
        self.by_finish.sort_by_key(|a| finish(usize::from(*a)));
        for i in (0..self.by_finish.len()).rev() {
            let a = usize::from(self.by_finish[i]);
            if self.is_pulled[a] {
                let duration = tasks[a].duration;
                self.latest[a] = self.latest[a].min(self.deadline[a].saturating_sub(duration));
            } else if self.deadline[a] == u32::MAX || start[a] == u32::MAX {
                self.latest[a] = u32::MAX;
                continue;
            } else {
                self.latest[a] = self.shift(prepared, start, a);
            }
            for b in tasks[a].after.iter().filter_map(first) {
                self.deadline[b] = self.deadline[b].min(self.latest[a]);
            }
        }
        order.sort_by_key(|a| self.latest[usize::from(*a)]);
    }

    /// Gives what is pulled its resources before all others.
    fn claim(&mut self, prepared: &Prepared, start: &[u32], change: &Change) {
        self.is_pulled.fill(false);
        for a in &change.pulled {
            self.is_pulled[usize::from(*a)] = true;
            self.deadline[usize::from(*a)] = change.until;
        }
        for a in change.pulled.iter().rev().map(|a| usize::from(*a)) {
            self.latest[a] = self.shift(prepared, start, a);
            for b in prepared.problem.tasks[a].after.iter().flatten() {
                self.deadline[*b] = self.deadline[*b].min(self.latest[a]);
            }
        }
        self.deadline.fill(u32::MAX);
    }

    /// Takes the last place until the deadline of a task; returns where it would begin if there is none.
    fn shift(&mut self, prepared: &Prepared, start: &[u32], a: usize) -> u32 {
        if prepared.fixed[a].is_some() {
            return start[a];
        }
        self.shifted += 1;
        let (demand, deadline) = (&prepared.demand[a], self.deadline[a].min(prepared.horizon as u32));
        let duration = prepared.problem.tasks[a].duration;
        let Some(begin) = self.free.latest(demand, deadline, duration) else {
            return deadline.saturating_sub(duration);
        };
        let until = (begin + duration) as usize;
        self.free.take(demand, begin as usize, until);
        self.used = self.used.max(until);
        begin
    }
}

#[cfg(test)]
mod tests {
    use super::Justifier;
    use crate::outage::decode::{Decoder, NO_PLAN, until};
    use crate::outage::generated_recovery;
    use crate::outage::prepare::Prepared;
    use crate::rcpsp::Random;

    /// Red if a task is shifted beyond what waits for it, if the order is not that of the latest starts, or (seed 563) if what is under
    /// way is thought to hold nothing.
    #[test]
    fn justified_no_outage_ends_later_and_some_end_sooner() {
        let mut sooner = 0;
        for seed in 1..1000 {
            let problem = generated_recovery(60, seed);
            let mut random = Random::new(seed);
            let mut order: Vec<u16> = (0..problem.tasks.len() as u16).collect();
            for i in (1..order.len()).rev() {
                order.swap(i, random.below(i + 1));
            }
            let ends = |start: &[u32]| -> Vec<u32> {
                let tasks = start.iter().zip(&problem.tasks);
                let finish: Vec<u32> = tasks.map(|(start, task)| start.saturating_add(task.duration)).collect();
                problem.outages.iter().map(|o| until(&o.needs, &finish)).collect()
            };
            let mut fixed = Vec::new();
            for now in [0, 8, 16, 24, 32, 40] {
                let prepared = Prepared::new(&problem, &fixed, now).unwrap();
                let (mut decoder, mut justifier) = (Decoder::new(&prepared), Justifier::new(&prepared));
                assert!(decoder.keep(&prepared, &order) < NO_PLAN);
                let start = decoder.start().to_vec();
                justifier.justify(&prepared, &start, &mut order);
                assert!(decoder.decode_within(&prepared, &order, NO_PLAN - 1) < NO_PLAN);
                for (before, after) in ends(&start).iter().zip(ends(decoder.start())) {
                    assert!(after <= *before, "seed {seed}: {after} after {before}");
                    sooner += usize::from(after < *before);
                }
                let n = order.len();
                for i in 0..n / 2 {
                    order.swap(i, random.below(n));
                }
                let begun = start.iter().copied().enumerate();
                fixed = begun.filter(|(_, start)| *start < now + 8).collect();
            }
        }
        assert!(sooner > 0);
    }
}
