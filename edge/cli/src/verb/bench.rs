//! Measurements of the rooms, one file each.

mod clock;
mod cut;
mod detect;
mod fhir;
mod guard;
mod hidden;
mod speed;
mod stream;

use std::process::ExitCode;

use crate::problem::Problem;

/// Measure: ratios against a named baseline in the same run, in CPU time.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Cut(cut::Args),
    Detect(detect::Args),
    Fhir(fhir::Args),
    Guard(guard::Args),
    Trace(TraceArgs),
}

/// Measure the analysis: the speed of the closures, or how much of a hidden route is found.
///
/// Without --hidden: closures over a made-up authentication log, against a plain sum over the same columns.
#[derive(clap::Args)]
pub(crate) struct TraceArgs {
    /// Nodes of the log.
    #[arg(long, default_value_t = 20_000)]
    pub(crate) nodes: u32,
    /// Events of the log.
    #[arg(long, default_value_t = 50_000_000)]
    pub(crate) events: u64,
    /// Seed from which everything made up follows.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Hide a route with missing hops in the log, and score how much of it is found.
    #[arg(long)]
    pub(crate) hidden: bool,
    /// Routes to hide, from --seed on.
    #[arg(long, value_name = "N", default_value_t = 10, requires = "hidden")]
    pub(crate) seeds: u64,
    /// Write the log as a Parquet file into this folder (16 bytes an event) and stream one closure over it.
    #[arg(long, value_name = "DIR", conflicts_with = "hidden")]
    pub(crate) stream: Option<std::path::PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<ExitCode, Problem> {
    match args.verb {
        Verb::Cut(args) => cut::run(&args),
        Verb::Detect(args) => detect::run(&args),
        Verb::Fhir(args) => fhir::run(&args),
        Verb::Guard(args) => guard::run(&args),
        Verb::Trace(args) if args.hidden => hidden::run(&args),
        Verb::Trace(args) => match &args.stream {
            Some(folder) => stream::run(&args, folder),
            None => speed::run(&args),
        },
    }
}
