use std::process::ExitCode;

use super::case::CaseArgs;
use super::facts::LedgerArgs;
use super::place::{DeskArgs, PersonArgs, TalkArgs, now, refused};
use super::plan::{as_json, text};
use crate::output::Out;
use crate::problem::Problem;

/// Build the run: one sealed payment file per payer. Its payments are reserved, so that no other run pays them.
///
/// The same command after a crash builds what is missing. Nothing leaves the desk before `release`. Exit code 0: built.
/// 1: there is nothing to pay.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    desk: DeskArgs,
    #[command(flatten)]
    case: CaseArgs,
    #[command(flatten)]
    person: PersonArgs,
    #[command(flatten)]
    ledger: LedgerArgs,
    #[command(flatten)]
    talk: TalkArgs,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let mut ledger = args.ledger.open()?;
    let mut desk = args.desk.open()?;
    let case = args.case.plan(&desk)?;
    let built = args
        .person
        .with(|roster, person| desk.build(&case.plan, roster, person, now()))?;
    ledger.tell(&desk)?;
    let hashes = match built {
        Ok(hashes) => hashes,
        Err(error) => return refused("the run was not built completely", &error),
    };
    let mut out = Out::new();
    if args.talk.json {
        out.json(&as_json(&case, &hashes))?;
    } else {
        out.text(&text(&case, &hashes, args.talk.language()))?;
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(hashes.is_empty())))
}
