use std::process::ExitCode;

use crate::problem::Problem;

/// Placeholder until the verb is written.
#[derive(clap::Args)]
pub struct Args {}

pub fn run(_args: Args) -> Result<ExitCode, Problem> {
    Err(Problem::plain("LW-CLI-000", "not built yet"))
}
