use super::problem::{HORIZON_UNITS_MAX, OutageProblem, OutageProblemError, TASKS_MAX};

/// Most resources of a problem.
const RESOURCES_MAX: usize = 256;
/// Time units added to the horizon beyond four times all work, so that small plans have their nights.
const HORIZON_SPARE_UNITS: u32 = 200;

/// A problem as it is scheduled: flat arrays, and who is waited for.
#[derive(Debug, Clone)]
pub(crate) struct Prepared<'a> {
    pub problem: &'a OutageProblem,
    pub horizon: usize,
    /// Units of each resource at each time unit.
    base: Vec<Vec<u32>>,
    /// Groups that a task is an alternative of: (task that waits, group).
    waited_by: Vec<Vec<(u32, u32)>>,
    /// Where the groups of a task begin in one array of all groups.
    groups_from: Vec<usize>,
    groups: usize,
    /// Tasks that began in the past or are under way: they stay where they are.
    pub fixed: Vec<Option<u32>>,
    now: u32,
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
        let (mut groups_from, mut groups) = (Vec::with_capacity(tasks.len()), 0);
        for (waiting, task) in tasks.iter().enumerate() {
            groups_from.push(groups);
            for (g, group) in task.after.iter().enumerate() {
                for other in group {
                    waited_by[*other].push((waiting as u32, g as u32));
                }
            }
            groups += task.after.len();
        }
        let base = problem.resources.iter().map(|r| spread(&r.shifts, horizon)).collect();
        let mut stays = vec![None; tasks.len()];
        for (task, start) in fixed {
            if let Some(place) = stays.get_mut(*task) {
                *place = Some(*start);
            }
        }
        let prepared = Self {
            problem,
            horizon,
            base,
            waited_by,
            groups_from,
            groups,
            fixed: stays,
            now,
        };
        prepared.check_each()?;
        Ok(prepared)
    }

    /// Every task finds a place alone, and none waits for itself.
    fn check_each(&self) -> Result<(), OutageProblemError> {
        for (a, task) in self.problem.tasks.iter().enumerate() {
            if self.fixed[a].is_none() && earliest(&self.base, task, task.release.max(self.now), self.horizon).is_none() {
                return Err(OutageProblemError::NeverFits(a, self.horizon as u32));
            }
        }
        let mut decoder = Decoder::new(self);
        let order: Vec<u16> = (0..self.problem.tasks.len() as u16).collect();
        decoder.decode(self, &order);
        match (0..order.len()).find(|a| !decoder.placed[*a]) {
            Some(a) if decoder.unmet[a] > 0 => Err(OutageProblemError::Circle(a)),
            Some(a) => Err(OutageProblemError::NeverFits(a, self.horizon as u32)),
            None => Ok(()),
        }
    }
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

fn spread(shifts: &[(u32, u32)], horizon: usize) -> Vec<u32> {
    let mut units = vec![0; horizon];
    for (i, (from, count)) in shifts.iter().enumerate() {
        let until = shifts.get(i + 1).map_or(horizon, |next| (next.0 as usize).min(horizon));
        if let Some(part) = units.get_mut((*from as usize).min(until)..until) {
            part.fill(*count);
        }
    }
    units
}

fn earliest(free: &[Vec<u32>], task: &super::problem::Task, from: u32, horizon: usize) -> Option<u32> {
    let duration = task.duration as usize;
    let mut start = from as usize;
    'next: loop {
        let end = start + duration;
        if end > horizon {
            return None;
        }
        for (r, units) in &task.demand {
            if let Some(late) = free[*r][start..end].iter().rposition(|f| f < units) {
                start += late + 1;
                continue 'next;
            }
        }
        return Some(start as u32);
    }
}

/// Turns an order of tasks into start times; keeps its arrays from one order to the next.
#[derive(Debug, Clone)]
pub(crate) struct Decoder {
    free: Vec<Vec<u32>>,
    used: usize,
    pub start: Vec<u32>,
    finish: Vec<u32>,
    placed: Vec<bool>,
    passed: Vec<bool>,
    unmet: Vec<u32>,
    /// Time at which each group of each task is met; `u32::MAX` while it is not.
    met_at: Vec<u32>,
    due: Vec<u16>,
}

/// Cost of an order that leaves tasks without a place.
pub(crate) const NO_PLAN: u64 = u64::MAX;

impl Decoder {
    pub fn new(prepared: &Prepared) -> Self {
        let n = prepared.problem.tasks.len();
        Self {
            free: prepared.base.clone(),
            used: 0,
            start: vec![0; n],
            finish: vec![0; n],
            placed: vec![false; n],
            passed: vec![false; n],
            unmet: vec![0; n],
            met_at: vec![u32::MAX; prepared.groups],
            due: Vec::new(),
        }
    }

    /// Serial generation. A task whose turn comes before what it waits for follows as soon as that is placed. Returns the
    /// cost of all outages.
    pub fn decode(&mut self, prepared: &Prepared, order: &[u16]) -> u64 {
        for (free, base) in self.free.iter_mut().zip(&prepared.base) {
            free[..self.used].copy_from_slice(&base[..self.used]);
        }
        self.used = 0;
        self.placed.fill(false);
        self.passed.fill(false);
        self.met_at.fill(u32::MAX);
        for (unmet, task) in self.unmet.iter_mut().zip(&prepared.problem.tasks) {
            *unmet = task.after.len() as u32;
        }
        self.due.clear();
        for (a, start) in prepared.fixed.iter().enumerate() {
            if let Some(start) = start {
                self.place(prepared, a, *start);
            }
        }
        for a in order {
            self.passed[usize::from(*a)] = true;
            self.due.push(*a);
            while let Some(a) = self.due.pop() {
                self.turn(prepared, usize::from(a));
            }
        }
        if self.placed.iter().all(|p| *p) {
            self.cost(prepared.problem)
        } else {
            NO_PLAN
        }
    }

    fn turn(&mut self, prepared: &Prepared, a: usize) {
        if self.unmet[a] > 0 || self.placed[a] {
            return;
        }
        let task = &prepared.problem.tasks[a];
        let from = prepared.groups_from[a];
        let met = self.met_at[from..from + task.after.len()].iter().copied().max().unwrap_or(0);
        let ready = met.max(task.release).max(prepared.now);
        if let Some(start) = earliest(&self.free, task, ready, prepared.horizon) {
            self.place(prepared, a, start);
        }
    }

    fn place(&mut self, prepared: &Prepared, a: usize, start: u32) {
        let task = &prepared.problem.tasks[a];
        let finish = start + task.duration;
        let (from, until) = (
            (start as usize).min(prepared.horizon),
            (finish as usize).min(prepared.horizon),
        );
        for (r, units) in &task.demand {
            for free in &mut self.free[*r][from..until] {
                *free = free.saturating_sub(*units);
            }
        }
        self.used = self.used.max(until);
        (self.start[a], self.finish[a], self.placed[a]) = (start, finish, true);
        for (waiting, group) in &prepared.waited_by[a] {
            let waiting = *waiting as usize;
            let met_at = &mut self.met_at[prepared.groups_from[waiting] + *group as usize];
            if *met_at == u32::MAX {
                self.unmet[waiting] -= 1;
                if self.unmet[waiting] == 0 && self.passed[waiting] {
                    self.due.push(waiting as u16);
                }
            }
            *met_at = (*met_at).min(finish);
        }
    }

    fn cost(&self, problem: &OutageProblem) -> u64 {
        problem.outages.iter().map(|o| o.cost(until(&o.needs, &self.finish))).sum()
    }
}

/// When of each group one task is over.
pub(crate) fn until(needs: &[Vec<usize>], finish: &[u32]) -> u32 {
    let group = |g: &Vec<usize>| g.iter().map(|a| finish[*a]).min().unwrap_or(0);
    needs.iter().map(group).max().unwrap_or(0)
}
