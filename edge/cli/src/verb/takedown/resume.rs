use std::process::ExitCode;
use std::time::Duration;

use leckwehr_control::{Ended, Execution, Takedown, TakedownEnd, may_begin, open_steps, undo_steps};
use leckwehr_incident::{PlanRecord, PlanView};
use tokio::signal::ctrl_c;
use tokio::time::timeout;

use super::room::{
    LEASE_MS, MINUTE_MS, OpenRoom, RoomArgs, RunbookArgs, is_ours, now, problem, take_words, wait_for, with_hands,
};
use super::run::{prove_cut, say_proof, tell};
use crate::output::say;
use crate::problem::Problem;

/// Age of a lease after which it is renewed, in milliseconds.
const RENEW_AFTER_MS: i64 = 8 * 3_600_000;
/// Time between two looks at leases, in milliseconds.
const LOOK_MS: u64 = 60_000;

/// Go on with takedowns that were interrupted or waited, and renew cuts before they undo themselves.
///
/// What was really done is read from the guards: nothing is done twice and nothing is forgotten. Approvals that are in the ledger
/// are not asked for again. With --stay it keeps the cuts until it is stopped: run it as a service.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    room: RoomArgs,
    /// What somebody signed: a file of `leckwehr takedown confirm`, `refuse` or `delegate`.
    #[arg(long = "word", value_name = "FILE")]
    words: Vec<std::path::PathBuf>,
    #[command(flatten)]
    runbook: RunbookArgs,
    /// Stay, and renew the cuts that stand.
    #[arg(long)]
    stay: bool,
    /// Print one JSON object for each plan.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let mut room = args.room.open()?;
    take_words(&mut room, &args.words)?;
    let estate = room.config.estate.clone();
    let mut code = ExitCode::SUCCESS;
    for plan in plans(&room, |view| {
        view.undo.is_some() && !undo_steps(view).is_empty() || is_interrupted(view)
    }) {
        let is_undone = room.journal.plan(&plan.hash).map_err(|e| problem(&e))?.undo.is_some();
        if !is_undone && !may_begin(&room.config, &mut room.journal, &plan).map_err(|e| problem(&e))? {
            say(&format!(
                "plan {} is no longer approved by enough people: approve it again",
                plan.hash
            ));
            code = ExitCode::from(1);
            continue;
        }
        let runbook = args.runbook.of(&plan)?;
        let ended = with_hands(&mut room, &plan, runbook, async |hands, journal| {
            let takedown = Takedown::new(&plan, &estate, MINUTE_MS);
            takedown.run(journal, |situation| hands.actuator(situation)).await
        })?;
        if ended == TakedownEnd::Ended(Ended::Complete) && !say_proof(&prove_cut(&mut room, &plan)?) {
            code = ExitCode::from(1);
        }
        if tell(&room, &plan, &ended, args.json)? != ExitCode::SUCCESS || ended != TakedownEnd::Ended(Ended::Complete) {
            code = ExitCode::from(1);
        }
    }
    loop {
        renew(&mut room)?;
        if !args.stay {
            return Ok(code);
        }
        let stopped = wait_for(async { Ok(timeout(Duration::from_millis(LOOK_MS), ctrl_c()).await.is_ok()) })?;
        if stopped {
            return Ok(code);
        }
    }
}

fn is_interrupted(view: &PlanView) -> bool {
    let is_begun = !view.steps.is_empty() || !view.work.is_empty();
    view.undo.is_none() && is_begun && !open_steps(view).is_empty()
}

fn plans(room: &OpenRoom, wanted: impl Fn(&PlanView) -> bool) -> Vec<PlanRecord> {
    let views = room.journal.situation().plans.values();
    let takedowns = views.filter(|view| is_ours(&view.plan) && wanted(view));
    takedowns.map(|view| view.plan.clone()).collect()
}

fn renew(room: &mut OpenRoom) -> Result<(), Problem> {
    let horizon = now().plus_ms(LEASE_MS.cast_signed() - RENEW_AFTER_MS);
    let situation = room.journal.situation();
    let hosts = situation
        .hosts
        .iter()
        .filter(|(_, host)| host.isolated)
        .map(|(id, _)| id.clone());
    let cut: Vec<String> = hosts.chain(situation.connections_cut.iter().cloned()).collect();
    for plan in plans(room, |view| view.plan.steps.iter().any(|s| view.stands(s.number))) {
        // What programs and people did has no lease, so no runbook is needed.
        let renewal = with_hands(room, &plan, leckwehr_control::Runbook::default(), async |hands, journal| {
            let actuator = hands.actuator(journal.situation());
            let execution = Execution::new(&plan, &actuator);
            execution.renew(journal, horizon, |step| cut.contains(&step.target)).await
        })?;
        for (target, why) in renewal.failed {
            say(&format!("the cut of {target} will undo itself, it cannot be renewed: {why}"));
        }
    }
    Ok(())
}
