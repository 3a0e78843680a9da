//! What the planner finds and what it takes, in CPU time: `cargo bench -p leckwehr-restore`. Baseline: the answers of
//! OR-Tools CP-SAT in `cp_sat.csv`, made with `tests/tools/cp_sat.py`. A seed may follow: `-- 2`.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark measures and prints")]

use leckwehr_restore::outage::{OutageEffort, check_outages, generated_recovery, plan_outages};

/// CPU seconds of this thread so far, as Linux counts them.
fn cpu_s() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

/// Writes the problems for `cp_sat.py`, as `TASKS,SEED.json`.
fn dump(folder: &str) {
    for first in [(30, 1), (60, 101), (120, 201)] {
        for seed in first.1..first.1 + 20 {
            let text = serde_json::to_string(&generated_recovery(first.0, seed)).unwrap();
            std::fs::write(format!("{folder}/{},{seed}.json", first.0), text).unwrap();
        }
    }
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    if let Some(at) = words.iter().position(|word| word == "--dump") {
        return dump(&words[at + 1]);
    }
    println!("| tasks | instances | mean to CP-SAT | worst | above 0.2 % | CPU s each |");
    println!("|---|---|---|---|---|---|");
    let answers: Vec<Vec<u64>> = include_str!("cp_sat.csv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(',').filter_map(|word| word.parse().ok()).collect())
        .collect();
    let seed = words.iter().find_map(|word| word.parse().ok()).unwrap_or(1);
    for tasks in [30, 60, 120] {
        let begun = cpu_s();
        let mut gaps = Vec::new();
        for answer in answers.iter().filter(|a| a[0] == tasks) {
            let problem = generated_recovery(tasks as usize, answer[1]);
            let plan = plan_outages(&problem, &OutageEffort::usual(&problem, seed), &mut || false).unwrap();
            assert_eq!(check_outages(&problem, &plan, &[]), Ok(()));
            gaps.push((plan.cost as f64 / answer[2] as f64 - 1.0) * 100.0);
        }
        let count = gaps.len() as f64;
        let worst = gaps.iter().copied().fold(f64::MIN, f64::max);
        let above = gaps.iter().filter(|g| **g > 0.2).count();
        let mean = gaps.iter().sum::<f64>() / count;
        println!(
            "| {tasks} | {count} | {mean:+.2} % | {worst:+.2} % | {above} | {:.3} |",
            (cpu_s() - begun) / count
        );
    }
    for (tasks, evaluations) in [(120, 5_000), (2_000, 3_000)] {
        let problem = generated_recovery(tasks, 7);
        let first = OutageEffort {
            evaluations: 50,
            ..OutageEffort::default()
        };
        let plan = plan_outages(&problem, &first, &mut || false).unwrap();
        let fixed: Vec<(usize, u32)> = plan.start.iter().copied().enumerate().filter(|(_, s)| *s < 40).collect();
        let effort = OutageEffort {
            evaluations,
            seed: 1,
            order: plan.order.clone(),
            fixed,
            now: 40,
        };
        let begun = cpu_s();
        let again = plan_outages(&problem, &effort, &mut || false).unwrap();
        let saved = (1.0 - again.cost as f64 / plan.cost as f64) * 100.0;
        println!(
            "re-plan of {tasks} tasks: {:.3} CPU s, {saved:.2} % less cost than going on as planned",
            cpu_s() - begun
        );
    }
}
