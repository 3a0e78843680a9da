use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_control::{Ended, ask_for, may_begin, propose, take_word};
use leckwehr_incident::PlanRecord;
use serde_json::json;

use super::room::{OpenRoom, RoomArgs, approvals_of, is_whole, plan_of_file, problem, text_of, with_execution};
use crate::output::say;
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Carry an approved plan out at its guards: the first step alone, then one group after another.
///
/// Every step is written into the ledger before and after it is done, so a run that is killed goes on with `leckwehr takedown
/// resume`. Run it again to try steps again that did not reach their guard or were refused there. Cuts undo themselves after
/// 24 hours unless they are renewed. Begin with --dry-run: it asks every guard and changes nothing. Example:
///
///     leckwehr takedown run plan.json --room room.toml --dry-run
///     leckwehr takedown run plan.json --room room.toml --approval anna.approval.json --approval bert.approval.json
///
/// A whole room.toml:
///
///     folder = "room"                  # ledger; one that is there is continued
///     seed = "control-room.seed"       # this and the next three: `leckwehr guard keys`
///     root = "root.pem"
///     certificate = "control-room.pem"
///     key = "control-room.key"
///     approvals = 2
///     [executors]
///     guard-a = "10.0.0.1:8443"
///     [approvers]
///     anna = "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"
///     bert = "…"
///     [[life-line]]                    # a takedown that costs one of these is undone
///     from = "ward-1"
///     to = "10.1.0.5:443"
///
/// Exit code 0: every step is verified. 1: something is not, or the plan is not approved.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The plan, as `leckwehr takedown plan --out` writes it (plan.json).
    plan: PathBuf,
    #[command(flatten)]
    room: RoomArgs,
    /// An approval, as `leckwehr takedown approve` wrote it. Those that the ledger holds need not be given again.
    #[arg(long = "approval", value_name = "FILE")]
    approvals: Vec<PathBuf>,
    /// Ask every guard what is the case and what is in the way; change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not try the first step alone.
    #[arg(long)]
    no_canary: bool,
    /// Who wants it carried out; never the second of those who approve.
    #[arg(long, value_name = "NAME", default_value = "control-room")]
    requester: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let plan = plan_of_file(&args.plan)?;
    let mut room = args.room.open()?;
    propose(&mut room.journal, &plan).map_err(|e| problem(&e))?;
    if args.dry_run {
        return rehearse(args, &mut room, &plan);
    }
    if !is_approved(args, &mut room, &plan)? {
        return Ok(ExitCode::from(1));
    }
    let ended = with_execution(&mut room, &plan, !args.no_canary, async |execution, journal| {
        execution.again(journal)?.run(journal).await
    })?;
    tell(&room, &plan, &ended, args.json)
}

fn is_approved(args: &Args, room: &mut OpenRoom, plan: &PlanRecord) -> Result<bool, Problem> {
    let (config, journal) = (&room.config, &mut room.journal);
    ask_for(config, journal, plan, &args.requester).map_err(|e| problem(&e))?;
    for approval in approvals_of(&args.approvals)? {
        if let Some(fault) = take_word(config, journal, plan, &approval).map_err(|e| problem(&e))? {
            say(&format!("the word of {} does not count: {fault}", approval.approver));
        }
    }
    if may_begin(config, journal, plan).map_err(|e| problem(&e))? {
        return Ok(true);
    }
    let words = journal.plan(&plan.hash).map_err(|e| problem(&e))?.words.len();
    say(&format!(
        "{words} of {} people approved plan {}; nothing was done. Let them run `leckwehr takedown approve`",
        config.approvals_min, plan.hash
    ));
    Ok(false)
}

fn rehearse(args: &Args, room: &mut OpenRoom, plan: &PlanRecord) -> Result<ExitCode, Problem> {
    let problems = with_execution(room, plan, true, async |execution, journal| execution.rehearse(journal).await)?;
    if args.json {
        print_json(&json!({ "plan": plan.hash, "in_the_way": problems }))?;
    } else {
        let lines: String = problems.iter().map(|p| format!("  {p}\n")).collect();
        let in_words = match problems.len() {
            0 => "nothing is in the way; nothing was changed\n".to_owned(),
            n => format!("{n} things are in the way; nothing was changed\n{lines}"),
        };
        print(&in_words)?;
    }
    Ok(ExitCode::from(u8::from(!problems.is_empty())))
}

/// Says how it ended.
pub(super) fn tell(room: &OpenRoom, plan: &PlanRecord, ended: &Ended, json: bool) -> Result<ExitCode, Problem> {
    let view = room.journal.plan(&plan.hash).map_err(|e| problem(&e))?;
    let (word, reason) = match ended {
        Ended::Complete => ("complete", ""),
        Ended::Stopped { reason } => ("stopped", reason.as_str()),
        Ended::Undone { reason } => ("undone", reason.as_str()),
    };
    if json {
        print_json(&json!({ "ended": word, "reason": reason, "plan": view }))?;
    } else {
        let why = if reason.is_empty() {
            String::new()
        } else {
            format!(": {reason}")
        };
        print(&format!("{}{word}{why}\n", text_of(view)))?;
    }
    Ok(ExitCode::from(u8::from(!is_whole(view))))
}
