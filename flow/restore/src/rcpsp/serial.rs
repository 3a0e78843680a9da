use super::network::{GUARD, Network, Side};

/// What a generation pass came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pass {
    /// `None` if the pass was given up because it would be longer than the limit.
    pub makespan: Option<u32>,
    /// Activities that got a start time.
    pub placed: u64,
    /// Windows of the profile that were looked at.
    pub windows: u64,
}

/// The resources that are free over time, and what the generation passes need besides; allocated once.
#[derive(Debug, Clone)]
pub(crate) struct Profile<const W: usize> {
    pub(super) free: Vec<[u64; W]>,
    pub(super) used: usize,
    counts: Vec<u32>,
}

impl<const W: usize> Profile<W> {
    pub fn new(network: &Network<W>) -> Self {
        let length = network.horizon as usize + 1;
        Self {
            free: vec![network.full; length],
            used: 0,
            counts: vec![0; length + 1],
        }
    }

    /// Serial generation: every activity of the list as early as predecessors and resources allow. Writes finish times.
    /// The list must have predecessors (of this side) first. Given up as soon as what must follow an activity cannot be
    /// over by `limit`.
    #[inline]
    pub fn generate(&mut self, network: &Network<W>, side: &Side, list: &[u16], finish: &mut [u32], limit: u32) -> Pass {
        self.free[..self.used].fill(network.full);
        let free = &mut self.free[..];
        let (mut makespan, mut placed, mut windows) = (0, 0, 0);
        for a in list {
            let a = usize::from(*a);
            let mut start = 0;
            for p in &side.preds[side.from[a] as usize..side.from[a + 1] as usize] {
                start = start.max(finish[usize::from(*p)]);
            }
            let duration = network.duration[a] as usize;
            let demand = network.demand[a];
            let start = earliest(free, start as usize, duration, &demand, &mut windows);
            placed += 1;
            if start as u32 + side.tail[a] > limit {
                self.used = makespan as usize;
                return Pass {
                    makespan: None,
                    placed,
                    windows,
                };
            }
            take(free, start, duration, &demand);
            let end = (start + duration) as u32;
            finish[a] = end;
            makespan = makespan.max(end);
        }
        self.used = makespan as usize;
        Pass {
            makespan: Some(makespan),
            placed,
            windows,
        }
    }

    /// The list for the other side: activities by descending finish. Of equal ones those first that the other side may need
    /// first: high numbers for the backward side, low numbers for the forward side.
    #[inline]
    pub fn mirrored(&mut self, finish: &[u32], makespan: u32, to_backward: bool, list: &mut [u16]) {
        let counts = &mut self.counts[..makespan as usize + 2];
        counts.fill(0);
        for f in finish {
            counts[(makespan - *f) as usize + 1] += 1;
        }
        let mut sum = 0;
        for c in counts.iter_mut() {
            sum += *c;
            *c = sum;
        }
        let mut place = |a: usize| {
            let at = &mut counts[(makespan - finish[a]) as usize];
            list[*at as usize] = a as u16;
            *at += 1;
        };
        if to_backward {
            (0..finish.len()).rev().for_each(&mut place);
        } else {
            (0..finish.len()).for_each(&mut place);
        }
    }
}

/// First time from `from` on at which an activity finds its resources free for as long as it takes; counts the windows
/// that it looks at. A window is read from its end, so that the next one begins behind the last gap in it.
#[inline]
pub(super) fn earliest<const W: usize>(
    free: &[[u64; W]],
    from: usize,
    duration: usize,
    demand: &[u64; W],
    windows: &mut u64,
) -> usize {
    let mut start = from;
    'next: loop {
        *windows += 1;
        let window = &free[start..start + duration];
        for (k, slot) in window.iter().enumerate().rev() {
            let mut left = GUARD;
            for w in 0..W {
                left &= slot[w].wrapping_sub(demand[w]);
            }
            if left & GUARD != GUARD {
                start += k + 1;
                continue 'next;
            }
        }
        return start;
    }
}

#[inline]
pub(super) fn take<const W: usize>(free: &mut [[u64; W]], start: usize, duration: usize, demand: &[u64; W]) {
    for slot in &mut free[start..start + duration] {
        for w in 0..W {
            slot[w] -= demand[w];
        }
    }
}
