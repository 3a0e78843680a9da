//! The verbs of restoration planning, one file each.

mod psplib;
mod schedule;

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
    Schedule(schedule::Args),
}

/// Runs the verb.
pub fn run(args: Args) -> Result<ExitCode, Problem> {
    match args.verb {
        Verb::Schedule(args) => schedule::run(&args),
    }
}
