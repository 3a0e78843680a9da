use leckwehr_incident::Timestamp;

/// Fewer connections have no rhythm.
pub const RHYTHM_CONNECTIONS_MIN: usize = 4;
/// Hours of the histogram.
pub(crate) const HOURS: usize = 24;
/// A shorter recording says nothing about how long a rhythm is kept, in seconds.
const LONG_S_MIN: f64 = 6.0 * 3_600.0;
/// Hours with connections from which on duration counts.
const DURATION_HOURS_MIN: usize = 6;
/// Hours in a row that are as good as the whole day.
const RUN_HOURS_IDEAL: f64 = 12.0;
/// Hours with connections from which on a histogram of two levels counts.
const BIMODAL_HOURS_MIN: usize = 11;
/// Histogram levels closer than this share of the highest are the same.
const LEVEL_SHARE: f64 = 0.05;
/// Narrower quartiles have no skewness worth speaking of: seconds, or bytes.
const QUARTILES_MIN: f64 = 10.0;

/// How much the connections of a pair look like a program's calls home: four parts of 0.25 each, after the published model of
/// RITA 5 (Active Countermeasures, `analysis/beacons.go`), own implementation.
///
/// Regularity of the intervals and of the sizes is each the mean of 1 − |Bowley skewness| and 1 − median absolute deviation ÷
/// median. Duration is the larger of the share of the window from first to last connection and of the longest run of hours
/// with connections, 12 being ideal; it is 0 below six such hours. The histogram over 24 hours is the larger of
/// 1 − coefficient of variation and the share of its two most frequent levels.
///
/// Two things differ: intervals keep their fractions of a second, and of recordings shorter than six hours duration
/// and histogram are not known and the mean is taken over the other two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rhythm {
    /// Median interval in seconds.
    pub interval_s: f64,
    /// Regularity of the intervals, 0 to 1.
    pub timing: f64,
    /// Regularity of the bytes sent, 0 to 1.
    pub size: f64,
    /// See above; `None` if the window is shorter than six hours.
    pub duration: Option<f64>,
    /// See above; `None` if the window is shorter than six hours.
    pub histogram: Option<f64>,
    /// Mean of the parts that are known, 0 to 1.
    pub score: f64,
}

impl Rhythm {
    /// Measures connections that began at `starts` and sent `sizes` bytes within a window of at most 24 hours.
    ///
    /// `hours` is how many connections began in each hour, the window's last hour last, of which the first
    /// 24 − `hours.len()` lie before the window. Returns `None` for fewer than [`RHYTHM_CONNECTIONS_MIN`] connections or three
    /// different starts. O(n log n).
    pub fn measure(starts: &[Timestamp], sizes: &[f64], hours: &[u32], window: (Timestamp, Timestamp)) -> Option<Self> {
        if starts.len() < RHYTHM_CONNECTIONS_MIN {
            return None;
        }
        let mut starts = starts.to_vec();
        starts.sort_unstable();
        let pauses = starts.windows(2).map(|pair| pair[1].seconds_since(pair[0]));
        let mut intervals: Vec<f64> = pauses.filter(|pause| *pause > 0.0).collect();
        if intervals.len() < 3 {
            return None;
        }
        let (timing, interval_s) = regularity(&mut intervals, 1.0, 1.0);
        let (size, _) = regularity(&mut sizes.to_vec(), 0.0, 1.0);
        let length_s = window.1.seconds_since(window.0);
        let long = length_s >= LONG_S_MIN;
        let kept_s = starts.last()?.seconds_since(window.0.max(*starts.first()?));
        let duration = long.then(|| duration(kept_s / length_s, hours));
        let histogram = long.then(|| evenness(hours).max(levels(hours)));
        let parts = [Some(timing), Some(size), duration, histogram];
        let known: Vec<f64> = parts.into_iter().flatten().collect();
        Some(Self {
            interval_s,
            timing,
            size,
            duration,
            histogram,
            score: known.iter().sum::<f64>() / known.len() as f64,
        })
    }
}

/// Returns how regular values are, 0 to 1, and their median; sorts them. A median below `unit` says nothing and scores `default`.
fn regularity(values: &mut [f64], default: f64, unit: f64) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let (q1, median, q3) = (quantile(values, 0.25), quantile(values, 0.5), quantile(values, 0.75));
    let skewness = if q3 - q1 >= QUARTILES_MIN && median > q1 && median < q3 {
        (q1 + q3 - 2.0 * median) / (q3 - q1)
    } else {
        0.0
    };
    let mut off: Vec<f64> = values.iter().map(|v| (v - median).abs()).collect();
    off.sort_by(f64::total_cmp);
    let steady = if median >= unit {
        (1.0 - quantile(&off, 0.5) / median).max(0.0)
    } else {
        default
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

fn duration(covered: f64, hours: &[u32]) -> f64 {
    if hours.iter().filter(|n| **n > 0).count() < DURATION_HOURS_MIN {
        return 0.0;
    }
    let (mut run, mut longest) = (0_u32, 0_u32);
    // Twice around: a run may go over midnight.
    for n in hours.iter().chain(hours) {
        run = if *n > 0 { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let longest = f64::from(longest).min(hours.len() as f64);
    covered.max(longest / RUN_HOURS_IDEAL).clamp(0.0, 1.0)
}

fn evenness(hours: &[u32]) -> f64 {
    let count = hours.len().max(1) as f64;
    let mean = hours.iter().map(|n| f64::from(*n)).sum::<f64>() / count;
    let variance = hours.iter().map(|n| (f64::from(*n) - mean).powi(2)).sum::<f64>() / count;
    (1.0 - variance.sqrt() / mean.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0)
}

/// Returns the share of hours that lie on the two most frequent levels, one outlier forgiven.
fn levels(hours: &[u32]) -> f64 {
    let busy: Vec<u32> = hours.iter().copied().filter(|n| *n > 0).collect();
    if busy.len() < BIMODAL_HOURS_MIN {
        return 0.0;
    }
    let highest = busy.iter().copied().max().unwrap_or(0);
    let width = (f64::from(highest) * LEVEL_SHARE).ceil().max(1.0);
    let mut counts = std::collections::BTreeMap::<u32, u32>::new();
    for n in &busy {
        *counts.entry((f64::from(*n) / width) as u32).or_default() += 1;
    }
    let mut counts: Vec<u32> = counts.into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let two: u32 = counts.iter().take(2).sum();
    (f64::from(two) / (busy.len() as f64 - 1.0)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rhythm(seconds: impl Iterator<Item = f64>, hours: f64) -> Rhythm {
        let starts: Vec<Timestamp> = seconds.map(|s| Timestamp((s * 1e9) as i64)).collect();
        let mut buckets = [0; HOURS];
        for start in &starts {
            buckets[(start.0 / 3_600_000_000_000) as usize] += 1;
        }
        let sizes = vec![120.0; starts.len()];
        let window = (Timestamp(0), Timestamp((hours * 3.6e12) as i64));
        Rhythm::measure(&starts, &sizes, &buckets[..hours.ceil() as usize], window).unwrap()
    }

    #[test]
    fn a_clock_has_the_full_score() {
        let steady = rhythm((0..1_440).map(|n| f64::from(n) * 60.0), 24.0);
        assert!(steady.score > 0.99 && steady.interval_s == 60.0, "{steady:?}");
    }

    #[test]
    fn jitter_costs_timing_only() {
        let jittered = rhythm((0..288).map(|n| f64::from(n) * 300.0 + f64::from(n * n * 37 % 150)), 24.0);
        assert!(jittered.timing < 0.95 && jittered.timing > 0.6, "{jittered:?}");
        assert!(
            jittered.duration > Some(0.99) && jittered.histogram > Some(0.9),
            "{jittered:?}"
        );
    }

    #[test]
    fn bursts_have_no_rhythm() {
        // Two browsing sessions: many connections at once, hours apart.
        let bursts = rhythm((0..60).map(|n| f64::from(n / 30) * 9_000.0 + f64::from((n * n) % 31)), 24.0);
        assert!(bursts.score < 0.6, "{bursts:?}");
    }

    #[test]
    fn a_short_recording_knows_no_duration() {
        let short = rhythm((0..20).map(|n| f64::from(n) * 30.0), 1.0);
        assert_eq!((short.duration, short.histogram), (None, None));
        let few = [0, 1, 2].map(|n| Timestamp(n * 1_000_000_000));
        assert_eq!(Rhythm::measure(&few, &[1.0; 3], &[3], (few[0], few[2])), None);
    }
}
