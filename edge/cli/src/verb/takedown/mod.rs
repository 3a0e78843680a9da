//! The verbs of the takedown, one file each.

mod plan;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use leckwehr_estate::Estate;
use leckwehr_incident::{Fact, Impact, What};
use leckwehr_ledger::Reader;

use crate::problem::Problem;

/// Bytes of an impact that are read.
const IMPACT_BYTES_MAX: u64 = 256 << 20;

/// Cut the attacker off: plan the cut, explain and check it.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Plan(plan::Args),
}

/// Runs the verb.
pub fn run(args: Args) -> Result<ExitCode, Problem> {
    match args.verb {
        Verb::Plan(args) => plan::run(&args),
    }
}

/// The estate and what is known of the attacker.
#[derive(clap::Args)]
pub(super) struct CaseArgs {
    /// Folder of the estate.
    #[arg(long, value_name = "DIR")]
    pub(super) estate: PathBuf,
    /// Folder of the ledger whose newest impact analysis counts.
    #[arg(long, value_name = "DIR", required_unless_present = "impact")]
    pub(super) ledger: Option<PathBuf>,
    /// File with an impact analysis as JSON, or the JSON object of a `leckwehr trace` verb that holds one as `impact`.
    #[arg(long, value_name = "FILE", conflicts_with = "ledger")]
    pub(super) impact: Option<PathBuf>,
}

impl CaseArgs {
    /// Reads both.
    pub(super) fn read(&self) -> Result<(Estate, Impact), Problem> {
        let estate = super::estate::load(&self.estate)?;
        let impact = match (&self.impact, &self.ledger) {
            (Some(file), _) => impact_of_file(file)?,
            (None, Some(folder)) => impact_of_ledger(folder)?,
            (None, None) => Impact::default(),
        };
        Ok((estate, impact))
    }
}

/// Reads a whole file of a bounded length; `hint` says what to name instead.
pub(super) fn read_file(path: &Path, bytes_max: u64, hint: &str) -> Result<Vec<u8>, Problem> {
    let bad = |error: &dyn std::error::Error| {
        Problem::new("LW-CONTAIN-001", format!("{} cannot be read", path.display()), error).hint(hint)
    };
    let length = fs::metadata(path).map_err(|e| bad(&e))?.len();
    if length > bytes_max {
        let summary = format!("{} is longer than {} MiB", path.display(), bytes_max >> 20);
        return Err(Problem::plain("LW-CONTAIN-001", summary).hint(hint));
    }
    fs::read(path).map_err(|e| bad(&e))
}

fn impact_of_file(path: &Path) -> Result<Impact, Problem> {
    let hint = "name a file with the `impact` of a fact or of `leckwehr trace … --json`";
    let bytes = read_file(path, IMPACT_BYTES_MAX, hint)?;
    let bad = |error: &dyn std::error::Error| {
        Problem::new(
            "LW-CONTAIN-002",
            format!("{} holds no impact analysis", path.display()),
            error,
        )
        .hint(hint)
    };
    let mut value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|e| bad(&e))?;
    let inner = value.get_mut("impact").map(serde_json::Value::take);
    serde_json::from_value(inner.unwrap_or(value)).map_err(|e| bad(&e))
}

fn impact_of_ledger(path: &Path) -> Result<Impact, Problem> {
    let summary = format!("the ledger {} cannot be read", path.display());
    let bad = |error: &dyn std::error::Error| {
        Problem::new("LW-CONTAIN-003", summary.clone(), error).hint("try `leckwehr ledger verify` on it")
    };
    let reader = Reader::open(path).map_err(|e| bad(&e))?;
    let entries = reader.entries(0..reader.size()).map_err(|e| bad(&e))?;
    let mut newest = None;
    for (index, bytes) in (0..).zip(entries) {
        if let What::Assessed { impact } = Fact::from_bytes(index, &bytes).map_err(|e| bad(&e))?.what {
            newest = Some(impact);
        }
    }
    newest.ok_or_else(|| {
        let summary = format!("the ledger {} holds no impact analysis yet", path.display());
        Problem::plain("LW-CONTAIN-003", summary).hint("wait for the first one, or hand one in with --impact")
    })
}
