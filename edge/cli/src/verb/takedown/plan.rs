use std::collections::BTreeSet;
use std::process::ExitCode;

use leckwehr_contain::{TakedownPolicy, options, takedown_plan};
use serde_json::json;

use super::CaseArgs;
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Plan a takedown: the options with their harm, and the plan that people approve.
///
/// Changes nothing. Example:
///
///     leckwehr takedown plan --estate examples/apt29 --ledger incident/ledger
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    case: CaseArgs,
    /// Generation of the plan; a guard refuses older ones.
    #[arg(long, value_name = "N", default_value_t = 1)]
    generation: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let (estate, impact) = args.case.read()?;
    let policy = TakedownPolicy::default();
    let all = options(&impact, &estate, &policy);
    let Some(option) = all.iter().find(|o| o.scale == policy.scale) else {
        return Ok(ExitCode::from(1));
    };
    let plan = takedown_plan(option, &impact, &estate, &policy, args.generation, &BTreeSet::new());
    let plan = plan.map_err(|e| Problem::new("LW-CONTAIN-004", "no takedown can be planned", &e))?;
    if args.json {
        print_json(&json!({ "options": all, "plan": plan }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = format!("{}\nplan {}\n", plan.summary, plan.hash);
    for step in &plan.steps {
        text += &format!("  {:>3} {} {} ({})\n", step.number, step.action, step.target, step.reason);
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
