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
        let places = recording.damaged.iter().take(5);
        let places = places.map(|d| format!("{}: record {} at byte {}: {}", d.file, d.record, d.offset, d.reason));
        return Err(ReplayError::NoRecord {
            damaged: recording.damaged_total,
            places: places.collect(),
        });
    }
    news(ReplayNews::Stage { what: "detecting" });
    let rules = Rules::own().map_err(|error| ControlError::Rules(Box::new(error)))?;
    let mut detector = Detector::new(DetectConfig::new(rules, estate));
    detector.end_learning();
    let findings = detector.push(&recording.events);
    news(ReplayNews::Stage { what: "tracing" });
    let config = TraceConfig::new(recording.accounts);
    let mut impact = assess(&recording.events, &findings, estate, &config);
    tell_unread(&mut impact, &recording.files);
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

/// Adds what the reading itself could not see.
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
