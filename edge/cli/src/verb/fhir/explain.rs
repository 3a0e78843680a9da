use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_fhir::validate::Request;
use serde_json::json;

use super::Packages;
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Show for each element of a document which profile, slice and rules applied to it.
///
/// Values of the document are not shown. Exit code 0, whatever the verdict.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    packages: Packages,
    /// A profile to apply beside those that the document claims.
    #[arg(long, value_name = "URL")]
    profile: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// The document.
    file: PathBuf,
}

pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let validator = args.packages.validator()?;
    let bytes = std::fs::read(&args.file).map_err(|e| {
        Problem::new("LW-FHIR-032", format!("{} cannot be read", args.file.display()), &e)
            .hint("check the name and who may read it")
    })?;
    let request = Request {
        profile: args.profile.clone(),
        explain: true,
        remarks: false,
    };
    let report = validator.validate(bytes, &request);
    if args.json {
        let elements = report.applied.iter().map(
            |a| json!({ "location": a.location, "line": a.line, "profile": a.profile, "element": a.element, "rules": a.rules }),
        );
        print_json(&json!({
            "file": args.file.display().to_string(),
            "verdict": report.verdict.text(),
            "set": report.set,
            "elements": elements.collect::<Vec<_>>(),
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = format!("{} is {} ({})\n", args.file.display(), report.verdict.text(), report.set);
    let mut last = "";
    for applied in &report.applied {
        if applied.location != last {
            text += &format!("line {}: {}\n", applied.line, applied.location);
            last = &applied.location;
        }
        text += &format!("    {} # {}", applied.profile, applied.element);
        if !applied.rules.is_empty() {
            text += &format!("  rules: {}", applied.rules.join(" "));
        }
        text.push('\n');
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
