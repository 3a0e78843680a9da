use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// Reads at places of a file without moving in it, and never asks for more memory than the file has bytes: lengths in a
/// damaged file may be anything.
pub(super) struct Pread {
    file: Arc<File>,
    bytes: u64,
}

impl Pread {
    pub(super) fn new(file: File) -> io::Result<Self> {
        Ok(Self {
            bytes: file.metadata()?.len(),
            file: Arc::new(file),
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
        let mut buffer = vec![0; length];
        self.file.read_exact_at(&mut buffer, start)?;
        Ok(buffer.into())
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
