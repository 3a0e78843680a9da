use std::collections::BTreeMap;

use leckwehr_detect::Tally;
use leckwehr_incident::Timestamp;
use leckwehr_telemetry::{SENSORS_MAX, SensorAccount};
use serde::{Deserialize, Serialize};

/// Places of damaged records, and files that could not be read, that are named; more are counted.
pub(crate) const PLACES_MAX: usize = 1_000;

/// What a hunt read, lost and found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HuntReport {
    /// Whether it was stopped before everything was read.
    pub interrupted: bool,
    /// Files to be read.
    pub files: u64,
    /// Bytes on disk of what was read.
    pub bytes: u64,
    /// Records read.
    pub records: u64,
    /// Of these, records before or after the time asked for.
    pub outside_window: u64,
    /// Lines and records that tell nothing about the estate.
    pub ignored: u64,
    /// Records that could not be read.
    pub damaged: u64,
    /// Where the first of them lie.
    pub damaged_places: Vec<DamagedRecord>,
    /// Files that could not be read to their end, or not at all.
    pub cut_off: u64,
    /// The first of them.
    pub cut_off_files: Vec<CutOff>,
    /// What is known to be missing, by source.
    pub sources: BTreeMap<String, SourceLoss>,
    /// Findings, by rule.
    pub tally: Tally,
}

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedRecord {
    /// The file.
    pub file: String,
    /// Number of the record in it, from 1.
    pub record: u64,
    /// Byte offset in the unpacked file.
    pub offset: u64,
    /// Why.
    pub reason: String,
}

/// A file that could not be read to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutOff {
    /// The file.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// What one source sent, and what is known to be missing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SourceLoss {
    /// Records read.
    pub records: u64,
    /// Records missing by the source's own numbering.
    pub missing: u64,
    /// Records that came twice.
    pub repeated: u64,
    /// Times the numbering began anew.
    pub restarts: u64,
    /// Records that could not be read.
    pub damaged: u64,
    /// Share of packets that the sensor itself reports as lost, the worst interval.
    pub capture_loss: f64,
    /// First and last time in the records.
    pub seen: Option<(Timestamp, Timestamp)>,
}

impl HuntReport {
    pub(crate) fn damage(&mut self, place: DamagedRecord) {
        if self.damaged_places.len() < PLACES_MAX {
            self.damaged_places.push(place);
        }
    }

    pub(crate) fn cut(&mut self, file: &str, reason: String) {
        self.cut_off += 1;
        if self.cut_off_files.len() < PLACES_MAX {
            let file = file.to_owned();
            self.cut_off_files.push(CutOff { file, reason });
        }
    }

    pub(crate) fn account(&mut self, account: &SensorAccount) {
        let known = self.sources.contains_key(&account.sensor) || self.sources.len() < SENSORS_MAX;
        let sensor = if known { account.sensor.as_str() } else { "(others)" };
        let loss = self.sources.entry(sensor.to_owned()).or_default();
        loss.records += account.records;
        loss.missing += account.missing;
        loss.repeated += account.repeated;
        loss.restarts += account.restarts;
        loss.damaged += account.damaged;
        loss.capture_loss = loss.capture_loss.max(account.capture_loss);
        if let Some((first, last)) = account.seen {
            let (a, b) = loss.seen.unwrap_or((first, last));
            loss.seen = Some((a.min(first), b.max(last)));
        }
    }

    /// Returns the sources with something missing, the worst first.
    pub fn lossy_sources(&self) -> Vec<(&str, &SourceLoss)> {
        let lost = |loss: &SourceLoss| loss.missing + loss.damaged;
        let lossy = self.sources.iter().filter(|(_, s)| lost(s) > 0 || s.capture_loss > 0.0);
        let mut lossy: Vec<_> = lossy.map(|(name, s)| (name.as_str(), s)).collect();
        lossy.sort_by(|a, b| lost(b.1).cmp(&lost(a.1)).then(a.0.cmp(b.0)));
        lossy
    }
}
