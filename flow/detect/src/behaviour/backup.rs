use leckwehr_incident::{Finding, Timestamp};
use leckwehr_telemetry::Outcome;
use serde::{Deserialize, Serialize};

use super::Context;
use super::keyed::{Burst, Keyed};
use super::look::{AUTHOR, Found, Look, Sign, rule, techniques};

/// Deletions counted within one window.
const BURST_MAX: usize = 1_024;
/// A backup is missing when none came for this many times the longest learned pause.
const MISSING_FACTOR: i64 = 2;
/// Shorter pauses between backups say nothing about when the next one is due, in milliseconds.
const PAUSE_MS_MIN: i64 = 3_600_000;

/// Backups destroyed or kept from being made: attackers do it first, so one deletion that is not routine is critical.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct BackupWatch {
    routine: Keyed<(u64, u8), Routine>,
    bursts: Keyed<(u64, u8), Burst>,
    jobs: Keyed<u64, Jobs, 8_192>,
}

/// What an account does with backups every day.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Routine {
    known: bool,
    burst_max: usize,
    /// Hours of the day (UTC) at which it does so, one bit each.
    hours: u32,
}

/// How backups of one host go.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Jobs {
    host: String,
    failed_in_row: usize,
    failed_in_row_learned: usize,
    last: Option<Timestamp>,
    longest_pause_ms: i64,
    missed: bool,
}

/// What was done, whoever's word it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Made,
    Failed,
    Deleted,
    Shortened,
    Rekeyed,
    SwitchedOff,
}

impl Act {
    fn of(action: &str, outcome: Outcome) -> Option<Self> {
        Some(match action {
            "snapshot-create" | "backup-create" | "backup" | "job-finish" if outcome == Outcome::Failure => Self::Failed,
            "snapshot-create" | "backup-create" | "backup" | "job-finish" => Self::Made,
            "job-failed" | "backup-failed" => Self::Failed,
            "snapshot-delete" | "backup-delete" | "restore-point-delete" | "repository-delete" => Self::Deleted,
            "retention-change" | "immutability-disable" | "object-lock-disable" => Self::Shortened,
            "key-change" | "password-change" | "encryption-change" => Self::Rekeyed,
            "job-disable" | "job-delete" | "schedule-change" => Self::SwitchedOff,
            _ => return None,
        })
    }

    fn title(self) -> (&'static str, u8, &'static str) {
        match self {
            Self::Shortened => ("Backup retention changed", 90, "retention changed"),
            Self::Rekeyed => ("Backup key changed", 90, "key changed"),
            Self::SwitchedOff => ("Backup job switched off", 60, "job switched off"),
            _ => ("Backup destruction", 90, "snapshot deleted"),
        }
    }
}

impl BackupWatch {
    pub(crate) fn observe(&mut self, look: &Look<'_>, context: &Context, found: &mut Found) {
        match Act::of(look.event.action(), look.event.outcome()) {
            Some(Act::Made) => self.made(look, context),
            Some(Act::Failed) => self.failed(look, context, found),
            Some(act) => self.meddled(act, look, context, found),
            None => {}
        }
    }

    fn meddled(&mut self, act: Act, look: &Look<'_>, context: &Context, found: &mut Found) {
        let t = &context.thresholds;
        let who = (look.account, act as u8);
        let count = self.bursts.entry(who).enter(look.at, t.backup_window_ms, BURST_MAX);
        let hour = 1_u32 << (look.at.0.div_euclid(3_600_000_000_000).rem_euclid(24) as u32);
        let routine = self.routine.entry(who);
        // At another hour, the routine of the night is no excuse for more than a few.
        let usual = if routine.hours & hour != 0 { 2 * routine.burst_max } else { 0 };
        let many = count >= t.deletions_min.max(usual);
        let known = routine.known;
        if context.learning {
            routine.known = true;
            routine.burst_max = routine.burst_max.max(count);
            routine.hours |= hour;
        }
        if !many && (known || context.learning) {
            return;
        }
        let (title, weight, what) = act.title();
        let seconds = t.backup_window_ms / 1_000;
        found.push(look.finding(Sign {
            title,
            techniques: "T1490",
            weight,
            origin: look.origin_name(),
            detail: format!("{what}: {}, {count} within {seconds} s", look.event.object()),
        }));
    }

    fn made(&mut self, look: &Look<'_>, context: &Context) {
        let jobs = self.jobs.entry(look.host.key);
        if jobs.host.is_empty() {
            look.host.name.clone_into(&mut jobs.host);
        }
        if let Some(last) = jobs.last.filter(|_| context.learning) {
            let pause_ms = look.at.0.saturating_sub(last.0) / 1_000_000;
            jobs.longest_pause_ms = jobs.longest_pause_ms.max(pause_ms);
        }
        jobs.last = jobs.last.max(Some(look.at));
        jobs.failed_in_row = 0;
        jobs.missed = false;
    }

    fn failed(&mut self, look: &Look<'_>, context: &Context, found: &mut Found) {
        let jobs = self.jobs.entry(look.host.key);
        jobs.failed_in_row = jobs.failed_in_row.saturating_add(1);
        let count = jobs.failed_in_row;
        if context.learning {
            jobs.failed_in_row_learned = jobs.failed_in_row_learned.max(count);
        }
        let limit = context.thresholds.failed_jobs_min.max(jobs.failed_in_row_learned + 2);
        if !context.learning && count >= limit {
            found.push(look.finding(Sign {
                title: "Backup jobs fail",
                techniques: "T1490",
                weight: 25,
                origin: look.origin_name(),
                detail: format!("{count} backup jobs in a row failed, last {}", look.event.object()),
            }));
        }
    }

    /// Says whose backup did not come.
    pub(crate) fn tick(&mut self, now: Timestamp, context: &Context, found: &mut Found) {
        if context.learning {
            return;
        }
        self.jobs.each(|_, jobs| {
            let due_ms = MISSING_FACTOR.saturating_mul(jobs.longest_pause_ms);
            let late = jobs.last.filter(|last| last.plus_ms(due_ms) < now);
            if let Some(last) = late.filter(|_| !jobs.missed && jobs.longest_pause_ms >= PAUSE_MS_MIN) {
                jobs.missed = true;
                let title = "Backup missing";
                let hours = now.seconds_since(last) / 3_600.0;
                found.push(Finding {
                    at: now,
                    rule: rule(title),
                    title: title.to_owned(),
                    author: AUTHOR.to_owned(),
                    techniques: techniques("T1490"),
                    host: jobs.host.clone(),
                    account: None,
                    origin: None,
                    indicators: Vec::new(),
                    weight: 20,
                    evidence: Vec::new(),
                    detail: format!("the last backup was made at {last}, {hours:.1} h ago"),
                });
            }
        });
    }
}
