use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use leckwehr_range::proving::{DayConfig, Proof, SUBJECTS, Section, markdown, prove};

use crate::builtin;
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Seeds of one run at most: each takes about half a minute.
const SEEDS_MAX: u64 = 100;

/// Measure the behaviour detectors on generated traffic with known truth.
///
/// Prints a row per kind of attack at the default threshold; --markdown writes the whole page docs/detectors.md with all
/// thresholds, --json the same for programs. Equal seeds give equal bytes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// First seed from which the traffic follows.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seeds, from --seed on.
    #[arg(long, value_name = "N", default_value_t = 3)]
    seeds: u64,
    /// Prove one subject only; may be given several times.
    #[arg(long, value_name = "SUBJECT", value_parser = clap::builder::PossibleValuesParser::new(SUBJECTS))]
    only: Vec<String>,
    /// Days to learn before the benign day.
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u8).range(1..=28))]
    learn_days: u8,
    /// Hosts of the provider on the benign day.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u8).range(16..=200))]
    hosts: u8,
    /// Print one JSON object.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print the page with all thresholds.
    #[arg(long)]
    markdown: bool,
}

/// Runs the measurement.
pub(super) fn run(args: &Args) -> Result<ExitCode, Problem> {
    if args.seeds == 0 || args.seeds > SEEDS_MAX {
        let problem = Problem::plain("LW-BENCH-001", format!("--seeds {} cannot be measured", args.seeds));
        return Err(problem.hint(format!("take 1 to {SEEDS_MAX}")));
    }
    let estate = builtin::essen()?;
    let day = DayConfig {
        hosts: usize::from(args.hosts),
        learn_days: usize::from(args.learn_days),
    };
    let wanted = |subject: &str| args.only.is_empty() || args.only.iter().any(|only| only == subject);
    let mut proof = Proof {
        seeds: (0..args.seeds).map(|n| args.seed.wrapping_add(n)).collect(),
        sections: Vec::new(),
    };
    let bar = ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner());
    bar.enable_steady_tick(Duration::from_millis(120));
    for subject in SUBJECTS.into_iter().filter(|subject| wanted(subject)) {
        bar.set_message(format!("proving {subject}"));
        let sections = prove(subject, &proof.seeds, &estate, day);
        let failed = |e| Problem::new("LW-BENCH-003", format!("{subject} cannot be proved"), &e);
        proof
            .sections
            .extend(sections.map_err(|e| failed(e).hint("try another number of --hosts"))?);
    }
    bar.finish_and_clear();
    match (args.json, args.markdown) {
        (true, _) => print_json(&proof)?,
        (_, true) => print(&markdown(&proof))?,
        _ => print(&text(&proof))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// One row per kind of attack, at the default threshold.
fn text(proof: &Proof) -> String {
    let mut text = format!("seeds {:?}; all thresholds: --markdown\n", proof.seeds);
    for section in &proof.sections {
        match section {
            Section::Curve(curve) => {
                let _ = writeln!(
                    text,
                    "\n{} (score: {}; threshold {}; {} benign)\n{:<62} {:>5} {:>6} {:>7} {:>9} {:>6} {:>9}",
                    curve.detector,
                    curve.score,
                    curve.threshold,
                    curve.benign,
                    "attack",
                    "n",
                    "TPR",
                    "FPR",
                    "precision",
                    "AUC",
                    "delay s"
                );
                for point in curve.points.iter().filter(|p| p.threshold == curve.threshold) {
                    let delay = point.delay_s.map_or_else(|| "-".to_owned(), |s| format!("{s:.0}"));
                    let _ = writeln!(
                        text,
                        "{:<62} {:>5} {:>6.3} {:>7.4} {:>9.3} {:>6.3} {delay:>9}",
                        point.class, point.attacks, point.tpr, point.fpr, point.precision, point.auc
                    );
                }
            }
            Section::Formats { ways, formats } => {
                let _ = writeln!(text, "\nShare of files found, by format: benign, {}", ways.join(", "));
                for format in formats {
                    let shares: Vec<String> = format.tpr.iter().map(|tpr| format!("{tpr:>5.2}")).collect();
                    let _ = writeln!(text, "{:<12} {:>5.2} {}", format.format, format.fpr, shares.join(" "));
                }
            }
            Section::Days(days) => {
                let _ = writeln!(text, "\nBenign day: alarms by level");
                for day in &days.days {
                    let _ = writeln!(
                        text,
                        "seed {}: {} events, notice {}, warning {}, critical {} {}",
                        day.seed,
                        day.events,
                        day.notices,
                        day.warnings,
                        day.criticals,
                        day.loud.join("; ")
                    );
                }
            }
        }
    }
    text
}
