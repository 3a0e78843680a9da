use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::ControlError;

/// Largest spool, in bytes; what comes after is looked at, and missing after a restart.
const SPOOL_BYTES_MAX: u64 = 16 << 30;
/// Longest line that is read back, in bytes.
const LINE_BYTES_MAX: u64 = 8 << 20;

/// What came in, in order, as far as a restarted room needs it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "spooled", rename_all = "kebab-case")]
pub enum Spooled {
    /// A line of telemetry.
    Line {
        /// Where it came from.
        from: String,
        /// The line.
        line: String,
    },
    /// What came before is normal.
    EndLearning,
}

/// Telemetry as it came in, so that a control room that was killed looks at the same records again.
///
/// It is handed to the kernel before the detectors see it, so a killed process loses none of what it acted on; it is not synced: a
/// machine that loses power may lose the last seconds, which senders still have.
pub struct Spool {
    path: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
}

impl Spool {
    /// Opens the spool at `path` for appending, or begins it. Half a line at its end is cut off.
    pub fn open(path: &Path) -> Result<Self, ControlError> {
        let cannot = cannot_use(path);
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .read(true)
            .open(path)
            .map_err(&cannot)?;
        let mut spool = Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
            bytes: 0,
        };
        let mut whole = 0;
        spool.read(|_, end| {
            whole = end;
            Ok(())
        })?;
        spool.file.get_ref().set_len(whole).map_err(&cannot)?;
        spool.bytes = whole;
        Ok(spool)
    }

    /// Adds something.
    pub fn push(&mut self, what: &Spooled) -> Result<(), ControlError> {
        let mut line = serde_json::to_vec(what).unwrap_or_default();
        line.push(b'\n');
        self.bytes += line.len() as u64;
        if self.bytes > SPOOL_BYTES_MAX {
            return Ok(());
        }
        self.file.write_all(&line).map_err(cannot_use(&self.path))
    }

    /// Hands everything to the kernel: from now on it outlives this process.
    pub fn flush(&mut self) -> Result<(), ControlError> {
        self.file.flush().map_err(cannot_use(&self.path))
    }

    /// Reads everything again, in order, with the place at which each entry ends.
    pub fn read(&self, mut each: impl FnMut(Spooled, u64) -> Result<(), ControlError>) -> Result<(), ControlError> {
        let cannot = cannot_use(&self.path);
        let mut reader = BufReader::new(File::open(&self.path).map_err(&cannot)?);
        let (mut line, mut end) = (Vec::new(), 0);
        loop {
            line.clear();
            let read = io::Read::take(&mut reader, LINE_BYTES_MAX).read_until(b'\n', &mut line);
            end += read.map_err(&cannot)? as u64;
            // The last one may be half written.
            let Ok(spooled) = serde_json::from_slice(&line) else {
                return Ok(());
            };
            if line.last() != Some(&b'\n') {
                return Ok(());
            }
            each(spooled, end)?;
        }
    }
}

fn cannot_use(path: &Path) -> impl Fn(io::Error) -> ControlError + use<> {
    let what = format!("the spool of telemetry, {}, cannot be used", path.display());
    move |source| ControlError::Io {
        what: what.clone(),
        source,
    }
}
