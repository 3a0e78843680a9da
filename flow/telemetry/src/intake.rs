use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use leckwehr_incident::Timestamp;

use crate::format::{Fault, Lines, Read};
use crate::{Accounts, Events, Item, RawPlace, Reader, Record, SensorAccount, Sheet, SyslogClock};

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
    /// Byte of the record at which it shows; 0 if it is the record as a whole.
    pub at: u64,
    /// Its first bytes, kept aside; never shown or logged.
    pub raw: Vec<u8>,
}

impl Damaged {
    pub(crate) fn new(source: &str, place: RawPlace, fault: Fault, raw: &[u8]) -> Self {
        Self {
            source: source.to_owned(),
            record: place.record,
            offset: place.offset,
            reason: fault.reason,
            at: fault.at as u64,
            raw: raw.iter().take(DAMAGED_BYTES_MAX).copied().collect(),
        }
    }
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
    /// Lines that made no event of their own.
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
    clock: Option<SyslogClock>,
    streams: BTreeMap<String, Stream>,
    books: Books,
}

/// What was taken, and what became of it.
#[derive(Debug, Default)]
struct Books {
    sheet: Sheet,
    events: Events,
    accounts: Accounts,
    damaged: Vec<Damaged>,
    damaged_total: u64,
    events_total: u64,
}

#[derive(Debug, Default)]
struct Stream {
    records: u64,
    offset: u64,
    lines: Lines,
}

impl Intake {
    /// Builds an empty intake.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says how times are to be read whose source writes no year or no zone, for all that is read from now on. Without it, a file
    /// is read by the time of its last change and in UTC.
    pub fn set_clock(&mut self, clock: SyslogClock) {
        self.clock = Some(clock);
    }

    /// Takes one line of a live source; its end of line may be there or not.
    pub fn push_line(&mut self, source: &str, line: &[u8]) -> Taken {
        let stream = self.streams.entry(source.to_owned()).or_default();
        stream.records += 1;
        let (record, offset) = (stream.records, stream.offset);
        stream.offset += line.len() as u64;
        if line.len() > LINE_BYTES_MAX {
            return self
                .books
                .keep_aside(source, record, offset, "the line is longer than the limit", line);
        }
        stream.lines.set_clock(self.clock.unwrap_or_default());
        self.books.take_line(&mut stream.lines, source, record, offset, line)
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
        let mut reader = Reader::open(path)?;
        if let Some(clock) = self.clock {
            reader.set_clock(clock);
        }
        let mut report = FileReport::default();
        let events_before = self.books.events_total;
        loop {
            match reader.next(&mut self.books.sheet) {
                Ok(Item::Record) => match self.books.enter(Ok(Read::Record), &source, reader.raw(&self.books.sheet)) {
                    Taken::Event => {}
                    Taken::Ignored => report.ignored += 1,
                    Taken::Damaged => report.damaged += 1,
                },
                Ok(Item::Damaged(damaged)) => {
                    report.damaged += 1;
                    self.books.keep(damaged);
                }
                Ok(Item::Lost(loss)) => self.books.accounts.lose(&loss),
                Ok(Item::Ignored | Item::Rotated | Item::Truncated) => report.ignored += 1,
                Ok(Item::End) => break,
                Err(IntakeError::Read {
                    path, offset, source, ..
                }) => {
                    let events = self.books.events_total - events_before;
                    return Err(IntakeError::Read {
                        path,
                        offset,
                        events,
                        source,
                    });
                }
                Err(error) => return Err(error),
            }
            if self.books.events.len() >= batch_max {
                sink(self.take());
            }
        }
        let end = reader.position();
        report.lines = end.record.saturating_sub(1);
        report.bytes = end.offset;
        report.events = self.books.events_total - events_before;
        Ok(report)
    }

    /// Returns the events taken since the last call.
    pub fn take(&mut self) -> Events {
        std::mem::take(&mut self.books.events)
    }

    /// Returns the account of every sensor, by its id.
    pub fn accounts(&self) -> &BTreeMap<String, SensorAccount> {
        self.books.accounts.by_sensor()
    }

    /// Returns the damaged records kept aside, the first [`DAMAGED_MAX`] of them.
    pub fn damaged(&self) -> &[Damaged] {
        &self.books.damaged
    }

    /// Returns how many records were damaged in all.
    pub fn damaged_total(&self) -> u64 {
        self.books.damaged_total
    }

    /// Returns the time of the newest record of all sensors.
    pub fn newest(&self) -> Option<Timestamp> {
        self.books.accounts.by_sensor().values().filter_map(|a| Some(a.seen?.1)).max()
    }
}

impl Books {
    fn take_line(&mut self, lines: &mut Lines, source: &str, record: u64, offset: u64, line: &[u8]) -> Taken {
        self.sheet.set_place(RawPlace { record, offset });
        let read = lines.read(line, &mut self.sheet);
        let taken = self.enter(read, source, line);
        self.take_more(lines, source);
        taken
    }

    /// Takes what the lines so far hold besides.
    fn take_more(&mut self, lines: &mut Lines, source: &str) {
        loop {
            match lines.more(&mut self.sheet) {
                Ok(Read::Nothing) => return,
                read => self.enter(read, source, b""),
            };
        }
    }

    fn enter(&mut self, read: Result<Read, Fault>, source: &str, line: &[u8]) -> Taken {
        let place = self.sheet.place();
        let taken = match read {
            Ok(Read::Record) => self.take(source).map_err(Fault::from),
            Ok(Read::Nothing) => Ok(Taken::Ignored),
            Err(fault) => Err(fault),
        };
        taken.unwrap_or_else(|fault| self.keep_aside(source, place.record, place.offset, fault, line.trim_ascii()))
    }

    fn take(&mut self, source: &str) -> Result<Taken, &'static str> {
        let Some(record) = self.sheet.record()? else {
            return Ok(Taken::Ignored);
        };
        let named = self.sheet.named();
        if !self.accounts.take(&record, named, source) {
            return Ok(Taken::Ignored);
        }
        let sensor = Accounts::sensor(&record, source);
        let record = Record {
            sensor: &sensor,
            ..record
        };
        self.events_total += 1;
        self.events.push_fields(&record, source, self.sheet.place(), named);
        Ok(Taken::Event)
    }

    fn keep_aside(&mut self, source: &str, record: u64, offset: u64, fault: impl Into<Fault>, line: &[u8]) -> Taken {
        self.keep(Damaged::new(source, RawPlace { record, offset }, fault.into(), line));
        Taken::Damaged
    }

    fn keep(&mut self, damaged: Damaged) {
        self.damaged_total += 1;
        self.accounts.damage(&damaged.source);
        if self.damaged.len() < DAMAGED_MAX {
            self.damaged.push(damaged);
        }
    }
}
