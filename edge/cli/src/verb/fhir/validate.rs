use std::fs::File;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use leckwehr_fhir::source::{Limits, read_bounded};
use leckwehr_fhir::validate::{Language, Report, ReportIssue, Request, Severity, Verdict, missing_text};
use serde_json::{Value, json};

use super::{Lang, Packages, note};
use crate::problem::Problem;
use crate::verb::trace::print;

/// Validate documents: valid, invalid with rule and place, or unknown with what is missing.
///
/// Exit code 0: all are valid. 1: one is invalid or unknown. 2: one could not be read. Nothing of a document but
/// places is printed.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    packages: Packages,
    /// A profile that each document must conform to beside those that it claims.
    #[arg(long, value_name = "URL")]
    profile: Option<String>,
    /// Language of the messages.
    #[arg(long, value_enum, default_value = "en")]
    lang: Lang,
    /// Print one JSON object per file, a line each: file, verdict, issues.
    #[arg(long)]
    json: bool,
    /// Print one OperationOutcome (FHIR JSON) per file, a line each.
    #[arg(long, conflicts_with = "json")]
    outcome: bool,
    /// Tell warnings and remarks too.
    #[arg(long)]
    all: bool,
    /// Documents, XML or JSON, or folders of them.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let validator = args.packages.validator()?;
    let mut files = Vec::new();
    for path in &args.files {
        collect(path, &mut files)?;
    }
    let bar = progress(files.len());
    let request = Request {
        profile: args.profile.clone(),
        explain: false,
        remarks: args.all,
    };
    let (mut counts, mut unread) = ([0usize; 3], 0usize);
    for file in &files {
        bar.as_ref().inspect(|b| b.inc(1));
        let bytes = match read(file) {
            Ok(bytes) => bytes,
            Err(detail) => {
                unread += 1;
                note(&format!("LW-FHIR-032 {}: {detail}", file.display()));
                continue;
            }
        };
        let report = validator.validate(bytes, &request);
        counts[report.verdict as usize] += 1;
        print(&text_of(args, file, &report))?;
    }
    bar.inspect(ProgressBar::finish_and_clear);
    let [valid, invalid, unknown] = counts;
    if files.len() > 1 && !args.json && !args.outcome {
        let total = files.len();
        print(&format!(
            "{total} files: {valid} valid, {invalid} invalid, {unknown} unknown, {unread} not read\n"
        ))?;
    }
    Ok(match (unread, invalid + unknown) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(1),
        _ => ExitCode::from(2),
    })
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    let limits = Limits::default();
    let open = File::open(file).map_err(|e| e.to_string())?;
    read_bounded(open, &limits).map_err(|e| e.to_string())
}

/// Files as they are named; of folders the `.xml` and `.json` files, in order of name.
pub(crate) fn collect(path: &Path, into: &mut Vec<PathBuf>) -> Result<(), Problem> {
    if !path.is_dir() {
        into.push(path.to_owned());
        return Ok(());
    }
    let bad = |e: std::io::Error| {
        Problem::new("LW-FHIR-032", format!("{} cannot be read", path.display()), &e).hint("check the name and who may read it")
    };
    let entries: Result<Vec<PathBuf>, _> = std::fs::read_dir(path).map_err(bad)?.map(|e| e.map(|e| e.path())).collect();
    let mut paths = entries.map_err(bad)?;
    paths.sort();
    for path in paths {
        let is_document = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("xml") || e.eq_ignore_ascii_case("json"));
        if path.is_dir() && !path.is_symlink() || is_document {
            collect(&path, into)?;
        }
    }
    Ok(())
}

fn progress(files: usize) -> Option<ProgressBar> {
    let wanted = files > 1 && std::io::stderr().is_terminal();
    wanted.then(|| {
        let bar = ProgressBar::new(files as u64);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} [{bar:24}] {pos} of {len}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    })
}

fn text_of(args: &Args, file: &Path, report: &Report) -> String {
    let language = args.lang.language();
    if args.outcome {
        return report.operation_outcome(language).to_string() + "\n";
    }
    if args.json {
        return json_of(file, report, language).to_string() + "\n";
    }
    let mut text = format!("{:<8} {}", word(report.verdict, language), file.display());
    if !report.set.is_empty() {
        text += &format!("  ({})", report.set);
    }
    text.push('\n');
    let least = match (args.all, report.verdict) {
        (true, _) => Severity::Information,
        (false, Verdict::Unknown) => Severity::Warning,
        (false, _) => Severity::Error,
    };
    for issue in report.issues.iter().filter(|i| i.severity >= least) {
        text += &line_of(issue, language);
    }
    if report.verdict == Verdict::Unknown || args.all {
        for missing in &report.missing {
            text += &format!("    {}\n", missing_text(missing, language));
        }
    }
    text
}

fn line_of(issue: &ReportIssue, language: Language) -> String {
    let place = issue.place;
    let mut line = format!("    {}:{} {} ", place.line, place.column, issue.location);
    line += &format!(
        "{}: {} [{}",
        issue.severity.code(),
        issue.fault.text(language),
        issue.fault.key()
    );
    if let Some(profile) = &issue.profile {
        line += &format!(", {profile}#{}", issue.element.as_deref().unwrap_or_default());
    }
    line + "]\n"
}

fn word(verdict: Verdict, language: Language) -> &'static str {
    match (verdict, language) {
        (_, Language::English) => verdict.text(),
        (Verdict::Valid, Language::German) => "gültig",
        (Verdict::Invalid, Language::German) => "ungültig",
        (Verdict::Unknown, Language::German) => "unklar",
    }
}

fn json_of(file: &Path, report: &Report, language: Language) -> Value {
    let issues = report.issues.iter().map(|issue| {
        json!({
            "severity": issue.severity.code(),
            "code": issue.fault.issue_type(),
            "key": issue.fault.key(),
            "location": issue.location,
            "line": issue.place.line,
            "column": issue.place.column,
            "profile": issue.profile,
            "element": issue.element,
            "text": issue.fault.text(language),
        })
    });
    json!({
        "file": file.display().to_string(),
        "verdict": report.verdict.text(),
        "set": report.set,
        "issues": issues.collect::<Vec<_>>(),
        "missing": report.missing.iter().map(|m| missing_text(m, language)).collect::<Vec<_>>(),
    })
}
