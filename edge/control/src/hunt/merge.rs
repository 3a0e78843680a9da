use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;

use leckwehr_detect::{DetectConfig, Detector, Rules};
use leckwehr_incident::Finding;
use leckwehr_telemetry::{Events, RawPlace};

use crate::hunt::piece::Piece;
use crate::hunt::report::{DamagedRecord, HuntReport};
use crate::hunt::state::{HuntState, OpenState, Progress};
use crate::hunt::walk::Files;
use crate::hunt::work::{Batch, PieceEnd};
use crate::hunt::{HuntError, HuntNews, HuntSettings, Refusal};

/// The state is saved after so many bytes, findings or pieces: what a kill costs is read again.
const SAVE_BYTES: u64 = 64 << 20;
const SAVE_FINDINGS: u64 = 2_000;
const SAVE_PIECES: usize = 256;

type News<'n> = &'n mut dyn FnMut(HuntNews<'_>) -> Result<(), Refusal>;

/// Puts together what the workers find, in the order of the pieces.
pub(crate) struct Merger<'s, 'n> {
    settings: &'s HuntSettings,
    pieces: &'s [Piece],
    state: Option<OpenState>,
    news: News<'n>,
    detector: Option<Detector>,
    progress: Progress,
    /// Batches of the piece that an earlier run has taken.
    skip: u64,
    /// Lines of the piece so far.
    lines_of_piece: u64,
    queues: BTreeMap<usize, Receiver<Batch>>,
    unsaved: (u64, u64, usize),
    done: bool,
}

impl<'s, 'n> Merger<'s, 'n> {
    pub(crate) fn new(
        settings: &'s HuntSettings,
        files: Files,
        pieces: &'s [Piece],
        state: Option<HuntState>,
        news: News<'n>,
    ) -> Result<Self, HuntError> {
        let (state, earlier) = match state {
            Some(state) => {
                let (open, earlier) = state.open(settings, &files)?;
                (Some(open), earlier)
            }
            None => (None, None),
        };
        let is_new = earlier.is_none();
        let mut progress = earlier.unwrap_or_default();
        progress.report.interrupted = false;
        if is_new {
            progress.report.files = files.files.len() as u64;
            for (file, reason) in files.unreadable {
                progress.report.cut(&file, reason);
            }
        }
        let mut detector = settings
            .behaviour
            .map(|_| Detector::new(DetectConfig::new(Rules::default(), &settings.estate)));
        if let (Some(detector), Some(snapshot)) = (&mut detector, &progress.detectors) {
            detector.restore(snapshot.as_bytes())?;
        }
        let bytes = files.files.iter().map(|f| f.bytes).sum();
        let count = files.files.len();
        let mut merger = Self {
            settings,
            pieces,
            state,
            news,
            detector,
            skip: progress.batches,
            lines_of_piece: 0,
            done: progress.is_done(),
            progress,
            queues: BTreeMap::new(),
            unsaved: (0, 0, 0),
        };
        merger.tell(HuntNews::Begun { files: count, bytes })?;
        Ok(merger)
    }

    pub(crate) fn first_piece(&self) -> usize {
        if self.done { self.pieces.len() } else { self.progress.pieces }
    }

    /// Takes batches until all is read, `stop` is set or somebody cannot go on. Returns whether all was read.
    pub(crate) fn merge(&mut self, take: &Receiver<(usize, Receiver<Batch>)>, stop: &AtomicBool) -> Result<bool, HuntError> {
        let outcome = self.merge_pieces(take, stop);
        self.queues.clear();
        outcome
    }

    fn merge_pieces(&mut self, take: &Receiver<(usize, Receiver<Batch>)>, stop: &AtomicBool) -> Result<bool, HuntError> {
        for number in self.first_piece()..self.pieces.len() {
            while !self.queues.contains_key(&number) {
                match take.recv() {
                    Ok((piece, queue)) => drop(self.queues.insert(piece, queue)),
                    // The worker is gone without a word: its piece is named below.
                    Err(_) => break,
                }
            }
            let queue = self.queues.remove(&number);
            let mut ended = false;
            while let Some(batch) = queue.as_ref().and_then(|queue| queue.recv().ok()) {
                if stop.load(Ordering::Relaxed) {
                    return Ok(false);
                }
                ended |= batch.end.is_some();
                self.take(number, batch)?;
                if ended {
                    break;
                }
                self.save_if_due()?;
            }
            if !ended {
                let file = self.pieces[number].path.display().to_string();
                self.progress
                    .report
                    .cut(&file, "the reader failed; please report this file".to_owned());
            }
            self.next_piece(number);
            self.save_if_due()?;
        }
        Ok(true)
    }

    /// Saves the state and returns the report.
    pub(crate) fn finish(mut self, outcome: Result<bool, HuntError>) -> Result<HuntReport, HuntError> {
        let done = outcome?;
        if !self.done {
            self.save(done)?;
        }
        self.progress.report.interrupted = !done;
        Ok(self.progress.report)
    }

    fn next_piece(&mut self, number: usize) {
        let same_file = self
            .pieces
            .get(number + 1)
            .is_some_and(|next| next.file == self.pieces[number].file);
        self.progress.lines = if same_file {
            self.progress.lines + self.lines_of_piece
        } else {
            0
        };
        self.progress.pieces = number + 1;
        self.progress.batches = 0;
        self.skip = 0;
        self.unsaved.2 += 1;
    }

    fn take(&mut self, number: usize, batch: Batch) -> Result<(), HuntError> {
        let piece = &self.pieces[number];
        let source = piece.path.display().to_string();
        self.lines_of_piece = batch.upto;
        if batch.number > self.skip {
            self.take_new(piece, &source, &batch)?;
            self.progress.batches = batch.number;
        }
        if let Some(end) = batch.end {
            self.end(piece, end);
        }
        let report = &self.progress.report;
        let (records, findings) = (report.records, report.tally.findings());
        let bytes = batch.on_disk;
        self.tell(HuntNews::Read {
            bytes,
            records,
            findings,
        })
    }

    fn take_new(&mut self, piece: &Piece, source: &str, batch: &Batch) -> Result<(), HuntError> {
        let report = &mut self.progress.report;
        report.records += batch.records;
        report.ignored += batch.ignored;
        report.outside_window += batch.outside_window;
        report.damaged += batch.damaged.len() as u64 + batch.damaged_more;
        for (place, reason) in &batch.damaged {
            report.damage(DamagedRecord {
                file: piece.path.display().to_string(),
                record: self.progress.lines + place.record,
                offset: place.offset,
                reason: (*reason).to_owned(),
            });
        }
        self.unsaved.0 += batch.bytes;
        for (place, finding) in &batch.findings {
            self.found(source, *place, finding.clone())?;
        }
        for finding in self.detect(&batch.events) {
            self.tell_finding(&finding)?;
        }
        Ok(())
    }

    fn found(&mut self, source: &str, place: RawPlace, finding: Finding) -> Result<(), HuntError> {
        let finding = Finding {
            evidence: vec![format!("{source}#{}", self.progress.lines + place.record)],
            ..finding
        };
        self.tell_finding(&finding)
    }

    /// Lets the behaviour detectors look at a batch.
    fn detect(&mut self, events: &Events) -> Vec<Finding> {
        let (Some(detector), Some(behaviour)) = (&mut self.detector, self.settings.behaviour) else {
            return Vec::new();
        };
        let begins = events.window().map(|(first, _)| first);
        let learned = behaviour
            .learn_until
            .is_none_or(|until| begins.is_some_and(|begins| begins >= until));
        if learned && !self.progress.learned {
            detector.end_learning();
            self.progress.learned = true;
        }
        let mut findings = detector.push(events);
        findings.retain(|finding| finding.weight >= self.settings.weight_min);
        findings
    }

    fn tell_finding(&mut self, finding: &Finding) -> Result<(), HuntError> {
        self.progress.report.tally.add(finding);
        self.unsaved.1 += 1;
        if let Some(state) = &mut self.state {
            state.keep(finding)?;
        }
        self.tell(HuntNews::Found(finding))
    }

    fn end(&mut self, piece: &Piece, end: PieceEnd) {
        let report = &mut self.progress.report;
        report.bytes += piece.bytes;
        if let Some(reason) = end.cut_off {
            report.cut(&piece.path.display().to_string(), reason);
        }
        end.accounts.by_sensor().values().for_each(|account| report.account(account));
    }

    fn tell(&mut self, news: HuntNews<'_>) -> Result<(), HuntError> {
        (self.news)(news).map_err(HuntError::Sink)
    }

    fn save_if_due(&mut self) -> Result<(), HuntError> {
        let (bytes, findings, pieces) = self.unsaved;
        if bytes >= SAVE_BYTES || findings >= SAVE_FINDINGS || pieces >= SAVE_PIECES {
            self.save(false)?;
        }
        Ok(())
    }

    fn save(&mut self, done: bool) -> Result<(), HuntError> {
        self.unsaved = (0, 0, 0);
        let Some(state) = &mut self.state else { return Ok(()) };
        if let Some(detector) = &mut self.detector {
            self.progress.detectors = Some(String::from_utf8(detector.snapshot()?).unwrap_or_default());
        }
        state.save(self.progress.clone(), done)
    }
}
