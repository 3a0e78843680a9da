use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

use leckwehr_detect::{AddressBook, Correlator, Matcher, Seen};
use leckwehr_incident::{Finding, Timestamp};
use leckwehr_telemetry::{Accounts, Damaged, Events, IntakeError, Item, RawPlace, Reader, Record, Sheet};

use crate::hunt::piece::{Piece, line_at};
use crate::hunt::report::PLACES_MAX;
use crate::hunt::{HuntSettings, finding};

/// Batches of one piece that wait to be merged.
pub(crate) const QUEUE_BATCHES_MAX: usize = 4;
/// A batch is handed over after so many records, findings or bytes.
const BATCH_STEPS_MAX: u64 = 4_096;
const BATCH_FINDINGS_MAX: usize = 256;
const BATCH_BYTES_MAX: u64 = 8 << 20;

/// What a worker found since its last batch.
#[derive(Default)]
pub(crate) struct Batch {
    pub findings: Vec<(RawPlace, Finding)>,
    pub events: Events,
    /// Number of the batch in its piece, from 1: equal pieces are cut into equal batches.
    pub number: u64,
    /// Lines of the piece that are behind this batch.
    pub upto: u64,
    /// Unpacked bytes.
    pub bytes: u64,
    /// Bytes read from disk.
    pub on_disk: u64,
    pub records: u64,
    pub outside_window: u64,
    pub ignored: u64,
    pub damaged: Vec<(RawPlace, &'static str)>,
    pub damaged_more: u64,
    /// The last batch of a piece says how it ended.
    pub end: Option<PieceEnd>,
}

pub(crate) struct PieceEnd {
    pub accounts: Accounts,
    /// Why it could not be read to its end.
    pub cut_off: Option<String>,
}

/// Nobody listens any more.
pub(crate) struct Halted;

/// Reads and matches pieces, one at a time.
pub(crate) struct Worker<'s> {
    settings: &'s HuntSettings,
    halted: &'s AtomicBool,
    book: AddressBook,
    sheet: Sheet,
    matcher: Matcher,
    correlator: Option<Correlator>,
    fired: Vec<u32>,
    batch: Batch,
    /// Pieces of the stream since the last batch.
    steps: u64,
    on_disk: u64,
    accounts: Accounts,
    source: String,
    last_time: Timestamp,
}

impl<'s> Worker<'s> {
    pub(crate) fn new(settings: &'s HuntSettings, halted: &'s AtomicBool) -> Self {
        Self {
            settings,
            halted,
            book: AddressBook::new(&settings.estate),
            sheet: Sheet::new(),
            matcher: Matcher::new(settings.engine.clone()),
            correlator: None,
            fired: Vec::new(),
            batch: Batch::default(),
            steps: 0,
            on_disk: 0,
            accounts: Accounts::new(),
            source: String::new(),
            last_time: Timestamp::default(),
        }
    }

    /// Reads a piece and hands over what it finds, in order.
    pub(crate) fn read(&mut self, piece: &Piece, batches: &SyncSender<Batch>) -> Result<(), Halted> {
        let correlated = !self.settings.engine.correlations().is_empty();
        self.correlator = correlated.then(|| Correlator::new(self.settings.engine.clone()));
        self.batch = Batch::default();
        (self.steps, self.on_disk) = (0, 0);
        self.source = piece.path.display().to_string();
        let read = self.read_items(piece, batches)?;
        let end = PieceEnd {
            accounts: std::mem::take(&mut self.accounts),
            cut_off: match read {
                Err(error) => Some(why(error)),
                // A file that has bytes and gives neither record nor damage is no empty one.
                Ok(0) if std::fs::metadata(&piece.path).is_ok_and(|m| m.is_file() && m.len() > 0) && piece.range.is_none() => {
                    Some("it has bytes, but nothing in them can be read as a record".to_owned())
                }
                Ok(_) => None,
            },
        };
        self.batch.end = Some(end);
        self.hand_over(self.on_disk, batches)
    }

    /// Returns how much it came upon.
    fn read_items(&mut self, piece: &Piece, batches: &SyncSender<Batch>) -> Result<Result<u64, IntakeError>, Halted> {
        let open = match piece.range {
            None => Reader::open(&piece.path).map(|reader| (reader, u64::MAX)),
            Some((from, to)) => line_at(&piece.path, from).and_then(|offset| {
                let begin = RawPlace { record: 1, offset };
                Reader::open_at(&piece.path, begin).map(|reader| (reader, to))
            }),
        };
        let (mut reader, to) = match open {
            Ok(open) => open,
            Err(error) => return Ok(Err(error)),
        };
        let mut items = 0;
        loop {
            let before = reader.position();
            if before.offset >= to {
                return Ok(Ok(items));
            }
            match reader.next(&mut self.sheet) {
                Ok(Item::Record) => self.look(self.sheet.place()),
                Ok(Item::Ignored) => self.batch.ignored += 1,
                Ok(Item::Damaged(damaged)) => {
                    let Damaged {
                        record, offset, reason, ..
                    } = damaged;
                    self.damaged(RawPlace { record, offset }, reason);
                }
                Ok(Item::Lost(loss)) => self.accounts.lose(&loss),
                Ok(Item::Rotated | Item::Truncated) => {}
                Ok(Item::End) => return Ok(Ok(items)),
                Err(error) => return Ok(Err(error)),
            }
            let after = reader.position();
            self.batch.upto = after.record.saturating_sub(1);
            self.batch.bytes += after.offset.saturating_sub(before.offset);
            items += 1;
            self.steps += 1;
            if self.steps >= BATCH_STEPS_MAX
                || self.batch.bytes >= BATCH_BYTES_MAX
                || self.batch.findings.len() >= BATCH_FINDINGS_MAX
            {
                let on_disk = reader.bytes_on_disk();
                self.hand_over(on_disk, batches)?;
            }
        }
    }

    fn hand_over(&mut self, on_disk: u64, batches: &SyncSender<Batch>) -> Result<(), Halted> {
        if self.halted.load(Ordering::Relaxed) {
            return Err(Halted);
        }
        self.batch.number += 1;
        self.steps = 0;
        (self.batch.on_disk, self.on_disk) = (on_disk.saturating_sub(self.on_disk), on_disk);
        let next = Batch {
            number: self.batch.number,
            upto: self.batch.upto,
            ..Batch::default()
        };
        batches.send(std::mem::replace(&mut self.batch, next)).map_err(|_| Halted)
    }

    fn damaged(&mut self, place: RawPlace, reason: &'static str) {
        if self.batch.damaged.len() < PLACES_MAX {
            self.batch.damaged.push((place, reason));
        } else {
            self.batch.damaged_more += 1;
        }
        self.accounts.damage(&self.source);
    }

    /// Matches the present record.
    fn look(&mut self, place: RawPlace) {
        self.batch.records += 1;
        let record = match self.sheet.record() {
            Ok(Some(record)) => record,
            Ok(None) => {
                self.batch.ignored += 1;
                return;
            }
            Err(reason) => {
                self.batch.records -= 1;
                return self.damaged(place, reason);
            }
        };
        if !self.accounts.take(&record, self.sheet.named(), &self.source) {
            self.batch.ignored += 1;
            return;
        }
        let settings = self.settings;
        if settings.from.is_some_and(|from| record.time < from) || settings.to.is_some_and(|to| record.time > to) {
            self.batch.outside_window += 1;
            return;
        }
        if settings.behaviour.is_some() {
            let sensor = Accounts::sensor(&record, &self.source);
            let record = Record {
                sensor: &sensor,
                ..record.clone()
            };
            self.batch
                .events
                .push_fields(&record, &self.source, place, self.sheet.named());
        }
        self.last_time = record.time;
        self.match_rules(place);
    }

    fn match_rules(&mut self, place: RawPlace) {
        let seen = Seen {
            names: self.sheet.names(),
            sources: self.sheet.sources(),
            fields: self.sheet.fields(),
            source: self.sheet.source(),
        };
        self.fired.clear();
        self.fired.extend(self.matcher.matches(seen));
        if self.fired.is_empty() {
            return;
        }
        let Ok(Some(record)) = self.sheet.record() else { return };
        let about = finding::about(&record, &self.book);
        let engine = &self.settings.engine;
        for number in &self.fired {
            let rule = engine.rules().get(*number as usize).filter(|_| !engine.is_quiet(*number));
            if let Some(rule) = rule.filter(|rule| rule.weight >= self.settings.weight_min) {
                let grounds = self.matcher.explain(*number, seen);
                self.batch
                    .findings
                    .push((place, finding::of_rule(rule, &grounds, about.clone())));
            }
        }
        let Some(correlator) = &mut self.correlator else { return };
        for correlated in correlator.push(&self.fired, seen, self.last_time) {
            let rule = engine.correlations().get(correlated.correlation as usize);
            if let Some(rule) = rule.filter(|rule| rule.weight >= self.settings.weight_min) {
                let found = finding::of_correlation(rule, &correlated.value, &correlated.group, about.clone());
                self.batch.findings.push((place, found));
            }
        }
    }
}

/// Why a file could not be read, without its name, which stands beside it.
fn why(error: IntakeError) -> String {
    match error {
        IntakeError::Open { source, .. } => source.to_string(),
        IntakeError::Read { offset, source, .. } => format!("{source}; read up to byte {offset} of its content"),
    }
}
