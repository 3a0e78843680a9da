use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use leckwehr_crypt::sha256;
use serde::{Deserialize, Serialize};

use crate::error::io_error;
use crate::key::ContextKeys;
use crate::{DocumentId, EpaError};

/// Longest actor, in bytes.
pub const ACTOR_BYTES_MAX: usize = 256;
/// Longest trail of one record, in bytes: some millions of accesses.
pub const AUDIT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Longest sealed event, in bytes.
const EVENT_BYTES_MAX: usize = 4096;

/// One access, as the insured person can read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// Position in the trail, from 1.
    pub number: u64,
    /// When, nanoseconds since 1970.
    pub at_ns: i64,
    /// Who.
    pub actor: String,
    /// What.
    pub action: Action,
    /// SHA-256 over the sealed event before, hex; zeros for the first.
    pub before: String,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// A document was stored.
    Put {
        /// Its id.
        document: DocumentId,
    },
    /// A document was asked for.
    Get {
        /// Its id.
        document: DocumentId,
        /// Whether it was handed out.
        given: bool,
    },
    /// The list of documents was read.
    List,
    /// The trail was read.
    ReadAudit,
    /// An unfinished event at the end of the trail was set aside when the record was opened.
    TailSetAside {
        /// Its length.
        bytes: u64,
    },
}

/// Where a trail stands. Whoever keeps one elsewhere notices later that a trail was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditHead {
    /// Events so far.
    pub events: u64,
    /// SHA-256 over the last sealed event.
    pub hash: [u8; 32],
}

/// The trail of one record: `length 4 | sealed event` after each other in one file.
pub(crate) struct Trail {
    path: PathBuf,
    pub head: AuditHead,
    bytes: u64,
}

impl Trail {
    /// Reads and checks the whole trail; a folder without one has an empty trail. An unfinished event at its end is set
    /// aside, and an event says so.
    pub fn open(folder: &Path, keys: &ContextKeys, access: (&str, i64)) -> Result<(Self, Vec<AuditEvent>), EpaError> {
        let path = folder.join("audit.log");
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(io_error("read", &path)(error)),
        };
        let mut trail = Self {
            path,
            head: AuditHead {
                events: 0,
                hash: [0; 32],
            },
            bytes: 0,
        };
        let mut events = Vec::new();
        let mut rest = bytes.as_slice();
        while let Some((sealed, after)) = split(rest) {
            match trail.open_event(keys, sealed) {
                Some(event) => {
                    trail.advance(sealed);
                    events.push(event);
                    rest = after;
                }
                None if after.is_empty() => break,
                None => return Err(trail.damaged()),
            }
        }
        if !rest.is_empty() {
            trail.set_tail_aside(rest)?;
            let bytes = rest.len() as u64;
            events.push(trail.append(keys, access, Action::TailSetAside { bytes })?);
        }
        Ok((trail, events))
    }

    /// Appends an event and makes it durable.
    pub fn append(&mut self, keys: &ContextKeys, access: (&str, i64), action: Action) -> Result<AuditEvent, EpaError> {
        if access.0.len() > ACTOR_BYTES_MAX {
            return Err(EpaError::OverLimit {
                what: "the actor",
                limit: "256 bytes",
            });
        }
        if self.bytes > AUDIT_BYTES_MAX {
            return Err(EpaError::OverLimit {
                what: "the audit trail",
                limit: "1 GiB",
            });
        }
        let event = AuditEvent {
            number: self.head.events + 1,
            at_ns: access.1,
            actor: access.0.to_owned(),
            action,
            before: leckwehr_crypt::hex(&self.head.hash),
        };
        // Serialising cannot fail: no maps, no fallible Serialize.
        let plain = serde_json::to_vec(&event).unwrap_or_default();
        let sealed = keys
            .audit
            .encrypt(&context(keys, event.number), &plain)
            .map_err(EpaError::Seal)?;
        let frame = [&(sealed.len() as u32).to_le_bytes()[..], &sealed].concat();
        let mut options = OpenOptions::new();
        let written = options.create(true).append(true).open(&self.path).and_then(|mut file| {
            file.write_all(&frame)?;
            file.sync_data()
        });
        written.map_err(io_error("append to", &self.path))?;
        if self.head.events == 0
            && let Some(folder) = self.path.parent()
        {
            sync_folder(folder)?;
        }
        self.advance(&sealed);
        Ok(event)
    }

    fn open_event(&self, keys: &ContextKeys, sealed: &[u8]) -> Option<AuditEvent> {
        let number = self.head.events + 1;
        let plain = keys.audit.decrypt(&context(keys, number), sealed).ok()?;
        let event: AuditEvent = serde_json::from_slice(&plain).ok()?;
        (event.number == number && event.before == leckwehr_crypt::hex(&self.head.hash)).then_some(event)
    }

    fn advance(&mut self, sealed: &[u8]) {
        self.head = AuditHead {
            events: self.head.events + 1,
            hash: sha256(sealed),
        };
        self.bytes += 4 + sealed.len() as u64;
    }

    fn set_tail_aside(&self, tail: &[u8]) -> Result<(), EpaError> {
        let aside = self.path.with_extension(format!("torn-{}", self.bytes));
        let copied = File::create(&aside).and_then(|mut file| {
            file.write_all(tail)?;
            file.sync_all()
        });
        copied.map_err(io_error("write", &aside))?;
        let cut = OpenOptions::new().write(true).open(&self.path).and_then(|file| {
            file.set_len(self.bytes)?;
            file.sync_all()
        });
        cut.map_err(io_error("cut the torn tail of", &self.path))
    }

    /// Returns the error for the event after the last sound one.
    pub fn damaged(&self) -> EpaError {
        EpaError::AuditDamaged {
            path: self.path.clone(),
            number: self.head.events + 1,
        }
    }
}

fn context(keys: &ContextKeys, number: u64) -> Vec<u8> {
    [&b"leckwehr epa v1 audit"[..], &keys.name, &number.to_le_bytes()].concat()
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    (length <= EVENT_BYTES_MAX).then(|| rest.split_at_checked(length)).flatten()
}

pub(crate) fn sync_folder(folder: &Path) -> Result<(), EpaError> {
    let synced = File::open(folder).and_then(|f| f.sync_all());
    synced.map_err(io_error("sync", folder))
}
