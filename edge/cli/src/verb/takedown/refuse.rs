use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_control::{Statement, refusal_bytes};
use leckwehr_crypt::hex;
use serde_json::json;

use super::room::plan_of_file;
use super::signer::SignerArgs;
use super::write_file;
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Say no to a plan, with your name and a reason: it becomes a fact that `leckwehr takedown status` shows.
///
/// It counts once `leckwehr takedown run` or `resume` is given it with --word. It takes nobody's word away: whether the plan has enough
/// is another question.
#[derive(clap::Args)]
pub struct Args {
    /// The plan.
    plan: PathBuf,
    /// Your name, as the control room knows it.
    #[arg(long = "as", value_name = "NAME")]
    name: String,
    #[command(flatten)]
    signer: SignerArgs,
    /// Why, in one sentence.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// File to write; NAME.refusal.json beside the plan unless given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let plan = plan_of_file(&args.plan)?;
    let signature = hex(&args.signer.sign(&refusal_bytes(&plan.hash, &args.reason))?);
    let statement = Statement::Refusal {
        hash: plan.hash.clone(),
        approver: args.name.clone(),
        reason: args.reason.clone(),
        signature,
    };
    let beside = args.plan.with_file_name(format!("{}.refusal.json", args.name));
    let said = format!("{} says no to plan {}", args.name, plan.hash);
    write(&statement, args.out.clone().unwrap_or(beside), &said, args.json)
}

/// Writes a statement and says so.
pub(super) fn write(statement: &Statement, out: PathBuf, said: &str, as_json: bool) -> Result<ExitCode, Problem> {
    let written = json!({ "statement": statement });
    write_file(&out, format!("{written:#}\n").as_bytes())?;
    match as_json {
        true => print_json(&written)?,
        false => print(&format!("{said}: {}\n", out.display()))?,
    }
    Ok(ExitCode::SUCCESS)
}
