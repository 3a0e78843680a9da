use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_incident::{PlanRecord, PlanStep};
use serde_json::json;

use super::plan_text::price;
use super::read_plan;
use crate::output::{Tongue, table};
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Compare two plans: what is new, what is gone, what is done by another executor, clause or place in the order.
///
/// Exit code 0: they do the same. 1: they do not.
#[derive(clap::Args)]
pub struct Args {
    /// The earlier plan.
    #[arg(value_name = "OLD.json")]
    old: PathBuf,
    /// The later plan.
    #[arg(value_name = "NEW.json")]
    new: PathBuf,
    /// Language.
    #[arg(long, value_enum, default_value = "en")]
    lang: Tongue,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let (old, new) = (read_plan(&args.old)?, read_plan(&args.new)?);
    let changes = changes(&old, &new);
    let harm = new.harm_eur_per_hour as i128 - old.harm_eur_per_hour as i128;
    if args.json {
        let lines: Vec<_> = changes
            .iter()
            .map(|(kind, step, was)| json!({ "change": kind, "step": step, "was": was }))
            .collect();
        print_json(&json!({ "old": old.hash, "new": new.hash, "harm_eur_per_hour": harm as i64, "changes": lines }))?;
        return Ok(ExitCode::from(u8::from(!changes.is_empty())));
    }
    let l = args.lang.language();
    let word = |kind: &str| match kind {
        "new" => l.pick("neu", "new"),
        "gone" => l.pick("weg", "gone"),
        _ => l.pick("anders", "changed"),
    };
    let mut rows = Vec::new();
    for (kind, step, was) in &changes {
        let was = was
            .as_ref()
            .map(|w| format!("{} {} {}", w.number, w.executor, w.clause))
            .unwrap_or_default();
        let now = format!("{} {} {}", step.number, step.executor, step.clause);
        rows.push(vec![
            word(kind).to_owned(),
            step.action.clone(),
            step.target.clone(),
            was,
            now,
        ]);
    }
    let sum = if harm < 0 { "−" } else { "+" };
    let head = l.pick("Schaden je Stunde", "harm per hour");
    print(&format!(
        "{} → {}\n{head}: {sum}{} EUR\n{}",
        old.hash,
        new.hash,
        price(u64::try_from(harm.unsigned_abs()).unwrap_or(u64::MAX)),
        table(&rows)
    ))?;
    Ok(ExitCode::from(u8::from(!changes.is_empty())))
}

type Change<'p> = (&'static str, &'p PlanStep, Option<&'p PlanStep>);

/// Steps are the same if they do the same to the same.
fn changes<'p>(old: &'p PlanRecord, new: &'p PlanRecord) -> Vec<Change<'p>> {
    fn keyed(plan: &PlanRecord) -> BTreeMap<(&str, &str), &PlanStep> {
        plan.steps
            .iter()
            .map(|s| ((s.action.as_str(), s.target.as_str()), s))
            .collect()
    }
    let (before, after) = (keyed(old), keyed(new));
    let mut changes: Vec<Change<'p>> = Vec::new();
    for (key, step) in &after {
        match before.get(key) {
            None => changes.push(("new", step, None)),
            Some(was) => {
                let same = was.executor == step.executor && was.clause == step.clause && was.number == step.number;
                changes.extend((!same).then_some(("changed", *step, Some(*was))));
            }
        }
    }
    let gone = before.iter().filter(|(key, _)| !after.contains_key(*key));
    changes.extend(gone.map(|(_, step)| ("gone", *step, None)));
    changes
}
