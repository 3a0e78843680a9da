use std::collections::BTreeMap;

use leckwehr_detect::Rhythm;
use leckwehr_incident::Timestamp;
use serde::{Deserialize, Serialize};

use super::egress::Sent;
use crate::scene::Scene;

/// From this score on, with [`BEACON_REGULAR_MIN`] connections, a rhythm counts as evidence of a command channel.
pub const BEACON_SCORE_MIN: f64 = 0.8;
/// Connections from which on a regular rhythm is no accident.
pub const BEACON_REGULAR_MIN: usize = 12;
/// Rhythms shown per destination, the most regular first.
pub(crate) const BEACONS_MAX: usize = 4;
/// Hours of the histogram, and the longest stretch that is measured.
const HOURS: usize = 24;
const DAY_MS: i64 = 24 * 3_600_000;

/// How regular the connections of one host to one address are.
///
/// The four parts and their mean are those of [`Rhythm`], over the last 24 hours of the recording with connections.
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
        let sent: Vec<_> = connections.iter().map(|s| (s.at, s.out.unwrap_or(0) as f64)).collect();
        if let Some(beacon) = rhythm(scene.name(host), &sent, window) {
            by_address.entry(to).or_default().push(beacon);
        }
    }
    for beacons in by_address.values_mut() {
        beacons.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.host.cmp(&b.host)));
        beacons.truncate(BEACONS_MAX);
    }
    by_address
}

/// Measures a pair on the last 24 hours of the recording in which it was connected; of fewer than three different starts
/// there is nothing to measure.
fn rhythm(host: &str, sent: &[(Timestamp, f64)], window: (Timestamp, Timestamp)) -> Option<Beacon> {
    let last = sent.iter().map(|(start, _)| *start).max()?;
    let from = window.0.max(last.plus_ms(-DAY_MS));
    let to = window.1.min(from.plus_ms(DAY_MS)).max(last);
    let (starts, sizes): (Vec<_>, Vec<_>) = sent.iter().copied().filter(|(start, _)| *start >= from).unzip();
    let hour = |at: Timestamp| (at.seconds_since(from) / 3_600.0) as usize;
    let mut hours = [0; HOURS];
    for start in &starts {
        if let Some(count) = hours.get_mut(hour(*start).min(HOURS - 1)) {
            *count += 1;
        }
    }
    let hours = hours.get(..=hour(to).min(HOURS - 1))?;
    let Rhythm {
        interval_s,
        timing,
        size,
        duration,
        histogram,
        score,
    } = Rhythm::measure(&starts, &sizes, hours, (from, to))?;
    Some(Beacon {
        host: host.to_owned(),
        connections: sent.len(),
        interval_s,
        timing,
        size,
        duration,
        histogram,
        score,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beacon(seconds: impl Iterator<Item = f64>, hours: i64) -> Beacon {
        let sent: Vec<_> = seconds.map(|s| (Timestamp((s * 1e9) as i64), 120.0)).collect();
        rhythm("ws", &sent, (Timestamp(0), Timestamp(hours * 3_600_000_000_000))).unwrap()
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
    fn a_channel_of_the_first_day_is_seen_in_a_week() {
        let steady = beacon((0..1_440).map(|n| f64::from(n) * 60.0), 7 * 24);
        assert!(steady.score > 0.95 && steady.is_regular(), "{steady:?}");
    }

    #[test]
    fn a_short_recording_knows_no_duration() {
        let short = beacon((0..20).map(|n| f64::from(n) * 30.0), 1);
        assert_eq!((short.duration, short.histogram), (None, None));
    }
}
