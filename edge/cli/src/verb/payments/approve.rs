use std::process::ExitCode;

use leckwehr_pay::euros;
use serde_json::json;

use super::facts::LedgerArgs;
use super::place::{DeskArgs, PersonArgs, TalkArgs, now, problem, refused};
use crate::output::Out;
use crate::problem::Problem;

/// Give your word for a file: two different people are needed, and whoever built it is never the second.
///
/// The word is bound to the SHA-256 of the file and expires. The sealed file is opened and held against its hash before.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    desk: DeskArgs,
    /// The file: at least 8 digits of its SHA-256.
    file: String,
    /// Hours for which the word counts.
    #[arg(long, value_name = "N", default_value_t = 12)]
    hours: i64,
    #[command(flatten)]
    person: PersonArgs,
    #[command(flatten)]
    ledger: LedgerArgs,
    #[command(flatten)]
    talk: TalkArgs,
}

/// Give a file up before its release; its payments are free for another run.
#[derive(clap::Args)]
pub struct CancelArgs {
    #[command(flatten)]
    desk: DeskArgs,
    /// The file: at least 8 digits of its SHA-256.
    file: String,
    #[command(flatten)]
    person: PersonArgs,
    #[command(flatten)]
    ledger: LedgerArgs,
    #[command(flatten)]
    talk: TalkArgs,
}

/// Runs the verb `approve`.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let mut ledger = args.ledger.open()?;
    let mut desk = args.desk.open()?;
    let file = desk.find(&args.file).map_err(|e| problem("there is no such file", &e))?;
    let done = args
        .person
        .with(|roster, person| desk.approve(&file, roster, person, now(), args.hours))?;
    if let Err(error) = done {
        return refused("the file was not approved", &error);
    }
    ledger.tell(&desk)?;
    tell(&desk, &file, &args.talk, ("Freigabewort gegeben für", "approved"))
}

/// Runs the verb `cancel`.
pub fn cancel(args: &CancelArgs) -> Result<ExitCode, Problem> {
    let mut ledger = args.ledger.open()?;
    let mut desk = args.desk.open()?;
    let file = desk.find(&args.file).map_err(|e| problem("there is no such file", &e))?;
    let done = args.person.with(|roster, person| desk.cancel(&file, roster, person, now()))?;
    if let Err(error) = done {
        return refused("the file was not given up", &error);
    }
    ledger.tell(&desk)?;
    tell(&desk, &file, &args.talk, ("aufgegeben:", "cancelled"))
}

fn tell(desk: &leckwehr_pay::Desk, file: &str, talk: &TalkArgs, (de, en): (&str, &str)) -> Result<ExitCode, Problem> {
    let mut out = Out::new();
    if let Some((_, state)) = desk.files().find(|(hash, _)| *hash == file) {
        if talk.json {
            let words: Vec<&str> = state.words.iter().map(|word| word.by.as_str()).collect();
            out.json(&json!({ "file": file, "stage": state.stage, "payments": state.payments, "sum_eur": euros(state.cents), "words": words }))?;
        } else {
            let payments = talk.language().pick("Zahlungen über", "payments of");
            let done = talk.language().pick(de, en);
            out.text(&format!(
                "{done} {file}: {} {payments} {} EUR\n",
                state.payments,
                euros(state.cents)
            ))?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
