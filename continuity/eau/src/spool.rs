use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use leckwehr_crypt::{SealError, SealingKey, random_bytes};

use crate::fault::{FaultPoint, Faults};
use crate::frame::{self, Read};
use crate::message::{Class, ENVELOPE_BYTES_MAX, Incoming, MESSAGE_BYTES_MAX, look};
use crate::record::SealedRecord;
use crate::segment::{self, Damage, DamageKind, Place, Segment};

/// Size in bytes at which a segment is closed and the next one begun.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;
/// Most messages in one batch.
pub const BATCH_MESSAGES_MAX: usize = 4096;
/// Most bytes of messages in one batch.
pub const BATCH_BYTES_MAX: usize = 256 * 1024 * 1024;

/// How a spool works.
#[derive(Debug, Clone)]
pub struct SpoolConfig {
    /// A segment that has this many bytes gets no further batch.
    pub segment_bytes_max: u64,
    /// For tests: stops the world at chosen places.
    pub faults: Faults,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self {
            segment_bytes_max: SEGMENT_BYTES_DEFAULT,
            faults: Faults::default(),
        }
    }
}

/// What can go wrong with a spool. No variant carries anything of a message.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
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
    /// Another process has the spool open.
    #[error("the spool {0} is open in another process; stop that one first")]
    Locked(PathBuf),
    /// A segment of another spool lies in the folder.
    #[error("the segment {0} belongs to another spool; move it to a folder of its own")]
    Foreign(PathBuf),
    /// An earlier write or fsync failed, so it is not known what reached the disk.
    #[error("an earlier write failed: open the spool again, then send again what got no receipt")]
    MustReopen,
    /// A message or batch is over a limit.
    #[error("{what} is over the limit of {limit}; nothing of the batch was taken")]
    OverLimit {
        /// What.
        what: &'static str,
        /// The limit with its unit.
        limit: &'static str,
    },
    /// Sealing failed.
    #[error("cannot seal; nothing of the batch was taken")]
    Seal(#[source] SealError),
    /// The receiver has more than this spool ever wrote.
    #[error("the receiver stands at {position}, the spool ends at {last}: this spool was restored from an older copy")]
    ReceiverAhead {
        /// Reported by the receiver.
        position: u64,
        /// Last number given out here.
        last: u64,
    },
    /// A record was changed since the spool was opened.
    #[error("record {seq} is damaged")]
    Damaged {
        /// Its number.
        seq: u64,
    },
}

impl SpoolError {
    /// Returns the code listed in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "LW-EAU-001",
            Self::Locked(_) => "LW-EAU-002",
            Self::Foreign(_) => "LW-EAU-003",
            Self::MustReopen => "LW-EAU-004",
            Self::OverLimit { .. } => "LW-EAU-005",
            Self::Seal(_) => "LW-EAU-006",
            Self::ReceiverAhead { .. } => "LW-EAU-007",
            Self::Damaged { .. } => "LW-EAU-008",
        }
    }

    /// Whether the same call can succeed later without anybody changing anything but the disk or the other process.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::Locked(_) | Self::MustReopen | Self::Seal(_))
    }

    /// Whether certainly nothing of the batch was stored. After [`Self::Io`] some of it may be; sending it again is safe.
    pub fn is_certainly_not_applied(&self) -> bool {
        !matches!(self, Self::Io { .. })
    }
}

/// The proof that a message is durable: what a DSN may be sent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Number of the record that holds the message.
    pub seq: u64,
    /// The record that already held it: same identifier, same hash. Nothing new was stored.
    pub duplicate_of: Option<u64>,
    /// Stored, but another record has the same identifier and a different hash.
    pub identifier_conflict: bool,
    /// What the first look said.
    pub class: Class,
}

/// Figures of a spool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Records that can be read.
    pub records: u64,
    /// Of these good, doubtful, unreadable.
    pub classes: [u64; 3],
    /// Of these with an identifier conflict.
    pub conflicts: u64,
    /// Segment files.
    pub segments: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Highest number given out.
    pub last_seq: u64,
    /// Receipt times of the first and the last record, nanoseconds since 1970.
    pub received_ns: Option<(i64, i64)>,
    /// What is not as it was written.
    pub damages: Vec<Damage>,
}

/// A durable, sealed, append-only spool in one folder. One process at a time.
pub struct Spool {
    folder: PathBuf,
    key: SealingKey,
    config: SpoolConfig,
    id: [u8; 16],
    segments: Vec<PathBuf>,
    places: Vec<Place>,
    taken: HashMap<([u8; 32], [u8; 32]), u64>,
    identifiers: HashSet<[u8; 32]>,
    next_seq: u64,
    current: Option<(File, u64)>,
    bytes_closed: u64,
    must_reopen: bool,
    damages: Vec<Damage>,
    /// Held for its lock.
    _lock: File,
}

impl Spool {
    /// Opens or begins the spool in `folder`. Reads every segment once: O(bytes).
    ///
    /// Nothing that was written is changed: after a torn tail a new segment begins.
    pub fn open(folder: &Path, key: SealingKey, config: SpoolConfig) -> Result<Self, SpoolError> {
        std::fs::create_dir_all(folder).map_err(io_error("make the folder", folder))?;
        segment::sync_folder(parent_of(folder)).map_err(io_error("sync the parent of", folder))?;
        let lock = lock(folder)?;
        let mut found = Found::read(folder)?;
        let last_seq = found.next_seq - 1;
        let current = found.continue_last()?;
        let id = match found.id {
            Some(id) => id,
            None => random_bytes().map_err(SpoolError::Seal)?,
        };
        let mut spool = Self {
            folder: folder.to_owned(),
            key,
            config,
            id,
            segments: found.segments.iter().map(|s| s.path.clone()).collect(),
            places: Vec::new(),
            taken: HashMap::new(),
            identifiers: HashSet::new(),
            next_seq: found.next_seq,
            bytes_closed: found.segments.iter().map(|s| s.bytes).sum::<u64>() - current.as_ref().map_or(0, |(_, bytes)| *bytes),
            current,
            must_reopen: false,
            damages: found.damages(),
            _lock: lock,
        };
        for place in found.segments.into_iter().flat_map(|s| s.places) {
            spool.index(place);
        }
        if spool.current.is_none() {
            // At once, so that numbers skipped here stay skipped even if nothing is accepted before the next opening.
            spool.current = Some(spool.begin_segment(last_seq)?);
        }
        Ok(spool)
    }

    /// Takes one message and makes it durable; see [`Self::accept_batch`].
    pub fn accept(&mut self, message: Incoming) -> Result<Receipt, SpoolError> {
        let receipts = self.accept_batch(std::slice::from_ref(&message))?;
        receipts.into_iter().next().ok_or(SpoolError::MustReopen)
    }

    /// Takes messages and makes them durable with one fsync. Receipts come in the order of the messages, and only
    /// after that fsync. All or nothing is acknowledged; sending again what got no receipt is always safe.
    pub fn accept_batch(&mut self, messages: &[Incoming]) -> Result<Vec<Receipt>, SpoolError> {
        if self.must_reopen {
            return Err(SpoolError::MustReopen);
        }
        check_limits(messages)?;
        let mut batch = Staged::default();
        let mut receipts = Vec::with_capacity(messages.len());
        for message in messages {
            receipts.push(self.stage(&mut batch, message)?);
        }
        if !batch.records.is_empty() {
            // Until it is known to be on disk, the state of the files is unknown.
            self.must_reopen = true;
            let segment_start = self.append(&batch.bytes)?;
            self.must_reopen = false;
            self.next_seq += batch.records.len() as u64;
            for (record, offset, length) in batch.records {
                let segment = self.segments.len() - 1;
                let offset = segment_start + offset;
                self.index(Place {
                    segment,
                    offset,
                    length,
                    record,
                });
            }
        }
        Ok(receipts)
    }

    /// Returns the records from `from_seq` on, in order of arrival. A record damaged since opening is an error of its own;
    /// the iterator goes on after it.
    pub fn records(&self, from_seq: u64) -> impl Iterator<Item = Result<SealedRecord, SpoolError>> + '_ {
        let first = self.places.partition_point(|p| p.record.seq < from_seq);
        self.places[first..].iter().map(|place| self.read(place))
    }

    /// Returns the highest number given out.
    pub fn last_seq(&self) -> u64 {
        self.next_seq - 1
    }

    /// Returns the random id that this spool got when it was begun.
    pub fn id(&self) -> [u8; 16] {
        self.id
    }

    /// Returns how many records wait for a receiver that stands at `position`.
    pub fn waiting(&self, position: u64) -> u64 {
        (self.places.len() - self.places.partition_point(|p| p.record.seq <= position)) as u64
    }

    /// Returns what was found damaged when the spool was opened.
    pub fn damages(&self) -> &[Damage] {
        &self.damages
    }

    /// Returns the figures of this spool.
    pub fn status(&self) -> Status {
        let bytes = self.bytes_closed + self.current.as_ref().map_or(0, |(_, bytes)| *bytes);
        let mut status = status_of(self.places.iter());
        status.segments = self.segments.len() as u64;
        status.bytes = bytes;
        status.last_seq = self.last_seq();
        status.damages.clone_from(&self.damages);
        status
    }

    /// Returns the figures of the spool in `folder` without opening, locking or changing it. While another process
    /// writes, a torn tail is the write under way.
    pub fn look(folder: &Path) -> Result<Status, SpoolError> {
        let found = Found::read(folder)?;
        let mut status = status_of(found.segments.iter().flat_map(|s| &s.places));
        status.segments = found.segments.len() as u64;
        status.bytes = found.segments.iter().map(|s| s.bytes).sum();
        status.last_seq = found.next_seq - 1;
        status.damages = found.damages();
        Ok(status)
    }

    pub(crate) fn places_after(&self, position: u64) -> &[Place] {
        &self.places[self.places.partition_point(|p| p.record.seq <= position)..]
    }

    pub(crate) fn read(&self, place: &Place) -> Result<SealedRecord, SpoolError> {
        let seq = place.record.seq;
        let path = self.segments.get(place.segment).ok_or(SpoolError::Damaged { seq })?;
        let mut bytes = vec![0; place.length as usize];
        let file = File::open(path).map_err(io_error("open", path))?;
        file.read_exact_at(&mut bytes, place.offset)
            .map_err(|_| SpoolError::Damaged { seq })?;
        match frame::read(&bytes, 0) {
            Read::Whole { seq: found, body, .. } if found == seq => SealedRecord::from_body(seq, body),
            _ => None,
        }
        .ok_or(SpoolError::Damaged { seq })
    }

    fn stage(&self, batch: &mut Staged, message: &Incoming) -> Result<Receipt, SpoolError> {
        let looked = look(message);
        let identity = (looked.identifier_hash, looked.payload_hash);
        let earlier = self.taken.get(&identity).or_else(|| batch.taken.get(&identity));
        if let Some(seq) = earlier.copied() {
            return Ok(Receipt {
                seq,
                duplicate_of: Some(seq),
                identifier_conflict: false,
                class: looked.class,
            });
        }
        let identifier_conflict =
            self.identifiers.contains(&looked.identifier_hash) || batch.identifiers.contains(&looked.identifier_hash);
        let seq = self.next_seq + batch.records.len() as u64;
        let mut record = SealedRecord::seal(&self.key, seq, message, &looked, identifier_conflict).map_err(SpoolError::Seal)?;
        let offset = batch.bytes.len();
        frame::write(&mut batch.bytes, seq, &record.to_body());
        record.sealed = Vec::new();
        batch.taken.insert(identity, seq);
        batch.identifiers.insert(identity.0);
        batch
            .records
            .push((record, offset as u64, (batch.bytes.len() - offset) as u32));
        Ok(Receipt {
            seq,
            duplicate_of: None,
            identifier_conflict,
            class: looked.class,
        })
    }

    /// Appends and syncs; returns the offset at which the bytes begin.
    fn append(&mut self, bytes: &[u8]) -> Result<u64, SpoolError> {
        let (mut file, start) = match self.current.take() {
            Some((file, length)) if length < self.config.segment_bytes_max => (file, length),
            full => {
                self.bytes_closed += full.map_or(0, |(_, length)| length);
                self.begin_segment(self.next_seq - 1)?
            }
        };
        let faults = &self.config.faults;
        let (first, second) = bytes.split_at(bytes.len() / 2);
        let mut write = || {
            faults.at(FaultPoint::BeforeWrite)?;
            file.write_all(first)?;
            faults.at(FaultPoint::HalfWritten)?;
            file.write_all(second)?;
            faults.at(FaultPoint::Written)?;
            file.sync_data()?;
            faults.at(FaultPoint::Synced)
        };
        write().map_err(io_error("append to the spool in", &self.folder))?;
        self.current = Some((file, start + bytes.len() as u64));
        Ok(start)
    }

    fn begin_segment(&mut self, last_before: u64) -> Result<(File, u64), SpoolError> {
        let numbers = (self.next_seq, last_before);
        let (file, path, length) = segment::create(&self.folder, self.id, numbers, &self.config.faults)
            .map_err(io_error("begin a segment in", &self.folder))?;
        self.segments.push(path);
        Ok((file, length))
    }

    fn index(&mut self, place: Place) {
        let identity = place.record.identity();
        self.taken.entry(identity).or_insert(place.record.seq);
        self.identifiers.insert(identity.0);
        self.places.push(place);
    }
}

/// A batch before it is written.
#[derive(Default)]
struct Staged {
    bytes: Vec<u8>,
    records: Vec<(SealedRecord, u64, u32)>,
    taken: HashMap<([u8; 32], [u8; 32]), u64>,
    identifiers: HashSet<[u8; 32]>,
}

/// Everything in a spool's folder.
struct Found {
    segments: Vec<Segment>,
    id: Option<[u8; 16]>,
    next_seq: u64,
}

impl Found {
    fn read(folder: &Path) -> Result<Self, SpoolError> {
        let mut found = Self {
            segments: Vec::new(),
            id: None,
            next_seq: 1,
        };
        for (number, (first_seq, path)) in segment::list(folder)
            .map_err(io_error("list", folder))?
            .into_iter()
            .enumerate()
        {
            let mut segment = segment::scan(&path, first_seq, number).map_err(io_error("read", &path))?;
            if let Some((id, last_before)) = segment.head {
                if *found.id.get_or_insert(id) != id {
                    return Err(SpoolError::Foreign(path));
                }
                if last_before >= found.next_seq {
                    let missing = DamageKind::Missing {
                        from: found.next_seq,
                        to: last_before,
                    };
                    segment.damage(0, missing);
                }
            }
            let after_head = first_seq.saturating_add(u64::from(segment.head.is_none()));
            let after_records = segment.last_seq.map_or(0, |last| last.saturating_add(1));
            found.next_seq = found.next_seq.max(after_head).max(after_records);
            found.segments.push(segment);
        }
        Ok(found)
    }

    fn damages(&self) -> Vec<Damage> {
        self.segments.iter().flat_map(|s| s.damages.iter().cloned()).collect()
    }

    /// Syncs the last segment, whose last bytes may have been read from memory only, and returns it if it may be
    /// appended to. After a torn tail or a damaged head a new segment is needed.
    ///
    /// A tail could also be acknowledged records whose bytes decayed: the numbers that they can have had are skipped, so
    /// that a receiver who already has them takes the next record for the new one that it is.
    fn continue_last(&mut self) -> Result<Option<(File, u64)>, SpoolError> {
        let Some(last) = self.segments.last() else {
            return Ok(None);
        };
        let file = OpenOptions::new().append(true).open(&last.path);
        let file = file.and_then(|file| file.sync_all().map(|()| file));
        let file = file.map_err(io_error("sync", &last.path))?;
        match last.torn_at {
            Some(at) => {
                self.next_seq += (last.bytes - at) / frame::HEADER_BYTES as u64 + 1;
                Ok(None)
            }
            None => Ok(last.head.is_some().then_some((file, last.bytes))),
        }
    }
}

fn status_of<'a>(places: impl Iterator<Item = &'a Place>) -> Status {
    let mut status = Status::default();
    for place in places {
        let record = &place.record;
        status.records += 1;
        status.classes[record.class as usize] += 1;
        status.conflicts += u64::from(record.identifier_conflict);
        let first = status.received_ns.map_or(record.received_at_ns, |(first, _)| first);
        status.received_ns = Some((first, record.received_at_ns));
    }
    status
}

fn check_limits(messages: &[Incoming]) -> Result<(), SpoolError> {
    let over = |what, limit| Err(SpoolError::OverLimit { what, limit });
    if messages.len() > BATCH_MESSAGES_MAX {
        return over("the batch", "4,096 messages");
    }
    if messages.iter().any(|m| m.bytes.len() > MESSAGE_BYTES_MAX) {
        return over("a message", "35 MiB");
    }
    if messages.iter().map(|m| m.bytes.len()).sum::<usize>() > BATCH_BYTES_MAX {
        return over("the batch", "256 MiB");
    }
    let long = |name: &String| name.len() > ENVELOPE_BYTES_MAX;
    if messages.iter().any(|m| long(&m.message_id) || long(&m.sender)) {
        return over("a message id or sender", "998 bytes");
    }
    Ok(())
}

/// Returns the folder that holds the name of `path`.
pub(crate) fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn lock(folder: &Path) -> Result<File, SpoolError> {
    let path = folder.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(io_error("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SpoolError::Locked(folder.to_owned())),
        Err(TryLockError::Error(source)) => Err(io_error("lock", &path)(source)),
    }
}

pub(crate) fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SpoolError {
    let path = path.to_owned();
    move |source| SpoolError::Io { doing, path, source }
}
