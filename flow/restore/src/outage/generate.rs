use super::problem::{Outage, OutageProblem, Resource, Task};
use crate::rcpsp::Random;

/// Makes up a recovery of about this many tasks: layers of systems with alternatives, crews in shifts, a backup store's
/// bandwidth, clean-room slots, and services that insurers wait for. The same seed gives the same problem. O(tasks²).
pub fn generated_recovery(tasks: usize, seed: u64) -> OutageProblem {
    let mut random = Random::new(seed ^ 0x6c65_636b_7765_6872);
    let crews = 3 + random.below(2);
    let mut resources: Vec<Resource> = (0..crews).map(|_| crew(&mut random)).collect();
    let (store, room) = (crews, crews + 1);
    resources.push(Resource { shifts: vec![(0, 10)] });
    resources.push(Resource {
        shifts: vec![(0, 2 + random.below(2) as u32)],
    });
    let mut all = Vec::new();
    // Each system is three tasks: restore (bandwidth, one hand), clean-room check (slot, hands), reconnect (hand).
    let mut done_by: Vec<usize> = Vec::new();
    let systems = (tasks / 3).max(1);
    for system in 0..systems {
        let crew = random.below(crews);
        let first = all.len();
        let mut after = Vec::new();
        if system > 0 {
            for _ in 0..random.below(3) {
                let near = system.min(12);
                let mut group: Vec<usize> = (0..1 + usize::from(random.below(4) == 0))
                    .map(|_| done_by[system - 1 - random.below(near)])
                    .collect();
                group.sort_unstable();
                group.dedup();
                after.push(group);
            }
        }
        let release = if random.below(5) == 0 { random.below(40) as u32 } else { 0 };
        all.push(Task {
            duration: 2 + random.below(10) as u32,
            demand: vec![(store, 2 + random.below(5) as u32), (crew, 1)],
            release,
            after,
        });
        all.push(Task {
            duration: 1 + random.below(6) as u32,
            demand: vec![(room, 1), (crew, 1 + random.below(2) as u32)],
            release: 0,
            after: vec![vec![first]],
        });
        all.push(Task {
            duration: 1 + random.below(3) as u32,
            demand: vec![(random.below(crews), 1)],
            release: 0,
            after: vec![vec![first + 1]],
        });
        done_by.push(first + 2);
    }
    let outages = (0..(systems / 2).max(2))
        .map(|_| outage(&mut random, &done_by, tasks as u32))
        .collect();
    OutageProblem {
        resources,
        tasks: all,
        outages,
    }
}

/// A crew of two to four by day, half of it by night; a day has 24 time units.
fn crew(random: &mut Random) -> Resource {
    let by_day = 2 + random.below(3) as u32;
    let mut shifts = Vec::new();
    for day in 0..200 {
        shifts.push((24 * day, by_day));
        shifts.push((24 * day + 16, by_day.div_ceil(2).max(2)));
    }
    Resource { shifts }
}

fn outage(random: &mut Random, done_by: &[usize], tasks: u32) -> Outage {
    let needs = (0..1 + random.below(3))
        .map(|_| {
            let mut group: Vec<usize> = (0..1 + usize::from(random.below(4) == 0))
                .map(|_| done_by[random.below(done_by.len())])
                .collect();
            group.sort_unstable();
            group.dedup();
            group
        })
        .collect();
    let weight = 1 + random.below(20) as u64;
    Outage {
        needs,
        weight,
        breach_at: 20 + random.below(tasks as usize * 2) as u32,
        breach_step: weight * (20 + random.below(40) as u64),
        breach_weight: weight * random.below(4) as u64,
    }
}
