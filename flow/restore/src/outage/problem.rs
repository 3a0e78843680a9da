use serde::{Deserialize, Serialize};

/// Most tasks of a problem.
pub const TASKS_MAX: usize = 16_000;
/// Longest planning horizon in time units.
pub const HORIZON_UNITS_MAX: u32 = 100_000;

/// A resource whose units come and go with shifts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Units from the first shift on, each entry until the next: (from time unit, units). The first is from 0.
    pub shifts: Vec<(u32, u32)>,
}

/// Work that is done without interruption.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Task {
    /// Time units.
    pub duration: u32,
    /// Resource (position) and units held while it runs.
    pub demand: Vec<(usize, u32)>,
    /// It starts no sooner.
    pub release: u32,
    /// Of each group (AND) at least one task (OR, positions) is over before it starts.
    pub after: Vec<Vec<usize>>,
}

/// What is out until its tasks are over, and what that costs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outage {
    /// It ends when of each group (AND) one task (OR, positions) is over.
    pub needs: Vec<Vec<usize>>,
    /// Cost per time unit out.
    pub weight: u64,
    /// From this time unit on the outage is a breach (maximum tolerable period of disruption).
    pub breach_at: u32,
    /// Cost once, when the breach happens.
    pub breach_step: u64,
    /// Further cost per time unit of breach.
    pub breach_weight: u64,
}

impl Outage {
    /// What an outage until this time unit costs.
    pub fn cost(&self, until: u32) -> u64 {
        let plain = self.weight * u64::from(until);
        match until.checked_sub(self.breach_at) {
            Some(late) if late > 0 => plain + self.breach_step + self.breach_weight * u64::from(late),
            _ => plain,
        }
    }
}

/// Tasks, resources with shifts, and outages whose cost is to be least.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OutageProblem {
    /// Resources.
    pub resources: Vec<Resource>,
    /// Tasks.
    pub tasks: Vec<Task>,
    /// Outages.
    pub outages: Vec<Outage>,
}

/// Why there is no schedule, with the task or outage (position) that shows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutageProblemError {
    /// Over a limit.
    #[error("more {0} than {1}")]
    TooLarge(&'static str, usize),
    /// A position that does not exist.
    #[error("{0} {1} names a task or resource that does not exist")]
    NoSuch(&'static str, usize),
    /// Waits for itself, whatever alternative is taken.
    #[error("task {0} waits for itself, whatever alternative is taken")]
    Circle(usize),
    /// Its resources are never free together for as long as it takes.
    #[error("task {0} never finds its resources together for as long as it takes, within {1} time units")]
    NeverFits(usize, u32),
}
