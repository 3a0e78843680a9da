use super::decode::until;
use super::plan::OutagePlan;
use super::prepare::Prepared;
use super::problem::{OutageProblem, OutageProblemError};

/// Returns the latest start of each task at which no outage of the plan ends later: the plan packed to the right. What lies between
/// its planned and its latest start is its slack; a task without slack is critical.
///
/// A step waits for the alternative that its plan took, and shares crews and places as planned or later: so the slack is that of a
/// schedule with resources (Wiest 1964, Bowers 1995), not only of a network. What is after a step uses up its own slack at the same time;
/// the slack of one chain is shared by all its steps. Tasks in `fixed` stay. O(tasks · (tasks + time units)).
pub fn latest_starts(problem: &OutageProblem, plan: &OutagePlan, fixed: &[(usize, u32)]) -> Result<Vec<u32>, OutageProblemError> {
    let prepared = Prepared::new(problem, fixed, 0)?;
    let tasks = &problem.tasks;
    let finish: Vec<u32> = plan.start.iter().zip(tasks).map(|(s, t)| s + t.duration).collect();
    let last = finish.iter().copied().max().unwrap_or(0).min(prepared.horizon as u32);
    let mut latest = plan.start.clone();
    let mut free = prepared.base.clone();
    let mut deadline = vec![last; tasks.len()];
    for outage in &problem.outages {
        let end = until(&outage.needs, &finish);
        for a in outage.needs.iter().filter_map(|group| taken(group, &finish)) {
            deadline[a] = deadline[a].min(end);
        }
    }
    for a in from_the_end(problem, plan, &finish) {
        let task = &tasks[a];
        if prepared.fixed[a].is_none() {
            let demand = &prepared.demand[a];
            // There is room where it is planned: all that was shifted before it ends no sooner there.
            let room = free.latest(demand, deadline[a], task.duration).unwrap_or(plan.start[a]);
            latest[a] = room.max(plan.start[a]);
            free.take_left(demand, latest[a] as usize, (latest[a] + task.duration) as usize);
        }
        for b in task.after.iter().filter_map(|group| taken(group, &finish)) {
            deadline[b] = deadline[b].min(latest[a]);
        }
    }
    Ok(latest)
}

/// The alternative that a plan waits for.
fn taken(group: &[usize], finish: &[u32]) -> Option<usize> {
    group.iter().copied().min_by_key(|a| (finish[*a], *a))
}

/// Tasks so that whatever waits for a task stands before it, and later ends before earlier ones.
fn from_the_end(problem: &OutageProblem, plan: &OutagePlan, finish: &[u32]) -> Vec<usize> {
    let tasks = &problem.tasks;
    let mut waiting = vec![0_u32; tasks.len()];
    for b in tasks.iter().flat_map(|t| &t.after).filter_map(|group| taken(group, finish)) {
        waiting[b] += 1;
    }
    let key = |a: usize| (finish[a], plan.start[a], a);
    let mut open: std::collections::BTreeSet<(u32, u32, usize)> =
        (0..tasks.len()).filter(|a| waiting[*a] == 0).map(key).collect();
    let mut order = Vec::with_capacity(tasks.len());
    while let Some((_, _, a)) = open.pop_last() {
        order.push(a);
        for b in tasks[a].after.iter().filter_map(|group| taken(group, finish)) {
            waiting[b] -= 1;
            if waiting[b] == 0 {
                open.insert(key(b));
            }
        }
    }
    order
}
