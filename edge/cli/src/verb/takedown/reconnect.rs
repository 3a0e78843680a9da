use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_contain::reconnect_plan;

use super::room::now;
use super::{attestation, read_protocol, write_file};
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Plan the return of partners: we hand over the attestation, the partner accepts it, and only then is the connection opened.
///
/// The plan goes the way of every plan: `leckwehr takedown approve`, `leckwehr takedown run`; both sides put their names to their
/// steps with `leckwehr takedown confirm`. Nobody but the partner can accept for the partner. Example:
///
///     leckwehr takedown reconnect bank.json --estate examples/essen --protocol examples/protocol-essen.toml --out return
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Attestations, as `leckwehr takedown attest` wrote them.
    #[arg(required = true, value_name = "ATTESTATION")]
    attestations: Vec<PathBuf>,
    /// Folder of the estate.
    #[arg(long, value_name = "DIR")]
    estate: PathBuf,
    /// The agreed protocol: a clause must allow the return.
    #[arg(long, value_name = "FILE")]
    protocol: PathBuf,
    /// Generation of the plan; a guard refuses older ones. The milliseconds since 1970 unless given, as control rooms count.
    #[arg(long, value_name = "N")]
    generation: Option<u64>,
    /// Folder for plan.json.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the plan as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let estate = crate::verb::estate::load(&args.estate)?;
    let protocol = read_protocol(&args.protocol, &estate)?;
    let mut told = Vec::new();
    for file in &args.attestations {
        let attestation = attestation::read(file)?;
        if !attestation.is_sealed() {
            let summary = format!("{} was changed: its seal does not fit", file.display());
            return Err(Problem::plain("LW-CONTAIN-033", summary).hint("draw it up again with `leckwehr takedown attest`"));
        }
        told.push(attestation);
    }
    let generation = args.generation.unwrap_or_else(|| now().0.unsigned_abs() / 1_000_000);
    let plan = reconnect_plan(&told, &estate, &protocol, generation).map_err(|error| {
        let problem = Problem::new("LW-CONTAIN-004", "no return can be planned", &error);
        problem.hint("only connections with a switch come back by plan; a clause must name the measure `reconnect`")
    })?;
    if let Some(out) = &args.out {
        write_file(&out.join(super::PLAN), &serde_json::to_vec_pretty(&plan).unwrap_or_default())?;
    }
    if args.json {
        print_json(&plan)?;
        return Ok(ExitCode::SUCCESS);
    }
    let steps = plan.steps.iter().map(|s| {
        format!(
            "  {:>3} {} {} at {} (clause {})\n",
            s.number, s.action, s.target, s.executor, s.clause
        )
    });
    print(&format!(
        "plan {}: {}\n{}",
        plan.hash,
        plan.summary,
        steps.collect::<String>()
    ))?;
    Ok(ExitCode::SUCCESS)
}
