use std::fmt::Write as _;
use std::process::ExitCode;

use leckwehr_publish::Language;
use serde_json::{Value, json};

use super::insurers;
use super::way::{Way, WayArgs};
use crate::output::{Out, table};
use crate::problem::Problem;

/// Plan the return of lost systems: when each service is back, planned, at the median and in nine of ten cases.
///
/// Steps, needs, crews and harm come from the estate. The plan is the one whose outages cost least: harm per hour (vital
/// services three times), and a step when the maximum tolerable period (MTPD) is passed. Times are from the start of the
/// plan. Durations are the recipes'; the forecast plays the plan through with their three-point estimates, else with an assumed
/// spread and failures. For each insurer: when its essential (vital) services and all are back, and its share of the harm, by
/// insured persons.
///
/// Examples:
///
///     leckwehr restore plan examples/essen
///
///     leckwehr restore plan examples/essen --lost ad-essen-1 dns-essen-2 --language de
///
///     leckwehr restore plan examples/essen --ledger room/ledger
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    way: WayArgs,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let way = Way::plan(&args.way)?;
    let mut out = Out::new();
    if args.way.json {
        out.text(&(serde_json::to_string_pretty(&value(&way)).unwrap_or_default() + "\n"))?;
    } else {
        out.text(&text(&way, args.way.language.language()))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn text(way: &Way, language: Language) -> String {
    let is_german = language == Language::De;
    let head = if is_german {
        ["Dienst", "geplant", "Median", "9 von 10", "spätestens (MTPD)", "Rückstand"]
    } else {
        ["service", "planned", "median", "9 of 10", "latest (MTPD)", "backlog"]
    };
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let mut late = 0;
    for o in way.outages() {
        let (id, outage) = (&way.recovery.services[o], &way.recovery.problem.outages[o]);
        let breach = way.forecast.p90[o] > outage.breach_at;
        late += u32::from(breach);
        let arrivals = way.estate.services.get(id).map_or(0, |s| u64::from(s.arrivals_per_hour));
        rows.push(vec![
            id.clone(),
            way.clock(way.plan.until[o]),
            way.clock(way.forecast.p50[o]),
            way.clock(way.forecast.p90[o]),
            way.clock(outage.breach_at) + if breach { " !" } else { "" },
            if arrivals > 0 {
                (arrivals * way.minutes(way.forecast.p50[o]) / 60).to_string()
            } else {
                "-".to_owned()
            },
        ]);
    }
    let mut text = table(&rows) + &insurers::text(way, language);
    let _ = if is_german {
        writeln!(text, "\n{late} Dienste verfehlen in einem von zehn Fällen ihre Frist (!).")
    } else {
        writeln!(text, "\n{late} services miss their latest time in one of ten cases (!).")
    };
    if let Some((crew, saved)) = way.most_helpful() {
        let crew = if crew.is_empty() { "-" } else { crew };
        let _ = if is_german {
            writeln!(
                text,
                "Am meisten hülfe eine Person mehr in {crew}: {saved:.1} % weniger Schaden."
            )
        } else {
            writeln!(text, "One more person would help most in {crew}: {saved:.1} % less harm.")
        };
    }
    for warning in &way.recovery.warnings {
        let _ = writeln!(text, "! {warning}");
    }
    text
}

fn value(way: &Way) -> Value {
    let service = |o: usize| {
        json!({
            "service": way.recovery.services[o],
            "planned_minutes": way.minutes(way.plan.until[o]),
            "p50_minutes": way.minutes(way.forecast.p50[o]),
            "p90_minutes": way.minutes(way.forecast.p90[o]),
            "mtpd_minutes": way.minutes(way.recovery.problem.outages[o].breach_at),
        })
    };
    let task = |a: usize| {
        json!({
            "of": way.recovery.work[a].of,
            "action": way.recovery.work[a].action,
            "crew": way.recovery.work[a].crew,
            "start_minutes": way.minutes(way.plan.start[a]),
            "end_minutes": way.minutes(way.end(a)),
            "slack_minutes": way.minutes(way.slack(a)),
            "critical": way.slack(a) == 0,
            "critical_percent": way.forecast.critical_percent[a],
        })
    };
    let crew = |(crew, saved): (&String, &f64)| json!({ "crew": crew, "saved_percent": saved });
    json!({
        "cost": way.plan.cost,
        "tries": way.plan.evaluations,
        "insurers": insurers::value(way),
        "services": way.outages().into_iter().map(service).collect::<Vec<_>>(),
        "tasks": way.tasks().into_iter().map(task).collect::<Vec<_>>(),
        "one_more_person": way.recovery.crews.iter().zip(&way.savings_percent).map(crew).collect::<Vec<_>>(),
        "warnings": way.recovery.warnings,
    })
}
