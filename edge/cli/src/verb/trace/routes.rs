use std::fmt::Write as _;
use std::process::ExitCode;

use super::{Case, CaseArgs, print, print_json};
use crate::problem::Problem;

/// Print the hops of the attacker, in order of time, each with its tier and its evidence.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    case: CaseArgs,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let case = Case::read(&args.case)?;
    let hops = &case.impact.hops;
    if args.case.json {
        print_json(&serde_json::json!({ "input": case.input(), "hops": hops, "unknowns": case.impact.unknowns }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    for hop in hops {
        let _ = writeln!(text, "{}  {:?}  {} -> {}  {}", hop.at, hop.tier, hop.from, hop.to, hop.means);
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
