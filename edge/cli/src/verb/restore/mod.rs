//! The verbs of restoration, one file each.

mod confirm;
mod explain;
mod gantt;
mod insurers;
mod plan;
mod psplib;
mod run;
mod schedule;
mod status;
mod way;
mod why;

use std::process::ExitCode;

use crate::problem::Problem;

/// Plan the way back and go it: what comes back when, through which gates, and what people have to do.
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
    Run(run::Args),
    Status(status::Args),
    Confirm(confirm::Args),
}

/// Runs the verb.
pub fn run(args: Args) -> Result<ExitCode, Problem> {
    match args.verb {
        Verb::Plan(args) => plan::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Gantt(args) => gantt::run(&args),
        Verb::Why(args) => why::run(&args),
        Verb::Schedule(args) => schedule::run(&args),
        Verb::Run(args) => run::run(&args),
        Verb::Status(args) => status::run(&args),
        Verb::Confirm(args) => confirm::run(&args),
    }
}
