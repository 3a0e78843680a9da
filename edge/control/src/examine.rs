use std::path::{Path, PathBuf};

use leckwehr_detect::{DetectConfig, Detector, Rules};
use leckwehr_estate::Estate;
use leckwehr_incident::{Finding, Impact};
use leckwehr_telemetry::Events;
use leckwehr_trace::{TraceConfig, assess};

use crate::error::ControlError;
use crate::recording::{DamagedPlace, FileRead, Recording};
use crate::replay::{ReplayError, ReplayNews};

/// A recording with everything that the analysis needs and says.
pub struct Examination {
    /// What was recorded.
    pub events: Events,
    /// What the rules found in it.
    pub findings: Vec<Finding>,
    /// What follows.
    pub impact: Impact,
    /// The sensors' loss accounts, with which it was assessed.
    pub config: TraceConfig,
    /// What was read of each file.
    pub files: Vec<FileRead>,
    /// Files of folders that were left aside because of their names.
    pub skipped: Vec<String>,
    /// Where the first records lie that could not be read.
    pub damaged: Vec<DamagedPlace>,
}

/// Reads telemetry, detects and analyses: the first half of a [`replay`](crate::replay), which writes nothing anywhere.
///
/// The findings and the impact are those of a replay of the same files with the same estate.
pub fn examine(estate: &Estate, telemetry: &[PathBuf], news: &mut dyn FnMut(ReplayNews)) -> Result<Examination, ReplayError> {
    let recording = Recording::read(telemetry, news)?;
    if recording.events.is_empty() {
        return Err(no_record(&recording));
    }
    news(ReplayNews::Stage { what: "detecting" });
    let findings = detect(estate, &recording)?;
    news(ReplayNews::Stage { what: "tracing" });
    let (impact, config) = trace(estate, &recording, &findings);
    Ok(Examination {
        events: recording.events,
        findings,
        impact,
        config,
        files: recording.files,
        skipped: recording.skipped,
        damaged: recording.damaged,
    })
}

/// Runs the detectors over the whole recording: there is no quiet time to learn from, so everything may be the attack.
pub(crate) fn detect(estate: &Estate, recording: &Recording) -> Result<Vec<Finding>, ControlError> {
    let rules = Rules::own().map_err(|error| ControlError::Rules(Box::new(error)))?;
    let mut detector = Detector::new(DetectConfig::new(rules, estate));
    detector.end_learning();
    Ok(detector.push(&recording.events))
}

/// Analyses, and adds what the reading itself could not see.
pub(crate) fn trace(estate: &Estate, recording: &Recording, findings: &[Finding]) -> (Impact, TraceConfig) {
    let config = TraceConfig::new(recording.accounts.clone());
    let mut impact = assess(&recording.events, findings, estate, &config);
    tell_unread(&mut impact, &recording.files);
    (impact, config)
}

/// Says of a recording without a record why nothing could be read.
pub(crate) fn no_record(recording: &Recording) -> ReplayError {
    let mut places: Vec<String> = Vec::new();
    for file in &recording.files {
        let first = recording.damaged.iter().find(|d| d.file == file.path);
        let what = match (first, &file.cut_off) {
            (_, Some(why)) => why.clone(),
            (Some(place), _) => format!("record {} at byte {}: {}", place.record, place.offset, place.reason),
            _ if file.ignored > 0 => "nothing but empty lines and records about the logger".to_owned(),
            _ => "empty".to_owned(),
        };
        places.push(format!("{}: {what}", file.path));
    }
    places.truncate(5);
    ReplayError::NoRecord {
        damaged: recording.damaged_total,
        places,
    }
}

fn tell_unread(impact: &mut Impact, files: &[FileRead]) {
    for file in files {
        let name = Path::new(&file.path).file_name().unwrap_or_default().to_string_lossy();
        if let Some(why) = &file.cut_off {
            let unknown = format!("{name} could not be read to its end ({why}): what came after is not known.");
            impact.unknowns.push(unknown);
            let unread = format!("what the unread rest of {name} recorded");
            impact.exits_unobserved.push(unread);
        }
        if file.damaged > 0 {
            let damaged = format!("what {} damaged records of {name} recorded", file.damaged);
            impact.exits_unobserved.push(damaged);
        }
    }
}
