use std::collections::{BTreeMap, VecDeque};

use leckwehr_incident::{Finding, Timestamp};
use serde::{Deserialize, Serialize};

use super::Context;
use super::keyed::Keyed;
use super::look::{AUTHOR, Found, Look, rule, techniques};

/// Sensors whose clocks are compared.
const SENSORS_MAX: usize = 16_384;
/// Batches over which the smallest lag is taken: delays come and go, a clock's error stays (minimum filter, as in NTP).
const LAGS_MAX: usize = 8;
/// Sensors in one batch from which on their median is a reference.
const VOTERS_MIN: usize = 3;

/// Clocks that moved: the time in a sensor's records against their arrival, or against the other sensors' if that is not known.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct SkewWatch {
    clocks: Keyed<u64, Clock, SENSORS_MAX>,
    /// Newest record of each sensor in this batch.
    batch: BTreeMap<u64, Timestamp>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Clock {
    sensor: String,
    host: String,
    lags_s: VecDeque<f64>,
    /// Smallest and largest lag that was learned: late shipping is no skew.
    learned_s: Option<(f64, f64)>,
    reported: bool,
}

impl Clock {
    /// Smallest lag of late, in seconds; negative if the records come from the future.
    fn lag_s(&self) -> f64 {
        self.lags_s.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

impl SkewWatch {
    pub(crate) fn observe(&mut self, look: &Look<'_>) {
        if !self.clocks.contains(look.sensor.key) {
            let host = if look.event.host().is_empty() {
                look.sensor
            } else {
                look.host
            };
            let clock = self.clocks.entry(look.sensor.key);
            look.sensor.text.clone_into(&mut clock.sensor);
            host.name.clone_into(&mut clock.host);
        }
        let newest = self.batch.entry(look.sensor.key).or_insert(look.at);
        *newest = (*newest).max(look.at);
    }

    pub(crate) fn end_batch(&mut self, arrived: Option<Timestamp>, context: &Context, found: &mut Found) {
        let batch = std::mem::take(&mut self.batch);
        let Some(now) = arrived.or_else(|| median(&batch)) else {
            return;
        };
        for (key, newest) in batch {
            let clock = self.clocks.entry(key);
            if clock.lags_s.len() >= LAGS_MAX {
                clock.lags_s.pop_front();
            }
            clock.lags_s.push_back(now.seconds_since(newest));
            if clock.lags_s.len() < LAGS_MAX {
                continue;
            }
            let lag_s = clock.lag_s();
            let (low, high) = clock.learned_s.unwrap_or((lag_s, lag_s));
            if context.learning || clock.learned_s.is_none() {
                clock.learned_s = Some((low.min(lag_s), high.max(lag_s)));
                continue;
            }
            // Half as much again on both sides: what was learned is never all that happens.
            let room = (high - low) / 2.0;
            let moved_s = lag_s - lag_s.clamp(low - room, high + room);
            found.opine("skew", now, moved_s.abs(), || clock.sensor.clone());
            let over = moved_s.abs() >= context.thresholds.skew_s_min;
            if over && !clock.reported {
                found.push(finding(clock, now, moved_s));
            }
            clock.reported = over;
        }
    }
}

fn finding(clock: &Clock, now: Timestamp, moved_s: f64) -> Finding {
    let title = "Clock skew";
    let way = if moved_s > 0.0 { "behind" } else { "ahead of" };
    Finding {
        at: now,
        rule: rule(title),
        title: title.to_owned(),
        author: AUTHOR.to_owned(),
        techniques: techniques("T1070.006"),
        host: clock.host.clone(),
        account: None,
        origin: None,
        indicators: Vec::new(),
        weight: 10,
        evidence: vec![clock.sensor.clone()],
        detail: format!(
            "the clock of {} is {:.1} s further {way} the others than it was",
            clock.sensor,
            moved_s.abs()
        ),
    }
}

fn median(batch: &BTreeMap<u64, Timestamp>) -> Option<Timestamp> {
    let mut times: Vec<Timestamp> = batch.values().copied().collect();
    times.sort_unstable();
    (times.len() >= VOTERS_MIN).then(|| times.get(times.len() / 2).copied())?
}
