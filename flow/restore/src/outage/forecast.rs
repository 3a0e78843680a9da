use super::decode::{Decoder, until};
use super::plan::OutagePlan;
use super::prepare::Prepared;
use super::problem::{OutageProblem, OutageProblemError, Task};
use crate::rcpsp::Random;

/// Most scenarios of a forecast.
pub const SCENARIOS_MAX: u32 = 10_000;

/// How planned durations turn out. Shares are in percent of the plan: triangular for each task, times one triangular for
/// the whole recovery (everything goes slower when people are tired and plans were optimistic), and tasks that fail are
/// done again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// Least, most likely and greatest share of one task.
    pub task_percent: (u32, u32, u32),
    /// The same of the whole recovery.
    pub common_percent: (u32, u32, u32),
    /// How often a task must be done again.
    pub failure_percent: u32,
}

impl Default for Spread {
    /// Assumptions until measured times replace them.
    fn default() -> Self {
        Self {
            task_percent: (70, 100, 230),
            common_percent: (80, 100, 170),
            failure_percent: 5,
        }
    }
}

/// Fewest recoveries and fewest tasks that spreads are measured on.
const RECOVERIES_MEASURED_MIN: usize = 3;
const TASKS_MEASURED_MIN: usize = 30;

impl Spread {
    /// Learns how durations turn out from recoveries and drills of the past: for each the (planned, actual) durations of
    /// its tasks, repetitions included. A recovery's own pace is its actual work over its planned work; what a task
    /// differs from that is its spread, long tasks counting more. Means and deviations are kept (a triangle of that mean and deviation); few
    /// recoveries make the pace of the next one less sure. `None` if that is too little to go by. O(tasks).
    pub fn measured(recoveries: &[Vec<(u32, u32)>]) -> Option<Self> {
        let done = |r: &&Vec<(u32, u32)>| r.iter().any(|(planned, actual)| *planned > 0 && *actual > 0);
        let recoveries: Vec<&Vec<(u32, u32)>> = recoveries.iter().filter(done).collect();
        let sum = |part: fn(&(u32, u32)) -> u32, r: &[(u32, u32)]| r.iter().map(|t| f64::from(part(t))).sum::<f64>();
        let paces: Vec<f64> = recoveries
            .iter()
            .map(|r| sum(|t| t.1, r) / sum(|t| t.0, r).max(1.0))
            .collect();
        let shares = recoveries.iter().zip(&paces).flat_map(|(r, pace)| {
            let with_plan = r.iter().filter(|(planned, _)| *planned > 0);
            with_plan.map(move |(planned, actual)| {
                let planned = f64::from(*planned);
                (f64::from(*actual) / planned / pace, planned)
            })
        });
        let shares: Vec<(f64, f64)> = shares.collect();
        if paces.len() < RECOVERIES_MEASURED_MIN || shares.len() < TASKS_MEASURED_MIN {
            return None;
        }
        let paces: Vec<(f64, f64)> = paces.into_iter().map(|pace| (pace, 1.0)).collect();
        let unsure = (1.0 + 1.0 / paces.len() as f64).sqrt();
        Some(Self {
            task_percent: triangle(&shares, 1.0),
            common_percent: triangle(&paces, unsure),
            failure_percent: 0,
        })
    }
}

/// The triangle with the mean of some values (weight second) and their deviation times a factor, in percent, as far as it
/// is above 1 %.
fn triangle(values: &[(f64, f64)], factor: f64) -> (u32, u32, u32) {
    let weights = values.iter().map(|(_, weight)| weight).sum::<f64>();
    let mean = values.iter().map(|(value, weight)| value * weight).sum::<f64>() / weights;
    let square = values
        .iter()
        .map(|(value, weight)| (value - mean).powi(2) * weight)
        .sum::<f64>()
        / weights;
    let half = (6.0 * square).sqrt() * factor;
    let percent = |share: f64| (share * 100.0).round() as u32;
    let low = (mean - half).max(0.01).max(mean * 0.3);
    // A low end that was cut off is made up for at the high end: the deviation of a triangle with its mode at `low`.
    let likely = if mean - half < low { low } else { mean };
    (percent(low), percent(likely), percent(3.0 * mean - low - likely))
}

/// How the duration of one task can turn out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chance {
    /// Part of the same step as the task before it: they turn out alike.
    pub goes_on: bool,
    /// Optimistic, most likely and pessimistic percent of its planned duration (a triangle, failures included); `None`: the spread
    /// says it. The pace of the whole recovery comes on top.
    pub percent: Option<(u32, u32, u32)>,
}

/// What is played, and how it can turn out.
#[derive(Debug, Clone, Copy)]
pub struct Play<'a> {
    /// Tasks and outages.
    pub problem: &'a OutageProblem,
    /// The plan's [`OutagePlan::order`].
    pub order: &'a [usize],
    /// How durations turn out of which nothing else is known.
    pub spread: &'a Spread,
    /// One for each task, or none.
    pub chances: &'a [Chance],
    /// Tasks that are under way, with their start.
    pub fixed: &'a [(usize, u32)],
    /// How often, at most [`SCENARIOS_MAX`].
    pub scenarios: u32,
    /// Where all luck comes from: with one seed two plays meet the same, so that their difference is not noise.
    pub seed: u64,
}

/// When outages end, over many scenarios.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutageForecast {
    /// Median end of each outage.
    pub p50: Vec<u32>,
    /// End of each outage that nine of ten scenarios keep.
    pub p90: Vec<u32>,
    /// Share of scenarios in percent in which a task is on the chain that the last outage waits for.
    pub critical_percent: Vec<u32>,
    /// Mean cost of each outage.
    pub mean_costs: Vec<u64>,
    /// Mean cost of all outages.
    pub mean_cost: u64,
}

impl Play<'_> {
    /// Plays the order with other durations, many times; `each` is told start and end of all tasks. The same arguments give the
    /// same luck. O(scenarios · one schedule).
    pub(crate) fn run(&self, mut each: impl FnMut(&OutageProblem, &[u32], &mut [u32])) -> Result<(), OutageProblemError> {
        let mut random = Random::new(self.seed);
        let order: Vec<u16> = self.order.iter().map(|a| *a as u16).collect();
        let mut played = self.problem.clone();
        for _ in 0..self.scenarios.clamp(1, SCENARIOS_MAX) {
            let common = triangular(self.spread.common_percent, &mut random);
            let mut share = common;
            for (a, (task, planned)) in played.tasks.iter_mut().zip(&self.problem.tasks).enumerate() {
                let chance = self.chances.get(a).copied().unwrap_or_default();
                if !chance.goes_on {
                    share = common * self.share(chance, &mut random);
                }
                let duration = (f64::from(planned.duration) * share).round() as u32;
                task.duration = duration.max(planned.duration.min(1));
            }
            let prepared = Prepared::new(&played, self.fixed, 0)?;
            let mut decoder = Decoder::new(&prepared);
            decoder.decode(&prepared, &order);
            let starts = decoder.start().iter().zip(&played.tasks);
            let mut finish: Vec<u32> = starts.map(|(s, t)| s.saturating_add(t.duration)).collect();
            each(&played, decoder.start(), &mut finish);
        }
        Ok(())
    }

    fn share(&self, chance: Chance, random: &mut Random) -> f64 {
        let share = triangular(chance.percent.unwrap_or(self.spread.task_percent), random);
        let fails = random.below(100) < self.spread.failure_percent as usize;
        match fails && chance.percent.is_none() {
            true => share * 2.0,
            false => share,
        }
    }

    /// Forecasts every outage.
    ///
    /// # Errors
    /// With the durations of a scenario there is no schedule.
    pub fn forecast(&self) -> Result<OutageForecast, OutageProblemError> {
        let scenarios = self.scenarios.clamp(1, SCENARIOS_MAX);
        let outages = &self.problem.outages;
        let mut ends = vec![Vec::with_capacity(scenarios as usize); outages.len()];
        let mut costs = vec![0_u128; outages.len()];
        let mut critical = vec![0_u32; self.problem.tasks.len()];
        self.run(|played, start, finish| {
            for (o, outage) in outages.iter().enumerate() {
                let end = until(&outage.needs, finish);
                ends[o].push(end);
                costs[o] += u128::from(outage.cost(end));
            }
            mark_chain(played, start, finish, &mut critical);
        })?;
        let mean = |sum: u128| u64::try_from(sum / u128::from(scenarios)).unwrap_or(u64::MAX);
        Ok(OutageForecast {
            p50: ends.iter_mut().map(|list| quantile(list, 50)).collect(),
            p90: ends.iter_mut().map(|list| quantile(list, 90)).collect(),
            critical_percent: critical.iter().map(|c| c * 100 / scenarios).collect(),
            mean_cost: mean(costs.iter().sum()),
            mean_costs: costs.into_iter().map(mean).collect(),
        })
    }

    /// What one more unit of each resource would save of the mean cost, if nothing else were planned anew.
    ///
    /// # Errors
    /// As [`Self::forecast`].
    pub fn savings_of_one_more(&self) -> Result<Vec<u64>, OutageProblemError> {
        let now = self.forecast()?.mean_cost;
        let mut savings = Vec::with_capacity(self.problem.resources.len());
        for r in 0..self.problem.resources.len() {
            let mut more = self.problem.clone();
            for (_, units) in more.resources[r].shifts.iter_mut().filter(|(_, units)| *units > 0) {
                *units += 1;
            }
            let with_it = Play { problem: &more, ..*self };
            savings.push(now.saturating_sub(with_it.forecast()?.mean_cost));
        }
        Ok(savings)
    }
}

/// The value that a share (percent) of the values does not exceed; 0 of none. Sorts them.
pub(crate) fn quantile(values: &mut [u32], percent: usize) -> u32 {
    values.sort_unstable();
    let at = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(at).copied().unwrap_or(0)
}

/// Plays a plan in its order with durations of which only the spread is known.
///
/// # Errors
/// As [`Play::forecast`].
pub fn forecast_outages(
    problem: &OutageProblem,
    plan: &OutagePlan,
    spread: &Spread,
    scenarios: u32,
    seed: u64,
) -> Result<OutageForecast, OutageProblemError> {
    let play = Play {
        problem,
        order: &plan.order,
        spread,
        chances: &[],
        fixed: &[],
        scenarios,
        seed,
    };
    play.forecast()
}

/// Returns the hours after the end of an outage in which what arrived meanwhile is worked off; `None` if never.
pub fn backlog_hours(arrivals_per_hour: u32, outage_hours: f64, drained_per_hour: u32) -> Option<f64> {
    let spare = drained_per_hour.checked_sub(arrivals_per_hour).filter(|spare| *spare > 0)?;
    Some(f64::from(arrivals_per_hour) * outage_hours / f64::from(spare))
}

fn triangular((low, likely, high): (u32, u32, u32), random: &mut Random) -> f64 {
    let (low, likely, high) = (f64::from(low) / 100.0, f64::from(likely) / 100.0, f64::from(high) / 100.0);
    let (u, width) = (random.unit(), (high - low).max(1e-9));
    let turn = (likely - low) / width;
    if u < turn {
        low + (u * width * (likely - low)).sqrt()
    } else {
        high - ((1.0 - u) * width * (high - likely)).sqrt()
    }
}

/// Counts the tasks of the chain that the last outage to end waits for: from its last task back to whatever ended just
/// when the next one could begin, by need or by a shared resource.
fn mark_chain(problem: &OutageProblem, start: &[u32], finish: &[u32], critical: &mut [u32]) {
    let ends = problem.outages.iter().map(|o| (until(&o.needs, finish), o));
    let Some((end, last)) = ends.max_by_key(|(end, _)| *end) else {
        return;
    };
    let mut at = last.needs.iter().flatten().copied().find(|a| finish[*a] == end);
    while let Some(a) = at {
        critical[a] += 1;
        let needed = problem.tasks[a].after.iter().flatten().copied();
        let begin = start[a];
        let shares = |b: &usize| *b != a && shares_resource(&problem.tasks[a], &problem.tasks[*b]);
        let frees = (0..finish.len()).filter(shares).filter(|b| start[*b] < begin);
        at = needed
            .chain(frees)
            .find(|b| finish[*b] == begin && (start[*b] < begin || *b < a))
            .filter(|_| begin > 0);
    }
}

fn shares_resource(one: &Task, other: &Task) -> bool {
    one.demand.iter().any(|(r, _)| other.demand.iter().any(|(q, _)| q == r))
}
