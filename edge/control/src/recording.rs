use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use leckwehr_telemetry::{Events, Intake, IntakeError, SensorAccount};
use serde::Serialize;

use crate::replay::{ReplayError, ReplayNews};

/// Files that one replay reads.
pub const REPLAY_FILES_MAX: usize = 10_000;
/// Events that one replay holds in memory.
pub const REPLAY_EVENTS_MAX: usize = 20_000_000;
/// Endings by which a file in a folder is taken for telemetry; before them `.gz` and `.zst` are looked through.
const ENDINGS: [&str; 4] = ["json", "jsonl", "ndjson", "log"];

/// What was read of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileRead {
    /// The file as it was named.
    pub path: String,
    /// Events.
    pub events: u64,
    /// Records that tell nothing about the estate.
    pub ignored: u64,
    /// Records kept aside.
    pub damaged: u64,
    /// Why and at which byte of its content reading stopped before the end, if it did.
    pub cut_off: Option<String>,
}

/// Where a record lies that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DamagedPlace {
    /// The file as it was named.
    pub file: String,
    /// Number of the record in it, from 1.
    pub record: u64,
    /// Byte offset in the unpacked file.
    pub offset: u64,
    /// Why.
    pub reason: &'static str,
}

/// Everything that was recorded.
pub(crate) struct Recording {
    pub events: Events,
    pub accounts: Vec<SensorAccount>,
    pub files: Vec<FileRead>,
    pub skipped: Vec<String>,
    pub damaged: Vec<DamagedPlace>,
    pub damaged_total: u64,
}

impl Recording {
    /// Reads files, and the telemetry files of folders.
    pub fn read(paths: &[PathBuf], news: &mut dyn FnMut(ReplayNews)) -> Result<Self, ReplayError> {
        let (files, skipped) = expand(paths)?;
        let mut intake = Intake::new();
        let mut recording = Self {
            events: Events::default(),
            accounts: Vec::new(),
            files: Vec::new(),
            skipped,
            damaged: Vec::new(),
            damaged_total: 0,
        };
        for (number, file) in files.iter().enumerate() {
            news(ReplayNews::File {
                number: number + 1,
                of: files.len(),
                path: file.display().to_string(),
            });
            recording.read_file(&mut intake, file, news)?;
        }
        recording.accounts = intake.accounts().values().cloned().collect();
        recording.damaged_total = intake.damaged_total();
        Ok(recording)
    }

    fn read_file(&mut self, intake: &mut Intake, file: &Path, news: &mut dyn FnMut(ReplayNews)) -> Result<(), ReplayError> {
        let (damaged_before, kept_before) = (intake.damaged_total(), intake.damaged().len());
        let events_before = self.events.len();
        let mut sink = |batch: Events| {
            if self.events.len() + batch.len() <= REPLAY_EVENTS_MAX {
                self.events.append(&batch);
                news(ReplayNews::Events {
                    total: self.events.len() as u64,
                });
            }
        };
        let mut read = FileRead {
            path: file.display().to_string(),
            events: 0,
            ignored: 0,
            damaged: 0,
            cut_off: None,
        };
        match intake.read_file_in_batches(file, &mut sink) {
            Ok(report) => (read.events, read.ignored) = (report.events, report.ignored),
            Err(IntakeError::Read {
                offset, events, source, ..
            }) => {
                sink(intake.take());
                read.events = events;
                read.cut_off = Some(format!("{source} at byte {offset} of its content"));
            }
            Err(error) => return Err(error.into()),
        }
        if (self.events.len() - events_before) as u64 != read.events {
            return Err(ReplayError::TooManyEvents);
        }
        read.damaged = intake.damaged_total() - damaged_before;
        let kept = intake.damaged().iter().skip(kept_before);
        self.damaged.extend(kept.map(|d| DamagedPlace {
            file: read.path.clone(),
            record: d.record,
            offset: d.offset,
            reason: d.reason,
        }));
        self.files.push(read);
        Ok(())
    }
}

/// Returns the files to read, folders in order of name, each file once, and the files that a folder's telemetry is not.
fn expand(paths: &[PathBuf]) -> Result<(Vec<PathBuf>, Vec<String>), ReplayError> {
    let (mut files, mut skipped, mut known) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut open: VecDeque<(PathBuf, bool)> = paths.iter().map(|path| (path.clone(), true)).collect();
    while let Some((path, is_named)) = open.pop_front() {
        let cannot = |source: io::Error| IntakeError::Open {
            path: path.clone(),
            source,
        };
        if !known.insert(path.canonicalize().map_err(cannot)?) {
            continue;
        }
        if path.is_dir() {
            let entries: Result<BTreeSet<PathBuf>, io::Error> =
                fs::read_dir(&path).map_err(cannot)?.map(|entry| Ok(entry?.path())).collect();
            let before = open.len();
            open.extend(entries.map_err(cannot)?.into_iter().map(|entry| (entry, false)));
            // Where the folder stood, not behind everything else.
            open.rotate_left(before);
        } else if is_named || is_telemetry(&path) {
            // Opened once before anything is done: a file that may not be read is told at once.
            fs::File::open(&path).map_err(cannot)?;
            files.push(path);
        } else {
            skipped.push(path.display().to_string());
        }
        if files.len() > REPLAY_FILES_MAX || open.len() > REPLAY_FILES_MAX {
            return Err(ReplayError::TooManyFiles);
        }
    }
    match files.is_empty() {
        true => Err(ReplayError::NoFile { skipped: skipped.len() }),
        false => Ok((files, skipped)),
    }
}

fn is_telemetry(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(&name);
    ENDINGS
        .iter()
        .any(|ending| name.strip_suffix(ending).is_some_and(|stem| stem.ends_with('.')))
}
