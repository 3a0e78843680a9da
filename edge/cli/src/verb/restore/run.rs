use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use leckwehr_control::{
    Course, CourseEnd, CutActuator, NoFaults, Runbook, RunbookActuator, ask_for, may_begin, open_steps, propose, take_word,
};
use leckwehr_estate::Estate;
use leckwehr_incident::{PlanRecord, Situation, Timestamp};
use leckwehr_restore::{RestoreConfig, RestorePlan, newest_restoration, plan_restore};
use serde_json::json;

use super::status::text_of;
use crate::output::say;
use crate::problem::Problem;
use crate::verb::takedown::room::{OpenRoom, RoomArgs, approvals_of, problem, read_runbook, take_words, wait_for};
use crate::verb::takedown::write_file;
use crate::verb::trace::{print, print_json};

/// Nanoseconds of a minute.
const NANOSECONDS_PER_MINUTE: u64 = 60_000_000_000;

/// Bring systems back: plan, get it approved, and carry it out through its gates. Killed, it goes on where it stopped: run it again.
///
/// The plan follows from the ledger and the estate; how each step is done stands in the runbook, and people approve one hash over
/// both. Without enough approvals the plan is written to --plan and nothing is done. Every step is written into the ledger before
/// and after it is done. After a failure, a delay, a new loss or the loss of a crew it plans again: another order of approved steps
/// is within the approval, anything more needs a new one. Example:
///
///     leckwehr restore run --room room.toml --estate estate --runbook runbook.toml
///
///     leckwehr takedown approve restore-plan.json --as anna --key anna.approver
///
///     leckwehr restore run --room room.toml --estate estate --runbook runbook.toml --approval anna.approval.json …
///
/// A runbook has one `[[step]]` for each step that is not left to people:
///
///     margin_minutes = 1440            # a restore point must be that much older than the first compromise
///     [[step]]
///     action = "restore-files"
///     target = "fs-1"
///     [step.restic]
///     program = "/usr/bin/restic"
///     repository = "/mnt/backup/fs-1"
///     password_file = "/etc/leckwehr/fs-1.password"
///     snapshot = "…64 hex digits…"
///     path = "/srv/data"
///     target = "/srv/data"
///     witness = "/media/offline/fs-1.witness"   # lines `snapshot <id> <time>` and `pack <id>`
///     [[step]]
///     action = "sweep"
///     target = "fs-1"
///     proves = ["indicators-swept", "configuration-compared"]
///     command = { check = ["/usr/local/bin/swept", "{target}"], act = ["/usr/local/bin/sweep", "{target}"] }
///     [[step]]
///     action = "reconnect"
///     target = "fs-1"
///     guard = true                     # or: manual = { owner = "desk", what = "plug it in", due_minutes = 30 }
///
/// Exit code 0: every step is verified. 1: something is not, people have work, or the plan is not approved.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    room: RoomArgs,
    /// Folder of the estate.
    #[arg(long, value_name = "DIR")]
    estate: PathBuf,
    /// How steps are done.
    #[arg(long, value_name = "FILE")]
    runbook: PathBuf,
    /// An approval, as `leckwehr takedown approve` wrote it. Those that the ledger holds need not be given again.
    #[arg(long = "approval", value_name = "FILE")]
    approvals: Vec<PathBuf>,
    /// What somebody signed: a file of `leckwehr restore confirm`.
    #[arg(long = "word", value_name = "FILE")]
    words: Vec<PathBuf>,
    /// Where the plan goes for those who approve it.
    #[arg(long, value_name = "FILE", default_value = "restore-plan.json")]
    plan: PathBuf,
    /// Leave the plan that is under way and make a new one.
    #[arg(long)]
    anew: bool,
    /// Who wants it carried out; never the second of those who approve.
    #[arg(long, value_name = "NAME", default_value = "control-room")]
    requester: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let estate = crate::verb::estate::load(&args.estate)?;
    let runbook = read_runbook(&args.runbook)?;
    let mut room = args.room.open()?;
    take_words(&mut room, &args.words)?;
    let under_way = under_way(room.journal.situation(), &runbook).filter(|_| !args.anew);
    let record = match under_way {
        Some(record) => record,
        None => {
            let record = runbook.bind(plan(room.journal.situation(), &estate, room.journal.now(), 0).to_record());
            propose(&mut room.journal, &record).map_err(|e| problem(&e))?;
            record
        }
    };
    if record.steps.is_empty() {
        print("nothing is isolated or known to be the attacker's: there is nothing to restore\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    if !is_approved(args, &mut room, &record)? {
        return Ok(ExitCode::from(1));
    }
    let end = carry_out(&mut room, &estate, &runbook, &record)?;
    tell(args, &room, &record, &end)
}

/// The newest restoration bound to this runbook that is not at its end.
fn under_way(situation: &Situation, runbook: &Runbook) -> Option<PlanRecord> {
    let newest = newest_restoration(situation).filter(|view| view.undo.is_none())?;
    (runbook.is_bound_to(&newest.plan) && !open_steps(newest).is_empty()).then(|| newest.plan.clone())
}

/// `at` is when it is made, `called` how many minutes before that crews were called.
fn plan(situation: &Situation, estate: &Estate, at: Timestamp, called: u32) -> RestorePlan {
    let config = RestoreConfig {
        generation: generation(at),
        crews_called_minutes_ago: called,
        clock: Some(at),
        ..RestoreConfig::default()
    };
    plan_restore(situation, estate, &config)
}

/// A plan's generation says when it was made, in milliseconds, so that it can be made again for people's shifts as they were then.
fn generation(at: Timestamp) -> u64 {
    at.0.max(0).unsigned_abs() / 1_000_000
}

fn made_at(generation: u64) -> Timestamp {
    Timestamp::default().plus_ms(i64::try_from(generation).unwrap_or(i64::MAX))
}

fn is_approved(args: &Args, room: &mut OpenRoom, record: &PlanRecord) -> Result<bool, Problem> {
    let (config, journal) = (&room.config, &mut room.journal);
    ask_for(config, journal, record, &args.requester).map_err(|e| problem(&e))?;
    for approval in approvals_of(&args.approvals)? {
        if let Some(fault) = take_word(config, journal, record, &approval).map_err(|e| problem(&e))? {
            say(&format!("the word of {} does not count: {fault}", approval.approver));
        }
    }
    if may_begin(config, journal, record).map_err(|e| problem(&e))? {
        return Ok(true);
    }
    let text = serde_json::to_string_pretty(&json!({ "plan": record })).unwrap_or_default() + "\n";
    write_file(&args.plan, text.as_bytes())?;
    let words = journal.plan(&record.hash).map_err(|e| problem(&e))?.words.len();
    say(&format!(
        "{words} of {} people approved plan {}; nothing was done. Let them run `leckwehr takedown approve {}`",
        config.approvals_min,
        record.hash,
        args.plan.display()
    ));
    Ok(false)
}

fn carry_out(room: &mut OpenRoom, estate: &Estate, runbook: &Runbook, record: &PlanRecord) -> Result<CourseEnd, Problem> {
    let mut course = Course::new(record, estate);
    let view = room.journal.plan(&record.hash).map_err(|e| problem(&e))?;
    let (is_begun, proposed) = (view.ordered.is_some(), view.proposed);
    let again = |now: &Situation, at: Timestamp| {
        let minutes = at.0.abs_diff(proposed.0) / NANOSECONDS_PER_MINUTE;
        let called = u32::try_from(minutes).unwrap_or(u32::MAX);
        plan(now, estate, at, called)
    };
    if is_begun {
        let reason = "it was taken up again";
        let widened = course.plan_again(&mut room.journal, reason, again).map_err(|e| problem(&e))?;
        if let Some(end) = widened {
            return Ok(end);
        }
    } else {
        let planned = plan(room.journal.situation(), estate, made_at(record.generation), 0);
        if runbook.bind(planned.to_record()).hash != record.hash {
            let summary = "the situation or the estate is another than when the plan was made";
            return Err(Problem::plain("LW-RESTORE-010", summary).hint("make a new plan with --anew, and let people approve it"));
        }
        course.begin(&mut room.journal, &planned, again).map_err(|e| problem(&e))?;
    }
    let (warrant, work) = (room.warrant(record), room.config.folder.join("work"));
    let orders = CutActuator::for_return(&room.courier, &warrant);
    let ways = |now: &Situation| RunbookActuator::new(runbook, &orders, record, now, &work, Arc::new(NoFaults));
    wait_for(course.run(&mut room.journal, ways, again))
}

fn tell(args: &Args, room: &OpenRoom, record: &PlanRecord, end: &CourseEnd) -> Result<ExitCode, Problem> {
    let situation = room.journal.situation();
    let view = room.journal.plan(&record.hash).map_err(|e| problem(&e))?;
    let (word, why) = match end {
        CourseEnd::Complete => ("complete", Vec::new()),
        CourseEnd::WaitsForPeople { work } => {
            let work = work.iter().map(|(step, owner)| format!("step {step} is for {owner}"));
            ("waits-for-people", work.collect())
        }
        CourseEnd::Widened { why, .. } => ("needs-a-new-approval", why.clone()),
    };
    if args.json {
        print_json(
            &json!({ "ended": word, "why": why, "plan": view, "hosts": situation.hosts, "services": situation.services }),
        )?;
    } else {
        let why: String = why.iter().map(|w| format!("  {w}\n")).collect();
        print(&format!("{}{word}\n{why}", text_of(situation, Some(view))))?;
    }
    let whole = record.steps.iter().all(|step| view.stands(step.number));
    Ok(ExitCode::from(u8::from(!whole)))
}
