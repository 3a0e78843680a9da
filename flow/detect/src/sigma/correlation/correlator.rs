use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use leckwehr_incident::Timestamp;
use serde::{Deserialize, Serialize};

use crate::sigma::correlation::window::{Entry, Value, Window};
use crate::sigma::correlation::{Correlation, GroupField, Test};
use crate::sigma::engine::Engine;
use crate::sigma::matcher::Seen;
use crate::sigma::predicate::number;
use crate::sigma::rule::Rule;

/// Groups that all correlations together remember; those that were silent longest go first.
pub const CORRELATION_GROUPS_MAX: usize = 65_536;
/// Bytes that all groups together take; those that were silent longest go first.
pub const CORRELATION_BYTES_MAX: usize = 128 << 20;
/// Correlations of correlations, one upon the other.
pub const CHAIN_DEEP_MAX: usize = 10;
/// Bytes of a value that is counted or groups; longer ones are cut.
const VALUE_BYTES_MAX: usize = 1_024;

/// Feeds the findings of rules to the correlations that are built on them: one per stream of records, in order of time.
#[derive(Debug)]
pub struct Correlator {
    engine: Arc<Engine>,
    /// By rule: the correlations that it feeds, and its place in each.
    by_rule: Vec<Vec<(u32, u8)>>,
    /// The same by correlation.
    by_correlation: Vec<Vec<(u32, u8)>>,
    groups: HashMap<Key, Window>,
    bytes: usize,
    dropped: u64,
}

/// A correlation and the values of its group; a record that lacks a field is of the group without it.
type Key = (u32, Values);
type Values = Vec<Option<Box<str>>>;

/// A correlation fired.
#[derive(Debug, Clone, PartialEq)]
pub struct Correlated {
    /// Number of the correlation in [`Engine::correlations`].
    pub correlation: u32,
    /// Time of the record that completed it.
    pub at: Timestamp,
    /// The fields of its group with their values.
    pub group: Vec<(String, String)>,
    /// The count, sum, average or percentile, or how many rules fired.
    pub value: f64,
}

/// Everything that a correlator remembers, to go on with after a restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorrelationSnapshot {
    /// Version of this form.
    pub version: u32,
    groups: BTreeMap<String, Vec<(Values, Window)>>,
    dropped: u64,
}

const VERSION: u32 = 1;

/// A snapshot that cannot be gone on with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Of another version.
    #[error("the snapshot of correlations has version {0}, not {VERSION}; begin anew without it")]
    Version(u32),
    /// More groups than are remembered.
    #[error("the snapshot of correlations has more than {CORRELATION_GROUPS_MAX} groups; begin anew without it")]
    TooLarge,
}

impl Correlator {
    /// Builds a correlator that remembers nothing. O(references × rules).
    pub fn new(engine: Arc<Engine>) -> Self {
        let of_rule = |rule: &Arc<Rule>| feeds(&engine, |name| rule.is_called(name));
        let of_correlation = |other: &Arc<Correlation>| feeds(&engine, |name| other.is_called(name));
        Self {
            by_rule: engine.rules().iter().map(of_rule).collect(),
            by_correlation: engine.correlations().iter().map(of_correlation).collect(),
            groups: HashMap::new(),
            bytes: 0,
            dropped: 0,
            engine,
        }
    }

    /// Returns how many groups were forgotten because of the limits: their correlations may have been missed.
    pub fn dropped_groups(&self) -> u64 {
        self.dropped
    }

    /// Takes the rules that fired on a record; returns the correlations that are fulfilled now.
    pub fn push(&mut self, fired: &[u32], seen: Seen<'_>, at: Timestamp) -> Vec<Correlated> {
        let mut found = Vec::new();
        if self.engine.correlations().is_empty() {
            return found;
        }
        let engine = self.engine.clone();
        for rule in fired {
            let feeds = self.by_rule.get(*rule as usize).cloned().unwrap_or_default();
            for (number, place) in feeds {
                let Some(correlation) = engine.correlations().get(number as usize) else {
                    continue;
                };
                let reference = correlation.rules.get(usize::from(place)).map_or("", String::as_str);
                let field = |name: &str| first_text(seen, name);
                let group = correlation.group_by.iter().map(|f| field(called(f, reference))).collect();
                let Some(value) = value_of(&correlation.test, seen) else {
                    continue;
                };
                let entry = Entry {
                    at_ns: at.0,
                    rule: place,
                    value,
                };
                found.extend(self.enter(number, correlation, group, entry));
            }
        }
        self.chain(&mut found, at);
        found
    }

    /// Hands what fired to the correlations that are built on correlations.
    fn chain(&mut self, found: &mut Vec<Correlated>, at: Timestamp) {
        let engine = self.engine.clone();
        let mut from = 0;
        for _ in 0..CHAIN_DEEP_MAX {
            let news = found.get(from..).unwrap_or(&[]).to_vec();
            from = found.len();
            for child in news {
                let feeds = self.by_correlation.get(child.correlation as usize).cloned();
                for (number, place) in feeds.unwrap_or_default() {
                    let Some(correlation) = engine.correlations().get(number as usize) else {
                        continue;
                    };
                    let of_child = |f: &GroupField| {
                        let value = child.group.iter().find(|(name, _)| *name == f.name);
                        value.map(|(_, value)| value.as_str().into())
                    };
                    let group = correlation.group_by.iter().map(of_child).collect();
                    let value = match &correlation.test {
                        Test::Sum(..) | Test::Average(..) | Test::Percentile(..) => Value::Number(child.value),
                        _ => Value::None,
                    };
                    let entry = Entry {
                        at_ns: at.0,
                        rule: place,
                        value,
                    };
                    found.extend(self.enter(number, correlation, group, entry));
                }
            }
        }
    }

    fn enter(
        &mut self,
        number: u32,
        correlation: &Correlation,
        group: Vec<Option<Box<str>>>,
        entry: Entry,
    ) -> Option<Correlated> {
        let at = Timestamp(entry.at_ns);
        if self.groups.len() >= CORRELATION_GROUPS_MAX || self.bytes > CORRELATION_BYTES_MAX {
            self.make_room();
        }
        let key = (number, group);
        let names = || {
            let pairs = correlation.group_by.iter().zip(&key.1);
            let pairs = pairs.filter_map(|(f, value)| Some((f.name.clone(), value.as_deref()?.to_owned())));
            pairs.collect()
        };
        let pairs: Vec<(String, String)> = names();
        let window = self.groups.entry(key).or_default();
        let before = window.size_bytes();
        window.enter(entry, correlation.mode, correlation.span_ns);
        self.bytes = (self.bytes + window.size_bytes()).saturating_sub(before);
        let value = window.holds(&correlation.test, correlation.rules.len())?;
        Some(Correlated {
            correlation: number,
            at,
            group: pairs,
            value,
        })
    }

    /// Forgets the eighth of the groups that was silent longest.
    fn make_room(&mut self) {
        let mut newest: Vec<i64> = self.groups.values().filter_map(Window::newest_ns).collect();
        let eighth = newest.len() / 8;
        if newest.is_empty() {
            return;
        }
        let (_, limit, _) = newest.select_nth_unstable(eighth);
        let limit = *limit;
        let before = self.groups.len();
        self.groups
            .retain(|_, window| window.newest_ns().is_some_and(|ns| ns > limit));
        self.dropped += (before - self.groups.len()) as u64;
        self.bytes = self.groups.values().map(Window::size_bytes).sum();
    }

    /// Returns everything that is remembered, by the correlations' ids.
    pub fn snapshot(&self) -> CorrelationSnapshot {
        let mut groups: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for ((number, values), window) in &self.groups {
            if let Some(correlation) = self.engine.correlations().get(*number as usize) {
                let list = groups.entry(correlation.id.clone()).or_default();
                list.push((values.clone(), window.clone()));
            }
        }
        groups.values_mut().for_each(|list| list.sort_by(|a, b| a.0.cmp(&b.0)));
        CorrelationSnapshot {
            version: VERSION,
            groups,
            dropped: self.dropped,
        }
    }

    /// Goes on with what a snapshot remembers; correlations that are no longer there are left out.
    ///
    /// # Errors
    /// The snapshot is of another version or larger than the limits; the correlator is unchanged then.
    pub fn restore(&mut self, snapshot: CorrelationSnapshot) -> Result<(), RestoreError> {
        if snapshot.version != VERSION {
            return Err(RestoreError::Version(snapshot.version));
        }
        if snapshot.groups.values().map(Vec::len).sum::<usize>() > CORRELATION_GROUPS_MAX {
            return Err(RestoreError::TooLarge);
        }
        self.groups.clear();
        for (number, correlation) in (0u32..).zip(self.engine.correlations()) {
            let list = snapshot.groups.get(&correlation.id).into_iter().flatten();
            let entries = list.map(|(values, window)| ((number, values.clone()), window.clone()));
            self.groups.extend(entries);
        }
        self.bytes = self.groups.values().map(Window::size_bytes).sum();
        self.dropped = snapshot.dropped;
        Ok(())
    }
}

/// Returns the correlations that name the rule, and its place in each.
fn feeds(engine: &Engine, is_called: impl Fn(&str) -> bool) -> Vec<(u32, u8)> {
    let numbered = (0u32..).zip(engine.correlations());
    let places = numbered.flat_map(|(number, correlation)| {
        let places = (0u8..).zip(&correlation.rules).filter(|(_, name)| is_called(name));
        places.map(move |(place, _)| (number, place)).collect::<Vec<_>>()
    });
    places.collect()
}

/// Returns what the group's field is called in the records of a rule.
fn called<'a>(field: &'a GroupField, reference: &str) -> &'a str {
    let alias = field.called.iter().find(|(rule, _)| rule == reference);
    alias.map_or(&field.name, |(_, name)| name)
}

/// Returns what the test looks at in the record; nothing where the record lacks it and does not count.
fn value_of(test: &Test, seen: Seen<'_>) -> Option<Value> {
    match test {
        Test::Events(_) | Test::Together(_) | Test::InOrder(_) => Some(Value::None),
        Test::Distinct(_, fields) => {
            let texts = fields.iter().map(|name| first_text(seen, name)).collect::<Option<Vec<_>>>()?;
            Some(Value::Text(texts.join("\u{1f}").into()))
        }
        Test::Sum(_, field) | Test::Average(_, field) | Test::Percentile(_, field, _) => {
            let id = seen.names.id(field)?;
            let n = number(seen.fields.get(id)?).filter(|n| n.is_finite())?;
            Some(Value::Number(n))
        }
    }
}

/// Returns the first value of a field that says something.
fn first_text(seen: Seen<'_>, name: &str) -> Option<Box<str>> {
    let value = seen.fields.get(seen.names.id(name)?)?;
    if value == leckwehr_telemetry::Value::Null {
        return None;
    }
    let text = value.as_text().trim_ascii_end();
    let end = (0..=text.len().min(VALUE_BYTES_MAX))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    Some(text.get(..end.unwrap_or(0)).unwrap_or("").into())
}
