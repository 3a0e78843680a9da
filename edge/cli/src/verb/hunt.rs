use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use leckwehr_control::{Behaviour, HuntError, HuntNews, HuntReport, HuntSettings, HuntState, hunt};
use leckwehr_crypt::{hex, sha256};
use leckwehr_detect::{Engine, Rules, StixExport, ocsf_finding, stix_findings};
use leckwehr_estate::Estate;
use leckwehr_incident::{Finding, Timestamp};
use serde_json::{Value, json};

use crate::hunt_text;
use crate::output::{Out, Tongue, bar, say};
use crate::problem::Problem;

/// Exit code of a hunt that was stopped and can be resumed, as shells have it for Ctrl-C.
const INTERRUPTED: u8 = 130;

/// Look for attackers in files: match Sigma rules, and with --behaviour the detectors, on everything that is recorded.
///
/// Folders are walked; the format of each file is told by its content (EVTX, JSON lines of Windows, Sysmon, Zeek, ECS, Suricata,
/// syslog, auditd, CEF, NetFlow …), packed ones (gzip, Zstandard) are read as they are. What cannot be read is counted and
/// named, never passed over in silence. Findings come in the order of the files, however many threads read. Correlations count
/// within one file.
///
/// With --state a hunt can be interrupted (Ctrl-C, or killed) and resumed by the same command: DIR/findings.jsonl then holds
/// every finding exactly once. Exit code 0: all was read, whatever was found; 130: interrupted.
///
/// Example:
///
///     leckwehr hunt evidence/ --rules sigma/rules --level high
///
///     leckwehr hunt evidence/ --rules sigma/rules --state hunt-1 --json > findings.jsonl
#[derive(clap::Args)]
pub struct Args {
    /// Files, and folders of files.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Folders or files of Sigma rules.
    #[arg(long, required = true, value_name = "DIR", num_args = 1)]
    rules: Vec<PathBuf>,
    /// Print JSON lines: a finding each ("type": "finding"), then one "type": "summary".
    #[arg(long)]
    json: bool,
    /// Least level of a rule.
    #[arg(long, value_enum, default_value_t = Level::Informational)]
    level: Level,
    /// Pass over records before this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Pass over records after this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
    /// Threads; as many as the machine has cores if not given.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Folder that keeps how far the hunt is; if it holds one, that hunt is resumed.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Run the behaviour detectors as well: log-ons, beacons, exfiltration, backups, encryption, floods.
    #[arg(long)]
    behaviour: bool,
    /// What was recorded before this time is normal to the behaviour detectors.
    #[arg(long, value_name = "TIME", requires = "behaviour")]
    learn_until: Option<Timestamp>,
    /// Folder of the estate: its names stand in the findings.
    #[arg(long, value_name = "DIR")]
    estate: Option<PathBuf>,
    /// Write the findings as OCSF Detection Findings (JSON lines) to this file.
    #[arg(long, value_name = "FILE")]
    ocsf: Option<PathBuf>,
    /// Write rules, hosts and counts as a STIX 2.1 bundle to this file.
    #[arg(long, value_name = "FILE")]
    stix: Option<PathBuf>,
    /// Language of the text.
    #[arg(long, value_enum, default_value_t)]
    lang: Tongue,
}

/// Sigma's levels.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Level {
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

impl Level {
    fn weight(self) -> u8 {
        match self {
            Self::Informational => 0,
            Self::Low => 10,
            Self::Medium => 25,
            Self::High => 40,
            Self::Critical => 90,
        }
    }
}

/// Runs the verb.
pub fn run(args: Args) -> Result<ExitCode, Problem> {
    let (rules, errors) = Rules::load(&args.rules);
    if rules.all().is_empty() && rules.correlations().is_empty() {
        let problem = Problem::plain("LW-HUNT-001", "no rule can be used");
        let problem = match errors.first() {
            Some(error) => problem.hint(error.to_string()),
            None => problem.hint("name a folder with *.yml or *.yaml files after --rules"),
        };
        return Err(problem.hint("`leckwehr rules lint DIR` names every problem"));
    }
    let settings = settings(&args, &rules)?;
    let stop = Arc::new(AtomicBool::new(false));
    watch_interrupts(&stop)?;
    let state = args
        .state
        .as_ref()
        .map(|folder| HuntState::new(folder.clone(), digest(&rules)));
    let kept = state.as_ref().map(HuntState::findings);
    let mut sink = Sink::new(&args, kept.is_none())?;
    if args.json {
        for error in &errors {
            sink.out
                .json(&json!({ "type": "rule-problem", "code": error.code(), "what": error.to_string() }))?;
        }
    }
    let outcome = hunt(&settings, state, &stop, &mut |news| sink.take(&news).map_err(Into::into));
    sink.bar.finish_and_clear();
    let report = outcome.map_err(|error| problem(&error))?;
    if let (Some(kept), Some(path)) = (&kept, &args.ocsf) {
        convert(kept, path)?;
    }
    if let Some(path) = &args.stix {
        write_stix(path, &report, &rules)?;
    }
    if args.json {
        let mut summary = json!(report);
        summary["type"] = json!("summary");
        summary["rules"] = json!({ "used": rules.all().len() + rules.correlations().len(), "problems": errors.len() });
        sink.out.json(&summary)?;
    } else {
        sink.out
            .text(&hunt_text::text(&report, &rules, &errors, args.lang.language()))?;
    }
    sink.finish()?;
    if report.interrupted {
        say(match &args.state {
            Some(_) => "interrupted; the same command goes on from here",
            None => "interrupted; with --state DIR a hunt can be resumed",
        });
        return Ok(ExitCode::from(INTERRUPTED));
    }
    Ok(ExitCode::SUCCESS)
}

fn settings(args: &Args, rules: &Rules) -> Result<HuntSettings, Problem> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    Ok(HuntSettings {
        paths: args.paths.clone(),
        engine: Engine::new(rules),
        estate: match &args.estate {
            Some(dir) => crate::verb::estate::load(dir)?,
            None => Estate::default(),
        },
        weight_min: args.level.weight(),
        from: args.from,
        to: args.to,
        threads: args.threads.unwrap_or_else(cores).max(1),
        behaviour: args.behaviour.then_some(Behaviour {
            learn_until: args.learn_until,
        }),
    })
}

/// Sets `stop` at the first Ctrl-C.
fn watch_interrupts(stop: &Arc<AtomicBool>) -> Result<(), Problem> {
    let failed = |error: std::io::Error| Problem::new("LW-HUNT-002", "the hunt cannot start", &error);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let stop = Arc::clone(stop);
    std::thread::Builder::new()
        .name("interrupts".to_owned())
        .spawn(move || {
            if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
                stop.store(true, Ordering::Relaxed);
            }
        })
        .map_err(failed)?;
    Ok(())
}

/// What the rules are: a hunt with other rules is another hunt.
fn digest(rules: &Rules) -> String {
    let mut files: Vec<String> = rules.lint().into_iter().map(|status| status.file).collect();
    files.dedup();
    let of_file = |file: &String| sha256(&std::fs::read(file).unwrap_or_default());
    hex(&sha256(&files.iter().flat_map(of_file).collect::<Vec<u8>>()))
}

/// Where findings go.
struct Sink {
    out: Out,
    json: bool,
    ocsf: Option<(PathBuf, BufWriter<File>)>,
    bar: indicatif::ProgressBar,
}

impl Sink {
    /// Exports are written as findings come, or from the state's file at the end, which holds those of earlier runs as well.
    fn new(args: &Args, as_they_come: bool) -> Result<Self, Problem> {
        let ocsf = args.ocsf.as_ref().filter(|_| as_they_come);
        let ocsf = ocsf.map(|path| Ok::<_, Problem>((path.clone(), create(path)?))).transpose()?;
        Ok(Self {
            out: Out::new(),
            json: args.json,
            ocsf,
            bar: bar(
                0,
                "{spinner} {elapsed_precise} [{bar:24}] {bytes}/{total_bytes} {binary_bytes_per_sec}  {msg}",
            ),
        })
    }

    fn take(&mut self, news: &HuntNews<'_>) -> Result<(), SinkError> {
        match news {
            HuntNews::Begun { bytes, .. } => self.bar.set_length(*bytes),
            HuntNews::Read {
                bytes,
                records,
                findings,
            } => {
                self.bar.inc(*bytes);
                self.bar.set_message(format!("{records} records, {findings} findings"));
            }
            HuntNews::Found(finding) => self.found(finding)?,
        }
        Ok(())
    }

    fn found(&mut self, finding: &Finding) -> Result<(), SinkError> {
        if let Some((path, file)) = &mut self.ocsf {
            let written = writeln!(file, "{}", ocsf_finding(finding, None));
            written.map_err(|e| SinkError(cannot_write(path, &e)))?;
        }
        if self.json {
            self.out.json(&line(finding)).map_err(SinkError)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), Problem> {
        if let Some((path, mut file)) = self.ocsf.take() {
            file.flush().map_err(|e| cannot_write(&path, &e))?;
        }
        self.out.flush()
    }
}

/// A finding as a line for programs: its time also in words.
fn line(finding: &Finding) -> Value {
    let mut value = json!(finding);
    value["type"] = json!("finding");
    value["time"] = json!(finding.at.to_string());
    value
}

/// A problem of the sink, on its way through the hunt.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.summary)]
struct SinkError(Problem);

fn create(path: &Path) -> Result<BufWriter<File>, Problem> {
    File::create(path).map(BufWriter::new).map_err(|e| cannot_write(path, &e))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new("LW-HUNT-003", format!("{} cannot be written", path.display()), error)
        .hint("check the folder and the disk's room")
}

/// Writes the findings that the state's file holds as OCSF.
fn convert(kept: &Path, path: &Path) -> Result<(), Problem> {
    let bad = |e: std::io::Error| cannot_write(path, &e);
    let mut file = create(path)?;
    for line in BufReader::new(File::open(kept).map_err(bad)?).lines() {
        let finding: Finding = serde_json::from_str(&line.map_err(bad)?).map_err(|e| bad(e.into()))?;
        writeln!(file, "{}", ocsf_finding(&finding, None)).map_err(bad)?;
    }
    file.flush().map_err(bad)
}

fn write_stix(path: &Path, report: &HuntReport, rules: &Rules) -> Result<(), Problem> {
    let fired = rules.all().iter().filter(|rule| report.tally.rules.contains_key(&rule.id));
    let texts = fired.filter_map(|rule| Some((rule.id.clone(), std::fs::read_to_string(&rule.file).ok()?)));
    let texts: BTreeMap<String, String> = texts.collect();
    // The bundle is of the time of the last finding: the same hunt gives the same bundle.
    let created = report.tally.rules.values().map(|rule| rule.last).max().unwrap_or_default();
    let bundle = stix_findings(&StixExport {
        name: "leckwehr hunt",
        provider: "Leckwehr",
        created,
        tally: &report.tally,
        alarms: &[],
        rule_texts: &texts,
    });
    let written = std::fs::write(path, bundle.to_string() + "\n");
    written.map_err(|e| cannot_write(path, &e))
}

fn problem(error: &HuntError) -> Problem {
    match error {
        HuntError::NoFile => {
            Problem::new("LW-HUNT-004", "there is nothing to hunt in", error).hint("name files or folders with files")
        }
        HuntError::Path { .. } => Problem::new("LW-HUNT-004", "there is nothing to hunt in", error).hint("check the path"),
        HuntError::TooManyFiles => {
            Problem::new("LW-HUNT-005", "the hunt is too large", error).hint("hunt in one folder after the other")
        }
        HuntError::State { .. } => Problem::new("LW-HUNT-006", "the hunt cannot keep its state", error)
            .hint("check that the folder of --state may be written and that the disk has room"),
        HuntError::OtherHunt { .. } => Problem::new("LW-HUNT-007", "the hunt cannot be resumed", error)
            .hint("give the same paths, rules and options as before, or a new folder after --state"),
        HuntError::Sink(_) => Problem::new("LW-HUNT-003", "findings cannot be written", error).hint("check the disk's room"),
        HuntError::Detectors(_) => Problem::new("LW-HUNT-006", "the detectors' state cannot be used", error)
            .hint("begin again with a new folder after --state"),
    }
}
