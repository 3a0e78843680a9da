use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_control::{Takedown, order_undo, undo_steps};
use leckwehr_incident::StepOutcome;

use super::room::{MINUTE_MS, RoomArgs, RunbookArgs, approvals_of, problem, with_hands};
use super::run::tell;
use crate::output::say;
use crate::problem::Problem;

/// Undo a whole plan, the last step first, until every target is as it was found.
///
/// Two different people must approve it, as they approve a plan: `leckwehr takedown approve PLAN --undo`. What a takedown found cut
/// stays cut; what people did by hand, people undo. An undoing that is interrupted goes on with `leckwehr takedown resume`.
#[derive(clap::Args)]
pub struct Args {
    /// Hash of the plan, or its beginning.
    plan: String,
    #[command(flatten)]
    room: RoomArgs,
    /// An approval of the undoing.
    #[arg(long = "approval", value_name = "FILE", required = true)]
    approvals: Vec<PathBuf>,
    #[command(flatten)]
    runbook: RunbookArgs,
    /// Why, in one sentence; it goes into the ledger.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let approvals = approvals_of(&args.approvals)?;
    let mut room = args.room.open()?;
    let plans = room.journal.situation().plans.values();
    let mut found = plans
        .filter(|view| view.plan.hash.starts_with(&args.plan))
        .map(|view| view.plan.clone());
    let (Some(plan), None) = (found.next(), found.next()) else {
        return Err(Problem::plain(
            "LW-CONTAIN-027",
            format!("the ledger holds no plan, or several, whose hash begins with {}", args.plan),
        )
        .hint("`leckwehr takedown status` lists them"));
    };
    let (runbook, estate) = (args.runbook.of(&plan)?, room.config.estate.clone());
    let faults = order_undo(&room.config, &mut room.journal, &plan.hash, &args.reason, &approvals).map_err(|e| problem(&e))?;
    for (approver, fault) in &faults {
        say(&format!("the word of {approver} does not count: {fault}"));
    }
    if room.journal.plan(&plan.hash).map_err(|e| problem(&e))?.undo.is_none() {
        say(&format!(
            "not enough of {} people approved it; nothing was undone. Let them run `leckwehr takedown approve … --undo`",
            room.config.approvals_min
        ));
        return Ok(ExitCode::from(1));
    }
    let ended = with_hands(&mut room, &plan, runbook, async |hands, journal| {
        let takedown = Takedown::new(&plan, &estate, MINUTE_MS);
        takedown.run(journal, |situation| hands.actuator(situation)).await
    })?;
    tell(&room, &plan, &ended, args.json)?;
    let view = room.journal.plan(&plan.hash).map_err(|e| problem(&e))?;
    let is_undone = |ended: &Option<(_, StepOutcome)>| matches!(ended, Some((_, StepOutcome::Verified { .. })));
    let all = undo_steps(view).is_empty() && view.undone.values().all(|u| is_undone(&u.ended));
    Ok(ExitCode::from(u8::from(!all)))
}
