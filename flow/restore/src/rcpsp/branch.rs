use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::problem::Problem;

/// Nodes after which a proof is given up.
pub const NODES_PROOF_MAX: u64 = 20_000_000;
/// Nodes of the first try in each direction of time; doubled until something is found out.
const NODES_FIRST: u64 = 20_000;
/// Remembered partial schedules.
const REMEMBERED_MAX: usize = 4_000_000;
/// Most activities: a set of them is one word.
const ACTIVITIES_WORD_MAX: usize = 128;

/// What the search for a schedule within a deadline found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Start times.
    Found(Vec<u32>),
    /// There is none.
    None,
    /// Given up at the limit of nodes.
    Open,
}

/// Looks for a schedule that is over by the deadline. Depth-first over minimal delaying alternatives with the left-shift
/// and cutset rules (Demeulemeester and Herroelen 1992, 1997), bounded by precedence and by each resource's remaining
/// work; forward and backward in time by turns. Exponential; at most `nodes_max` nodes.
pub(crate) fn within(problem: &Problem, deadline: u32, nodes_max: u64) -> Answer {
    if problem.activities().len() > ACTIVITIES_WORD_MAX {
        return Answer::Open;
    }
    let (mut spent, mut limit) = (0, NODES_FIRST);
    while spent < nodes_max {
        for is_backward in [false, true] {
            let mut tree = Tree::new(problem, deadline, limit.min(nodes_max - spent), is_backward);
            let empty = vec![0; problem.activities().len()];
            let answer = tree.explore(0, empty, 0);
            spent += tree.nodes;
            match answer {
                Answer::Open if spent < nodes_max => {}
                Answer::Found(starts) if is_backward => return Answer::Found(mirrored(problem, &starts, deadline)),
                other => return other,
            }
        }
        limit *= 4;
    }
    Answer::Open
}

fn mirrored(problem: &Problem, starts: &[u32], deadline: u32) -> Vec<u32> {
    let finish = |(start, activity): (&u32, &super::Activity)| deadline - start - activity.duration;
    let back: Vec<u32> = starts.iter().zip(problem.activities()).map(finish).collect();
    let first = back.iter().min().copied().unwrap_or(0);
    back.iter().map(|b| b - first).collect()
}

/// A partial schedule that was explored: its time, and who was still at work then.
struct Seen {
    time: u32,
    running: Vec<(u8, u32)>,
}

#[derive(Default)]
struct SetHasher(u64);

impl Hasher for SetHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let word = chunk.iter().rev().fold(0_u64, |w, b| w << 8 | u64::from(*b));
            self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.0 ^= self.0 >> 29;
        }
    }
}

struct Tree {
    n: usize,
    duration: Vec<u32>,
    demand: Vec<Vec<u32>>,
    capacity: Vec<u32>,
    preds: Vec<u128>,
    tails: Vec<u32>,
    /// Who can never be at work together with an activity.
    excludes: Vec<u128>,
    deadline: u32,
    seen: HashMap<u128, Vec<Seen>, BuildHasherDefault<SetHasher>>,
    remembered: usize,
    nodes: u64,
    nodes_max: u64,
}

impl Tree {
    fn new(problem: &Problem, deadline: u32, nodes_max: u64, is_backward: bool) -> Self {
        let activities = problem.activities();
        let n = activities.len();
        let mut preds = vec![0_u128; n];
        for (a, activity) in activities.iter().enumerate() {
            for s in &activity.successors {
                if is_backward {
                    preds[a] |= 1 << *s;
                } else {
                    preds[*s] |= 1 << a;
                }
            }
        }
        let duration: Vec<u32> = activities.iter().map(|a| a.duration).collect();
        let mut order = problem.order().to_vec();
        if is_backward {
            order.reverse();
        }
        let behind = closure(&preds, &order);
        let mut tails = vec![0; n];
        for a in order.iter().rev() {
            tails[*a] = duration[*a] + chain_behind(problem, &tails, behind[*a]);
        }
        let meets = |a: usize, b: usize| {
            let fits = |r: usize| activities[a].demand[r] + activities[b].demand[r] <= problem.capacity()[r];
            behind[a] >> b & 1 == 0 && behind[b] >> a & 1 == 0 && (0..problem.capacity().len()).all(fits)
        };
        let excluded = |a: usize| {
            (0..n)
                .filter(|b| *b != a && !meets(a, *b))
                .fold(0, |set, b| set | 1_u128 << b)
        };
        Self {
            n,
            excludes: (0..n).map(excluded).collect(),
            duration,
            demand: activities.iter().map(|a| a.demand.clone()).collect(),
            capacity: problem.capacity().to_vec(),
            preds,
            tails,
            deadline,
            seen: HashMap::default(),
            remembered: 0,
            nodes: 0,
            nodes_max,
        }
    }

    /// Explores a partial schedule: who is placed, their finish times, the time of the decision.
    /// What turns out to lead nowhere is remembered only then: an ancestor must not forbid its own continuation.
    fn explore(&mut self, placed: u128, finish: Vec<u32>, time: u32) -> Answer {
        let mut passed = Vec::new();
        let answer = self.descend(placed, finish, time, &mut passed);
        if answer == Answer::None {
            for (placed, seen) in passed {
                if self.remembered < REMEMBERED_MAX {
                    self.remembered += 1;
                    self.seen.entry(placed).or_default().push(seen);
                }
            }
        }
        answer
    }

    fn descend(&mut self, mut placed: u128, mut finish: Vec<u32>, mut time: u32, passed: &mut Vec<(u128, Seen)>) -> Answer {
        let all = if self.n == ACTIVITIES_WORD_MAX {
            u128::MAX
        } else {
            (1 << self.n) - 1
        };
        loop {
            if placed == all {
                return Answer::Found(finish.iter().zip(&self.duration).map(|(f, d)| f - d).collect());
            }
            let running: Vec<usize> = members(placed).filter(|a| finish[*a] > time).collect();
            let over = running.iter().fold(placed, |set, a| set & !(1 << *a));
            let ready: Vec<usize> = members(all & !placed).filter(|a| self.preds[*a] & !over == 0).collect();
            let next_finish = running.iter().map(|a| finish[*a]).min();
            if ready.is_empty() {
                let Some(next) = next_finish else { return Answer::None };
                time = next;
                continue;
            }
            // What takes no time never stands in anybody's way.
            if let Some(at_once) = ready.iter().find(|a| self.duration[**a] == 0) {
                placed |= 1 << *at_once;
                finish[*at_once] = time;
                continue;
            }
            self.nodes += 1;
            if self.nodes > self.nodes_max {
                return Answer::Open;
            }
            if self.is_late(placed, &running, &finish, time, all) || self.is_dominated(placed, &finish, time) {
                return Answer::None;
            }
            passed.push((
                placed,
                Seen {
                    time,
                    running: running.iter().map(|a| (*a as u8, finish[*a])).collect(),
                },
            ));
            let together: Vec<usize> = running.iter().chain(&ready).copied().collect();
            for a in &ready {
                finish[*a] = time + self.duration[*a];
                placed |= 1 << *a;
            }
            let excess = self.excess(&together);
            if excess.iter().all(|e| *e <= 0) {
                time = together.iter().map(|a| finish[*a]).min().unwrap_or(time);
                continue;
            }
            return self.branch(placed, &finish, time, &together, running.len(), &excess);
        }
    }

    /// Tries every minimal set of activities whose delay ends the conflict, the most promising first.
    fn branch(&mut self, placed: u128, finish: &[u32], time: u32, together: &[usize], old: usize, excess: &[i64]) -> Answer {
        let mut alternatives = Vec::new();
        self.delaying(together, 0, &mut Vec::new(), excess, &mut alternatives);
        let mut ranked: Vec<(u32, u32, Vec<usize>)> = Vec::new();
        for delayed in alternatives {
            let stay = together.iter().filter(|a| !delayed.contains(a));
            let Some(next) = stay.map(|a| finish[*a]).min() else {
                continue;
            };
            let latest = delayed.iter().map(|a| next + self.tails[*a]).max().unwrap_or(0);
            if latest <= self.deadline && !self.shifts_left(&delayed, finish, time, together, old, placed) {
                ranked.push((latest, next, delayed));
            }
        }
        ranked.sort();
        for (_, next, delayed) in ranked {
            let rest = delayed.iter().fold(placed, |set, a| set & !(1 << *a));
            match self.explore(rest, finish.to_vec(), next) {
                Answer::None => {}
                other => return other,
            }
        }
        Answer::None
    }

    fn excess(&self, together: &[usize]) -> Vec<i64> {
        let held = |r: usize| together.iter().map(|a| i64::from(self.demand[*a][r])).sum::<i64>();
        (0..self.capacity.len())
            .map(|r| held(r) - i64::from(self.capacity[r]))
            .collect()
    }

    fn delaying(&self, among: &[usize], from: usize, chosen: &mut Vec<usize>, excess: &[i64], found: &mut Vec<Vec<usize>>) {
        if excess.iter().all(|e| *e <= 0) {
            let needed = |a: &usize| excess.iter().zip(&self.demand[*a]).any(|(e, d)| e + i64::from(*d) > 0);
            if chosen.iter().all(needed) {
                found.push(chosen.clone());
            }
            return;
        }
        for i in from..among.len() {
            let left: Vec<i64> = excess
                .iter()
                .zip(&self.demand[among[i]])
                .map(|(e, d)| e - i64::from(*d))
                .collect();
            chosen.push(among[i]);
            self.delaying(among, i + 1, chosen, &left, found);
            chosen.pop();
        }
    }

    /// Left-shift rule: if something that had begun before is delayed, nothing that begins now may have room to begin one
    /// time unit sooner.
    fn shifts_left(&self, delayed: &[usize], finish: &[u32], time: u32, together: &[usize], old: usize, placed: u128) -> bool {
        if time == 0 || !delayed.iter().any(|d| together[..old].contains(d)) {
            return false;
        }
        let before = |a: &usize| finish[*a] >= time && finish[*a] - self.duration[*a] < time && !delayed.contains(a);
        let then: Vec<usize> = members(placed).filter(|a| self.duration[*a] > 0).filter(before).collect();
        together[old..].iter().filter(|a| !delayed.contains(a)).any(|a| {
            let waits = members(self.preds[*a]).any(|p| finish[p] >= time);
            let fits = |r: usize| then.iter().map(|b| self.demand[*b][r]).sum::<u32>() + self.demand[*a][r] <= self.capacity[r];
            !waits && (0..self.capacity.len()).all(fits)
        })
    }

    /// Whether what is left cannot be over in time: by precedence, by sets whose members exclude each other, or by the
    /// work that must fall before some time.
    fn is_late(&self, placed: u128, running: &[usize], finish: &[u32], time: u32, all: u128) -> bool {
        let waiting = all & !placed;
        let left = self.deadline.saturating_sub(time);
        if members(waiting).any(|a| self.tails[a] > left) {
            return true;
        }
        let under_way = running.iter().fold(0_u128, |set, a| set | 1 << *a);
        let remains = |a: usize| {
            if under_way >> a & 1 == 1 {
                finish[a] - time
            } else {
                self.duration[a]
            }
        };
        members(waiting).any(|a| self.packed(a, waiting | under_way, &remains) > left)
            || (0..self.capacity.len()).any(|r| self.is_overloaded(r, waiting, running, finish, time, left))
    }

    /// Sum of the remaining times of activities that exclude each other, chosen greedily from one on (Mingozzi et al.
    /// 1998, node packing), with the shortest tail behind them.
    fn packed(&self, first: usize, open: u128, remains: &dyn Fn(usize) -> u32) -> u32 {
        let (mut sum, mut behind) = (remains(first), self.tails[first] - self.duration[first]);
        let mut candidates = open & self.excludes[first];
        while candidates != 0 {
            let next = candidates.trailing_zeros() as usize;
            candidates &= self.excludes[next] & !(1 << next);
            sum += remains(next);
            behind = behind.min(self.tails[next] - self.duration[next]);
        }
        sum + behind
    }

    /// Whether the work on one resource that must fall before some later time is more than fits.
    fn is_overloaded(&self, r: usize, waiting: u128, running: &[usize], finish: &[u32], time: u32, left: u32) -> bool {
        let begun: Vec<(u32, u32)> = running.iter().map(|a| (finish[*a] - time, self.demand[*a][r])).collect();
        // Duration, demand, and latest finish from now.
        let work: Vec<(u32, u32, u32)> = members(waiting)
            .filter(|a| self.demand[*a][r] > 0)
            .map(|a| (self.duration[a], self.demand[a][r], left + self.duration[a] - self.tails[a]))
            .collect();
        let mut ends: Vec<u32> = work.iter().map(|(_, _, latest)| *latest).collect();
        ends.sort_unstable();
        ends.dedup();
        ends.iter().any(|end| {
            let held: u32 = begun.iter().map(|(rest, demand)| rest.min(end) * demand).sum();
            let inside =
                |(duration, demand, latest): &(u32, u32, u32)| duration.saturating_sub(latest.saturating_sub(*end)) * demand;
            held + work.iter().map(inside).sum::<u32>() > end * self.capacity[r]
        })
    }

    /// Cutset rule: the same activities were placed before, no later, and whoever is at work longer than now ends no later.
    fn is_dominated(&self, placed: u128, finish: &[u32], time: u32) -> bool {
        let no_later = |s: &Seen| s.time <= time && s.running.iter().all(|(a, f)| *f <= time || *f <= finish[usize::from(*a)]);
        self.seen.get(&placed).is_some_and(|seen| seen.iter().any(no_later))
    }
}

/// All that waits for an activity, directly or not.
fn closure(preds: &[u128], order: &[usize]) -> Vec<u128> {
    let mut behind = vec![0_u128; preds.len()];
    for a in order.iter().rev() {
        for p in members(preds[*a]) {
            behind[p] |= behind[*a] | 1 << *a;
        }
    }
    behind
}

/// How long at least the activities of a set take, with what must follow them.
fn chain_behind(problem: &Problem, tails: &[u32], set: u128) -> u32 {
    let activities = problem.activities();
    let longest = members(set).map(|a| tails[a]).max().unwrap_or(0);
    let mut rest: Vec<(u32, usize)> = members(set).map(|a| (tails[a] - activities[a].duration, a)).collect();
    rest.sort_unstable_by(|x, y| y.cmp(x));
    let mut longest = longest;
    for (r, capacity) in problem.capacity().iter().enumerate().filter(|(_, c)| **c > 0) {
        let mut work = 0;
        for (behind, a) in &rest {
            work += activities[*a].duration * activities[*a].demand[r];
            longest = longest.max(work.div_ceil(*capacity) + behind);
        }
    }
    longest
}

fn members(mut set: u128) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (set != 0).then(|| {
            let first = set.trailing_zeros() as usize;
            set &= set - 1;
            first
        })
    })
}
