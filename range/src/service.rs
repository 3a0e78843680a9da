//! The small real services of the hosts. Each listens on its own port on the data side.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use leckwehr_crypt::{OpeningKey, Redacted, SealingKey, hex, sha256};
use leckwehr_eau::{Batch, Inbox, Incoming, Spool, SpoolConfig};
use leckwehr_epa::{Access, Store};
use leckwehr_estate::SystemKind;
use leckwehr_incident::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::clock::now;
use crate::host::Host;
use crate::portal;
use crate::shell::{self, Answer, SHELL_PORT};
use crate::wire::{EXCHANGE_MS_MAX, Net, Stream, exchange, receive, send, within};

/// Port of the file service.
pub const FILES_PORT: u16 = 445;
/// Port of the backup vault.
pub const VAULT_PORT: u16 = 9001;
/// Port of the eAU intake.
pub const INTAKE_PORT: u16 = 8443;
/// Port of the ePA store.
pub const EPA_PORT: u16 = 8444;
/// Port of core processing, where accepted eAU arrive.
pub const CORE_PORT: u16 = 9100;

/// Records delivered in one batch.
const DELIVERY_RECORDS_MAX: usize = 64;
/// Pause between deliveries when nothing waits or the backend is away, in milliseconds.
const DELIVERY_PAUSE_MS: u64 = 40;

/// One version of a file in the vault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// Number in the vault.
    pub number: u64,
    /// System it is from.
    pub system: String,
    /// File.
    pub path: String,
    /// When it arrived.
    pub at: Timestamp,
    /// Account that wrote it.
    pub author: String,
    /// SHA-256, hex.
    pub digest: String,
    /// Content, kept in memory for the length of a drill and on disk beside it.
    #[serde(skip)]
    pub content: Vec<u8>,
}

/// A new version on its way to the vault.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Put {
    /// System.
    pub system: String,
    /// File.
    pub path: String,
    /// Account that wrote it.
    pub author: String,
}

/// What a user asks of the file service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FileAsk {
    /// User.
    pub user: String,
    /// Secret.
    pub secret: String,
    /// File.
    pub path: String,
    /// Write the body (true) or read (false).
    pub write: bool,
}

/// What a practice or an insurer asks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum CareAsk {
    /// Take the document in the body.
    SubmitEau {
        /// Message id.
        message_id: String,
        /// Sender.
        sender: String,
    },
    /// Store the document in the body in a record.
    PutRecord {
        /// Insured person.
        kvnr: String,
        /// Who writes.
        actor: String,
    },
    /// List a record's documents.
    ListRecord {
        /// Insured person.
        kvnr: String,
        /// Who reads.
        actor: String,
    },
    /// How far has core processing got?
    Position,
    /// Take a batch.
    Deliver {
        /// The batch.
        batch: Batch,
    },
}

/// Returns the port on which a host of this kind does its work; one without a service of its own offers the logon service.
pub fn service_port(kind: SystemKind) -> u16 {
    match kind {
        SystemKind::FileServer => FILES_PORT,
        SystemKind::BackupVault => VAULT_PORT,
        SystemKind::Portal => portal::WEB_PORT,
        SystemKind::EauIntake => INTAKE_PORT,
        SystemKind::Payments => CORE_PORT,
        SystemKind::EpaStore => EPA_PORT,
        _ => SHELL_PORT,
    }
}

/// Starts what the host's kind offers, and the logon service that every host has.
pub async fn start(host: &Arc<Host>) -> io::Result<()> {
    serve(host, SHELL_PORT, shell::serve)?;
    match host.role.kind {
        SystemKind::FileServer => serve(host, FILES_PORT, serve_files)?,
        SystemKind::BackupVault => {
            take_stock(host)?;
            serve(host, VAULT_PORT, serve_vault)?;
        }
        SystemKind::Portal => portal::start(host)?,
        SystemKind::EauIntake => start_intake(host)?,
        SystemKind::Payments => start_core(host)?,
        SystemKind::EpaStore => start_epa(host)?,
        _ => {}
    }
    Ok(())
}

/// Accepts connections on `port`, each served by its own task.
fn serve<F, Fut>(host: &Arc<Host>, port: u16, handler: F) -> io::Result<()>
where
    F: Fn(Arc<Host>, Stream, Ipv4Addr) -> Fut + Send + 'static,
    Fut: Future<Output = io::Result<()>> + Send + 'static,
{
    let mut listener = host.net.listen(SocketAddrV4::new(host.role.address, port))?;
    let host = Arc::clone(host);
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            tokio::spawn(handler(Arc::clone(&host), stream, peer));
        }
    });
    Ok(())
}

async fn serve_files(host: Arc<Host>, mut stream: Stream, peer: Ipv4Addr) -> io::Result<()> {
    loop {
        let (ask, body) = receive::<FileAsk, _>(&mut stream).await?;
        let refused = Answer {
            error: "wrong user or secret".into(),
            ..Answer::default()
        };
        if host.role.users.get(&ask.user) != Some(&ask.secret) || !ask.path.starts_with("docs/") {
            send(&mut stream, &refused, &[]).await?;
            continue;
        }
        let done = if ask.write {
            host.change(peer, &ask.user, &ask.path, &body).await.map(|()| Vec::new())
        } else {
            host.files.read(&ask.path)
        };
        let (answer, content) = match done {
            Ok(content) => (
                Answer {
                    ok: true,
                    ..Answer::default()
                },
                content,
            ),
            Err(error) => (
                Answer {
                    error: error.to_string(),
                    ..Answer::default()
                },
                Vec::new(),
            ),
        };
        send(&mut stream, &answer, &content).await?;
    }
}

/// Ships a new version to the vault; the write counts as done only when the vault has it.
pub async fn back_up(host: &Host, author: &str, path: &str, content: &[u8]) -> io::Result<()> {
    let (Some(vault), true) = (host.role.vault, path.starts_with("docs/") || path.starts_with("snapshots/")) else {
        return Ok(());
    };
    let mut stream = host.net.connect(SocketAddrV4::new(vault, VAULT_PORT)).await?;
    let put = Put {
        system: host.role.system.clone(),
        path: path.to_owned(),
        author: author.to_owned(),
    };
    let (answer, _): (Answer, _) = exchange(&mut stream, &put, content).await?;
    if answer.ok {
        Ok(())
    } else {
        Err(io::Error::other(answer.error))
    }
}

async fn serve_vault(host: Arc<Host>, mut stream: Stream, _peer: Ipv4Addr) -> io::Result<()> {
    let (put, content) = within(EXCHANGE_MS_MAX, receive::<Put, _>(&mut stream)).await?;
    keep(&host, put, content)?;
    send(
        &mut stream,
        &Answer {
            ok: true,
            ..Answer::default()
        },
        &[],
    )
    .await
}

/// Adds a version. There is no way to change or delete one.
fn keep(host: &Host, put: Put, content: Vec<u8>) -> io::Result<()> {
    let mut versions = host.vault.lock().unwrap_or_else(PoisonError::into_inner);
    let number = versions.len() as u64 + 1;
    host.files.write(&format!("versions/{number:06}"), &content)?;
    versions.push(Version {
        number,
        system: put.system,
        path: put.path,
        at: now(),
        author: put.author,
        digest: hex(&sha256(&content)),
        content,
    });
    Ok(())
}

/// Takes in what was laid into the vault before the drill: `stock/<system>/<folder>/<name>`.
fn take_stock(host: &Host) -> io::Result<()> {
    for system in host.files.list("stock")? {
        for folder in host.files.list(&system)? {
            for file in host.files.list(&folder)? {
                let inner = file.trim_start_matches(&format!("{system}/")).to_owned();
                let name = system.trim_start_matches("stock/").to_owned();
                keep(
                    host,
                    Put {
                        system: name,
                        path: inner,
                        author: "backup".into(),
                    },
                    host.files.read(&file)?,
                )?;
            }
        }
    }
    Ok(())
}

fn start_intake(host: &Arc<Host>) -> io::Result<()> {
    let key = SealingKey::from_bytes(host.role.key.ok_or(io::ErrorKind::InvalidInput)?);
    let spool = Spool::open(&host.role.folder.join("spool"), key, SpoolConfig::default()).map_err(io::Error::other)?;
    let spool = Arc::new(Mutex::new(spool));
    let taking = Arc::clone(&spool);
    serve(host, INTAKE_PORT, move |_, stream, _| take_in(Arc::clone(&taking), stream))?;
    if let Some(backend) = host.role.backend {
        tokio::spawn(deliver(host.net.clone(), spool, SocketAddrV4::new(backend, CORE_PORT)));
    }
    Ok(())
}

async fn take_in(spool: Arc<Mutex<Spool>>, mut stream: Stream) -> io::Result<()> {
    loop {
        let (ask, bytes) = receive::<CareAsk, _>(&mut stream).await?;
        let CareAsk::SubmitEau { message_id, sender } = ask else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let incoming = Incoming {
            message_id,
            sender,
            received_at_ns: now().0,
            bytes,
        };
        let taken = spool.lock().await.accept(incoming);
        let answer = match taken {
            Ok(_) => Answer {
                ok: true,
                ..Answer::default()
            },
            Err(error) => Answer {
                error: error.to_string(),
                ..Answer::default()
            },
        };
        send(&mut stream, &answer, &[]).await?;
    }
}

/// Brings what was accepted to core processing, from wherever that stands; waits while it is away.
async fn deliver(net: Net, spool: Arc<Mutex<Spool>>, core: SocketAddrV4) {
    loop {
        if let Ok(mut stream) = net.connect(core).await {
            while deliver_batch(&mut stream, &spool).await.is_ok() {}
        }
        tokio::time::sleep(Duration::from_millis(DELIVERY_PAUSE_MS)).await;
    }
}

async fn deliver_batch(stream: &mut Stream, spool: &Mutex<Spool>) -> io::Result<()> {
    let (position, _): (u64, _) = exchange(stream, &CareAsk::Position, &[]).await?;
    let batch = spool
        .lock()
        .await
        .next_batch(position, DELIVERY_RECORDS_MAX)
        .map_err(io::Error::other)?;
    if batch.records.is_empty() && batch.damaged.is_empty() {
        tokio::time::sleep(Duration::from_millis(DELIVERY_PAUSE_MS)).await;
        return Ok(());
    }
    exchange::<u64, _>(stream, &CareAsk::Deliver { batch }, &[]).await.map(drop)
}

fn start_core(host: &Arc<Host>) -> io::Result<()> {
    let folder = host.role.folder.join("core");
    std::fs::create_dir_all(&folder)?;
    let inbox = Arc::new(Mutex::new(Inbox::open(&folder.join("inbox")).map_err(io::Error::other)?));
    serve(host, CORE_PORT, move |host, mut stream, _| {
        let inbox = Arc::clone(&inbox);
        async move {
            loop {
                let (ask, _) = receive::<CareAsk, _>(&mut stream).await?;
                let mut inbox = inbox.lock().await;
                match ask {
                    CareAsk::Position => {}
                    CareAsk::Deliver { batch } => {
                        inbox.take(&batch).map_err(io::Error::other)?;
                        *host.core_records.lock().unwrap_or_else(PoisonError::into_inner) = inbox.len() as u64;
                    }
                    _ => return Err(io::ErrorKind::InvalidInput.into()),
                }
                send(&mut stream, &inbox.position(), &[]).await?;
            }
        }
    })
}

/// Message ids that core processing holds, opened with its key; one entry per record. Read from a copy, so that it does not
/// matter whether core processing still runs.
pub fn delivered(folder: &std::path::Path, key: &[u8; 32]) -> io::Result<Vec<String>> {
    let copy = folder.join("core/inbox.copy");
    std::fs::copy(folder.join("core/inbox"), &copy)?;
    let inbox = Inbox::open(&copy).map_err(io::Error::other)?;
    let key = OpeningKey::from_seed(key).map_err(io::Error::other)?;
    let open = |record: Result<leckwehr_eau::SealedRecord, _>| {
        let record = record.map_err(io::Error::other)?;
        record.open(&key).map(|opened| opened.message_id).map_err(io::Error::other)
    };
    inbox.records().map(open).collect()
}

fn access(actor: &str) -> Access<'_> {
    Access { actor, at_ns: now().0 }
}

fn start_epa(host: &Arc<Host>) -> io::Result<()> {
    let master = host.role.key.ok_or(io::ErrorKind::InvalidInput)?;
    let store = Store::open(&host.role.folder.join("records"), leckwehr_epa::MasterKey::from_bytes(master));
    let store = Arc::new(Mutex::new(store.map_err(io::Error::other)?));
    serve(host, EPA_PORT, move |_, mut stream, _| {
        let store = Arc::clone(&store);
        async move {
            loop {
                let (ask, body) = receive::<CareAsk, _>(&mut stream).await?;
                let mut store = store.lock().await;
                let done = match ask {
                    CareAsk::PutRecord { kvnr, actor } => store.put(&Redacted::new(kvnr), &access(&actor), &body).map(|_| 1),
                    CareAsk::ListRecord { kvnr, actor } => store.list(&Redacted::new(kvnr), &access(&actor)).map(|ids| ids.len()),
                    _ => return Err(io::ErrorKind::InvalidInput.into()),
                };
                let answer = match done {
                    Ok(count) => Answer {
                        ok: true,
                        names: vec![count.to_string()],
                        ..Answer::default()
                    },
                    Err(error) => Answer {
                        error: error.to_string(),
                        ..Answer::default()
                    },
                };
                send(&mut stream, &answer, &[]).await?;
            }
        }
    })
}
