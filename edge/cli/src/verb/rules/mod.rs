//! The verbs about Sigma rules, one file each.

mod lint;
mod show;

use std::process::ExitCode;

use crate::problem::Problem;

/// Check and explain Sigma rules: what cannot be used and why, what a rule looks for and in which records.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Lint(lint::Args),
    Show(show::Args),
}

/// Runs the verb.
pub fn run(args: Args) -> Result<ExitCode, Problem> {
    match args.verb {
        Verb::Lint(args) => lint::run(&args),
        Verb::Show(args) => show::run(&args),
    }
}
