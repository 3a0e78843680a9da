use std::io;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use leckwehr_crypt::SealError;

use crate::journal::Stage;
use crate::roster::{APPROVAL_HOURS_MAX, APPROVALS_NEEDED, Ignored, RosterError};

/// What can go wrong at a desk. No variant carries anything of a payment.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The disk or file system refused.
    #[error("cannot {doing} {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Another process has the desk open.
    #[error("{0} is open in another process; wait for it or stop it")]
    Locked(PathBuf),
    /// The journal does not begin with a line of this key.
    #[error("{0} was not begun with this key; give the key that the desk was made with")]
    WrongKey(PathBuf),
    /// A line of the journal was changed.
    #[error("line {line} of {path} is damaged: restore the journal from a copy; until then nothing is paid")]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
    },
    /// An earlier write failed, so it is not known what reached the disk.
    #[error("an earlier write failed: open the desk again")]
    MustReopen,
    /// The journal is full.
    #[error("the journal is over 2 GiB; begin another desk with the released files as evidence of what is paid")]
    Full,
    /// A record does not fit the ones before it.
    #[error("this does not fit what the journal holds: plan again from the journal as it is now")]
    Contradiction,
    /// No file of this hash.
    #[error("no file of this desk has a hash that begins with {0}, or several have; see `status`")]
    NoFile(String),
    /// The file is past the stage at which this can be done.
    #[error("the file is {0:?} already")]
    Stage(Stage),
    /// Too few words count.
    #[error("{} of {APPROVALS_NEEDED} approvals count{}", counted.len(), list(ignored))]
    NotApproved {
        /// Whose do.
        counted: Vec<String>,
        /// Whose do not, and why.
        ignored: Vec<(String, Ignored)>,
    },
    /// The roster is another than the one the file was built under.
    #[error("the roster was changed since the file was built; give the old one, or cancel and build again")]
    OtherRoster,
    /// The bank would be asked to execute in the past.
    #[error("the first execution day, {0}, has passed: cancel the file and build again")]
    Late(Date),
    /// The sealed file is gone, damaged, or sealed with another key.
    #[error("the sealed file {0} is gone or damaged: restore it, or cancel the file and build again")]
    Sealed(PathBuf),
    /// Sealing failed.
    #[error("cannot seal")]
    Seal(#[source] SealError),
    /// Roster or person.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// The folder holds a released file that the journal does not know.
    #[error(
        "the journal does not know the released file {0}: it is an older copy; restore the newer one, until then nothing is paid"
    )]
    Rollback(PathBuf),
    /// A word for longer than allowed.
    #[error("a word counts for 1 to {APPROVAL_HOURS_MAX} hours")]
    Hours,
}

fn list(ignored: &[(String, Ignored)]) -> String {
    ignored
        .iter()
        .map(|(who, why)| format!("; that of {who} does not: {why:?}"))
        .collect()
}

impl DeskError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    /// Returns the code listed in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "LW-PAY-001",
            Self::Locked(_) => "LW-PAY-002",
            Self::WrongKey(_) => "LW-PAY-003",
            Self::Damaged { .. } => "LW-PAY-004",
            Self::MustReopen => "LW-PAY-005",
            Self::Full => "LW-PAY-006",
            Self::Contradiction => "LW-PAY-007",
            Self::NoFile(_) => "LW-PAY-008",
            Self::Stage(_) => "LW-PAY-009",
            Self::NotApproved { .. } => "LW-PAY-010",
            Self::OtherRoster => "LW-PAY-011",
            Self::Late(_) => "LW-PAY-012",
            Self::Sealed(_) => "LW-PAY-013",
            Self::Seal(_) => "LW-PAY-014",
            Self::Roster(_) => "LW-PAY-015",
            Self::Hours => "LW-PAY-016",
            Self::Rollback(_) => "LW-PAY-017",
        }
    }

    /// Whether the answer is a no of the rules rather than a failure.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Stage(_) | Self::NotApproved { .. } | Self::OtherRoster | Self::Late(_)
        )
    }
}
