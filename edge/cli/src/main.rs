//! The one binary of Leckwehr: roles and verbs, no logic.
//!
//! Every verb is a file in `verb/`: an argument struct whose doc comments are the help, and one function.
//! stdout is data, stderr is talk; every read verb has `--json`.

mod builtin;
mod hunt_text;
mod output;
mod problem;
mod replay_text;
mod verb;
mod workplace;

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
    Trace(verb::trace::Args),
    Takedown(verb::takedown::Args),
    Hunt(verb::hunt::Args),
    Events(verb::events::Args),
    Watch(verb::watch::Args),
    Rules(verb::rules::Args),
    Restore(verb::restore::Args),
    Drill(verb::drill::Args),
    Console(verb::console::Args),
    Guard(verb::guard::Args),
    Spool(verb::spool::Args),
    Payments(verb::payments::Args),
    Fhir(verb::fhir::Args),
    Bench(verb::bench::Args),
    /// Holds the namespaces of a drill; started by it.
    #[command(hide = true)]
    DrillKeeper,
    /// Directs a drill inside its namespaces; started by the keeper.
    #[command(hide = true)]
    DrillDirector,
    /// Plays one node of a drill; started by the director.
    #[command(hide = true)]
    DrillNode {
        /// Folders to make empty for this node.
        #[arg(long)]
        hide: Vec<std::path::PathBuf>,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().verb {
        Verb::Estate(args) => verb::estate::run(args),
        Verb::Ledger(args) => verb::ledger::run(args),
        Verb::Replay(args) => verb::replay::run(args),
        Verb::Trace(args) => verb::trace::run(args),
        Verb::Takedown(args) => verb::takedown::run(args),
        Verb::Hunt(args) => verb::hunt::run(args),
        Verb::Events(args) => verb::events::run(args),
        Verb::Watch(args) => verb::watch::run(args),
        Verb::Rules(args) => verb::rules::run(args),
        Verb::Restore(args) => verb::restore::run(args),
        Verb::Drill(args) => verb::drill::run(args),
        Verb::Console(args) => verb::console::run(args),
        Verb::Guard(args) => verb::guard::run(args),
        Verb::Spool(args) => verb::spool::run(args),
        Verb::Payments(args) => verb::payments::run(args),
        Verb::Fhir(args) => verb::fhir::run(args),
        Verb::Bench(args) => verb::bench::run(args),
        Verb::DrillKeeper => Ok(leckwehr_range::keeper_main()),
        Verb::DrillDirector => Ok(leckwehr_range::director_main()),
        Verb::DrillNode { hide } => Ok(leckwehr_range::node_main(&hide)),
    };
    result.unwrap_or_else(|problem| {
        problem.print();
        problem.exit_code()
    })
}
