use std::hint::black_box;
use std::process::ExitCode;

use leckwehr_contain::cut::{MinimumCut, NEVER, PARTS_MAX, Part, SyntheticNetwork, check_flow, minimum_cut};
use petgraph::algo::dinics;
use petgraph::graph::{DiGraph, NodeIndex};
use serde::Serialize;

use super::clock::{cpu_ms, peak_rss_bytes};
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Runs of the measurement; the quickest one counts.
const RUNS: usize = 5;
/// Capacity for petgraph of what may not be cut; more than everything that may.
const UNBOUNDED: u64 = 1 << 50;

/// Measure the cheapest cut on a made-up estate, against petgraph's maximum flow on the same one in the same run.
///
/// Eight of ten connections stay near, one in 100 systems and connections may not be cut. The certificate is written out as
/// JSON, read again and checked. Exit code 1: it is refused, or petgraph finds another value.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Systems, each of which can be cut off.
    #[arg(long, default_value_t = 100_000)]
    systems: u32,
    /// Connections, each of which can be cut.
    #[arg(long, default_value_t = 1_000_000)]
    connections: u32,
    /// Seed from which everything made up follows.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    systems: u32,
    connections: u32,
    seed: u64,
    cpu_ms: f64,
    value: u64,
    parts: usize,
    flows: usize,
    certificate: String,
    certificate_bytes: usize,
    check_cpu_ms: f64,
    baseline: &'static str,
    baseline_cpu_ms: f64,
    baseline_value: u64,
    ratio: f64,
    peak_rss_bytes: u64,
}

/// Runs the verb.
pub(super) fn run(args: &Args) -> Result<ExitCode, Problem> {
    if u64::from(args.systems) + u64::from(args.connections) > PARTS_MAX as u64 {
        let summary = format!("{} systems and {} connections are too many", args.systems, args.connections);
        return Err(Problem::plain("LW-BENCH-001", summary).hint(format!("take at most {PARTS_MAX} in all")));
    }
    let made = SyntheticNetwork::new(args.systems, args.connections, args.seed);
    let solve = || minimum_cut(&made.network, &made.sources, &made.targets);
    let mut best = f64::INFINITY;
    for _ in 1..RUNS {
        let before = cpu_ms();
        let _ = black_box(solve());
        best = best.min(cpu_ms() - before);
    }
    let before = cpu_ms();
    let cut =
        solve().map_err(|e| Problem::new("LW-BENCH-001", "this seed gives nothing to cut", &e).hint("take another --seed"))?;
    let cpu = best.min(cpu_ms() - before);
    let peak = peak_rss_bytes();
    let paper = paper(&made, &cut)?;
    let before = cpu_ms();
    let checked = check(&made, &paper)?;
    let check_cpu_ms = cpu_ms() - before;
    let (baseline_cpu_ms, baseline_value) = by_petgraph(&made);
    let report = Report {
        systems: args.systems,
        connections: args.connections,
        seed: args.seed,
        cpu_ms: cpu,
        value: cut.value,
        parts: cut.parts.len(),
        flows: cut.flow.len(),
        certificate: checked,
        certificate_bytes: paper.len(),
        check_cpu_ms,
        baseline: "petgraph 0.8 dinics",
        baseline_cpu_ms,
        baseline_value,
        ratio: baseline_cpu_ms / cpu,
        peak_rss_bytes: peak,
    };
    match args.json {
        true => print_json(&report)?,
        false => print(&text(&report))?,
    }
    let agrees = report.certificate == "accepted" && report.value == report.baseline_value;
    Ok(ExitCode::from(u8::from(!agrees)))
}

/// What the certificate says: value, cut with weights, flow.
type Paper = (u64, Vec<(u32, u64)>, Vec<(u32, u32, u64)>);

/// Parts are numbered as switches: vertices first, then links.
fn switch(made: &SyntheticNetwork, part: Part) -> u32 {
    match part {
        Part::Vertex(v) => v,
        Part::Link(l) => made.network.vertices.len() as u32 + l,
    }
}

fn paper(made: &SyntheticNetwork, cut: &MinimumCut) -> Result<Vec<u8>, Problem> {
    let parts: Vec<(u32, u64)> = cut
        .parts
        .iter()
        .map(|p| (switch(made, *p), made.network.weight(*p)))
        .collect();
    let paper: Paper = (cut.value, parts, cut.flow.clone());
    serde_json::to_vec(&paper).map_err(|e| Problem::new("LW-BENCH-001", "the certificate cannot be written", &e))
}

/// The checker's own ways, from the made-up estate.
fn check(made: &SyntheticNetwork, paper: &[u8]) -> Result<String, Problem> {
    let read: Result<Paper, _> = serde_json::from_slice(paper);
    let (value, cut, flow) = read.map_err(|e| Problem::new("LW-BENCH-001", "the certificate cannot be read", &e))?;
    let vertices = made.network.vertices.len() as u32;
    let room = |weight: u64| (weight != NEVER).then_some(weight);
    let (source, target) = (2 * vertices, 2 * vertices + 1);
    let mut ways = Vec::with_capacity(made.network.links.len() * 3 / 2);
    ways.extend(
        (0..)
            .zip(&made.network.vertices)
            .map(|(v, w)| (2 * v, 2 * v + 1, room(*w), v)),
    );
    for (l, link) in (0..).zip(&made.network.links) {
        ways.push((2 * link.from + 1, 2 * link.to, room(link.weight), vertices + l));
        if link.both_ways {
            ways.push((2 * link.to + 1, 2 * link.from, room(link.weight), vertices + l));
        }
    }
    ways.extend(made.sources.iter().map(|v| (source, 2 * v, None, u32::MAX)));
    ways.extend(made.targets.iter().map(|v| (2 * v + 1, target, None, u32::MAX)));
    let checked = check_flow(&ways, &flow, &cut, value, (source, target));
    Ok(checked.map_or_else(|refusal| format!("refused: {refusal}"), |_| "accepted".to_owned()))
}

/// CPU time and value of petgraph's maximum flow, its graph included.
fn by_petgraph(made: &SyntheticNetwork) -> (f64, u64) {
    let before = cpu_ms();
    let vertices = made.network.vertices.len();
    let mut graph: DiGraph<(), u64> = DiGraph::with_capacity(2 * vertices + 2, 2 * made.network.links.len());
    for _ in 0..2 * vertices + 2 {
        graph.add_node(());
    }
    let mut add = |from: usize, to: usize, weight: u64| {
        graph.add_edge(
            NodeIndex::new(from),
            NodeIndex::new(to),
            if weight == NEVER { UNBOUNDED } else { weight },
        );
    };
    for (v, weight) in made.network.vertices.iter().enumerate() {
        add(2 * v, 2 * v + 1, *weight);
    }
    for link in &made.network.links {
        let (from, to) = (link.from as usize, link.to as usize);
        add(2 * from + 1, 2 * to, link.weight);
        if link.both_ways {
            add(2 * to + 1, 2 * from, link.weight);
        }
    }
    made.sources.iter().for_each(|v| add(2 * vertices, 2 * *v as usize, NEVER));
    made.targets
        .iter()
        .for_each(|v| add(2 * *v as usize + 1, 2 * vertices + 1, NEVER));
    let (value, _) = dinics(&graph, NodeIndex::new(2 * vertices), NodeIndex::new(2 * vertices + 1));
    (cpu_ms() - before, value)
}

fn text(report: &Report) -> String {
    format!(
        "{} systems, {} connections, seed {}; CPU time of one thread, best of {RUNS}, layout of the network included\n\
         cheapest cut            {:>10.1} ms   value {} in {} parts\n\
         certificate             {:>10.1} ms   {}: {} flows, {} bytes\n\
         {:<24}{:>10.1} ms   value {}; {:.1} times as long\n\
         memory at the peak of the cut: {} MiB\n",
        report.systems,
        report.connections,
        report.seed,
        report.cpu_ms,
        report.value,
        report.parts,
        report.check_cpu_ms,
        report.certificate,
        report.flows,
        report.certificate_bytes,
        report.baseline,
        report.baseline_cpu_ms,
        report.baseline_value,
        report.ratio,
        report.peak_rss_bytes >> 20,
    )
}
