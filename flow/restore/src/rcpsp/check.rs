use super::problem::Problem;

/// What is wrong with a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// Not one start time per activity.
    Length,
    /// An activity (first) has not finished when its successor (second) starts.
    Order(usize, usize),
    /// More of a resource (first) is held at a time (second) than there is.
    Resource(usize, u32),
    /// The makespan is not the latest finish, which is this.
    Makespan(u64),
}

/// Checks start times against a problem. Shares nothing with the engine: it reads the problem as it was given, and adds
/// up what is held whenever an activity starts. O(activities² · resources).
pub fn check(problem: &Problem, start: &[u32], makespan: u32) -> Result<(), Violation> {
    let activities = problem.activities();
    if start.len() != activities.len() {
        return Err(Violation::Length);
    }
    let finish = |a: usize| u64::from(start[a]) + u64::from(activities[a].duration);
    for (a, activity) in activities.iter().enumerate() {
        if let Some(s) = activity.successors.iter().find(|s| u64::from(start[**s]) < finish(a)) {
            return Err(Violation::Order(a, *s));
        }
    }
    for at in start {
        let runs = |a: &usize| start[*a] <= *at && u64::from(*at) < finish(*a);
        let running: Vec<usize> = (0..activities.len()).filter(runs).collect();
        for (r, capacity) in problem.capacity().iter().enumerate() {
            let held: u64 = running.iter().map(|a| u64::from(activities[*a].demand[r])).sum();
            if held > u64::from(*capacity) {
                return Err(Violation::Resource(r, *at));
            }
        }
    }
    let latest = (0..activities.len()).map(finish).max().unwrap_or(0);
    if latest == u64::from(makespan) {
        Ok(())
    } else {
        Err(Violation::Makespan(latest))
    }
}
