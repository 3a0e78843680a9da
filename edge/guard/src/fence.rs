use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use crate::warrant::Refusal;

/// Refuses orders of plans older than the newest seen, and of control rooms that started before the newest seen; remembers both
/// in a file across restarts.
pub struct Fence {
    file: PathBuf,
    newest: u64,
    epoch: u64,
}

impl Fence {
    /// Reads the fence, or starts one at 0 if the file is not there.
    pub fn open(file: PathBuf) -> io::Result<Self> {
        let (newest, epoch) = match fs::read_to_string(&file) {
            Ok(text) => {
                parse(&text).ok_or_else(|| io::Error::other(format!("{} holds no generation and epoch", file.display())))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => (0, 0),
            Err(error) => return Err(error),
        };
        Ok(Self { file, newest, epoch })
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
            self.write(generation, self.epoch).map_err(Refusal::Fence)?;
            self.newest = generation;
        }
        Ok(())
    }

    /// Lets a control room pass if none that started later was seen; a later one is durable before this returns.
    pub fn pass_epoch(&mut self, epoch: u64) -> Result<(), Refusal> {
        if epoch < self.epoch {
            return Err(Refusal::StaleController {
                found: epoch,
                newest: self.epoch,
            });
        }
        if epoch > self.epoch {
            self.write(self.newest, epoch).map_err(Refusal::Fence)?;
            self.epoch = epoch;
        }
        Ok(())
    }

    fn write(&self, generation: u64, epoch: u64) -> io::Result<()> {
        replace_file(&self.file, format!("{generation} {epoch}\n").as_bytes())
    }
}

/// Reads `generation epoch`; the epoch is 0 in files of older builds.
fn parse(text: &str) -> Option<(u64, u64)> {
    let mut numbers = text.split_whitespace().map(str::parse);
    let generation = numbers.next()?.ok()?;
    let epoch = numbers.next().unwrap_or(Ok(0)).ok()?;
    numbers.next().is_none().then_some((generation, epoch))
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
