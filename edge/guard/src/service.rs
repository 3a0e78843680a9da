use std::fs::{self, File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use leckwehr_crypt::{PkiError, server_tls};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{sleep, timeout};

use crate::book::Book;
use crate::config::{ConfigFault, GuardConfig};
use crate::executor::Executor;
use crate::fence::Fence;
use crate::firewall::{Firewall, FirewallError};
use crate::flows::Flows;
use crate::guard::GuardExecutor;
use crate::journal::Journal;
use crate::nft::Nft;
use crate::server::{ServerError, serve_connection};
use crate::warrant::{Clock, Refusal, Warrant};

/// Connections at a time.
const CONNECTIONS_MAX: usize = 64;
/// Longest time for one connection, in milliseconds.
const CONNECTION_MS_MAX: u64 = 120_000;
/// Pause when no connection can be taken, in milliseconds.
const ACCEPT_PAUSE_MS: u64 = 20;
/// Longest line on the local socket, in bytes.
const LINE_BYTES_MAX: u64 = 4_096;
/// Longest answer on the local socket, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Reports in a status.
const REPORTS_MAX: usize = 20;

/// Why a guard does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigFault),
    /// The folder, journal, book or fence.
    #[error("{what}")]
    Folder {
        /// What was tried.
        what: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Another guard runs on this folder.
    #[error("a guard runs on {} already", folder.display())]
    Running {
        /// The folder.
        folder: PathBuf,
    },
    /// The kernel.
    #[error("the kernel's firewall cannot be used")]
    Kernel(#[source] FirewallError),
    /// What was in force could not be brought back.
    #[error("what was in force could not be brought back")]
    Recover(#[source] Refusal),
    /// The address.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The certificates.
    #[error("the certificates cannot be used")]
    Tls(#[source] PkiError),
}

/// What a running guard says.
#[derive(Debug)]
pub enum GuardNews {
    /// It is ready.
    Ready {
        /// Where it listens.
        address: SocketAddr,
        /// Cuts and blocks that the kernel had lost and has again.
        recovered: usize,
        /// Whether traffic within a bridge is cut too.
        cuts_bridges: bool,
    },
    /// Somebody came who may not.
    Stranger {
        /// From where.
        peer: SocketAddr,
        /// What was wrong.
        reason: String,
    },
    /// A person at the machine took everything back.
    UndoneByHand {
        /// How many cuts and blocks.
        count: usize,
    },
}

/// A guard over the kernel's nftables, ready for orders.
pub struct Guard {
    shared: Arc<Mutex<(Warrant, GuardExecutor<Nft>)>>,
    recovered: usize,
    cuts_bridges: bool,
    /// Held as long as the guard runs.
    _lock: File,
}

impl Guard {
    /// Opens folder and kernel, opens the management path, and brings back what is to be in force.
    pub fn open(config: &GuardConfig, clock: Clock) -> Result<Self, ServiceError> {
        let folder = |what: String| move |source| ServiceError::Folder { what, source };
        let path = |name: &str| config.folder.join(name);
        fs::create_dir_all(&config.folder).map_err(folder(format!("cannot make {}", config.folder.display())))?;
        let lock = File::create(path("lock")).map_err(folder(format!("cannot write in {}", config.folder.display())))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(ServiceError::Running {
                    folder: config.folder.clone(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(folder("cannot lock the folder".to_owned())(source)),
        }
        let warrant = Warrant {
            executor: config.name.clone(),
            directory: None,
            controller: config.controller,
            approvers: config.approvers.clone(),
            fence: Fence::open(path("fence")).map_err(folder("cannot read the fence".to_owned()))?,
            journal: Journal::open(&path("journal")).map_err(folder("cannot read the journal".to_owned()))?,
            clock: Arc::clone(&clock),
        };
        let book = Book::open(&path("book")).map_err(folder("cannot read the book".to_owned()))?;
        let mut nft = Nft::open().map_err(ServiceError::Kernel)?;
        nft.prepare(&config.outside).map_err(ServiceError::Kernel)?;
        nft.protect(&config.management).map_err(ServiceError::Kernel)?;
        let cuts_bridges = nft.cuts_bridges();
        let mut guard = GuardExecutor::new(nft, config.interfaces.clone())
            .with_book(book, clock)
            .with_management(config.management.clone());
        if config.ends_flows {
            let flows = Flows::open().map_err(folder("cannot ask the kernel for connections".to_owned()))?;
            guard = guard.with_flows(flows);
        }
        for (compartment, switch) in config.switches()? {
            guard = guard.with_switch(&compartment, switch);
        }
        let recovered = guard.recover().map_err(ServiceError::Recover)?;
        Ok(Self {
            shared: Arc::new(Mutex::new((warrant, guard))),
            recovered,
            cuts_bridges,
            _lock: lock,
        })
    }

    /// Takes orders until `stop` ends. What is in force stays in force.
    pub async fn serve(
        self,
        config: &GuardConfig,
        stop: impl Future<Output = ()>,
        mut tell: impl FnMut(GuardNews),
    ) -> Result<(), ServiceError> {
        let listen = |source| ServiceError::Listen {
            address: config.listen,
            source,
        };
        let tls = server_tls(&config.identity).map_err(ServiceError::Tls)?;
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let local = listen_locally(&socket_of(&config.folder))?;
        let address = listener.local_addr().map_err(listen)?;
        let (recovered, cuts_bridges) = (self.recovered, self.cuts_bridges);
        tell(GuardNews::Ready {
            address,
            recovered,
            cuts_bridges,
        });
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let (news, mut heard) = tokio::sync::mpsc::channel(CONNECTIONS_MAX);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return Ok(()),
                Some(news) = heard.recv() => tell(news),
                came = listener.accept() => {
                    let Ok((stream, peer)) = came else {
                        // Out of descriptors: no use in asking at once.
                        sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                        continue;
                    };
                    if !config.management.rooms.is_empty() && !config.management.rooms.contains(&peer.ip()) {
                        tell(GuardNews::Stranger { peer, reason: "not a control room's address".to_owned() });
                        continue;
                    }
                    // One too many: the peer tries again.
                    let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
                    let (tls, shared, news) = (Arc::clone(&tls), Arc::clone(&self.shared), news.clone());
                    tokio::spawn(async move {
                        let served = timeout(Duration::from_millis(CONNECTION_MS_MAX), serve_connection(stream, tls, shared)).await;
                        if let Ok(Err(error @ (ServerError::Stranger | ServerError::Handshake(_)))) = served {
                            let reason = error.to_string();
                            let _ = news.try_send(GuardNews::Stranger { peer, reason });
                        }
                        drop(place);
                    });
                }
                Ok((stream, _)) = local.accept() => {
                    let (shared, news) = (Arc::clone(&self.shared), news.clone());
                    tokio::spawn(async move {
                        if let Ok(Some(count)) = answer_locally(stream, shared).await {
                            let _ = news.try_send(GuardNews::UndoneByHand { count });
                        }
                    });
                }
            }
        }
    }

    /// What is in force, as JSON.
    pub async fn status(&self) -> Result<Value, Refusal> {
        let mut shared = self.shared.lock().await;
        status(&mut shared).await
    }

    /// Takes everything back and writes it down.
    pub async fn undo_all(&self) -> Result<Vec<String>, Refusal> {
        let mut shared = self.shared.lock().await;
        undo_all(&mut shared)
    }
}

fn socket_of(folder: &Path) -> PathBuf {
    folder.join("socket")
}

/// A socket in the guard's folder: who may enter the folder may ask.
fn listen_locally(path: &Path) -> Result<UnixListener, ServiceError> {
    use std::os::unix::fs::PermissionsExt;
    let fault = |source| ServiceError::Folder {
        what: format!("cannot listen on {}", path.display()),
        source,
    };
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(fault)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(fault)?;
    Ok(listener)
}

/// One question, one answer. Returns how much was taken back, if that was asked for.
async fn answer_locally(stream: UnixStream, shared: Arc<Mutex<(Warrant, GuardExecutor<Nft>)>>) -> io::Result<Option<usize>> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(LINE_BYTES_MAX)).read_line(&mut line).await?;
    let mut shared = shared.lock().await;
    let (answer, undone) = match line.trim() {
        "status" => (status(&mut shared).await, None),
        "undo-all" => {
            let undone = undo_all(&mut shared);
            let count = undone.as_ref().ok().map(Vec::len);
            (undone.map(|undone| json!({ "undone": undone })), count)
        }
        other => (Ok(json!({"error": format!("{other:?} is no question")})), None),
    };
    let answer = answer.unwrap_or_else(|refusal| json!({"error": refusal.to_string()}));
    write.write_all(answer.to_string().as_bytes()).await?;
    Ok(undone)
}

async fn status(shared: &mut (Warrant, GuardExecutor<Nft>)) -> Result<Value, Refusal> {
    let (warrant, guard) = shared;
    let state = guard.look().await?.results;
    let journal = &warrant.journal;
    let steps = journal
        .in_force()
        .iter()
        .map(|((plan, step), in_force)| json!({"plan": plan, "step": step, "order": in_force.order}));
    let reports = journal.reports(0, usize::MAX);
    let last: Vec<_> = reports.iter().rev().take(REPORTS_MAX).rev().collect();
    Ok(json!({
        "name": warrant.executor,
        "generation": warrant.fence.newest(),
        "state": state,
        "in_force": steps.collect::<Vec<_>>(),
        "reports": last,
    }))
}

fn undo_all(shared: &mut (Warrant, GuardExecutor<Nft>)) -> Result<Vec<String>, Refusal> {
    let (warrant, guard) = shared;
    let undone = guard.undo_all()?;
    let now = (warrant.clock)();
    warrant.journal.by_hand(undone.clone(), now).map_err(Refusal::Journal)?;
    Ok(undone)
}

/// Asks the guard that runs on a folder: `status` or `undo-all`. `None` if none runs there.
pub async fn ask_running(folder: &Path, question: &str) -> io::Result<Option<Value>> {
    let mut stream = match UnixStream::connect(socket_of(folder)).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => return Ok(None),
        Err(error) => return Err(error),
    };
    stream.write_all(format!("{question}\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    serde_json::from_slice(&answer).map(Some).map_err(io::Error::other)
}
