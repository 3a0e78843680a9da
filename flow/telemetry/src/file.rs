use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Opens a file and unpacks it by its content: gzip, Zstandard or plain.
pub fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    let mut file = BufReader::new(File::open(path)?);
    let magic = file.fill_buf()?;
    if magic.starts_with(&[0x1f, 0x8b]) {
        Ok(Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(file))))
    } else if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Ok(Box::new(BufReader::new(zstd::Decoder::with_buffer(file)?)))
    } else {
        Ok(Box::new(file))
    }
}

/// What [`read_line`] found.
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
    buffer.clear();
    let mut limited = reader.take(bytes_max as u64 + 1);
    let read = limited.read_until(b'\n', buffer)?;
    *offset += read as u64;
    if read == 0 {
        return Ok(Line::End);
    }
    if buffer.last() == Some(&b'\n') {
        buffer.pop();
        return Ok(Line::Whole);
    }
    if read <= bytes_max {
        return Ok(Line::Whole);
    }
    skip_line(reader, offset)?;
    Ok(Line::TooLong)
}

fn skip_line(reader: &mut dyn BufRead, offset: &mut u64) -> io::Result<()> {
    loop {
        let available = reader.fill_buf()?;
        let (used, done) = match available.iter().position(|b| *b == b'\n') {
            Some(end) => (end + 1, true),
            None => (available.len(), available.is_empty()),
        };
        reader.consume(used);
        *offset += used as u64;
        if done {
            return Ok(());
        }
    }
}
