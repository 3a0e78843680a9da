use std::collections::BTreeMap;
use std::process::ExitCode;

use leckwehr_pay::{Held, Language, euros};
use serde_json::{Value, json};

use super::case::{Case, CaseArgs};
use super::check::faults;
use super::place::{DeskArgs, TalkArgs};
use crate::output::{Out, table};
use crate::problem::Problem;

/// Most payments held back that are listed for people; JSON has all.
const HELD_LISTED_MAX: usize = 200;

/// Show what a run would pay, and what is held back and why. Reserves nothing.
///
/// Exit code 0: everything that is due would be paid. 1: something is held back or faulty.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    desk: DeskArgs,
    #[command(flatten)]
    case: CaseArgs,
    #[command(flatten)]
    talk: TalkArgs,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let desk = args.desk.open()?;
    let case = args.case.plan(&desk)?;
    let mut out = Out::new();
    if args.talk.json {
        out.json(&as_json(&case, &[]))?;
    } else {
        out.text(&text(&case, &[], args.talk.language()))?;
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(!case.plan.held.is_empty() || case.orders.faulty > 0)))
}

/// The plan as JSON; `hashes` are those of its files, if they were built.
pub(super) fn as_json(case: &Case, hashes: &[String]) -> Value {
    let files = case.plan.files.iter().enumerate().map(|(index, file)| {
        json!({
            "file": hashes.get(index),
            "message_id": file.message_id,
            "payments": file.payments,
            "sum_eur": euros(file.cents),
            "execution_days": file.batches.iter().map(|batch| batch.execute.to_string()).collect::<Vec<_>>(),
        })
    });
    let held = |held: &Held| json!({ "input": held.input, "line": held.line, "due": held.due.to_string(), "reason": held.why, "remedy": held.why.text(Language::En) });
    json!({
        "payments": case.plan.payments(),
        "sum_eur": euros(case.plan.cents()),
        "files": files.collect::<Vec<_>>(),
        "held": case.plan.held.iter().map(held).collect::<Vec<_>>(),
        "faulty": case.orders.faulty,
        "faults": case.orders.faults,
        "debits_without_details": case.evidence.opaque,
    })
}

/// The plan for people.
pub(super) fn text(case: &Case, hashes: &[String], language: Language) -> String {
    let head = match language {
        Language::De => ["Datei", "Nachricht", "Zahlungen", "Summe EUR", "Ausführung ab"],
        Language::En => ["file", "message", "payments", "sum EUR", "executed from"],
    };
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (index, file) in case.plan.files.iter().enumerate() {
        rows.push(vec![
            hashes.get(index).and_then(|hash| hash.get(..12)).unwrap_or("-").to_owned(),
            file.message_id.clone(),
            file.payments.to_string(),
            euros(file.cents),
            file.batches
                .first()
                .map_or_else(String::new, |batch| batch.execute.to_string()),
        ]);
    }
    let mut text = if case.plan.files.is_empty() {
        String::new()
    } else {
        table(&rows)
    };
    text += &faults(&case.orders, language);
    for held in case.plan.held.iter().take(HELD_LISTED_MAX) {
        text += &format!("{}:{} {} {}\n", held.input, held.line, held.due, held.why.text(language));
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for held in &case.plan.held {
        *counts.entry(held.why.word()).or_default() += 1;
    }
    let counts: String = counts.iter().map(|(word, count)| format!(", {word} {count}")).collect();
    let (paid, back, faulty) = match language {
        Language::De => ("Zahlungen über", "zurückgehalten", "fehlerhafte Aufträge"),
        Language::En => ("payments of", "held back", "faulty orders"),
    };
    let (payments, sum, held, faults) = (
        case.plan.payments(),
        euros(case.plan.cents()),
        case.plan.held.len(),
        case.orders.faulty,
    );
    text += &format!("{payments} {paid} {sum} EUR; {held} {back}{counts}; {faults} {faulty}\n");
    if case.evidence.opaque > 0 {
        let note = language.pick(
            "Abbuchungen ohne Angabe, wer wie viel erhielt: für sie ist nicht bekannt, ob etwas schon bezahlt ist",
            "debits that do not say who was paid how much: for these it is not known whether something is paid already",
        );
        text += &format!("{} {note}\n", case.evidence.opaque);
    }
    text
}
