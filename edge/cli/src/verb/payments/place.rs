use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use leckwehr_crypt::{RecordKey, SigningKey, from_hex};
use leckwehr_incident::Timestamp;
use leckwehr_pay::{Desk, DeskError, Faults, Language, Person, Roster};

use crate::output::Tongue;
use crate::problem::Problem;

/// Bytes of a key or roster that are read.
const SMALL_BYTES_MAX: u64 = 64 << 10;

/// The desk.
#[derive(clap::Args)]
pub(super) struct DeskArgs {
    /// The desk's folder: journal, sealed and released files. It is made if it is missing.
    dir: PathBuf,
    /// The desk's key, a file with 64 hex digits. Keep it off this machine's disk.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

impl DeskArgs {
    /// Opens the desk.
    pub(super) fn open(&self) -> Result<Desk, Problem> {
        let key = RecordKey::from_bytes(seed(&self.key)?);
        Desk::open(&self.dir, &key, Faults::default()).map_err(|e| problem("the desk cannot be opened", &e))
    }
}

/// Who does it.
#[derive(clap::Args)]
pub(super) struct PersonArgs {
    /// Who may build and approve: lines `NAME KEY` with the public half of each key.
    #[arg(long, value_name = "FILE")]
    roster: PathBuf,
    /// Your name on the roster.
    #[arg(long = "as", value_name = "NAME")]
    name: String,
    /// Your private key, a file with 64 hex digits.
    #[arg(long, value_name = "FILE")]
    person_key: PathBuf,
}

impl PersonArgs {
    /// Reads roster and key, and does something with them.
    pub(super) fn with<T>(
        &self,
        deed: impl FnOnce(&Roster, &Person<'_>) -> Result<T, DeskError>,
    ) -> Result<Result<T, DeskError>, Problem> {
        let roster = roster(&self.roster)?;
        let key = SigningKey::from_seed(&seed(&self.person_key)?);
        let key = key.map_err(|e| Problem::new("LW-PAY-023", "the private key cannot be used", &e))?;
        let person = Person {
            name: &self.name,
            key: &key,
        };
        Ok(deed(&roster, &person))
    }
}

/// How it is told.
#[derive(clap::Args)]
pub(super) struct TalkArgs {
    /// Language of what is said.
    #[arg(long, value_enum, default_value_t)]
    lang: Tongue,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl TalkArgs {
    /// Returns the language.
    pub(super) fn language(&self) -> Language {
        match self.lang {
            Tongue::De => Language::De,
            Tongue::En => Language::En,
        }
    }
}

/// Reads a roster.
pub(super) fn roster(path: &Path) -> Result<Roster, Problem> {
    let text = read_small(path)?;
    let roster = Roster::parse(&text).map_err(DeskError::Roster);
    roster.map_err(|e| problem("the roster cannot be used", &e))
}

fn seed(path: &Path) -> Result<[u8; 32], Problem> {
    let seed = from_hex(read_small(path)?.trim()).and_then(|bytes| bytes.try_into().ok());
    seed.ok_or_else(|| {
        let summary = format!("{} does not hold a key of 64 hex digits", path.display());
        Problem::plain("LW-PAY-023", summary).hint("make one with `leckwehr payments key FILE`")
    })
}

fn read_small(path: &Path) -> Result<String, Problem> {
    let bytes = read_file(path, SMALL_BYTES_MAX)?;
    String::from_utf8(bytes).map_err(|_| Problem::plain("LW-PAY-021", format!("{} is not text", path.display())))
}

/// Reads a whole file of a bounded length.
pub(super) fn read_file(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Problem> {
    let bad = |error: &dyn std::error::Error| {
        Problem::new("LW-PAY-021", format!("{} cannot be read", path.display()), error).hint("check the name and who may read it")
    };
    let file = File::open(path).map_err(|e| bad(&e))?;
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|e| bad(&e))?;
    if bytes.len() as u64 > bytes_max {
        let summary = format!("{} is longer than {} KiB", path.display(), bytes_max >> 10);
        return Err(Problem::plain("LW-PAY-021", summary).hint("check that it is the right file, or split it"));
    }
    Ok(bytes)
}

/// Turns an error of the desk into a problem.
pub(super) fn problem(summary: &str, error: &DeskError) -> Problem {
    let problem = Problem::new(error.code(), summary, error);
    match error {
        DeskError::Io { .. } | DeskError::MustReopen => {
            problem.hint("mend the disk, then give the same command again: nothing is paid twice")
        }
        DeskError::NotApproved { .. } => {
            problem.hint("`leckwehr payments approve` by two people, at most one of them the builder, and first")
        }
        DeskError::Stage(_) => problem.hint("`leckwehr payments status` shows what became of it"),
        _ => problem,
    }
}

/// A no of the rules is printed and is exit code 1; a failure stays one.
pub(super) fn refused(summary: &str, error: &DeskError) -> Result<ExitCode, Problem> {
    let problem = problem(summary, error);
    if !error.is_refusal() {
        return Err(problem);
    }
    problem.print();
    Ok(ExitCode::from(1))
}

#[expect(clippy::disallowed_methods, reason = "the command line knows the time")]
pub(super) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp(since.ok().and_then(|d| i64::try_from(d.as_nanos()).ok()).unwrap_or(0))
}

/// The day in UTC.
pub(super) fn today() -> jiff::civil::Date {
    let day = jiff::Timestamp::from_nanosecond(i128::from(now().0)).unwrap_or_default();
    day.to_zoned(jiff::tz::TimeZone::UTC).date()
}
