use std::hint::black_box;
use std::process::ExitCode;

use leckwehr_trace::{Contacts, Cut, CutPlan, LANES, SyntheticLog, backward, blast_radius, forward, forward_many, what_if};
use serde::Serialize;

use super::TraceArgs;
use super::clock::{cpu_ms, peak_rss_bytes};
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Runs of each measurement; the quickest one counts.
const RUNS: usize = 5;
/// Groups of nodes between which plans cut.
const GROUPS: usize = 64;

/// One measurement beside the baseline of the same run.
#[derive(Serialize)]
struct Line {
    what: &'static str,
    cpu_ms: f64,
    /// Times the baseline.
    ratio: f64,
    /// What came out, so that two builds can be compared.
    reached: u64,
}

#[derive(Serialize)]
struct Report {
    nodes: u32,
    events: u64,
    seed: u64,
    baseline: &'static str,
    baseline_cpu_ms: f64,
    lines: Vec<Line>,
    all_seeds_cpu_s: f64,
    column_bytes_per_event: f64,
    peak_rss_bytes: u64,
    peak_rss_bytes_per_event: f64,
}

/// Runs the closures over a made-up log and prints their ratios.
pub(super) fn run(args: &TraceArgs) -> Result<ExitCode, Problem> {
    if args.events == 0 || args.events > Contacts::MAX as u64 || args.nodes == 0 {
        let summary = format!(
            "--events {} and --nodes {} cannot be measured in memory",
            args.events, args.nodes
        );
        return Err(
            Problem::plain("LW-BENCH-001", summary).hint(format!("take 1 to {} events and at least 1 node", Contacts::MAX))
        );
    }
    let contacts = SyntheticLog::new(args.nodes as usize, args.seed).take(args.events as usize);
    let report = measure(args, &contacts);
    if args.json {
        print_json(&report)?
    } else {
        print(&text(&report))?
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(args: &TraceArgs, contacts: &Contacts) -> Report {
    let nodes = args.nodes as usize;
    let (first, last) = (contacts.get(0), contacts.get(contacts.len() - 1));
    let one = [(first.from, first.at)];
    let seeds: Vec<(u32, i64)> = (0..LANES).map(|i| ((i * nodes / LANES) as u32, first.at)).collect();
    let groups: Vec<u16> = (0..nodes).map(|node| (node % GROUPS) as u16).collect();
    let plans = plans(nodes, first.at, last.at);
    let (baseline_cpu_ms, _) = best(|| sum(contacts.froms(), contacts.tos()));
    let count = |times: &[Option<i64>]| times.iter().flatten().count() as u64;
    let total = |sizes: Vec<usize>| sizes.iter().sum::<usize>() as u64;
    let mut lines = Vec::new();
    let mut line = |what, (cpu_ms, reached): (f64, u64)| {
        lines.push(Line {
            what,
            cpu_ms,
            ratio: cpu_ms / baseline_cpu_ms,
            reached,
        });
    };
    line("one seed, forward", best(|| count(&forward(nodes, contacts, &one).time)));
    line(
        "one target, backward",
        best(|| count(&backward(nodes, contacts, &[(last.to, last.at)]).time)),
    );
    line("512 seeds", best(|| total(forward_many(nodes, contacts, &seeds).sizes())));
    line(
        "512 plans of cuts",
        best(|| total(what_if(nodes, contacts, &one, &groups, &plans).sizes())),
    );
    let all = once(|| total(blast_radius(nodes, contacts)));
    line("all seeds", all);
    let peak = peak_rss_bytes();
    Report {
        nodes: args.nodes,
        events: args.events,
        seed: args.seed,
        baseline: "sum over both columns of nodes",
        baseline_cpu_ms,
        lines,
        all_seeds_cpu_s: all.0 / 1_000.0,
        column_bytes_per_event: contacts.bytes() as f64 / args.events as f64,
        peak_rss_bytes: peak,
        peak_rss_bytes_per_event: peak as f64 / args.events as f64,
    }
}

/// Plans that isolate one node at different times and cut one pair of groups early.
fn plans(nodes: usize, first: i64, last: i64) -> Vec<CutPlan> {
    let at = |percent: usize| first + (last - first) / 100 * percent as i64;
    (0..LANES)
        .map(|i| {
            let pair = Cut::Between((i % GROUPS) as u16, (i / 8 % GROUPS) as u16);
            vec![(at(i % 50), Cut::Node((i * 31 % nodes) as u32)), (at(1), pair)]
        })
        .collect()
}

fn sum(froms: &[u32], tos: &[u32]) -> u64 {
    froms
        .iter()
        .zip(tos)
        .map(|(from, to)| u64::from(*from) + u64::from(*to))
        .sum()
}

fn once(work: impl Fn() -> u64) -> (f64, u64) {
    let before = cpu_ms();
    let result = black_box(work());
    (cpu_ms() - before, result)
}

fn best(work: impl Fn() -> u64) -> (f64, u64) {
    let runs = (0..RUNS).map(|_| once(&work));
    runs.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, 0))
}

fn text(report: &Report) -> String {
    let mut text = format!(
        "{} events among {} nodes, seed {}; CPU time of one thread, best of {RUNS}\n{:<24}{:>10.1} ms\n",
        report.events, report.nodes, report.seed, report.baseline, report.baseline_cpu_ms
    );
    for line in &report.lines {
        text += &format!(
            "{:<24}{:>10.1} ms {:>8.2} × {:>14} reached\n",
            line.what, line.cpu_ms, line.ratio, line.reached
        );
    }
    text + &format!(
        "memory: {:.1} bytes per event in columns, {:.1} at the peak of the process\n",
        report.column_bytes_per_event, report.peak_rss_bytes_per_event
    )
}
