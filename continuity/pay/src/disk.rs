use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

/// Something that is about to reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// This many bytes.
    Write(usize),
    /// An fsync of a file or folder.
    Sync,
    /// A file gets its final name.
    Rename,
    /// A file is cut to its sound part.
    Cut,
    /// What a test had stopped: its part of the bytes is written.
    Stopped,
}

/// A hook before every effect on the disk: `None` lets it happen, a number lets only so many of its bytes happen, and then the
/// hook is told [`Effect::Stopped`]. It may end the process there; if it returns, the disk has failed. The default does nothing.
#[derive(Clone, Default)]
pub struct Faults(Option<Arc<Hook>>);

type Hook = dyn Fn(Effect) -> Option<usize> + Send + Sync;

impl Faults {
    /// Takes a hook.
    pub fn new(hook: impl Fn(Effect) -> Option<usize> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    fn ask(&self, effect: Effect) -> Option<usize> {
        self.0.as_ref().and_then(|hook| hook(effect))
    }

    fn stop<T>(&self) -> io::Result<T> {
        self.ask(Effect::Stopped);
        Err(io::Error::other("the disk was stopped"))
    }

    pub(crate) fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        match self.ask(Effect::Write(bytes.len())) {
            None => file.write_all(bytes),
            Some(part) => {
                file.write_all(bytes.get(..part).unwrap_or(bytes))?;
                self.stop()
            }
        }
    }

    pub(crate) fn sync(&self, file: &File) -> io::Result<()> {
        if self.ask(Effect::Sync).is_some() {
            return self.stop();
        }
        file.sync_all()
    }

    pub(crate) fn cut(&self, file: &File, length: u64) -> io::Result<()> {
        if self.ask(Effect::Cut).is_some() {
            return self.stop();
        }
        file.set_len(length)?;
        self.sync(file)
    }

    pub(crate) fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.sync(&File::open(folder)?)
    }

    /// Gives a file its final name, durably.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.ask(Effect::Rename).is_some() {
            return self.stop();
        }
        std::fs::rename(from, to)?;
        self.sync_folder(to.parent().unwrap_or(Path::new(".")))
    }

    /// Writes a whole file, durably; only its owner may read it. Its name is durable too.
    pub(crate) fn write_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
        self.write(&mut file, bytes)?;
        self.sync(&file)?;
        self.sync_folder(path.parent().unwrap_or(Path::new(".")))
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Faults(hook)" } else { "Faults(none)" })
    }
}
