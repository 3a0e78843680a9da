use std::collections::BTreeMap;

use leckwehr_incident::Timestamp;
use serde::{Deserialize, Serialize};

use super::egress::Sent;
use crate::scene::Scene;

/// Fewer connections have no rhythm.
pub const BEACON_CONNECTIONS_MIN: usize = 4;
/// From this score on, with [`BEACON_REGULAR_MIN`] connections, a rhythm counts as evidence of a command channel.
pub const BEACON_SCORE_MIN: f64 = 0.8;
/// Connections from which on a regular rhythm is no accident.
pub const BEACON_REGULAR_MIN: usize = 12;
/// Rhythms shown per destination, the most regular first.
pub(crate) const BEACONS_MAX: usize = 4;
/// Shorter recordings say nothing about how long and how evenly a rhythm is kept, in seconds.
const LONG_S_MIN: f64 = 6.0 * 3_600.0;
/// Buckets of the histogram over the recording.
const BUCKETS: usize = 24;

/// How regular the connections of one host to one address are.
///
/// Four parts after the published model of RITA (Active Countermeasures), own implementation: regularity of the intervals and
/// of the sizes (each the mean of 1 − |Bowley skewness| and 1 − median absolute deviation ÷ median), share of the
/// recording over which it was kept, and evenness of the histogram over 24 buckets (1 − coefficient of variation).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Beacon {
    /// Inside host.
    pub host: String,
    /// Connections.
    pub connections: usize,
    /// Median interval in seconds.
    pub interval_s: f64,
    /// Regularity of the intervals, 0 to 1.
    pub timing: f64,
    /// Regularity of the bytes sent, 0 to 1.
    pub size: f64,
    /// Share of the recording from first to last connection; not known for recordings shorter than six hours.
    pub duration: Option<f64>,
    /// Evenness over the recording; not known for recordings shorter than six hours.
    pub histogram: Option<f64>,
    /// Mean of the parts that are known, 0 to 1.
    pub score: f64,
}

impl Beacon {
    /// Returns whether it is evidence of a command channel.
    pub fn is_regular(&self) -> bool {
        self.score >= BEACON_SCORE_MIN && self.connections >= BEACON_REGULAR_MIN
    }
}

/// Returns the rhythms of all pairs with enough connections, by address, the most regular first.
pub(crate) fn beacons(scene: &Scene<'_>, sent: &[Sent]) -> BTreeMap<u32, Vec<Beacon>> {
    let mut pairs: BTreeMap<(u32, u32), Vec<&Sent>> = BTreeMap::new();
    for s in sent.iter().filter(|s| s.opened_inside) {
        pairs.entry((s.to, s.host)).or_default().push(s);
    }
    let window = scene.events.window().unwrap_or_default();
    let mut by_address: BTreeMap<u32, Vec<Beacon>> = BTreeMap::new();
    for ((to, host), connections) in pairs {
        if connections.len() < BEACON_CONNECTIONS_MIN {
            continue;
        }
        let starts: Vec<i64> = connections.iter().map(|s| s.at.0).collect();
        let sizes: Vec<f64> = connections.iter().map(|s| s.out.unwrap_or(0) as f64).collect();
        let beacon = rhythm(scene.name(host), starts, sizes, window);
        by_address.entry(to).or_default().push(beacon);
    }
    for beacons in by_address.values_mut() {
        beacons.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.host.cmp(&b.host)));
        beacons.truncate(BEACONS_MAX);
    }
    by_address
}

fn rhythm(host: &str, mut starts: Vec<i64>, mut sizes: Vec<f64>, window: (Timestamp, Timestamp)) -> Beacon {
    starts.sort_unstable();
    let mut intervals: Vec<f64> = starts.windows(2).map(|p| (p[1].saturating_sub(p[0])) as f64 / 1e9).collect();
    let (timing, interval_s) = regularity(&mut intervals);
    let (size, _) = regularity(&mut sizes);
    let length_s = window.1.seconds_since(window.0);
    let long = length_s >= LONG_S_MIN;
    let kept_s = starts
        .last()
        .zip(starts.first())
        .map_or(0.0, |(b, a)| b.saturating_sub(*a) as f64 / 1e9);
    let duration = long.then(|| (kept_s / length_s).clamp(0.0, 1.0));
    let histogram = long.then(|| evenness(&starts, window));
    let parts: Vec<f64> = [Some(timing), Some(size), duration, histogram]
        .into_iter()
        .flatten()
        .collect();
    Beacon {
        host: host.to_owned(),
        connections: starts.len(),
        interval_s,
        timing,
        size,
        duration,
        histogram,
        score: parts.iter().sum::<f64>() / parts.len() as f64,
    }
}

/// Returns how regular values are, 0 to 1, and their median; sorts them.
fn regularity(values: &mut [f64]) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let (q1, median, q3) = (quantile(values, 0.25), quantile(values, 0.5), quantile(values, 0.75));
    let skewness = if q3 - q1 > 0.0 {
        (q1 + q3 - 2.0 * median) / (q3 - q1)
    } else {
        0.0
    };
    let mut off: Vec<f64> = values.iter().map(|v| (v - median).abs()).collect();
    off.sort_by(f64::total_cmp);
    let deviation = quantile(&off, 0.5);
    let steady = match median > 0.0 {
        true => (1.0 - deviation / median).max(0.0),
        false => f64::from(u8::from(deviation == 0.0)),
    };
    (f64::midpoint(1.0 - skewness.abs().min(1.0), steady), median)
}

/// Returns the quantile of sorted values, interpolated; 0 of none.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * sorted.len().saturating_sub(1) as f64;
    let below = place.floor() as usize;
    let (Some(a), Some(b)) = (sorted.get(below), sorted.get(below + 1).or(sorted.get(below))) else {
        return 0.0;
    };
    a + (b - a) * (place - below as f64)
}

fn evenness(starts: &[i64], (from, to): (Timestamp, Timestamp)) -> f64 {
    let mut buckets = [0.0_f64; BUCKETS];
    let length = (to.0.saturating_sub(from.0)).max(1) as f64;
    for start in starts {
        let place = start.saturating_sub(from.0) as f64 / length * BUCKETS as f64;
        if let Some(bucket) = buckets.get_mut((place.max(0.0) as usize).min(BUCKETS - 1)) {
            *bucket += 1.0;
        }
    }
    let mean = starts.len() as f64 / BUCKETS as f64;
    let variance = buckets.iter().map(|b| (b - mean).powi(2)).sum::<f64>() / BUCKETS as f64;
    (1.0 - variance.sqrt() / mean.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beacon(seconds: impl Iterator<Item = f64>, hours: i64) -> Beacon {
        let starts: Vec<i64> = seconds.map(|s| (s * 1e9) as i64).collect();
        let sizes = vec![120.0; starts.len()];
        rhythm("ws", starts, sizes, (Timestamp(0), Timestamp(hours * 3_600_000_000_000)))
    }

    #[test]
    fn a_clock_has_the_full_score() {
        let steady = beacon((0..1_440).map(|n| f64::from(n) * 60.0), 24);
        assert!(steady.score > 0.99 && steady.interval_s == 60.0, "{steady:?}");
        assert!(steady.is_regular());
    }

    #[test]
    fn bursts_have_no_rhythm() {
        // Two browsing sessions: many connections at once, hours apart.
        let bursts = beacon((0..60).map(|n| f64::from(n / 30) * 9_000.0 + f64::from((n * n) % 31)), 24);
        assert!(bursts.score < 0.6 && !bursts.is_regular(), "{bursts:?}");
    }

    #[test]
    fn a_short_recording_knows_no_duration() {
        let short = beacon((0..20).map(|n| f64::from(n) * 30.0), 1);
        assert_eq!((short.duration, short.histogram), (None, None));
    }
}
