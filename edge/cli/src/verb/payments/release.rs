use std::path::PathBuf;
use std::process::ExitCode;

use jiff::civil::Date;
use serde_json::json;

use super::facts::LedgerArgs;
use super::place::{DeskArgs, TalkArgs, now, problem, refused, roster, today};
use crate::output::Out;
use crate::problem::Problem;

/// Hand a file out that two people approved: it appears in the desk's folder `released`, for the bank.
///
/// An interrupted release goes on where it stood and never hands a file out twice. Exit code 0: it is out. 1: it may not be,
/// or was before.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    desk: DeskArgs,
    /// The file: at least 8 digits of its SHA-256.
    file: String,
    /// Who may approve: lines `NAME KEY`.
    #[arg(long, value_name = "FILE")]
    roster: PathBuf,
    /// Your name, for the journal.
    #[arg(long = "as", value_name = "NAME")]
    name: String,
    /// The day it is; by the clock unless given.
    #[arg(long, value_name = "DAY")]
    today: Option<Date>,
    #[command(flatten)]
    ledger: LedgerArgs,
    #[command(flatten)]
    talk: TalkArgs,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let roster = roster(&args.roster)?;
    let mut ledger = args.ledger.open()?;
    let mut desk = args.desk.open()?;
    let file = desk.find(&args.file).map_err(|e| problem("there is no such file", &e))?;
    let released = desk.release(&file, &roster, &args.name, now(), args.today.unwrap_or_else(today));
    ledger.tell(&desk)?;
    let path = match released {
        Ok(path) => path,
        Err(error) => return refused("the file was not released", &error),
    };
    let mut out = Out::new();
    if args.talk.json {
        out.json(&json!({ "file": file, "path": path.display().to_string() }))?;
    } else {
        let word = args.talk.language().pick("freigegeben:", "released:");
        out.text(&format!("{word} {}\n", path.display()))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
