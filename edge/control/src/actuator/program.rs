use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::timeout;

/// Bytes kept of what a program says on each of its two outputs; the rest is read and dropped.
pub const PROGRAM_OUTPUT_BYTES_MAX: usize = 64 << 10;
/// Longest time that any program gets, in milliseconds: a day.
pub const PROGRAM_MS_MAX: u64 = 24 * 3_600_000;
/// How long is waited for the end of a program's outputs after the program itself ended, in milliseconds: what it left in the
/// background may hold them open.
const OUTPUT_MS_MAX: u64 = 2_000;

/// A program with its arguments: never a line for a shell.
#[derive(Debug, Clone)]
pub struct Program {
    /// Absolute path of the program, then its arguments.
    pub argv: Vec<String>,
    /// Its whole environment: nothing is inherited.
    pub environment: BTreeMap<String, String>,
    /// Time it gets, in milliseconds; then it is killed, with every process of its group.
    pub timeout_ms: u64,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramEnd {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The first [`PROGRAM_OUTPUT_BYTES_MAX`] bytes that it said.
    pub output: String,
    /// The same of its complaints.
    pub complaints: String,
}

/// A program that did not come to its own end.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It was not started: nothing was done.
    #[error("{program} cannot be started: {source}")]
    NotStarted {
        /// The program.
        program: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// It took too long and was killed with its group: how far it came is not known.
    #[error("{program} did not end within {ms} ms and was killed")]
    TimedOut {
        /// The program.
        program: String,
        /// The time that it had.
        ms: u64,
    },
    /// Its end could not be waited for.
    #[error("the end of {program} is not known: {source}")]
    Lost {
        /// The program.
        program: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl ProgramError {
    /// Returns whether the program certainly did nothing.
    pub fn is_certainly_not_applied(&self) -> bool {
        matches!(self, Self::NotStarted { .. })
    }
}

impl ProgramEnd {
    /// Returns how it ended, with its first complaint and its last: the cause tends to be the one, the verdict the other.
    pub fn in_words(&self) -> String {
        let how = match self.code {
            Some(code) => format!("exit code {code}"),
            None => "ended by a signal".to_owned(),
        };
        let lines = |text: &str| -> Vec<String> {
            let full = text.lines().map(str::trim).filter(|line| !line.is_empty());
            full.map(str::to_owned).collect()
        };
        let complaints = lines(&self.complaints);
        let said = if complaints.is_empty() {
            lines(&self.output)
        } else {
            complaints
        };
        match (said.first(), said.last()) {
            (Some(first), Some(last)) if first != last => format!("{how}: {first} … {last}"),
            (_, Some(last)) => format!("{how}: {last}"),
            _ => how,
        }
    }
}

impl Program {
    /// Runs the program to its end, in a process group of its own, or kills the group when its time is over.
    ///
    /// `hold` becomes its standard input: a lock on that file lasts as long as anybody who has it, so that whoever comes after a
    /// killed control room sees that the program is still at work.
    pub async fn run(&self, hold: Option<File>) -> Result<ProgramEnd, ProgramError> {
        let Some((program, arguments)) = self.argv.split_first().filter(|(p, _)| Path::new(p).is_absolute()) else {
            return Err(ProgramError::NotStarted {
                program: self.argv.first().cloned().unwrap_or_default(),
                source: io::Error::new(io::ErrorKind::InvalidInput, "the path of a program must be absolute"),
            });
        };
        let name = || program.clone();
        let spawned = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(&self.environment)
            .stdin(hold.map_or_else(Stdio::null, Stdio::from))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        let mut child = spawned.map_err(|source| ProgramError::NotStarted { program: name(), source })?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let (output, complaints) = (read_all(child.stdout.take()), read_all(child.stderr.take()));
        let ms = self.timeout_ms.min(PROGRAM_MS_MAX);
        let work = async {
            let texts = async { tokio::join!(output, complaints) };
            tokio::pin!(texts);
            let mut early = None;
            let status = loop {
                tokio::select! {
                    status = child.wait() => break status,
                    both = &mut texts, if early.is_none() => early = Some(both),
                }
            };
            let both = match early {
                Some(both) => both,
                None => timeout(Duration::from_millis(OUTPUT_MS_MAX), &mut texts)
                    .await
                    .unwrap_or_default(),
            };
            (status, both)
        };
        let ended = timeout(Duration::from_millis(ms), work).await;
        let Ok((status, (output, complaints))) = ended else {
            // Not waited for yet, so its number cannot have gone to another group.
            if let Some(group) = group {
                let _ = killpg(group, Signal::SIGKILL);
            }
            let _ = child.wait().await;
            return Err(ProgramError::TimedOut { program: name(), ms });
        };
        let status = status.map_err(|source| ProgramError::Lost { program: name(), source })?;
        Ok(ProgramEnd {
            code: status.code(),
            output,
            complaints,
        })
    }
}

/// Reads to the end and keeps the beginning.
async fn read_all(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let (mut kept, mut buffer) = (Vec::new(), vec![0; 16 << 10]);
    if let Some(mut pipe) = pipe {
        while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
            let room = PROGRAM_OUTPUT_BYTES_MAX - kept.len();
            kept.extend(buffer.iter().take(count.min(room)));
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Opens the file of a lock and takes it, waiting for whoever holds it for at most `patience_ms`.
pub(crate) async fn lock(path: &Path, patience_ms: u64) -> io::Result<File> {
    /// Pause between two looks, in milliseconds.
    const PAUSE_MS: u64 = 20;
    let file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)?;
    let take = async {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(std::fs::TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await,
                Err(std::fs::TryLockError::Error(error)) => return Err(error),
            }
        }
    };
    let held = || io::Error::new(io::ErrorKind::WouldBlock, still_at_work(path));
    timeout(Duration::from_millis(patience_ms), take)
        .await
        .unwrap_or_else(|_| Err(held()))?;
    Ok(file)
}

fn still_at_work(path: &Path) -> String {
    let path: PathBuf = path.into();
    format!(
        "a program of an earlier run still holds {}: let it end, or end it, and resume",
        path.display()
    )
}
