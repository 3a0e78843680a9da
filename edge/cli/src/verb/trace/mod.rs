//! The verbs of the analysis, one file each, over one shared [`Case`].

mod certificate;
mod check;
mod exposure;
mod reach;
mod report;
mod report_parts;
mod routes;
mod theft;

use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_control::{DamagedPlace, FileRead, examine};
use leckwehr_estate::Estate;
use leckwehr_incident::{Fact, Finding, Impact};
use leckwehr_ledger::Reader;
use leckwehr_telemetry::{Events, SensorAccount};
use leckwehr_trace::{Cuts, TraceConfig};
use serde::Serialize;
use serde_json::{Value, json};

use super::replay::{Progress, replay_problem};
use crate::problem::Problem;

/// Analyse recorded telemetry: how far the attacker came, on which routes, what lies in reach, what left.
///
/// Every verb reads files only, changes nothing, prints for people and with --json one JSON object.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Certificate(certificate::Args),
    Check(check::Args),
    Report(report::Args),
    Reach(reach::Args),
    Routes(routes::Args),
    Exposure(exposure::Args),
    Theft(theft::Args),
}

/// Runs the verb.
pub fn run(args: Args) -> Result<ExitCode, Problem> {
    match args.verb {
        Verb::Certificate(args) => certificate::run(&args),
        Verb::Check(args) => check::run(&args),
        Verb::Report(args) => report::run(&args),
        Verb::Reach(args) => reach::run(&args),
        Verb::Routes(args) => routes::run(&args),
        Verb::Exposure(args) => exposure::run(&args),
        Verb::Theft(args) => theft::run(&args),
    }
}

/// What every verb on a recorded incident is given.
#[derive(clap::Args)]
pub(crate) struct CaseArgs {
    /// Telemetry files, and folders of them (*.json, *.jsonl, *.ndjson, *.log, each also .gz or .zst).
    #[arg(required = true)]
    pub(crate) telemetry: Vec<PathBuf>,
    /// Folder of the estate.
    #[arg(long, value_name = "DIR")]
    pub(crate) estate: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where the cuts are told.
#[derive(clap::Args)]
pub(crate) struct LedgerArgs {
    /// Folder of the ledger that tells what was cut and when; nothing is known to be cut if not given.
    #[arg(long, value_name = "DIR", requires = "telemetry")]
    ledger: Option<PathBuf>,
}

impl LedgerArgs {
    /// Reads the facts of the ledger with their places; entries that are no facts are refused.
    pub(crate) fn facts(&self) -> Result<Vec<(u64, Fact)>, Problem> {
        let Some(path) = &self.ledger else {
            return Ok(Vec::new());
        };
        let summary = format!("the ledger {} cannot be read", path.display());
        let bad = |error: &dyn std::error::Error| {
            Problem::new("LW-TRACE-011", summary.clone(), error).hint("try `leckwehr ledger verify` on it")
        };
        let reader = Reader::open(path).map_err(|e| bad(&e))?;
        let entries = reader.entries(0..reader.size()).map_err(|e| bad(&e))?;
        let fact = |(index, bytes): (u64, Vec<u8>)| Ok((index, Fact::from_bytes(index, &bytes).map_err(|e| bad(&e))?));
        (0..).zip(entries).map(fact).collect()
    }

    /// Reads what was cut and when.
    pub(crate) fn cuts(&self) -> Result<Cuts, Problem> {
        Ok(Cuts::from_facts(self.facts()?.iter().map(|(_, fact)| fact)))
    }
}

/// A recorded incident with all that the rooms before say about it, the same as in a replay.
pub(crate) struct Case {
    pub(crate) events: Events,
    pub(crate) findings: Vec<Finding>,
    pub(crate) estate: Estate,
    pub(crate) impact: Impact,
    pub(crate) config: TraceConfig,
    pub(crate) files: Vec<FileRead>,
    pub(crate) damaged: Vec<DamagedPlace>,
}

impl Case {
    /// Reads, detects and assesses, with a bar on a terminal.
    pub(crate) fn read(args: &CaseArgs) -> Result<Self, Problem> {
        let estate = super::estate::load(&args.estate)?;
        let progress = Progress::new();
        let examined = examine(&estate, &args.telemetry, &mut |news| progress.show(&news));
        progress.finish();
        let examined = examined.map_err(|error| replay_problem(&error))?;
        Ok(Self {
            events: examined.events,
            findings: examined.findings,
            impact: examined.impact,
            config: examined.config,
            files: examined.files,
            damaged: examined.damaged,
            estate,
        })
    }

    /// What the analysis worked with, for the JSON of every verb: files, events, findings, systems, and what is known
    /// to be lost.
    pub(crate) fn input(&self) -> Value {
        let sensor = |a: &SensorAccount| json!({ "sensor": a.sensor, "coverage": a.coverage(), "missing": a.missing });
        json!({
            "window": self.impact.window,
            "events": self.events.len(),
            "findings": self.findings.len(),
            "systems": self.estate.systems.len(),
            "files": self.files,
            "damaged": self.damaged,
            "sensors": self.config.accounts.iter().map(sensor).collect::<Vec<_>>(),
        })
    }
}

/// Writes text to stdout; a reader that has seen enough (`| head`) is no error. Telemetry may carry control characters
/// that a terminal would obey: they are left out.
pub(crate) fn print(text: &str) -> Result<(), Problem> {
    let mut text = text.to_owned();
    text.retain(|c| c == '\n' || !c.is_control());
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Problem::new("LW-TRACE-001", "cannot write to stdout", &error))
        }
        _ => Ok(()),
    }
}

/// Writes one JSON object to stdout.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Problem> {
    let text = serde_json::to_string_pretty(value);
    print(&(text.map_err(|e| Problem::new("LW-TRACE-001", "the answer cannot be written", &e))? + "\n"))
}
