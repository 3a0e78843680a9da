use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_control::{
    Ended, Execution, Proof, Takedown, TakedownEnd, ask_for, faults_of_plan, may_begin, propose, prove, take_word,
};
use leckwehr_incident::PlanRecord;
use serde_json::json;

use super::room::{
    MINUTE_MS, OpenRoom, RoomArgs, RunbookArgs, approvals_of, is_ours, is_whole, plan_of_file, problem, take_words, text_of,
    wait_for, with_hands,
};
use crate::output::say;
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Carry an approved plan out: at its guards, by programs of a runbook, and by people; its first cut alone.
///
/// Stages follow each other as the protocol has them. Steps of one guard are one transaction. Work by hand ends with a signed word
/// (`leckwehr takedown confirm`, handed in with --word) or with its time; until then this verb ends and says what it waits for, and
/// `leckwehr takedown resume` goes on. A partner's connection is cut after its notice, nothing is switched off whose evidence was
/// not kept, and a connection comes back after both sides' word.
///
/// Every step is written into the ledger before and after it is done, so a run that is killed goes on with `leckwehr takedown
/// resume`. Run it again to try steps again that did not reach their guard or were refused there. Cuts undo themselves after
/// 24 hours unless they are renewed. Begin with --dry-run: it asks every guard and changes nothing. Example:
///
///     leckwehr takedown run plan.json --room room.toml --dry-run
///
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
///     [[confirmer]]                    # who says that work by hand is done, beside the approvers
///     name = "carla"
///     key = "9f1c…"
///     for = ["crew:windows"]           # or ["party:bank"]: nobody else can speak for a party
///     [[life-line]]                    # a takedown that costs one of these is undone
///     from = "ward-1"
///     to = "10.1.0.5:443"
///
/// A runbook, bound to the plan by `leckwehr takedown plan --runbook`; `check` says by exit code 0 or 1 whether it is done:
///
///     [[step]]
///     action = "drain"                 # notify, drain, flush, snapshot, capture-memory, capture-disk, power-off
///     target = "db-1"
///     command.check = ["/usr/local/sbin/drained", "{target}"]
///     command.act   = ["/usr/local/sbin/drain", "{target}"]
///     command.undo  = ["/usr/local/sbin/take-again", "{target}"]
///     command.timeout_minutes = 10
///
/// Where systems have agents (`"agent:ws-1" = "10.1.0.7:8443"` under [executors]) the cut is tried from both sides afterwards.
///
/// Exit code 0: every step is verified. 1: something is not, a way is still open, or it waits for people, or the plan is not approved.
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
    /// What somebody signed: a file of `leckwehr takedown confirm`, `refuse` or `delegate`.
    #[arg(long = "word", value_name = "FILE")]
    words: Vec<PathBuf>,
    #[command(flatten)]
    runbook: RunbookArgs,
    /// Ask every guard what is the case and what is in the way; change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not try the first cut alone.
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
    if !is_ours(&plan) {
        let summary = format!("plan {} is a restoration, not a takedown", plan.hash);
        return Err(Problem::plain("LW-CONTAIN-025", summary).hint("`leckwehr restore run` carries it out, through its gates"));
    }
    let runbook = args.runbook.of(&plan)?;
    let mut room = args.room.open()?;
    propose(&mut room.journal, &plan).map_err(|e| problem(&e))?;
    take_words(&mut room, &args.words)?;
    if args.dry_run {
        let problems = with_hands(&mut room, &plan, runbook, async |hands, journal| {
            let actuator = hands.actuator(journal.situation());
            Execution::new(&plan, &actuator).rehearse(journal).await
        })?;
        return tell_rehearsal(args, &plan, &problems);
    }
    if !is_approved(args, &mut room, &plan)? {
        return Ok(ExitCode::from(1));
    }
    let estate = room.config.estate.clone();
    let ended = with_hands(&mut room, &plan, runbook, async |hands, journal| {
        let takedown = Takedown::new(&plan, &estate, MINUTE_MS).again(journal)?;
        let takedown = if args.no_canary { takedown.without_canary() } else { takedown };
        takedown.run(journal, |situation| hands.actuator(situation)).await
    })?;
    let proof = match &ended {
        TakedownEnd::Ended(Ended::Complete) => Some(prove_cut(&mut room, &plan)?),
        _ => None,
    };
    let code = tell(&room, &plan, &ended, args.json)?;
    match proof {
        Some(proof) if !say_proof(&proof) => Ok(ExitCode::from(1)),
        _ => Ok(code),
    }
}

/// Probes from both sides of what is isolated now.
pub(super) fn prove_cut(room: &mut OpenRoom, plan: &PlanRecord) -> Result<Proof, Problem> {
    let OpenRoom {
        config,
        journal,
        courier,
    } = room;
    wait_for(prove(courier, config, journal, plan))
}

/// Says what probes have shown; false if a way is open.
pub(super) fn say_proof(proof: &Proof) -> bool {
    for hole in &proof.holes {
        say(&format!("OPEN: {hole}"));
    }
    let proven = if proof.probes_can_pass { proof.proven.len() } else { 0 };
    if proven > 0 {
        say(&format!(
            "{proven} isolated systems answer no probe and reach nothing: tried from both sides"
        ));
    }
    if proof.unproven > 0 {
        say(&format!(
            "{} isolated systems were not tried from both sides: they need an address in the estate and an agent under [executors]",
            proof.unproven
        ));
    }
    proof.holes.is_empty()
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
    for fault in faults_of_plan(config, plan) {
        say(&format!("not a plan of the protocol: {fault}"));
    }
    let words = journal.plan(&plan.hash).map_err(|e| problem(&e))?.words.len();
    say(&format!(
        "{words} of {} people approved plan {}; nothing was done. Let them run `leckwehr takedown approve`",
        config.approvals_min, plan.hash
    ));
    Ok(false)
}

fn tell_rehearsal(args: &Args, plan: &PlanRecord, problems: &[String]) -> Result<ExitCode, Problem> {
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
pub(super) fn tell(room: &OpenRoom, plan: &PlanRecord, ended: &TakedownEnd, json: bool) -> Result<ExitCode, Problem> {
    let view = room.journal.plan(&plan.hash).map_err(|e| problem(&e))?;
    let (word, reason) = match ended {
        TakedownEnd::Ended(Ended::Complete) => ("complete", String::new()),
        TakedownEnd::Ended(Ended::Stopped { reason }) => ("stopped", reason.clone()),
        TakedownEnd::Ended(Ended::Undone { reason }) => ("undone", reason.clone()),
        TakedownEnd::Waits { work, until } => {
            let who = work.iter().map(|(step, who)| format!("step {step} for {who}"));
            let who: Vec<String> = who.collect();
            let then = until.map(|at| format!("; it goes on at {at} at the latest, with `leckwehr takedown resume`"));
            ("waits", who.join(", ") + &then.unwrap_or_default())
        }
    };
    if let TakedownEnd::Waits { until: Some(until), .. } = ended
        && let Some(end) = view.words.iter().map(|word| word.valid_until).min().filter(|end| end < until)
    {
        say(&format!(
            "a word for the plan ends at {end}, before that: have it approved anew by then, and hand it to `leckwehr takedown resume`"
        ));
    }
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
