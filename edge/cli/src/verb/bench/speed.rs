use std::process::ExitCode;

use super::TraceArgs;
use crate::problem::Problem;

/// Runs the closures over a made-up log and prints their ratios.
pub(super) fn run(args: &TraceArgs) -> Result<ExitCode, Problem> {
    unbuilt("speed", args)
}

/// Says that a measurement is not there.
pub(super) fn unbuilt(what: &str, args: &TraceArgs) -> Result<ExitCode, Problem> {
    let of = format!("{} nodes, {} events, seed {}", args.nodes, args.events, args.seed);
    let summary = format!("{what} over {of} (json: {}) cannot be measured by this build", args.json);
    Err(Problem::plain("LW-BENCH-001", summary).hint("use a newer build"))
}
