use leckwehr_incident::{Finding, Timestamp};
use leckwehr_telemetry::Event;

use crate::detector::Context;
use crate::window::Keyed;

/// More requests per second at a portal than it ever had.
#[derive(Debug, Default)]
pub(crate) struct FloodWatch {
    portals: Keyed<String, Rate>,
}

#[derive(Debug, Default)]
struct Rate {
    second: Timestamp,
    requests: u64,
    learned_max: u64,
}

/// A flood is this many times the highest learned rate.
const FACTOR: u64 = 5;

impl FloodWatch {
    pub(crate) fn observe(&mut self, event: &Event<'_>, context: &Context, found: &mut Vec<Finding>) {
        let (host, origin) = context.parties(event);
        let rate = self.portals.entry(host.clone());
        if rate.second.plus_ms(1_000) <= event.time() {
            rate.second = event.time();
            rate.requests = 0;
        }
        rate.requests = rate.requests.saturating_add(event.size().unwrap_or(0));
        if context.learning {
            rate.learned_max = rate.learned_max.max(rate.requests);
            return;
        }
        if rate.requests
            >= context
                .thresholds
                .requests_per_s_min
                .max(rate.learned_max.saturating_mul(FACTOR))
        {
            let detail = format!(
                "{} requests within 1 s; the most learned was {}",
                rate.requests, rate.learned_max
            );
            found.push(context.finding(event, "Request flood", "T1499", 35, host, origin, detail));
        }
    }
}
