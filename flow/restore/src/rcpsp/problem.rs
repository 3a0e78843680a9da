/// Most activities of a problem, dummies included.
pub const ACTIVITIES_MAX: usize = 4_000;
/// Most resources of a problem.
pub const RESOURCES_MAX: usize = 64;
/// Most units of one resource.
pub const CAPACITY_UNITS_MAX: u32 = 32_767;
/// Longest sum of all durations in time units: the horizon of the flat profiles.
pub const HORIZON_MAX: u32 = 1_000_000;

/// One activity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Activity {
    /// Time units from start to finish, without interruption.
    pub duration: u32,
    /// Units of each resource that it holds while it runs; as long as the problem's capacities.
    pub demand: Vec<u32>,
    /// Positions of the activities that start no sooner than this one finishes.
    pub successors: Vec<usize>,
}

/// A resource-constrained project: activities, precedence, renewable resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    capacity: Vec<u32>,
    activities: Vec<Activity>,
    /// Every activity after all that it waits for; of those that could come next the lowest position first.
    order: Vec<usize>,
}

/// Why activities are not a problem that has a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProblemError {
    /// More of something than a limit; the text names both.
    TooLarge(&'static str, usize),
    /// An activity (position) has another number of demands than there are resources.
    DemandCount(usize),
    /// An activity (first) demands more of a resource (second) than there is.
    DemandTooHigh(usize, usize),
    /// An activity (first) names a successor (second) that does not exist.
    NoSuchSuccessor(usize, usize),
    /// An activity waits for itself, directly or in a circle.
    Circle(usize),
}

impl std::error::Error for ProblemError {}

impl std::fmt::Display for ProblemError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLarge(what, limit) => write!(f, "{what}: more than {limit}"),
            Self::DemandCount(a) => write!(f, "activity {}: not one demand per resource", a + 1),
            Self::DemandTooHigh(a, r) => {
                write!(f, "activity {} demands more of resource {} than there is", a + 1, r + 1)
            }
            Self::NoSuchSuccessor(a, s) => write!(f, "activity {} names successor {}, which does not exist", a + 1, s + 1),
            Self::Circle(a) => write!(f, "activity {} waits for itself in a circle of successors", a + 1),
        }
    }
}

impl Problem {
    /// Checks and takes activities. O(activities · resources + successors).
    pub fn new(capacity: Vec<u32>, activities: Vec<Activity>) -> Result<Self, ProblemError> {
        check_limits(&capacity, &activities)?;
        for (a, activity) in activities.iter().enumerate() {
            if activity.demand.len() != capacity.len() {
                return Err(ProblemError::DemandCount(a));
            }
            if let Some(r) = (0..capacity.len()).find(|r| activity.demand[*r] > capacity[*r]) {
                return Err(ProblemError::DemandTooHigh(a, r));
            }
            if let Some(s) = activity.successors.iter().find(|s| **s >= activities.len()) {
                return Err(ProblemError::NoSuchSuccessor(a, *s));
            }
        }
        let order = topological(&activities)?;
        Ok(Self {
            capacity,
            activities,
            order,
        })
    }

    /// Units of each resource.
    pub fn capacity(&self) -> &[u32] {
        &self.capacity
    }

    /// The activities.
    pub fn activities(&self) -> &[Activity] {
        &self.activities
    }

    /// Positions so that everything stands behind what it waits for.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// Sum of all durations: no schedule need be longer.
    pub fn horizon(&self) -> u32 {
        self.activities.iter().map(|a| a.duration).sum()
    }
}

fn check_limits(capacity: &[u32], activities: &[Activity]) -> Result<(), ProblemError> {
    if activities.len() > ACTIVITIES_MAX {
        return Err(ProblemError::TooLarge("activities", ACTIVITIES_MAX));
    }
    if capacity.len() > RESOURCES_MAX {
        return Err(ProblemError::TooLarge("resources", RESOURCES_MAX));
    }
    if capacity.iter().any(|c| *c > CAPACITY_UNITS_MAX) {
        return Err(ProblemError::TooLarge("units of a resource", CAPACITY_UNITS_MAX as usize));
    }
    let horizon = activities.iter().map(|a| u64::from(a.duration)).sum::<u64>();
    if horizon > u64::from(HORIZON_MAX) {
        return Err(ProblemError::TooLarge("time units of all activities", HORIZON_MAX as usize));
    }
    Ok(())
}

fn topological(activities: &[Activity]) -> Result<Vec<usize>, ProblemError> {
    let mut waits = vec![0_usize; activities.len()];
    for successor in activities.iter().flat_map(|a| &a.successors) {
        waits[*successor] += 1;
    }
    let mut ready: std::collections::BTreeSet<usize> = (0..waits.len()).filter(|a| waits[*a] == 0).collect();
    let mut order = Vec::with_capacity(activities.len());
    while let Some(next) = ready.pop_first() {
        order.push(next);
        for successor in &activities[next].successors {
            waits[*successor] -= 1;
            if waits[*successor] == 0 {
                ready.insert(*successor);
            }
        }
    }
    match waits.iter().position(|w| *w > 0) {
        Some(a) => Err(ProblemError::Circle(a)),
        None => Ok(order),
    }
}
