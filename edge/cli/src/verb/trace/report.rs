use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_incident::{Claim, Timestamp};
use leckwehr_publish::Language;
use leckwehr_publish::impact_report::{ImpactInput, render_impact};
use leckwehr_trace::export::{Export, graphml, open_graph, stix_bundle};
use leckwehr_trace::routes::{WAYS_SHOWN, routes};
use leckwehr_trace::{CoverageLedger, Cuts, LedgerConfig, claims, exposure, theft};

use super::certificate::write;
use super::report_parts;
use super::{Case, CaseArgs, LedgerArgs, print, print_json};
use crate::problem::Problem;

/// Write the analysis for people and for other tools into a folder.
///
/// report.html (one file, no script, prints well), stix.json (STIX 2.1 bundle with an Attack Flow), opengraph.json
/// (BloodHound OpenGraph) and impact.graphml. Equal records, estate and --created give equal bytes.
///
/// Example:
///
///     leckwehr trace report --estate examples/apt29 --out day1-report apt29-day1.zeek.jsonl
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    case: CaseArgs,
    #[command(flatten)]
    ledger: LedgerArgs,
    /// Folder to write into; it is made if it does not exist, and files of the same names are replaced.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What to write; everything if not given.
    #[arg(long = "format", value_enum)]
    formats: Vec<Format>,
    /// Name of the incident, as it stands in every file.
    #[arg(long, value_name = "NAME", default_value = "Impact analysis")]
    name: String,
    /// Time of creation that the files bear (RFC 3339); the last record if not given.
    #[arg(long, value_name = "TIME")]
    created: Option<Timestamp>,
    /// Language of report.html.
    #[arg(long, value_enum, default_value = "en")]
    language: LanguageName,
}

/// What to write.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
enum Format {
    /// report.html
    Html,
    /// stix.json
    Stix,
    /// opengraph.json
    Opengraph,
    /// impact.graphml
    Graphml,
}

/// Language of the report.
#[derive(Clone, Copy, clap::ValueEnum)]
enum LanguageName {
    /// German.
    De,
    /// English.
    En,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let cuts = args.ledger.cuts()?;
    let case = Case::read(&args.case)?;
    let claims = claims(&case.impact, &case.estate, &case.config);
    let created = args.created.or(case.impact.window.map(|w| w.1)).unwrap_or_default();
    let export = Export {
        name: &args.name,
        impact: &case.impact,
        claims: &claims,
        findings: &case.findings,
        estate: &case.estate,
        created,
    };
    let all = [Format::Html, Format::Stix, Format::Opengraph, Format::Graphml];
    let wanted: BTreeSet<Format> = match args.formats.is_empty() {
        true => all.into(),
        false => args.formats.iter().copied().collect(),
    };
    let pretty = |value: serde_json::Value| serde_json::to_vec_pretty(&value).unwrap_or_default();
    let mut written = Vec::new();
    for format in wanted {
        let (name, bytes) = match format {
            Format::Html => ("report.html", page(args, &case, &claims, &cuts, created)?.into_bytes()),
            Format::Stix => ("stix.json", pretty(stix_bundle(&export))),
            Format::Opengraph => ("opengraph.json", pretty(open_graph(&export))),
            Format::Graphml => ("impact.graphml", graphml(&export).into_bytes()),
        };
        write(&args.out, name, &bytes)?;
        written.push((args.out.join(name).display().to_string(), bytes.len()));
    }
    if args.case.json {
        let files: Vec<_> = written
            .iter()
            .map(|(path, bytes)| serde_json::json!({ "path": path, "bytes": bytes }))
            .collect();
        print_json(&serde_json::json!({ "input": case.input(), "files": files }))?;
    } else {
        let lines: Vec<String> = written
            .iter()
            .map(|(path, bytes)| format!("{path}  {bytes} bytes\n"))
            .collect();
        print(&lines.concat())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn page(args: &Args, case: &Case, claims: &[Claim], cuts: &Cuts, created: Timestamp) -> Result<String, Problem> {
    let language = match args.language {
        LanguageName::De => Language::De,
        LanguageName::En => Language::En,
    };
    let found = routes(
        &case.events,
        &case.findings,
        &case.estate,
        &case.config,
        &case.impact,
        WAYS_SHOWN,
    );
    let ledger = CoverageLedger::new(&case.events, &case.estate, &case.config.accounts, &LedgerConfig::new());
    let reach = exposure(&case.events, &case.impact, &case.estate, &ledger, cuts);
    let stolen = theft(&case.events, &case.findings, &case.estate, &case.impact, &case.config);
    let annexes = vec![
        report_parts::ways(&found, language),
        report_parts::destinations(&stolen, language),
        report_parts::staging(&stolen, language),
        report_parts::data(&reach, language),
        report_parts::parties(&reach, language),
    ];
    let files: Vec<&str> = case.files.iter().filter_map(|f| f.path.rsplit('/').next()).collect();
    let source = match files.len() {
        0..=3 => files.join(", "),
        n => format!("{} + {}", files[..3].join(", "), n - 3),
    };
    let page = render_impact(&ImpactInput {
        title: args.name.clone(),
        source,
        impact: &case.impact,
        claims,
        estate: &case.estate,
        hypotheses: report_parts::hypotheses(&found),
        tracks: report_parts::tracks(&ledger),
        annexes,
        generated_at: created,
        language,
    });
    page.map_err(|error| Problem::new("LW-TRACE-014", "the report cannot be drawn", &error))
}
