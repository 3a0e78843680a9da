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
    pub now: u32,
    /// Groups of outages that a task is an alternative of: (outage, group among all groups of outages).
    ends: Vec<Vec<(u32, u32)>>,
    end_groups: usize,
    /// What each outage costs at least: if all resources were plenty.
    floor: Vec<u64>,
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
        let prepared = Self {
            floor: problem.outages.iter().map(|o| o.cost(until(&o.needs, &soonest))).collect(),
            ends,
            end_groups: end_groups as usize,
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
    outages: Outages,
}

/// Which outages are over, and what all of them cost at least.
#[derive(Debug, Clone)]
struct Outages {
    is_met: Vec<bool>,
    unmet: Vec<u32>,
    until: Vec<u32>,
    left: usize,
    cost: u64,
}

impl Outages {
    fn begin(&mut self, prepared: &Prepared) {
        self.is_met.fill(false);
        self.until.fill(0);
        for (unmet, outage) in self.unmet.iter_mut().zip(&prepared.problem.outages) {
            *unmet = outage.needs.len() as u32;
        }
        self.left = self.unmet.iter().filter(|u| **u > 0).count();
        self.cost = prepared.floor.iter().sum();
    }

    fn place(&mut self, prepared: &Prepared, a: usize, finish: u32) {
        for (o, group) in &prepared.ends[a] {
            let o = *o as usize;
            if std::mem::replace(&mut self.is_met[*group as usize], true) {
                continue;
            }
            self.unmet[o] -= 1;
            self.until[o] = self.until[o].max(finish);
            if self.unmet[o] == 0 {
                self.left -= 1;
                let cost = prepared.problem.outages[o].cost(self.until[o]);
                self.cost += cost.saturating_sub(prepared.floor[o]);
            }
        }
    }
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
            outages: Outages {
                is_met: vec![false; prepared.end_groups],
                unmet: vec![0; prepared.problem.outages.len()],
                until: vec![0; prepared.problem.outages.len()],
                left: 0,
                cost: 0,
            },
        }
    }

    /// Serial generation. A task whose turn comes before what it waits for follows as soon as that is placed. Returns the
    /// cost of all outages.
    pub fn decode(&mut self, prepared: &Prepared, order: &[u16]) -> u64 {
        self.begin(prepared);
        for a in order {
            self.advance(prepared, *a);
        }
        if self.placed.iter().all(|p| *p) {
            self.cost(prepared.problem)
        } else {
            NO_PLAN
        }
    }

    /// The same, but only until all outages are over, and only while they can cost no more than the limit. What is not
    /// placed then starts at `u32::MAX`; an alternative that would have come later may make the whole cost less.
    pub fn decode_within(&mut self, prepared: &Prepared, order: &[u16], limit: u64) -> u64 {
        self.begin(prepared);
        for a in order {
            self.advance(prepared, *a);
            if self.outages.cost > limit {
                return NO_PLAN;
            }
            if self.outages.left == 0 {
                return self.outages.cost;
            }
        }
        NO_PLAN
    }

    fn begin(&mut self, prepared: &Prepared) {
        for (free, base) in self.free.iter_mut().zip(&prepared.base) {
            free[..self.used].copy_from_slice(&base[..self.used]);
        }
        self.used = 0;
        self.outages.begin(prepared);
        self.start.fill(u32::MAX);
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
    }

    fn advance(&mut self, prepared: &Prepared, a: u16) {
        self.passed[usize::from(a)] = true;
        self.due.push(a);
        while let Some(a) = self.due.pop() {
            self.turn(prepared, usize::from(a));
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
        self.outages.place(prepared, a, finish);
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
