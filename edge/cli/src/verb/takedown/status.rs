use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_incident::{PlanView, Situation};
use leckwehr_ledger::Reader;

use super::room::{is_ours, is_whole, text_of};
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Say how far every takedown is: approvals, steps, leases, undoing. Reads the ledger only, also while a room works with it.
///
/// Exit code 0: every step of every plan that was begun is verified or undone. 1: something is open.
#[derive(clap::Args)]
pub struct Args {
    /// Folder of the ledger.
    #[arg(long, value_name = "DIR")]
    ledger: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let summary = format!("the ledger {} cannot be read", args.ledger.display());
    let bad = |error: &dyn std::error::Error| {
        Problem::new("LW-CONTAIN-003", summary.clone(), error).hint("try `leckwehr ledger verify` on it")
    };
    let reader = Reader::open(&args.ledger).map_err(|e| bad(&e))?;
    let entries = reader.entries(0..reader.size()).map_err(|e| bad(&e))?;
    let situation = Situation::replay(entries.iter().map(Vec::as_slice)).map_err(|e| bad(&e))?;
    let plans = situation.plans.values();
    let mut plans: Vec<&PlanView> = plans.filter(|view| is_ours(&view.plan)).collect();
    plans.sort_by_key(|view| (view.proposed, view.plan.generation));
    if args.json {
        print_json(&plans)?;
    } else if plans.is_empty() {
        print("no takedown was planned\n")?;
    } else {
        print(&plans.iter().map(|view| text_of(view)).collect::<String>())?;
    }
    let is_open = |view: &&&PlanView| view.undo.is_none() && !view.steps.is_empty() && !is_whole(view);
    Ok(ExitCode::from(u8::from(plans.iter().any(|view| is_open(&view)))))
}
