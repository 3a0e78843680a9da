use std::path::{Path, PathBuf};
use std::process::ExitCode;

use leckwehr_contain::cut::certificate::estate_json;
use leckwehr_contain::{Attestation, AttestationGround, SeparationProof, check_cut};
use leckwehr_incident::Situation;
use leckwehr_ledger::Reader;
use serde::Deserialize;

use super::attestation::text;
use super::room::now;
use super::{Case, CaseArgs, FILE_BYTES_MAX, read_file, write_file};
use crate::output::{Tongue, say};
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Draw up what a partner is told before its connections come back: found, changed, proven, and not known.
///
/// From a ledger come the analysis, every verified step at our ends of the partner's connections, and the ledger's own checkpoint
/// as evidence. The file is sealed; `leckwehr takedown attestation` reads it at the partner, `leckwehr takedown reconnect` plans
/// the way back. Example:
///
///     leckwehr takedown attest rheinbogen-bank --estate examples/essen --ledger incident/ledger \
///         --certificate cut/certificate.json --out bank.json
///
/// Exit code 1: the partner has no connection.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Party.
    partner: String,
    #[command(flatten)]
    case: CaseArgs,
    /// What was changed, one sentence; may be given several times.
    #[arg(long, value_name = "TEXT")]
    changed: Vec<String>,
    /// Where evidence is, e.g. a report's number; may be given several times.
    #[arg(long, value_name = "TEXT")]
    evidence: Vec<String>,
    /// Certificate of the cut, as `leckwehr takedown plan --out` writes it. It is checked against this estate and this analysis.
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// File to write; PARTNER.attestation.json unless given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Language.
    #[arg(long, value_enum, default_value = "en")]
    lang: Tongue,
    /// Print the attestation as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let case = args.case.read()?;
    if !case.estate.parties.contains_key(&args.partner) {
        let summary = format!("the estate has no party {}", args.partner);
        return Err(Problem::plain("LW-CONTAIN-031", summary).hint("`leckwehr estate show` lists parties"));
    }
    let mut ground = AttestationGround {
        changed: args.changed.clone(),
        evidence: args.evidence.clone(),
        separation: args.certificate.as_deref().map(|file| proof(file, &case)).transpose()?,
    };
    if let Some(folder) = &args.case.ledger {
        let (situation, checkpoint) = ledger(folder)?;
        ground.add(&situation, &args.partner, &case.estate);
        ground.evidence.push(checkpoint);
    }
    let attestation = Attestation::new(&args.partner, &case.impact, &case.estate, ground, now());
    if attestation.connections.is_empty() {
        say(&format!(
            "{} has no connection to us: there is nothing to bring back",
            args.partner
        ));
        return Ok(ExitCode::from(1));
    }
    let file = format!("{}.attestation.json", args.partner);
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(file));
    write_file(&out, &serde_json::to_vec_pretty(&attestation).unwrap_or_default())?;
    match args.json {
        true => print_json(&attestation)?,
        false => print(&text(&attestation, args.lang.language()))?,
    }
    say(&format!("written to {}", out.display()));
    Ok(ExitCode::SUCCESS)
}

/// What is taken from a certificate.
#[derive(Deserialize)]
struct Sealed {
    seal: String,
    targets: Vec<String>,
}

/// Checks a certificate against this estate and this analysis, and keeps what names it: nobody is told of a proof that does not hold.
fn proof(path: &Path, case: &Case) -> Result<SeparationProof, Problem> {
    let hint = "name the certificate.json of `leckwehr takedown plan --out` for the same estate and analysis";
    let bytes = read_file(path, FILE_BYTES_MAX, hint)?;
    let impact = serde_json::to_vec(&case.impact).unwrap_or_default();
    let bad =
        |reason: String| Problem::plain("LW-CONTAIN-032", format!("{} proves nothing: {reason}", path.display())).hint(hint);
    check_cut(&bytes, &estate_json(&case.estate), Some(&impact), None).map_err(|refusal| bad(refusal.to_string()))?;
    let sealed: Sealed = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
    Ok(SeparationProof {
        seal: sealed.seal,
        targets: sealed.targets,
    })
}

/// The situation of a ledger, and its checkpoint in words.
fn ledger(folder: &Path) -> Result<(Situation, String), Problem> {
    let bad = |error: &dyn std::error::Error| {
        let summary = format!("the ledger {} cannot be read", folder.display());
        Problem::new("LW-CONTAIN-003", summary, error).hint("try `leckwehr ledger verify` on it")
    };
    let reader = Reader::open(folder).map_err(|e| bad(&e))?;
    let entries = reader.entries(0..reader.size()).map_err(|e| bad(&e))?;
    let situation = Situation::replay(entries.iter().map(Vec::as_slice)).map_err(|e| bad(&e))?;
    let checkpoint = reader.checkpoint().lines().take(3).collect::<Vec<_>>().join(", ");
    Ok((
        situation,
        format!("ledger with checkpoint {checkpoint} (origin, entries, root hash)"),
    ))
}
