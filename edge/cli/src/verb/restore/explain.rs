use std::fmt::Write as _;
use std::process::ExitCode;

use leckwehr_publish::Language;
use serde_json::json;

use super::way::{Way, WayArgs};
use crate::output::{Out, table};
use crate::problem::Problem;

/// Explain the plan's price: what each outage costs, which of them is a breach, and what one more person would save.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    way: WayArgs,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let way = Way::plan(&args.way)?;
    let mut outages: Vec<(usize, u64)> = (0..way.plan.until.len())
        .map(|o| (o, way.recovery.problem.outages[o].cost(way.plan.until[o])))
        .collect();
    outages.sort_by_key(|(o, cost)| (std::cmp::Reverse(*cost), *o));
    let mut out = Out::new();
    if args.way.json {
        let one = |(o, cost): &(usize, u64)| {
            let outage = &way.recovery.problem.outages[*o];
            json!({
                "service": way.recovery.services[*o], "cost": cost, "weight_per_unit": outage.weight,
                "planned_minutes": way.minutes(way.plan.until[*o]), "breach": way.plan.until[*o] > outage.breach_at,
            })
        };
        let all = json!({ "cost": way.plan.cost, "outages": outages.iter().map(one).collect::<Vec<_>>() });
        out.text(&(serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"))?;
    } else {
        out.text(&text(&way, &outages, args.way.language.language()))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn text(way: &Way, outages: &[(usize, u64)], language: Language) -> String {
    let is_german = language == Language::De;
    let head = if is_german {
        ["Dienst", "Schaden", "Anteil", "Frist"]
    } else {
        ["service", "harm", "share", "MTPD"]
    };
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (o, cost) in outages {
        let kept = way.plan.until[*o] <= way.recovery.problem.outages[*o].breach_at;
        let word = match (kept, is_german) {
            (true, true) => "gehalten",
            (true, false) => "kept",
            (false, true) => "verfehlt",
            (false, false) => "breached",
        };
        let share = *cost as f64 / way.plan.cost.max(1) as f64 * 100.0;
        rows.push(vec![
            way.recovery.services[*o].clone(),
            cost.to_string(),
            format!("{share:.1} %"),
            word.to_owned(),
        ]);
    }
    let mut text = table(&rows);
    let title = if is_german {
        "Eine Person mehr spart"
    } else {
        "One more person saves"
    };
    let crews = way.recovery.crews.iter().zip(&way.savings_percent);
    for (index, (crew, saved)) in crews.filter(|(_, saved)| **saved >= 0.1).enumerate() {
        if index == 0 {
            let _ = writeln!(text, "\n{title}:");
        }
        let _ = writeln!(text, "  {}: {saved:.1} %", if crew.is_empty() { "-" } else { crew });
    }
    text
}
