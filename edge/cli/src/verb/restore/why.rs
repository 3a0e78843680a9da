use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use leckwehr_publish::Language;
use leckwehr_restore::{Blocking, why_not_up};
use serde_json::json;

use super::way::{Way, WayArgs};
use crate::output::Out;
use crate::problem::Problem;

/// Say why a service is not back sooner: the work that it waits for, who does it, and what would help next.
///
/// Of several alternatives the one that is back first counts. `#` marks work that the end of the service hangs on in the
/// plan: from its last step back to whatever ended just before. With --ledger it also says what blocks the service by the
/// facts: systems, their owners, and the step that is due there.
///
/// Examples:
///
///     leckwehr restore why examples/essen log-on
///
///     leckwehr restore why examples/essen log-on --ledger room/ledger
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    way: WayArgs,
    /// Service id.
    service: String,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let way = Way::plan(&args.way)?;
    let Some(o) = way.recovery.services.iter().position(|s| *s == args.service) else {
        let summary = format!("{} is no service that this loss takes down", args.service);
        return Err(Problem::plain("LW-RESTORE-005", summary).hint("`leckwehr restore plan` lists the services that are down"));
    };
    let blocking = way
        .situation
        .as_ref()
        .map(|situation| why_not_up(situation, &way.estate, &args.service));
    let blocking = blocking.unwrap_or_default();
    let waits = waited_for(&way, o);
    let next = next_help(&way, &waits);
    let mut out = Out::new();
    if args.way.json {
        let one = |(a, tight): &(usize, bool)| {
            let work = &way.recovery.work[*a];
            json!({
                "of": work.of, "action": work.action, "crew": work.crew, "tight": tight,
                "start_minutes": way.minutes(way.plan.start[*a]), "end_minutes": way.minutes(way.end(*a)),
            })
        };
        let all = json!({
            "service": args.service,
            "planned_minutes": way.minutes(way.plan.until[o]),
            "p90_minutes": way.minutes(way.forecast.p90[o]),
            "waits_for": waits.iter().map(one).collect::<Vec<_>>(),
            "next_help_crew": next,
            "blocking": blocking.iter().map(|b| json!({"what": b.what, "owner": b.owner, "reason": b.reason})).collect::<Vec<_>>(),
        });
        out.text(&(serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"))?;
    } else {
        let language = args.way.language.language();
        out.text(&text(&way, o, &waits, next.as_deref(), language))?;
        out.text(&blocking_text(&blocking, language))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// All tasks that the service stands on, by start; true for those on its own chain.
fn waited_for(way: &Way, outage: usize) -> Vec<(usize, bool)> {
    let problem = &way.recovery.problem;
    let soonest = |group: &Vec<usize>| group.iter().copied().min_by_key(|a| (way.end(*a), *a));
    let mut open: Vec<(usize, u32)> = problem.outages[outage]
        .needs
        .iter()
        .filter_map(soonest)
        .map(|a| (a, way.plan.until[outage]))
        .collect();
    let mut found: BTreeMap<usize, bool> = BTreeMap::new();
    while let Some((a, needed_at)) = open.pop() {
        let tight = way.end(a) == needed_at && needed_at > 0;
        match found.get(&a) {
            Some(known) if *known || !tight => continue,
            _ => found.insert(a, tight),
        };
        let begin = if tight { way.plan.start[a] } else { u32::MAX };
        open.extend(problem.tasks[a].after.iter().filter_map(soonest).map(|b| (b, begin)));
    }
    let mut list: Vec<(usize, bool)> = found.into_iter().filter(|(a, _)| problem.tasks[*a].duration > 0).collect();
    list.sort_by_key(|(a, _)| (way.plan.start[*a], *a));
    list
}

/// The crew among those waited for whose growth saves most.
fn next_help(way: &Way, waits: &[(usize, bool)]) -> Option<String> {
    let saved = |crew: &String| {
        let at = way.recovery.crews.iter().position(|c| c == crew);
        at.map_or(0.0, |at| way.savings_percent[at])
    };
    let crews = waits.iter().filter_map(|(a, _)| way.recovery.work[*a].crew.clone());
    crews
        .filter(|c| saved(c) >= 0.1)
        .max_by(|a, b| saved(a).total_cmp(&saved(b)).then(b.cmp(a)))
}

/// What keeps the service down by the facts. The reasons are those of the ledger, in English.
fn blocking_text(blocking: &[Blocking], language: Language) -> String {
    let (head, nobody) = match language {
        Language::De => ("Laut Logbuch steht im Weg:", "niemand benannt"),
        Language::En => ("In the way, by the ledger:", "nobody named"),
    };
    let mut text = String::new();
    for (index, one) in blocking.iter().enumerate() {
        if index == 0 {
            let _ = writeln!(text, "{head}");
        }
        let owner = one.owner.as_deref().unwrap_or(nobody);
        let _ = writeln!(text, "  {} ({owner}): {}", one.what, one.reason);
    }
    text
}

fn text(way: &Way, o: usize, waits: &[(usize, bool)], next: Option<&str>, language: Language) -> String {
    let is_german = language == Language::De;
    let (service, planned, late) = (
        &way.recovery.services[o],
        way.clock(way.plan.until[o]),
        way.clock(way.forecast.p90[o]),
    );
    let mut text = if is_german {
        format!("{service}: geplant nach {planned}, in 9 von 10 Fällen nach {late}. Es wartet auf:\n")
    } else {
        format!("{service}: planned after {planned}, in 9 of 10 cases after {late}. It waits for:\n")
    };
    for (a, tight) in waits {
        let work = &way.recovery.work[*a];
        let owner = work
            .crew
            .as_deref()
            .unwrap_or(if is_german { "niemand benannt" } else { "nobody named" });
        let mark = if *tight { '#' } else { ' ' };
        let _ = writeln!(
            text,
            "{mark} {} – {}  {}: {} ({owner})",
            way.clock(way.plan.start[*a]),
            way.clock(way.end(*a)),
            work.of,
            work.action
        );
    }
    if let Some(crew) = next {
        let _ = if is_german {
            writeln!(text, "Als Nächstes hülfe: eine Person mehr in {crew}.")
        } else {
            writeln!(text, "What would help next: one more person in {crew}.")
        };
    }
    text
}
