use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use leckwehr_incident::Timestamp;
use leckwehr_trace::certificate::{
    Basis, Certificate, CertificateError, CounterRoute, Level, Outside, Question, Verdict, WhyNot, certify, estate_bytes,
};

use super::{Case, CaseArgs, LedgerArgs, print, print_json};
use crate::problem::Problem;

/// The certificate, in the folder that --out names.
pub(super) const CERTIFICATE: &str = "certificate.json";
/// The records and switchings that it stands on.
pub(super) const BASIS: &str = "basis.jsonl";
/// The estate that it stands on.
pub(super) const ESTATE: &str = "estate.json";
/// Leaving contacts and ways shown one by one in the text; the certificate has them all.
const SHOWN_MAX: usize = 20;

/// Prove that the attacker could not reach a zone between two times, or show the walk by which he could.
///
/// Two levels. `observed-contacts`: nothing that was recorded leads there. `possible-ways`: no way stood open, whether or
/// not a record shows traffic on it; this needs cuts, which --ledger tells. A way counts as open unless a fact of the ledger
/// says it was cut, and clocks are taken to be wrong by --skew-ms in whichever direction is worse.
///
/// Writes certificate.json with its basis.jsonl and estate.json into --out; `leckwehr trace check` verifies them. Exit code
/// 0: the certificate holds. 1: it does not; the walk is printed and written as counter-route.json. 2: it cannot be said.
///
/// Example:
///
///     leckwehr trace certificate --estate examples/apt29 --zone backup-lan --level observed-contacts day1.zeek.jsonl
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    case: CaseArgs,
    /// Zone that was not reached.
    #[arg(long, value_name = "ID")]
    zone: String,
    /// Start of the window (RFC 3339); the first record if not given.
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// End of the window (RFC 3339); the last record if not given.
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
    /// What the proof must be closed under.
    #[arg(long, value_enum, default_value = "possible-ways")]
    level: LevelName,
    /// What the attacker is taken to hold outside.
    #[arg(long, value_enum, default_value = "named")]
    outside: OutsideName,
    /// Milliseconds that any clock may be off.
    #[arg(long, value_name = "MS", default_value_t = 2_000, value_parser = clap::value_parser!(i64).range(0..=86_400_000))]
    skew_ms: i64,
    #[command(flatten)]
    ledger: LedgerArgs,
    /// Folder to write into; it is made if it does not exist.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// What the proof must be closed under.
#[derive(Clone, Copy, clap::ValueEnum)]
enum LevelName {
    /// Every contact that a record shows.
    ObservedContacts,
    /// Also every way that stood open.
    PossibleWays,
}

/// What the attacker is taken to hold outside.
#[derive(Clone, Copy, clap::ValueEnum)]
enum OutsideName {
    /// The addresses that the analysis names.
    Named,
    /// Everything public, from the first record on.
    Everything,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let facts = args.ledger.facts()?;
    let case = Case::read(&args.case)?;
    let basis = Basis::new(&case.events, &case.findings, &case.estate, &case.impact, &facts);
    let question = Question {
        zone: args.zone.clone(),
        from: args.from.unwrap_or(basis.window.0),
        to: args.to.unwrap_or(basis.window.1),
        level: match args.level {
            LevelName::ObservedContacts => Level::ObservedContacts,
            LevelName::PossibleWays => Level::PossibleWays,
        },
        outside: match args.outside {
            OutsideName::Named => Outside::Named,
            OutsideName::Everything => Outside::Everything,
        },
        skew_ns: args.skew_ms.saturating_mul(1_000_000),
    };
    match certify(&case.estate, &basis, &question).map_err(|error| cannot(&error))? {
        Verdict::Holds(certificate) => {
            if let Some(out) = &args.out {
                write(out, CERTIFICATE, &certificate.to_bytes())?;
                write(out, BASIS, &basis.to_bytes())?;
                write(out, ESTATE, &estate_bytes(&case.estate))?;
            }
            match args.case.json {
                true => print_json(&serde_json::json!({ "holds": true, "certificate": certificate }))?,
                false => print(&holds(&certificate, args.out.as_deref()))?,
            }
            Ok(ExitCode::SUCCESS)
        }
        Verdict::Broken(route) => {
            if let Some(out) = &args.out {
                write(
                    out,
                    "counter-route.json",
                    &serde_json::to_vec_pretty(&route).unwrap_or_default(),
                )?;
            }
            match args.case.json {
                true => print_json(&serde_json::json!({ "holds": false, "counter-route": route }))?,
                false => print(&broken(&route))?,
            }
            Ok(ExitCode::from(1))
        }
    }
}

/// Writes a file of an answer; the folder is made if it does not exist.
pub(super) fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Problem> {
    let path = folder.join(name);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, bytes));
    written.map_err(|error| Problem::new("LW-TRACE-012", format!("{} cannot be written", path.display()), &error))
}

fn cannot(error: &CertificateError) -> Problem {
    let hint = match error {
        CertificateError::NoZone { .. } => "name a zone of the estate; `leckwehr estate show` lists them",
        CertificateError::Window { .. } => "choose --from and --to within the records",
        CertificateError::NoSeed => "run `leckwehr trace routes` to see what the analysis found",
        CertificateError::Skew { .. } => "give --skew-ms as 0 or more",
    };
    Problem::new("LW-TRACE-010", "no certificate can be made and none refused", error).hint(hint)
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ObservedContacts => "observed contacts: nothing recorded leads there",
        Level::PossibleWays => "possible ways: no way stood open",
    }
}

fn holds(c: &Certificate, out: Option<&Path>) -> String {
    let mut text = format!(
        "HOLDS: the attacker could not reach {} from {} to {}\n  level: {}\n  clocks may be off by {} ms\n",
        c.zone,
        c.from,
        c.to,
        level(c.level),
        c.skew_ns / 1_000_000
    );
    let _ = writeln!(text, "\nHeld to begin with ({})", c.seeds.len());
    for seed in c.seeds.iter().take(SHOWN_MAX) {
        let _ = writeln!(text, "  {} since {}", seed.state, seed.since);
    }
    let _ = writeln!(
        text,
        "\nThe closed set has {} states; ways out of it ({})",
        c.closed.len(),
        c.ways.len()
    );
    for way in c.ways.iter().take(SHOWN_MAX) {
        let _ = writeln!(text, "  {} → {} {}", way.from, way.to, way.via);
        for gate in &way.gates {
            if gate.cut.is_empty() {
                let _ = writeln!(text, "      {}: open all along, no step on record", gate.target);
            }
            for (from, to) in &gate.cut {
                let to = to.map_or_else(|| "the end of the ledger".to_owned(), |t| t.to_string());
                let _ = writeln!(
                    text,
                    "      {}: cut from {from} to {to} ({})",
                    gate.target,
                    gate.evidence.join("; ")
                );
            }
        }
    }
    let _ = writeln!(text, "\nContacts out of the set that are no steps ({})", c.contacts.len());
    for group in c.contacts.iter().take(SHOWN_MAX) {
        let why = match group.why {
            WhyNot::BeforeArrival => "over before the source could be held",
            WhyNot::NoAnswer => "nobody answered",
            WhyNot::WhileCut => "while cut, no answer on record",
            WhyNot::AfterWindow => "after the window",
        };
        let _ = writeln!(
            text,
            "  {} → {} ×{}: {why} [{}]",
            group.from, group.to, group.count, group.evidence
        );
    }
    let worst = c.coverage.iter().map(|c| c.seen).fold(1.0, f64::min);
    let _ = writeln!(
        text,
        "\nCoverage: {} assets and classes, at least {:.1} %",
        c.coverage.len(),
        worst * 100.0
    );
    if !c.unwatched.is_empty() {
        let _ = writeln!(text, "No sensor observes: {}", c.unwatched.join(", "));
    }
    text.push_str("Assumed\n");
    for assumed in &c.assumed {
        let _ = writeln!(text, "  - {}", assumed.words().1);
    }
    let _ = match out {
        Some(out) => writeln!(text, "\nVerify it: leckwehr trace check {}", out.join(CERTIFICATE).display()),
        None => writeln!(text, "\nNothing was written; name a folder with --out."),
    };
    text
}

fn broken(route: &CounterRoute) -> String {
    let mut text = format!(
        "DOES NOT HOLD: the attacker may have reached {} between {} and {}\n  level: {}\n\n  {} held since {}\n",
        route.zone,
        route.from,
        route.to,
        match route.level {
            Level::ObservedContacts => "observed contacts",
            Level::PossibleWays => "possible ways",
        },
        route.seed.state,
        route.seed.since
    );
    for (n, step) in route.steps.iter().enumerate() {
        let seen = if step.observed {
            "on record"
        } else {
            "open, no record needed"
        };
        let _ = writeln!(
            text,
            "  {}. {} → {}  {} {} from {} ({seen})",
            n + 1,
            step.from,
            step.to,
            step.kind,
            step.via,
            step.at
        );
        for sentence in &step.evidence {
            let _ = writeln!(text, "       {sentence}");
        }
    }
    text.push_str("\nThis shows that he could have, not that he did.\n");
    text
}
