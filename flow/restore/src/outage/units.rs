use super::problem::{OutageProblem, Task};

/// Bits of a lane, and of one where a resource has more units than fit in it; the highest bit is a guard.
const LANE_BITS: u32 = 16;
const WIDE_LANE_BITS: u32 = 32;
const WORD_BITS: u32 = 64;

/// How the units of several resources share a word: a lane each, whose highest bit is a guard that a borrow clears, so that
/// one subtraction tells whether all are free.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    lane_bits: u32,
    guard: u64,
}

/// What is held: (word, units in their lanes), only words in which something is.
pub(crate) type Demand = Vec<(usize, u64)>;

impl Layout {
    pub fn of(problem: &OutageProblem) -> Self {
        let there = problem.resources.iter().flat_map(|r| &r.shifts).map(|(_, units)| *units);
        let held = problem
            .tasks
            .iter()
            .map(|t| t.demand.iter().fold(0_u32, |sum, (_, units)| sum.saturating_add(*units)));
        let is_wide = there.chain(held).any(|units| units >> (LANE_BITS - 1) > 0);
        let lane_bits = if is_wide { WIDE_LANE_BITS } else { LANE_BITS };
        let lanes = (0..WORD_BITS / lane_bits).map(|lane| 1 << (lane_bits * (lane + 1) - 1));
        Self {
            lane_bits,
            guard: lanes.sum(),
        }
    }

    fn place(self, resource: usize) -> (usize, u32) {
        let lanes = (WORD_BITS / self.lane_bits) as usize;
        (resource / lanes, (resource % lanes) as u32 * self.lane_bits)
    }

    /// Units that a lane can hold.
    fn most(self) -> u64 {
        (1 << (self.lane_bits - 1)) - 1
    }

    pub fn demand(self, task: &Task) -> Demand {
        let mut words = Demand::new();
        for (resource, units) in task.demand.iter().filter(|(_, units)| *units > 0) {
            let (word, shift) = self.place(*resource);
            let at = words.iter().position(|(w, _)| *w == word).unwrap_or_else(|| {
                words.push((word, 0));
                words.len() - 1
            });
            let held = (words[at].1 >> shift) & self.most();
            let all = (held + u64::from(*units)).min(self.most());
            words[at].1 = words[at].1 & !(self.most() << shift) | all << shift;
        }
        words
    }

    /// Units of all resources over time.
    pub fn units(self, problem: &OutageProblem, horizon: usize) -> Units {
        let words = problem.resources.len().div_ceil((WORD_BITS / self.lane_bits) as usize);
        let mut columns = vec![vec![self.guard; horizon]; words];
        for (r, resource) in problem.resources.iter().enumerate() {
            let (word, shift) = self.place(r);
            for (i, (from, units)) in resource.shifts.iter().enumerate() {
                let until = resource
                    .shifts
                    .get(i + 1)
                    .map_or(horizon, |next| (next.0 as usize).min(horizon));
                let units = u64::from(*units).min(self.most()) << shift;
                if let Some(part) = columns[word].get_mut((*from as usize).min(until)..until) {
                    part.iter_mut().for_each(|slot| *slot |= units);
                }
            }
        }
        Units { columns, layout: self }
    }
}

/// Units over time: of each word, one entry per time unit.
#[derive(Debug, Clone)]
pub(crate) struct Units {
    columns: Vec<Vec<u64>>,
    layout: Layout,
}

impl Units {
    /// First time from `from` on at which all that is demanded is free for as long as it takes. A window is read from its
    /// end, so that the next one begins behind the last gap in it.
    pub fn earliest(&self, demand: &Demand, from: u32, duration: u32, horizon: usize) -> Option<u32> {
        let (mut start, duration, guard) = (from as usize, duration as usize, self.layout.guard);
        'next: loop {
            let end = start + duration;
            if end > horizon {
                return None;
            }
            for (word, units) in demand {
                let window = &self.columns[*word][start..end];
                if let Some(gap) = window.iter().rposition(|free| free.wrapping_sub(*units) & guard != guard) {
                    start += gap + 1;
                    continue 'next;
                }
            }
            return Some(start as u32);
        }
    }

    /// Last time at which all that is demanded is free for as long as it takes, until `until`.
    pub fn latest(&self, demand: &Demand, until: u32, duration: u32) -> Option<u32> {
        let (mut end, duration, guard) = (until as usize, duration as usize, self.layout.guard);
        'next: loop {
            let start = end.checked_sub(duration)?;
            for (word, units) in demand {
                let window = &self.columns[*word][start..end];
                if let Some(gap) = window.iter().position(|free| free.wrapping_sub(*units) & guard != guard) {
                    end = start + gap;
                    continue 'next;
                }
            }
            return Some(start as u32);
        }
    }

    /// Takes units that are free.
    pub fn take(&mut self, demand: &Demand, from: usize, until: usize) {
        for (word, units) in demand {
            for free in &mut self.columns[*word][from..until] {
                *free -= units;
            }
        }
    }

    /// Takes units, or what is left of them.
    pub fn take_left(&mut self, demand: &Demand, from: usize, until: usize) {
        let (bits, most) = (self.layout.lane_bits, self.layout.most());
        for (word, units) in demand {
            for free in &mut self.columns[*word][from..until] {
                for shift in (0..WORD_BITS).step_by(bits as usize) {
                    let held = (units >> shift & most).min(*free >> shift & most);
                    *free -= held << shift;
                }
            }
        }
    }

    /// Becomes the same as `other` up to `until`, and as `base` from there to `old`.
    pub fn copy(&mut self, other: &Self, until: usize, base: &Self, old: usize) {
        for ((column, other), base) in self.columns.iter_mut().zip(&other.columns).zip(&base.columns) {
            column[..until].copy_from_slice(&other[..until]);
            if until < old {
                column[until..old].copy_from_slice(&base[until..old]);
            }
        }
    }
}
