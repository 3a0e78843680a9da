use std::process::ExitCode;

use leckwehr_range::switching::{
    SWITCHING_ELEMENTS_MAX, SWITCHING_HOSTS_MAX, Series, Switching, SwitchingError, Way, measure_switching,
};

use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Measure a cut on the real kernel: hosts in network namespaces that all send, one guard, one transaction; `nft -f` beside it.
///
/// Needs the right to make network namespaces; everything is gone with the process. Exit code 1: a packet that was sent after
/// the cut was done has arrived, or the ruleset after the undo is not the one before the cut.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Hosts that are cut at once.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=i64::from(SWITCHING_HOSTS_MAX)))]
    hosts: u16,
    /// Addresses that are blocked in one transaction.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(SWITCHING_ELEMENTS_MAX)))]
    elements: u32,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(args: &Args) -> Result<ExitCode, Problem> {
    let report = measure_switching(args.hosts, args.elements).map_err(|error| problem(&error))?;
    if args.json {
        print_json(&report)?;
    } else {
        print(&text(&report))?;
    }
    let good = report.guard.packets_after_commit == 0 && report.ruleset_same != Some(false);
    Ok(ExitCode::from(u8::from(!good)))
}

fn text(report: &Switching) -> String {
    let Switching {
        hosts, elements, sent, ..
    } = report;
    let mut text = format!("{hosts} hosts sending ({sent} packets in all), {elements} addresses\n\n");
    text += "                         cut all          undo all        last packet   after    addresses\n";
    text += "                         median  slowest  median slowest  sent through  commit   median\n";
    text += &row("guard, one transaction", &report.guard);
    if let Some(nft) = &report.nft {
        text += &row("nft -f", nft);
        let ratio = |ours: Series, theirs: Series| theirs.median_ms / ours.median_ms.max(f64::EPSILON);
        text += &format!(
            "\nnft -f takes {:.0} times as long to cut, {:.1} times for the addresses; CPU of the guard's cut {:.2} ms\n",
            ratio(report.guard.cut, nft.cut),
            ratio(report.guard.elements, nft.elements),
            report.guard.cut.cpu_median_ms,
        );
    }
    text += match report.ruleset_same {
        Some(true) => "ruleset after the undo: the same, byte for byte\n",
        Some(false) => "ruleset after the undo: NOT THE SAME\n",
        None => "ruleset not compared: the program nft is not there\n",
    };
    text
}

fn row(name: &str, way: &Way) -> String {
    format!(
        "{name:<24} {:>6.2} {:>8.2} ms {:>6.2} {:>6.2} ms {:>8.2} ms {:>7} {:>8.2} ms\n",
        way.cut.median_ms,
        way.cut.slowest_ms,
        way.undo.median_ms,
        way.undo.slowest_ms,
        way.last_packet_ms,
        way.packets_after_commit,
        way.elements.median_ms,
    )
}

fn problem(error: &SwitchingError) -> Problem {
    let problem = Problem::new("LW-BENCH-005", "the cut cannot be measured", error);
    match error {
        SwitchingError::Sandbox(sandbox) => sandbox.remedies().into_iter().fold(problem, Problem::hint),
        _ => problem.hint("run it again with fewer hosts: --hosts 20"),
    }
}
