//! Contacts from files and events: every record is kept or refused, and both are counted.
//!
//! ```text
//!   *.parquet ─────────────┐
//!   *.csv  time,from,to …  ┼─► Gather ─► hosts, accounts, records ─► states of (host, credential) ─► Contacts, Names
//!   conn.log (Zeek, TSV) ──┤      └─► LoadAccount: read = kept + refused, with reasons and first places
//!   *.jsonl ─► Events ─────┘
//! ```
//!
//! Files are told apart by their content. [`ParquetContacts`] streams what does not fit into memory.

mod account;
mod csv;
mod error;
mod events;
mod gather;
mod names;
mod parquet_column;
mod parquet_groups;
mod parquet_rows;
mod parquet_stream;
mod parquet_write;
mod pread;
mod session;
mod zeek;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use leckwehr_estate::Estate;
use leckwehr_incident::Timestamp;
use leckwehr_telemetry::{Events, Intake};

pub use account::{FileAccount, LoadAccount, NAMED_MAX, PLACES_MAX, Refusal, RefusedPlace};
pub use error::LoadError;
pub use gather::{CONTACTS_MAX, NODES_MAX};
pub use names::{Names, Session};
pub use parquet_stream::{CHUNK_ROWS, ContactChunk, ParquetContacts};
pub use parquet_write::{ContactWriter, GROUP_ROWS, write_contacts};
pub use session::Credentials;

use crate::reach::Contacts;
use gather::Gather;

/// How contacts are loaded.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoadOptions<'e> {
    /// What a held host gives.
    pub credentials: Credentials,
    /// Names hosts by address, and says which hosts are unknown.
    pub estate: Option<&'e Estate>,
    /// The present: records from more than a day later are refused. Without it no record is too late.
    pub now: Option<Timestamp>,
}

/// Contacts with the names of their nodes and the account of what was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// Contacts between the nodes of `names`, in order of time.
    pub contacts: Contacts,
    /// Node number ↔ text.
    pub names: Names,
    /// What was read, kept and refused.
    pub account: LoadAccount,
    places: gather::Places,
}

impl Loaded {
    /// Returns where contact `i` (in order of time) was read: file, and row, line or record from 1.
    pub fn place(&self, i: usize) -> Option<(&str, u64)> {
        let record = self.places.record(self.contacts.row(i))?;
        let (file, row) = self.places.place(record)?;
        Some((self.account.files.get(file)?.path.as_str(), row))
    }
}

/// Loads files of any of the formats into one set of contacts.
///
/// A file that cannot be read, or not to its end, is named in the account with what was lost, and the others go on.
/// Deterministic: nodes are numbered by name, whatever the order of files and records. O(records × log records).
///
/// # Errors
/// If a file cannot be opened, or if nothing at all could be kept: then the first reason why.
pub fn load_contacts(
    paths: &[PathBuf],
    options: &LoadOptions<'_>,
    news: &mut dyn FnMut(&Path, u64),
) -> Result<Loaded, LoadError> {
    let mut gather = Gather::new(*options);
    let mut first_error = None;
    let (mut intake, mut events) = (Intake::new(), Events::default());
    for path in paths {
        news(path, gather.kept());
        let format = Format::of(path)?;
        let read = match format {
            Format::Telemetry => events::read_file(&mut gather, &mut intake, &mut events, path),
            Format::Parquet => parquet_rows::read_file(&mut gather, path, news),
            Format::Zeek => zeek::read_file(&mut gather, path),
            Format::Csv => csv::read_file(&mut gather, path),
        };
        if let Err(error) = read {
            gather.lose_rest(path, &error);
            first_error.get_or_insert(error);
        }
    }
    events::read(&mut gather, &events);
    match first_error {
        Some(error) if gather.kept() == 0 => Err(error),
        _ => gather.finish(),
    }
}

/// Loads contacts from events: logons, remote executions, shares and flows, and switches of account on one host.
///
/// # Errors
/// If there are more nodes than [`NODES_MAX`].
pub fn contacts_of_events(events: &Events, options: &LoadOptions<'_>) -> Result<Loaded, LoadError> {
    let mut gather = Gather::new(*options);
    events::read(&mut gather, events);
    gather.finish()
}

enum Format {
    Parquet,
    Zeek,
    Telemetry,
    Csv,
}

impl Format {
    /// Looks at how the content begins. Parquet is not packed as a whole; the others may be.
    fn of(path: &Path) -> Result<Self, LoadError> {
        let cannot = |source| LoadError::Open {
            path: path.to_owned(),
            source,
        };
        let mut magic = [0; 4];
        let read = File::open(path).and_then(|mut file| file.read(&mut magic)).map_err(cannot)?;
        if read == magic.len() && &magic == b"PAR1" {
            return Ok(Self::Parquet);
        }
        let mut start = [0; 64];
        let read = leckwehr_telemetry::open(path).and_then(|mut file| file.read(&mut start));
        // A packed file that is damaged at its start is told so by the reader of its lines.
        let start = start.get(..read.unwrap_or(0)).unwrap_or_default();
        Ok(match start.trim_ascii_start().first() {
            Some(b'#') => Self::Zeek,
            Some(b'{') => Self::Telemetry,
            _ => Self::Csv,
        })
    }
}
