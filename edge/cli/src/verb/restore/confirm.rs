use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_crypt::hex;
use leckwehr_incident::{Gate, SignedWord, Timestamp, WordAbout};
use serde_json::json;

use crate::problem::Problem;
use crate::verb::takedown::room::{now, plan_of_file};
use crate::verb::takedown::signer::SignerArgs;
use crate::verb::takedown::write_file;
use crate::verb::trace::{print, print_json};

/// Put your name to something about a restoration: work that is done, a gate you answer for, data that may be lost.
///
/// Needs your key, not the control room. Hand the file that it writes to whoever runs the restoration: there the word becomes a
/// fact, and shows wherever the system is shown. Example:
///
///     leckwehr restore confirm --step 7 --plan restore-plan.json --as anna --key anna.key --reason "cable plugged in"
///
///     leckwehr restore confirm --gate clean=fs-1 --as anna --key anna.key --reason "looked myself"
///
///     leckwehr restore confirm --lost fs-1=2023-04-26T06:00:00Z … --reason "only encrypted files are newer"
///
///     leckwehr restore confirm --observed fs-1 … --reason "a week without findings"
///
///     leckwehr restore run --room room.toml --estate estate --runbook runbook.toml --word anna.word.json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
#[group(id = "about", required = true, multiple = false, args = ["step", "gate", "lost", "observed"])]
pub struct Args {
    /// Your name, as the control room knows it.
    #[arg(long = "as", value_name = "NAME")]
    name: String,
    #[command(flatten)]
    signer: SignerArgs,
    /// This step of the plan was done by hand.
    #[arg(long, value_name = "NUMBER", requires = "plan")]
    step: Option<u32>,
    /// The plan that the step is of, as `leckwehr restore run` wrote it.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// This gate counts as passed: restorable or clean, and the system.
    #[arg(long, value_name = "GATE=SYSTEM")]
    gate: Option<String>,
    /// What was written on this system up to that time may be lost.
    #[arg(long, value_name = "SYSTEM=TIME")]
    lost: Option<String>,
    /// This system ran long enough under observation.
    #[arg(long, value_name = "SYSTEM")]
    observed: Option<String>,
    /// Why, or what you saw.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// File to write; NAME.word.json unless given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let mut word = SignedWord {
        person: args.name.clone(),
        word: about(args)?,
        reason: args.reason.clone(),
        at: now(),
        signature: String::new(),
    };
    word.signature = hex(&args.signer.sign(&word.bytes())?);
    let out = args.out.clone();
    let out = out.unwrap_or_else(|| PathBuf::from(format!("{}.word.json", args.name)));
    let written = json!({ "word": word });
    write_file(&out, format!("{written:#}\n").as_bytes())?;
    match args.json {
        true => print_json(&written)?,
        false => print(&format!("{} signed at {}: {}\n", word.person, word.at, out.display()))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn about(args: &Args) -> Result<WordAbout, Problem> {
    let bad = |text: &str, hint: &str| Problem::plain("LW-RESTORE-012", format!("`{text}` cannot be understood")).hint(hint);
    if let Some(text) = &args.gate {
        let hint = "write --gate restorable=SYSTEM or --gate clean=SYSTEM";
        let (gate, system) = text.split_once('=').ok_or_else(|| bad(text, hint))?;
        let gate = Gate::ALL.into_iter().find(|g| g.word() == gate);
        let (gate, system) = (gate.ok_or_else(|| bad(text, hint))?, system.to_owned());
        return Ok(WordAbout::Override { system, gate });
    }
    if let Some(text) = &args.lost {
        let hint = "write --lost SYSTEM=2023-04-26T06:00:00Z";
        let (system, until) = text.split_once('=').ok_or_else(|| bad(text, hint))?;
        let until: Timestamp = until.parse().map_err(|_| bad(text, hint))?;
        let system = system.to_owned();
        return Ok(WordAbout::Lost { system, until });
    }
    if let Some(system) = args.observed.clone() {
        return Ok(WordAbout::Observed { system });
    }
    let (file, step) = (args.plan.clone().unwrap_or_default(), args.step.unwrap_or_default());
    let plan = plan_of_file(&file)?;
    match plan.steps.iter().any(|s| s.number == step) {
        true => Ok(WordAbout::Done { plan: plan.hash, step }),
        false => Err(bad(
            &format!("--step {step}"),
            "the plan has no such step; `leckwehr restore status` lists the open ones",
        )),
    }
}
