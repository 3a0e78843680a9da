use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::limit::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, ENTRIES_MAX, ENTRY_BYTES_MAX, READ_BYTES_MAX};
use crate::note::NoteError;
use crate::report::Damage;

/// What can go wrong with a ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// An entry that does not fit an entry bundle.
    #[error(
        "entry of {bytes} bytes; tlog-tiles allows {ENTRY_BYTES_MAX}: keep the content elsewhere and append its digest, or split it"
    )]
    EntryTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A batch over the limits.
    #[error(
        "batch of {entries} entries and {bytes} bytes; at most {BATCH_ENTRIES_MAX} entries and {BATCH_BYTES_MAX} bytes: append in parts"
    )]
    BatchTooLarge {
        /// Its entries.
        entries: usize,
        /// Their bytes.
        bytes: usize,
    },
    /// No room for more entries.
    #[error("the ledger holds {ENTRIES_MAX} entries, which is all it can: begin a new one")]
    Full,
    /// More than one call may return.
    #[error("the range holds more than {READ_BYTES_MAX} bytes: read it in parts")]
    ReadTooLarge,
    /// An index, size or range outside the ledger.
    #[error("{from} to {to} lies outside a ledger of {size} entries")]
    Range {
        /// First entry, entry, or smaller size asked for.
        from: u64,
        /// End or larger size asked for.
        to: u64,
        /// Entries there are.
        size: u64,
    },
    /// A file or folder could not be used.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The folder holds neither a store nor an exported ledger.
    #[error("no ledger in {}: neither ledger.db nor checkpoint is there", .0.display())]
    NotALedger(PathBuf),
    /// A ledger or something else is in the way.
    #[error("{} is there already and not empty", .0.display())]
    Occupied(PathBuf),
    /// Another process has the ledger open for appending.
    #[error("{} is open for appending in another place", .0.display())]
    Locked(PathBuf),
    /// Written by a newer version.
    #[error("the store has format {found}, this build reads format {known}: use a newer leckwehr")]
    Version {
        /// Format found.
        found: i64,
        /// Format known.
        known: i64,
    },
    /// A key or checkpoint was refused.
    #[error("cannot use {file}")]
    Note {
        /// File or place.
        file: &'static str,
        /// Why.
        #[source]
        source: NoteError,
    },
    /// The private key belongs to another ledger.
    #[error("the private key is not that of ledger.vkey")]
    WrongKey,
    /// The ledger is damaged; `ledger verify` names every place.
    #[error("the ledger is damaged in {count} places, first {first}")]
    Damaged {
        /// The first place.
        first: Box<Damage>,
        /// How many.
        count: usize,
    },
    /// The database refused; nothing was applied.
    #[error("cannot use ledger.db")]
    Database(#[from] rusqlite::Error),
    /// The commit failed: whether the entries are on disk shows when the ledger is opened again.
    #[error("the commit failed, the entries may or may not be on disk")]
    Commit(#[source] rusqlite::Error),
    /// An earlier commit failed.
    #[error("an earlier commit failed: open the ledger again to see what is on disk")]
    Unusable,
    /// A thread died while it was committing for others.
    #[error("a thread died within a commit, the entries may or may not be on disk: open the ledger again")]
    Died,
    /// A reader held the ledger while it was closed: everything is on disk, but `ledger.sum` was not written.
    #[error("somebody was reading while the ledger was closed: every entry is safe, the page sums were not written")]
    StillRead,
    /// The commit that this append was grouped into failed.
    #[error(transparent)]
    Group(Arc<Self>),
}

impl LedgerError {
    /// Tells whether trying the same again can help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Locked(_) => true,
            Self::Database(error) => matches!(
                error.sqlite_error_code(),
                Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DiskFull)
            ),
            Self::Group(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// Tells whether the entries of a failed append are certainly not in the ledger.
    pub fn is_certainly_not_applied(&self) -> bool {
        match self {
            Self::Commit(_) | Self::Died | Self::StillRead => false,
            Self::Group(error) => error.is_certainly_not_applied(),
            _ => true,
        }
    }

    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }

    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}
