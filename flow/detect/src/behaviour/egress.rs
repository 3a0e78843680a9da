use leckwehr_incident::Timestamp;
use leckwehr_telemetry::Kind;
use serde::{Deserialize, Serialize};

use super::Context;
use super::fresh::{First, Fresh};
use super::keyed::Keyed;
use super::look::{Found, Look, Side, Sign};
use super::season::{Season, Usual, hour_of};

/// Length of the short bucket.
const BUCKET_MS: i64 = 10_000;
/// Pairs with a volume.
const PAIRS_MAX: usize = 16_384;
/// Added to every hour before the logarithm: below, differences do not matter.
const FLOOR_BYTES: f64 = 10_000.0;
/// Smallest deviation that is assumed: nobody's volume is the same to within a tenth every day.
const SIGMA_MIN: f64 = 0.1;
/// What an hour adds to the drift at most, and what is taken off each hour (CUSUM).
const DRIFT_MAX: f64 = 4.0;
const DRIFT_SLACK: f64 = 1.5;

/// Bytes that leave, per destination, against what was learned; counters at the exit and flows apart.
///
/// Three looks at the same bytes: a destination never seen before; ten seconds against the largest learned ten; an hour, and
/// the drift over hours, against what is usual for the pair at that hour of such a day.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct EgressWatch {
    counters: Keyed<(u64, u64, u64), u64>,
    /// By who counted (a guard's sensor, or the host that sent) and destination: two counts of the same bytes are not
    /// added up.
    volumes: Keyed<(u64, u64), Volume, PAIRS_MAX>,
    fresh: Fresh,
    learned: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Volume {
    known: bool,
    first: First,
    learned_max: u64,
    bucket_start: Timestamp,
    bucket_bytes: u64,
    total: u64,
    back: u64,
    hour: i64,
    hour_bytes: u64,
    season: Season,
    usual: Option<Usual>,
    drift: f64,
    /// Bytes of which was told already, and in which hour.
    told: (u64, i64),
}

impl EgressWatch {
    pub(crate) fn observe(&mut self, look: &Look<'_>, context: &Context, found: &mut Found) {
        let counted = look.event.kind() == Kind::EgressCounter;
        let from_outside = !counted && !look.opener.is_none() && look.opener.is_beyond();
        if !look.destination.is_beyond() || from_outside {
            return;
        }
        let bytes = if counted {
            self.increment(look)
        } else {
            look.event.bytes_out().unwrap_or(0)
        };
        self.learned |= context.learning;
        let by = if counted { look.sensor.key } else { look.host.key };
        let volume = self.volumes.entry((by, look.destination.key));
        volume.add(look.at, bytes, look.event.bytes_in().unwrap_or(0));
        if context.learning {
            volume.known = true;
            volume.learned_max = volume.learned_max.max(volume.bucket_bytes);
            self.fresh.learn(by, volume.first, look.at, volume.total);
            return;
        }
        if bytes == 0 {
            return;
        }
        let score = volume.score();
        if let Some(score) = score {
            found.opine("egress", look.at, score, || {
                format!("{}>{}", look.host.name, look.destination.text)
            });
        }
        let most_new = self.fresh.most(by);
        if let Some((weight, detail)) = judge(volume, look, context, self.learned, most_new, score)
            && volume.is_news()
        {
            volume.told = (volume.total, volume.hour);
            found.push(look.finding(Sign {
                title: "Outbound volume",
                techniques: "T1041 T1048",
                weight,
                origin: Some(look.destination.text),
                detail,
            }));
        }
    }

    /// Returns what the cumulative counter grew by; a smaller value means that it began anew.
    fn increment(&mut self, look: &Look<'_>) -> u64 {
        let now = look.event.bytes_out().unwrap_or(0);
        let last = self.counters.entry((look.host.key, look.sensor.key, look.destination.key));
        let grown = if now >= *last { now - *last } else { now };
        *last = now;
        grown
    }
}

impl Volume {
    fn add(&mut self, at: Timestamp, bytes: u64, back: u64) {
        self.first.see(at);
        if self.bucket_start.plus_ms(BUCKET_MS) < at {
            self.bucket_start = at;
            self.bucket_bytes = 0;
        }
        self.bucket_bytes = self.bucket_bytes.saturating_add(bytes);
        self.total = self.total.saturating_add(bytes);
        self.back = self.back.saturating_add(back);
        let hour = hour_of(at);
        if hour > self.hour {
            self.close_hour(hour);
        }
        self.hour_bytes = self.hour_bytes.saturating_add(bytes);
    }

    fn close_hour(&mut self, next: i64) {
        if self.hour > 0 {
            // What is far from usual is not learned whole: an attacker must not teach us his volume.
            let value = self.usual.map_or(log(self.hour_bytes), |u| {
                log(self.hour_bytes).min(u.median + 3.0 * u.sigma.max(SIGMA_MIN))
            });
            self.season.enter(self.hour, value, log(0));
            let score = self.deviation().unwrap_or(0.0);
            let idle = next.saturating_sub(self.hour + 1) as f64;
            self.drift = (self.drift + score.min(DRIFT_MAX) - DRIFT_SLACK * (1.0 + idle)).max(0.0);
        }
        self.hour = next;
        self.hour_bytes = 0;
        self.usual = self.season.usual(next);
    }

    /// A new destination is told again when its bytes have doubled, a known one in another hour.
    fn is_news(&self) -> bool {
        self.total >= self.told.0.saturating_mul(2) || self.known && self.hour != self.told.1
    }

    /// Robust deviations of this hour's logarithm from what is usual.
    fn deviation(&self) -> Option<f64> {
        let usual = self.usual?;
        Some((log(self.hour_bytes) - usual.median) / usual.sigma.max(SIGMA_MIN))
    }

    /// The hour alone, or with the hours before it.
    fn score(&self) -> Option<f64> {
        let now = self.deviation()?;
        Some(now.max(self.drift + now.min(DRIFT_MAX) - DRIFT_SLACK))
    }
}

fn log(bytes: u64) -> f64 {
    (bytes as f64 + FLOOR_BYTES).ln()
}

fn judge(
    volume: &Volume,
    look: &Look<'_>,
    context: &Context,
    learned: bool,
    most_new: u64,
    score: Option<f64>,
) -> Option<(u8, String)> {
    let (t, to) = (&context.thresholds, look.destination);
    let known = volume.known || volume.first.is_known(look.at);
    if !known && to.side == Side::Outside && volume.total >= t.egress_new_bytes_min.max(3 * most_new) {
        let weight = if learned { 40 } else { 20 };
        return Some((
            weight,
            format!("{} bytes to {}, an address never seen before", volume.total, to.text),
        ));
    }
    let usual = volume.learned_max.saturating_mul(t.egress_factor);
    if learned && volume.bucket_bytes >= t.egress_known_bytes_min.max(usual) {
        let detail = format!(
            "{} bytes to {} within 10 s; the most learned was {}",
            volume.bucket_bytes, to.text, volume.learned_max
        );
        return Some((35, detail));
    }
    let (score, usual) = (score?, volume.usual?);
    let above = (volume.hour_bytes as f64 - (usual.median.exp() - FLOOR_BYTES)).max(0.0);
    if known && score >= t.egress_score_min && above >= t.egress_new_bytes_min as f64 {
        // More out than in is a hint and no more: of four documented channels of theft none had it.
        let hint = if volume.total > volume.back {
            ", and more went there than came back"
        } else {
            ""
        };
        let detail = format!(
            "{} bytes to {} this hour, {above:.0} more than usual at this time (score {score:.1}){hint}",
            volume.hour_bytes, to.text
        );
        return Some((25, detail));
    }
    None
}
