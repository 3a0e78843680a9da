//! The verbs of restoration planning, one file each.

mod explain;
mod gantt;
mod plan;
mod psplib;
mod schedule;
mod way;
mod why;

use std::process::ExitCode;

use crate::problem::Problem;

/// Plan the way back: what comes back when, why not sooner, and what would help.
///
/// Planning only: nothing is restored, and no file is changed.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Plan(plan::Args),
    Explain(explain::Args),
    Gantt(gantt::Args),
    Why(why::Args),
    Schedule(schedule::Args),
}

/// Runs the verb.
pub fn run(args: Args) -> Result<ExitCode, Problem> {
    match args.verb {
        Verb::Plan(args) => plan::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Gantt(args) => gantt::run(&args),
        Verb::Why(args) => why::run(&args),
        Verb::Schedule(args) => schedule::run(&args),
    }
}
