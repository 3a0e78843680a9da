use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use leckwehr_trace::load::{ContactChunk, ContactWriter, GROUP_ROWS, LoadError, ParquetContacts};
use leckwehr_trace::{Closure, SyntheticLog};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use serde::Serialize;

use super::TraceArgs;
use super::clock::{cpu_ms, peak_rss_bytes};
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Bytes of one read of the baseline.
const READ_BYTES: usize = 4 << 20;
/// Chunks that are read before the closure needs them.
const CHUNKS_AHEAD: usize = 8;
/// Runs of each measurement; the quickest one counts.
const ROUNDS: usize = 2;

#[derive(Serialize, Clone, Copy)]
struct Time {
    wall_s: f64,
    cpu_s: f64,
}

/// Reading the file, and a closure over it.
#[derive(Serialize)]
struct Pair {
    read: Time,
    closure: Time,
    wall_ratio: f64,
    cpu_ratio: f64,
}

#[derive(Serialize)]
struct Report {
    nodes: u32,
    events: u64,
    seed: u64,
    file_bytes: u64,
    baseline: &'static str,
    /// Every run begins with nothing of the file in memory.
    from_disk: Pair,
    /// The file lies in the page cache as far as it fits.
    from_cache: Pair,
    reached: usize,
    peak_rss_bytes: u64,
}

/// Writes a made-up log as one Parquet file into `folder`, streams a closure over it, and prints how much longer that takes
/// than reading the file. The file is removed.
pub(super) fn run(args: &TraceArgs, folder: &Path) -> Result<ExitCode, Problem> {
    let path = folder.join(format!("contacts-{}-{}-{}.parquet", args.nodes, args.events, args.seed));
    let written = write(args, &path);
    let report = written.and_then(|first| measure(args, &path, first));
    // What could not be written or read is said; a file that cannot be removed is left.
    let _ = std::fs::remove_file(&path);
    let report = report?;
    if args.json {
        print_json(&report)?
    } else {
        print(&text(&report))?
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the first contact's source and time.
fn write(args: &TraceArgs, path: &Path) -> Result<(u32, i64), Problem> {
    let failed = |e: &dyn std::error::Error| Problem::plain("LW-BENCH-002", format!("{} cannot be written: {e}", path.display()));
    let file = File::create_new(path).map_err(|e| failed(&e))?;
    let mut writer = ContactWriter::new(file).map_err(|e| failed(&e))?;
    let mut log = SyntheticLog::new(args.nodes as usize, args.seed);
    let (mut left, mut first) = (args.events, None);
    while left > 0 {
        let piece = log.take(left.min(GROUP_ROWS as u64) as usize);
        first = first.or(Some((piece.get(0).from, piece.get(0).at)));
        left -= piece.len() as u64;
        writer.push(piece.columns()).map_err(|e| failed(&e))?;
    }
    writer.finish().map_err(|e| failed(&e))?;
    Ok(first.unwrap_or_default())
}

fn measure(args: &TraceArgs, path: &Path, seed: (u32, i64)) -> Result<Report, Problem> {
    let (from_disk, bytes, reached) = compare(args, path, seed, || forget(path))?;
    let (from_cache, ..) = compare(args, path, seed, || Ok(()))?;
    Ok(Report {
        nodes: args.nodes,
        events: args.events,
        seed: args.seed,
        file_bytes: bytes as u64,
        baseline: "reading the file in pieces of 4 MiB",
        from_disk,
        from_cache,
        reached,
        peak_rss_bytes: peak_rss_bytes(),
    })
}

/// Returns the quickest times with the bytes of the file and the nodes that were reached; `before` prepares each run.
fn compare(
    args: &TraceArgs,
    path: &Path,
    seed: (u32, i64),
    before: impl Fn() -> Result<(), Problem>,
) -> Result<(Pair, usize, usize), Problem> {
    let (mut read, mut closure, mut reached, mut bytes) = (None, None, 0, 0);
    for _ in 0..ROUNDS {
        before()?;
        bytes = quickest(&mut read, || plain_read(path))?;
        before()?;
        reached = quickest(&mut closure, || stream(args.nodes as usize, path, seed))?;
    }
    let none = Time { wall_s: 0.0, cpu_s: 0.0 };
    let (read, closure) = (read.unwrap_or(none), closure.unwrap_or(none));
    let pair = Pair {
        read,
        closure,
        wall_ratio: closure.wall_s / read.wall_s,
        cpu_ratio: closure.cpu_s / read.cpu_s,
    };
    Ok((pair, bytes, reached))
}

/// Lets the kernel forget what it holds of the file in memory.
fn forget(path: &Path) -> Result<(), Problem> {
    let failed = |e: &dyn std::error::Error| Problem::plain("LW-BENCH-002", format!("{} cannot be read: {e}", path.display()));
    let file = File::open(path).map_err(|e| failed(&e))?;
    file.sync_all().map_err(|e| failed(&e))?;
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).map_err(|e| failed(&e))
}

/// Runs the work and keeps the time of the quickest run.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn quickest(best: &mut Option<Time>, work: impl FnOnce() -> Result<usize, Problem>) -> Result<usize, Problem> {
    let (wall, cpu) = (Instant::now(), cpu_ms());
    let result = work()?;
    let time = Time {
        wall_s: wall.elapsed().as_secs_f64(),
        cpu_s: (cpu_ms() - cpu) / 1_000.0,
    };
    if best.is_none_or(|best| time.wall_s < best.wall_s) {
        *best = Some(time);
    }
    Ok(result)
}

fn plain_read(path: &Path) -> Result<usize, Problem> {
    let failed = |e: std::io::Error| Problem::plain("LW-BENCH-002", format!("{} cannot be read: {e}", path.display()));
    let mut file = File::open(path).map_err(failed)?;
    let (mut buffer, mut bytes) = (vec![0; READ_BYTES], 0);
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => return Ok(bytes),
            read => bytes += read,
        }
    }
}

/// Returns how many nodes are reached from the first source. One thread reads and decodes, one closes: a closure must see
/// the contacts in order, but not wait for the file.
fn stream(nodes: usize, path: &Path, seed: (u32, i64)) -> Result<usize, Problem> {
    let failed =
        |e: &dyn std::error::Error| Problem::plain("LW-BENCH-002", format!("{} cannot be streamed: {e}", path.display()));
    let (full, chunks) = sync_channel::<ContactChunk>(CHUNKS_AHEAD);
    let (empty, spare) = sync_channel::<ContactChunk>(CHUNKS_AHEAD + 2);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || -> Result<(), LoadError> {
            let mut contacts = ParquetContacts::open(path, None)?;
            let mut chunk = ContactChunk::default();
            // The closure ends early only if it failed, and says why.
            while contacts.next_chunk(&mut chunk)? && full.send(chunk).is_ok() {
                chunk = spare.try_recv().unwrap_or_default();
            }
            Ok(())
        });
        let mut closure = Closure::new(nodes, &[seed]);
        for chunk in chunks {
            closure.push(chunk.columns()).map_err(|e| failed(&e))?;
            // A full queue of spare chunks, or a reader at its end, needs no more.
            let _ = empty.try_send(chunk);
        }
        let read = reader.join().unwrap_or(Ok(()));
        read.map_err(|e| failed(&e))?;
        Ok(closure.finish().time.iter().flatten().count())
    })
}

fn text(report: &Report) -> String {
    let line = |what: &str, time: Time| format!("  {what:<36}{:>8.2} s wall {:>8.2} s CPU\n", time.wall_s, time.cpu_s);
    let pair = |what: &str, pair: &Pair| {
        format!("{what}\n")
            + &line(report.baseline, pair.read)
            + &line("one seed, forward", pair.closure)
            + &format!(
                "  {:.2} × the wall time, {:.2} × the CPU time of reading\n",
                pair.wall_ratio, pair.cpu_ratio
            )
    };
    format!(
        "{} events among {} nodes, seed {}, streamed from a Parquet file of {} bytes; best of {ROUNDS}\n",
        report.events, report.nodes, report.seed, report.file_bytes
    ) + &pair("from disk", &report.from_disk)
        + &pair("from the page cache, as far as the file fits", &report.from_cache)
        + &format!(
            "{} nodes reached; {} MiB of memory at the peak\n",
            report.reached,
            report.peak_rss_bytes >> 20
        )
}
