use std::collections::VecDeque;

use leckwehr_incident::Timestamp;
use serde::{Deserialize, Serialize};

use super::Context;
use super::keyed::Keyed;
use super::look::{Found, Look, Sign};
use super::season::{Season, Usual, hour_of};

/// Portals.
const PORTALS_MAX: usize = 4_096;
/// A flood is this many times the highest learned rate per second.
const FACTOR: u64 = 5;
/// Smallest deviation of the logarithm that is assumed.
const SIGMA_MIN: f64 = 0.15;
/// Minutes of the long and the short window of the burn rate.
const LONG_MIN: usize = 60;
const SHORT_MIN: usize = 5;
/// Fewer requests in the short window have no rate of failure.
const BURN_REQUESTS_MIN: u64 = 50;

/// More requests at a portal than is usual at that hour, or answers so slow that its users suffer.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct FloodWatch {
    portals: Keyed<u64, Rate, PORTALS_MAX>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Rate {
    second: Timestamp,
    requests: u64,
    learned_max: u64,
    minute: i64,
    minute_requests: u64,
    hour: i64,
    hour_max: u64,
    season: Season,
    usual: Option<Usual>,
    burn: Burn,
}

impl FloodWatch {
    pub(crate) fn observe(&mut self, look: &Look<'_>, context: &Context, found: &mut Found) {
        let rate = self.portals.entry(look.host.key);
        rate.add(look.at, look.event.size().unwrap_or(0));
        let bad = ["http.slow_requests", "http.failed_requests"].map(|name| look.event.field(name));
        let bad: u64 = bad.into_iter().flatten().filter_map(|n| n.parse::<u64>().ok()).sum();
        rate.burn.add(rate.minute, look.event.size().unwrap_or(0), bad);
        if context.learning {
            rate.learned_max = rate.learned_max.max(rate.requests);
            return;
        }
        let t = &context.thresholds;
        let score = rate.deviation();
        if let Some(score) = score {
            found.opine("flood", look.at, score, || look.host.name.to_owned());
        }
        let detail = match score {
            // Six times the smallest flood in a minute: a tenth of a minute at that rate.
            Some(score) if score >= t.flood_score_min && rate.minute_requests >= 6 * t.requests_per_s_min => Some(format!(
                "{} requests within a minute, far above what is usual at this hour (score {score:.1})",
                rate.minute_requests
            )),
            _ if rate.requests >= t.requests_per_s_min.max(rate.learned_max.saturating_mul(FACTOR)) => Some(format!(
                "{} requests within 1 s; the most learned was {}",
                rate.requests, rate.learned_max
            )),
            _ => None,
        };
        let burn = rate.burn.rate(t.burn_budget);
        found.opine("burn", look.at, burn, || look.host.name.to_owned());
        let burning = (burn >= t.burn_rate_min)
            .then(|| format!("slow and failed requests use up the budget of the month {burn:.0} times faster than it lasts"));
        let tell = [("Request flood", 35, detail), ("Latency burn", 20, burning)];
        for (title, weight, detail) in tell {
            if let Some(detail) = detail {
                found.push(look.finding(Sign {
                    title,
                    techniques: "T1499",
                    weight,
                    origin: look.origin_name(),
                    detail,
                }));
            }
        }
    }
}

impl Rate {
    fn add(&mut self, at: Timestamp, count: u64) {
        if self.second.plus_ms(1_000) <= at {
            self.second = at;
            self.requests = 0;
        }
        self.requests = self.requests.saturating_add(count);
        let minute = at.0.div_euclid(60_000_000_000);
        if minute > self.minute {
            self.hour_max = self.hour_max.max(self.minute_requests);
            self.minute = minute;
            self.minute_requests = 0;
        }
        let hour = hour_of(at);
        if hour > self.hour {
            if self.hour > 0 {
                // A flood must not become what is usual.
                let value = self.usual.map_or(log(self.hour_max), |u| {
                    log(self.hour_max).min(u.median + 3.0 * u.sigma.max(SIGMA_MIN))
                });
                self.season.enter(self.hour, value, log(0));
            }
            self.hour = hour;
            self.hour_max = 0;
            self.usual = self.season.usual(hour);
        }
        self.minute_requests = self.minute_requests.saturating_add(count);
    }

    /// Robust deviations of this minute from the busiest minutes that are usual at this hour.
    fn deviation(&self) -> Option<f64> {
        let usual = self.usual?;
        Some((log(self.minute_requests) - usual.median) / usual.sigma.max(SIGMA_MIN))
    }
}

fn log(requests: u64) -> f64 {
    (requests as f64 + 10.0).ln()
}

/// Requests and bad ones per minute, the newest last.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Burn {
    minute: i64,
    minutes: VecDeque<(u64, u64)>,
}

impl Burn {
    fn add(&mut self, minute: i64, requests: u64, bad: u64) {
        if self.minutes.is_empty() || minute - self.minute >= LONG_MIN as i64 {
            self.minutes.clear();
            self.minutes.push_back((0, 0));
            self.minute = minute;
        }
        while self.minute < minute {
            self.minutes.push_back((0, 0));
            self.minute += 1;
        }
        while self.minutes.len() > LONG_MIN {
            self.minutes.pop_front();
        }
        if let Some(now) = self.minutes.back_mut() {
            now.0 = now.0.saturating_add(requests);
            now.1 = now.1.saturating_add(bad);
        }
    }

    /// Returns the burn rate of the long or the short window, whichever is smaller.
    fn rate(&self, budget: f64) -> f64 {
        let share = |minutes: usize| {
            let last = self.minutes.iter().rev().take(minutes);
            let (all, bad) = last.fold((0_u64, 0_u64), |sum, m| {
                (sum.0.saturating_add(m.0), sum.1.saturating_add(m.1))
            });
            if all < BURN_REQUESTS_MIN {
                0.0
            } else {
                bad as f64 / all as f64
            }
        };
        share(LONG_MIN).min(share(SHORT_MIN)) / budget.max(f64::MIN_POSITIVE)
    }
}
