use super::decode::{Decoder, until};
use super::problem::{HORIZON_UNITS_MAX, OutageProblem, OutageProblemError, TASKS_MAX};
use super::units::{Demand, Layout, Units};

/// Most resources of a problem.
const RESOURCES_MAX: usize = 256;
/// Time units added to the horizon beyond four times all work, so that small plans have their nights.
const HORIZON_SPARE_UNITS: u32 = 200;

/// A problem as it is scheduled: flat arrays, and who is waited for.
#[derive(Debug, Clone)]
pub(crate) struct Prepared<'a> {
    pub problem: &'a OutageProblem,
    pub horizon: usize,
    /// Units of each resource at each time unit, without what fixed tasks hold.
    pub(super) base: Units,
    /// What each task holds of them.
    pub(super) demand: Vec<Demand>,
    /// Groups that a task is an alternative of: (task that waits, group among all groups).
    pub(super) waited_by: Lists,
    /// Where the groups of a task begin among all groups; one more than there are tasks.
    groups_from: Vec<u32>,
    /// Tasks that began in the past or are under way: they stay where they are.
    pub fixed: Vec<Option<u32>>,
    pub now: u32,
    /// Groups of outages that a task is an alternative of: (outage, group among all groups of outages).
    pub(super) ends: Lists,
    pub(super) end_groups: usize,
    /// What each outage costs at least: if all resources were plenty.
    pub(super) floor: Vec<u64>,
    /// When each outage ends at the earliest: if all resources were plenty.
    pub(super) soonest: Vec<u32>,
}

/// A list of pairs for each task, one behind the other.
#[derive(Debug, Clone)]
pub(crate) struct Lists {
    from: Vec<u32>,
    all: Vec<(u32, u32)>,
}

impl Lists {
    fn of(lists: &[Vec<(u32, u32)>]) -> Self {
        let mut from = vec![0];
        let mut all = Vec::new();
        for list in lists {
            all.extend_from_slice(list);
            from.push(all.len() as u32);
        }
        Self { from, all }
    }

    pub fn of_task(&self, a: usize) -> &[(u32, u32)] {
        &self.all[self.from[a] as usize..self.from[a + 1] as usize]
    }
}

impl<'a> Prepared<'a> {
    /// Checks the problem. `fixed` are (task, start) that stay; all others start no sooner than `now`.
    pub fn new(problem: &'a OutageProblem, fixed: &[(usize, u32)], now: u32) -> Result<Self, OutageProblemError> {
        let tasks = &problem.tasks;
        if tasks.len() > TASKS_MAX {
            return Err(OutageProblemError::TooLarge("tasks", TASKS_MAX));
        }
        if problem.resources.len() > RESOURCES_MAX {
            return Err(OutageProblemError::TooLarge("resources", RESOURCES_MAX));
        }
        let work: u64 = tasks.iter().map(|t| u64::from(t.duration)).sum();
        let latest = tasks.iter().map(|t| t.release).max().unwrap_or(0).max(now);
        let horizon = u64::from(latest) + 4 * work + u64::from(HORIZON_SPARE_UNITS);
        if horizon > u64::from(HORIZON_UNITS_MAX) && u64::from(latest) + work > u64::from(HORIZON_UNITS_MAX) {
            return Err(OutageProblemError::TooLarge("time units", HORIZON_UNITS_MAX as usize));
        }
        check_positions(problem)?;
        let whole = HORIZON_UNITS_MAX as usize;
        let mut horizon = (horizon as usize).min(whole);
        loop {
            match Self::within(problem, fixed, now, horizon) {
                // Whoever comes back next week only needs a longer plan.
                Err(OutageProblemError::NeverFits(..)) if horizon < whole => horizon = (2 * horizon).min(whole),
                other => return other,
            }
        }
    }

    fn within(problem: &'a OutageProblem, fixed: &[(usize, u32)], now: u32, horizon: usize) -> Result<Self, OutageProblemError> {
        let tasks = &problem.tasks;
        let mut waited_by = vec![Vec::new(); tasks.len()];
        let mut groups_from = vec![0];
        let mut groups = 0;
        for (waiting, task) in tasks.iter().enumerate() {
            for group in &task.after {
                for other in group {
                    waited_by[*other].push((waiting as u32, groups));
                }
                groups += 1;
            }
            groups_from.push(groups);
        }
        let layout = Layout::of(problem);
        let mut stays = vec![None; tasks.len()];
        for (task, start) in fixed {
            if let Some(place) = stays.get_mut(*task) {
                *place = Some(*start);
            }
        }
        let mut ends = vec![Vec::new(); tasks.len()];
        let mut end_groups = 0;
        for (o, outage) in problem.outages.iter().enumerate() {
            for group in &outage.needs {
                for a in group {
                    ends[*a].push((o as u32, end_groups));
                }
                end_groups += 1;
            }
        }
        let soonest = soonest(problem, &stays, now);
        let soonest: Vec<u32> = problem.outages.iter().map(|o| until(&o.needs, &soonest)).collect();
        let demand: Vec<Demand> = tasks.iter().map(|t| layout.demand(t)).collect();
        let mut base = layout.units(problem, horizon);
        for (a, start) in stays.iter().enumerate() {
            if let Some(start) = start {
                let until = (*start as usize + tasks[a].duration as usize).min(horizon);
                base.take_left(&demand[a], (*start as usize).min(until), until);
            }
        }
        let prepared = Self {
            floor: problem.outages.iter().zip(&soonest).map(|(o, end)| o.cost(*end)).collect(),
            soonest,
            ends: Lists::of(&ends),
            end_groups: end_groups as usize,
            problem,
            horizon,
            base,
            demand,
            waited_by: Lists::of(&waited_by),
            groups_from,
            fixed: stays,
            now,
        };
        prepared.check_each()?;
        Ok(prepared)
    }

    /// Groups of all tasks.
    pub(super) fn groups(&self) -> usize {
        self.groups_from.last().map_or(0, |groups| *groups as usize)
    }

    /// Groups of a task among all groups.
    pub(super) fn groups_of(&self, a: usize) -> std::ops::Range<usize> {
        self.groups_from[a] as usize..self.groups_from[a + 1] as usize
    }

    /// Every task finds a place alone, and none waits for itself.
    fn check_each(&self) -> Result<(), OutageProblemError> {
        for (a, task) in self.problem.tasks.iter().enumerate() {
            let from = task.release.max(self.now);
            if self.fixed[a].is_none()
                && self
                    .base
                    .earliest(&self.demand[a], from, task.duration, self.horizon)
                    .is_none()
            {
                return Err(OutageProblemError::NeverFits(a, self.horizon as u32));
            }
        }
        let mut decoder = Decoder::new(self);
        let order: Vec<u16> = (0..self.problem.tasks.len() as u16).collect();
        decoder.decode(self, &order);
        match (0..order.len()).find(|a| decoder.start()[*a] == u32::MAX) {
            Some(a) if decoder.is_waiting(a) => Err(OutageProblemError::Circle(a)),
            Some(a) => Err(OutageProblemError::NeverFits(a, self.horizon as u32)),
            None => Ok(()),
        }
    }
}

/// When each task could be over at the earliest if resources were plenty. Stops where a circle would go on for ever.
fn soonest(problem: &OutageProblem, stays: &[Option<u32>], now: u32) -> Vec<u32> {
    let tasks = &problem.tasks;
    let begin = |a: usize| stays[a].unwrap_or(tasks[a].release.max(now));
    let mut finish: Vec<u32> = (0..tasks.len()).map(|a| begin(a) + tasks[a].duration).collect();
    for _ in 0..tasks.len() {
        let mut is_settled = true;
        for a in (0..tasks.len()).filter(|a| stays[*a].is_none()) {
            let end = until(&tasks[a].after, &finish).max(begin(a)) + tasks[a].duration;
            if end > finish[a] && end < HORIZON_UNITS_MAX {
                (finish[a], is_settled) = (end, false);
            }
        }
        if is_settled {
            break;
        }
    }
    finish
}

fn check_positions(problem: &OutageProblem) -> Result<(), OutageProblemError> {
    let exists = |group: &Vec<usize>| !group.is_empty() && group.iter().all(|t| *t < problem.tasks.len());
    for (a, task) in problem.tasks.iter().enumerate() {
        if !task.after.iter().all(exists) || task.demand.iter().any(|(r, _)| *r >= problem.resources.len()) {
            return Err(OutageProblemError::NoSuch("task", a));
        }
    }
    match problem.outages.iter().position(|o| !o.needs.iter().all(exists)) {
        Some(o) => Err(OutageProblemError::NoSuch("outage", o)),
        None => Ok(()),
    }
}
