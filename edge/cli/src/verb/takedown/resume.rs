use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use leckwehr_control::{Ended, Execution, Takedown, TakedownEnd, fault_of, may_begin, open_steps, take_word, undo_steps};
use leckwehr_guard::Approval;
use leckwehr_incident::{PlanRecord, PlanView};
use tokio::signal::ctrl_c;
use tokio::time::timeout;

use super::room::{
    LEASE_MS, MINUTE_MS, OpenRoom, RoomArgs, RunbookArgs, approvals_of, is_ours, now, problem, take_words, wait_for, with_hands,
};
use super::run::{prove_cut, say_proof, tell};
use crate::output::say;
use crate::problem::Problem;

/// Age of a lease after which it is renewed, in milliseconds.
const RENEW_AFTER_MS: i64 = 8 * 3_600_000;
/// Folder for what people sign while the ledger is in use.
const DROPPED: &str = "words";
/// Files taken from it at a time.
const DROPPED_MAX: usize = 100;
/// Time between two looks, in milliseconds.
const LOOK_MS: u64 = 60_000;

/// Go on with takedowns that were interrupted or waited, and renew cuts before they undo themselves.
///
/// What was really done is read from the guards: nothing is done twice and nothing is forgotten. Approvals that are in the ledger
/// are not asked for again. With --stay it goes on until it is stopped: run it as a service. People then lay what they sign
/// (`leckwehr takedown confirm … --out FOLDER/words/NAME.json`) into the folder `words` of the room's folder.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    room: RoomArgs,
    /// What somebody signed: a file of `leckwehr takedown confirm`, `refuse` or `delegate`.
    #[arg(long = "word", value_name = "FILE")]
    words: Vec<PathBuf>,
    #[command(flatten)]
    runbook: RunbookArgs,
    /// A further approval, e.g. because the words for a plan that waits would end before it.
    #[arg(long = "approval", value_name = "FILE")]
    approvals: Vec<PathBuf>,
    /// Stay: carry on what waits, and renew the cuts that stand.
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
    let approvals = approvals_of(&args.approvals)?;
    let mut told = BTreeMap::new();
    loop {
        take_dropped(&mut room)?;
        let is_whole = carry_on(args, &mut room, &approvals, &mut told)?;
        renew(&mut room)?;
        let stopped = !args.stay || wait_for(async { Ok(timeout(Duration::from_millis(LOOK_MS), ctrl_c()).await.is_ok()) })?;
        if stopped {
            return Ok(ExitCode::from(u8::from(!is_whole)));
        }
    }
}

/// Carries every plan on that is not at its end; `told` is what was said of each. False if something is open.
fn carry_on(
    args: &Args,
    room: &mut OpenRoom,
    approvals: &[Approval],
    told: &mut BTreeMap<String, TakedownEnd>,
) -> Result<bool, Problem> {
    let (estate, mut is_whole) = (room.config.estate.clone(), true);
    for plan in plans(room, |view| {
        view.undo.is_some() && !undo_steps(view).is_empty() || is_interrupted(view)
    }) {
        // A word for another plan does not fit this one, and that is no fault.
        for approval in approvals
            .iter()
            .filter(|word| fault_of(&room.config, word, &plan.hash, now()).is_none())
        {
            take_word(&room.config, &mut room.journal, &plan, approval).map_err(|e| problem(&e))?;
        }
        let is_undone = room.journal.plan(&plan.hash).map_err(|e| problem(&e))?.undo.is_some();
        if !is_undone && !may_begin(&room.config, &mut room.journal, &plan).map_err(|e| problem(&e))? {
            say(&format!(
                "plan {} is no longer approved by enough people: approve it again",
                plan.hash
            ));
            is_whole = false;
            continue;
        }
        let runbook = args.runbook.of(&plan)?;
        let ended = with_hands(room, &plan, runbook, async |hands, journal| {
            let takedown = Takedown::new(&plan, &estate, MINUTE_MS);
            takedown.run(journal, |situation| hands.actuator(situation)).await
        })?;
        let is_complete = ended == TakedownEnd::Ended(Ended::Complete);
        is_whole &= is_complete && say_proof(&prove_cut(room, &plan)?);
        if told.get(&plan.hash) != Some(&ended) {
            is_whole &= tell(room, &plan, &ended, args.json)? == ExitCode::SUCCESS;
            told.insert(plan.hash.clone(), ended);
        }
    }
    Ok(is_whole)
}

/// Takes what people signed and laid into the room's folder `words` while the ledger is in use; what was taken is renamed.
fn take_dropped(room: &mut OpenRoom) -> Result<(), Problem> {
    let folder = room.config.folder.join(DROPPED);
    let bad = |error: std::io::Error| {
        Problem::new("LW-CONTAIN-024", format!("{} cannot be read", folder.display()), &error).hint("check who may write there")
    };
    std::fs::create_dir_all(&folder).map_err(bad)?;
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .map_err(bad)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    files.sort();
    for file in files.into_iter().take(DROPPED_MAX) {
        // One that cannot be read must not stop the others, nor the service.
        let ending = match take_words(room, std::slice::from_ref(&file)) {
            Ok(()) => "taken",
            Err(fault) => {
                say(&fault.summary);
                "unreadable"
            }
        };
        std::fs::rename(&file, file.with_extension(ending)).map_err(bad)?;
    }
    Ok(())
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
