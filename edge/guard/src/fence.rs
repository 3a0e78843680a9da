use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use crate::warrant::Refusal;

/// Refuses orders of plans older than the newest seen; remembers it in a file across restarts.
pub struct Fence {
    file: PathBuf,
    newest: u64,
}

impl Fence {
    /// Reads the fence, or starts one at 0 if the file is not there.
    pub fn open(file: PathBuf) -> io::Result<Self> {
        let newest = match fs::read_to_string(&file) {
            Ok(text) => text
                .trim()
                .parse()
                .map_err(|_| io::Error::other(format!("{} holds no number", file.display())))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        Ok(Self { file, newest })
    }

    /// Returns the generation in force.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// Lets `generation` pass if it is not stale; a newer one is durable before this returns.
    pub fn pass(&mut self, generation: u64) -> Result<(), Refusal> {
        if generation < self.newest {
            return Err(Refusal::Stale {
                found: generation,
                newest: self.newest,
            });
        }
        if generation > self.newest {
            self.write(generation).map_err(Refusal::Fence)?;
            self.newest = generation;
        }
        Ok(())
    }

    fn write(&self, generation: u64) -> io::Result<()> {
        replace_file(&self.file, format!("{generation}\n").as_bytes())
    }
}

/// Puts new content in the place of a file's: after a crash it is the old or the new one, whole.
pub(crate) fn replace_file(path: &std::path::Path, content: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}
