use super::manner::Manner;
use super::network::{Network, Side};
use super::random::Random;

/// Chance that the father gives the window instead of what is around it.
const INNER_CHANCE: f64 = 0.25;
/// Windows that are drawn, of which the busiest or least busy is taken.
const WINDOWS_DRAWN: usize = 2;

/// A list, and where the work in it lies.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub list: Vec<u16>,
    /// Time at each place, on the side that the list is for, and the whole at the end.
    pub time: Vec<u32>,
    /// Work of all that stands before each place, and of all at the end.
    pub work: Vec<u64>,
}

impl Line {
    pub fn new(n: usize) -> Self {
        Self {
            list: vec![0; n],
            time: vec![0; n + 1],
            work: vec![0; n + 1],
        }
    }

    /// Notes times and work for the list that generates the mirror image of a schedule.
    pub fn note(&mut self, load: &[u64], finish: &[u32], makespan: u32) {
        let mut work = 0;
        for (i, a) in self.list.iter().enumerate() {
            let a = usize::from(*a);
            self.time[i] = makespan - finish[a];
            self.work[i] = work;
            work += load[a];
        }
        if let (Some(time), Some(all)) = (self.time.last_mut(), self.work.last_mut()) {
            (*time, *all) = (makespan, work);
        }
    }

    fn density(&self, from: usize, until: usize) -> f64 {
        (self.work[until] - self.work[from]) as f64 / f64::from(self.time[until] - self.time[from]).max(1.0)
    }
}

/// Makes lists out of lists; every list has what an activity waits for before it.
#[derive(Debug, Clone)]
pub(crate) struct Crossing {
    group: Vec<u8>,
    keys: Vec<(u64, u16)>,
}

impl Crossing {
    pub fn new(n: usize) -> Self {
        Self {
            group: vec![0; n],
            keys: vec![(0, 0); n],
        }
    }

    /// Two-point crossover: activities keep the part of the list (before, inside or behind a window) that the father has
    /// them in, and stand in the mother's order either inside the window or outside of it. A window that the father keeps
    /// is rather one in which he is busy, one that he gives away one in which he is not (the peaks of Valls, Ballestin and
    /// Quintanilla 2008). O(activities).
    pub fn cross(&mut self, manner: &Manner, father: &Line, mother: &[u16], random: &mut Random, child: &mut [u16]) {
        let n = father.list.len();
        let length = ((manner.window_share_min + manner.window_share_spread * random.unit()) * n as f64) as usize;
        let is_inner_fathers = random.unit() < INNER_CHANCE;
        let mut from = random.below(n - length + 1);
        for _ in 1..WINDOWS_DRAWN {
            let other = random.below(n - length + 1);
            let is_busier = father.density(other, other + length) > father.density(from, from + length);
            if is_busier == is_inner_fathers {
                from = other;
            }
        }
        let until = from + length;
        let father = &father.list;
        self.group.fill(1);
        for a in &father[..from] {
            self.group[usize::from(*a)] = 0;
        }
        for a in &father[until..] {
            self.group[usize::from(*a)] = 2;
        }
        child.copy_from_slice(father);
        let mut next = [0, from, until];
        for a in mother {
            let group = usize::from(self.group[usize::from(*a)]);
            if (group == 1) != is_inner_fathers {
                child[next[group]] = *a;
                next[group] += 1;
            }
        }
    }

    /// Swaps neighbours that do not wait for each other, a share of the list's length (at least one try).
    pub fn mutate(&mut self, side: &Side, share: f64, random: &mut Random, list: &mut [u16]) {
        let n = list.len();
        if n < 2 {
            return;
        }
        for _ in 0..((share * n as f64) as usize).max(1) {
            let i = random.below(n - 1);
            let (first, second) = (list[i], usize::from(list[i + 1]));
            if !side.preds[side.from[second] as usize..side.from[second + 1] as usize].contains(&first) {
                list.swap(i, i + 1);
            }
        }
    }

    /// A list by latest start times (as for a makespan of the critical path), each disturbed by up to half of `noise`
    /// critical paths. O(activities · log activities + arcs).
    pub fn sample<const W: usize>(&mut self, network: &Network<W>, noise: f64, random: &mut Random, list: &mut [u16]) {
        let path = f64::from(network.critical_path());
        let side = &network.forward;
        for a in 0..network.n {
            let latest = path - f64::from(side.tail[a]) + noise * path * (random.unit() - 0.5);
            let own = ((latest + noise * path) * 1024.0) as u64;
            let preds = &side.preds[side.from[a] as usize..side.from[a + 1] as usize];
            let waited = preds.iter().map(|p| self.keys[usize::from(*p)].0).max();
            self.keys[a] = (own.max(waited.unwrap_or(0)), a as u16);
        }
        let mut sorted = std::mem::take(&mut self.keys);
        sorted.sort_unstable();
        for (place, key) in list.iter_mut().zip(&sorted) {
            *place = key.1;
        }
        self.keys = sorted;
    }
}
