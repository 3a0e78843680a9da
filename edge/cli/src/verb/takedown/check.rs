use std::path::{Path, PathBuf};
use std::process::ExitCode;

use leckwehr_contain::check_cut;
use leckwehr_contain::cut::certificate::estate_json;

use super::{ESTATE, FILE_BYTES_MAX, read_file, read_plan};
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Verify with rules of its own that a cut separates and that none is cheaper.
///
/// Reads estate.json beside the certificate, or the estate itself with --estate. With --impact, every host of the analysis
/// must be a source; with --plan, the plan must switch all of the cut.
///
/// Exit code 0: it holds. 1: something does not; the first such thing is named. 2: it could not be read.
///
/// Example:
///
///     leckwehr takedown check cut/certificate.json --estate examples/essen --impact cut/impact.json --plan cut/plan.json
#[derive(clap::Args)]
pub struct Args {
    /// The certificate.
    #[arg(value_name = "CERT.json")]
    certificate: PathBuf,
    /// Folder of the estate.
    #[arg(long, value_name = "DIR")]
    estate: Option<PathBuf>,
    /// The analysis whose hosts must all be sources.
    #[arg(long, value_name = "FILE")]
    impact: Option<PathBuf>,
    /// The plan that must carry the cut out.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let read = |path: &Path| read_file(path, FILE_BYTES_MAX, "name what `leckwehr takedown plan --out` wrote");
    let certificate = read(&args.certificate)?;
    let estate = match &args.estate {
        Some(folder) => estate_json(&crate::verb::estate::load(folder)?),
        None => read(&args.certificate.parent().unwrap_or(Path::new("")).join(ESTATE))?,
    };
    let impact = args.impact.as_deref().map(read).transpose()?;
    // The plan may lie in a larger object; its hash is checked again by the checker.
    let plan = args.plan.as_deref().map(read_plan).transpose()?;
    let plan = plan.and_then(|plan| serde_json::to_vec(&plan).ok());
    match check_cut(&certificate, &estate, impact.as_deref(), plan.as_deref()) {
        Ok(checked) => {
            match args.json {
                true => print_json(&serde_json::json!({ "holds": true, "checked": checked }))?,
                false => print(&format!(
                    "HOLDS: {} switches for {} EUR separate; {} flows over {} ways prove that no cut is cheaper\n",
                    checked.switches, checked.value, checked.flows, checked.ways
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
