use std::collections::BTreeMap;

use leckwehr_incident::{Finding, Timestamp};
use serde::{Deserialize, Serialize};

use super::Context;
use super::keyed::Keyed;
use super::look::{AUTHOR, Found, Look, rule, techniques};
use super::season::{hour_of, slot};

/// Sensors that are listened to.
const SENSORS_MAX: usize = 16_384;

/// A sensor that stopped talking may have been stopped.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct SilenceWatch {
    sensors: Keyed<u64, Voice, SENSORS_MAX>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Voice {
    sensor: String,
    host: String,
    last: Option<Timestamp>,
    /// Longest pause that began at each hour of the day, working days apart from weekends, in milliseconds.
    pauses_ms: BTreeMap<u8, i64>,
    reported: bool,
}

impl Voice {
    /// Returns the longest learned pause that began at about this hour, else the longest of all.
    fn usual_ms(&self, at: Timestamp) -> i64 {
        let near = [-1, 0, 1].map(|step| self.pauses_ms.get(&slot(hour_of(at) + step)));
        let near = near.into_iter().flatten().max();
        near.or_else(|| self.pauses_ms.values().max()).copied().unwrap_or(0)
    }
}

impl SilenceWatch {
    pub(crate) fn observe(&mut self, look: &Look<'_>, context: &Context) {
        let voice = self.sensors.entry(look.sensor.key);
        if voice.sensor.is_empty() {
            look.sensor.text.clone_into(&mut voice.sensor);
            let host = if look.event.host().is_empty() {
                look.sensor
            } else {
                look.host
            };
            host.name.clone_into(&mut voice.host);
        }
        let last = voice.last.unwrap_or(look.at);
        if context.learning {
            let pause_ms = look.at.0.saturating_sub(last.0) / 1_000_000;
            let longest = voice.pauses_ms.entry(slot(hour_of(last))).or_default();
            *longest = (*longest).max(pause_ms);
        }
        voice.last = Some(last.max(look.at));
        voice.reported = false;
    }

    pub(crate) fn tick(&mut self, now: Timestamp, context: &Context, found: &mut Found) {
        if context.learning {
            return;
        }
        let t = &context.thresholds;
        let mut silent = Vec::new();
        self.sensors.each(|_, voice| {
            let Some(last) = voice.last else { return };
            let usual_ms = voice.usual_ms(last);
            let silent_ms = now.0.saturating_sub(last.0) / 1_000_000;
            let score = silent_ms as f64 / usual_ms.max(1) as f64;
            found.opine("silence", now, score, || voice.sensor.clone());
            let over = silent_ms > t.silence_ms_min && silent_ms as f64 > usual_ms as f64 * t.silence_factor;
            if over && !voice.reported {
                voice.reported = true;
                let title = "Sensor silence";
                silent.push(Finding {
                    at: now,
                    rule: rule(title),
                    title: title.to_owned(),
                    author: AUTHOR.to_owned(),
                    techniques: techniques("T1562"),
                    host: voice.host.clone(),
                    account: None,
                    origin: None,
                    indicators: Vec::new(),
                    weight: 15,
                    evidence: vec![voice.sensor.clone()],
                    detail: format!(
                        "{} was last heard at {last}, {:.1} s ago",
                        voice.sensor,
                        now.seconds_since(last)
                    ),
                });
            }
        });
        silent.sort_by(|a, b| a.evidence.cmp(&b.evidence));
        found.findings.extend(silent);
    }
}
