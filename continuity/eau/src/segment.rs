use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::fault::{FaultPoint, Faults};
use crate::frame::{self, Read};
use crate::record::SealedRecord;

const MAGIC: [u8; 8] = *b"LWEAU 1\n";

/// Something in the spool's files that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Name of the segment file.
    pub segment: String,
    /// Offset in bytes.
    pub offset: u64,
    /// What.
    pub kind: DamageKind,
}

/// What can be damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DamageKind {
    /// This record's bytes were changed.
    Record {
        /// Its sequence number.
        seq: u64,
    },
    /// These bytes are no record; the number of records in them is not known.
    Bytes {
        /// How many.
        bytes: u64,
    },
    /// The head of a segment was changed; its records are read nevertheless.
    Head,
    /// Records of these numbers were written and are gone.
    Missing {
        /// First.
        from: u64,
        /// Last.
        to: u64,
    },
    /// A record stands where its number does not belong; it is left out.
    OutOfOrder {
        /// Its sequence number.
        seq: u64,
    },
    /// Bytes of a write that was interrupted, or is under way: no receipt was given for them. Had there been one, the
    /// next segment would know the number, and it would be named as missing.
    TornTail {
        /// How many bytes.
        bytes: u64,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: ", self.segment, self.offset)?;
        match &self.kind {
            DamageKind::Record { seq } => write!(f, "record {seq} is damaged"),
            DamageKind::Bytes { bytes } => write!(f, "{bytes} bytes are no record"),
            DamageKind::Head => write!(f, "the head is damaged"),
            DamageKind::Missing { from, to } => write!(f, "records {from} to {to} are missing"),
            DamageKind::OutOfOrder { seq } => write!(f, "record {seq} is out of order"),
            DamageKind::TornTail { bytes } => write!(f, "{bytes} bytes of an interrupted write"),
        }
    }
}

/// Where a record stands, and what must be known of it without reading it again.
#[derive(Clone)]
pub(crate) struct Place {
    pub segment: usize,
    pub offset: u64,
    pub length: u32,
    /// The record without its sealed part.
    pub record: SealedRecord,
}

/// One segment file as found.
pub(crate) struct Segment {
    pub path: PathBuf,
    pub name: String,
    /// From the name: the first number it may hold.
    pub first_seq: u64,
    pub bytes: u64,
    /// Spool id and last number before this segment, if the head is sound.
    pub head: Option<([u8; 16], u64)>,
    pub places: Vec<Place>,
    pub damages: Vec<Damage>,
    /// Highest number seen, damaged records included.
    pub last_seq: Option<u64>,
    /// Where a tail begins in which no frame is whole.
    pub torn_at: Option<u64>,
}

/// Returns the segment files of a folder in order of their first number.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|s| s.to_str());
        if path.extension().is_some_and(|e| e == "seg")
            && let Some(first) = stem.and_then(|s| s.parse().ok())
        {
            found.push((first, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Makes a new segment file and syncs it with its folder before anything is written to it.
pub(crate) fn create(
    folder: &Path,
    spool: [u8; 16],
    (first_seq, last_before): (u64, u64),
    faults: &Faults,
) -> io::Result<(File, PathBuf, u64)> {
    let path = folder.join(format!("{first_seq:020}.seg"));
    let mut head = Vec::new();
    let body = [&MAGIC[..], &spool, &last_before.to_le_bytes()].concat();
    frame::write(&mut head, first_seq, &body);
    let mut file = OpenOptions::new().append(true).create_new(true).open(&path)?;
    file.write_all(&head)?;
    file.sync_all()?;
    faults.at(FaultPoint::SegmentCreated)?;
    sync_folder(folder)?;
    Ok((file, path, head.len() as u64))
}

pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Reads a segment. `number` is its position among the spool's segments.
pub(crate) fn scan(path: &Path, first_seq: u64, number: usize) -> io::Result<Segment> {
    let bytes = std::fs::read(path)?;
    let mut segment = Segment {
        path: path.to_owned(),
        name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        first_seq,
        bytes: bytes.len() as u64,
        head: None,
        places: Vec::new(),
        damages: Vec::new(),
        last_seq: None,
        torn_at: None,
    };
    let mut offset = match frame::read(&bytes, 0) {
        Read::Whole { seq, body, next } if seq == first_seq => {
            segment.head = read_head(body);
            next
        }
        Read::BadBody { next, .. } | Read::Gap { next } => next,
        Read::Whole { .. } | Read::Torn | Read::End => 0,
    };
    if segment.head.is_none() {
        segment.damage(0, DamageKind::Head);
    }
    loop {
        let at = offset as u64;
        offset = match frame::read(&bytes, offset) {
            Read::Whole { seq, body, next } => {
                segment.take(number, seq, at, body);
                next
            }
            Read::BadBody { seq, next } => {
                segment.damage(at, DamageKind::Record { seq });
                segment.last_seq = segment.last_seq.max(Some(seq));
                next
            }
            Read::Gap { next } => {
                let gap = next as u64 - at;
                segment.damage(at, DamageKind::Bytes { bytes: gap });
                next
            }
            Read::Torn => {
                let torn = segment.bytes - at;
                segment.damage(at, DamageKind::TornTail { bytes: torn });
                segment.torn_at = Some(at);
                return Ok(segment);
            }
            Read::End => return Ok(segment),
        };
    }
}

impl Segment {
    pub(crate) fn damage(&mut self, offset: u64, kind: DamageKind) {
        let segment = self.name.clone();
        self.damages.push(Damage { segment, offset, kind });
    }

    fn take(&mut self, segment: usize, seq: u64, offset: u64, body: &[u8]) {
        if seq < self.first_seq || self.last_seq.is_some_and(|last| seq <= last) {
            return self.damage(offset, DamageKind::OutOfOrder { seq });
        }
        let after_gap = self
            .damages
            .last()
            .is_some_and(|d| matches!(d.kind, DamageKind::Bytes { .. }));
        let expected = self.last_seq.map_or(self.first_seq, |last| last.saturating_add(1));
        if seq > expected && !after_gap {
            let to = seq - 1;
            self.damage(offset, DamageKind::Missing { from: expected, to });
        }
        self.last_seq = Some(seq);
        let Some(mut record) = SealedRecord::from_body(seq, body) else {
            return self.damage(offset, DamageKind::Record { seq });
        };
        record.sealed = Vec::new();
        self.places.push(Place {
            segment,
            offset,
            length: (frame::HEADER_BYTES + body.len()) as u32,
            record,
        });
    }
}

fn read_head(body: &[u8]) -> Option<([u8; 16], u64)> {
    let rest = body.strip_prefix(&MAGIC)?;
    let (spool, last_before) = rest.split_first_chunk::<16>()?;
    Some((*spool, u64::from_le_bytes(last_before.try_into().ok()?)))
}
