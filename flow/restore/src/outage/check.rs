use super::problem::OutageProblem;

/// What is wrong with a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutageViolation {
    /// Not one start per task, or one end per outage.
    Length,
    /// A task starts before its release.
    Release(usize),
    /// A task starts before one of each group that it waits for is over.
    Order(usize),
    /// More of a resource (first) is held at a time (second) than there is.
    Resource(usize, u32),
    /// An outage does not end when its needs are met.
    Outage(usize),
    /// The cost is another one: this.
    Cost(u64),
}

/// Checks a plan against its problem, time unit by time unit; shares nothing with the planner. Tasks in `fixed` are taken
/// as they are. O(time units · tasks).
pub fn check_outages(problem: &OutageProblem, plan: &super::OutagePlan, fixed: &[usize]) -> Result<(), OutageViolation> {
    let tasks = &problem.tasks;
    if plan.start.len() != tasks.len() || plan.until.len() != problem.outages.len() {
        return Err(OutageViolation::Length);
    }
    let end = |a: &usize| plan.start[*a] + tasks[*a].duration;
    let first = |group: &Vec<usize>| group.iter().map(end).min();
    for (a, task) in tasks.iter().enumerate().filter(|(a, _)| !fixed.contains(a)) {
        if plan.start[a] < task.release {
            return Err(OutageViolation::Release(a));
        }
        if task
            .after
            .iter()
            .any(|group| first(group).is_none_or(|end| end > plan.start[a]))
        {
            return Err(OutageViolation::Order(a));
        }
    }
    let last = (0..tasks.len()).map(|a| end(&a)).max().unwrap_or(0);
    for at in 0..last {
        for (r, resource) in problem.resources.iter().enumerate() {
            let begun = resource.shifts.iter().rfind(|(from, _)| *from <= at);
            let units = begun.map_or(0, |(_, units)| u64::from(*units));
            let runs = |a: &usize| plan.start[*a] <= at && at < end(a);
            let of = |a: usize| {
                tasks[a]
                    .demand
                    .iter()
                    .filter(|(k, _)| *k == r)
                    .map(|(_, u)| u64::from(*u))
                    .sum::<u64>()
            };
            let running: Vec<usize> = (0..tasks.len()).filter(runs).collect();
            let held: u64 = running.iter().map(|a| of(*a)).sum();
            if held > units && running.iter().any(|a| of(*a) > 0 && !fixed.contains(a)) {
                return Err(OutageViolation::Resource(r, at));
            }
        }
    }
    let mut cost = 0;
    for (o, outage) in problem.outages.iter().enumerate() {
        let ends = outage.needs.iter().filter_map(first).max().unwrap_or(0);
        if ends != plan.until[o] {
            return Err(OutageViolation::Outage(o));
        }
        cost += outage.cost(ends);
    }
    if cost == plan.cost {
        Ok(())
    } else {
        Err(OutageViolation::Cost(cost))
    }
}
