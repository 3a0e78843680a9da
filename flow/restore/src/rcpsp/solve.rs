use super::bound::{critical_path, lower_bound};
use super::branch::{Answer, within};
use super::network::{LANES, Network};
use super::problem::Problem;
use super::search::Search;

/// How long to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Schedules to generate at most, per round.
    pub schedules: u64,
    /// Where all choices come from.
    pub seed: u64,
    /// Nodes to spend on improving and proving afterwards; 0 for none. At most [`super::NODES_PROOF_MAX`] make sense.
    pub proof_nodes: u64,
    /// Rounds, each with a seed of its own; more than one for "until told to stop".
    pub rounds: u32,
}

/// A schedule and what is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Solution {
    /// Start time of each activity.
    pub start: Vec<u32>,
    /// Latest finish.
    pub makespan: u32,
    /// No schedule is shorter than this.
    pub bound: u32,
    /// Schedules generated.
    pub schedules: u64,
}

impl Solution {
    /// Whether no schedule is shorter.
    pub fn is_proved(&self) -> bool {
        self.bound == self.makespan
    }
}

/// Looks for a short schedule. The same arguments give the same solution, if `stop` never says so; it is asked after
/// every generation of the search. The first schedule is by latest start times, so there is one whenever it stops.
/// O(schedules · activities · (arcs per activity + time units looked at)).
pub fn solve(problem: &Problem, effort: &Effort, stop: &mut dyn FnMut() -> bool) -> Solution {
    let mut solution = match problem.capacity().len().div_ceil(LANES) {
        0 | 1 => search::<1>(problem, effort, stop),
        2 => search::<2>(problem, effort, stop),
        3 | 4 => search::<4>(problem, effort, stop),
        _ => search::<16>(problem, effort, stop),
    };
    if effort.proof_nodes > 0 {
        solution.bound = solution.bound.max(lower_bound(problem, solution.makespan));
        while solution.bound < solution.makespan {
            match within(problem, solution.makespan - 1, effort.proof_nodes) {
                Answer::None => solution.bound = solution.makespan,
                Answer::Open => break,
                Answer::Found(start) => {
                    let finish = start.iter().zip(problem.activities()).map(|(s, a)| s + a.duration);
                    solution.makespan = finish.max().unwrap_or(0);
                    solution.start = start;
                }
            }
        }
    }
    solution
}

fn search<const W: usize>(problem: &Problem, effort: &Effort, stop: &mut dyn FnMut() -> bool) -> Solution {
    let network = Network::<W>::new(problem);
    if network.n == 0 {
        return Solution {
            start: Vec::new(),
            makespan: 0,
            bound: 0,
            schedules: 0,
        };
    }
    let bound = critical_path(problem);
    let (mut best, mut schedules) = (None, 0);
    for round in 0..effort.rounds.max(1) {
        let mut search = Search::new(
            &network,
            effort.seed.wrapping_add(u64::from(round)),
            effort.schedules.max(1),
            bound,
        );
        search.run(stop);
        schedules += search.schedules();
        let found = search.best;
        if best
            .as_ref()
            .is_none_or(|b: &super::search::Best| found.makespan < b.makespan)
        {
            best = Some(found);
        }
        if best.as_ref().is_some_and(|b| b.makespan <= bound) || stop() {
            break;
        }
    }
    let mut solution = Solution {
        start: vec![0; network.n],
        makespan: 0,
        bound,
        schedules,
    };
    if let Some(best) = best {
        solution.makespan = best.makespan;
        for (a, origin) in network.origin.iter().enumerate() {
            let finish = best.finish[a];
            solution.start[*origin] = if best.is_backward {
                best.makespan - finish
            } else {
                finish - network.duration[a]
            };
        }
    }
    solution
}
