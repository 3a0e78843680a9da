//! The one binary of Leckwehr: roles and verbs, no logic.
//!
//! Every verb is a file in `verb/`: an argument struct whose doc comments are the help, and one function.
//! stdout is data, stderr is talk; every read verb has `--json`.

mod problem;
mod verb;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Damage control for providers of health IT: sees the leak, shuts the compartments in order, keeps the vital
/// services running, finds out how far the water came, brings services back by priority and tells the truth.
#[derive(Parser)]
#[command(name = "leckwehr", version, max_term_width = 110, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Estate(verb::estate::Args),
    Ledger(verb::ledger::Args),
    Replay(verb::replay::Args),
    Drill(verb::drill::Args),
    Console(verb::console::Args),
    Spool(verb::spool::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().verb {
        Verb::Estate(args) => verb::estate::run(args),
        Verb::Ledger(args) => verb::ledger::run(args),
        Verb::Replay(args) => verb::replay::run(args),
        Verb::Drill(args) => verb::drill::run(args),
        Verb::Console(args) => verb::console::run(args),
        Verb::Spool(args) => verb::spool::run(args),
    };
    result.unwrap_or_else(|problem| {
        problem.print();
        problem.exit_code()
    })
}
