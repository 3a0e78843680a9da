use leckwehr_incident::Timestamp;
use serde::{Deserialize, Serialize};

/// Length of a slot in milliseconds.
pub const SLOT_MS: i64 = 300_000;
/// Slots of one ledger: two years. Of a longer window (an impossible clock makes one) the newest slots are kept.
pub const SLOTS_MAX: u32 = 2 * 366 * 288;
/// Runs of one track; what is beyond them counts as a gap.
pub const RUNS_MAX: usize = 4_096;
/// A sensor without numbers that says nothing for longer than this may have lost records, in milliseconds.
const QUIET_MS_MAX: i64 = 15 * 60_000;
/// A sensor whose numbers go on without a gap may be silent for this long, in milliseconds; longer, it may have been off.
const QUIET_NUMBERED_MS_MAX: i64 = 60 * 60_000;
/// Records of one sensor may be written in another order than they are numbered in, within this time, in milliseconds.
const JITTER_MS: i64 = 2_000;
/// A sensor counts from the beginning again if its number falls to 0 or 1 from at least this.
const RESTART_NUMBER_MIN: u64 = 64;

/// What is known of one evidence class of one asset in one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlotState {
    /// A sensor was alive all through the slot and lost nothing that would show.
    Seen,
    /// A sensor should have told, and did not, or lost records.
    Gap,
    /// Records are deleted by then, as the estate says.
    Expired,
    /// No sensor tells of it, and the estate names none.
    NeverCollected,
}

/// Slots in a row with the same state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// How many.
    pub slots: u32,
    /// Their state.
    pub state: SlotState,
}

/// The slots of a window, aligned to full five minutes of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    /// First slot since 1970.
    first: i64,
    pub(crate) slots: u32,
}

const SLOT_NS: i64 = SLOT_MS * 1_000_000;

impl Grid {
    pub(crate) fn new((from, to): (Timestamp, Timestamp)) -> Self {
        // The window's end is no part of it.
        let last = to.0.saturating_sub(1).max(from.0.min(to.0)).div_euclid(SLOT_NS);
        let first = from.0.min(to.0).div_euclid(SLOT_NS).max(last - i64::from(SLOTS_MAX) + 1);
        Self {
            from: Timestamp(from.0.min(to.0).max(first.saturating_mul(SLOT_NS))),
            to,
            first,
            slots: (last - first + 1) as u32,
        }
    }

    /// Returns the slot of a time, cut to the window.
    pub(crate) fn slot(&self, at: Timestamp) -> u32 {
        let slot = at.0.div_euclid(SLOT_NS).saturating_sub(self.first);
        slot.clamp(0, i64::from(self.slots) - 1) as u32
    }

    /// Returns begin and end of a slot, cut to the window.
    pub(crate) fn span(&self, slot: u32) -> (Timestamp, Timestamp) {
        let begin = (self.first + i64::from(slot)).saturating_mul(SLOT_NS);
        (
            Timestamp(begin.max(self.from.0)),
            Timestamp(begin.saturating_add(SLOT_NS).min(self.to.0)),
        )
    }
}

/// One record of a sensor: its time and the sensor's own number of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tick {
    pub(crate) at: i64,
    pub(crate) number: Option<u64>,
}

/// How far the numbers of a sensor prove that nothing was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbering {
    /// Each record gives its own.
    InRecords,
    /// The records are without, but the sensor's account says that none is missing.
    WholeByAccount,
    /// The records are without, and the account says that some are missing, without saying when.
    BrokenByAccount,
    /// There are none.
    None,
}

/// Returns the ranges of slots (first and last, in order, disjoint) in which the sensor saw everything that would show.
///
/// A slot counts only if it lies wholly between two records of an unbroken chain: what proves that nothing is missing is
/// the record after. Taking records away therefore never adds a slot. O(n log n).
pub(crate) fn seen(grid: &Grid, ticks: &mut [Tick], numbering: Numbering, clock_offset_ms: i64) -> Vec<(u32, u32)> {
    if numbering == Numbering::BrokenByAccount {
        return Vec::new();
    }
    ticks.sort_unstable_by_key(|t| (t.at, t.number));
    let quiet_ms = if numbering == Numbering::None {
        QUIET_MS_MAX
    } else {
        QUIET_NUMBERED_MS_MAX
    };
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for chain in ticks.chunk_by(|a, b| b.at.saturating_sub(a.at) <= quiet_ms * 1_000_000) {
        // One record alone is followed by none that would prove anything.
        if let (Some(first), Some(last)) = (chain.first(), chain.last())
            && first.at < last.at
        {
            ranges.extend(whole_slots(grid, first.at, last.at));
        }
    }
    if numbering == Numbering::InRecords {
        ranges = without(&ranges, &breaks(grid, ticks));
    }
    let blurred = match clock_offset_ms.unsigned_abs() {
        offset if offset <= JITTER_MS.unsigned_abs() => 0,
        offset => u32::try_from(offset.div_ceil(SLOT_MS.unsigned_abs())).unwrap_or(u32::MAX),
    };
    let narrowed = ranges.into_iter().filter_map(|(first, last)| {
        let (first, last) = (first.checked_add(blurred)?, last.checked_sub(blurred)?);
        (first <= last).then_some((first, last))
    });
    narrowed.collect()
}

/// Returns the slots that lie wholly within the time.
fn whole_slots(grid: &Grid, from: i64, to: i64) -> Option<(u32, u32)> {
    if to < grid.from.0 || from > grid.to.0 {
        return None;
    }
    let (mut first, mut last) = (i64::from(grid.slot(Timestamp(from))), i64::from(grid.slot(Timestamp(to))));
    first += i64::from(grid.span(first as u32).0.0 < from);
    last -= i64::from(grid.span(last as u32).1.0 > to);
    (first <= last).then_some((first as u32, last as u32))
}

/// Returns the slots in which a number is missing, came twice at different times, or went back.
fn breaks(grid: &Grid, ticks: &[Tick]) -> Vec<(u32, u32)> {
    let mut broken: Vec<(u32, u32)> = Vec::new();
    let mut note = |a: i64, b: i64| {
        let (begin, end) = (a.min(b), a.max(b));
        // What is missing before or after the window must not fall into its first or last slot.
        let touches = begin < end && (end == grid.from.0 || begin == grid.to.0);
        if end >= grid.from.0 && begin <= grid.to.0 && !touches {
            broken.push((grid.slot(Timestamp(begin)), grid.slot(Timestamp(end))));
        }
    };
    let mut epoch: Vec<(u64, i64)> = Vec::new();
    let mut highest = 0;
    let mut last_at = None;
    let close = |epoch: &mut Vec<(u64, i64)>, note: &mut dyn FnMut(i64, i64)| {
        epoch.sort_unstable();
        for pair in epoch.windows(2) {
            let ((n, t), (m, u)) = (pair[0], pair[1]);
            let late = u.saturating_sub(t) < -JITTER_MS * 1_000_000;
            let repeated = n == m && u.saturating_sub(t) > JITTER_MS * 1_000_000;
            if m.saturating_sub(n) > 1 || late || repeated {
                note(t, u);
            }
        }
        epoch.clear();
    };
    for tick in ticks {
        let Some(number) = tick.number else {
            note(tick.at, tick.at);
            continue;
        };
        if number <= 1 && highest >= RESTART_NUMBER_MIN {
            close(&mut epoch, &mut note);
            highest = 0;
            note(last_at.unwrap_or(tick.at), tick.at);
        }
        highest = highest.max(number);
        last_at = Some(tick.at);
        epoch.push((number, tick.at));
    }
    close(&mut epoch, &mut note);
    merged(broken)
}

/// Returns the union of ranges, in order and disjoint.
pub(crate) fn merged(mut ranges: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    ranges.sort_unstable();
    let mut merged: Vec<(u32, u32)> = Vec::new();
    for (first, last) in ranges {
        match merged.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => merged.push((first, last)),
        }
    }
    merged
}

/// Returns ranges without the slots of others; both in order and disjoint.
fn without(ranges: &[(u32, u32)], others: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut rest = Vec::new();
    let mut next = 0;
    for (first, last) in ranges {
        let mut from = *first;
        while others.get(next).is_some_and(|(_, end)| *end < *first) {
            next += 1;
        }
        let mut cut = next;
        while let Some((begin, end)) = others.get(cut).filter(|(begin, _)| begin <= last) {
            if from < *begin {
                rest.push((from, begin - 1));
            }
            from = from.max(end.saturating_add(1));
            cut += 1;
        }
        if from <= *last {
            rest.push((from, *last));
        }
    }
    rest
}

/// Returns seen ranges as runs over the whole grid; slots outside of them are `rest`, and `Expired` before slot `kept_from`.
pub(crate) fn runs(grid: &Grid, seen: &[(u32, u32)], rest: SlotState, kept_from: u32) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut next = 0;
    let unseen = |runs: &mut Vec<Run>, from: u32, to: u32| {
        let expired = kept_from.clamp(from, to);
        push(runs, expired - from, SlotState::Expired);
        push(runs, to - expired, rest);
    };
    for (first, last) in seen {
        unseen(&mut runs, next, *first);
        push(&mut runs, last - first + 1, SlotState::Seen);
        next = last + 1;
        if runs.len() >= RUNS_MAX {
            break;
        }
    }
    unseen(&mut runs, next, grid.slots);
    runs
}

fn push(runs: &mut Vec<Run>, slots: u32, state: SlotState) {
    match runs.last_mut() {
        _ if slots == 0 => {}
        Some(run) if run.state == state => run.slots += slots,
        _ => runs.push(Run { slots, state }),
    }
}
