use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_pay::{FileState, Language, Roster, Stage, euros};
use serde_json::{Value, json};

use super::facts::LedgerArgs;
use super::place::{DeskArgs, TalkArgs, now, roster};
use crate::output::{Out, table};
use crate::problem::Problem;

/// Show the files of a desk: what waits for whom, what is out, what was interrupted.
///
/// Exit code 0: nothing waits. 1: a file waits for approvals or its release, or a release was interrupted.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    desk: DeskArgs,
    /// Who may approve: then the words that count are told from those that do not.
    #[arg(long, value_name = "FILE")]
    roster: Option<PathBuf>,
    #[command(flatten)]
    ledger: LedgerArgs,
    #[command(flatten)]
    talk: TalkArgs,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let roster = args.roster.as_deref().map(roster).transpose()?;
    let mut ledger = args.ledger.open()?;
    let desk = args.desk.open()?;
    ledger.tell(&desk)?;
    let mut out = Out::new();
    let language = args.talk.language();
    let mut rows = vec![head(language)];
    let mut waits = false;
    for (file, state) in desk.files() {
        let unfinished = desk.is_unfinished(state);
        waits |= unfinished || state.stage == Stage::Reserved;
        if args.talk.json {
            out.json(&as_json(file, state, unfinished, roster.as_ref()))?;
        } else {
            rows.push(row(file, state, unfinished, roster.as_ref(), language));
        }
    }
    if !args.talk.json {
        out.text(&table(&rows))?;
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(waits)))
}

fn head(language: Language) -> Vec<String> {
    let head = match language {
        Language::De => [
            "Datei",
            "Lauf",
            "Stand",
            "Zahlungen",
            "Summe EUR",
            "Ausführung ab",
            "gebaut von",
            "Freigabeworte",
        ],
        Language::En => [
            "file",
            "run",
            "stage",
            "payments",
            "sum EUR",
            "executed from",
            "built by",
            "words",
        ],
    };
    head.map(str::to_owned).to_vec()
}

fn row(file: &str, state: &FileState, unfinished: bool, roster: Option<&Roster>, language: Language) -> Vec<String> {
    let stage = match (state.stage, unfinished) {
        (_, true) => language.pick("unterbrochen: release wiederholen", "interrupted: release again"),
        (Stage::Reserved, _) => language.pick("wartet", "waits"),
        (Stage::Releasing, _) => language.pick("in Freigabe", "being released"),
        (Stage::Released, _) => language.pick("freigegeben", "released"),
        (Stage::Cancelled, _) => language.pick("aufgegeben", "cancelled"),
    };
    let day = state.execute.map_or_else(String::new, |day| day.to_string());
    let words = words(file, state, roster);
    vec![
        file.get(..12).unwrap_or(file).to_owned(),
        state.run.clone(),
        stage.to_owned(),
        state.payments.to_string(),
        euros(state.cents),
        day,
        state.by.clone(),
        words.0.join(" ")
            + &words
                .1
                .iter()
                .map(|(who, why)| format!(" ({who}: {why:?})"))
                .collect::<String>(),
    ]
}

fn words(file: &str, state: &FileState, roster: Option<&Roster>) -> (Vec<String>, Vec<(String, leckwehr_pay::Ignored)>) {
    match roster {
        Some(roster) => roster.count(file, state, now()),
        None => (state.words.iter().map(|word| word.by.clone()).collect(), Vec::new()),
    }
}

fn as_json(file: &str, state: &FileState, unfinished: bool, roster: Option<&Roster>) -> Value {
    let (words, ignored) = words(file, state, roster);
    json!({
        "file": file,
        "run": state.run,
        "message_id": state.message_id,
        "stage": state.stage,
        "interrupted": unfinished,
        "payments": state.payments,
        "sum_eur": euros(state.cents),
        "held_in_run": state.held,
        "executed_from": state.execute.map(|day| day.to_string()),
        "built": state.built.to_string(),
        "by": state.by,
        "words": words,
        "words_ignored": ignored,
    })
}
