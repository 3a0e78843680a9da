use super::network::{Network, Side};
use super::serial::{Pass, Profile, earliest, take};

/// Time units of a handicap are counted in this many parts.
const HANDICAP_PARTS_LOG2: u32 = 8;

/// How far a pass looks ahead in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outlook {
    /// Activities that compete to be placed next.
    pub candidates: usize,
    /// By how much later an activity counts for each competitor before it in the list, in parts of a time unit.
    pub handicap: u32,
}

/// What a pass with look-ahead needs beside the profile; allocated once.
#[derive(Debug, Clone)]
pub(crate) struct Lookahead {
    /// Places of the list whose activity waits for nothing unplaced, as bits.
    ready: Vec<u64>,
    place: Vec<u16>,
    /// Earliest start as known so far: the profile only gets fuller, so that it only grows.
    earliest: Vec<u32>,
    waits: Vec<u16>,
}

impl Lookahead {
    pub fn new(activities: usize) -> Self {
        Self {
            ready: vec![0; activities.div_ceil(64)],
            place: vec![0; activities],
            earliest: vec![0; activities],
            waits: vec![0; activities],
        }
    }

    fn begin(&mut self, side: &Side, list: &[u16]) {
        self.ready.fill(0);
        self.earliest.fill(0);
        for (i, a) in list.iter().enumerate() {
            let a = usize::from(*a);
            self.place[a] = i as u16;
            self.waits[a] = (side.from[a + 1] - side.from[a]) as u16;
            if self.waits[a] == 0 {
                self.ready[i / 64] |= 1 << (i % 64);
            }
        }
    }

    /// Generation that looks ahead: of the first activities of the list that wait for nothing unplaced, the one goes next
    /// that can start soonest, handicaps added. Between the serial scheme (one candidate) and the parallel one (all, no
    /// handicap; Kolisch 1996). Each activity is placed once, as in any pass. `from` and `to` are the predecessors and the
    /// successors in this direction of time; for the rest see [`Profile::generate`].
    pub fn generate<const W: usize>(
        &mut self,
        profile: &mut Profile<W>,
        (network, side, successors): (&Network<W>, &Side, &Side),
        list: &[u16],
        finish: &mut [u32],
        outlook: Outlook,
        limit: u32,
    ) -> Pass {
        self.begin(side, list);
        profile.free[..profile.used].fill(network.full);
        let free = &mut profile.free[..];
        let (mut makespan, mut placed, mut windows) = (0, 0, 0);
        while placed < list.len() as u64 {
            let a = self.next(network, free, list, outlook, &mut windows);
            placed += 1;
            let start = self.earliest[a];
            if start + side.tail[a] > limit {
                profile.used = makespan as usize;
                return Pass {
                    makespan: None,
                    placed,
                    windows,
                };
            }
            take(free, start as usize, network.duration[a] as usize, &network.demand[a]);
            let end = start + network.duration[a];
            finish[a] = end;
            makespan = makespan.max(end);
            let place = usize::from(self.place[a]);
            self.ready[place / 64] &= !(1 << (place % 64));
            self.release(successors, a, end);
        }
        profile.used = makespan as usize;
        Pass {
            makespan: Some(makespan),
            placed,
            windows,
        }
    }

    fn next<const W: usize>(
        &mut self,
        network: &Network<W>,
        free: &[[u64; W]],
        list: &[u16],
        outlook: Outlook,
        windows: &mut u64,
    ) -> usize {
        let (mut best, mut best_score, mut handicap) = (0, u32::MAX, 0);
        let mut left = outlook.candidates;
        for (word, set) in self.ready.iter().enumerate() {
            let mut set = *set;
            while set != 0 && left > 0 {
                let a = usize::from(list[word * 64 + set.trailing_zeros() as usize]);
                set &= set - 1;
                let known = self.earliest[a];
                if (known << HANDICAP_PARTS_LOG2) + handicap < best_score {
                    let (duration, demand) = (network.duration[a] as usize, &network.demand[a]);
                    let start = earliest(free, known as usize, duration, demand, windows) as u32;
                    self.earliest[a] = start;
                    let score = (start << HANDICAP_PARTS_LOG2) + handicap;
                    if score < best_score {
                        (best, best_score) = (a, score);
                    }
                }
                handicap += outlook.handicap;
                left -= 1;
            }
            if left == 0 {
                break;
            }
        }
        best
    }

    fn release(&mut self, successors: &Side, a: usize, end: u32) {
        for s in &successors.preds[successors.from[a] as usize..successors.from[a + 1] as usize] {
            let s = usize::from(*s);
            self.earliest[s] = self.earliest[s].max(end);
            self.waits[s] -= 1;
            if self.waits[s] == 0 {
                let place = usize::from(self.place[s]);
                self.ready[place / 64] |= 1 << (place % 64);
            }
        }
    }
}
