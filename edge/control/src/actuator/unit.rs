use std::collections::BTreeMap;
use std::fs::File;

use leckwehr_incident::StepOutcome;

use crate::actuator::program::Program;
use crate::actuator::runbook::{UnitState, UnitWay};
use crate::execution::Reading;

/// Milliseconds of a minute.
const MINUTE_MS: u64 = 60_000;
/// What `systemctl is-active` says by its exit code (systemctl(1), LSB).
const ACTIVE: i32 = 0;
const NOT_RUNNING: i32 = 3;
const NO_SUCH_UNIT: i32 = 4;

/// Reads whether a unit runs.
pub(crate) async fn read(way: &UnitWay) -> Reading {
    let end = match program(way, &["is-active", &way.unit]).run(None).await {
        Ok(end) => end,
        Err(error) => {
            let reason = error.to_string();
            return Reading::Unknown { reason };
        }
    };
    let state = end.output.trim().to_owned();
    match (end.code, way.state) {
        (Some(ACTIVE), UnitState::Started) | (Some(NOT_RUNNING), UnitState::Stopped) => Reading::Done { state },
        (Some(ACTIVE), UnitState::Stopped) | (Some(NOT_RUNNING), UnitState::Started) => Reading::NotDone { state },
        (Some(NO_SUCH_UNIT), _) => Reading::Unknown {
            reason: format!("there is no unit {}: correct the runbook", way.unit),
        },
        _ => Reading::Unknown {
            reason: format!("systemctl is-active {}: {}", way.unit, end.in_words()),
        },
    }
}

/// Starts or stops the unit.
pub(crate) async fn act(way: &UnitWay, hold: Option<File>) -> Result<(), StepOutcome> {
    let verb = match way.state {
        UnitState::Started => "start",
        UnitState::Stopped => "stop",
    };
    order(way, verb, hold).await
}

/// Takes the unit back to the state that `read` gave.
pub(crate) async fn undo(way: &UnitWay, before: &str, hold: Option<File>) -> Result<(), StepOutcome> {
    order(way, if before == "active" { "start" } else { "stop" }, hold).await
}

async fn order(way: &UnitWay, verb: &str, hold: Option<File>) -> Result<(), StepOutcome> {
    match program(way, &["--no-ask-password", verb, &way.unit]).run(hold).await {
        Ok(end) if end.code == Some(0) => Ok(()),
        Ok(end) => Err(StepOutcome::Doubtful {
            reason: format!("systemctl {verb} {}: {}", way.unit, end.in_words()),
        }),
        Err(error) if error.is_certainly_not_applied() => Err(StepOutcome::NotApplied {
            reason: error.to_string(),
        }),
        Err(error) => Err(StepOutcome::Doubtful {
            reason: error.to_string(),
        }),
    }
}

fn program(way: &UnitWay, arguments: &[&str]) -> Program {
    let systemctl = way.systemctl.to_string_lossy().into_owned();
    let arguments = arguments.iter().map(|a| (*a).to_owned());
    Program {
        argv: std::iter::once(systemctl).chain(arguments).collect(),
        environment: BTreeMap::new(),
        timeout_ms: u64::from(way.timeout_minutes) * MINUTE_MS,
    }
}
