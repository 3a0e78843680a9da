use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use leckwehr_crypt::{RecordKey, hex};
use leckwehr_incident::Timestamp;
use serde::{Deserialize, Serialize};

use crate::desk_error::DeskError;
use crate::digest::Digest;
use crate::disk::Faults;

/// Longest journal in bytes: some ten million payments.
pub const JOURNAL_BYTES_MAX: u64 = 2 << 30;
/// Length of the check at the beginning of a line, in hex digits.
const CHECK_CHARS: usize = 64;

/// A payment that a file holds, without anything about people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub identity: Digest,
    pub matter: Digest,
    pub likeness: Digest,
    #[serde(with = "crate::day")]
    pub due: Date,
    #[serde(with = "crate::day")]
    pub execute: Date,
}

/// What the journal says, one line each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub(crate) enum Record {
    /// The first line.
    Begun { version: u32 },
    /// A file is sealed; from here on its payments are taken.
    Reserved {
        at: Timestamp,
        by: String,
        signature: String,
        run: String,
        file: String,
        message_id: String,
        payments: u64,
        cents: u64,
        held: u64,
        roster: String,
        items: Vec<Item>,
    },
    /// A person approved the file.
    Approved {
        at: Timestamp,
        by: String,
        file: String,
        valid_until: Timestamp,
        signature: String,
    },
    /// The file is about to be handed out: it can no longer be given up.
    Releasing { at: Timestamp, by: String, file: String },
    /// The file lies ready and only lacks its final name.
    Released { at: Timestamp, by: String, file: String },
    /// The file was given up; its payments are free.
    Cancelled {
        at: Timestamp,
        by: String,
        file: String,
        signature: String,
    },
}

/// The stage of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Sealed, waiting for approvals and release.
    Reserved,
    /// A release was begun and not finished.
    Releasing,
    /// Handed out.
    Released,
    /// Given up.
    Cancelled,
}

/// A person's word for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Until when it counts.
    pub valid_until: Timestamp,
    /// Ed25519 signature, hex.
    pub signature: String,
}

/// A file of a run as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    /// Its run.
    pub run: String,
    /// Id of the message, and its name when handed out.
    pub message_id: String,
    /// What became of it.
    pub stage: Stage,
    /// When it was built.
    pub built: Timestamp,
    /// By whom.
    pub by: String,
    /// Payments.
    pub payments: u64,
    /// Their sum in cents.
    pub cents: u64,
    /// Payments of the run that were held back.
    pub held: u64,
    /// First execution day.
    pub execute: Option<Date>,
    /// SHA-256 of the roster when it was built, hex.
    pub roster: String,
    /// Words for it, in order.
    pub words: Vec<Word>,
}

/// Payments that files hold: reserved and released ones.
#[derive(Default)]
pub struct Known {
    payments: Vec<KnownPayment>,
    by_identity: HashMap<Digest, usize>,
    by_likeness: HashMap<Digest, Vec<usize>>,
    by_matter: HashMap<Digest, Vec<usize>>,
}

pub(crate) struct KnownPayment {
    pub identity: Digest,
    pub due: Date,
    pub execute: Date,
    pub file: String,
    pub is_released: bool,
}

impl Known {
    pub(crate) fn by_identity(&self, identity: &Digest) -> Option<&KnownPayment> {
        self.payments.get(*self.by_identity.get(identity)?)
    }

    pub(crate) fn by_likeness(&self, likeness: &Digest) -> impl Iterator<Item = &KnownPayment> {
        let found = self.by_likeness.get(likeness).into_iter().flatten();
        found.filter_map(|index| self.payments.get(*index))
    }

    pub(crate) fn by_matter(&self, matter: &Digest) -> impl Iterator<Item = &KnownPayment> {
        let found = self.by_matter.get(matter).into_iter().flatten();
        found.filter_map(|index| self.payments.get(*index))
    }
}

/// The append-only journal of a desk: lines of JSON, each under a keyed check that covers all lines before it.
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    key: RecordKey,
    faults: Faults,
    last: [u8; 32],
    bytes: u64,
    must_reopen: bool,
    pub records: Vec<Record>,
    pub files: BTreeMap<String, FileState>,
    items: HashMap<String, Vec<Item>>,
    holders: HashMap<Digest, String>,
}

impl Journal {
    /// Opens or begins the journal. Bytes after the last whole line were never acknowledged and are cut off. O(bytes).
    pub fn open(path: &Path, key: &RecordKey, faults: Faults) -> Result<Self, DeskError> {
        let io = |doing| DeskError::io(doing, path);
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(io("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DeskError::Locked(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(io("lock")(source)),
        }
        let length = file.metadata().map_err(io("read"))?.len();
        if length > JOURNAL_BYTES_MAX {
            return Err(DeskError::Full);
        }
        let mut text = Vec::with_capacity(length as usize);
        file.read_to_end(&mut text).map_err(io("read"))?;
        let mut journal = Self {
            path: path.to_owned(),
            file,
            key: key.derive(b"leckwehr pay journal v1"),
            faults,
            last: [0; 32],
            bytes: 0,
            must_reopen: false,
            records: Vec::new(),
            files: BTreeMap::new(),
            items: HashMap::new(),
            holders: HashMap::new(),
        };
        journal.load(&text)?;
        if journal.bytes < length {
            journal
                .faults
                .cut(&journal.file, journal.bytes)
                .map_err(io("cut off an unfinished line of"))?;
        }
        if journal.records.is_empty() {
            journal.append(Record::Begun { version: 1 })?;
            let folder = path.parent().unwrap_or(Path::new("."));
            journal.faults.sync_folder(folder).map_err(io("sync the folder of"))?;
        }
        Ok(journal)
    }

    /// Adds a record, durably. After an error it is not known whether it is there: open again.
    pub fn append(&mut self, record: Record) -> Result<(), DeskError> {
        if self.must_reopen {
            return Err(DeskError::MustReopen);
        }
        self.check(&record).map_err(|()| DeskError::Contradiction)?;
        let json = serde_json::to_vec(&record).map_err(|source| DeskError::io("write", &self.path)(io::Error::other(source)))?;
        let check = self.next_check(&json);
        let line = [hex(&check).as_bytes(), b" ", &json, b"\n"].concat();
        if self.bytes + line.len() as u64 > JOURNAL_BYTES_MAX {
            return Err(DeskError::Full);
        }
        self.must_reopen = true;
        let written = self
            .faults
            .write(&mut self.file, &line)
            .and_then(|()| self.faults.sync(&self.file));
        written.map_err(DeskError::io("append to", &self.path))?;
        self.must_reopen = false;
        self.take(record, check, line.len());
        Ok(())
    }

    /// Payments that are reserved or released. O(payments).
    pub fn known(&self) -> Known {
        let mut known = Known::default();
        for (file, state) in &self.files {
            if state.stage == Stage::Cancelled {
                continue;
            }
            for item in self.items.get(file).into_iter().flatten() {
                let index = known.payments.len();
                known.by_identity.insert(item.identity, index);
                known.by_matter.entry(item.matter).or_default().push(index);
                known.by_likeness.entry(item.likeness).or_default().push(index);
                known.payments.push(KnownPayment {
                    identity: item.identity,
                    due: item.due,
                    execute: item.execute,
                    file: file.clone(),
                    is_released: state.stage != Stage::Reserved,
                });
            }
        }
        known
    }

    fn next_check(&self, json: &[u8]) -> [u8; 32] {
        self.key.tag(&[&self.last[..], json].concat())
    }

    fn load(&mut self, text: &[u8]) -> Result<(), DeskError> {
        let mut rest = text;
        let mut number = 0;
        while !rest.is_empty() {
            number += 1;
            let damaged = || match number {
                1 => DeskError::WrongKey(self.path.clone()),
                line => DeskError::Damaged {
                    path: self.path.clone(),
                    line,
                },
            };
            let Some(end) = rest.iter().position(|b| *b == b'\n') else {
                return self.tail(rest).map_err(|()| damaged());
            };
            let (line, after) = rest.split_at(end + 1);
            let (record, check) = self.read(line.strip_suffix(b"\n").unwrap_or(line)).ok_or_else(damaged)?;
            self.check(&record).map_err(|()| damaged())?;
            self.take(record, check, line.len());
            rest = after;
        }
        Ok(())
    }

    /// Reads a line without its end; `None` if it is not the next one.
    fn read(&self, line: &[u8]) -> Option<(Record, [u8; 32])> {
        let (check, json) = line.split_at_checked(CHECK_CHARS + 1)?;
        let expected = self.next_check(json);
        if check.strip_suffix(b" ") != Some(hex(&expected).as_bytes()) {
            return None;
        }
        Some((serde_json::from_slice(json).ok()?, expected))
    }

    /// Judges bytes without a line's end: a write that was cut off and never acknowledged, unless it is whole but for its end,
    /// or its end was changed afterwards.
    fn tail(&self, tail: &[u8]) -> Result<(), ()> {
        let but_one = tail.split_last().and_then(|(_, line)| self.read(line));
        if but_one.is_some() { Err(()) } else { Ok(()) }
    }

    /// Whether a record can follow the ones before: the same rule for what is written and for what is read.
    fn check(&self, record: &Record) -> Result<(), ()> {
        let stage = |file: &String| self.files.get(file).map(|state| state.stage);
        let fits = match record {
            Record::Begun { version } => self.records.is_empty() && *version == 1,
            Record::Reserved { file, items, .. } => {
                stage(file).is_none() && !items.iter().any(|item| self.holders.contains_key(&item.identity))
            }
            Record::Approved { file, .. } | Record::Releasing { file, .. } | Record::Cancelled { file, .. } => {
                stage(file) == Some(Stage::Reserved)
            }
            Record::Released { file, .. } => stage(file) == Some(Stage::Releasing),
        };
        if fits { Ok(()) } else { Err(()) }
    }

    fn take(&mut self, mut record: Record, check: [u8; 32], bytes: usize) {
        self.last = check;
        self.bytes += bytes as u64;
        match &mut record {
            Record::Begun { .. } => {}
            Record::Reserved {
                at,
                by,
                run,
                file,
                message_id,
                payments,
                cents,
                held,
                roster,
                items,
                ..
            } => {
                let state = FileState {
                    run: run.clone(),
                    message_id: message_id.clone(),
                    stage: Stage::Reserved,
                    built: *at,
                    by: by.clone(),
                    payments: *payments,
                    cents: *cents,
                    held: *held,
                    execute: items.iter().map(|item| item.execute).min(),
                    roster: roster.clone(),
                    words: Vec::new(),
                };
                self.files.insert(file.clone(), state);
                let items = std::mem::take(items);
                self.holders.extend(items.iter().map(|item| (item.identity, file.clone())));
                self.items.insert(file.clone(), items);
            }
            Record::Approved {
                at,
                by,
                file,
                valid_until,
                signature,
            } => {
                let word = Word {
                    at: *at,
                    by: by.clone(),
                    valid_until: *valid_until,
                    signature: signature.clone(),
                };
                if let Some(state) = self.files.get_mut(file) {
                    state.words.push(word);
                }
            }
            Record::Releasing { file, .. } => self.set_stage(file, Stage::Releasing),
            Record::Released { file, .. } => self.set_stage(file, Stage::Released),
            Record::Cancelled { file, .. } => {
                self.set_stage(file, Stage::Cancelled);
                for item in self.items.remove(file).unwrap_or_default() {
                    self.holders.remove(&item.identity);
                }
            }
        }
        self.records.push(record);
    }

    fn set_stage(&mut self, file: &str, stage: Stage) {
        if let Some(state) = self.files.get_mut(file) {
            state.stage = stage;
        }
    }
}
