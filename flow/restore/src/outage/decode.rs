use super::prepare::Prepared;
use super::units::Units;

/// A partial schedule: what is placed, what is free, which outages are over.
#[derive(Debug, Clone)]
struct State {
    free: Units,
    /// Nothing is taken from this time unit on.
    used: usize,
    /// `u32::MAX` while a task has no place.
    start: Vec<u32>,
    finish: Vec<u32>,
    passed: Vec<bool>,
    /// Groups of each task that are not met.
    unmet: Vec<u32>,
    /// Time at which each group of all tasks is met; `u32::MAX` while it is not.
    met_at: Vec<u32>,
    is_end_met: Vec<bool>,
    unmet_ends: Vec<u32>,
    until: Vec<u32>,
    outages_left: usize,
    /// What all outages cost at least.
    cost: u64,
}

impl State {
    fn new(prepared: &Prepared) -> Self {
        let problem = prepared.problem;
        let n = problem.tasks.len();
        let unmet_ends: Vec<u32> = problem.outages.iter().map(|o| o.needs.len() as u32).collect();
        let mut state = Self {
            free: prepared.base.clone(),
            used: 0,
            start: vec![u32::MAX; n],
            finish: vec![u32::MAX; n],
            passed: vec![false; n],
            unmet: problem.tasks.iter().map(|t| t.after.len() as u32).collect(),
            met_at: vec![u32::MAX; prepared.groups()],
            is_end_met: vec![false; prepared.end_groups],
            outages_left: unmet_ends.iter().filter(|u| **u > 0).count(),
            until: vec![0; unmet_ends.len()],
            unmet_ends,
            cost: prepared.floor.iter().sum(),
        };
        for (a, start) in prepared.fixed.iter().enumerate() {
            if let Some(start) = start {
                let finish = start + problem.tasks[a].duration;
                state.note(prepared, a, *start, finish, &mut Vec::new());
            }
        }
        state
    }

    fn copy(&mut self, other: &Self, base: &Units) {
        self.free.copy(&other.free, other.used, base, self.used);
        self.used = other.used;
        self.start.copy_from_slice(&other.start);
        self.finish.copy_from_slice(&other.finish);
        self.passed.copy_from_slice(&other.passed);
        self.unmet.copy_from_slice(&other.unmet);
        self.met_at.copy_from_slice(&other.met_at);
        self.is_end_met.copy_from_slice(&other.is_end_met);
        self.unmet_ends.copy_from_slice(&other.unmet_ends);
        self.until.copy_from_slice(&other.until);
        self.outages_left = other.outages_left;
        self.cost = other.cost;
    }

    /// Notes that a task has a place; `due` gets what had its turn and waited for it.
    fn note(&mut self, prepared: &Prepared, a: usize, start: u32, finish: u32, due: &mut Vec<u16>) {
        self.used = self.used.max((finish as usize).min(prepared.horizon));
        (self.start[a], self.finish[a]) = (start, finish);
        for (o, group) in prepared.ends.of_task(a) {
            let o = *o as usize;
            if std::mem::replace(&mut self.is_end_met[*group as usize], true) {
                continue;
            }
            self.unmet_ends[o] -= 1;
            self.until[o] = self.until[o].max(finish);
            if self.unmet_ends[o] == 0 {
                self.outages_left -= 1;
                let cost = prepared.problem.outages[o].cost(self.until[o]);
                self.cost += cost.saturating_sub(prepared.floor[o]);
            }
        }
        for (waiting, group) in prepared.waited_by.of_task(a) {
            let met_at = &mut self.met_at[*group as usize];
            if *met_at == u32::MAX {
                let waiting = *waiting as usize;
                self.unmet[waiting] -= 1;
                if self.unmet[waiting] == 0 && self.passed[waiting] {
                    due.push(waiting as u16);
                }
            }
            *met_at = (*met_at).min(finish);
        }
    }
}

/// Turns an order of tasks into start times. Keeps the partial schedules along one order, so that one that differs from it
/// only from some place on is generated from there.
#[derive(Debug, Clone)]
pub(crate) struct Decoder {
    state: State,
    due: Vec<u16>,
    kept: Vec<u16>,
    /// Partial schedules along the kept order: every so many places, the first before any task.
    marks: Vec<State>,
    marked: usize,
    every: usize,
    /// Tasks that got a place, in all passes.
    pub placed: u64,
}

/// Cost of an order that leaves tasks without a place.
pub(crate) const NO_PLAN: u64 = u64::MAX;
/// Marks along a kept order, and the least number of places between two.
const MARKS: usize = 10;
const MARK_EVERY_MIN: usize = 6;

impl Decoder {
    pub fn new(prepared: &Prepared) -> Self {
        let state = State::new(prepared);
        Self {
            marks: vec![state.clone()],
            state,
            due: Vec::new(),
            kept: Vec::new(),
            marked: 1,
            every: prepared.problem.tasks.len().div_ceil(MARKS).max(MARK_EVERY_MIN),
            placed: 0,
        }
    }

    /// Start of each task in the last pass; `u32::MAX` if it has no place.
    pub fn start(&self) -> &[u32] {
        &self.state.start
    }

    /// Whether a task still waits for others.
    pub fn is_waiting(&self, a: usize) -> bool {
        self.state.unmet[a] > 0
    }

    /// Serial generation. A task whose turn comes before what it waits for follows as soon as that is placed. Returns the
    /// cost of all outages.
    pub fn decode(&mut self, prepared: &Prepared, order: &[u16]) -> u64 {
        self.state.copy(&self.marks[0], &prepared.base);
        for a in order {
            self.advance(prepared, *a);
        }
        if self.state.start.contains(&u32::MAX) {
            return NO_PLAN;
        }
        let outages = prepared.problem.outages.iter();
        outages.map(|o| o.cost(until(&o.needs, &self.state.finish))).sum()
    }

    /// The same, but only until all outages are over; what is not placed then starts at `u32::MAX`, and an alternative that
    /// would have come later may make the whole cost less. The order is kept.
    pub fn keep(&mut self, prepared: &Prepared, order: &[u16]) -> u64 {
        self.kept.clear();
        self.kept.extend_from_slice(order);
        self.marked = 1;
        self.state.copy(&self.marks[0], &prepared.base);
        for (i, a) in order.iter().enumerate() {
            if i == self.marked * self.every {
                match self.marks.get_mut(self.marked) {
                    Some(mark) => mark.copy(&self.state, &prepared.base),
                    None => self.marks.push(self.state.clone()),
                }
                self.marked += 1;
            }
            self.advance(prepared, *a);
            if self.state.outages_left == 0 {
                return self.state.cost;
            }
        }
        NO_PLAN
    }

    /// The same without keeping the order, and only while the outages can cost no more than the limit.
    pub fn decode_within(&mut self, prepared: &Prepared, order: &[u16], limit: u64) -> u64 {
        let same = order.iter().zip(&self.kept).take_while(|(a, b)| a == b).count();
        let mark = (same / self.every).min(self.marked - 1);
        self.state.copy(&self.marks[mark], &prepared.base);
        for a in &order[mark * self.every..] {
            self.advance(prepared, *a);
            if self.state.cost > limit {
                return NO_PLAN;
            }
            if self.state.outages_left == 0 {
                return self.state.cost;
            }
        }
        NO_PLAN
    }

    fn advance(&mut self, prepared: &Prepared, a: u16) {
        self.state.passed[usize::from(a)] = true;
        self.due.push(a);
        while let Some(a) = self.due.pop() {
            self.turn(prepared, usize::from(a));
        }
    }

    fn turn(&mut self, prepared: &Prepared, a: usize) {
        let state = &mut self.state;
        if state.unmet[a] > 0 || state.start[a] != u32::MAX {
            return;
        }
        let task = &prepared.problem.tasks[a];
        let met = state.met_at[prepared.groups_of(a)].iter().copied().max().unwrap_or(0);
        let ready = met.max(task.release).max(prepared.now);
        let demand = &prepared.demand[a];
        if let Some(start) = state.free.earliest(demand, ready, task.duration, prepared.horizon) {
            let finish = start + task.duration;
            state.free.take(demand, start as usize, finish as usize);
            state.note(prepared, a, start, finish, &mut self.due);
            self.placed += 1;
        }
    }
}

/// When of each group one task is over.
pub(crate) fn until(needs: &[Vec<usize>], finish: &[u32]) -> u32 {
    let group = |g: &Vec<usize>| g.iter().map(|a| finish[*a]).min().unwrap_or(0);
    needs.iter().map(group).max().unwrap_or(0)
}
