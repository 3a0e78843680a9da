use std::io;
use std::path::PathBuf;

use leckwehr_crypt::SealError;

/// What can go wrong with a record. No variant carries anything of a patient; paths hold keyed hashes only.
#[derive(Debug, thiserror::Error)]
pub enum EpaError {
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
    /// Another process has the store open.
    #[error("the store {0} is open in another process; stop that one first")]
    Locked(PathBuf),
    /// The insured person's number has not the form of one.
    #[error("a KVNR is one capital letter and nine digits")]
    BadKvnr,
    /// Nothing is stored for this insured person under this master key.
    #[error("there is no record for this insured person")]
    NoRecord,
    /// The record has no such document.
    #[error("the record has no document {document}")]
    NoDocument {
        /// Its id.
        document: String,
    },
    /// The trail says that the document was stored, and its file is gone or cannot be opened.
    #[error("document {document} was stored and is lost or damaged: restore its file from a backup")]
    DocumentDamaged {
        /// Its id.
        document: String,
    },
    /// The audit trail cannot be opened from this event on, or ends too early.
    #[error("the audit trail {path} is damaged at event {number}: restore it from a backup")]
    AuditDamaged {
        /// The file.
        path: PathBuf,
        /// Number of the first event that is not sound.
        number: u64,
    },
    /// Something is over a limit; nothing was done.
    #[error("{what} is over the limit of {limit}")]
    OverLimit {
        /// What.
        what: &'static str,
        /// The limit with its unit.
        limit: &'static str,
    },
    /// Sealing failed.
    #[error("cannot seal")]
    Seal(#[source] SealError),
}

impl EpaError {
    /// Returns the code listed in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "LW-EPA-001",
            Self::Locked(_) => "LW-EPA-002",
            Self::BadKvnr => "LW-EPA-003",
            Self::NoRecord => "LW-EPA-004",
            Self::NoDocument { .. } => "LW-EPA-005",
            Self::DocumentDamaged { .. } => "LW-EPA-006",
            Self::AuditDamaged { .. } => "LW-EPA-007",
            Self::OverLimit { .. } => "LW-EPA-008",
            Self::Seal(_) => "LW-EPA-009",
        }
    }
}

/// Gives an I/O error its place.
pub(crate) fn io_error(doing: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> EpaError {
    let path = path.to_owned();
    move |source| EpaError::Io { doing, path, source }
}
