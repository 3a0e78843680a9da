use std::collections::{BTreeMap, VecDeque};

use leckwehr_incident::Timestamp;
use serde::{Deserialize, Serialize};

/// Values kept per hour of the day and kind of day.
const DAYS_MAX: usize = 10;
/// Hours without a value that are filled in after a gap; longer gaps forget the time before.
const GAP_HOURS_MAX: i64 = 24 * 14;
/// Fewer values are no season.
const SAMPLES_MIN: usize = 3;
/// So many values of the hour itself need no neighbours.
const ENOUGH: usize = 5;
/// Shrinks the median absolute deviation to the standard deviation of a normal distribution.
const MAD_TO_SIGMA: f64 = 1.4826;

/// Returns the hour since 1970.
pub(crate) fn hour_of(at: Timestamp) -> i64 {
    at.0.div_euclid(3_600_000_000_000)
}

/// What is usual at an hour of the day, working days apart from weekends (robust statistics: median and median absolute
/// deviation over the same hour of the last ten such days, with its neighbours where these are fewer than five).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Season {
    slots: BTreeMap<u8, VecDeque<f32>>,
    last: Option<i64>,
}

/// What is usual.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Usual {
    pub(crate) median: f64,
    /// Estimate of the standard deviation.
    pub(crate) sigma: f64,
    /// Largest value of the slots.
    pub(crate) max: f64,
}

impl Season {
    /// Enters the value of an hour; hours that were left out since the last one had none, which is `empty`.
    pub(crate) fn enter(&mut self, hour: i64, value: f64, empty: f64) {
        if let Some(last) = self.last {
            if hour - last > GAP_HOURS_MAX {
                self.slots.clear();
            } else {
                (last + 1..hour).for_each(|between| self.put(between, empty));
            }
        }
        self.put(hour, value);
        self.last = Some(self.last.unwrap_or(hour).max(hour));
    }

    fn put(&mut self, hour: i64, value: f64) {
        let slot = self.slots.entry(slot(hour)).or_default();
        if slot.len() >= DAYS_MAX {
            slot.pop_front();
        }
        slot.push_back(value as f32);
    }

    /// Returns what is usual at this hour; `None` if too little was seen. O(1).
    pub(crate) fn usual(&self, hour: i64) -> Option<Usual> {
        let around = [hour - 1, hour, hour + 1];
        // Neighbouring hours, and then the other kind of day, know more than nothing.
        let mut values = self.values(&[slot(hour)]);
        if values.len() < ENOUGH {
            values = self.values(&around.map(slot));
        }
        if values.len() < SAMPLES_MIN {
            values = self.values(&around.map(|h| slot(h) ^ WEEKEND));
        }
        (values.len() >= SAMPLES_MIN).then(|| usual(values))
    }

    fn values(&self, slots: &[u8]) -> Vec<f64> {
        let found = slots.iter().filter_map(|slot| self.slots.get(slot));
        found.flatten().map(|v| f64::from(*v)).collect()
    }
}

fn usual(mut values: Vec<f64>) -> Usual {
    values.sort_by(f64::total_cmp);
    let median = middle(&values);
    let max = values.last().copied().unwrap_or(0.0);
    let mut off: Vec<f64> = values.iter().map(|v| (v - median).abs()).collect();
    off.sort_by(f64::total_cmp);
    Usual {
        median,
        sigma: MAD_TO_SIGMA * middle(&off),
        max,
    }
}

fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    match sorted.len() % 2 {
        0 => f64::midpoint(
            sorted.get(half.saturating_sub(1)).copied().unwrap_or(0.0),
            sorted.get(half).copied().unwrap_or(0.0),
        ),
        _ => sorted.get(half).copied().unwrap_or(0.0),
    }
}

/// Added to the hour of the day at weekends.
pub(crate) const WEEKEND: u8 = 32;

/// Hour of the day, and whether the day is a Saturday or Sunday (UTC).
pub(crate) fn slot(hour: i64) -> u8 {
    // 1 January 1970 was a Thursday.
    let weekend = (hour.div_euclid(24) + 3).rem_euclid(7) >= 5;
    hour.rem_euclid(24) as u8 | if weekend { WEEKEND } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn night_and_weekend_have_their_own_usual() {
        let mut season = Season::default();
        // Two weeks from a Monday on: busy from 8 to 17 on working days.
        let monday = 24_i64 * 4;
        for hour in monday..monday + 14 * 24 {
            let (day, of_day) = ((hour - monday) / 24 % 7, hour.rem_euclid(24));
            let busy = day < 5 && (8..17).contains(&of_day);
            season.enter(hour, if busy { 100.0 + (hour % 7) as f64 } else { 2.0 }, 0.0);
        }
        let at = |day: i64, hour: i64| season.usual(monday + 14 * 24 + day * 24 + hour).unwrap().median;
        assert!(at(0, 12) > 99.0 && at(0, 3) < 3.0 && at(5, 12) < 3.0);
    }

    #[test]
    fn little_is_no_season_and_gaps_are_empty_hours() {
        let mut season = Season::default();
        season.enter(10, 5.0, 0.0);
        assert_eq!(season.usual(10), None);
        season.enter(14, 5.0, 0.0);
        assert_eq!(season.usual(12).map(|u| u.median), Some(0.0));
    }
}
