use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use leckwehr_control::{APPROVAL_MS_MAX, undo_hash};
use leckwehr_crypt::hex;
use leckwehr_guard::Approval;
use leckwehr_incident::PlanRecord;
use serde_json::json;

use super::room::{now, plan_of_file};
use super::signer::SignerArgs;
use crate::output::say;
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Hours in the longest validity.
const HOURS_MAX: i64 = APPROVAL_MS_MAX / 3_600_000;

/// Approve a plan with your own key: read it, and sign its hash.
///
/// The approval names the plan's hash and an end of validity; changing anything in the plan makes it worthless. Hand the file that
/// it writes to whoever runs the takedown. Two different people must approve. Example:
///
///     leckwehr takedown approve plan.json --as anna --key anna.approver
///
///     leckwehr takedown approve plan.json --as anna --signer ./sign-with-token    # a key that never leaves its token
///
///     leckwehr takedown approve plan.json --as anna --key anna.approver --undo    # approve that it is undone
#[derive(clap::Args)]
pub struct Args {
    /// The plan, as `leckwehr takedown plan --out` writes it (plan.json).
    plan: PathBuf,
    /// Your name, as guards and the control room know it.
    #[arg(long = "as", value_name = "NAME")]
    name: String,
    #[command(flatten)]
    signer: SignerArgs,
    /// For how many hours the approval counts.
    #[arg(long, value_name = "HOURS", default_value_t = 8, value_parser = clap::value_parser!(i64).range(1..=HOURS_MAX))]
    hours: i64,
    /// Approve the undoing of the plan instead.
    #[arg(long)]
    undo: bool,
    /// File to write; NAME.approval.json beside the plan unless given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let plan = plan_of_file(&args.plan)?;
    let hash = if args.undo { undo_hash(&plan.hash) } else { plan.hash.clone() };
    say(&text(&plan, args.undo));
    let until = now().plus_ms(args.hours * 3_600_000);
    let message = Approval::message(&hash, Some(until));
    let signature = args.signer.sign(&message)?;
    let approval = Approval {
        approver: args.name.clone(),
        signature: hex(&signature),
        valid_until: Some(until),
    };
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| args.plan.with_file_name(format!("{}.approval.json", args.name)));
    let written = json!({ "hash": hash, "plan": plan.hash, "undo": args.undo, "approval": approval });
    write(&out, &written)?;
    if args.json {
        print_json(&written)?;
    } else {
        let what = if args.undo { "the undoing of plan" } else { "plan" };
        print(&format!(
            "{} approved {what} {} until {until}: {}\n",
            args.name,
            plan.hash,
            out.display()
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a person approves, in words.
fn text(plan: &PlanRecord, undo: bool) -> String {
    let steps = plan.steps.iter().map(|s| {
        let clause = if s.clause.is_empty() { "no clause" } else { s.clause.as_str() };
        format!(
            "  {:>3} {} {} at {} ({clause}): {}\n",
            s.number, s.action, s.target, s.executor, s.reason
        )
    });
    let what = if undo { "TO BE UNDONE: " } else { "" };
    format!(
        "{what}{}, {} euros of harm per hour\n{}",
        plan.summary,
        plan.harm_eur_per_hour,
        steps.collect::<String>()
    )
}

fn write(path: &Path, value: &serde_json::Value) -> Result<(), Problem> {
    let text = serde_json::to_string_pretty(value).unwrap_or_default() + "\n";
    fs::write(path, text).map_err(|error| {
        Problem::new("LW-CONTAIN-022", format!("{} cannot be written", path.display()), &error).hint("name another: --out FILE")
    })
}
