use std::collections::HashSet;

use leckwehr_incident::Finding;
use leckwehr_telemetry::Event;

use crate::detector::Context;
use crate::window::{Burst, Keyed};

/// Backups destroyed: attackers do it first, so one deletion that is not routine is critical.
#[derive(Debug, Default)]
pub(crate) struct BackupWatch {
    routine: HashSet<(String, String)>,
    bursts: Keyed<(String, String), Burst>,
}

impl BackupWatch {
    pub(crate) fn observe(&mut self, event: &Event<'_>, context: &Context, found: &mut Vec<Finding>) {
        let (title, what) = match event.action() {
            "snapshot-delete" => ("Backup destruction", "snapshot deleted"),
            "retention-change" => ("Backup retention changed", "retention changed"),
            _ => return,
        };
        let (host, origin) = context.parties(event);
        let who = (event.account().to_owned(), event.action().to_owned());
        let t = &context.thresholds;
        let count = self
            .bursts
            .entry(who.clone())
            .enter(event.time(), t.backup_window_ms, t.deletions_min);
        if context.learning && count < t.deletions_min {
            self.routine.insert(who);
            return;
        }
        if self.routine.contains(&who) && count < t.deletions_min {
            return;
        }
        let detail = format!("{what}: {}, {count} within {} s", event.object(), t.backup_window_ms / 1_000);
        found.push(context.finding(event, title, "T1490", 90, host, origin, detail));
    }
}
