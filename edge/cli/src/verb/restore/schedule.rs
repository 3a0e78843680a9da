use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use leckwehr_restore::rcpsp::{self, Effort, NODES_PROOF_MAX, Solution};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use super::psplib::{self, Row};
use crate::output::Out;
use crate::problem::Problem;

/// Most threads that are started.
const THREADS_MAX: usize = 64;
/// Most bytes of a file that is read.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Rounds of `--schedules` when only `--seconds` ends the search.
const ROUNDS_TIMED: u32 = 1_000_000;

/// Solve scheduling problems of the PSPLIB test bed (Patterson format): the engine that plans are made with, on
/// problems that nobody here wrote.
///
/// Prints the makespan, a proved lower bound and the start times; every schedule is checked by code that shares nothing
/// with the engine. The same files, --schedules and --seed give the same bytes on stdout, for any --threads; CPU time
/// goes to stderr. One schedule is one start time for every activity, so that figures compare with the literature.
///
/// Examples:
///
///     leckwehr restore schedule --psplib J30_1.txt --schedules 5000 --prove
///
///     leckwehr restore schedule --psplib psplib/J120_*.txt --schedules 50000 --best-known psplib/best-known.csv --table
#[derive(clap::Args)]
pub struct Args {
    /// Files in the Patterson format.
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    psplib: Vec<PathBuf>,
    /// Schedules to generate for each file.
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    schedules: u64,
    /// Where all choices come from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads; each takes a file after the other.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Go on in rounds of --schedules until this many seconds per file are over. What is found then depends on the machine.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// Prove that nothing is shorter, or find it (branch and bound; up to 128 activities, small ones in seconds).
    #[arg(long)]
    prove: bool,
    /// Best known makespans (lines `file,makespan`), to compare with.
    #[arg(long, value_name = "FILE")]
    best_known: Option<PathBuf>,
    /// Print a summary of all files beside published figures instead of the schedules.
    #[arg(long)]
    table: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let known = args.best_known.as_deref().map(psplib::best_known).transpose()?;
    let next = AtomicUsize::new(0);
    let work = || -> Vec<(usize, Result<Row, Problem>)> {
        let mut done = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = args.psplib.get(i) else { return done };
            done.push((i, one(args, path)));
        }
    };
    let threads = args.threads.clamp(1, THREADS_MAX);
    let mut rows: Vec<(usize, Result<Row, Problem>)> = std::thread::scope(|scope| {
        let running: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut rows = work();
        rows.extend(running.into_iter().filter_map(|thread| thread.join().ok()).flatten());
        rows
    });
    rows.sort_by_key(|(i, _)| *i);
    let mut solved = Vec::with_capacity(rows.len());
    for (_, row) in rows {
        let mut row = row?;
        row.best_known = known.as_ref().and_then(|k| k.get(&row.name)).copied();
        solved.push(row);
    }
    let mut out = Out::new();
    if args.json {
        out.text(&psplib::json(&solved, args.schedules, args.seed, args.table))?;
    } else if args.table {
        out.text(&psplib::table(&solved, args.schedules))?;
    } else {
        out.text(&psplib::schedules(&solved))?;
    }
    out.flush()?;
    say_cpu(&solved);
    Ok(ExitCode::SUCCESS)
}

#[expect(
    clippy::print_stderr,
    reason = "CPU time differs from run to run and is no part of the answer"
)]
fn say_cpu(rows: &[Row]) {
    let total: f64 = rows.iter().map(|r| r.cpu_s).sum();
    let most = rows.iter().map(|r| r.cpu_s).fold(0.0, f64::max);
    eprintln!(
        "CPU: {total:.2} s, per file {:.3} s, at most {most:.3} s",
        total / rows.len().max(1) as f64
    );
}

fn one(args: &Args, path: &std::path::Path) -> Result<Row, Problem> {
    let problem = psplib::read(path, FILE_BYTES_MAX)?;
    let before = thread_cpu_s();
    #[expect(clippy::disallowed_methods, reason = "the command line is where time enters")]
    let begun = Instant::now();
    let limit = args.seconds.map(|s| Duration::from_secs_f64(s.clamp(0.0, 1e6)));
    let mut stop = || limit.is_some_and(|limit| begun.elapsed() >= limit);
    let effort = Effort {
        schedules: args.schedules,
        seed: args.seed,
        proof_nodes: if args.prove { NODES_PROOF_MAX } else { 0 },
        rounds: if args.seconds.is_some() { ROUNDS_TIMED } else { 1 },
    };
    let solution: Solution = rcpsp::solve(&problem, &effort, &mut stop);
    let cpu_s = thread_cpu_s() - before;
    if let Err(violation) = rcpsp::check(&problem, &solution.start, solution.makespan) {
        let summary = format!("{}: the checker refuses the schedule ({violation:?})", path.display());
        return Err(Problem::plain("LW-RESTORE-003", summary).hint("report this with the file: it is a fault of the engine"));
    }
    let name = path
        .file_name()
        .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let critical_path = rcpsp::critical_path(&problem);
    Ok(Row {
        name,
        critical_path,
        solution,
        best_known: None,
        cpu_s,
    })
}

fn thread_cpu_s() -> f64 {
    getrusage(UsageWho::RUSAGE_THREAD).map_or(0.0, |u| (u.user_time() + u.system_time()).num_microseconds() as f64 / 1e6)
}
