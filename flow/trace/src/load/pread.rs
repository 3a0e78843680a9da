use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// Reads at places of a file without moving in it, and never asks for more memory than the file has bytes: lengths in a
/// damaged file may be anything.
pub(super) struct Pread {
    file: Arc<File>,
    bytes: u64,
    spare: Spare,
}

/// Pages that were read and are not needed any more, to be filled again: new memory for each would cost more than reading.
type Spare = Arc<Mutex<Vec<Vec<u8>>>>;

/// Most pages kept for filling again, and their most bytes.
const SPARE_PAGES_MAX: usize = 8;
const SPARE_BYTES_MAX: usize = 4 << 20;

/// A page, and where it goes afterwards.
struct Page {
    bytes: Vec<u8>,
    spare: Spare,
}

impl AsRef<[u8]> for Page {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if let Ok(mut spare) = self.spare.lock()
            && spare.len() < SPARE_PAGES_MAX
            && self.bytes.capacity() <= SPARE_BYTES_MAX
        {
            spare.push(std::mem::take(&mut self.bytes));
        }
    }
}

impl Pread {
    pub(super) fn new(file: File) -> io::Result<Self> {
        Ok(Self {
            bytes: file.metadata()?.len(),
            file: Arc::new(file),
            spare: Spare::default(),
        })
    }
}

impl Length for Pread {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for Pread {
    type T = From;

    fn get_read(&self, start: u64) -> Result<From> {
        Ok(From {
            file: Arc::clone(&self.file),
            at: start,
            ahead: [0; AHEAD_BYTES],
            part: 0..0,
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.bytes) {
            return Err(ParquetError::EOF(format!(
                "{length} bytes from byte {start} on lie behind the end of the file"
            )));
        }
        let spare = self.spare.lock().ok().and_then(|mut spare| spare.pop());
        let mut bytes = spare.unwrap_or_default();
        bytes.resize(length, 0);
        self.file.read_exact_at(&mut bytes, start)?;
        let spare = Arc::clone(&self.spare);
        Ok(Bytes::from_owner(Page { bytes, spare }))
    }
}

/// A page's header is shorter.
const AHEAD_BYTES: usize = 256;

/// Reads on from a place.
pub(super) struct From {
    file: Arc<File>,
    at: u64,
    ahead: [u8; AHEAD_BYTES],
    part: std::ops::Range<usize>,
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.part.is_empty() {
            let read = self.file.read_at(&mut self.ahead, self.at)?;
            self.at += read as u64;
            self.part = 0..read;
        }
        let there = self.ahead.get(self.part.clone()).unwrap_or_default();
        let taken = there.len().min(buffer.len());
        buffer.iter_mut().zip(there).for_each(|(to, from)| *to = *from);
        self.part.start += taken;
        Ok(taken)
    }
}
