use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use leckwehr_telemetry::IntakeError;

use crate::hunt::walk::InputFile;

/// Bytes of a file of JSON lines that one thread takes at a time.
pub const PIECE_BYTES_MAX: u64 = 32 << 20;

/// A file, or a part of one that can be read for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Number of the file.
    pub file: usize,
    pub path: std::path::PathBuf,
    /// Bytes from which on and before which lines begin; `None` for the whole file.
    pub range: Option<(u64, u64)>,
    /// Bytes on disk.
    pub bytes: u64,
}

/// Cuts files into pieces. Only plain files whose first byte begins a JSON object are cut: each of their lines stands for itself.
pub(crate) fn pieces(files: &[InputFile], split: bool) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(files.len());
    for (number, file) in files.iter().enumerate() {
        let piece = |range: Option<(u64, u64)>| Piece {
            file: number,
            path: file.path.clone(),
            range,
            bytes: range.map_or(file.bytes, |(from, to)| to - from),
        };
        if !split || file.bytes <= PIECE_BYTES_MAX || !begins_with_object(&file.path) {
            pieces.push(piece(None));
            continue;
        }
        let starts = (0..file.bytes).step_by(PIECE_BYTES_MAX as usize);
        pieces.extend(starts.map(|from| {
            // The file may grow while it is read: the last piece goes on to its end.
            let to = from + PIECE_BYTES_MAX;
            piece(Some((from, if to >= file.bytes { u64::MAX } else { to })))
        }));
        if let Some(last) = pieces.last_mut() {
            last.bytes = file.bytes % PIECE_BYTES_MAX;
        }
    }
    pieces
}

fn begins_with_object(path: &Path) -> bool {
    let mut first = [0];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut first));
    read.is_ok() && first == *b"{"
}

/// Returns where the first line of a plain file begins that begins at or after `from`; the file's end if there is none.
pub(crate) fn line_at(path: &Path, from: u64) -> Result<u64, IntakeError> {
    let find = || -> io::Result<u64> {
        let Some(before) = from.checked_sub(1) else { return Ok(0) };
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(before))?;
        let mut reader = BufReader::new(file);
        let mut at = before;
        loop {
            let available = reader.fill_buf()?;
            let end = available.iter().position(|b| *b == b'\n');
            let used = end.map_or(available.len(), |end| end + 1);
            reader.consume(used);
            at += used as u64;
            if end.is_some() || used == 0 {
                return Ok(at);
            }
        }
    };
    find().map_err(|source| IntakeError::Open {
        path: path.to_owned(),
        source,
    })
}
