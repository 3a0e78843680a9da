use super::problem::{Activity, Problem};

/// Lanes of 16 bits in a word: 15 for units, the highest as a guard that a borrow clears.
pub(crate) const LANES: usize = 4;
pub(crate) const GUARD: u64 = 0x8000_8000_8000_8000;

/// Precedence in one direction of time, as flat lists.
#[derive(Debug, Clone, Default)]
pub(crate) struct Side {
    /// Where the predecessors of an activity begin in `preds`; one more than there are activities.
    pub from: Vec<u32>,
    pub preds: Vec<u16>,
    /// Longest chain from the start of the activity to the end of the project in this direction.
    pub tail: Vec<u32>,
    /// Longest chain before the activity.
    pub head: Vec<u32>,
}

/// A problem as the generation schemes read it: activities renumbered so that all predecessors have lower numbers,
/// demands of four resources in a word.
#[derive(Debug, Clone)]
pub(crate) struct Network<const W: usize> {
    pub n: usize,
    pub duration: Vec<u32>,
    pub demand: Vec<[u64; W]>,
    pub full: [u64; W],
    /// Position in the problem of each activity.
    pub origin: Vec<usize>,
    pub forward: Side,
    pub backward: Side,
    pub horizon: u32,
    /// Work of each activity: duration times the sum over resources of its share of the capacity in thousandths.
    pub load: Vec<u64>,
}

impl<const W: usize> Network<W> {
    pub fn new(problem: &Problem) -> Self {
        let order = problem.order().to_vec();
        let n = order.len();
        let mut number = vec![0_usize; n];
        for (new, old) in order.iter().enumerate() {
            number[*old] = new;
        }
        let of = |new: &usize| &problem.activities()[order[*new]];
        let all: Vec<usize> = (0..n).collect();
        let duration: Vec<u32> = all.iter().map(|a| of(a).duration).collect();
        let demand = all.iter().map(|a| pack(&of(a).demand)).collect();
        let mut before = vec![Vec::new(); n];
        let mut behind = vec![Vec::new(); n];
        for a in &all {
            for s in &of(a).successors {
                before[number[*s]].push(*a as u16);
                behind[*a].push(number[*s] as u16);
            }
        }
        for list in before.iter_mut().chain(&mut behind) {
            list.sort_unstable();
            list.dedup();
        }
        let load = all.iter().map(|a| load(of(a), problem.capacity())).collect();
        let mut full = pack(problem.capacity());
        for word in &mut full {
            *word |= GUARD;
        }
        let heads = chains(&before, &duration, (0..n).collect());
        let tails = chains(&behind, &duration, (0..n).rev().collect());
        let with_own = |chain: &[u32]| chain.iter().zip(&duration).map(|(c, d)| c + d).collect();
        Self {
            n,
            demand,
            full,
            origin: order,
            forward: side(&before, heads.clone(), with_own(&tails)),
            backward: side(&behind, tails.clone(), with_own(&heads)),
            horizon: problem.horizon(),
            duration,
            load,
        }
    }

    /// Length of the longest chain.
    pub fn critical_path(&self) -> u32 {
        self.forward
            .tail
            .iter()
            .zip(&self.forward.head)
            .map(|(t, h)| t + h)
            .max()
            .unwrap_or(0)
    }
}

fn load(activity: &Activity, capacity: &[u32]) -> u64 {
    let shares = activity.demand.iter().zip(capacity).filter(|(_, c)| **c > 0);
    u64::from(activity.duration) * shares.map(|(d, c)| u64::from(*d) * 1000 / u64::from(*c)).sum::<u64>()
}

fn pack<const W: usize>(units: &[u32]) -> [u64; W] {
    let mut words = [0; W];
    for (r, u) in units.iter().enumerate() {
        words[r / LANES] |= u64::from(*u) << (16 * (r % LANES));
    }
    words
}

fn chains(waits_for: &[Vec<u16>], duration: &[u32], order: Vec<usize>) -> Vec<u32> {
    let mut chain = vec![0; duration.len()];
    for a in order {
        let longest = waits_for[a].iter().map(|p| chain[*p as usize] + duration[*p as usize]).max();
        chain[a] = longest.unwrap_or(0);
    }
    chain
}

fn side(waits_for: &[Vec<u16>], head: Vec<u32>, tail: Vec<u32>) -> Side {
    let mut from = vec![0];
    let mut preds = Vec::new();
    for list in waits_for {
        preds.extend_from_slice(list);
        from.push(preds.len() as u32);
    }
    Side { from, preds, tail, head }
}
