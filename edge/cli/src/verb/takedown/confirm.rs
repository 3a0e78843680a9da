use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_crypt::hex;
use leckwehr_incident::{SignedWord, WordAbout};
use serde_json::json;

use super::room::{now, plan_of_file};
use super::signer::SignerArgs;
use super::write_file;
use crate::output::say;
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Put your name to work by hand: a step of the plan is done, or, as a partner, the attestation was checked.
///
/// Needs the plan and your key, not the control room. Hand the file that it writes to whoever runs the takedown. A step that is
/// another party's counts only with the word of that party. Example:
///
///     leckwehr takedown confirm plan.json --step 7 --as carla --key carla.key --reason "both breakers are off"
///
///     leckwehr takedown resume --room room.toml --word carla.7.word.json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The plan.
    plan: PathBuf,
    /// Number of the step.
    #[arg(long, value_name = "NUMBER")]
    step: u32,
    /// Your name, as the control room knows it.
    #[arg(long = "as", value_name = "NAME")]
    name: String,
    #[command(flatten)]
    signer: SignerArgs,
    /// What you did or saw.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// File to write; NAME.STEP.word.json beside the plan unless given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let plan = plan_of_file(&args.plan)?;
    let Some(step) = plan.steps.iter().find(|s| s.number == args.step) else {
        let summary = format!("the plan has no step {}", args.step);
        return Err(Problem::plain("LW-CONTAIN-030", summary).hint("`leckwehr takedown explain` lists them"));
    };
    say(&format!(
        "  {} {} at {}: {}",
        step.action, step.target, step.executor, step.reason
    ));
    let mut word = SignedWord {
        person: args.name.clone(),
        word: WordAbout::Done {
            plan: plan.hash.clone(),
            step: args.step,
        },
        reason: args.reason.clone(),
        at: now(),
        signature: String::new(),
    };
    word.signature = hex(&args.signer.sign(&word.bytes())?);
    let file = format!("{}.{}.word.json", args.name, args.step);
    let out = args.out.clone().unwrap_or_else(|| args.plan.with_file_name(file));
    let written = json!({ "word": word });
    write_file(&out, format!("{written:#}\n").as_bytes())?;
    match args.json {
        true => print_json(&written)?,
        false => print(&format!(
            "{} said at {} that step {} is done: {}\n",
            word.person,
            word.at,
            args.step,
            out.display()
        ))?,
    }
    Ok(ExitCode::SUCCESS)
}
