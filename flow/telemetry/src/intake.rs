use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use leckwehr_incident::Timestamp;

use crate::file::{self, Line};
use crate::flat::{Flat, FlatError};
use crate::{Events, Record, SensorAccount, ecs, windows, zeek};

/// Longest line read, in bytes; a longer one is damaged.
pub const LINE_BYTES_MAX: usize = 1 << 20;
/// Damaged records kept aside; more are counted only.
pub const DAMAGED_MAX: usize = 1_000;
/// Bytes kept of each damaged record.
pub const DAMAGED_BYTES_MAX: usize = 4_096;
/// Sensors with an account of their own; the rest share one named `(others)`.
pub const SENSORS_MAX: usize = 10_000;
/// Events per batch that [`Intake::read_file_in_batches`] hands out.
pub const BATCH_EVENTS_MAX: usize = 8_192;

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// File or stream.
    pub source: String,
    /// Number of the record in it, from 1.
    pub record: u64,
    /// Byte offset in the unpacked source.
    pub offset: u64,
    /// Why.
    pub reason: &'static str,
    /// Its first bytes, kept aside; never shown or logged.
    pub raw: Vec<u8>,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is an event.
    Event,
    /// It is well-formed and tells nothing about the estate: empty, or about the logger itself.
    Ignored,
    /// It was kept aside.
    Damaged,
}

/// What was read from a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileReport {
    /// Lines.
    pub lines: u64,
    /// Events.
    pub events: u64,
    /// Lines ignored.
    pub ignored: u64,
    /// Lines kept aside.
    pub damaged: u64,
    /// Bytes after unpacking.
    pub bytes: u64,
}

/// A file that could not be opened or stopped being readable.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The file could not be opened.
    #[error("cannot open {path}: check that it exists and may be read")]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Reading or unpacking stopped; what came before was taken.
    #[error("{path} cannot be read past byte {offset} of its content: it may be truncated; {events} events before it were kept")]
    Read {
        /// The file.
        path: PathBuf,
        /// Offset after unpacking.
        offset: u64,
        /// Events taken before.
        events: u64,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl IntakeError {
    /// Returns the code under which `docs/errors.md` explains it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Open { .. } => "LW-TELEMETRY-001",
            Self::Read { .. } => "LW-TELEMETRY-002",
        }
    }
}

/// Takes lines of any source and keeps the accounts.
#[derive(Debug, Default)]
pub struct Intake {
    events: Events,
    streams: BTreeMap<String, Stream>,
    accounts: BTreeMap<String, SensorAccount>,
    damaged: Vec<Damaged>,
    damaged_total: u64,
}

#[derive(Debug, Default)]
struct Stream {
    records: u64,
    offset: u64,
}

impl Intake {
    /// Builds an empty intake.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one line of a live source; its end of line may be there or not.
    pub fn push_line(&mut self, source: &str, line: &[u8]) -> Taken {
        let stream = self.streams.entry(source.to_owned()).or_default();
        stream.records += 1;
        let (record, offset) = (stream.records, stream.offset);
        stream.offset += line.len() as u64;
        if line.len() > LINE_BYTES_MAX {
            return self.keep_aside(source, record, offset, "the line is longer than the limit", line);
        }
        self.take_line(source, record, offset, line)
    }

    /// Reads a whole file into the pending batch; plain, gzip and Zstandard are told apart by content.
    pub fn read_file(&mut self, path: &Path) -> Result<FileReport, IntakeError> {
        self.read_batches(path, usize::MAX, &mut |_| {})
    }

    /// Reads a file and hands out the pending events every [`BATCH_EVENTS_MAX`] of them, so that memory stays bounded.
    pub fn read_file_in_batches(&mut self, path: &Path, sink: &mut dyn FnMut(Events)) -> Result<FileReport, IntakeError> {
        let report = self.read_batches(path, BATCH_EVENTS_MAX, sink)?;
        sink(self.take());
        Ok(report)
    }

    fn read_batches(&mut self, path: &Path, batch_max: usize, sink: &mut dyn FnMut(Events)) -> Result<FileReport, IntakeError> {
        let source = path
            .file_name()
            .map_or_else(|| path.to_string_lossy(), |n| n.to_string_lossy());
        let mut reader = file::open(path).map_err(|source| IntakeError::Open {
            path: path.to_owned(),
            source,
        })?;
        let (mut report, mut line) = (FileReport::default(), Vec::new());
        loop {
            let offset = report.bytes;
            let found = file::read_line(&mut *reader, &mut line, LINE_BYTES_MAX, &mut report.bytes);
            let taken = match found {
                Ok(Line::End) => return Ok(report),
                Ok(Line::Whole) => self.take_line(&source, report.lines + 1, offset, &line),
                Ok(Line::TooLong) => {
                    self.keep_aside(&source, report.lines + 1, offset, "the line is longer than the limit", &line)
                }
                Err(source) => {
                    let (path, events) = (path.to_owned(), report.events);
                    return Err(IntakeError::Read {
                        path,
                        offset,
                        events,
                        source,
                    });
                }
            };
            report.lines += 1;
            match taken {
                Taken::Event => report.events += 1,
                Taken::Ignored => report.ignored += 1,
                Taken::Damaged => report.damaged += 1,
            }
            if self.events.len() >= batch_max {
                sink(self.take());
            }
        }
    }

    /// Returns the events taken since the last call.
    pub fn take(&mut self) -> Events {
        std::mem::take(&mut self.events)
    }

    /// Returns the account of every sensor, by its id.
    pub fn accounts(&self) -> &BTreeMap<String, SensorAccount> {
        &self.accounts
    }

    /// Returns the damaged records kept aside, the first [`DAMAGED_MAX`] of them.
    pub fn damaged(&self) -> &[Damaged] {
        &self.damaged
    }

    /// Returns how many records were damaged in all.
    pub fn damaged_total(&self) -> u64 {
        self.damaged_total
    }

    fn take_line(&mut self, source: &str, record: u64, offset: u64, line: &[u8]) -> Taken {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Taken::Ignored;
        }
        match Flat::parse(line) {
            Ok(flat) => match self.take_flat(source, record, flat) {
                Ok(taken) => taken,
                Err(reason) => self.keep_aside(source, record, offset, reason, line),
            },
            Err(FlatError::NotJson) => self.keep_aside(source, record, offset, "not JSON", line),
            Err(FlatError::NotAnObject) => self.keep_aside(source, record, offset, "not a JSON object", line),
            Err(FlatError::TooManyFields) => self.keep_aside(source, record, offset, "more fields than the limit", line),
        }
    }

    fn take_flat(&mut self, source: &str, number: u64, mut flat: Flat) -> Result<Taken, &'static str> {
        if let Some(stream) = zeek::stream(&flat).map(str::to_owned) {
            flat.rename(zeek::standard_name);
            let Some(time) = zeek::time(&flat) else {
                return if zeek::is_own(&stream) {
                    Ok(Taken::Ignored)
                } else {
                    Err("no readable time in ts")
                };
            };
            let record = zeek::record(&flat, &stream, time);
            let sensor = if record.sensor.is_empty() { source } else { record.sensor };
            let account = self.account(sensor);
            if stream == "capture_loss" {
                let lost = flat.number::<f64>("percent_lost").unwrap_or(0.0) / 100.0;
                account.capture_loss = account.capture_loss.max(lost);
            }
            if zeek::is_own(&stream) || stream == "capture_loss" {
                return Ok(Taken::Ignored);
            }
            self.enter(source, number, &record, &flat, None);
            return Ok(Taken::Event);
        }
        flat.rename(windows::flat_name);
        if let Some(id) = windows::event_id(&flat) {
            let time = windows::time(&flat).ok_or("no readable time in UtcTime, TimeCreated or @timestamp")?;
            let record = windows::record(&flat, id, time);
            let own = flat.count("RecordNumber").or_else(|| flat.count("EventRecordID"));
            let sensor = format!("{}/{}", record.host, record.service);
            let record = Record {
                sensor: &sensor,
                ..record
            };
            self.enter(source, number, &record, &flat, own);
        } else if ecs::is(&flat) {
            let time = ecs::time(&flat).ok_or("no readable time in @timestamp")?;
            let record = ecs::record(&flat, time);
            self.enter(source, number, &record, &flat, flat.count("event.sequence"));
        } else {
            return Err("neither Zeek (_path), ECS (event.category) nor Windows (EventID)");
        }
        Ok(Taken::Event)
    }

    fn enter(&mut self, source: &str, number: u64, record: &Record<'_>, flat: &Flat, own_number: Option<u64>) {
        let sensor = if record.sensor.is_empty() { source } else { record.sensor };
        let account = self.account(sensor);
        account.count(record.time);
        account.classes.insert(record.kind.class());
        if !record.host.is_empty() && !account.hosts.contains(record.host) && account.hosts.len() < SENSORS_MAX {
            account.hosts.insert(record.host.to_owned());
        }
        if let Some(own) = own_number {
            account.number(own);
        }
        self.events.push_flat(
            &Record {
                sensor,
                ..record.clone()
            },
            source,
            number,
            flat,
        );
    }

    fn account(&mut self, sensor: &str) -> &mut SensorAccount {
        let known = self.accounts.contains_key(sensor) || self.accounts.len() < SENSORS_MAX;
        let sensor = if known { sensor } else { "(others)" };
        self.accounts
            .entry(sensor.to_owned())
            .or_insert_with(|| SensorAccount::new(sensor))
    }

    fn keep_aside(&mut self, source: &str, record: u64, offset: u64, reason: &'static str, line: &[u8]) -> Taken {
        self.damaged_total += 1;
        self.account(source).damaged += 1;
        if self.damaged.len() < DAMAGED_MAX {
            self.damaged.push(Damaged {
                source: source.to_owned(),
                record,
                offset,
                reason,
                raw: line.iter().take(DAMAGED_BYTES_MAX).copied().collect(),
            });
        }
        Taken::Damaged
    }

    /// Returns the time of the newest record of all sensors.
    pub fn newest(&self) -> Option<Timestamp> {
        self.accounts.values().filter_map(|a| Some(a.seen?.1)).max()
    }
}
