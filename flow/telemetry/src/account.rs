use std::collections::BTreeSet;

use leckwehr_incident::{Timestamp, What};

/// Ranges of missing numbers remembered per sensor, so that late records can still fill them.
pub const GAPS_MAX: usize = 256;

/// What became of one sensor's records.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SensorAccount {
    /// Sensor id: `agent.id`, Zeek's system name, or Windows host and channel.
    pub sensor: String,
    /// Hosts it reported about.
    pub hosts: BTreeSet<String>,
    /// Evidence classes it reported ([`crate::Kind::class`]).
    pub classes: BTreeSet<&'static str>,
    /// Records read.
    pub records: u64,
    /// Records known to be missing from gaps in the sensor's own numbering.
    pub missing: u64,
    /// Records that came twice.
    pub repeated: u64,
    /// Times the numbering began anew.
    pub restarts: u64,
    /// Records kept aside as damaged.
    pub damaged: u64,
    /// Share of packets that the capture itself reports as lost, the worst interval, 0 to 1.
    pub capture_loss: f64,
    /// The longest time between a record and the next newer one, in nanoseconds: a longer silence is news.
    pub pause_ns_max: i64,
    /// First and last time in the records.
    pub seen: Option<(Timestamp, Timestamp)>,
    last: Option<u64>,
    gaps: Vec<(u64, u64)>,
}

impl SensorAccount {
    pub(crate) fn new(sensor: &str) -> Self {
        Self {
            sensor: sensor.to_owned(),
            ..Self::default()
        }
    }

    /// Returns the share of records that arrived, 0 to 1; capture loss counts as missing records.
    pub fn coverage(&self) -> f64 {
        let known = self.records.saturating_add(self.missing).saturating_add(self.damaged);
        let arrived = if known == 0 { 0.0 } else { self.records as f64 / known as f64 };
        arrived * (1.0 - self.capture_loss.clamp(0.0, 1.0))
    }

    /// Returns whether the sensor numbers its records, so that a loss would show.
    pub fn is_numbered(&self) -> bool {
        self.last.is_some()
    }

    /// Returns the number of the newest record, where the sensor numbers its records.
    pub fn last_sequence(&self) -> Option<u64> {
        self.last
    }

    /// Returns the account as a fact.
    pub fn to_fact(&self) -> What {
        What::SourceAccount {
            source: self.sensor.clone(),
            records: self.records,
            missing: self.missing,
            damaged: self.damaged,
        }
    }

    pub(crate) fn count(&mut self, at: Timestamp) {
        self.records += 1;
        let pause = self.seen.map_or(0, |(_, last)| at.0.saturating_sub(last.0));
        self.pause_ns_max = self.pause_ns_max.max(pause);
        self.seen = Some(self.seen.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
    }

    /// Enters records that are known to be lost by other means than their own numbers.
    pub(crate) fn lose(&mut self, records: u64) {
        self.missing = self.missing.saturating_add(records);
    }

    /// Enters the sensor's own number of a record.
    pub(crate) fn number(&mut self, number: u64) {
        let Some(last) = self.last else {
            self.last = Some(number);
            return;
        };
        if number > last {
            if number - last > 1 {
                self.missing = self.missing.saturating_add(number - last - 1);
                self.remember(last + 1, number - 1);
            }
            self.last = Some(number);
        } else if !self.fill(number) {
            // A small number after a large one is a new start; anything else came twice.
            if number <= 1 && last > 1 {
                self.restarts += 1;
                self.gaps.clear();
                self.last = Some(number);
            } else {
                self.repeated += 1;
            }
        }
    }

    fn remember(&mut self, first: u64, last: u64) {
        if self.gaps.len() >= GAPS_MAX {
            self.gaps.remove(0);
        }
        self.gaps.push((first, last));
    }

    fn fill(&mut self, number: u64) -> bool {
        let Some(i) = self.gaps.iter().position(|(a, b)| (*a..=*b).contains(&number)) else {
            return false;
        };
        let (a, b) = self.gaps.swap_remove(i);
        let rest = [(a, number.wrapping_sub(1)), (number + 1, b)];
        self.gaps
            .extend(rest.into_iter().filter(|(from, to)| from <= to && *to <= b && *from >= a));
        self.missing = self.missing.saturating_sub(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(numbers: &[u64]) -> SensorAccount {
        let mut account = SensorAccount::default();
        numbers.iter().for_each(|n| account.number(*n));
        account
    }

    #[test]
    fn a_gap_is_counted_and_a_late_record_fills_it() {
        assert_eq!(after(&[1, 2, 6]).missing, 3);
        assert_eq!(after(&[1, 2, 6, 4]).missing, 2);
        assert_eq!(after(&[1, 2, 6, 4, 3, 5]).missing, 0);
        assert_eq!(after(&[0, 5, 1, 2, 3, 4]).missing, 0);
    }

    #[test]
    fn a_repeat_and_a_restart_are_no_loss() {
        let account = after(&[1, 2, 3, 3, 2, 1, 2, 3]);
        assert_eq!((account.missing, account.restarts, account.repeated), (0, 1, 2));
    }

    #[test]
    fn numbers_beyond_all_bounds_are_counted_as_far_as_they_go() {
        let account = after(&[1, u64::MAX, 0, u64::MAX, 1]);
        assert!(account.missing >= u64::MAX - 1);
        assert!(account.coverage() < 0.1);
    }

    #[test]
    fn the_longest_pause_is_remembered() {
        let mut account = SensorAccount::default();
        [10, 20, 90, 50, 95].iter().for_each(|at| account.count(Timestamp(*at)));
        assert_eq!(account.pause_ns_max, 70);
    }

    #[test]
    fn joining_late_is_no_loss() {
        assert_eq!(after(&[900, 901]).missing, 0);
    }
}
