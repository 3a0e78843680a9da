//! The scheduling engine on all of PSPLIB's problems at hand, one thread: `cargo bench -p leckwehr-restore --bench psplib`, or
//! with a set, a number of schedules and seeds: `-- J60_ 50000 1 2 3`. Baseline: best known makespans and what the best
//! published heuristic (Debels and Vanhoucke 2007, all 600 files of J120) is above them.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark measures, prints, and learns from the environment where the data lies"
)]

use std::path::PathBuf;

use leckwehr_restore::rcpsp::{Effort, Problem, check, critical_path, read_patterson, solve};

/// Points above the best known values at a number of schedules.
const PUBLISHED: [(u64, f64); 3] = [(1_000, 4.59), (5_000, 3.22), (50_000, 1.73)];

/// CPU seconds of this thread so far, as Linux counts them.
fn cpu_s() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

fn problems(set: &str) -> Vec<(Problem, u32)> {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var("LECKWEHR_DATA").map_or(default, PathBuf::from).join("psplib");
    let known = std::fs::read_to_string(folder.join("best-known.csv")).unwrap_or_default();
    let lines = known.lines().filter_map(|line| line.split_once(','));
    let files = lines.filter(|(name, _)| name.starts_with(set) && folder.join(name).exists());
    files
        .map(|(name, makespan)| {
            let text = std::fs::read_to_string(folder.join(name)).unwrap();
            (read_patterson(&text).unwrap(), makespan.trim().parse().unwrap())
        })
        .collect()
}

fn line(problems: &[(Problem, u32)], schedules: u64, seed: u64) {
    let (mut above, mut gap, mut at_best, mut most, begun) = (0.0, 0.0, 0, 0.0_f64, cpu_s());
    for (problem, known) in problems {
        let effort = Effort {
            schedules,
            seed,
            proof_nodes: 0,
            rounds: 1,
        };
        let before = cpu_s();
        let found = solve(problem, &effort, &mut || false);
        most = most.max(cpu_s() - before);
        assert_eq!(check(problem, &found.start, found.makespan), Ok(()));
        assert!(found.schedules <= schedules && found.makespan >= *known);
        let excess = f64::from(found.makespan - known) * 100.0;
        above += excess / f64::from(critical_path(problem));
        gap += excess / f64::from(*known);
        at_best += u32::from(found.makespan == *known);
    }
    let (count, used) = (problems.len() as f64, cpu_s() - begun);
    println!(
        "| {schedules} | {seed} | {:.2} | {:.2} % | {at_best} of {count} | {:.3} | {most:.3} |",
        above / count,
        gap / count,
        used / count
    );
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let set = words.first().map_or("J120_", String::as_str);
    let problems = problems(set);
    if problems.is_empty() {
        return println!("skipped: no problem of {set} is there");
    }
    println!("{} problems of {set}", problems.len());
    println!("| schedules | seed | points above best known | gap | at best known | CPU s each | at most |");
    println!("|---|---|---|---|---|---|---|");
    let numbers: Vec<u64> = words.iter().skip(1).filter_map(|word| word.parse().ok()).collect();
    match numbers.split_first() {
        Some((schedules, [])) => line(&problems, *schedules, 1),
        Some((schedules, seeds)) => seeds.iter().for_each(|seed| line(&problems, *schedules, *seed)),
        None => PUBLISHED.iter().for_each(|(schedules, _)| line(&problems, *schedules, 1)),
    }
    if set == "J120_" {
        for (schedules, above) in PUBLISHED {
            println!("| {schedules} | Debels and Vanhoucke 2007 | {above:.2} | | | | |");
        }
    }
}
