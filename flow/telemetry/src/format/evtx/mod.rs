//! Windows event log files (EVTX): [MS-EVEN6] for the binary XML, libevtx' format documentation for the file.
//!
//! ```text
//!   file header (4,096) │ chunk (65,536): header 512, records ... │ chunk │ ...
//!   record: 2a2a0000, size, id, written, binary XML, size
//! ```
//!
//! Chunks are read one behind the other, whatever the file header says of them: a log that was copied while it was
//! written has an old header. What is between readable records is counted and named as damaged.

mod names;
mod value;
mod xml;

use std::io::{self, Read as _};

use self::xml::XmlReader;
use crate::format::{self, Fault};
use crate::{RawPlace, Sheet};

const FILE_MAGIC: &[u8] = b"ElfFile\0";
const CHUNK_MAGIC: &[u8] = b"ElfChnk\0";
const RECORD_MAGIC: [u8; 4] = [0x2a, 0x2a, 0, 0];
const FILE_HEADER_BYTES: u64 = 4_096;
const CHUNK_BYTES: usize = 65_536;
const CHUNK_HEADER_BYTES: usize = 512;
const RECORD_HEADER_BYTES: usize = 24;
const RECORD_BYTES_MIN: usize = RECORD_HEADER_BYTES + 4;

/// Returns whether a file that begins so is an event log, or chunks carved out of one.
pub(crate) fn is_evtx(beginning: &[u8]) -> bool {
    beginning.starts_with(FILE_MAGIC) || beginning.starts_with(CHUNK_MAGIC)
}

/// Reads the records of one event log in order.
#[derive(Debug, Default)]
pub(crate) struct EvtxReader {
    xml: XmlReader,
    chunk: Vec<u8>,
    /// Offset of the chunk in the file.
    chunk_offset: u64,
    /// Where in the chunk the next record begins; at its end there is none.
    at: usize,
    /// Where the chunk's header says that its records end.
    free: usize,
    last_id: Option<u64>,
    records: u64,
    /// Bytes of the file read.
    offset: u64,
}

/// What [`EvtxReader::next`] came upon.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// The sheet holds a record.
    Record,
    /// What stands at this place is damaged; so many of its bytes are it.
    Damaged(RawPlace, Fault),
    /// The file has ended.
    End,
}

impl EvtxReader {
    /// Reads on to the next record, or to the next damage.
    ///
    /// # Errors
    /// When the file stops being readable.
    pub fn next(&mut self, file: &mut dyn io::BufRead, sheet: &mut Sheet) -> io::Result<Piece> {
        loop {
            while self.at + RECORD_BYTES_MIN <= self.chunk.len() {
                if let Some(piece) = self.record(sheet) {
                    return Ok(piece);
                }
            }
            if let Some(piece) = self.next_chunk(file)? {
                return Ok(piece);
            }
        }
    }

    /// Returns where the next record is looked for.
    pub fn position(&self) -> RawPlace {
        let within = self.chunk_offset + self.at as u64;
        RawPlace {
            record: self.records + 1,
            offset: if self.at < self.chunk.len() { within } else { self.offset },
        }
    }

    /// Goes on at a place that [`EvtxReader::position`] gave for the same file, of which nothing was read yet.
    ///
    /// # Errors
    /// When the file stops being readable.
    pub fn resume(&mut self, place: RawPlace, file: &mut dyn io::BufRead) -> io::Result<()> {
        let header = if file.fill_buf()?.starts_with(FILE_MAGIC) {
            FILE_HEADER_BYTES
        } else {
            0
        };
        let chunks = place.offset.saturating_sub(header) / CHUNK_BYTES as u64;
        let chunk_offset = header + chunks * CHUNK_BYTES as u64;
        self.offset = io::copy(&mut (&mut *file).take(chunk_offset), &mut io::sink())?;
        self.next_chunk(file)?;
        self.records = place.record.saturating_sub(1);
        self.at = self.at.max(place.offset.saturating_sub(chunk_offset) as usize);
        Ok(())
    }

    /// Returns the record at a place in the present chunk; all from there on where there is none.
    pub fn raw(&self, place: RawPlace) -> &[u8] {
        let start = place
            .offset
            .checked_sub(self.chunk_offset)
            .and_then(|at| usize::try_from(at).ok());
        let Some(rest) = start.and_then(|start| self.chunk.get(start..)) else {
            return &[];
        };
        let size = start
            .and_then(|start| self.record_at(start))
            .map_or(rest.len(), |(size, _)| size);
        rest.get(..size).unwrap_or(rest)
    }

    /// Reads the next chunk; returns what to tell before its records.
    fn next_chunk(&mut self, file: &mut dyn io::BufRead) -> io::Result<Option<Piece>> {
        if self.offset == 0 && file.fill_buf()?.starts_with(FILE_MAGIC) {
            self.offset += io::copy(&mut (&mut *file).take(FILE_HEADER_BYTES), &mut io::sink())?;
        }
        self.chunk_offset = self.offset;
        self.chunk.clear();
        self.chunk.reserve_exact(CHUNK_BYTES);
        let read = (&mut *file).take(CHUNK_BYTES as u64).read_to_end(&mut self.chunk)?;
        self.offset += read as u64;
        self.at = CHUNK_BYTES;
        self.xml.names.clear();
        if read == 0 {
            return Ok(Some(Piece::End));
        }
        if self.chunk.iter().all(|b| *b == 0) {
            // Set aside for chunks to come.
            return Ok(None);
        }
        let place = RawPlace {
            record: self.records + 1,
            offset: self.chunk_offset,
        };
        self.last_id = None;
        self.at = CHUNK_HEADER_BYTES;
        let damage = self.chunk_damage(read);
        self.chunk.resize(CHUNK_BYTES, 0);
        Ok(damage.map(|reason| Piece::Damaged(place, reason.into())))
    }

    /// Looks at the chunk's header; what is wrong with it does not keep its records from being read.
    fn chunk_damage(&mut self, read: usize) -> Option<&'static str> {
        let long = |at: usize| {
            let bytes = self.chunk.get(at..).and_then(|rest| rest.first_chunk::<4>());
            bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
        };
        if !self.chunk.starts_with(CHUNK_MAGIC) {
            self.at = 0;
            self.free = CHUNK_BYTES;
            return Some("no chunk of an event log begins where one should; its records are searched for");
        }
        let (free, sum) = (long(48) as usize, long(52));
        self.free = free.clamp(CHUNK_HEADER_BYTES, CHUNK_BYTES);
        if read < CHUNK_BYTES {
            return Some("the file ends within a chunk");
        }
        let records = self.chunk.get(CHUNK_HEADER_BYTES..free)?;
        let mut crc = flate2::Crc::new();
        crc.update(records);
        (crc.sum() != sum).then_some("the checksum of a chunk's records does not hold; they are read as far as they are whole")
    }

    /// Reads the next record of the chunk; `None` where it only went on to another place, which may be the chunk's end.
    fn record(&mut self, sheet: &mut Sheet) -> Option<Piece> {
        let Some((size, id)) = self.record_at(self.at) else {
            if self.at < self.free {
                return self.search();
            }
            self.at = CHUNK_BYTES;
            return None;
        };
        // Behind the end that the header tells there may be younger records, or those of an older use of the chunk.
        if self.at >= self.free && self.last_id != Some(id.wrapping_sub(1)) {
            self.at = CHUNK_BYTES;
            return None;
        }
        let start = self.at;
        self.at += size;
        self.records += 1;
        self.last_id = Some(id);
        let place = RawPlace {
            record: self.records,
            offset: self.chunk_offset + start as u64,
        };
        sheet.clear();
        sheet.set_place(place);
        let (from, to) = (start + RECORD_HEADER_BYTES, start + size - 4);
        let read = self.xml.read(&self.chunk, from, to, sheet);
        let read = read.and_then(|()| format::dissolve(sheet).map_err(Fault::from));
        Some(match read {
            Ok(()) => Piece::Record,
            Err(fault) => {
                sheet.clear();
                let at = fault.at + RECORD_HEADER_BYTES;
                Piece::Damaged(place, Fault { at, ..fault })
            }
        })
    }

    /// Returns size and id of the record at `at` of the chunk, if there is one.
    fn record_at(&self, at: usize) -> Option<(usize, u64)> {
        let header = self.chunk.get(at..)?.first_chunk::<RECORD_HEADER_BYTES>()?;
        let (magic, rest) = header.split_first_chunk::<4>()?;
        let (size, rest) = rest.split_first_chunk::<4>()?;
        let (id, _) = rest.split_first_chunk::<8>()?;
        let length = u32::from_le_bytes(*size) as usize;
        let record = self.chunk.get(at..)?.get(..length)?;
        let is_whole = *magic == RECORD_MAGIC && length >= RECORD_BYTES_MIN && record.ends_with(size);
        is_whole.then_some((length, u64::from_le_bytes(*id)))
    }

    /// Goes on at the next whole record behind what is none.
    fn search(&mut self) -> Option<Piece> {
        let start = self.at;
        let next = (start + 1..self.chunk.len()).find(|at| self.record_at(*at).is_some());
        self.at = next.unwrap_or(CHUNK_BYTES);
        let skipped = self.chunk.get(start..self.at).unwrap_or(&[]);
        // What is no chunk was told of as a whole.
        if !self.chunk.starts_with(CHUNK_MAGIC) || skipped.iter().all(|b| *b == 0) {
            return None;
        }
        let place = RawPlace {
            record: self.records + 1,
            offset: self.chunk_offset + start as u64,
        };
        Some(Piece::Damaged(place, "no whole record stands here".into()))
    }
}
