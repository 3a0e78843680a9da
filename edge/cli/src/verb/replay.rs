use std::io::{ErrorKind, IsTerminal, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use leckwehr_contain::{Scale, TakedownPolicy};
use leckwehr_control::{ReplayError, ReplayNews, ReplaySettings, replay};
use leckwehr_crypt::{SigningKey, from_hex};
use leckwehr_incident::Timestamp;
use leckwehr_publish::Language;
use leckwehr_telemetry::IntakeError;

use crate::problem::Problem;
use crate::replay_text;

/// Run the whole chain on a recorded incident: who was where, what to cut, how to come back, what to say.
///
/// Reads telemetry files (Zeek, ECS or Windows event records as JSON lines; plain, .gz or .zst; folders of them), and
/// writes into --out: the alarms and the analysis with what it cannot know, four graded takedown options, the takedown and
/// restoration plans, the status site, a report to read in a browser, and a ledger of every fact. Nothing is cut, nothing
/// is restored, nothing is published, and nothing leaves this machine.
///
/// Example: write a small estate of the hosts in the recording (examples/apt29/estate.toml is one), then
///
///     leckwehr replay --estate examples/apt29 --out day1 apt29-day1.zeek.jsonl
///
/// and open day1/report.html. `leckwehr ledger verify day1/ledger` checks the ledger.
///
/// Equal telemetry and estate give an equal situation.json, byte for byte. Exit code 0: replayed, whatever was found. 2: it
/// could not be.
#[derive(clap::Args)]
pub struct Args {
    /// Telemetry files, and folders of them (*.json, *.jsonl, *.ndjson, *.log, each also .gz or .zst).
    #[arg(required = true)]
    telemetry: Vec<PathBuf>,
    /// Folder of the estate.
    #[arg(long, value_name = "DIR")]
    estate: PathBuf,
    /// Folder to write, which must not exist or be empty.
    #[arg(long, value_name = "DIR", default_value = "leckwehr-replay")]
    out: PathBuf,
    /// How much the planned takedown cuts; the other options are computed and shown as well.
    #[arg(long, value_enum, default_value = "surgical")]
    scale: ScaleName,
    /// When the provider became aware (RFC 3339); deadlines run from then. The first of the loudest alarms if not given.
    #[arg(long, value_name = "TIME")]
    aware: Option<Timestamp>,
    /// Language of the report.
    #[arg(long, value_enum, default_value = "en")]
    language: LanguageName,
    /// File with the ledger's key, 64 hex digits; a fresh key that nobody keeps if not given.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Print the summary as one JSON object.
    #[arg(long)]
    json: bool,
}

/// How much is cut.
#[derive(Clone, Copy, clap::ValueEnum)]
enum ScaleName {
    /// The hosts where the attacker was or probably was, and the connections he used.
    Surgical,
    /// Their whole zones.
    Compartment,
    /// Their whole sites.
    Site,
    /// Everything with a guard.
    Everything,
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
pub fn run(args: Args) -> Result<ExitCode, Problem> {
    let settings = ReplaySettings {
        estate: crate::verb::estate::load(&args.estate)?,
        ledger_key: ledger_key(args.key_file.as_ref())?,
        site_key: fresh_key()?,
        policy: TakedownPolicy {
            scale: match args.scale {
                ScaleName::Surgical => Scale::Surgical,
                ScaleName::Compartment => Scale::Compartment,
                ScaleName::Site => Scale::Site,
                ScaleName::Everything => Scale::Everything,
            },
            ..TakedownPolicy::default()
        },
        aware: args.aware,
        language: match args.language {
            LanguageName::De => Language::De,
            LanguageName::En => Language::En,
        },
        telemetry: args.telemetry,
        out: args.out,
    };
    let progress = Progress::new();
    let outcome = replay(&settings, &mut |news| progress.show(&news));
    progress.finish();
    let summary = outcome.map_err(|error| replay_problem(&error))?.summary;
    if args.json {
        let text = serde_json::to_string_pretty(&summary);
        print(&(text.map_err(|e| Problem::new("LW-REPLAY-002", "the summary cannot be written", &e))? + "\n"))?;
    } else {
        print(&replay_text::text(&summary, &settings.estate))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn fresh_key() -> Result<SigningKey, Problem> {
    SigningKey::generate().map_err(|e| Problem::new("LW-REPLAY-007", "no key could be made", &e).hint("check /dev/urandom"))
}

fn ledger_key(file: Option<&PathBuf>) -> Result<SigningKey, Problem> {
    let Some(file) = file else { return fresh_key() };
    let summary = || format!("{} holds no key", file.display());
    let text = std::fs::read_to_string(file).map_err(|e| Problem::new("LW-REPLAY-007", summary(), &e))?;
    let seed: Option<[u8; 32]> = from_hex(text.trim()).and_then(|bytes| bytes.try_into().ok());
    let key = seed.and_then(|seed| SigningKey::from_seed(&seed).ok());
    key.ok_or_else(|| Problem::plain("LW-REPLAY-007", summary()).hint("give a file with 64 hex digits: openssl rand -hex 32"))
}

/// Says what to do about it.
pub(super) fn replay_problem(error: &ReplayError) -> Problem {
    let problem = Problem::new(error.code(), "the recording cannot be replayed", error);
    match error {
        ReplayError::Occupied(_) => problem.hint("name a new folder with --out, or empty this one"),
        ReplayError::Write { .. } => problem.hint("check that the folder may be written and that the disk has room"),
        ReplayError::NoFile { .. } => {
            problem.hint("name the files themselves: a file that is named is read whatever it is called")
        }
        ReplayError::NoRecord { .. } => problem.hint("give Zeek, ECS or Windows event records as JSON, one record a line"),
        ReplayError::TooManyFiles | ReplayError::TooManyEvents => {
            problem.hint("replay one day at a time: a folder for each, and one --out for each")
        }
        ReplayError::Intake(IntakeError::Open { .. }) => {
            problem.hint("mend the path or the permissions, or leave the file out; nothing was written yet")
        }
        ReplayError::Control(_) => problem.hint("look at what was written so far, then replay into a new folder"),
        _ => problem,
    }
}

/// Writes to stdout; a reader that has seen enough (`| head`) is no error. Telemetry may carry control characters that a
/// terminal would obey: they are left out.
fn print(text: &str) -> Result<(), Problem> {
    let mut text = text.to_owned();
    text.retain(|c| c == '\n' || !c.is_control());
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Problem::new("LW-REPLAY-008", "cannot write to stdout", &error))
        }
        _ => Ok(()),
    }
}

/// How far it is: a bar over the files on a terminal, nothing elsewhere.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} [{bar:24}] {prefix}  {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar }
    }

    pub(super) fn show(&self, news: &ReplayNews) {
        let Some(bar) = &self.bar else { return };
        match news {
            ReplayNews::File { number, of, path } => {
                bar.set_length(*of as u64);
                bar.set_position(*number as u64 - 1);
                bar.set_prefix(format!("reading {number} of {of}: {path}"));
            }
            ReplayNews::Events { total } => bar.set_message(format!("{total} events")),
            ReplayNews::Stage { what } => {
                bar.set_position(bar.length().unwrap_or(0));
                bar.set_prefix(*what);
            }
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
