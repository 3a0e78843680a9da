//! Sigma rules on real Windows events: our engine against `rsigma-eval` in the same run, in CPU time.
//!
//! `LECKWEHR_DATA` names the folder of recordings. Both engines get the bytes of JSON lines and give findings, rules
//! compiled once. The baseline is configured at its best: one engine per log source, so that it never tries a rule of
//! another one, and the log source of each line is found out beforehand, outside of its time. Ours finds it itself.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark measures and prints"
)]

use std::collections::HashMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use leckwehr_detect::{Engine, Matcher, Rules, Seen};
use leckwehr_telemetry::{Item, LINE_BYTES_MAX, Line, Lines, LogSource, Reader, Sheet, SourceId, open, read_line};
use rsigma_eval::event::JsonEvent;

/// Rounds of each measurement; the fastest counts, as others may use the machine.
const ROUNDS: usize = 6;
/// Lines that a thread takes at once.
const PART_LINES: usize = 512;

fn main() {
    let data = PathBuf::from(std::env::var("LECKWEHR_DATA").unwrap_or_else(|_| "../../../shared/data".to_owned()));
    let folder = data.join("sigma/rules-windows");
    let packed = data.join("telemetry/windows-events.jsonl.zst");
    if !folder.is_dir() || !packed.is_file() {
        println!("skipped: {} or {} is not there", folder.display(), packed.display());
        return;
    }
    let engine = load(&folder);
    let (events, fired) = stream(&engine, &packed);
    println!(
        "peak memory, rules loaded and {events} events streamed: {} MiB; {fired} findings",
        peak_mib()
    );

    event_logs(&engine, &data.join("sigma/regression"));

    let text = read(&packed);
    let lines: Vec<&[u8]> = text.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect();
    println!("{} events, {:.0} MB of JSON lines", lines.len(), text.len() as f64 / 1e6);
    let per_event = |seconds: f64| seconds * 1e6 / lines.len() as f64;

    let mut baseline = Baseline::new(&folder, &lines);
    let mut best = [(f64::MAX, 0); 4];
    for _ in 0..ROUNDS {
        // In turn, so that what else the machine does meets all alike.
        let round = [
            run(&lines, None),
            run(&lines, Some(&engine)),
            baseline.run(&lines, false),
            baseline.run(&lines, true),
        ];
        for (best, now) in best.iter_mut().zip(round) {
            if now.0 < best.0 {
                *best = now;
            }
        }
    }
    let [floor, ours, plain, bloom] = best;
    println!("parse only (fields, names, log source): {:.2} µs/event", per_event(floor.0));
    println!(
        "leckwehr, one thread, end to end:        {:.2} µs/event, {} findings",
        per_event(ours.0),
        ours.1
    );
    two_threads(&lines, &engine, ours.0);
    let theirs = if bloom.0 < plain.0 { bloom } else { plain };
    println!(
        "rsigma-eval, one thread, end to end:     {:.2} µs/event, {} findings ({:.2} with its bloom filter, {:.2} without)",
        per_event(theirs.0),
        theirs.1,
        per_event(bloom.0),
        per_event(plain.0)
    );
    println!("ratio: {:.2}", theirs.0 / ours.0);
}

fn load(folder: &Path) -> Arc<Engine> {
    let (start, cpu) = (Instant::now(), process_cpu_seconds());
    let (rules, errors) = Rules::load(&[folder.to_owned()]);
    let (read, read_cpu) = (start.elapsed().as_secs_f64(), process_cpu_seconds() - cpu);
    let joining = cpu_seconds();
    let engine = Engine::new(&rules);
    println!(
        "{} rules loaded in {:.2} s by the clock on the wall; CPU: reading {read_cpu:.2} s in two threads, joining {:.2} s; {} errors",
        rules.all().len(),
        start.elapsed().as_secs_f64().max(read),
        cpu_seconds() - joining,
        errors.len()
    );
    for error in errors {
        println!("  {error}");
    }
    engine
}

/// Reads the packed file as a hunt does: line by line, whatever its size.
fn stream(engine: &Arc<Engine>, packed: &Path) -> (usize, usize) {
    let mut reader = open(packed).unwrap();
    let (mut sheet, mut format) = (Sheet::new(), Lines::default());
    let mut matcher = Matcher::new(engine.clone());
    let (mut line, mut offset, mut events, mut fired) = (Vec::new(), 0, 0, 0);
    while !matches!(
        read_line(&mut *reader, &mut line, LINE_BYTES_MAX, &mut offset).unwrap(),
        Line::End
    ) {
        events += 1;
        if format.read(&line, &mut sheet).is_ok() {
            fired += matcher.matches(seen(&sheet)).len();
        }
    }
    (events, fired)
}

/// Small event logs from file to findings, the rules loaded: published hunters in Rust reach about 1,450 events a second and core.
fn event_logs(engine: &Arc<Engine>, folder: &Path) {
    let mut logs = Vec::new();
    find(folder, &mut logs);
    let (mut sheet, mut matcher) = (Sheet::new(), Matcher::new(engine.clone()));
    let mut best = (f64::MAX, 0, 0);
    for _ in 0..ROUNDS {
        let (cpu, mut events, mut fired) = (cpu_seconds(), 0, 0);
        for log in &logs {
            let mut reader = Reader::open(log).unwrap();
            loop {
                match reader.next(&mut sheet).unwrap() {
                    Item::Record => {
                        events += 1;
                        fired += matcher.matches(seen(&sheet)).len();
                    }
                    Item::End => break,
                    _ => {}
                }
            }
        }
        let cpu = cpu_seconds() - cpu;
        if cpu < best.0 {
            best = (cpu, events, fired);
        }
    }
    let (cpu, events, fired) = best;
    let per_second = events as f64 / cpu;
    println!(
        "{} event logs, {events} events, {fired} findings: {per_second:.0} events/s from file to finding, {:.1} times 1,450",
        logs.len(),
        per_second / 1_450.0
    );
}

fn find(folder: &Path, logs: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            find(&path, logs);
        } else if path.extension().is_some_and(|e| e == "evtx") {
            logs.push(path);
        }
    }
}

/// Parses all lines, and matches them if there are rules; returns CPU seconds and findings.
fn run(lines: &[&[u8]], engine: Option<&Arc<Engine>>) -> (f64, usize) {
    let (mut sheet, mut format) = (Sheet::new(), Lines::default());
    let mut matcher = engine.map(|engine| Matcher::new(engine.clone()));
    let (cpu, mut fired) = (cpu_seconds(), 0);
    for line in lines {
        if format.read(line, &mut sheet).is_ok() {
            if let Some(matcher) = &mut matcher {
                fired += matcher.matches(seen(&sheet)).len();
            }
            black_box(&sheet);
        }
    }
    (cpu_seconds() - cpu, fired)
}

fn seen(sheet: &Sheet) -> Seen<'_> {
    Seen {
        names: sheet.names(),
        sources: sheet.sources(),
        fields: sheet.fields(),
        source: sheet.source(),
    }
}

fn two_threads(lines: &[&[u8]], engine: &Arc<Engine>, alone: f64) {
    // Every second part of the file, so that both have the same to do.
    let halves: [Vec<&[u8]>; 2] = [0, 1].map(|half| lines.chunks(PART_LINES).skip(half).step_by(2).flatten().copied().collect());
    let measure = || {
        let start = Instant::now();
        let busiest = std::thread::scope(|scope| {
            let other = scope.spawn(|| run(&halves[1], Some(engine)));
            let own = run(&halves[0], Some(engine));
            own.0.max(other.join().unwrap().0)
        });
        (busiest, start.elapsed().as_secs_f64())
    };
    let rounds: Vec<(f64, f64)> = (0..ROUNDS).map(|_| measure()).collect();
    let busiest = rounds.iter().map(|r| r.0).fold(f64::MAX, f64::min);
    let wall = rounds.iter().map(|r| r.1).fold(f64::MAX, f64::min);
    println!(
        "two threads: {:.2} times as fast in CPU time of the busier thread, {:.2} times by the clock on the wall",
        alone / busiest,
        alone / wall
    );
}

/// The best of `rsigma-eval`: an engine per log source with the rules that are for it.
struct Baseline {
    sources: Vec<SourceId>,
    engines: HashMap<SourceId, rsigma_eval::Engine>,
}

impl Baseline {
    fn new(folder: &Path, lines: &[&[u8]]) -> Self {
        let collection = rsigma_parser::parse_sigma_directory(folder).unwrap();
        let (mut sheet, mut format) = (Sheet::new(), Lines::default());
        let source_of = |line: &&[u8]| match format.read(line, &mut sheet) {
            Ok(_) => sheet.source(),
            Err(_) => SourceId::UNKNOWN,
        };
        let sources: Vec<SourceId> = lines.iter().map(source_of).collect();
        let mut engines: HashMap<SourceId, rsigma_eval::Engine> = HashMap::new();
        let (cpu, mut refused) = (cpu_seconds(), 0);
        for source in &sources {
            engines.entry(*source).or_insert_with(|| {
                let mut engine = rsigma_eval::Engine::new();
                let words = sheet.sources().get(*source);
                let fitting = collection.rules.iter().filter(|rule| is_for(&rule.logsource, words));
                refused += engine.add_rules(fitting).len();
                engine
            });
        }
        println!(
            "rsigma-eval: {} engines, one per log source, compiled in {:.2} s; {refused} rules refused",
            engines.len(),
            cpu_seconds() - cpu
        );
        Self { sources, engines }
    }

    fn run(&mut self, lines: &[&[u8]], bloom: bool) -> (f64, usize) {
        self.engines.values_mut().for_each(|engine| engine.set_bloom_prefilter(bloom));
        let (cpu, mut fired) = (cpu_seconds(), 0);
        for (line, source) in lines.iter().zip(&self.sources) {
            if let Ok(value) = serde_json::from_slice(line)
                && let Some(engine) = self.engines.get(source)
            {
                fired += engine.evaluate(&JsonEvent::borrow(&value)).len();
            }
        }
        (cpu_seconds() - cpu, fired)
    }
}

fn is_for(rule: &rsigma_parser::LogSource, source: &LogSource) -> bool {
    let fits = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|w| w.eq_ignore_ascii_case(found));
    (rule.product.is_some() || rule.category.is_some() || rule.service.is_some())
        && fits(&rule.product, &source.product)
        && (fits(&rule.service, &source.service) || source.also.iter().any(|s| fits(&rule.service, s)))
        && rule
            .category
            .as_ref()
            .is_none_or(|c| source.categories.iter().any(|found| found.eq_ignore_ascii_case(c)))
}

fn read(packed: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut open(packed).unwrap(), &mut text).unwrap();
    text
}

/// CPU seconds of this thread so far, from the kernel's scheduler.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// CPU seconds of all threads so far, in steps of 10 ms.
fn process_cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after = text.rsplit(')').next().unwrap();
    let ticks = after.split_whitespace().skip(11).take(2);
    ticks.map(|t| t.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// The largest resident memory of this process so far.
fn peak_mib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}
