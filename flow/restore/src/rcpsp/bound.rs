use super::problem::Problem;

/// Returns the length of the longest chain of activities. O(activities + arcs).
pub fn critical_path(problem: &Problem) -> u32 {
    let (heads, tails) = heads_and_tails(problem);
    heads.iter().zip(&tails).map(|(h, t)| h + t).max().unwrap_or(0)
}

/// Earliest starts, and the longest chain from each start to the end (own duration included), by precedence alone.
pub(crate) fn heads_and_tails(problem: &Problem) -> (Vec<u32>, Vec<u32>) {
    let activities = problem.activities();
    let (mut heads, mut tails) = (vec![0; activities.len()], vec![0; activities.len()]);
    for a in problem.order() {
        for s in &activities[*a].successors {
            heads[*s] = heads[*s].max(heads[*a] + activities[*a].duration);
        }
    }
    for a in problem.order().iter().rev() {
        let behind = activities[*a].successors.iter().map(|s| tails[*s]).max();
        tails[*a] = activities[*a].duration + behind.unwrap_or(0);
    }
    (heads, tails)
}

/// Returns a makespan that no schedule can go below: the critical path, the work of each resource over its capacity, and
/// the least makespan that energetic reasoning (Erschler and Lopez 1990; Baptiste, Le Pape and Nuijten 1999, the
/// intervals between earliest starts and latest finishes) does not refute (destructive improvement, Klein and Scholl
/// 1999). O(log(horizon) · activities³ · resources).
pub fn lower_bound(problem: &Problem, upper: u32) -> u32 {
    let work = |r: usize| -> u64 {
        let all = problem.activities().iter();
        all.map(|a| u64::from(a.duration) * u64::from(a.demand[r])).sum()
    };
    let filled = |r: usize| work(r).div_ceil(u64::from(problem.capacity()[r]).max(1)) as u32;
    let by_work = (0..problem.capacity().len()).map(filled).max().unwrap_or(0);
    let mut low = critical_path(problem).max(by_work);
    let mut high = upper;
    if low >= high || problem.activities().len() > ENERGY_ACTIVITIES_MAX {
        return low;
    }
    let (heads, tails) = heads_and_tails(problem);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_refuted(problem, &heads, &tails, middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// Most activities for which energetic reasoning is tried.
pub(crate) const ENERGY_ACTIVITIES_MAX: usize = 200;

/// Whether some interval of time needs more of a resource than there is, if all must be over by `deadline`.
fn is_refuted(problem: &Problem, heads: &[u32], tails: &[u32], deadline: u32) -> bool {
    let activities = problem.activities();
    if heads.iter().zip(tails).any(|(h, t)| h + t > deadline) {
        return true;
    }
    let latest: Vec<u32> = tails.iter().map(|t| deadline - t).collect();
    let mut begins: Vec<u32> = heads.to_vec();
    begins.extend(latest.iter().copied());
    let mut ends: Vec<u32> = latest.iter().zip(activities).map(|(l, a)| l + a.duration).collect();
    ends.extend(heads.iter().zip(activities).map(|(h, a)| h + a.duration));
    for list in [&mut begins, &mut ends] {
        list.sort_unstable();
        list.dedup();
    }
    for (r, capacity) in problem.capacity().iter().enumerate() {
        let users: Vec<usize> = (0..activities.len())
            .filter(|a| activities[*a].demand[r] > 0 && activities[*a].duration > 0)
            .collect();
        for begin in &begins {
            for end in ends.iter().filter(|e| *e > begin) {
                let inside = |a: &usize| {
                    let duration = activities[*a].duration;
                    let left = (heads[*a] + duration).saturating_sub(*begin);
                    let right = end.saturating_sub(latest[*a]);
                    u64::from(left.min(right).min(duration).min(end - begin)) * u64::from(activities[*a].demand[r])
                };
                if users.iter().map(inside).sum::<u64>() > u64::from(*capacity) * u64::from(end - begin) {
                    return true;
                }
            }
        }
    }
    false
}
