//! The processes of a real drill: whoever started it, the keeper of the namespaces, the director in them, and the nodes.

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};

use crate::cable;
use crate::director::{DrillConfig, News, Played, play};
use crate::node;
use crate::part::{Say, Tell, Voice, in_words};
use crate::sandbox::{SandboxError, allow_many_files, die_with_parent, enter, enter_node};
use crate::stage::{Part, Stage};
use crate::wire::Net;

/// Exit code of the keeper when the machine forbids the sandbox.
const FORBIDDEN: u8 = 77;

/// What comes out of the sandbox, one JSON line each.
#[derive(Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
enum Line {
    News {
        news: News,
    },
    Played {
        played: Box<Played>,
    },
    Failed {
        error: String,
        forbidden: bool,
        remedies: Vec<String>,
    },
}

/// A drill that did not come to a score.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The machine forbids it.
    #[error("{error}")]
    Forbidden {
        /// The kernel's word.
        error: String,
        /// What can be done.
        remedies: Vec<String>,
    },
    /// The drill itself failed.
    #[error("{0}")]
    Failed(String),
    /// A process could not be started or talked to.
    #[error("the drill's processes cannot be started")]
    Io(#[from] io::Error),
    /// Somebody interrupted it.
    #[error("interrupted")]
    Interrupted,
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Runs `work` and leaves without waiting for the thread that reads the standard input.
fn run_to_end<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = runtime().map_err(|e| e.to_string())?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_background();
    outcome
}

/// Waits for somebody's word in a thread of its own, so that signals are heard meanwhile.
fn wait_for_word(go_on: fn() -> io::Result<()>) -> oneshot::Receiver<io::Result<()>> {
    let (said, word) = oneshot::channel();
    // The drill may be gone when the word comes, and the thread ends with the process.
    std::thread::spawn(move || drop(said.send(go_on())));
    word
}

/// The word that is waited for; never, if none is.
async fn spoken(word: &mut Option<oneshot::Receiver<io::Result<()>>>) -> io::Result<()> {
    match word {
        Some(waiting) => {
            let said = waiting.await.map_err(io::Error::other)?;
            *word = None;
            said
        }
        None => std::future::pending().await,
    }
}

/// Runs a drill in a sandbox of its own. `on_news` hears how it goes; when it pauses, it goes on when `go_on` returns.
pub fn launch_real(
    config: &DrillConfig,
    mut on_news: impl FnMut(News),
    go_on: fn() -> io::Result<()>,
) -> Result<Played, LaunchError> {
    runtime()?.block_on(async {
        let mut keeper = tokio::process::Command::new(std::env::current_exe()?)
            .arg("drill-keeper")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut stdin = keeper.stdin.take().ok_or(io::Error::from(io::ErrorKind::BrokenPipe))?;
        let stdout = keeper.stdout.take().ok_or(io::Error::from(io::ErrorKind::BrokenPipe))?;
        let mut first = serde_json::to_vec(config).map_err(io::Error::other)?;
        first.push(b'\n');
        // A keeper that may not make namespaces ends at once; what it said counts more than that it no longer reads.
        let _ = stdin.write_all(&first).await;
        let mut lines = BufReader::new(stdout).lines();
        let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let mut word = None;
        let outcome = loop {
            let line = tokio::select! {
                line = lines.next_line() => line?,
                said = spoken(&mut word) => {
                    said?;
                    stdin.write_all(b"\n").await?;
                    continue;
                }
                _ = interrupt.recv() => break Err(LaunchError::Interrupted),
                _ = terminate.recv() => break Err(LaunchError::Interrupted),
            };
            let Some(line) = line else {
                break Err(LaunchError::Failed("the drill's processes ended without a word".into()));
            };
            match serde_json::from_str(&line).map_err(io::Error::other)? {
                Line::News { news } => {
                    let paused = matches!(news, News::Paused { .. });
                    on_news(news);
                    if paused {
                        word = Some(wait_for_word(go_on));
                    }
                }
                Line::Played { played } => break Ok(*played),
                Line::Failed {
                    error,
                    forbidden: true,
                    remedies,
                } => break Err(LaunchError::Forbidden { error, remedies }),
                Line::Failed { error, .. } => break Err(LaunchError::Failed(error)),
            }
        };
        // When the keeper dies the kernel ends process 1 of the namespaces, and with it all that is in them.
        let _ = keeper.start_kill();
        keeper.wait().await?;
        outcome
    })
}

/// Runs a drill on the simulated network, inside this process.
pub fn launch_simulated(
    config: &DrillConfig,
    mut on_news: impl FnMut(News),
    go_on: fn() -> io::Result<()>,
) -> Result<Played, LaunchError> {
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime()?, async {
        let (news, mut heard) = mpsc::unbounded_channel();
        let (resume, resumed) = mpsc::channel(1);
        let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
        let played = play(config, Stage::simulated(), news, resumed);
        tokio::pin!(played);
        let mut word = None;
        loop {
            tokio::select! {
                played = &mut played => return played.map_err(|error| LaunchError::Failed(in_words(&error))),
                _ = interrupt.recv() => return Err(LaunchError::Interrupted),
                said = spoken(&mut word) => {
                    said?;
                    let _ = resume.send(()).await;
                }
                Some(news) = heard.recv() => {
                    let paused = matches!(news, News::Paused { .. });
                    on_news(news);
                    if paused {
                        word = Some(wait_for_word(go_on));
                    }
                }
            }
        }
    })
}

/// The keeper: enters the namespaces and starts the director as their process 1.
pub fn keeper_main() -> ExitCode {
    let started = die_with_parent().and_then(|()| allow_many_files()).and_then(|()| enter());
    if let Err(error) = started {
        let forbidden = matches!(error, SandboxError::Forbidden(_));
        say(&Line::Failed {
            error: in_words(&error),
            forbidden,
            remedies: error.remedies(),
        });
        return ExitCode::from(FORBIDDEN);
    }
    match Command::new("/proc/self/exe").arg("drill-director").status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            say(&Line::Failed {
                error: error.to_string(),
                forbidden: false,
                remedies: Vec::new(),
            });
            ExitCode::FAILURE
        }
    }
}

/// The director: process 1 of the namespaces.
pub fn director_main() -> ExitCode {
    let outcome = die_with_parent().map_err(|e| in_words(&e)).and_then(|()| direct());
    match outcome {
        Ok(played) => {
            say(&Line::Played {
                played: Box::new(played),
            });
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&Line::Failed {
                error,
                forbidden: false,
                remedies: Vec::new(),
            });
            ExitCode::FAILURE
        }
    }
}

fn direct() -> Result<Played, String> {
    let mut first = String::new();
    io::stdin().lock().read_line(&mut first).map_err(|e| e.to_string())?;
    let config: DrillConfig = serde_json::from_str(&first).map_err(|e| e.to_string())?;
    let (news, mut heard) = mpsc::unbounded_channel();
    let (resume, resumed) = mpsc::channel(1);
    run_to_end(async {
        tokio::spawn(async move {
            while let Some(news) = heard.recv().await {
                say(&Line::News { news });
            }
        });
        // A line means: go on. The end of the input means that whoever started the drill is gone.
        tokio::spawn(async move {
            let mut lines = BufReader::new(tokio::io::stdin()).lines();
            while let Ok(Some(_)) = lines.next_line().await {
                let _ = resume.send(()).await;
            }
        });
        play(&config, Stage::real(), news, resumed)
            .await
            .map_err(|error| in_words(&error))
    })
}

/// A node: enters its own network namespace, says so, and plays the part it is given. `hidden` folders are made empty.
pub fn node_main(hidden: &[PathBuf]) -> ExitCode {
    let hidden: Vec<&Path> = hidden.iter().map(PathBuf::as_path).collect();
    let outcome = die_with_parent()
        .and_then(|()| enter_node(&hidden))
        .map_err(|e| in_words(&e))
        .and_then(|()| play_part());
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&Say::Failed { error });
            ExitCode::FAILURE
        }
    }
}

fn play_part() -> Result<(), String> {
    run_to_end(async {
        say(&Say::Born);
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        let first = lines
            .next_line()
            .await
            .map_err(|e| e.to_string())?
            .ok_or("no part was given")?;
        let part: Part = serde_json::from_str(&first).map_err(|e| e.to_string())?;
        let handle = cable::open().map_err(|e| in_words(&e))?;
        part.addressing.apply(&handle).await.map_err(|e| in_words(&e))?;
        let (tells, told) = mpsc::unbounded_channel();
        let (sender, mut says) = mpsc::unbounded_channel();
        let hearing = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let Ok(tell) = serde_json::from_str::<Tell>(&line) else {
                    continue;
                };
                let _ = tells.send(tell);
            }
        });
        let saying = tokio::spawn(async move {
            while let Some((_, what)) = says.recv().await {
                say(&what);
            }
        });
        node::run(part.role, Net::Kernel, told, Voice::new("", sender)).await;
        // The part is played; the sockets stay until the director ends the process.
        let _ = hearing.await;
        saying.abort();
        Ok(())
    })
}

/// Writes one JSON line to the process that started this one; if it is gone, the kernel ends this one too.
fn say(what: &impl Serialize) {
    let mut line = serde_json::to_vec(what).unwrap_or_default();
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
}
