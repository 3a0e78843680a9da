use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use leckwehr_fhir::source::{Document, Limits, Names};
use leckwehr_fhir::validate::{Request, Validator, Verdict};
use serde::Serialize;

use super::clock::{cpu_ms, peak_rss_bytes};
use crate::problem::Problem;
use crate::verb::fhir::{Packages, collect};
use crate::verb::trace::{print, print_json};

/// What the authors of the Java reference validator published as its limit: warm, one thread, a prescription bundle.
const ANCHOR: (f64, f64) = (65.0, 13.0);

/// Measure FHIR validation: a cold start, then documents one after another on one core.
///
/// The baseline is reading the same documents into trees without checking anything.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    packages: Packages,
    /// Times that each document is validated; the mean of them counts for it.
    #[arg(long, default_value_t = 50)]
    runs: u32,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Documents, or folders of them.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    documents: usize,
    bytes_mean: f64,
    /// Reading all packages, up to the first document's verdict.
    cold_start_cpu_ms: f64,
    packages: usize,
    validate_cpu_ms_median: f64,
    validate_cpu_ms_p99: f64,
    validate_mb_per_s: f64,
    parse_cpu_ms_median: f64,
    parse_mb_per_s: f64,
    /// Validation over parsing alone.
    ratio: f64,
    peak_rss_bytes: u64,
    valid: usize,
    invalid: usize,
    unknown: usize,
    anchor_ms: f64,
    anchor_kb: f64,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Problem> {
    let mut paths = Vec::new();
    for path in &args.files {
        collect(path, &mut paths)?;
    }
    let unread = |path: &PathBuf, e| Problem::new("LW-FHIR-032", format!("{} cannot be read", path.display()), &e);
    let documents: Result<Vec<Vec<u8>>, Problem> = paths
        .iter()
        .map(|p| std::fs::read(p).map_err(|e| unread(p, e).hint("check the name")))
        .collect();
    let documents = documents?;
    let Some(first) = documents.first() else {
        return Err(
            Problem::plain("LW-FHIR-032", "there is no document to measure with").hint("name folders with .xml or .json files")
        );
    };
    let begin = cpu_ms();
    let validator = args.packages.validator()?;
    validator.validate(first.clone(), &Request::default());
    let cold_start_cpu_ms = cpu_ms() - begin;
    let report = measure(args, &validator, &documents, cold_start_cpu_ms);
    if args.json {
        print_json(&report)?
    } else {
        print(&text(&report))?
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(args: &Args, validator: &Validator, documents: &[Vec<u8>], cold_start_cpu_ms: f64) -> Report {
    let mut verdicts = [0; 3];
    for bytes in documents {
        // the profiles of each are compiled now, before the clock runs
        verdicts[validator.validate(bytes.clone(), &Request::default()).verdict as usize] += 1;
    }
    let names: &Arc<Names> = validator.names();
    let parse = times(args.runs, documents, |bytes| {
        let read = Document::read(bytes, names, &Limits::default());
        read.map_or(0, |d| d.len())
    });
    let validate = times(args.runs, documents, |bytes| {
        usize::from(validator.validate(bytes, &Request::default()).verdict == Verdict::Valid)
    });
    let bytes: usize = documents.iter().map(Vec::len).sum();
    let rate = |times: &[f64]| bytes as f64 / 1e6 / (times.iter().sum::<f64>() / 1_000.0);
    Report {
        documents: documents.len(),
        bytes_mean: bytes as f64 / documents.len() as f64,
        cold_start_cpu_ms,
        packages: validator.shelf().packages().len(),
        validate_cpu_ms_median: at(&validate, 0.5),
        validate_cpu_ms_p99: at(&validate, 0.99),
        validate_mb_per_s: rate(&validate),
        parse_cpu_ms_median: at(&parse, 0.5),
        parse_mb_per_s: rate(&parse),
        ratio: validate.iter().sum::<f64>() / parse.iter().sum::<f64>(),
        peak_rss_bytes: peak_rss_bytes(),
        valid: verdicts[0],
        invalid: verdicts[1],
        unknown: verdicts[2],
        anchor_ms: ANCHOR.0,
        anchor_kb: ANCHOR.1,
    }
}

/// Mean CPU time in milliseconds of each document, sorted.
fn times(runs: u32, documents: &[Vec<u8>], work: impl Fn(Vec<u8>) -> usize) -> Vec<f64> {
    let runs = runs.max(1);
    let one = |bytes: &Vec<u8>| {
        let begin = cpu_ms();
        for _ in 0..runs {
            std::hint::black_box(work(bytes.clone()));
        }
        (cpu_ms() - begin) / f64::from(runs)
    };
    let mut times: Vec<f64> = documents.iter().map(one).collect();
    times.sort_by(f64::total_cmp);
    times
}

fn at(sorted: &[f64], share: f64) -> f64 {
    let index = ((sorted.len() - 1) as f64 * share).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}

fn text(report: &Report) -> String {
    let Report {
        anchor_ms, anchor_kb, ..
    } = report;
    let per_kb = report.validate_cpu_ms_median / (report.bytes_mean / 1_000.0);
    format!(
        "{} documents, {:.1} kB each: {} valid, {} invalid, {} unknown\n\
         cold start, {} packages      {:>9.1} ms CPU\n\
         parse only (baseline)       {:>9.3} ms CPU a document, {:.0} MB/s\n\
         validate                    {:>9.3} ms CPU a document (median), {:.3} ms (p99), {:.1} MB/s, {:.1} times the baseline\n\
         memory, at most             {:>9.1} MB\n\
         anchor: the Java reference validator's published limit is {anchor_ms} ms for {anchor_kb} kB: {:.0} times as much per kB\n",
        report.documents,
        report.bytes_mean / 1_000.0,
        report.valid,
        report.invalid,
        report.unknown,
        report.packages,
        report.cold_start_cpu_ms,
        report.parse_cpu_ms_median,
        report.parse_mb_per_s,
        report.validate_cpu_ms_median,
        report.validate_cpu_ms_p99,
        report.validate_mb_per_s,
        report.ratio,
        report.peak_rss_bytes as f64 / 1e6,
        anchor_ms / anchor_kb / per_kb,
    )
}
