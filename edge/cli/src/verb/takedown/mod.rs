//! The verbs of the takedown, one file each.

mod approve;
mod attest;
mod attestation;
mod check;
mod confirm;
mod delegate;
mod diff;
mod explain;
mod plan;
mod plan_text;
mod protocol;
mod reconnect;
pub(in crate::verb) mod refuse;
mod resume;
pub(in crate::verb) mod room;
mod run;
pub(in crate::verb) mod signer;
mod status;
mod undo;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use leckwehr_contain::Protocol;
use leckwehr_control::{Examination, examine};
use leckwehr_estate::Estate;
use leckwehr_incident::{Fact, Impact, PlanRecord, What};
use leckwehr_ledger::Reader;
use serde::de::DeserializeOwned;

use super::replay::{Progress, replay_problem};
use crate::problem::Problem;

/// Bytes of an impact, a plan or a certificate that are read.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Bytes of a protocol that are read.
const PROTOCOL_BYTES_MAX: u64 = 4 << 20;
/// The plan, in the folder that --out names.
const PLAN: &str = "plan.json";
/// The certificate of the cheapest cut.
const CERTIFICATE: &str = "certificate.json";
/// The estate that it stands on.
const ESTATE: &str = "estate.json";
/// The analysis that it stands on.
const IMPACT: &str = "impact.json";

/// Cut the attacker off: plan the cut, check it, approve it, carry it out, take it back, and let partners return.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Approve(approve::Args),
    Refuse(refuse::Args),
    Delegate(delegate::Args),
    Run(Box<run::Args>),
    Confirm(confirm::Args),
    Resume(resume::Args),
    Undo(undo::Args),
    Status(status::Args),
    Plan(Box<plan::Args>),
    Explain(explain::Args),
    Diff(diff::Args),
    Check(check::Args),
    Protocol(protocol::Args),
    Attest(attest::Args),
    Attestation(attestation::Args),
    Reconnect(reconnect::Args),
}

/// Runs the verb.
pub fn run(args: Args) -> Result<ExitCode, Problem> {
    match args.verb {
        Verb::Approve(args) => approve::run(&args),
        Verb::Refuse(args) => refuse::run(&args),
        Verb::Delegate(args) => delegate::run(&args),
        Verb::Run(args) => run::run(&args),
        Verb::Confirm(args) => confirm::run(&args),
        Verb::Resume(args) => resume::run(&args),
        Verb::Undo(args) => undo::run(&args),
        Verb::Status(args) => status::run(&args),
        Verb::Plan(args) => plan::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Diff(args) => diff::run(&args),
        Verb::Check(args) => check::run(&args),
        Verb::Protocol(args) => protocol::run(args),
        Verb::Attest(args) => attest::run(&args),
        Verb::Attestation(args) => attestation::run(&args),
        Verb::Reconnect(args) => reconnect::run(&args),
    }
}

/// The estate and what is known of the attacker.
#[derive(clap::Args)]
pub(super) struct CaseArgs {
    /// Telemetry files and folders: they are analysed, and every option is replayed on them.
    #[arg(required_unless_present_any = ["ledger", "impact"])]
    telemetry: Vec<PathBuf>,
    /// Folder of the estate.
    #[arg(long, value_name = "DIR")]
    pub(super) estate: PathBuf,
    /// Folder of the ledger whose newest impact analysis counts.
    #[arg(long, value_name = "DIR")]
    ledger: Option<PathBuf>,
    /// File with an impact analysis as JSON, or the JSON object of a `leckwehr trace` verb that holds one as `impact`; it counts before
    /// the one of the ledger.
    #[arg(long, value_name = "FILE")]
    impact: Option<PathBuf>,
}

/// What a plan is made from.
pub(super) struct Case {
    pub(super) estate: Estate,
    pub(super) impact: Impact,
    /// The records, where they were given.
    pub(super) recorded: Option<Examination>,
}

impl CaseArgs {
    /// Reads all of it. An analysis that is handed in counts before the one of the telemetry.
    pub(super) fn read(&self) -> Result<Case, Problem> {
        let estate = super::estate::load(&self.estate)?;
        let recorded = match self.telemetry.is_empty() {
            true => None,
            false => {
                let progress = Progress::new();
                let examined = examine(&estate, &self.telemetry, &mut |news| progress.show(&news));
                progress.finish();
                Some(examined.map_err(|error| replay_problem(&error))?)
            }
        };
        let impact = match (&self.impact, &self.ledger) {
            (Some(file), _) => impact_of_file(file)?,
            (None, Some(folder)) => impact_of_ledger(folder)?,
            (None, None) => recorded.as_ref().map(|r| r.impact.clone()).unwrap_or_default(),
        };
        Ok(Case {
            estate,
            impact,
            recorded,
        })
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

/// Reads a JSON file whose object may hold the value under `field`.
fn read_json<T: DeserializeOwned>(path: &Path, field: &str, hint: &str) -> Result<T, Problem> {
    let bytes = read_file(path, FILE_BYTES_MAX, hint)?;
    let bad = |error: &dyn std::error::Error| {
        Problem::new("LW-CONTAIN-002", format!("{} holds no {field}", path.display()), error).hint(hint)
    };
    let mut value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|e| bad(&e))?;
    let inner = value.get_mut(field).map(serde_json::Value::take);
    serde_json::from_value(inner.unwrap_or(value)).map_err(|e| bad(&e))
}

fn impact_of_file(path: &Path) -> Result<Impact, Problem> {
    read_json(
        path,
        "impact",
        "name a file with the `impact` of a fact or of `leckwehr trace … --json`",
    )
}

/// Reads a plan: the file itself, or `plan` in it.
fn read_plan(path: &Path) -> Result<PlanRecord, Problem> {
    let plan: PlanRecord = read_json(path, "plan", "name the plan.json that `leckwehr takedown plan --out` wrote")?;
    if plan.is_sealed() {
        return Ok(plan);
    }
    let summary = format!("the plan in {} was changed: its hash does not fit", path.display());
    Err(Problem::plain("LW-CONTAIN-005", summary).hint("plan again; nobody approves a plan whose hash does not fit"))
}

/// Reads a protocol; every mistake becomes a line of the problem.
fn read_protocol(path: &Path, estate: &Estate) -> Result<Protocol, Problem> {
    let bytes = read_file(path, PROTOCOL_BYTES_MAX, "name a protocol like examples/protocol-essen.toml")?;
    let text = String::from_utf8_lossy(&bytes);
    Protocol::parse(&path.display().to_string(), &text, estate).map_err(|errors| {
        let mut problem = Problem::plain("LW-CONTAIN-006", format!("{} is no protocol of this estate", path.display()));
        problem.detail = errors.errors.iter().map(ToString::to_string).collect();
        if errors.left_out > 0 {
            problem.detail.push(format!("… and {} more", errors.left_out));
        }
        problem.hint("each line names its place and the nearest valid name")
    })
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

/// Writes a file that a verb was asked for.
pub(in crate::verb) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    let bad = |error: std::io::Error| {
        let problem = Problem::new("LW-CONTAIN-007", format!("{} cannot be written", path.display()), &error);
        problem.hint("check the folder and the disk")
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(bad)?;
    }
    fs::write(path, bytes).map_err(bad)
}
