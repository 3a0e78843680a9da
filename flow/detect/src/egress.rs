use leckwehr_incident::{Finding, Timestamp};
use leckwehr_telemetry::{Event, Kind};

use crate::Place;
use crate::detector::Context;
use crate::window::Keyed;

/// Length of a bucket of the baseline.
const BUCKET_MS: i64 = 10_000;

/// Bytes that leave, per destination, against what was learned; counters at the exit and flows apart.
#[derive(Debug, Default)]
pub(crate) struct EgressWatch {
    counters: Keyed<(String, String, String), u64>,
    /// By who counted (a guard's sensor, or the host that sent) and destination: two counts of the same bytes are not
    /// added up.
    volumes: Keyed<(String, String), Volume>,
    learned: bool,
}

#[derive(Debug, Default)]
struct Volume {
    known: bool,
    learned_max: u64,
    bucket_start: Timestamp,
    bucket_bytes: u64,
    total: u64,
}

impl EgressWatch {
    pub(crate) fn observe(&mut self, event: &Event<'_>, context: &Context, found: &mut Vec<Finding>) {
        let counted = event.kind() == Kind::EgressCounter;
        let place = context.book.place(event.destination());
        let from_outside = !counted && !event.origin().is_empty() && context.book.place(event.origin()).is_outside();
        if !place.is_outside() || from_outside {
            return;
        }
        let bytes = if counted {
            self.increment(event)
        } else {
            event.bytes_out().unwrap_or(0)
        };
        self.learned |= context.learning;
        let (host, _) = context.parties(event);
        let by = if counted { event.sensor().to_owned() } else { host.clone() };
        let volume = self.volumes.entry((by, event.destination().to_owned()));
        if volume.bucket_start.plus_ms(BUCKET_MS) < event.time() {
            volume.bucket_start = event.time();
            volume.bucket_bytes = 0;
        }
        volume.bucket_bytes = volume.bucket_bytes.saturating_add(bytes);
        volume.total = volume.total.saturating_add(bytes);
        if context.learning {
            volume.known = true;
            volume.learned_max = volume.learned_max.max(volume.bucket_bytes);
        } else if bytes > 0 {
            let partner = matches!(place, Place::Partner(_));
            if let Some((weight, detail)) = judge(volume, context, event.destination(), partner, self.learned) {
                let to = Some(event.destination().to_owned());
                found.push(context.finding(event, "Outbound volume", "T1041 T1048", weight, host, to, detail));
            }
        }
    }

    /// Returns what the cumulative counter grew by; a smaller value means that it began anew.
    fn increment(&mut self, event: &Event<'_>) -> u64 {
        let now = event.bytes_out().unwrap_or(0);
        let key = [event.host(), event.sensor(), event.destination()].map(str::to_owned);
        let last = self.counters.entry(key.into());
        let grown = if now >= *last { now - *last } else { now };
        *last = now;
        grown
    }
}

fn judge(volume: &Volume, context: &Context, to: &str, partner: bool, learned: bool) -> Option<(u8, String)> {
    let t = &context.thresholds;
    if !volume.known && !partner && volume.total >= t.egress_new_bytes_min {
        let weight = if learned { 40 } else { 20 };
        return Some((
            weight,
            format!("{} bytes to {to}, an address never seen before", volume.total),
        ));
    }
    let usual = volume.learned_max.saturating_mul(t.egress_factor);
    if learned && volume.bucket_bytes >= t.egress_known_bytes_min.max(usual) {
        let detail = format!(
            "{} bytes to {to} within 10 s; the most learned was {}",
            volume.bucket_bytes, volume.learned_max
        );
        return Some((35, detail));
    }
    None
}
