use super::crossing::{Crossing, Line};
use super::lookahead::{Lookahead, Outlook};
use super::manner::Manner;
use super::network::Network;
use super::random::Random;
use super::serial::{Pass, Profile};

/// Chance that a child is changed at random as well.
const MUTATION_CHANCE: f64 = 0.5;
/// Neighbours swapped where both parents are the same schedule, as a share of all activities.
const MUTATION_SHARE_OF_TWINS: f64 = 0.1;
/// A population is given up when more than one in so many children has twins as parents.
const TWINS_SHARE_DIVISOR: usize = 3;
/// By how much the keys of the first population are disturbed, as a share of the critical path. A population that begins
/// near one priority rule never finds out of its neighbourhood.
const NOISE: f64 = 1.5;
/// Most candidates of a pass with look-ahead, and the least handicap in 1/256 time units.
const CANDIDATES_MAX: usize = 16;
const HANDICAP_MIN: u32 = 128;

/// Work is counted in windows of the profile looked at; placing an activity costs about as much as so many of them.
const WORK_PLACED: u64 = 9;
const WORK_PLACED_AHEAD: u64 = 24;
/// Most work of a search that does not look ahead in every pass: so much for each activity of each schedule of the budget,
/// and so much for each activity to begin with. Where profiles are so crowded that this does not suffice, fewer schedules are generated.
const WORK_ACTIVITY_MAX: u64 = 11;
const WORK_ACTIVITY_SPARE: u64 = 140_000;
/// Schedules after which it is estimated how many the work allows.
const SCHEDULES_ESTIMATED: usize = 8;

/// One schedule, as the list that generates the next one on the other side of time.
#[derive(Debug, Clone)]
struct One {
    line: Line,
    /// Makespan in the high bits; among equal ones, less where less work is done late.
    fitness: u64,
    digest: u64,
}

/// The best schedule seen: finish times in one direction of time.
#[derive(Debug, Clone)]
pub(crate) struct Best {
    pub makespan: u32,
    pub finish: Vec<u32>,
    pub is_backward: bool,
}

/// A genetic search over two populations: schedules packed to the left, and to the right. A child of two parents of one
/// side is generated on the other side, so that every single pass both recombines and justifies (the idea of the
/// bi-population algorithm of Debels and Vanhoucke 2005). What a child may replace cools down over the budget.
pub(crate) struct Search<'a, const W: usize> {
    network: &'a Network<W>,
    random: Random,
    profile: Profile<W>,
    lookahead: Lookahead,
    crossing: Crossing,
    populations: [Vec<One>; 2],
    child: One,
    finish: Vec<u32>,
    pub best: Best,
    /// Activities that got a start time, in all passes.
    placed: u64,
    work: u64,
    /// Schedules.
    budget: u64,
    manner: &'static Manner,
    /// A makespan that cannot be beaten.
    bound: u32,
    /// Children of this generation whose parents were the same schedule.
    twins: usize,
}

impl<'a, const W: usize> Search<'a, W> {
    pub fn new(network: &'a Network<W>, seed: u64, budget: u64, bound: u32) -> Self {
        let n = network.n;
        Self {
            network,
            random: Random::new(seed),
            profile: Profile::new(network),
            lookahead: Lookahead::new(n),
            crossing: Crossing::new(n),
            populations: [Vec::new(), Vec::new()],
            child: One {
                line: Line::new(n),
                fitness: 0,
                digest: 0,
            },
            finish: vec![0; n],
            best: Best {
                makespan: u32::MAX,
                finish: vec![0; n],
                is_backward: false,
            },
            placed: 0,
            work: 0,
            budget,
            manner: Manner::of(budget, n),
            bound,
            twins: 0,
        }
    }

    /// Schedules generated; of passes that were given up the share that was placed.
    pub fn schedules(&self) -> u64 {
        self.placed.div_ceil(self.network.n.max(1) as u64)
    }

    /// Searches until the budget is spent, the bound is met, or `stop` says so (asked once a generation). A population in
    /// which most are the same has nothing left to find out: another one begins.
    pub fn run(&mut self, stop: &mut dyn FnMut() -> bool) {
        self.begin();
        let mut from = 0;
        while !self.is_over() && !stop() {
            let to = 1 - from;
            self.twins = 0;
            if self.populations[to].is_empty() {
                self.mirror(from, to);
            } else {
                self.generation(from, to);
            }
            from = to;
            if self.twins * TWINS_SHARE_DIVISOR > self.populations[to].len() {
                self.begin();
                from = 0;
            }
        }
    }

    /// Samples a first population, packed to the left.
    fn begin(&mut self) {
        self.populations = [Vec::new(), Vec::new()];
        let mut noise = if self.placed == 0 { 0.0 } else { NOISE };
        while self.populations[0].len() < self.manner.population_size(self.budget) && !self.is_over() {
            self.crossing
                .sample(self.network, noise, &mut self.random, &mut self.child.line.list);
            self.generate(0, u32::MAX);
            self.populations[0].push(self.child.clone());
            if self.populations[0].len() == SCHEDULES_ESTIMATED {
                self.estimate();
            }
            noise = NOISE;
        }
    }

    /// Lowers the budget to what the work allows, so that size and cooling fit what can be done.
    fn estimate(&mut self) {
        let (n, schedules) = (self.network.n as u64, self.schedules().max(1));
        let windows = (self.work / schedules).saturating_sub(n * WORK_PLACED_AHEAD);
        let ahead = self.manner.lookahead_schedules;
        if self.budget <= ahead {
            return;
        }
        let all = n * (WORK_ACTIVITY_MAX * self.budget + WORK_ACTIVITY_SPARE);
        let left = all.saturating_sub(ahead * (windows + n * WORK_PLACED_AHEAD));
        self.budget = self.budget.min(ahead + left / (windows + n * WORK_PLACED).max(1));
    }

    fn is_over(&self) -> bool {
        let is_spent = self.placed > 0 && self.placed + self.network.n as u64 > self.budget * self.network.n as u64;
        is_spent || self.best.makespan <= self.bound
    }

    /// Packs every individual of one side to the other.
    fn mirror(&mut self, from: usize, to: usize) {
        for i in 0..self.populations[from].len() {
            if self.is_over() {
                return;
            }
            self.child.line.list.copy_from_slice(&self.populations[from][i].line.list);
            self.generate(to, u32::MAX);
            self.populations[to].push(self.child.clone());
        }
    }

    fn generation(&mut self, from: usize, to: usize) {
        let left = 1.0 - self.schedules() as f64 / self.budget as f64;
        let temperature = self.manner.temperature * f64::from(self.best.makespan) * left.max(0.0).powf(self.manner.cooling);
        let fittest = self.populations[to].iter().map(|o| o.fitness).min().unwrap_or(0);
        for i in 0..self.populations[to].len() {
            if self.is_over() {
                return;
            }
            self.conceive(i, from, to);
            // What a child may be longer by is drawn first, so that a pass beyond it need not be finished.
            let old = self.populations[to][i].fitness;
            let longer = if old > fittest {
                -temperature * (1.0 - self.random.unit()).ln()
            } else {
                0.0
            };
            let is_generated = self.generate(to, makespan_of(old).saturating_add(longer as u32));
            if is_generated && (self.child.fitness <= old || old > fittest) {
                std::mem::swap(&mut self.child, &mut self.populations[to][i]);
            }
        }
    }

    /// Makes the list of a child of the i-th individual and the better of two others.
    fn conceive(&mut self, i: usize, from: usize, to: usize) {
        let parents = &self.populations[from];
        let (x, y) = (self.random.below(parents.len()), self.random.below(parents.len()));
        let (father, mother) = (
            &parents[i],
            &parents[if parents[x].fitness <= parents[y].fitness { x } else { y }],
        );
        let side = if to == 0 {
            &self.network.forward
        } else {
            &self.network.backward
        };
        let list = &mut self.child.line.list;
        if father.digest == mother.digest {
            self.twins += 1;
            list.copy_from_slice(&father.line.list);
            self.crossing.mutate(side, MUTATION_SHARE_OF_TWINS, &mut self.random, list);
        } else {
            self.crossing
                .cross(self.manner, &father.line, &mother.line.list, &mut self.random, list);
            if self.random.unit() < MUTATION_CHANCE {
                self.crossing.mutate(side, self.manner.mutation_share, &mut self.random, list);
            }
        }
    }

    /// Generates the child's schedule on a side and turns its list into that for the other one. Returns false, and leaves
    /// the list, if the schedule would be longer than the limit.
    fn generate(&mut self, to: usize, limit: u32) -> bool {
        let pass = self.pass(to, limit);
        self.placed += pass.placed;
        let Some(makespan) = pass.makespan else { return false };
        if makespan < self.best.makespan {
            self.best.makespan = makespan;
            self.best.finish.copy_from_slice(&self.finish);
            self.best.is_backward = to == 1;
        }
        self.profile
            .mirrored(&self.finish, makespan, to == 0, &mut self.child.line.list);
        self.child.line.note(&self.network.load, &self.finish, makespan);
        let late = self
            .finish
            .iter()
            .zip(&self.network.load)
            .map(|(f, load)| u64::from(*f).pow(2) * load / 64);
        self.child.fitness = (u64::from(makespan) << FITNESS_SHIFT) + late.sum::<u64>().min((1 << FITNESS_SHIFT) - 1);
        self.child.digest = digest(&self.finish);
        true
    }

    fn pass(&mut self, to: usize, limit: u32) -> Pass {
        let network = self.network;
        let (side, other) = if to == 0 {
            (&network.forward, &network.backward)
        } else {
            (&network.backward, &network.forward)
        };
        let list = &self.child.line.list;
        if self.schedules() >= self.manner.lookahead_schedules {
            let pass = self.profile.generate(network, side, list, &mut self.finish, limit);
            self.work += pass.windows + pass.placed * WORK_PLACED;
            return pass;
        }
        let outlook = Outlook {
            candidates: 2 + self.random.below(CANDIDATES_MAX - 1),
            handicap: HANDICAP_MIN + (self.manner.handicap_spread * self.random.unit()) as u32,
        };
        let sides = (network, side, other);
        let pass = self
            .lookahead
            .generate(&mut self.profile, sides, list, &mut self.finish, outlook, limit);
        self.work += pass.windows + pass.placed * WORK_PLACED_AHEAD;
        pass
    }
}

/// Bits of a fitness below the makespan.
const FITNESS_SHIFT: u32 = 40;

fn makespan_of(fitness: u64) -> u32 {
    (fitness >> FITNESS_SHIFT) as u32
}

fn digest(finish: &[u32]) -> u64 {
    finish.iter().fold(0xcbf2_9ce4_8422_2325, |digest: u64, f| {
        let mixed = (digest ^ u64::from(*f)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    })
}
