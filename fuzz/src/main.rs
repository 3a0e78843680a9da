//! The driver: mutates seeds and runs targets until their number of runs is reached.
//!
//! `leckwehr-fuzz [TARGET…] [--runs N] [--seed S] [--seeds DIR]`: without targets, all; N runs each (default 100,000).
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool talks")]

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use leckwehr_fuzz::{Dice, TARGETS, Target, mutate};

/// Longest input, in bytes.
const INPUT_BYTES_MAX: usize = 4096;
/// Most inputs kept as seeds, for each target.
const SEEDS_MAX: usize = 20_000;
/// An input that takes longer than this is worth a look.
const SLOW: Duration = Duration::from_millis(50);
/// Where inputs go that made a target panic, or were slow.
const FOUND: &str = "target/fuzz-found";

struct Plan {
    targets: Vec<&'static Target>,
    runs: u64,
    seed: u64,
    seeds: Option<PathBuf>,
}

fn plan() -> Result<Plan, String> {
    let mut plan = Plan {
        targets: Vec::new(),
        runs: 100_000,
        seed: 1,
        seeds: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--runs" => plan.runs = value()?.parse().map_err(|_| "--runs needs a number".to_owned())?,
            "--seed" => plan.seed = value()?.parse().map_err(|_| "--seed needs a number".to_owned())?,
            "--seeds" => plan.seeds = Some(value()?.into()),
            name => {
                let known = || TARGETS.iter().map(|t| t.name).collect::<Vec<_>>().join(", ");
                let found = TARGETS.iter().find(|t| t.name == name);
                plan.targets
                    .push(found.ok_or_else(|| format!("no target `{name}`; there are {}", known()))?);
            }
        }
    }
    if plan.targets.is_empty() {
        plan.targets = TARGETS.iter().collect();
    }
    Ok(plan)
}

fn main() -> ExitCode {
    let plan = match plan() {
        Ok(plan) => plan,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    let (mut total, mut panics) = (0, 0);
    for target in &plan.targets {
        panics += attack(target, &plan);
        total += plan.runs;
    }
    println!("{total} runs of {} targets, {panics} panics", plan.targets.len());
    if panics == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one target and returns how many inputs made it panic; it stops at the first ten.
fn attack(target: &'static Target, plan: &Plan) -> u64 {
    let mut seeds: Vec<Vec<u8>> = target.seeds.iter().map(|s| s.as_bytes().to_vec()).collect();
    if let Some(folder) = &plan.seeds {
        collect(folder, &mut seeds);
    }
    let own = seeds.len();
    let mut met: std::collections::HashSet<u64> = seeds.iter().map(|s| (target.run)(s)).collect();
    let mut dice = Dice(plan.seed);
    let (mut panics, mut slowest) = (0, (Duration::ZERO, Vec::new()));
    for _ in 0..plan.runs {
        // The newest seeds are the ones that chance has tried least.
        let reach = if dice.below(2) == 0 {
            seeds.len()
        } else {
            seeds.len().min(64)
        };
        let mut input = seeds[seeds.len() - 1 - dice.below(reach)].clone();
        let other = dice.below(seeds.len());
        mutate(&mut input, &seeds[other], target.words, &mut dice, INPUT_BYTES_MAX);
        let begin = now();
        match catch_unwind(|| (target.run)(&input)) {
            Ok(fingerprint) => {
                if met.insert(fingerprint) && seeds.len() < SEEDS_MAX {
                    seeds.push(input.clone());
                }
            }
            Err(_) => {
                panics += 1;
                keep(target.name, "panicked", &input);
            }
        }
        let took = now() - begin;
        if took > slowest.0 {
            slowest = (took, input);
        }
        if panics == 10 {
            break;
        }
    }
    // The first time may have been the machine's; the best of three is the input's own.
    let again = (0..3).map(|_| {
        let begin = now();
        let _ = catch_unwind(|| (target.run)(&slowest.1));
        now() - begin
    });
    let slowest = (again.min().unwrap_or(slowest.0), slowest.1);
    if slowest.0 > SLOW {
        keep(target.name, "is slow", &slowest.1);
    }
    println!(
        "{}: {} runs from seed {}, {own} seeds and {} found, {panics} panics, slowest {} µs ({} bytes)",
        target.name,
        plan.runs,
        plan.seed,
        seeds.len() - own,
        slowest.0.as_micros(),
        slowest.1.len()
    );
    panics
}

#[expect(
    clippy::disallowed_methods,
    reason = "a tool may look at the clock: the slowest input is worth knowing"
)]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

fn keep(name: &str, what: &str, input: &[u8]) {
    let hash = input
        .iter()
        .fold(7_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add((*byte).into()));
    let path = Path::new(FOUND).join(format!("{name}-{hash:016x}"));
    let written = std::fs::create_dir_all(FOUND).and_then(|()| std::fs::write(&path, input));
    match written {
        Ok(()) => eprintln!("{name} {what}: {}", path.display()),
        Err(error) => eprintln!(
            "{name} panicked, and {} cannot be written ({error}): {input:?}",
            path.display()
        ),
    }
}

/// Adds all small files below a folder.
fn collect(folder: &Path, seeds: &mut Vec<Vec<u8>>) {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, seeds);
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes.len() <= INPUT_BYTES_MAX
        {
            seeds.push(bytes);
        }
    }
}
