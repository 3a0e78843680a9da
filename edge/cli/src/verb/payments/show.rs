use std::process::ExitCode;

use super::place::{DeskArgs, problem};
use crate::output::Out;
use crate::problem::Problem;

/// Print a sealed file as it will be released, to look at before you give your word for it.
///
/// It holds names and accounts: send the output nowhere but to your eyes.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    desk: DeskArgs,
    /// The file: at least 8 digits of its SHA-256.
    file: String,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let desk = args.desk.open()?;
    let file = desk.find(&args.file).map_err(|e| problem("there is no such file", &e))?;
    let content = desk.content(&file).map_err(|e| problem("the file cannot be shown", &e))?;
    let mut out = Out::new();
    out.text(&String::from_utf8_lossy(content.reveal()))?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
