use leckwehr_incident::{Finding, Timestamp};
use leckwehr_telemetry::Event;

use crate::detector::Context;
use crate::window::Keyed;

/// A sensor that stopped talking may have been stopped.
#[derive(Debug, Default)]
pub(crate) struct SilenceWatch {
    sensors: Keyed<String, Voice>,
}

#[derive(Debug, Default)]
struct Voice {
    last: Option<Timestamp>,
    longest_pause_ms: i64,
    host: String,
    reported: bool,
}

/// Silence is this many times the longest learned pause.
const FACTOR: i64 = 5;

impl SilenceWatch {
    pub(crate) fn observe(&mut self, event: &Event<'_>, context: &Context) {
        let voice = self.sensors.entry(event.sensor().to_owned());
        let last = voice.last.unwrap_or(event.time());
        let pause_ms = (event.time().0.saturating_sub(last.0)) / 1_000_000;
        if context.learning {
            voice.longest_pause_ms = voice.longest_pause_ms.max(pause_ms);
        }
        if voice.host.is_empty() {
            let host = if event.host().is_empty() {
                event.sensor()
            } else {
                event.host()
            };
            voice.host = context.book.system_or_text(host).to_owned();
        }
        voice.last = Some(last.max(event.time()));
        voice.reported = false;
    }

    pub(crate) fn tick(&mut self, now: Timestamp, context: &Context) -> Vec<Finding> {
        if context.learning {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (sensor, voice) in self.sensors.iter_mut() {
            let limit_ms = context
                .thresholds
                .silence_ms_min
                .max(voice.longest_pause_ms.saturating_mul(FACTOR));
            let silent = voice.last.filter(|last| last.plus_ms(limit_ms) < now);
            if let Some(last) = silent.filter(|_| !voice.reported) {
                voice.reported = true;
                found.push(Finding {
                    at: now,
                    rule: "detector:sensor-silence".to_owned(),
                    title: "Sensor silence".to_owned(),
                    author: "Leckwehr".to_owned(),
                    techniques: vec!["T1562".to_owned()],
                    host: voice.host.clone(),
                    weight: 15,
                    evidence: vec![sensor.clone()],
                    detail: format!("{sensor} was last heard at {last}, {:.1} s ago", now.seconds_since(last)),
                    ..Finding::default()
                });
            }
        }
        found.sort_by(|a, b| a.evidence.cmp(&b.evidence));
        found
    }
}
