use std::collections::HashSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::frame::{self, Read};
use crate::record::SealedRecord;
use crate::replay::Batch;
use crate::segment::sync_folder;
use crate::spool::parent_of;

/// Longest inbox file, in bytes: some 80,000 eAU. One inbox serves one receiver.
pub const INBOX_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// What can go wrong at the receiver.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// The disk or file system refused.
    #[error("cannot {doing} the inbox {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Another process has the inbox open.
    #[error("the inbox {0} is open in another process; stop that one first")]
    Locked(PathBuf),
    /// The batch comes from a spool other than the first one.
    #[error("the batch comes from another spool; give each spool an inbox of its own")]
    WrongSpool,
    /// The batch does not go on from where this inbox stands.
    #[error("the batch goes on from {after}, the inbox stands at {position}: ask again with that position")]
    Hole {
        /// Where the batch begins.
        after: u64,
        /// Where the inbox stands.
        position: u64,
    },
    /// The file has bytes in the middle that are no record.
    #[error("the inbox {path} is damaged at byte {offset}: restore it from a backup, the spool sends the rest again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
    },
    /// The file is full.
    #[error("the inbox is over 2 GiB; begin a new one")]
    Full,
    /// An earlier write failed.
    #[error("an earlier write failed: open the inbox again and ask with its position")]
    MustReopen,
}

impl InboxError {
    /// Returns the code listed in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "LW-EAU-011",
            Self::Locked(_) => "LW-EAU-012",
            Self::WrongSpool => "LW-EAU-013",
            Self::Hole { .. } => "LW-EAU-014",
            Self::Damaged { .. } => "LW-EAU-015",
            Self::Full => "LW-EAU-016",
            Self::MustReopen => "LW-EAU-017",
        }
    }
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Records that are new here.
    pub new: usize,
    /// Records that were here already.
    pub known: usize,
}

/// The receiver's side: holds every record once, durably, and says how far it got. It holds sealed bytes; the receiver
/// opens them with its key when it works on them.
pub struct Inbox {
    path: PathBuf,
    file: File,
    bytes: u64,
    spool: Option<[u8; 16]>,
    position: u64,
    places: Vec<(u64, u32)>,
    held: HashSet<([u8; 32], [u8; 32])>,
    must_reopen: bool,
}

/// Number of the frame that ends a batch: its body is the spool id and the position reached.
const MARK: u64 = u64::MAX;

impl Inbox {
    /// Opens or begins the inbox in one file. A batch without its end mark was not taken and is cut off.
    pub fn open(path: &Path) -> Result<Self, InboxError> {
        let io = |doing| {
            let path = path.to_owned();
            move |source| InboxError::Io { doing, path, source }
        };
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(path).map_err(io("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(InboxError::Locked(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(io("lock")(source)),
        }
        let bytes = std::fs::read(path).map_err(io("read"))?;
        let mut inbox = Self {
            path: path.to_owned(),
            file,
            bytes: 0,
            spool: None,
            position: 0,
            places: Vec::new(),
            held: HashSet::new(),
            must_reopen: false,
        };
        inbox.load(&bytes)?;
        if inbox.bytes < bytes.len() as u64 {
            let cut = inbox.file.set_len(inbox.bytes).and_then(|()| inbox.file.sync_all());
            cut.map_err(io("cut off an unfinished batch of"))?;
        }
        sync_folder(parent_of(path)).map_err(io("sync the folder of"))?;
        Ok(inbox)
    }

    /// Returns how far this inbox got: what to ask the spool with.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Returns how many records are held.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nothing was taken yet.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Takes a batch: all of it, durably, or nothing. Records that are here already are left out. A batch from before
    /// the position is taken too, so that a repeated one does no harm.
    pub fn take(&mut self, batch: &Batch) -> Result<Taken, InboxError> {
        if self.must_reopen {
            return Err(InboxError::MustReopen);
        }
        if self.spool.is_some_and(|spool| spool != batch.spool) {
            return Err(InboxError::WrongSpool);
        }
        if batch.after > self.position {
            return Err(InboxError::Hole {
                after: batch.after,
                position: self.position,
            });
        }
        let (mut bytes, mut places, mut fresh) = (Vec::new(), Vec::new(), HashSet::new());
        for record in &batch.records {
            let identity = record.identity();
            if !self.held.contains(&identity) && fresh.insert(identity) {
                let offset = bytes.len();
                frame::write(&mut bytes, record.seq, &record.to_body());
                places.push((self.bytes + offset as u64, (bytes.len() - offset) as u32));
            }
        }
        let position = self.position.max(batch.through);
        let taken = Taken {
            new: places.len(),
            known: batch.records.len() - places.len(),
        };
        if places.is_empty() && position == self.position {
            return Ok(taken);
        }
        frame::write(&mut bytes, MARK, &[&batch.spool[..], &position.to_le_bytes()].concat());
        if self.bytes + bytes.len() as u64 > INBOX_BYTES_MAX {
            return Err(InboxError::Full);
        }
        self.must_reopen = true;
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        written.map_err(|source| InboxError::Io {
            doing: "append to",
            path: self.path.clone(),
            source,
        })?;
        self.must_reopen = false;
        self.bytes += bytes.len() as u64;
        self.spool = Some(batch.spool);
        self.position = position;
        self.places.extend(places);
        self.held.extend(fresh);
        Ok(taken)
    }

    /// Returns every record held, in the order taken, each once.
    pub fn records(&self) -> impl Iterator<Item = Result<SealedRecord, InboxError>> + '_ {
        self.places.iter().map(|(offset, length)| {
            let damaged = || InboxError::Damaged {
                path: self.path.clone(),
                offset: *offset,
            };
            let mut bytes = vec![0; *length as usize];
            self.file.read_exact_at(&mut bytes, *offset).map_err(|_| damaged())?;
            match frame::read(&bytes, 0) {
                Read::Whole { seq, body, .. } => SealedRecord::from_body(seq, body).ok_or_else(damaged),
                _ => Err(damaged()),
            }
        })
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), InboxError> {
        let (mut offset, mut unmarked) = (0, Vec::new());
        loop {
            let damaged = InboxError::Damaged {
                path: self.path.clone(),
                offset: offset as u64,
            };
            match frame::read(bytes, offset) {
                Read::Whole { seq: MARK, body, next } => {
                    let Some((spool, position)) = body.split_first_chunk::<16>() else {
                        return Err(damaged);
                    };
                    let Ok(position) = position.try_into().map(u64::from_le_bytes) else {
                        return Err(damaged);
                    };
                    self.spool = Some(*spool);
                    self.position = position;
                    for (place, identity) in unmarked.drain(..) {
                        self.places.push(place);
                        self.held.insert(identity);
                    }
                    self.bytes = next as u64;
                    offset = next;
                }
                Read::Whole { seq, body, next } => {
                    let Some(record) = SealedRecord::from_body(seq, body) else {
                        return Err(damaged);
                    };
                    unmarked.push(((offset as u64, (next - offset) as u32), record.identity()));
                    offset = next;
                }
                // A damaged frame with a sound mark after it was taken once: that is damage, not an unfinished batch.
                Read::BadBody { next, .. } | Read::Gap { next } if marked_after(bytes, next) => return Err(damaged),
                Read::BadBody { .. } | Read::Gap { .. } | Read::Torn | Read::End => return Ok(()),
            }
        }
    }
}

fn marked_after(bytes: &[u8], mut offset: usize) -> bool {
    loop {
        offset = match frame::read(bytes, offset) {
            Read::Whole { seq: MARK, .. } => return true,
            Read::Whole { next, .. } | Read::BadBody { next, .. } | Read::Gap { next } => next,
            Read::Torn | Read::End => return false,
        };
    }
}
