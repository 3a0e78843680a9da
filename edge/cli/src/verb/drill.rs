use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use indicatif::{ProgressBar, ProgressStyle};
use leckwehr_incident::Timestamp;
use leckwehr_publish::Language;
use leckwehr_publish::report::{NetworkMode, ReportInput, ScoreRow, TruthEvent, Verdict, render};
use leckwehr_range::{
    Act, Books, DrillConfig, HOSTS_MAX, HOSTS_MIN, LaunchError, News, Played, Scenario, Score, check, launch_real,
    launch_simulated, score,
};

use crate::problem::Problem;
use crate::{builtin, workplace};

/// What stands in the JSON object.
const SCORE: &str = "\
Fields of the score (--json); * decides whether the drill passed, \"true\" is what really happened:
  passed, because       the verdict, and every reason against it
  network, seed, hosts_built
                        real or simulated; what to repeat it with; systems in the miniature
  seconds               build, detect (first act to first alarm), contain (alarm to proven cut), analyse, restore, teardown, total
* hosts                 true, found (as proven, probable or possible), missed*, wrong (proven or probable without reason),
                        hypothesis (found as possible only), possible (all that were named possible, true or not)
  credentials           true (used with success), found, missed
* packets_after_cut     packets that a witness behind the cut saw passing it
* acts_after_cut        what the attacker still got done after the cut, by his diary
  packets_stopped       attempts that the cut stopped
* bytes_out             true, bound (claimed for all exits)*, bound_attacker (for addresses named as his)
* messages              eAU: sent, accepted (receipt given), lost*, duplicated*
* files                 damaged, restored, lost*
  service_minutes       lost, planned
* restoration           systems (put back on the grid), gates_skipped*, gates_decided (by people), restored_over_newer*,
                        replanned, first_forecasts and forecasts: made, p50_met, p90_met (services that were back by
                        the median, and by the time foretold for nine of ten cases)
* payments              emergency runs while services are cut: orders, paid_once*, too_many*, failures*
* ledger                entries, verified (with the key given to the control room; a replay gives the situation that it held)*
* claims                made, untrue*, untrue_because, unchecked (about services that nothing in the range uses),
                        unchecked_claims; a service counts as working if people really used it after the recovery
* false_alarms          raised (warning or above, before the attack), takedown (critical)*, alarms
* site_copies_verified  copies of the status site that a stranger verified and that are the last one published
* site_copies_stale     copies that verified but are older
  open_decisions        what the control room leaves to people
  unknown               what it says it cannot know or do";

/// Drill the whole chain against a real attack on a miniature of an estate, and get a score.
///
/// Builds hosts, routers and cables in network namespaces of its own (no root needed, nothing outside is touched), puts
/// people to work on them, and lets an attacker loose who enters over a vendor's remote maintenance, moves from host to
/// host with stolen credentials, steals files, deletes backups, encrypts and floods. The control room detects, plans, gets
/// two approvals, cuts at the guards, proves the cut, analyses, restores and publishes. Then its word is held against the
/// attacker's diary.
///
/// Exit code 0: nothing lost, nothing untrue said, no packet through the cut, no compromised host missed, no takedown for
/// nothing. 1: it was not so. 2: the drill could not be run.
#[derive(clap::Args)]
#[command(after_long_help = SCORE)]
pub struct Args {
    /// Hosts of the provider.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(HOSTS_MIN as i64..=HOSTS_MAX as i64))]
    hosts: u32,
    /// Decides the attacker's way and everything else that is left to chance; a new one each time if not given.
    #[arg(long)]
    seed: Option<u64>,
    /// What the attacker is after.
    #[arg(long, value_enum, default_value = "ransom")]
    scenario: ScenarioName,
    /// Estate to take the miniature from; the made-up provider that comes with the program if not given.
    #[arg(long, value_name = "DIR")]
    estate: Option<PathBuf>,
    /// Keep everything that was written (hosts, ledger, site, report) in this folder, which must not exist or be empty.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Where the HTML report goes; `leckwehr-drill.html` in the folder for temporary files if not given.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// How long the two people who approve look at each plan, in milliseconds. The attacker goes on meanwhile.
    #[arg(long, default_value_t = 800, value_parser = clap::value_parser!(u64).range(0..=60_000))]
    decide_ms: u64,
    /// Before everything is taken down, wait until Enter is pressed.
    #[arg(long)]
    pause: bool,
    /// Use a simulated network inside this process, where namespaces are forbidden. The report says so.
    #[arg(long)]
    simulated: bool,
    /// Print the score as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Names of the scenarios.
#[derive(Clone, Copy, clap::ValueEnum)]
enum ScenarioName {
    /// Steal, delete backups, encrypt, flood.
    Ransom,
    /// Steal, delete backups, flood; encrypt nothing.
    Wiper,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<ExitCode, Problem> {
    workplace::remove_stale();
    let place = workplace::Workplace::open(args.keep.as_deref())?;
    let config = DrillConfig {
        estate: match &args.estate {
            Some(dir) => crate::verb::estate::load(dir)?,
            None => builtin::essen()?,
        },
        hosts: args.hosts as usize,
        seed: args.seed.unwrap_or_else(fresh_seed),
        scenario: match args.scenario {
            ScenarioName::Ransom => Scenario::Ransom,
            ScenarioName::Wiper => Scenario::Wiper,
        },
        folder: place.folder().to_owned(),
        decide_ms: args.decide_ms,
        pause: args.pause,
    };
    check(&config).map_err(|error| {
        Problem::new("LW-RANGE-007", "this estate cannot be drilled", &error)
            .hint(error.remedy())
            .hint(
                "docs/estate.md says what a drill needs; `leckwehr drill` without --estate uses the provider that comes with it",
            )
    })?;
    let report = args.report.clone().unwrap_or_else(|| match &args.keep {
        Some(folder) => folder.join("report.html"),
        None => std::env::temp_dir().join("leckwehr-drill.html"),
    });
    if let Some(folder) = report.parent() {
        std::fs::create_dir_all(folder).map_err(|error| {
            Problem::new(
                "LW-RANGE-005",
                format!("the report cannot go to {}", report.display()),
                &error,
            )
        })?;
    }
    let progress = Progress::new();
    let launch = if args.simulated { launch_simulated } else { launch_real };
    let played = launch(&config, |news| progress.show(&news), wait_for_enter).map_err(|error| launch_problem(&error))?;
    progress.finish();
    let control = place.folder().join("control");
    let books = Books::open(&control, &played)
        .map_err(|error| Problem::new("LW-RANGE-004", "the drill's ledger cannot be read", &error))?;
    let network = if args.simulated { "simulated" } else { "real" };
    let score = score(&played, &books, network, config.seed);
    write_report(&report, &config, &played, &books, &score, args.simulated)?;
    if args.keep.is_some() {
        keep_truth(place.folder(), &played, &books)?;
    }
    print(&score, &report, args.json)?;
    Ok(if score.passed { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

#[expect(clippy::disallowed_methods, reason = "a drill without a seed is a new one each time")]
fn fresh_seed() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .subsec_nanos()
        .into()
}

fn launch_problem(error: &LaunchError) -> Problem {
    match error {
        LaunchError::Forbidden { remedies, .. } => {
            let mut problem = Problem::new("LW-RANGE-001", "the drill cannot make its own network on this machine", error);
            for remedy in remedies {
                problem = problem.hint(remedy);
            }
            problem.hint("leckwehr drill --simulated    (the same on an in-process network, labelled as such)")
        }
        LaunchError::Interrupted => Problem::new("LW-RANGE-002", "the drill was stopped; everything is taken down", error),
        _ => Problem::new("LW-RANGE-003", "the drill did not come to its end", error)
            .hint("run it again with --keep DIR and look at what is there, or with --simulated"),
    }
}

fn wait_for_enter() -> io::Result<()> {
    io::stdin().lock().read_line(&mut String::new()).map(drop)
}

fn write_report(
    path: &Path,
    config: &DrillConfig,
    played: &Played,
    books: &Books,
    score: &Score,
    simulated: bool,
) -> Result<(), Problem> {
    let bad = |error: &dyn std::error::Error| Problem::new("LW-RANGE-005", "the report cannot be written", error);
    let input = ReportInput {
        title: "Leckwehr: drill".into(),
        source: format!(
            "scenario {:?}, seed {}, {} hosts",
            config.scenario, config.seed, score.hosts_built
        ),
        mode: if simulated {
            NetworkMode::Simulated
        } else {
            NetworkMode::Real
        },
        situation: &books.situation,
        estate: &played.estate,
        score: rows(score),
        truth: truth(played),
        annexes: Vec::new(),
        published: books.published(),
        ledger_size: books.entries,
        checkpoint: books.root.clone(),
        generated_at: books.situation.as_of,
        language: Language::En,
    };
    let html = render(&input).map_err(|e| bad(&e))?;
    std::fs::write(path, html).map_err(|e| bad(&e))
}

/// The attacker's diary for the timeline; a flood of equal acts is one line each second.
fn truth(played: &Played) -> Vec<TruthEvent> {
    let mut events: Vec<TruthEvent> = Vec::new();
    let mut last: Option<(Act, String, Timestamp)> = None;
    for entry in &played.truth.diary {
        let host = played
            .truth
            .systems
            .get(&entry.host)
            .cloned()
            .unwrap_or_else(|| entry.host.to_string());
        let same = last
            .as_ref()
            .is_some_and(|(act, on, at)| *act == entry.act && *on == host && entry.at.seconds_since(*at) < 1.0);
        if !same {
            let failed = if entry.done { "" } else { " (failed)" };
            let text = format!("{:?} {host} {}{failed}", entry.act, entry.account).to_lowercase();
            events.push(TruthEvent {
                at: entry.at,
                actor: "attacker".into(),
                text,
            });
            last = Some((entry.act, host, entry.at));
        }
    }
    events
}

fn rows(score: &Score) -> Vec<ScoreRow> {
    let row = |name: &str, value: String, target: &str, good: Option<bool>| ScoreRow {
        name: name.into(),
        value,
        target: target.into(),
        verdict: match good {
            Some(true) => Verdict::Pass,
            Some(false) => Verdict::Fail,
            None => Verdict::Unknown,
        },
    };
    let s = score;
    vec![
        row(
            "time to detect",
            format!("{:.2} s", s.seconds.detect),
            "before the damage is done",
            None,
        ),
        row(
            "time from alarm to proven cut",
            format!("{:.2} s", s.seconds.contain),
            "as short as people allow",
            None,
        ),
        row(
            "packets after the cut",
            s.packets_after_cut.to_string(),
            "0",
            Some(s.packets_after_cut == 0),
        ),
        row(
            "attacker's acts after the cut",
            s.acts_after_cut.to_string(),
            "0",
            Some(s.acts_after_cut == 0),
        ),
        row("attempts stopped at the cut", s.packets_stopped.to_string(), "counted", None),
        row(
            "compromised hosts",
            format!(
                "{} true, {} found ({} as hypothesis, of {}), {} missed, {} wrong",
                s.hosts.truth, s.hosts.found, s.hosts.hypothesis, s.hosts.possible, s.hosts.missed, s.hosts.wrong
            ),
            "none missed",
            Some(s.hosts.missed == 0),
        ),
        row(
            "stolen credentials",
            format!(
                "{} true, {} found, {} missed",
                s.credentials.truth, s.credentials.found, s.credentials.missed
            ),
            "named and changed",
            None,
        ),
        row(
            "bytes out",
            format!("{} true, bound {}", s.bytes_out.truth, s.bytes_out.bound),
            "bound holds",
            Some(s.bytes_out.bound >= s.bytes_out.truth),
        ),
        row(
            "messages (eAU)",
            format!(
                "{} sent, {} accepted, {} lost, {} duplicated",
                s.messages.sent, s.messages.accepted, s.messages.lost, s.messages.duplicated
            ),
            "none lost, none twice",
            Some(s.messages.lost + s.messages.duplicated == 0),
        ),
        row(
            "files",
            format!(
                "{} damaged, {} restored, {} lost",
                s.files.damaged, s.files.restored, s.files.lost
            ),
            "none lost",
            Some(s.files.lost == 0),
        ),
        row(
            "service minutes",
            format!("{:.2} lost, {:.2} planned", s.service_minutes.lost, s.service_minutes.planned),
            "as planned",
            None,
        ),
        row(
            "restoration",
            format!(
                "{} systems back, {} gates skipped, {} files over newer ones, {} of {} first forecasts met at P90, {} at P50",
                s.restoration.systems,
                s.restoration.gates_skipped,
                s.restoration.restored_over_newer,
                s.restoration.first_forecasts.p90_met,
                s.restoration.first_forecasts.made,
                s.restoration.first_forecasts.p50_met
            ),
            "none skipped, none over newer",
            Some(s.restoration.gates_skipped + s.restoration.restored_over_newer == 0),
        ),
        row(
            "emergency payments",
            format!(
                "{} due, {} paid once, {} too many, in two runs",
                s.payments.orders, s.payments.paid_once, s.payments.too_many
            ),
            "each once",
            Some(s.payments.paid_once == s.payments.orders && s.payments.too_many == 0 && s.payments.failures.is_empty()),
        ),
        row(
            "ledger",
            format!("{} entries", s.ledger.entries),
            "verified and replayed",
            Some(s.ledger.verified),
        ),
        row(
            "claims",
            format!(
                "{} made, {} untrue, {} not checked",
                s.claims.made, s.claims.untrue, s.claims.unchecked
            ),
            "none untrue",
            Some(s.claims.untrue == 0),
        ),
        row(
            "false alarms",
            format!(
                "{} before the attack, {} that would start a takedown",
                s.false_alarms.raised, s.false_alarms.takedown
            ),
            "none that starts a takedown",
            Some(s.false_alarms.takedown == 0),
        ),
        row(
            "status site",
            format!(
                "{} copies verified from outside, {} stale",
                s.site_copies_verified, s.site_copies_stale
            ),
            "at least one, none stale",
            Some(s.site_copies_verified > 0 && s.site_copies_stale == 0),
        ),
    ]
}

fn keep_truth(folder: &Path, played: &Played, books: &Books) -> Result<(), Problem> {
    let bad = |error: &dyn std::error::Error| Problem::new("LW-RANGE-005", "the drill's folder cannot be written", error);
    let truth = serde_json::to_vec_pretty(&played.truth).map_err(|e| bad(&e))?;
    std::fs::write(folder.join("truth.json"), truth).map_err(|e| bad(&e))?;
    std::fs::write(folder.join("situation.json"), books.situation.to_json()).map_err(|e| bad(&e))
}

#[expect(clippy::print_stdout, reason = "stdout is data")]
fn print(score: &Score, report: &Path, json: bool) -> Result<(), Problem> {
    if json {
        let text = serde_json::to_string_pretty(score);
        println!(
            "{}",
            text.map_err(|e| Problem::new("LW-RANGE-005", "the score cannot be written", &e))?
        );
        return Ok(());
    }
    println!(
        "drill on a {} network, {} hosts, seed {}\n",
        score.network.to_uppercase(),
        score.hosts_built,
        score.seed
    );
    for row in rows(score) {
        let mark = match row.verdict {
            Verdict::Pass => "ok  ",
            Verdict::Fail => "FAIL",
            _ => "    ",
        };
        println!("{mark}  {:<32} {}  [{}]", row.name, row.value, row.target);
    }
    let s = score.seconds;
    println!(
        "\nseconds: build {:.1}, detect {:.1}, contain {:.1}, analyse {:.1}, restore {:.1}, teardown {:.1}, total {:.1}",
        s.build, s.detect, s.contain, s.analyse, s.restore, s.teardown, s.total
    );
    for line in &score.open_decisions {
        println!("left to people: {line}");
    }
    for line in &score.unknown {
        println!("unknown: {line}");
    }
    for claim in &score.claims.unchecked_claims {
        println!("not checked, because nothing in the range uses the service: {claim}");
    }
    for alarm in &score.false_alarms.alarms {
        println!("false alarm: {alarm}");
    }
    for why in score.because.iter().chain(&score.claims.untrue_because) {
        println!("because: {why}");
    }
    println!(
        "report: {}\n{}",
        report.display(),
        if score.passed { "PASSED" } else { "NOT PASSED" }
    );
    Ok(())
}

/// Stages that a drill goes through when nothing is declared twice; the bar waits at the end for those that are.
const STAGES: u64 = 12;

/// How it goes: a bar on a terminal, lines elsewhere.
struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(STAGES);
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} [{bar:20}] {prefix}  {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(std::time::Duration::from_millis(120));
            bar
        });
        Self { bar }
    }

    #[expect(clippy::print_stderr, reason = "stderr is talk")]
    fn show(&self, news: &News) {
        match (&self.bar, news) {
            (Some(bar), News::Stage { text }) => {
                bar.println(format!("  {text}"));
                bar.set_prefix(text.clone());
                bar.inc(1);
                bar.set_message("");
            }
            (Some(bar), News::Note { text }) => bar.set_message(text.clone()),
            (Some(bar), News::Paused { text }) => bar.suspend(|| eprintln!("paused: {text}. Press Enter to go on.")),
            (None, News::Stage { text }) => eprintln!("{text}"),
            (None, News::Paused { text }) => eprintln!("paused: {text}. Press Enter to go on."),
            (None, News::Note { .. }) => {}
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
