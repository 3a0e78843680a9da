use std::io;
use std::path::PathBuf;

use super::gather::NODES_MAX;

/// Why a file gives no contacts, or no more of them.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Reading or unpacking stopped.
    #[error("{} cannot be read past line {line}: it may be truncated; what came before was kept", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Lines that were read.
        line: u64,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A header without the columns that contacts need.
    #[error("{} has no column {missing} in its first line", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// The column.
        missing: &'static str,
    },
    /// A Parquet file without its end, where the list of its parts stands.
    #[error("{} ends after {bytes} bytes without the footer of a Parquet file: it is truncated, and none of it can be read", path.display())]
    NoFooter {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// A footer that cannot be understood.
    #[error("the footer of {} is damaged: {why}", path.display())]
    Footer {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        why: String,
    },
    /// A column is missing or of another type.
    #[error("{}: column {column} is {found}; wanted is {wanted}", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// What is there.
        found: String,
        /// What is wanted.
        wanted: &'static str,
    },
    /// A part of a Parquet file is damaged.
    #[error("{}: rows {first} to {last} in row group {group} are damaged: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The row group, from 0.
        group: usize,
        /// First row that is lost, from 1 in the file.
        first: u64,
        /// Last row that is lost.
        last: u64,
        /// What the reader says.
        why: String,
    },
    /// A telemetry file cannot be read to its end.
    #[error(transparent)]
    Intake(#[from] leckwehr_telemetry::IntakeError),
    /// Over the limit.
    #[error("more than {NODES_MAX} states of hosts with credentials")]
    TooManyStates,
}

impl LoadError {
    /// Returns the code under which `docs/errors.md` explains it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Open { .. } | Self::Read { .. } => "LW-TRACE-002",
            Self::Header { .. } | Self::Column { .. } => "LW-TRACE-003",
            Self::NoFooter { .. } | Self::Footer { .. } | Self::Damaged { .. } => "LW-TRACE-004",
            Self::Intake(error) => error.code(),
            Self::TooManyStates => "LW-TRACE-005",
        }
    }

    /// Returns what can be done about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Open { .. } => "mend the path or the permissions, or leave the file out",
            Self::Read { .. } | Self::NoFooter { .. } => "copy the file again from where it was written, or leave it out",
            Self::Footer { .. } | Self::Damaged { .. } => "copy the file again and compare its checksum, or leave it out",
            Self::Header { .. } => "give the file a first line time,from,to and optionally account,by",
            Self::Column { .. } => "write the file with the columns time, from, to and optionally account, by",
            Self::Intake(_) => "mend the path or the permissions, or leave the file out",
            Self::TooManyStates => "load fewer days, or hosts without credentials",
        }
    }
}
