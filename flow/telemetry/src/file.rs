use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes read from disk at a time; who asks for more at once, as for chunks of event logs, gets it past this buffer.
const DISK_BUFFER_BYTES: usize = 1 << 14;
/// Bytes unpacked at a time.
const BUFFER_BYTES: usize = 1 << 16;

/// Opens a file and unpacks it by its content: gzip, Zstandard or plain.
pub fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    Ok(unpack(File::open(path)?)?.content)
}

/// A file that is read unpacked.
pub(crate) struct Unpacked {
    pub content: Box<dyn BufRead + Send>,
    pub is_packed: bool,
    /// Bytes read of the file as it lies on disk.
    pub on_disk: Arc<AtomicU64>,
}

/// Tells by content how a source is packed.
pub(crate) fn unpack(file: impl Read + Send + 'static) -> io::Result<Unpacked> {
    let on_disk = Arc::new(AtomicU64::new(0));
    let counted = Counted {
        file,
        read: Arc::clone(&on_disk),
    };
    let mut file = BufReader::with_capacity(DISK_BUFFER_BYTES, counted);
    let magic = file.fill_buf()?;
    let (is_gzip, is_zstd) = (magic.starts_with(&[0x1f, 0x8b]), magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]));
    let content: Box<dyn BufRead + Send> = if is_gzip {
        let unpacked = flate2::bufread::MultiGzDecoder::new(file);
        Box::new(BufReader::with_capacity(BUFFER_BYTES, unpacked))
    } else if is_zstd {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, zstd::Decoder::with_buffer(file)?))
    } else {
        Box::new(file)
    };
    Ok(Unpacked {
        content,
        is_packed: is_gzip || is_zstd,
        on_disk,
    })
}

impl Unpacked {
    /// Goes on at an offset of a plain file, without reading what stands before.
    pub fn seek(&mut self, path: &Path, offset: u64) -> io::Result<()> {
        let mut file = File::open(path)?;
        let bytes = file.metadata()?.len();
        if bytes < offset {
            let text = format!("it has {bytes} bytes, and was to be read on from byte {offset}");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        file.seek(SeekFrom::Start(offset))?;
        let read = Arc::clone(&self.on_disk);
        read.store(0, Ordering::Relaxed);
        self.content = Box::new(BufReader::with_capacity(BUFFER_BYTES, Counted { file, read }));
        Ok(())
    }
}

/// A file whose bytes are counted while they are read, for whoever shows progress.
struct Counted<R> {
    file: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// What [`read_line`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// A line is in the buffer.
    Whole,
    /// The line was longer than the limit; its first bytes are in the buffer, the rest was skipped.
    TooLong,
    /// Nothing is left.
    End,
}

/// Reads one line without its end into `buffer`, never more than `bytes_max`; adds what was consumed to `offset`.
pub fn read_line(reader: &mut dyn BufRead, buffer: &mut Vec<u8>, bytes_max: usize, offset: &mut u64) -> io::Result<Line> {
    let mut line = LineBuffer::default();
    std::mem::swap(&mut line.bytes, buffer);
    line.bytes.clear();
    let found = line.read(reader, bytes_max);
    *offset += line.consumed;
    std::mem::swap(&mut line.bytes, buffer);
    Ok(match found? {
        false if line.consumed == 0 => Line::End,
        _ if line.is_too_long => Line::TooLong,
        _ => Line::Whole,
    })
}

/// A line that is read piece by piece, as far as its source has it.
#[derive(Debug, Default)]
pub(crate) struct LineBuffer {
    /// The line without its end, at most so many bytes of it as the limit says.
    pub bytes: Vec<u8>,
    /// Bytes of the source that it took, its end included.
    pub consumed: u64,
    pub is_too_long: bool,
}

impl LineBuffer {
    /// Begins a new line.
    pub fn clear(&mut self) {
        self.bytes.clear();
        (self.consumed, self.is_too_long) = (0, false);
    }

    /// Reads on; returns whether the line's end was found. It was not where the source has no more at present.
    ///
    /// # Errors
    /// When the source stops being readable.
    pub fn read(&mut self, source: &mut dyn BufRead, bytes_max: usize) -> io::Result<bool> {
        if !self.is_too_long {
            let room = (bytes_max + 1).saturating_sub(self.bytes.len());
            self.consumed += (&mut *source).take(room as u64).read_until(b'\n', &mut self.bytes)? as u64;
            if self.bytes.last() == Some(&b'\n') {
                self.bytes.pop();
                return Ok(true);
            }
            self.is_too_long = self.bytes.len() > bytes_max;
            if !self.is_too_long {
                return Ok(false);
            }
            self.bytes.truncate(bytes_max);
        }
        self.skip(source)
    }

    fn skip(&mut self, source: &mut dyn BufRead) -> io::Result<bool> {
        loop {
            let available = source.fill_buf()?;
            let end = available.iter().position(|b| *b == b'\n');
            let used = end.map_or(available.len(), |end| end + 1);
            source.consume(used);
            self.consumed += used as u64;
            if end.is_some() || used == 0 {
                return Ok(end.is_some());
            }
        }
    }
}
