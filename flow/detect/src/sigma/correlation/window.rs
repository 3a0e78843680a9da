use std::collections::{BTreeSet, VecDeque};

use rsigma_parser::ConditionOperator;
use serde::{Deserialize, Serialize};

use crate::sigma::correlation::{Bounds, Mode, Temporal, Test};

/// Entries remembered of one group; the oldest go first.
pub const CORRELATION_ENTRIES_MAX: usize = 10_000;

/// What is remembered of one group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Window {
    /// In order of time; equal times in the order in which they came.
    entries: VecDeque<Entry>,
    /// Bytes of all values.
    bytes: usize,
}

/// One finding of a rule that the correlation is built on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) at_ns: i64,
    /// Place of the rule in the correlation.
    pub(crate) rule: u8,
    pub(crate) value: Value,
}

/// What the correlation looks at in the record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Value {
    None,
    Number(f64),
    Text(Box<str>),
}

impl Window {
    /// Returns the time of the newest entry.
    pub(crate) fn newest_ns(&self) -> Option<i64> {
        self.entries.back().map(|e| e.at_ns)
    }

    /// Returns roughly the memory that the window takes.
    pub(crate) fn size_bytes(&self) -> usize {
        self.entries.len() * size_of::<Entry>() + self.bytes
    }

    /// Enters a finding. Returns whether the window now ends at it: one that comes too late for the window, or into the
    /// middle of it, changes no decision that was made. O(entries behind it).
    pub(crate) fn enter(&mut self, entry: Entry, mode: Mode, span_ns: i64) -> bool {
        let at = entry.at_ns;
        let newest = self.newest_ns();
        let bucket = |ns: i64| ns.div_euclid(span_ns.max(1));
        match (mode, newest) {
            (_, None) => {}
            (Mode::Sliding, Some(newest)) => {
                let first = at.max(newest).saturating_sub(span_ns);
                if at < first {
                    return false;
                }
                while self.entries.front().is_some_and(|e| e.at_ns < first) {
                    self.drop_oldest();
                }
            }
            (Mode::Tumbling, Some(newest)) if bucket(at) < bucket(newest) => return false,
            (Mode::Tumbling, Some(newest)) => {
                if bucket(at) > bucket(newest) {
                    self.clear();
                }
            }
            (Mode::Session(gap_ns), Some(newest)) => {
                let oldest = self.entries.front().map_or(newest, |e| e.at_ns);
                if at.saturating_sub(newest) > gap_ns || at.saturating_sub(oldest) > span_ns {
                    self.clear();
                }
            }
        }
        let place = self.entries.partition_point(|e| e.at_ns <= at);
        if let Value::Text(text) = &entry.value {
            self.bytes += text.len();
        }
        let last = place == self.entries.len();
        self.entries.insert(place, entry);
        if self.entries.len() > CORRELATION_ENTRIES_MAX {
            // The first entry of a session says when it began.
            let second = usize::from(matches!(mode, Mode::Session(_)));
            if let Some(dropped) = self.entries.remove(second) {
                self.forget(&dropped);
            }
        }
        last
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    fn drop_oldest(&mut self) {
        if let Some(dropped) = self.entries.pop_front() {
            self.forget(&dropped);
        }
    }

    fn forget(&mut self, entry: &Entry) {
        if let Value::Text(text) = &entry.value {
            self.bytes = self.bytes.saturating_sub(text.len());
        }
    }

    /// Returns the number that the test is about if the test holds. O(entries), for a percentile O(entries log entries).
    pub(crate) fn holds(&self, test: &Test, rules: usize) -> Option<f64> {
        let (value, bounds) = match test {
            Test::Events(bounds) => (self.entries.len() as f64, bounds),
            Test::Distinct(bounds, _) => {
                let texts = self.entries.iter().filter_map(|e| match &e.value {
                    Value::Text(text) => Some(&**text),
                    _ => None,
                });
                (texts.collect::<BTreeSet<_>>().len() as f64, bounds)
            }
            Test::Sum(bounds, _) => (self.numbers().sum(), bounds),
            Test::Average(bounds, _) => {
                let count = self.numbers().count();
                if count == 0 {
                    return None;
                }
                (self.numbers().sum::<f64>() / count as f64, bounds)
            }
            Test::Percentile(bounds, _, percent) => (percentile(self.numbers().collect(), *percent)?, bounds),
            Test::Together(condition) => {
                let fired = self.fired(rules);
                return fulfils(condition, &fired).then(|| count(&fired));
            }
            Test::InOrder(condition) => {
                let fired = self.fired(rules);
                let also = condition.as_ref().is_none_or(|c| fulfils(c, &fired));
                return (also && self.in_order(rules)).then_some(rules as f64);
            }
        };
        within(value, bounds).then_some(value)
    }

    fn numbers(&self) -> impl Iterator<Item = f64> {
        self.entries.iter().filter_map(|e| match e.value {
            Value::Number(n) => Some(n),
            _ => None,
        })
    }

    fn fired(&self, rules: usize) -> Vec<bool> {
        let mut fired = vec![false; rules];
        for entry in &self.entries {
            if let Some(rule) = fired.get_mut(usize::from(entry.rule)) {
                *rule = true;
            }
        }
        fired
    }

    /// Returns whether a finding of each rule can be chosen so that their times do not fall: the earliest of each rule
    /// that is not before the one chosen for the rule before it.
    fn in_order(&self, rules: usize) -> bool {
        let mut from_ns = i64::MIN;
        (0..rules).all(|rule| {
            let fits = |e: &&Entry| usize::from(e.rule) == rule && e.at_ns >= from_ns;
            let found = self.entries.iter().find(fits).map(|e| e.at_ns);
            from_ns = found.unwrap_or(from_ns);
            found.is_some()
        })
    }
}

fn count(fired: &[bool]) -> f64 {
    fired.iter().filter(|f| **f).count() as f64
}

fn fulfils(condition: &Temporal, fired: &[bool]) -> bool {
    match condition {
        Temporal::Rule(place) => fired.get(*place).copied().unwrap_or(false),
        Temporal::All(parts) => parts.iter().all(|p| fulfils(p, fired)),
        Temporal::AtLeast(n, parts) => parts.iter().filter(|p| fulfils(p, fired)).count() >= *n,
        Temporal::Not(part) => !fulfils(part, fired),
    }
}

/// Interpolates between the two nearest ranks (type 7 of Hyndman and Fan, 1996).
fn percentile(mut numbers: Vec<f64>, percent: f64) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let rank = percent / 100.0 * numbers.len().checked_sub(1)? as f64;
    let (low, high) = (numbers.get(rank.floor() as usize)?, numbers.get(rank.ceil() as usize)?);
    Some(low + (rank - rank.floor()) * (high - low))
}

fn within(value: f64, bounds: &Bounds) -> bool {
    bounds.iter().all(|(how, wanted)| match how {
        ConditionOperator::Lt => value < *wanted,
        ConditionOperator::Lte => value <= *wanted,
        ConditionOperator::Gt => value > *wanted,
        ConditionOperator::Gte => value >= *wanted,
        ConditionOperator::Eq => (value - wanted).abs() < f64::EPSILON,
        ConditionOperator::Neq => (value - wanted).abs() >= f64::EPSILON,
    })
}
