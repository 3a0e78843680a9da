use super::crossing::Crossing;
use super::network::Network;
use super::random::Random;
use super::serial::Profile;

/// Chance that a child is changed at random as well.
const MUTATION_CHANCE: f64 = 0.5;
/// Neighbours swapped by a mutation, as a share of all activities; more where both parents are the same schedule.
const MUTATION_SHARE: f64 = 0.03;
const MUTATION_SHARE_OF_TWINS: f64 = 0.1;
/// A population is given up when more than one in so many children has twins as parents.
const TWINS_SHARE_DIVISOR: usize = 3;
/// By how much the keys of the first population are disturbed, as a share of the critical path. A population that begins
/// near one priority rule never finds out of its neighbourhood.
const NOISE: f64 = 1.5;
/// How much longer than what it replaces (share of the best makespan) a child typically may be at first; cools to zero.
const TEMPERATURE: f64 = 0.02;
const COOLING: f64 = 0.7;

/// One schedule, as the list that generates the next one on the other side of time.
#[derive(Debug, Clone)]
struct One {
    list: Vec<u16>,
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
    crossing: Crossing,
    populations: [Vec<One>; 2],
    child: One,
    finish: Vec<u32>,
    pub best: Best,
    pub schedules: u64,
    budget: u64,
    /// A makespan that cannot be beaten.
    bound: u32,
    /// Children of this generation whose parents were the same schedule.
    twins: usize,
}

/// Individuals of each population for a budget of schedules.
fn population_size(budget: u64) -> usize {
    let size = 15.0 * (budget as f64 / 1000.0).powf(0.766);
    (size as usize).clamp(4, 400)
}

impl<'a, const W: usize> Search<'a, W> {
    pub fn new(network: &'a Network<W>, seed: u64, budget: u64, bound: u32) -> Self {
        let n = network.n;
        Self {
            network,
            random: Random::new(seed),
            profile: Profile::new(network),
            crossing: Crossing::new(n),
            populations: [Vec::new(), Vec::new()],
            child: One {
                list: vec![0; n],
                fitness: 0,
                digest: 0,
            },
            finish: vec![0; n],
            best: Best {
                makespan: u32::MAX,
                finish: vec![0; n],
                is_backward: false,
            },
            schedules: 0,
            budget,
            bound,
            twins: 0,
        }
    }

    /// Searches until the budget is spent, the bound is met, or `stop` says so (asked once a generation). A population in
    /// which most are the same has nothing left to find out: another one begins.
    pub fn run(&mut self, stop: &mut dyn FnMut() -> bool) {
        let size = population_size(self.budget);
        self.begin(size, true);
        let mut from = 0;
        while !self.is_over() && !stop() {
            let to = 1 - from;
            if self.populations[to].is_empty() {
                self.populations[to] = self.populations[from].clone();
                for i in 0..size {
                    self.child.list.copy_from_slice(&self.populations[from][i].list);
                    self.generate(to);
                    std::mem::swap(&mut self.child, &mut self.populations[to][i]);
                }
                from = to;
                continue;
            }
            self.twins = 0;
            self.generation(from, to);
            from = to;
            if self.twins * TWINS_SHARE_DIVISOR > size {
                self.begin(size, false);
                from = 0;
            }
        }
    }

    /// Samples a first population, packed to the left.
    fn begin(&mut self, size: usize, with_rule: bool) {
        self.populations = [Vec::with_capacity(size), Vec::new()];
        for i in 0..size {
            if i > 0 && self.is_over() {
                return;
            }
            let noise = if i == 0 && with_rule { 0.0 } else { NOISE };
            self.crossing
                .sample(self.network, noise, &mut self.random, &mut self.child.list);
            self.generate(0);
            self.populations[0].push(self.child.clone());
        }
    }

    fn is_over(&self) -> bool {
        self.schedules >= self.budget || self.best.makespan <= self.bound
    }

    fn generation(&mut self, from: usize, to: usize) {
        let left = 1.0 - self.schedules as f64 / self.budget as f64;
        let temperature = TEMPERATURE * f64::from(self.best.makespan) * left.max(0.0).powf(COOLING);
        let fittest = self.populations[to].iter().map(|o| o.fitness).min().unwrap_or(0);
        for i in 0..self.populations[to].len() {
            if self.is_over() {
                return;
            }
            self.conceive(i, from, to);
            self.generate(to);
            let old = self.populations[to][i].fitness;
            let longer = makespan_of(self.child.fitness).saturating_sub(makespan_of(old));
            let is_taken =
                self.child.fitness <= old || (old > fittest && self.random.unit() < (-f64::from(longer) / temperature).exp());
            if is_taken {
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
        let list = &mut self.child.list;
        if father.digest == mother.digest {
            self.twins += 1;
            list.copy_from_slice(&father.list);
            self.crossing.mutate(side, MUTATION_SHARE_OF_TWINS, &mut self.random, list);
        } else {
            self.crossing.cross(&father.list, &mother.list, &mut self.random, list);
            if self.random.unit() < MUTATION_CHANCE {
                self.crossing.mutate(side, MUTATION_SHARE, &mut self.random, list);
            }
        }
    }

    /// Generates the child's schedule on a side and turns its list into that for the other one.
    fn generate(&mut self, to: usize) {
        let side = if to == 0 {
            &self.network.forward
        } else {
            &self.network.backward
        };
        let makespan = self.profile.generate(self.network, side, &self.child.list, &mut self.finish);
        self.schedules += 1;
        if makespan < self.best.makespan {
            self.best.makespan = makespan;
            self.best.finish.copy_from_slice(&self.finish);
            self.best.is_backward = to == 1;
        }
        self.profile.mirrored(&self.finish, makespan, to == 0, &mut self.child.list);
        let late = self
            .finish
            .iter()
            .zip(&self.network.load)
            .map(|(f, load)| u64::from(*f).pow(2) * load / 64);
        self.child.fitness = (u64::from(makespan) << FITNESS_SHIFT) + late.sum::<u64>().min((1 << FITNESS_SHIFT) - 1);
        self.child.digest = digest(&self.finish);
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
