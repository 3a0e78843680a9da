//! What the verbs that act on guards have in common: the room's file, its ledger, its wires, plans and approvals in files.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use leckwehr_contain::protocol::is_reconnection;
use leckwehr_control::{
    Config, ControlError, Courier, CutActuator, Journal, NoFaults, RUNBOOK_BYTES_MAX, Runbook, Statement, TakedownActuator,
    Warranted, Wires, take_signed_word, take_statement,
};
use leckwehr_crypt::SigningKey;
use leckwehr_guard::Approval;
use leckwehr_incident::{PlanKind, PlanRecord, PlanView, SignedWord, Situation, StepOutcome, Timestamp};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::read_file;
use crate::output::say;
use crate::problem::Problem;

/// Bytes of a plan or an approval that are read.
const FILE_BYTES_MAX: u64 = 32 << 20;
/// Longest wait for a connection, in milliseconds.
const CONNECT_MS_MAX: u64 = 5_000;
/// How long a cut holds unless it is renewed, in milliseconds.
pub(super) const LEASE_MS: u64 = 24 * 3_600_000;
/// Milliseconds of a planned minute.
pub(super) const MINUTE_MS: u64 = 60_000;
/// Name of the ledger.
const ORIGIN: &str = "leckwehr/control-room";

/// The control room to work with.
#[derive(clap::Args)]
pub(in crate::verb) struct RoomArgs {
    /// File of the control room: its folder, keys, executors, approvers and life-lines.
    #[arg(long, value_name = "FILE")]
    pub(super) room: PathBuf,
}

/// A room that is open for work.
pub(in crate::verb) struct OpenRoom {
    pub config: Config,
    pub journal: Journal,
    pub courier: Courier<Tcp>,
}

impl RoomArgs {
    pub(super) fn config(&self) -> Result<Config, Problem> {
        Config::read(&self.room).map_err(|error| {
            let remedy = error.remedy.clone();
            Problem::new("LW-CONTAIN-023", "the control room's file cannot be used", &error).hint(remedy)
        })
    }

    /// Opens the ledger, or begins it.
    pub(in crate::verb) fn open(&self) -> Result<OpenRoom, Problem> {
        let config = self.config()?;
        let ledger = config.folder.join("ledger");
        std::fs::create_dir_all(&config.folder).map_err(|error| {
            Problem::new(
                "LW-CONTAIN-024",
                format!("{} cannot be made", config.folder.display()),
                &error,
            )
            .hint("check who may write there")
        })?;
        let key = SigningKey::from_seed(&config.ledger_seed);
        let key = key.map_err(|error| Problem::new("LW-CONTAIN-023", "the seed is no key", &error))?;
        let journal = Journal::open(&ledger, ORIGIN, key, Arc::new(now), Arc::new(NoFaults)).map_err(|e| problem(&e))?;
        let courier = Courier::new(&config, Tcp, journal.epoch()).map_err(|e| problem(&e))?;
        Ok(OpenRoom {
            config,
            journal,
            courier,
        })
    }
}

/// A problem with the ledger or the keys of a room.
pub(in crate::verb) fn problem(error: &ControlError) -> Problem {
    Problem::new("LW-CONTAIN-024", "the control room cannot work", error)
        .hint("nothing is done that cannot be written down: free space, then `leckwehr takedown resume`")
        .hint("another process may have the ledger open: only one control room works with it")
}

/// The kernel's network and clock.
#[derive(Clone)]
pub(in crate::verb) struct Tcp;

impl Wires for Tcp {
    type Stream = TcpStream;

    async fn connect(&self, to: SocketAddrV4) -> io::Result<TcpStream> {
        timeout(Duration::from_millis(CONNECT_MS_MAX), TcpStream::connect(to)).await?
    }

    fn now(&self) -> Timestamp {
        now()
    }
}

pub(in crate::verb) fn now() -> Timestamp {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Runs what waits for the network.
pub(in crate::verb) fn wait_for<T>(work: impl Future<Output = Result<T, ControlError>>) -> Result<T, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Problem::new("LW-CONTAIN-024", "the control room cannot work", &error))?;
    runtime.block_on(work).map_err(|error| problem(&error))
}

/// Reads a plan: a record, or the JSON object of `leckwehr takedown plan` that holds one as `plan`.
pub(in crate::verb) fn plan_of_file(path: &Path) -> Result<PlanRecord, Problem> {
    let hint = "name the plan.json of `leckwehr takedown plan --out`";
    let bad = |reason: String| Problem::plain("LW-CONTAIN-025", format!("{} holds no plan: {reason}", path.display())).hint(hint);
    let bytes = read_file(path, FILE_BYTES_MAX, hint)?;
    let mut value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
    let inner = value
        .get_mut("plan")
        .filter(|plan| plan.is_object())
        .map(serde_json::Value::take);
    let plan: PlanRecord = serde_json::from_value(inner.unwrap_or(value)).map_err(|e| bad(e.to_string()))?;
    match plan.is_sealed() {
        true => Ok(plan),
        false => Err(bad("it was changed after it was hashed".to_owned())),
    }
}

/// Reads approvals as `leckwehr takedown approve` writes them.
pub(in crate::verb) fn approvals_of(files: &[PathBuf]) -> Result<Vec<Approval>, Problem> {
    let hint = "name what `leckwehr takedown approve` wrote";
    let read = |path: &PathBuf| {
        let bytes = read_file(path, FILE_BYTES_MAX, hint)?;
        let bad = |error: serde_json::Error| {
            Problem::new("LW-CONTAIN-026", format!("{} holds no approval", path.display()), &error).hint(hint)
        };
        let mut value: serde_json::Value = serde_json::from_slice(&bytes).map_err(bad)?;
        let inner = value.get_mut("approval").map(serde_json::Value::take);
        serde_json::from_value(inner.unwrap_or(value)).map_err(bad)
    };
    files.iter().map(read).collect()
}

impl OpenRoom {
    /// A plan with the words for it that the ledger holds.
    pub(in crate::verb) fn warrant(&self, plan: &PlanRecord) -> Warranted {
        let view = self.journal.situation().plans.get(&plan.hash);
        Warranted::new(plan.clone(), view.map(|v| v.words.as_slice()).unwrap_or_default())
    }
}

/// Who does what beside the guards.
#[derive(clap::Args)]
pub(super) struct RunbookArgs {
    /// Runbook that the plan was bound to (`leckwehr takedown plan --runbook`): programs for steps that are else people's work. May
    /// be given several times where several plans are carried on.
    #[arg(long = "runbook", value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl RunbookArgs {
    /// Reads the runbook that the plan is bound to; one without steps if it is bound to none.
    pub(super) fn of(&self, plan: &PlanRecord) -> Result<Runbook, Problem> {
        let Some(digest) = Runbook::digest_in(plan) else {
            return Ok(Runbook::default());
        };
        for file in &self.files {
            let runbook = read_runbook(file)?;
            if runbook.is_bound_to(plan) {
                return Ok(runbook);
            }
        }
        let summary = format!(
            "plan {} was approved with a runbook (SHA-256 {digest}) that is not given",
            plan.hash
        );
        Err(Problem::plain("LW-CONTAIN-028", summary)
            .hint("name it with --runbook; one that was changed must be planned and approved anew"))
    }
}

/// Reads a runbook.
pub(in crate::verb) fn read_runbook(file: &Path) -> Result<Runbook, Problem> {
    let bytes = read_file(file, RUNBOOK_BYTES_MAX as u64, "name a runbook: TOML with [[step]] tables")?;
    Runbook::parse(&file.display().to_string(), &String::from_utf8_lossy(&bytes)).map_err(|error| {
        Problem::new("LW-CONTAIN-029", format!("{} is no runbook", file.display()), &error)
            .hint("`leckwehr takedown run --help` shows one")
    })
}

/// What carries steps of a plan out.
pub(super) struct Hands<'a> {
    courier: &'a Courier<Tcp>,
    config: &'a Config,
    warrant: Warranted,
    runbook: Runbook,
}

impl Hands<'_> {
    /// As the situation is.
    pub(super) fn actuator(&self, situation: &Situation) -> TakedownActuator<'_, Tcp> {
        let cuts = CutActuator {
            courier: self.courier,
            warrant: &self.warrant,
            life_lines: &self.config.life_lines,
            lease_ms: LEASE_MS,
        };
        let work = self.config.folder.join("work");
        TakedownActuator::new(cuts, &self.runbook, situation, &work, Arc::new(NoFaults))
    }
}

/// Does `work` with what carries the plan out.
pub(super) fn with_hands<T>(
    room: &mut OpenRoom,
    plan: &PlanRecord,
    runbook: Runbook,
    work: impl AsyncFnOnce(&Hands<'_>, &mut Journal) -> Result<T, ControlError>,
) -> Result<T, Problem> {
    let hands = Hands {
        courier: &room.courier,
        config: &room.config,
        warrant: room.warrant(plan),
        runbook,
    };
    wait_for(work(&hands, &mut room.journal))
}

/// What somebody signed, as it stands in a file.
#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Signed {
    Word(SignedWord),
    Statement(Statement),
}

/// Takes what people signed: words about work by hand, refusals, delegations, absences. Says what does not count.
pub(in crate::verb) fn take_words(room: &mut OpenRoom, files: &[PathBuf]) -> Result<(), Problem> {
    for file in files {
        let hint = "name what `leckwehr takedown confirm`, `refuse`, `delegate` or `leckwehr restore confirm` wrote";
        let bytes = read_file(file, FILE_BYTES_MAX, hint)?;
        let signed: Signed = serde_json::from_slice(&bytes).map_err(|error| {
            Problem::new(
                "LW-CONTAIN-034",
                format!("{} holds nothing that was signed", file.display()),
                &error,
            )
            .hint(hint)
        })?;
        let (config, journal) = (&room.config, &mut room.journal);
        let (by, fault) = match &signed {
            Signed::Word(word) => (
                word.person.as_str(),
                take_signed_word(&config.deciders(), &config.confirmers, journal, word),
            ),
            Signed::Statement(statement) => (statement.by(), take_statement(config, journal, statement)),
        };
        if let Some(fault) = fault.map_err(|e| problem(&e))? {
            say(&format!("the word of {by} does not count: {fault}"));
        }
    }
    Ok(())
}

/// Whether a plan is carried out by these verbs: a takedown, or the return of partners.
pub(super) fn is_ours(plan: &PlanRecord) -> bool {
    plan.kind == PlanKind::Takedown || is_reconnection(&plan.steps)
}

/// How far a plan is, in words.
pub(super) fn text_of(view: &PlanView) -> String {
    let mut text = format!("plan {}: {}\n", view.plan.hash, view.plan.summary);
    let needed = view.asked.as_ref().map_or(2, |asked| asked.needed);
    let _ = writeln!(
        text,
        "  approved by {} of {needed}: {}",
        view.words.len(),
        view.approvals.join(", ")
    );
    for (name, reason) in &view.refusals {
        let _ = writeln!(text, "  {name} says no: {reason}");
    }
    if let Some((at, by, reason)) = &view.undo {
        let _ = writeln!(text, "  TO BE UNDONE since {at} by {by}: {reason}");
    }
    for step in &view.plan.steps {
        let done = view.steps.get(&step.number).map(|s| &s.ended);
        let undone = view.undone.get(&step.number).map(|s| &s.ended);
        let state = match (undone, done) {
            (Some(Some((_, outcome))), _) => format!("undone, {}", words(outcome)),
            (Some(None), _) => "is being undone".to_owned(),
            (None, Some(Some((_, outcome)))) => words(outcome),
            (None, Some(None)) => "begun, and its end is not known: `leckwehr takedown resume`".to_owned(),
            (None, None) => match view.work.get(&step.number) {
                Some(work) if work.confirmed.is_none() => format!("{} is to do it by {}: {}", work.owner, work.due, work.what),
                _ => "not begun".to_owned(),
            },
        };
        let _ = writeln!(
            text,
            "  {:>3} {} {} at {}: {state}",
            step.number, step.action, step.target, step.executor
        );
        if let (Some(end), true) = (view.leases.get(&step.number), view.stands(step.number)) {
            let _ = writeln!(text, "      undoes itself at {end} unless it is renewed");
        }
    }
    text
}

fn words(outcome: &StepOutcome) -> String {
    match outcome {
        StepOutcome::Verified { evidence } => format!("verified: {evidence}"),
        StepOutcome::NotApplied { reason } => format!("NOT DONE: {reason}"),
        StepOutcome::Doubtful { reason } => format!("IN DOUBT: {reason}"),
    }
}

/// Whether every step is verified.
pub(super) fn is_whole(view: &PlanView) -> bool {
    view.plan.steps.iter().all(|step| view.stands(step.number))
}
