use std::collections::BTreeMap;
use std::path::PathBuf;

use leckwehr_crypt::{hex, sha256};
use leckwehr_incident::{GateCheck, PlanRecord, PlanStep};
use serde::{Deserialize, Serialize};

/// Largest runbook in bytes.
pub const RUNBOOK_BYTES_MAX: usize = 4 << 20;
/// Minutes that a restore point must be older than the first compromise, where the runbook does not say.
const MARGIN_MINUTES: u32 = 24 * 60;
/// Minutes that a program gets where the runbook does not say.
const TIMEOUT_MINUTES: u32 = 60;
/// Most minutes that a program can get.
const TIMEOUT_MINUTES_MAX: u32 = 24 * 60;

/// How each step of a restoration or takedown is done in this house: `[[step]]` tables of a TOML file.
///
/// A plan is bound to its runbook ([`Runbook::bind`]): people approve one hash over both, and executors choose nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runbook {
    /// Minutes that a restore point must be older than the first compromise.
    #[serde(default = "margin")]
    pub margin_minutes: u32,
    /// The ways.
    #[serde(default, rename = "step")]
    pub steps: Vec<RunbookStep>,
}

/// How one step is done: exactly one of the five ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunbookStep {
    /// Action of the plan's step, of a restoration `sweep`, `restore-files`, `probe`, `rotate-credentials`, `reconnect`, of a
    /// takedown `notify`, `drain`, `flush`, `snapshot`, `capture-memory`, `capture-disk`, `power-off`.
    pub action: String,
    /// Its target: a system, account or connection.
    pub target: String,
    /// What it proves about its system when it is verified.
    #[serde(default)]
    pub proves: Vec<GateCheck>,
    /// Restores files from a restic repository.
    pub restic: Option<ResticWay>,
    /// Starts or stops a unit of systemd.
    pub unit: Option<UnitWay>,
    /// Runs programs.
    pub command: Option<CommandWay>,
    /// Lets the plan's executor, a guard, do it.
    #[serde(default)]
    pub guard: bool,
    /// People do it.
    pub manual: Option<ManualWay>,
}

/// A restore from a restic repository, into a folder beside the target, compared, then swapped in one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResticWay {
    /// The program `restic`.
    pub program: PathBuf,
    /// Repository: a folder, or whatever restic understands.
    pub repository: String,
    /// File with its password.
    pub password_file: PathBuf,
    /// Full id of the snapshot: the restore point.
    pub snapshot: String,
    /// Folder within the snapshot, absolute.
    pub path: PathBuf,
    /// Folder to restore, absolute.
    pub target: PathBuf,
    /// List of snapshots and packs that is kept outside the backup.
    pub witness: PathBuf,
    /// Units that must not run while their files change; they are stopped.
    #[serde(default)]
    pub stop: Vec<String>,
    /// The program `systemctl`, for these.
    pub systemctl: Option<PathBuf>,
    /// What restic needs in its environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Time for the restore.
    #[serde(default = "timeout")]
    pub timeout_minutes: u32,
}

/// A unit of systemd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitWay {
    /// The program `systemctl`.
    pub systemctl: PathBuf,
    /// Unit.
    pub unit: String,
    /// How it is to be.
    pub state: UnitState,
    /// Time to get there.
    #[serde(default = "timeout")]
    pub timeout_minutes: u32,
}

/// How a unit is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnitState {
    /// Runs.
    Started,
    /// Does not run.
    Stopped,
}

/// Programs with arguments. `{target}` in an argument stands for the step's target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandWay {
    /// Tells whether it is done: exit code 0 if so, 1 if not, others: cannot be told.
    pub check: Vec<String>,
    /// Does it. Not needed where the check is all.
    #[serde(default)]
    pub act: Vec<String>,
    /// Undoes it.
    #[serde(default)]
    pub undo: Vec<String>,
    /// Their whole environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Time for each.
    #[serde(default = "timeout")]
    pub timeout_minutes: u32,
}

/// Work of people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManualWay {
    /// Who has it: a crew or a name.
    pub owner: String,
    /// What is to be done.
    pub what: String,
    /// Minutes from when it can be begun until it should be done.
    pub due_minutes: u32,
}

/// A runbook that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunbookError {
    /// Not TOML, or fields that nobody knows.
    #[error("{file}: {text}")]
    Unreadable {
        /// File.
        file: String,
        /// What and where, in the words of the reader.
        text: String,
    },
    /// Larger than [`RUNBOOK_BYTES_MAX`].
    #[error("{file} has {bytes} bytes; a runbook has at most {RUNBOOK_BYTES_MAX}")]
    TooLarge {
        /// File.
        file: String,
        /// Its length.
        bytes: usize,
    },
    /// A step that cannot be done as it stands there.
    #[error("{file}: [[step]] {action} {target}: {problem}")]
    Step {
        /// File.
        file: String,
        /// Action.
        action: String,
        /// Target.
        target: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

fn margin() -> u32 {
    MARGIN_MINUTES
}

fn timeout() -> u32 {
    TIMEOUT_MINUTES
}

impl Default for Runbook {
    /// Leaves every step to people.
    fn default() -> Self {
        Self {
            margin_minutes: MARGIN_MINUTES,
            steps: Vec::new(),
        }
    }
}

impl Runbook {
    /// Reads a runbook from the text of a file.
    pub fn parse(file: &str, text: &str) -> Result<Self, RunbookError> {
        if text.len() > RUNBOOK_BYTES_MAX {
            let (file, bytes) = (file.to_owned(), text.len());
            return Err(RunbookError::TooLarge { file, bytes });
        }
        let book: Self = toml::from_str(text).map_err(|error| RunbookError::Unreadable {
            file: file.to_owned(),
            text: error.to_string(),
        })?;
        for (index, step) in book.steps.iter().enumerate() {
            let earlier = book.steps.iter().take(index);
            let twice = earlier.clone().any(|s| s.action == step.action && s.target == step.target);
            let problem = match twice {
                true => Some("stands there twice: keep one".to_owned()),
                false => step.problem(),
            };
            if let Some(problem) = problem {
                let (file, action, target) = (file.to_owned(), step.action.clone(), step.target.clone());
                return Err(RunbookError::Step {
                    file,
                    action,
                    target,
                    problem,
                });
            }
        }
        Ok(book)
    }

    /// Returns how a step is done; `None` leaves it to people.
    pub fn way(&self, step: &PlanStep) -> Option<&RunbookStep> {
        self.steps.iter().find(|s| s.action == step.action && s.target == step.target)
    }

    /// Returns its SHA-256, hex, over its canonical form: equal runbooks have equal digests, however they are written.
    pub fn digest(&self) -> String {
        // Serialising cannot fail: plain structs and strings.
        hex(&sha256(&serde_json::to_vec(self).unwrap_or_default()))
    }

    /// Binds a plan to this runbook: its summary, which the hash covers, names the runbook's digest.
    #[must_use]
    pub fn bind(&self, mut plan: PlanRecord) -> PlanRecord {
        plan.summary = format!("{}; runbook {}", plan.summary, self.digest());
        plan.sealed()
    }

    /// Returns the digest of the runbook that a plan is bound to, if it is bound to one.
    pub fn digest_in(plan: &PlanRecord) -> Option<&str> {
        let (_, digest) = plan.summary.rsplit_once("; runbook ")?;
        (digest.len() == 64).then_some(digest)
    }

    /// Returns whether people approved the plan with this runbook and no other.
    pub fn is_bound_to(&self, plan: &PlanRecord) -> bool {
        plan.summary.ends_with(&format!("; runbook {}", self.digest()))
    }
}

impl RunbookStep {
    fn problem(&self) -> Option<String> {
        let ways = [
            self.restic.is_some(),
            self.unit.is_some(),
            self.command.is_some(),
            self.guard,
            self.manual.is_some(),
        ];
        let given = ways.into_iter().filter(|is_given| *is_given).count();
        if given != 1 {
            return Some(format!(
                "has {given} ways; give exactly one of `restic`, `unit`, `command`, `guard = true`, `manual`"
            ));
        }
        let minutes = [
            self.restic.as_ref().map(|w| w.timeout_minutes),
            self.unit.as_ref().map(|w| w.timeout_minutes),
            self.command.as_ref().map(|w| w.timeout_minutes),
        ];
        if let Some(minutes) = minutes.into_iter().flatten().find(|m| !(1..=TIMEOUT_MINUTES_MAX).contains(m)) {
            return Some(format!("timeout_minutes = {minutes}: give 1 to {TIMEOUT_MINUTES_MAX}"));
        }
        match self {
            Self { restic: Some(way), .. } => way.problem(),
            Self { unit: Some(way), .. } if !way.systemctl.is_absolute() => Some("`systemctl` must be an absolute path".into()),
            Self { command: Some(way), .. } => way.problem(),
            Self { manual: Some(way), .. } if way.owner.is_empty() => {
                Some("`owner` is empty: somebody must have the work".into())
            }
            _ => None,
        }
    }
}

impl ResticWay {
    fn problem(&self) -> Option<String> {
        let paths = [&self.program, &self.password_file, &self.path, &self.target, &self.witness];
        if let Some(path) = paths.into_iter().chain(&self.systemctl).find(|p| !p.is_absolute()) {
            return Some(format!("`{}` must be an absolute path", path.display()));
        }
        if self.snapshot.len() != 64 || !self.snapshot.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Some("`snapshot` must be a full id of 64 hex digits: the latest one may be the attacker's".into());
        }
        if self.target.parent().is_none() {
            return Some("`target` must be a folder within another: the restore is prepared beside it".into());
        }
        (!self.stop.is_empty() && self.systemctl.is_none()).then(|| "`stop` needs the path of `systemctl`".into())
    }
}

impl CommandWay {
    fn problem(&self) -> Option<String> {
        if self.check.is_empty() {
            return Some("`check` is empty: without it nobody knows whether the step is done".into());
        }
        let programs = [&self.check, &self.act, &self.undo]
            .into_iter()
            .filter_map(|argv| argv.first());
        let mut relative = programs.filter(|program| !program.starts_with('/'));
        relative
            .next()
            .map(|program| format!("`{program}` must be an absolute path: nothing is looked up, and no shell runs"))
    }
}
