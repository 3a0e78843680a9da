use std::fs::File;

use leckwehr_incident::{PlanStep, StepOutcome};

use crate::actuator::program::{Program, ProgramEnd, ProgramError};
use crate::actuator::runbook::CommandWay;
use crate::execution::Reading;

/// Milliseconds of a minute.
const MINUTE_MS: u64 = 60_000;

/// Reads whether the step is done.
pub(crate) async fn read(way: &CommandWay, step: &PlanStep) -> Reading {
    let end = match run(way, &way.check, step, None).await {
        Ok(end) => end,
        Err(error) => {
            let reason = error.to_string();
            return Reading::Unknown { reason };
        }
    };
    // Without a deed of its own a step is done by what its check finds, whenever that is: it is tried now.
    match end.code {
        Some(0) => Reading::Done { state: "done".into() },
        Some(1) if way.act.is_empty() => Reading::Held { reason: end.in_words() },
        Some(1) => Reading::NotDone {
            state: "not done".into(),
        },
        _ => Reading::Unknown {
            reason: format!("{}: {}", name(&way.check), end.in_words()),
        },
    }
}

/// Does it.
pub(crate) async fn act(way: &CommandWay, step: &PlanStep, hold: File) -> Result<(), StepOutcome> {
    order(way, &way.act, step, hold).await
}

/// Undoes it.
pub(crate) async fn undo(way: &CommandWay, step: &PlanStep, hold: File) -> Result<(), StepOutcome> {
    if way.undo.is_empty() {
        let reason = "the runbook names no program that undoes it: undo it by hand".to_owned();
        return Err(StepOutcome::NotApplied { reason });
    }
    order(way, &way.undo, step, hold).await
}

/// Finds out whether it is done, in the check's own words.
pub(crate) async fn verify(way: &CommandWay, step: &PlanStep) -> StepOutcome {
    match run(way, &way.check, step, None).await {
        Ok(end) if end.code == Some(0) => StepOutcome::Verified {
            evidence: format!("{}: {}", name(&way.check), end.in_words()),
        },
        Ok(end) => StepOutcome::Doubtful {
            reason: format!("{}: {}", name(&way.check), end.in_words()),
        },
        Err(error) => StepOutcome::Doubtful {
            reason: error.to_string(),
        },
    }
}

async fn order(way: &CommandWay, argv: &[String], step: &PlanStep, hold: File) -> Result<(), StepOutcome> {
    match run(way, argv, step, Some(hold)).await {
        Ok(end) if end.code == Some(0) => Ok(()),
        Ok(end) => Err(StepOutcome::Doubtful {
            reason: format!("{}: {}", name(argv), end.in_words()),
        }),
        Err(error) if error.is_certainly_not_applied() => Err(StepOutcome::NotApplied {
            reason: error.to_string(),
        }),
        Err(error) => Err(StepOutcome::Doubtful {
            reason: error.to_string(),
        }),
    }
}

async fn run(way: &CommandWay, argv: &[String], step: &PlanStep, hold: Option<File>) -> Result<ProgramEnd, ProgramError> {
    let argv = argv.iter().map(|argument| argument.replace("{target}", &step.target));
    let program = Program {
        argv: argv.collect(),
        environment: way.environment.clone(),
        timeout_ms: u64::from(way.timeout_minutes) * MINUTE_MS,
    };
    program.run(hold).await
}

fn name(argv: &[String]) -> &str {
    argv.first().map_or("", String::as_str)
}
