//! Remote logon, in miniature what SSH and WinRM are: a session under an account, commands, and port forwarding.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};

use crate::host::Host;
use crate::wire::{EXCHANGE_MS_MAX, Net, Stream, exchange, receive, send, within};

/// Port of the logon service.
pub const SHELL_PORT: u16 = 22;

/// What a session may ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// Begins the session.
    Login {
        /// Account.
        user: String,
        /// Its secret.
        secret: String,
    },
    /// Names in a folder.
    List {
        /// Folder.
        folder: String,
    },
    /// A file's content.
    Read {
        /// File.
        path: String,
    },
    /// Replaces a file by the body.
    Write {
        /// File.
        path: String,
    },
    /// Deletes a file.
    Delete {
        /// File.
        path: String,
    },
    /// Hosts that this one knows.
    Neighbours,
    /// Turns the session into a tunnel.
    Forward {
        /// Where to.
        to: SocketAddrV4,
    },
    /// Sends a file to an address outside.
    Post {
        /// File.
        path: String,
        /// Where to.
        to: SocketAddrV4,
    },
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Answer {
    /// Done?
    pub ok: bool,
    /// Why not.
    pub error: String,
    /// Names, or `name address` pairs.
    pub names: Vec<String>,
}

impl Answer {
    fn done() -> Self {
        Self {
            ok: true,
            ..Self::default()
        }
    }

    /// Returns the answer, or what it says against it.
    pub fn into_result(self) -> io::Result<Self> {
        if self.ok {
            Ok(self)
        } else {
            Err(io::Error::other(self.error))
        }
    }

    fn failed(error: impl ToString) -> Self {
        Self {
            ok: false,
            error: error.to_string(),
            names: Vec::new(),
        }
    }
}

/// Serves one session.
pub async fn serve(host: Arc<Host>, mut stream: Stream, peer: Ipv4Addr) -> io::Result<()> {
    let (ask, _) = within(EXCHANGE_MS_MAX, receive::<Ask, _>(&mut stream)).await?;
    let Ask::Login { user, secret } = ask else {
        return send(&mut stream, &Answer::failed("log in first"), &[]).await;
    };
    let session = host.log_in(&user, &secret);
    host.sensor.logon(peer, &user, session.is_some());
    let Some(mut session) = session else {
        return send(&mut stream, &Answer::failed("wrong account or secret"), &[]).await;
    };
    send(&mut stream, &Answer::done(), &[]).await?;
    loop {
        let (ask, body) = tokio::select! {
            ask = receive::<Ask, _>(&mut stream) => ask?,
            _ = session.ended() => return Ok(()),
        };
        if let Ask::Forward { to } = ask {
            host.sensor.command(peer, &user, &format!("forward {to}"));
            return match host.net.connect(to).await {
                Ok(mut far) => {
                    send(&mut stream, &Answer::done(), &[]).await?;
                    host.sensor.flow_opened(&user, to);
                    let copied = tokio::select! {
                        copied = copy_bidirectional(&mut stream, &mut far) => copied,
                        _ = session.ended() => return Ok(()),
                    };
                    let (up, down) = copied.unwrap_or_default();
                    host.sensor.flow_closed(&user, to, up, down);
                    Ok(())
                }
                Err(error) => send(&mut stream, &Answer::failed(error), &[]).await,
            };
        }
        let (answer, content) = execute(&host, peer, &user, ask, &body).await;
        send(&mut stream, &answer, &content).await?;
    }
}

async fn execute(host: &Host, peer: Ipv4Addr, user: &str, ask: Ask, body: &[u8]) -> (Answer, Vec<u8>) {
    let sensor = &host.sensor;
    let outcome = match ask {
        Ask::List { folder } => host
            .files
            .list(&folder)
            .map(|names| (Answer { names, ..Answer::done() }, Vec::new())),
        Ask::Neighbours => {
            sensor.command(peer, user, "list neighbours");
            let names = host
                .role
                .neighbours
                .iter()
                .map(|(name, address)| format!("{name} {address}"))
                .collect();
            Ok((Answer { names, ..Answer::done() }, Vec::new()))
        }
        Ask::Read { path } => {
            if path.starts_with("secrets/") {
                sensor.command(peer, user, &format!("read {path}"));
            }
            host.files.read(&path).map(|content| {
                sensor.file("read", peer, user, &path, &content);
                (Answer::done(), content)
            })
        }
        Ask::Write { path } => host
            .change(peer, user, &path, body)
            .await
            .map(|()| (Answer::done(), Vec::new())),
        Ask::Delete { path } => host.delete(peer, user, &path).await.map(|()| (Answer::done(), Vec::new())),
        Ask::Post { path, to } => post(host, peer, user, &path, to).await.map(|()| (Answer::done(), Vec::new())),
        Ask::Login { .. } | Ask::Forward { .. } => Ok((Answer::failed("not now"), Vec::new())),
    };
    outcome.unwrap_or_else(|error| (Answer::failed(error), Vec::new()))
}

async fn post(host: &Host, peer: Ipv4Addr, user: &str, path: &str, to: SocketAddrV4) -> io::Result<()> {
    host.sensor.command(peer, user, &format!("post {path} {to}"));
    let content = host.files.read(path)?;
    host.sensor.file("read", peer, user, path, &content);
    let mut far = host.net.connect(to).await?;
    host.sensor.flow_opened(user, to);
    let answer: (Answer, Vec<u8>) = exchange(&mut far, &path, &content).await?;
    host.sensor.flow_closed(user, to, content.len() as u64, 0);
    if answer.0.ok {
        Ok(())
    } else {
        Err(io::Error::other(answer.0.error))
    }
}

/// A session from the asking side, over any stream (also over another session's tunnel).
pub struct Session<S> {
    stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Logs on.
    pub async fn log_in(stream: S, user: &str, secret: &str) -> io::Result<Self> {
        let mut session = Self { stream };
        session
            .ask(
                &Ask::Login {
                    user: user.to_owned(),
                    secret: secret.to_owned(),
                },
                &[],
            )
            .await?;
        Ok(session)
    }

    /// Asks, and fails if the answer is no.
    pub async fn ask(&mut self, ask: &Ask, body: &[u8]) -> io::Result<(Vec<String>, Vec<u8>)> {
        let (answer, content): (Answer, Vec<u8>) = exchange(&mut self.stream, ask, body).await?;
        if answer.ok {
            Ok((answer.names, content))
        } else {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, answer.error))
        }
    }

    /// Turns the session into a tunnel to `to`.
    pub async fn forward(mut self, to: SocketAddrV4) -> io::Result<S> {
        self.ask(&Ask::Forward { to }, &[]).await?;
        Ok(self.stream)
    }
}

/// One link of a chain of logons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Host.
    pub host: Ipv4Addr,
    /// Account.
    pub user: String,
    /// Secret.
    pub secret: String,
}

/// A stream of any kind.
pub trait Pipe: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Pipe for T {}

/// Logs on from host to host along `chain`, each link through the tunnel of the one before.
pub async fn log_in_through(net: &Net, chain: &[Login]) -> io::Result<Session<Box<dyn Pipe>>> {
    let (first, rest) = chain.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let stream: Box<dyn Pipe> = Box::new(net.connect(SocketAddrV4::new(first.host, SHELL_PORT)).await?);
    let mut session = Session::log_in(stream, &first.user, &first.secret).await?;
    for link in rest {
        let tunnel = session.forward(SocketAddrV4::new(link.host, SHELL_PORT)).await?;
        session = Session::log_in(tunnel, &link.user, &link.secret).await?;
    }
    Ok(session)
}

/// Accounts of a host: account → secret.
pub type Accounts = BTreeMap<String, String>;
