//! Prints what validation costs: ms CPU per document, MB/s of XML, cold start, memory; against reading the same documents.
//! `cargo bench -p leckwehr-fhir --bench validate -- DOCUMENTS PACKAGES…`; without arguments the published eAU are taken, with
//! the base definitions of `LECKWEHR_FHIR_PACKAGES`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement reads the environment and prints"
)]

use std::error::Error;
use std::path::{Path, PathBuf};

use leckwehr_fhir::package::{Configuration, Shelf};
use leckwehr_fhir::source::{Document, Limits};
use leckwehr_fhir::validate::{Request, Validator, Verdict};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Times that each document is validated.
const RUNS: usize = 50;
/// The Java reference validator's published limit: milliseconds for a bundle of that many kB, warm, one thread.
const ANCHOR: (f64, f64) = (65.0, 13.0);

fn main() -> Result<(), Box<dyn Error>> {
    let mut folders: Vec<PathBuf> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .map(PathBuf::from)
        .collect();
    if folders.is_empty() {
        let beside = || format!("{}/../../../shared/data", env!("CARGO_MANIFEST_DIR"));
        let data = PathBuf::from(std::env::var("LECKWEHR_DATA").unwrap_or_else(|_| beside()));
        let Ok(base) = std::env::var("LECKWEHR_FHIR_PACKAGES") else {
            println!("skipped: no base definitions (leckwehr fhir packages fetch, then set LECKWEHR_FHIR_PACKAGES)");
            return Ok(());
        };
        folders = vec![
            data.join("eau/examples/KBV_PR_EAU_Bundle/1.2.1/valid"),
            data.join("eau/packages"),
            base.into(),
        ];
    }
    let mut documents = Vec::new();
    collect(&folders[0], &mut documents)?;
    let Some(first) = documents.first().cloned() else {
        return Err("no documents".into());
    };

    let begin = cpu_ms();
    let validator = validator(&folders[1..])?;
    println!("packages read            {:>9.1} ms CPU", cpu_ms() - begin);
    validator.validate(first, &Request::default());
    println!("cold start, first verdict{:>9.1} ms CPU", cpu_ms() - begin);

    let verdict = |bytes: &Vec<u8>| validator.validate(bytes.clone(), &Request::default()).verdict;
    let valid = documents.iter().filter(|d| verdict(d) == Verdict::Valid).count();
    let bytes: usize = documents.iter().map(Vec::len).sum();
    println!(
        "{} documents, {valid} valid, {:.1} kB each",
        documents.len(),
        bytes as f64 / 1e3 / documents.len() as f64
    );
    let parse = times(&documents, |bytes| {
        std::hint::black_box(Document::read(bytes, validator.names(), &Limits::default()).is_ok());
    });
    let validate = times(&documents, |bytes| {
        std::hint::black_box(validator.validate(bytes, &Request::default()).verdict);
    });
    for (what, times) in [("parse only (baseline)", &parse), ("validate", &validate)] {
        let total: f64 = times.iter().sum();
        let (median, p99) = (times[times.len() / 2], times[(times.len() - 1) * 99 / 100]);
        let rate = bytes as f64 / 1e3 / total;
        println!("{what:<24} {median:>9.3} ms CPU a document (median), {p99:.3} ms (p99), {rate:.1} MB/s");
    }
    let ratio = validate.iter().sum::<f64>() / parse.iter().sum::<f64>();
    println!("ratio to the baseline    {ratio:>9.1}");
    println!("memory, at most          {:>9.1} MB", peak_rss_bytes() / 1e6);
    println!(
        "anchor                   {:>9.1} ms for {} kB (Java, published limit)",
        ANCHOR.0, ANCHOR.1
    );
    Ok(())
}

fn validator(folders: &[PathBuf]) -> Result<Validator, Box<dyn Error>> {
    let mut shelf = Shelf::new();
    for folder in folders {
        for package in Shelf::find(folder)? {
            shelf.read(&package)?;
        }
    }
    let configuration = folders
        .iter()
        .find_map(|f| Configuration::find(f))
        .map(|c| Configuration::read(&c));
    Ok(Validator::new(shelf, configuration.transpose()?)?)
}

fn collect(path: &Path, into: &mut Vec<Vec<u8>>) -> std::io::Result<()> {
    if path.is_dir() {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(path)?
            .map(|e| e.map(|e| e.path()))
            .collect::<Result<_, _>>()?;
        paths.sort();
        return paths.iter().try_for_each(|p| collect(p, into));
    }
    into.push(std::fs::read(path)?);
    Ok(())
}

/// Mean CPU time in milliseconds of each document, sorted.
fn times(documents: &[Vec<u8>], work: impl Fn(Vec<u8>)) -> Vec<f64> {
    let one = |bytes: &Vec<u8>| {
        let begin = cpu_ms();
        (0..RUNS).for_each(|_| work(bytes.clone()));
        (cpu_ms() - begin) / RUNS as f64
    };
    let mut times: Vec<f64> = documents.iter().map(one).collect();
    times.sort_by(f64::total_cmp);
    times
}

fn cpu_ms() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF);
    usage.map_or(0.0, |u| (u.user_time() + u.system_time()).num_microseconds() as f64 / 1e3)
}

fn peak_rss_bytes() -> f64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0.0, |u| u.max_rss() as f64 * 1_024.0)
}
