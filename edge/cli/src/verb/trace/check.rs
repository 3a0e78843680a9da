use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use leckwehr_control::examine;
use leckwehr_trace::certificate::{Basis, check, estate_bytes};

use super::certificate::{BASIS, ESTATE};
use super::{LedgerArgs, print, print_json};
use crate::problem::Problem;
use crate::verb::replay::{Progress, replay_problem};

/// Bytes of a certificate, a basis or an estate that are read.
const FILE_BYTES_MAX: u64 = 4 << 30;

/// Verify a certificate that a zone was not reached, with rules of its own.
///
/// Reads basis.jsonl and estate.json beside the certificate. With telemetry (and --ledger) it collects the basis anew from
/// the records, and with --estate it reads the estate from its folder: then nothing beside the certificate is believed.
///
/// Exit code 0: every item holds. 1: one does not; the first is named. 2: it could not be read.
///
/// Example:
///
///     leckwehr trace check proof/certificate.json --estate examples/apt29 day1.zeek.jsonl
#[derive(clap::Args)]
pub struct Args {
    /// The certificate.
    #[arg(value_name = "CERT.json")]
    certificate: PathBuf,
    /// Telemetry files and folders that the certificate was made from.
    telemetry: Vec<PathBuf>,
    /// Folder of the estate.
    #[arg(long, value_name = "DIR")]
    estate: Option<PathBuf>,
    #[command(flatten)]
    ledger: LedgerArgs,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let certificate = read(&args.certificate)?;
    let beside = args.certificate.parent().unwrap_or(Path::new("")).to_owned();
    let named = args.estate.as_ref().map(|dir| crate::verb::estate::load(dir)).transpose()?;
    let estate = match &named {
        Some(estate) => estate_bytes(estate),
        None => read(&beside.join(ESTATE))?,
    };
    let basis = match (&named, args.telemetry.is_empty()) {
        (_, true) => read(&beside.join(BASIS))?,
        (None, false) => {
            let summary = "telemetry can only be read with the estate that it was made with";
            return Err(Problem::plain("LW-TRACE-013", summary).hint("name its folder with --estate"));
        }
        (Some(estate), false) => {
            let progress = Progress::new();
            let examined = examine(estate, &args.telemetry, &mut |news| progress.show(&news));
            progress.finish();
            let examined = examined.map_err(|error| replay_problem(&error))?;
            let facts = args.ledger.facts()?;
            Basis::new(&examined.events, &examined.findings, estate, &examined.impact, &facts).to_bytes()
        }
    };
    match check(&certificate, &estate, &basis) {
        Ok(checked) => {
            let [states, contacts, ways] = checked.tried;
            match args.json {
                true => print_json(&serde_json::json!({ "holds": true, "states": states, "contacts": contacts, "ways": ways }))?,
                false => print(&format!(
                    "HOLDS: {contacts} contacts and {ways} ways tried against {states} states; nothing leaves the set\n"
                ))?,
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(refusal) => {
            match args.json {
                true => print_json(&serde_json::json!({ "holds": false, "item": refusal.item, "why": refusal.why }))?,
                false => print(&format!("REFUSED: {refusal}\n"))?,
            }
            Ok(ExitCode::from(1))
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let bad = |error: &std::io::Error| {
        let problem = Problem::new("LW-TRACE-013", format!("{} cannot be read", path.display()), error);
        problem.hint("name the certificate in the folder that `leckwehr trace certificate --out` wrote")
    };
    let length = fs::metadata(path).map_err(|e| bad(&e))?.len();
    if length > FILE_BYTES_MAX {
        let summary = format!("{} is larger than {} GiB", path.display(), FILE_BYTES_MAX >> 30);
        return Err(Problem::plain("LW-TRACE-013", summary).hint("narrow the records that the certificate is made from"));
    }
    fs::read(path).map_err(|e| bad(&e))
}
