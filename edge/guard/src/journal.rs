use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use leckwehr_incident::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::fence::replace_file;
use crate::order::Status;

/// Largest journal that is read, in bytes.
const JOURNAL_BYTES_MAX: u64 = 256 << 20;
/// Size from which a journal is written anew when it is opened, without what is over, in bytes.
const COMPACT_BYTES_MIN: u64 = 8 << 20;
/// Reports that are kept for the control room; older ones are forgotten, and their numbers show it.
const REPORTS_MAX: usize = 4_096;
/// Refused orders that are written down between two that were done: a flood of them must not fill the disk.
const REFUSALS_MAX: u32 = 1_024;
/// Longest text of a report, in characters.
const TEXT_CHARS_MAX: usize = 400;

/// What an executor did, refused and was asked again: one line of its journal, and what it reports to the control room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Number, counted from 1 without gaps.
    pub number: u64,
    /// When, by the executor's clock.
    pub at: Timestamp,
    /// The order's request id.
    pub request_id: String,
    /// Action and target, as `deny x-leckwehr:compartment fs-1`. Never arguments: they may be secret.
    pub order: String,
    /// Hash of the plan and numbers of the steps, if there was a plan. Older builds wrote one `step`.
    #[serde(default, alias = "step", deserialize_with = "one_or_many")]
    pub steps: Option<(String, Vec<u32>)>,
    /// What each of the steps acts on, of an order that is about to be done; empty in journals of older builds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// What happened.
    pub event: Event,
}

/// What happened to an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// It is about to be done. Durable before anything is.
    Intended {
        /// Digest of its seal, hex.
        seal: String,
        /// Until when it may be begun.
        valid_until: Timestamp,
        /// Does it undo the step instead of doing it?
        undo: bool,
        /// What was there before each step, for the undo; as the executor wrote it. Older builds wrote that of one step.
        #[serde(deserialize_with = "list_of")]
        before: Vec<serde_json::Value>,
    },
    /// It ended.
    Ended {
        /// Digest of its seal, hex.
        seal: String,
        /// OpenC2 status.
        status: Status,
        /// In words.
        text: String,
    },
    /// The same order came again after it was done: it was answered, and nothing was done.
    Repeated {
        /// Digest of its seal, hex.
        seal: String,
    },
    /// A person at the machine took everything back.
    ByHand {
        /// What.
        undone: Vec<String>,
    },
    /// It was refused, and nothing was done.
    Refused {
        /// OpenC2 status.
        status: Status,
        /// In words.
        reason: String,
        /// Refused orders that were only counted before this one.
        uncounted: u64,
    },
}

/// What a step changed here and how to take it back.
#[derive(Debug, Clone, PartialEq)]
pub struct InForce {
    /// Action and target.
    pub order: String,
    /// Its own target; empty if an older build wrote it.
    pub target: String,
    /// What was there before.
    pub before: serde_json::Value,
}

/// An order that was begun.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    valid_until: Timestamp,
    status: Option<Status>,
    undo: bool,
}

/// An executor's journal: a file of JSON lines, each durable before it counts.
///
/// Intent before the effect, outcome after it. From it follow what is in force and can be undone, and which orders were done
/// already, so that one that is sent again changes nothing, across restarts. Reading is linear in its length.
pub struct Journal {
    path: PathBuf,
    file: File,
    number: u64,
    seen: BTreeMap<String, Seen>,
    in_force: BTreeMap<(String, u32), InForce>,
    /// Plan that acted last on each target.
    last: BTreeMap<String, String>,
    reports: VecDeque<Report>,
    refused_since: u32,
    uncounted: u64,
    /// A line may be half written: only opening the journal again can tell.
    broken: bool,
}

impl Journal {
    /// Opens or begins the journal. Half a line at its end is cut off: it was an intent that was never acted on, or an outcome
    /// that is found out again.
    ///
    /// # Errors
    /// A line in the middle that cannot be read (the error names it), or the disk's.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(|error| in_file(path, &error))?;
        let length = file.metadata()?.len();
        if length > JOURNAL_BYTES_MAX {
            return Err(io::Error::other(format!(
                "{} is longer than {JOURNAL_BYTES_MAX} bytes",
                path.display()
            )));
        }
        let mut text = Vec::new();
        (&mut file).take(JOURNAL_BYTES_MAX).read_to_end(&mut text)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if whole < text.len() {
            file.set_len(whole as u64)?;
            file.sync_all()?;
        }
        let mut journal = Self {
            path: path.to_owned(),
            file,
            number: 0,
            seen: BTreeMap::new(),
            in_force: BTreeMap::new(),
            last: BTreeMap::new(),
            reports: VecDeque::new(),
            refused_since: 0,
            uncounted: 0,
            broken: false,
        };
        let lines = text[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        for (index, line) in lines.enumerate() {
            let report = serde_json::from_slice(line)
                .map_err(|error| io::Error::other(format!("{}:{}: not a journal line: {error}", path.display(), index + 1)))?;
            journal.take(report);
        }
        // By the journal's own clock: what was over at its last line.
        let last = journal.reports.back().map_or(Timestamp::default(), |report| report.at);
        journal.seen.retain(|_, seen| seen.valid_until >= last);
        if length > COMPACT_BYTES_MIN {
            journal.compact()?;
        }
        Ok(journal)
    }

    /// Returns reports after number `after`, at most `max`, oldest first.
    pub fn reports(&self, after: u64, max: usize) -> Vec<&Report> {
        self.reports.iter().filter(|r| r.number > after).take(max).collect()
    }

    /// Returns what steps changed here and is not taken back, by plan hash and step.
    pub fn in_force(&self) -> &BTreeMap<(String, u32), InForce> {
        &self.in_force
    }

    /// Returns whether these steps of a plan are in force here and nobody acted on any of their targets since, by another plan.
    pub(crate) fn stand(&self, steps: impl Iterator<Item = (String, u32)>, targets: &[String]) -> bool {
        let mut plan = None;
        let all = steps.into_iter().all(|step| {
            let is_in_force = self.in_force.contains_key(&step);
            plan = Some(step.0);
            is_in_force
        });
        all && plan.is_some() && targets.iter().all(|target| self.last.get(target) == plan.as_ref())
    }

    /// Returns whether the order with this seal was done.
    pub(crate) fn is_done(&self, seal: &str) -> bool {
        self.seen.get(seal).is_some_and(|seen| seen.status == Some(Status::OK))
    }

    /// Writes a line; durable when this returns.
    pub(crate) fn write(&mut self, mut report: Report, now: Timestamp) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other(format!(
                "an earlier write of {} failed; start again",
                self.path.display()
            )));
        }
        match &mut report.event {
            Event::Refused { uncounted, .. } => {
                if self.refused_since >= REFUSALS_MAX {
                    self.uncounted += 1;
                    return Ok(());
                }
                self.refused_since += 1;
                *uncounted = self.uncounted;
                self.uncounted = 0;
            }
            Event::Ended { .. } => self.refused_since = 0,
            _ => {}
        }
        report.number = self.number + 1;
        report.at = now;
        let mut line = serde_json::to_vec(&report).map_err(io::Error::other)?;
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            self.mend(&error)?;
            return Err(in_file(&self.path, &error));
        }
        self.seen.retain(|_, seen| seen.valid_until >= now);
        self.take(report);
        Ok(())
    }

    /// Writes down that a person at the machine took everything back.
    pub(crate) fn by_hand(&mut self, undone: Vec<String>, now: Timestamp) -> io::Result<()> {
        let report = Report {
            number: 0,
            at: now,
            request_id: String::new(),
            order: "undo-all".to_owned(),
            steps: None,
            targets: Vec::new(),
            event: Event::ByHand { undone },
        };
        self.write(report, now)
    }

    /// Takes half a line away after a failed write, so that the journal can go on when the disk has room again.
    fn mend(&mut self, error: &io::Error) -> io::Result<()> {
        self.broken = true;
        // After a failed fsync nobody knows what is on the disk.
        if error.kind() != io::ErrorKind::StorageFull {
            return Ok(());
        }
        let text = fs::read(&self.path)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.file.set_len(whole as u64)?;
        self.file.sync_all()?;
        self.broken = false;
        Ok(())
    }

    fn take(&mut self, report: Report) {
        self.number = report.number;
        match &report.event {
            Event::Intended {
                seal,
                valid_until,
                undo,
                before,
            } => {
                self.seen.insert(
                    seal.clone(),
                    Seen {
                        valid_until: *valid_until,
                        status: None,
                        undo: *undo,
                    },
                );
                if let Some((plan, _)) = &report.steps {
                    self.last
                        .extend(report.targets.iter().map(|target| (target.clone(), plan.clone())));
                }
                // From the intent on: the effect may be there although nobody wrote its outcome.
                if !undo {
                    let targets = report.targets.iter().map(Some).chain(std::iter::repeat(None));
                    for ((step, before), target) in steps_of(&report).zip(before).zip(targets) {
                        self.in_force.entry(step).or_insert_with(|| InForce {
                            order: report.order.clone(),
                            target: target.cloned().unwrap_or_default(),
                            before: before.clone(),
                        });
                    }
                }
            }
            Event::Ended { seal, status, .. } => {
                let Some(seen) = self.seen.get_mut(seal) else {
                    return self.keep(report);
                };
                seen.status = Some(*status);
                if (seen.undo, *status) == (true, Status::OK) {
                    for step in steps_of(&report) {
                        let undone = self.in_force.remove(&step);
                        self.give_back(undone.map(|u| u.target).unwrap_or_default());
                    }
                }
            }
            Event::ByHand { .. } => self.in_force.clear(),
            Event::Repeated { .. } | Event::Refused { .. } => {}
        }
        self.keep(report);
    }

    /// A target that was taken back is again that plan's whose step on it is in force.
    fn give_back(&mut self, target: String) {
        let before = self.in_force.iter().find(|(_, in_force)| in_force.target == target);
        if let Some(((plan, _), _)) = before {
            self.last.insert(target, plan.clone());
        }
    }

    fn keep(&mut self, report: Report) {
        self.reports.push_back(report);
        if self.reports.len() > REPORTS_MAX {
            self.reports.pop_front();
        }
    }

    /// Writes the journal anew, without what is over.
    fn compact(&mut self) -> io::Result<()> {
        let mut text = Vec::new();
        let oldest = self.reports.front().map_or(self.number, |r| r.number);
        // Whoever acted last on a target comes last.
        let mut kept: Vec<_> = self.in_force.iter().collect();
        kept.sort_by_key(|(step, in_force)| self.last.get(&in_force.target) == Some(&step.0));
        let kept = kept.into_iter().map(|(step, in_force)| Report {
            number: oldest.saturating_sub(1),
            at: Timestamp::default(),
            request_id: String::new(),
            order: in_force.order.clone(),
            steps: Some((step.0.clone(), vec![step.1])),
            targets: vec![in_force.target.clone()],
            event: Event::Intended {
                seal: String::new(),
                valid_until: Timestamp::default(),
                undo: false,
                before: vec![in_force.before.clone()],
            },
        });
        let done = self.seen.iter().filter(|(_, seen)| seen.status == Some(Status::OK));
        let done = done.flat_map(|(seal, seen)| {
            let line = |event| Report {
                number: oldest.saturating_sub(1),
                at: Timestamp::default(),
                request_id: String::new(),
                order: String::new(),
                steps: None,
                targets: Vec::new(),
                event,
            };
            let begun = Event::Intended {
                seal: seal.clone(),
                valid_until: seen.valid_until,
                undo: false,
                before: Vec::new(),
            };
            let ended = Event::Ended {
                seal: seal.clone(),
                status: Status::OK,
                text: String::new(),
            };
            [line(begun), line(ended)]
        });
        for report in kept.chain(done).collect::<Vec<_>>().iter().chain(&self.reports) {
            serde_json::to_writer(&mut text, report).map_err(io::Error::other)?;
            text.push(b'\n');
        }
        replace_file(&self.path, &text)?;
        self.file = OpenOptions::new().append(true).read(true).open(&self.path)?;
        Ok(())
    }
}

/// Reads one step or several.
fn one_or_many<'de, D: Deserializer<'de>>(input: D) -> Result<Option<(String, Vec<u32>)>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Steps {
        One(u32),
        Many(Vec<u32>),
    }
    let read: Option<(String, Steps)> = Option::deserialize(input)?;
    Ok(read.map(|(plan, steps)| match steps {
        Steps::One(step) => (plan, vec![step]),
        Steps::Many(steps) => (plan, steps),
    }))
}

/// Reads a list, or one value as a list of it.
fn list_of<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<serde_json::Value>, D::Error> {
    Ok(match serde_json::Value::deserialize(input)? {
        serde_json::Value::Array(list) => list,
        one => vec![one],
    })
}

/// The steps of a report, by plan hash and number.
fn steps_of(report: &Report) -> impl Iterator<Item = (String, u32)> {
    let steps = report.steps.iter();
    steps.flat_map(|(plan, numbers)| numbers.iter().map(|number| (plan.clone(), *number)))
}

/// A text short enough for a report.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

fn in_file(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
