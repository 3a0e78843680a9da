use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_contain::harm_of;
use leckwehr_contain::protocol::{crew_minutes, step_without_clause};
use leckwehr_incident::ServiceLevel;
use leckwehr_publish::level_words;
use serde_json::json;

use super::plan_text::{executor_words, price};
use super::{read_plan, read_protocol};
use crate::output::Tongue;
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Explain a plan: each step with who does it, why, and the words of the clause that it rests on; what breaks and for whom.
///
/// Exit code 1: a step rests on no clause of the protocol.
///
/// Example:
///
///     leckwehr takedown explain cut/plan.json --estate examples/essen --protocol examples/protocol-essen.toml --lang de
#[derive(clap::Args)]
pub struct Args {
    /// The plan.
    #[arg(value_name = "PLAN.json")]
    plan: PathBuf,
    /// Folder of the estate.
    #[arg(long, value_name = "DIR")]
    estate: PathBuf,
    /// The agreed protocol.
    #[arg(long, value_name = "FILE")]
    protocol: Option<PathBuf>,
    /// Only this step.
    #[arg(long, value_name = "N")]
    step: Option<u32>,
    /// Language.
    #[arg(long, value_enum, default_value = "en")]
    lang: Tongue,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let (plan, estate) = (read_plan(&args.plan)?, crate::verb::estate::load(&args.estate)?);
    let protocol = args
        .protocol
        .as_deref()
        .map(|file| read_protocol(file, &estate))
        .transpose()?;
    let targets = |action: &str| -> BTreeSet<String> {
        let steps = plan.steps.iter().filter(|s| s.action == action);
        steps.map(|s| s.target.clone()).collect()
    };
    let harm = harm_of(&estate, &targets("isolate-host"), &targets("cut-connection"));
    let bare = protocol.as_ref().and_then(|p| step_without_clause(&plan, p));
    let shown = plan.steps.iter().filter(|s| args.step.is_none_or(|n| s.number == n));
    if args.json {
        let clause = |number: &str| protocol.as_ref().and_then(|p| p.clauses.get(number));
        let steps: Vec<_> = shown.map(|s| json!({ "step": s, "clause": clause(&s.clause) })).collect();
        let crews = crew_minutes(&plan, &estate);
        print_json(&json!({ "plan": plan.hash, "steps": steps, "harm": harm, "crew_minutes": crews, "without_clause": bare }))?;
        return Ok(ExitCode::from(u8::from(bare.is_some())));
    }
    let l = args.lang.language();
    let mut text = format!("{}\n{} {}\n", plan.summary, l.pick("Plan", "plan"), plan.hash);
    for step in shown {
        let _ = writeln!(text, "\n{} {} {}", step.number, step.action, step.target);
        let _ = writeln!(text, "  {}: {}", l.pick("wer", "who"), executor_words(step, &estate));
        let _ = writeln!(text, "  {}: {}", l.pick("warum", "why"), step.reason);
        let words = protocol.as_ref().and_then(|p| p.clauses.get(&step.clause));
        if let Some(clause) = words {
            let (title, said) = l.pick((&clause.title.de, &clause.text.de), (&clause.title.en, &clause.text.en));
            let _ = writeln!(text, "  {} {} {title}: {said}", l.pick("Klausel", "clause"), step.clause);
        }
        let connection = estate
            .connections
            .get(&step.target)
            .filter(|_| step.action == "cut-connection");
        if let Some(switch) = connection.and_then(|c| c.switch.as_ref()) {
            let _ = writeln!(text, "  {}: {}", l.pick("prüfen", "verify"), switch.verify);
            let _ = writeln!(text, "  {}: {}", l.pick("zurück", "undo"), switch.undo);
        }
    }
    let heading = l.pick("Was es kostet", "What it costs");
    let _ = writeln!(
        text,
        "\n{heading}: {} EUR/h, {} {}, {} {}",
        price(harm.eur_per_hour),
        harm.insurers,
        l.pick("Kassen", "insurers"),
        price(harm.insured),
        l.pick("Versicherte", "insured")
    );
    for (id, level) in &harm.services {
        let service = estate.services.get(id);
        let vital = if service.is_some_and(|s| s.vital) && *level == ServiceLevel::Off {
            l.pick(" (lebenswichtig)", " (vital)")
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "  {}: {}{vital}",
            service.map_or(id.as_str(), |s| s.name.as_str()),
            level_words(Some(*level), l)
        );
    }
    if let Some(step) = bare {
        let said = l.pick(
            "Schritt ohne Klausel, so wird er abgelehnt",
            "a step without a clause, which is refused",
        );
        let _ = writeln!(text, "\n{said}: {} {} {}", step.number, step.action, step.target);
    }
    print(&text)?;
    Ok(ExitCode::from(u8::from(bare.is_some())))
}
