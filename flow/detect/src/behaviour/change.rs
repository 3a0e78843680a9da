use std::collections::{BTreeSet, VecDeque};

use leckwehr_incident::Timestamp;
use serde::{Deserialize, Serialize};

use super::Context;
use super::keyed::Keyed;
use super::look::{Found, Look, Sign, digest};
use crate::content::Structure;

/// Changed files remembered per account and host and window.
const FILES_MAX: usize = 4_096;
/// Accounts on hosts that are watched.
const WRITERS_MAX: usize = 16_384;
/// Window for encryption that takes its time, and for notes.
const SLOW_MS: i64 = 600_000;
const NOTE_MS: i64 = 60_000;
const RATE_MS: i64 = 10_000;
/// Changes per window are mass change only above this many times what was learned.
const RATE_FACTOR: usize = 8;

/// Many files turn into noise at once, or are changed faster than anybody works; files that nobody touches are touched; the same
/// note appears everywhere.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ChangeWatch {
    writers: Keyed<(u64, u64), Writer, WRITERS_MAX>,
    names: Keyed<u64, ()>,
    notes: Keyed<(u64, u64, u64), Distinct, WRITERS_MAX>,
    /// The most suspicious files at once that anybody changed while learning.
    learned_fast: usize,
    learned_names: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Writer {
    fast: Distinct,
    slow: Distinct,
    rate: Distinct,
    learned_slow: usize,
    learned_rate: usize,
}

/// Distinct things within a window.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Distinct {
    times: VecDeque<(Timestamp, u64)>,
    inside: BTreeSet<u64>,
}

impl Distinct {
    /// Enters a thing and returns how many distinct ones lie within the window that ends there. O(log n) amortised.
    fn enter(&mut self, at: Timestamp, thing: u64, window_ms: i64) -> usize {
        while let Some((oldest, gone)) = self.times.front().copied()
            && (oldest.plus_ms(window_ms) < at || self.times.len() >= FILES_MAX)
        {
            self.times.pop_front();
            self.inside.remove(&gone);
        }
        if self.inside.insert(thing) {
            self.times.push_back((at, thing));
        }
        self.inside.len()
    }
}

impl ChangeWatch {
    pub(crate) fn observe(&mut self, look: &Look<'_>, context: &Context, found: &mut Found) {
        let action = look.event.action();
        let changes = [
            "change",
            "create",
            "rename",
            "delete",
            "SMB::FILE_WRITE",
            "SMB::FILE_RENAME",
            "SMB::FILE_DELETE",
        ];
        if !changes.contains(&action) {
            return;
        }
        let path = look.event.object();
        if context.canaries.iter().any(|canary| path.ends_with(canary.as_str())) {
            let detail = format!("{action} of {path}, a file that nobody has a reason to touch");
            found.push(sign(look, "Canary file touched", 95, detail));
        }
        let file = digest(context.hash_key, path);
        self.note(look, context, path, found);
        self.rate(look, context, file, found);
        if action != "delete" && action != "SMB::FILE_DELETE" {
            self.content(look, context, file, found);
        }
    }

    /// Counts files whose content is suspicious: by their structure where a sensor looked at it, else by their entropy.
    fn content(&mut self, look: &Look<'_>, context: &Context, file: u64, found: &mut Found) {
        let t = &context.thresholds;
        let structure = look.event.field("file.structure").and_then(Structure::from_word);
        let suspicious = match structure {
            Some(structure) => structure.is_suspicious(),
            None => look.event.entropy().is_some_and(|e| e >= t.entropy_min),
        };
        if !suspicious {
            return;
        }
        let writer = self.writers.entry((look.host.key, look.account));
        let fast = writer.fast.enter(look.at, file, t.encryption_window_ms);
        let slow = if structure.is_some() {
            writer.slow.enter(look.at, file, SLOW_MS)
        } else {
            0
        };
        if context.learning && fast < 2 * t.encrypted_files_min {
            self.learned_fast = self.learned_fast.max(fast);
            writer.learned_slow = writer.learned_slow.max(slow);
            return;
        }
        let limit_fast = t.encrypted_files_min.max(3 * self.learned_fast);
        let limit_slow = t.encrypted_files_slow_min.max(3 * writer.learned_slow);
        let score = (fast as f64 / limit_fast as f64).max(slow as f64 / limit_slow as f64);
        found.opine("change", look.at, score, || {
            format!("{}@{}", look.event.account(), look.host.name)
        });
        if score < 1.0 {
            return;
        }
        let (count, window_ms) = if fast >= limit_fast {
            (fast, t.encryption_window_ms)
        } else {
            (slow, SLOW_MS)
        };
        let what = match structure {
            Some(_) => "whose inner structure is damaged or gone".to_owned(),
            None => format!("of {} bits per byte or more", t.entropy_min),
        };
        let detail = format!(
            "{count} different files changed to content {what} within {} s, last {}",
            window_ms / 1_000,
            look.event.object()
        );
        found.push(sign(look, "Mass encryption", 95, detail));
    }

    fn rate(&mut self, look: &Look<'_>, context: &Context, file: u64, found: &mut Found) {
        let writer = self.writers.entry((look.host.key, look.account));
        let count = writer.rate.enter(look.at, file, RATE_MS);
        if context.learning {
            writer.learned_rate = writer.learned_rate.max(count);
            return;
        }
        let usual = RATE_FACTOR.saturating_mul(writer.learned_rate).min(FILES_MAX);
        if count >= context.thresholds.changed_files_min.max(usual) {
            let detail = format!(
                "{count} different files changed within {} s; the most learned was {}",
                RATE_MS / 1_000,
                writer.learned_rate
            );
            found.push(sign(look, "Mass file change", 25, detail));
        }
    }

    /// The same new file name in folder after folder.
    fn note(&mut self, look: &Look<'_>, context: &Context, path: &str, found: &mut Found) {
        let cut = path.rfind(['/', '\\']).map_or(0, |at| at + 1);
        let (folder, name) = path.split_at(cut);
        let key = digest(context.hash_key, name);
        if context.learning {
            self.learned_names = true;
            self.names.entry(key);
            return;
        }
        if name.is_empty() || self.names.contains(key) {
            return;
        }
        let folders = self.notes.entry((look.host.key, look.account, key));
        let count = folders.enter(look.at, digest(context.hash_key, folder), NOTE_MS);
        if count >= context.thresholds.note_folders_min {
            let weight = if self.learned_names { 40 } else { 20 };
            let detail = format!(
                "a file {name} was put into {count} folders within {} s; nobody had one before",
                NOTE_MS / 1_000
            );
            found.push(sign(look, "Note in many folders", weight, detail));
        }
    }
}

fn sign(look: &Look<'_>, title: &'static str, weight: u8, detail: String) -> leckwehr_incident::Finding {
    look.finding(Sign {
        title,
        techniques: "T1486",
        weight,
        origin: look.origin_name(),
        detail,
    })
}
