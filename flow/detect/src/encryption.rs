use std::collections::VecDeque;

use leckwehr_incident::{Finding, Timestamp};
use leckwehr_telemetry::Event;

use crate::detector::Context;
use crate::window::Keyed;

/// Many files turn into noise at once: encryption for impact.
#[derive(Debug, Default)]
pub(crate) struct EncryptionWatch {
    recent: Keyed<(String, String), VecDeque<(Timestamp, String)>>,
    learned_max: usize,
}

/// Changed files remembered per account and host.
const FILES_MAX: usize = 1_024;

impl EncryptionWatch {
    pub(crate) fn observe(&mut self, event: &Event<'_>, context: &Context, found: &mut Vec<Finding>) {
        let t = &context.thresholds;
        let noisy = event.entropy().is_some_and(|e| e >= t.entropy_min);
        if !noisy || !matches!(event.action(), "change" | "create" | "rename") {
            return;
        }
        let (host, origin) = context.parties(event);
        let recent = self.recent.entry((host.clone(), event.account().to_owned()));
        recent.retain(|(at, path)| event.time() <= at.plus_ms(t.encryption_window_ms) && path != event.object());
        if recent.len() >= FILES_MAX {
            recent.pop_front();
        }
        recent.push_back((event.time(), event.object().to_owned()));
        let count = recent.len();
        if context.learning && count < 2 * t.encrypted_files_min {
            self.learned_max = self.learned_max.max(count);
            return;
        }
        if count >= t.encrypted_files_min.max(3 * self.learned_max) {
            let detail = format!(
                "{count} different files changed to content of {} bits per byte or more within {} s, last {}",
                t.entropy_min,
                t.encryption_window_ms / 1_000,
                event.object()
            );
            found.push(context.finding(event, "Mass encryption", "T1486", 95, host, origin, detail));
        }
    }
}
