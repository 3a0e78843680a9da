use super::decode::{Decoder, NO_PLAN, until};
use super::justify::Justifier;
use super::prepare::Prepared;
use super::problem::{OutageProblem, OutageProblemError};
use crate::rcpsp::Random;

/// How long to search, and from where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutageEffort {
    /// Orders of tasks to try.
    pub evaluations: u64,
    /// Where all choices come from.
    pub seed: u64,
    /// The order of an earlier plan, to begin with; empty for none.
    pub order: Vec<usize>,
    /// Tasks that are over or under way, with their start.
    pub fixed: Vec<(usize, u32)>,
    /// Nothing else starts sooner.
    pub now: u32,
}

impl OutageEffort {
    /// Evaluations that take about a quarter of a second of CPU time for a problem of up to 120 tasks.
    pub fn usual(problem: &OutageProblem, seed: u64) -> Self {
        let evaluations = 5_400_000 / problem.tasks.len().max(20) as u64;
        Self {
            evaluations,
            seed,
            ..Self::default()
        }
    }
}

/// A schedule, and what its outages cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutagePlan {
    /// Start of each task.
    pub start: Vec<u32>,
    /// End of each outage.
    pub until: Vec<u32>,
    /// Sum over all outages.
    pub cost: u64,
    /// The order that gives this plan again; a later plan can begin with it.
    pub order: Vec<usize>,
    /// Orders generated.
    pub evaluations: u64,
}

/// Evaluations between two looks at `stop`.
pub(super) const STOP_EVERY: u64 = 64;
/// A change of an order costs as much as generating so much of it, besides what is generated.
const CHANGE_DIVISOR: usize = 8;
/// Evaluations per task of an annealing run, and the least and most runs; the last one begins with the best plan of the
/// others, and less hot.
const EVALUATIONS_RUN_TASK: u64 = 100;
const RUNS_MIN: u64 = 2;
const RUNS_MAX: u64 = 16;
const LAST_HOT_DIVISOR: f64 = 5.0;
/// First and last temperature as shares of the best cost; the first of a search that begins with a good plan.
const HOT: f64 = 0.02;
const WARM: f64 = 0.001;
const COLD: f64 = 0.000_3;
/// Percent of the evaluations that rank outages before single tasks are moved.
const RANKING_PERCENT: u64 = 25;
/// Percent of the moves that let one outage end sooner, and of the others those that shorten what an outage waits for.
const PULL_PERCENT: usize = 30;
const CRITICAL_PERCENT: usize = 70;
/// Percent of the schedules moved to that are justified.
const JUSTIFIED_PERCENT: usize = 30;

/// Looks for the schedule whose outages cost least: the best of several greedy orders, improved by simulated annealing
/// over ranks of outages and then over orders of tasks (one outage pulled forward while another may end later; what holds
/// an outage up; single tasks; all that an outage waits for), with schedules justified on the way. The same arguments give
/// the same plan, if `stop` never says so. O(evaluations · tasks · (arcs per task + time units looked at)).
pub fn plan_outages(
    problem: &OutageProblem,
    effort: &OutageEffort,
    stop: &mut dyn FnMut() -> bool,
) -> Result<OutagePlan, OutageProblemError> {
    let prepared = Prepared::new(problem, &effort.fixed, effort.now)?;
    let mut search = Search {
        decoder: Decoder::new(&prepared),
        random: Random::new(effort.seed),
        closures: problem
            .outages
            .iter()
            .map(|o| closure(problem, &o.needs, &mut |group| group[0]))
            .collect(),
        free: (0..problem.tasks.len()).filter(|a| prepared.fixed[*a].is_none()).collect(),
        justifier: Justifier::new(&prepared),
        changed: 0,
        best: (NO_PLAN, Vec::new()),
        prepared: &prepared,
    };
    search.begin(&effort.order);
    let is_new = effort.order.is_empty();
    if is_new {
        search.rank(effort.evaluations * RANKING_PERCENT / 100, stop);
    }
    let runs = if is_new {
        let run = EVALUATIONS_RUN_TASK * problem.tasks.len().max(1) as u64;
        (effort.evaluations / run).clamp(RUNS_MIN, RUNS_MAX)
    } else {
        1
    };
    for run in 0..runs {
        let left = effort.evaluations.saturating_sub(search.spent());
        let hot = match (is_new, run + 1 == runs) {
            (false, _) => WARM,
            (true, true) => HOT / LAST_HOT_DIVISOR,
            (true, false) => HOT,
        };
        search.anneal(left / (runs - run), hot, stop);
    }
    let evaluations = search.spent();
    let (_, order) = search.best;
    let mut decoder = Decoder::new(&prepared);
    let cost = decoder.decode(&prepared, &order);
    let finish: Vec<u32> = decoder
        .start()
        .iter()
        .zip(&problem.tasks)
        .map(|(s, t)| s + t.duration)
        .collect();
    Ok(OutagePlan {
        until: problem.outages.iter().map(|o| until(&o.needs, &finish)).collect(),
        start: decoder.start().to_vec(),
        cost,
        order: order.into_iter().map(usize::from).collect(),
        evaluations,
    })
}

/// All tasks that needs stand on, of each group the alternative that is picked; what is waited for first.
pub(super) fn closure(problem: &OutageProblem, needs: &[Vec<usize>], pick: &mut dyn FnMut(&[usize]) -> usize) -> Vec<u16> {
    let mut taken = vec![false; problem.tasks.len()];
    let mut list = Vec::new();
    let mut open: Vec<(usize, bool)> = needs.iter().map(|g| (pick(g), false)).collect();
    while let Some((a, is_expanded)) = open.pop() {
        if is_expanded {
            list.push(a as u16);
        } else if !taken[a] {
            taken[a] = true;
            open.push((a, true));
            open.extend(problem.tasks[a].after.iter().map(|g| (pick(g), false)));
        }
    }
    list
}

pub(super) struct Search<'a> {
    pub(super) prepared: &'a Prepared<'a>,
    pub(super) decoder: Decoder,
    pub(super) random: Random,
    pub(super) closures: Vec<Vec<u16>>,
    /// Tasks that can be moved.
    free: Vec<usize>,
    pub(super) justifier: Justifier,
    /// What changing orders has cost, in tasks placed.
    changed: u64,
    pub(super) best: (u64, Vec<u16>),
}

impl Search<'_> {
    /// Tries the given order, and greedy ones: outages by cost over remaining work, disturbed.
    fn begin(&mut self, given: &[usize]) {
        let n = self.prepared.problem.tasks.len();
        let mut order: Vec<u16> = given.iter().filter(|a| **a < n).map(|a| *a as u16).collect();
        let mut known = vec![false; n];
        order.retain(|a| !std::mem::replace(&mut known[usize::from(*a)], true));
        order.extend((0..n as u16).filter(|a| !known[usize::from(*a)]));
        self.consider(&order);
        if !given.is_empty() {
            return;
        }
        for i in 0..GREEDY_ORDERS {
            let noise = f64::from(i) / f64::from(GREEDY_ORDERS);
            let order = self.greedy(noise);
            self.consider(&order);
        }
    }

    /// Cost of an order that is neighbour to one of the given cost; [`NO_PLAN`] if it is not taken at this temperature. What
    /// it may cost is drawn first, so that it need not be decoded beyond that.
    pub(super) fn try_near(&mut self, order: &[u16], cost: u64, temperature: f64) -> u64 {
        self.changed += order.len().div_ceil(CHANGE_DIVISOR).max(1) as u64;
        let limit = cost.saturating_add((-temperature * (1.0 - self.random.unit()).ln()) as u64);
        let found = self.decoder.decode_within(self.prepared, order, limit);
        self.remember(found, order);
        found
    }

    pub(super) fn consider(&mut self, order: &[u16]) -> u64 {
        let cost = self.decoder.decode(self.prepared, order);
        self.remember(cost, order);
        cost
    }

    fn remember(&mut self, cost: u64, order: &[u16]) {
        if cost < self.best.0 || self.best.1.is_empty() {
            self.best = (cost, order.to_vec());
        }
    }

    /// Of two outages drawn, the one that costs more than it must.
    pub(super) fn costly(&mut self, start: &[u32]) -> usize {
        let outages = &self.prepared.problem.outages;
        let (one, other) = (self.random.below(outages.len()), self.random.below(outages.len()));
        let excess = |o: usize| outages[o].cost(self.end(o, start)).saturating_sub(self.prepared.floor[o]);
        if excess(one) >= excess(other) { one } else { other }
    }

    /// When an outage ends.
    pub(super) fn end(&self, outage: usize, start: &[u32]) -> u32 {
        let problem = self.prepared.problem;
        let finish = |a: &usize| start[*a].saturating_add(problem.tasks[*a].duration);
        let first = |group: &Vec<usize>| group.iter().map(finish).min().unwrap_or(0);
        problem.outages[outage].needs.iter().map(first).max().unwrap_or(0)
    }

    fn greedy(&mut self, noise: f64) -> Vec<u16> {
        let problem = self.prepared.problem;
        let mut taken = vec![false; problem.tasks.len()];
        let mut order = Vec::with_capacity(taken.len());
        let mut open: Vec<usize> = (0..problem.outages.len()).collect();
        while !open.is_empty() {
            let mut best = (f64::MIN, 0);
            for (i, o) in open.iter().enumerate() {
                let left = self.closures[*o].iter().filter(|a| !taken[usize::from(**a)]);
                let work: u32 = left.map(|a| problem.tasks[usize::from(*a)].duration).sum();
                let outage = &problem.outages[*o];
                let weight = outage.weight as f64 + outage.breach_step as f64 / f64::from(outage.breach_at.max(1));
                let worth = weight / f64::from(work.max(1)) * (1.0 + noise * (self.random.unit() * 4.0 - 0.9));
                if worth > best.0 {
                    best = (worth, i);
                }
            }
            let o = open.swap_remove(best.1);
            for a in &self.closures[o] {
                if !std::mem::replace(&mut taken[usize::from(*a)], true) {
                    order.push(*a);
                }
            }
        }
        order.extend((0..taken.len() as u16).filter(|a| !taken[usize::from(*a)]));
        order
    }

    fn anneal(&mut self, evaluations: u64, hot: f64, stop: &mut dyn FnMut() -> bool) {
        if self.free.len() < 2 || self.best.0 == NO_PLAN {
            return;
        }
        let mut order = self.best.1.clone();
        let mut cost = self.keep(&order);
        let mut start = self.decoder.start().to_vec();
        let mut trial = order.clone();
        let scale = self.best.0.max(1) as f64;
        let from = self.spent();
        let upto = from + evaluations;
        let mut i = 0_u64;
        while self.spent() < upto {
            if i.is_multiple_of(STOP_EVERY) && stop() {
                return;
            }
            i += 1;
            trial.copy_from_slice(&order);
            if self.random.below(100) < PULL_PERCENT {
                self.pull(&mut trial, &start);
            } else if self.random.below(100) >= CRITICAL_PERCENT || !self.relieve(&mut trial, &start) {
                self.disturb(&mut trial);
            }
            let share = (self.spent() - from) as f64 / evaluations as f64;
            let temperature = scale * hot * (COLD / hot).powf(share);
            if self.try_near(&trial, cost, temperature) == NO_PLAN || self.decoder.start() == start {
                continue;
            }
            start.copy_from_slice(self.decoder.start());
            std::mem::swap(&mut order, &mut trial);
            if self.random.below(100) < JUSTIFIED_PERCENT {
                self.justifier.justify(self.prepared, &start, &mut order);
            } else {
                order.sort_by_key(|a| start[usize::from(*a)]);
            }
            cost = self.keep(&order);
            start.copy_from_slice(self.decoder.start());
        }
    }

    /// Orders generated; of those that were not generated whole, the share that was.
    pub(super) fn spent(&self) -> u64 {
        (self.decoder.placed + self.justifier.shifted + self.changed) / self.prepared.problem.tasks.len().max(1) as u64
    }

    /// Generates an order whose neighbours are tried next.
    fn keep(&mut self, order: &[u16]) -> u64 {
        let cost = self.decoder.keep(self.prepared, order);
        self.remember(cost, order);
        cost
    }

    pub(super) fn disturb(&mut self, order: &mut [u16]) {
        let n = order.len();
        if self.random.below(10) < 7 || self.closures.is_empty() {
            let from = self.random.below(n);
            let far = if self.random.below(3) == 0 { n } else { (n / 8).max(2) };
            let to = (from + self.random.below(2 * far + 1)).saturating_sub(far).min(n - 1);
            shift(order, from, to);
            if self.random.below(4) == 0 {
                let (x, y) = (self.random.below(n), self.random.below(n));
                order.swap(x, y);
            }
            return;
        }
        // All that an outage waits for comes together, no later than a place.
        let chosen = self.random.below(self.closures.len());
        let place = self.random.below(n);
        let needs = &self.prepared.problem.outages[chosen].needs;
        let members = closure(self.prepared.problem, needs, &mut |group| {
            group[self.random.below(group.len())]
        });
        let mut at = place;
        for a in members {
            if let Some(from) = order.iter().position(|x| *x == a)
                && from > at
            {
                shift(order, from, at);
                at += 1;
            }
        }
    }
}

/// Greedy orders tried before annealing.
const GREEDY_ORDERS: u32 = 24;

pub(super) fn shift(order: &mut [u16], from: usize, to: usize) {
    if from < to {
        order[from..=to].rotate_left(1);
    } else {
        order[to..=from].rotate_right(1);
    }
}
