use std::fmt::Write as _;
use std::process::ExitCode;

use leckwehr_incident::Tier;
use leckwehr_trace::routes::{Leg, Route, RouteHop, Routes, WAYS_SHOWN, routes};

use super::{Case, CaseArgs, print, print_json};
use crate::problem::Problem;

/// Hosts aside shown one by one in the text; --json has them all.
const ASIDE_SHOWN: usize = 20;

/// Print the k best ways of the attacker in, through and out, each step with time, tier and evidence.
///
/// A step that no record shows is a hypothesis: it says when it must have happened, how many such steps leave no record,
/// and which log of which host would confirm or exclude it. Tiers: proven (direct evidence), probable (the attacker's marks,
/// or the only likely way between two hosts held), possible (a way in time, or a hypothesis), excluded (every step would
/// have been seen), unknown.
///
/// Example:
///
///     leckwehr trace routes --estate examples/apt29 apt29-day1.zeek.jsonl
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    case: CaseArgs,
    /// Ways shown to each host, best first.
    #[arg(short, long, value_name = "N", default_value_t = WAYS_SHOWN)]
    k: usize,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let case = Case::read(&args.case)?;
    let found = routes(&case.events, &case.findings, &case.estate, &case.config, &case.impact, args.k);
    if args.case.json {
        print_json(&serde_json::json!({ "input": case.input(), "routes": found }))?;
    } else {
        print(&text(&found))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(found: &Routes) -> String {
    let mut text = String::new();
    let Some((from, to)) = found.window else {
        return "no record, so no route\n".to_owned();
    };
    let _ = writeln!(text, "Examined: {from} – {to}\n\nHosts on the routes");
    for host in &found.hosts {
        let since = host.since.map_or_else(String::new, |s| format!("  since {s}"));
        let share = match host.hypothesis {
            true => format!(
                "  by ways between other hosts only, {:.0} % of their likelihood",
                host.share * 100.0
            ),
            false => String::new(),
        };
        let _ = writeln!(text, "  {:<9} {}{since}{share}", word(host.tier), host.system);
    }
    for (leg, title) in [(Leg::In, "Ways in"), (Leg::Through, "Ways through"), (Leg::Out, "Ways out")] {
        let _ = writeln!(text, "\n{title}");
        let of_leg: Vec<&Route> = found.routes.iter().filter(|r| r.leg == leg).collect();
        if of_leg.is_empty() {
            let _ = writeln!(text, "  none was found");
        }
        for (i, route) in of_leg.into_iter().enumerate() {
            write_route(&mut text, i + 1, route);
        }
    }
    write_aside(&mut text, found);
    let _ = writeln!(text, "\nNot known");
    for sentence in &found.unknowns {
        let _ = writeln!(text, "  - {sentence}");
    }
    text
}

fn write_route(text: &mut String, number: usize, route: &Route) {
    let (from, to) = (&route.from, &route.to);
    let rank = match route.share {
        Some(share) => format!(", way {} with {:.0} % of the likelihood", route.rank, share * 100.0),
        None => String::new(),
    };
    let _ = writeln!(text, "  {number}. {from} → {to}: {}{rank}", word(route.tier));
    for (i, hop) in route.hops.iter().enumerate() {
        write_hop(text, &format!("{number}.{}", i + 1), hop);
    }
    for sentence in &route.would_change {
        let _ = writeln!(text, "       would change it: {sentence}");
    }
}

fn write_hop(text: &mut String, number: &str, hop: &RouteHop) {
    let port = hop.port.map_or_else(String::new, |p| format!(":{p}"));
    let account = hop.account.as_ref().map_or_else(String::new, |a| format!(" as {a}"));
    let tier = if hop.bridge.is_some() { "hypothesis" } else { word(hop.tier) };
    let _ = writeln!(
        text,
        "     {number}  {tier}  {} → {}{port}{account}  {}",
        hop.from, hop.to, hop.means
    );
    let when = if hop.bridge.is_some() { "not before" } else { "first" };
    let until = if hop.bridge.is_some() { "not after" } else { "last" };
    let _ = writeln!(text, "          {when} {}, {until} {}", hop.earliest, hop.latest);
    for sentence in &hop.evidence {
        let _ = writeln!(text, "          {sentence}");
    }
    if let Some(bridge) = &hop.bridge {
        let percent = bridge.missed * 100.0;
        let _ = writeln!(text, "          {}; {percent:.0} % of such steps leave no record", bridge.why);
    }
}

fn write_aside(text: &mut String, found: &Routes) {
    let _ = writeln!(text, "\nHosts on no route");
    for aside in found.aside.iter().take(ASIDE_SHOWN) {
        let _ = writeln!(text, "  {:<9} {}: {}", word(aside.tier), aside.system, aside.why);
    }
    let more = found.aside.len().saturating_sub(ASIDE_SHOWN);
    if more > 0 {
        let _ = writeln!(text, "  … and {more} more: --json lists them");
    }
}

fn word(tier: Tier) -> &'static str {
    match tier {
        Tier::Proven => "proven",
        Tier::Probable => "probable",
        Tier::Possible => "possible",
        Tier::Excluded => "excluded",
        Tier::Unknown => "unknown",
    }
}
