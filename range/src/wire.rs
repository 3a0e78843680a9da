use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::fabric::{Fabric, MemoryListener, MemoryStream};

/// How long a connection attempt waits for an answer, in milliseconds: behind a cut, packets vanish without one.
pub const CONNECT_MS_MAX: u64 = 700;
/// How long one exchange on an open connection may take, in milliseconds.
pub const EXCHANGE_MS_MAX: u64 = 4_000;
/// Largest frame, in bytes.
const FRAME_BYTES_MAX: u32 = 24 << 20;
/// Connections waiting to be accepted.
const BACKLOG_MAX: u32 = 256;

/// One host's network: the kernel's in its own namespace, or a simulated one inside this process.
#[derive(Clone)]
pub enum Net {
    /// Sockets of the network namespace that this process is in.
    Kernel,
    /// The simulated network, seen from one host.
    Memory {
        /// The network.
        fabric: Arc<Fabric>,
        /// Address on the data side.
        address: Ipv4Addr,
        /// Address on the management side.
        management: Ipv4Addr,
    },
}

/// A byte stream over either network.
pub enum Stream {
    /// TCP.
    Kernel(TcpStream),
    /// Simulated.
    Memory(MemoryStream),
}

/// A listener on either network.
pub enum Listener {
    /// TCP.
    Kernel(TcpListener),
    /// Simulated.
    Memory(MemoryListener),
}

impl Net {
    /// Connects, or gives up after [`CONNECT_MS_MAX`].
    pub async fn connect(&self, to: SocketAddrV4) -> io::Result<Stream> {
        let attempt = async {
            match self {
                Self::Kernel => {
                    let stream = TcpStream::connect(to).await?;
                    stream.set_nodelay(true)?;
                    // Given up means given up: what was written when the cut came must not arrive when it is lifted.
                    stream.set_zero_linger()?;
                    Ok(Stream::Kernel(stream))
                }
                Self::Memory {
                    fabric,
                    address,
                    management,
                } => {
                    let from = if Fabric::is_management(*to.ip()) {
                        *management
                    } else {
                        *address
                    };
                    fabric.connect(from, to).await.map(Stream::Memory)
                }
            }
        };
        within(CONNECT_MS_MAX, attempt).await
    }

    /// Listens on an address of this host.
    pub fn listen(&self, on: SocketAddrV4) -> io::Result<Listener> {
        match self {
            Self::Kernel => {
                let socket = TcpSocket::new_v4()?;
                socket.set_reuseaddr(true)?;
                socket.bind(on.into())?;
                Ok(Listener::Kernel(socket.listen(BACKLOG_MAX)?))
            }
            Self::Memory { fabric, .. } => fabric.listen(on).map(Listener::Memory),
        }
    }
}

impl Listener {
    /// Waits for the next connection; gives the peer's address.
    pub async fn accept(&mut self) -> io::Result<(Stream, Ipv4Addr)> {
        match self {
            Self::Kernel(listener) => loop {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                if let std::net::SocketAddr::V4(peer) = peer {
                    return Ok((Stream::Kernel(stream), *peer.ip()));
                }
            },
            Self::Memory(listener) => listener.accept().await.map(|(s, peer)| (Stream::Memory(s), peer)),
        }
    }
}

/// Runs `work` for at most `ms` milliseconds.
pub async fn within<T>(ms: u64, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(Duration::from_millis(ms), work)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Writes a frame: head as JSON, then a body of bytes.
pub async fn send<S: AsyncWrite + Unpin>(stream: &mut S, head: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let head = serde_json::to_vec(head)?;
    let mut bytes = Vec::with_capacity(8 + head.len() + body.len());
    bytes.extend_from_slice(&(head.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&(body.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(body);
    stream.write_all(&bytes).await?;
    stream.flush().await
}

/// Reads a frame.
pub async fn receive<T: DeserializeOwned, S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<(T, Vec<u8>)> {
    let head_bytes = stream.read_u32().await?;
    let body_bytes = stream.read_u32().await?;
    if head_bytes.saturating_add(body_bytes) > FRAME_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a frame of more than {FRAME_BYTES_MAX} bytes"),
        ));
    }
    let mut head = vec![0; head_bytes as usize];
    stream.read_exact(&mut head).await?;
    let mut body = vec![0; body_bytes as usize];
    stream.read_exact(&mut body).await?;
    Ok((serde_json::from_slice(&head)?, body))
}

/// Sends a request frame and reads the answer, within [`EXCHANGE_MS_MAX`].
pub async fn exchange<T, S>(stream: &mut S, head: &impl Serialize, body: &[u8]) -> io::Result<(T, Vec<u8>)>
where
    T: DeserializeOwned,
    S: AsyncRead + AsyncWrite + Unpin,
{
    within(EXCHANGE_MS_MAX, async {
        send(stream, head, body).await?;
        receive(stream).await
    })
    .await
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Kernel(s) => Pin::new(s).poll_read(cx, buf),
            Self::Memory(s) => Pin::new(s).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Kernel(s) => Pin::new(s).poll_write(cx, buf),
            Self::Memory(s) => Pin::new(s).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Kernel(s) => Pin::new(s).poll_flush(cx),
            Self::Memory(s) => Pin::new(s).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Kernel(s) => Pin::new(s).poll_shutdown(cx),
            Self::Memory(s) => Pin::new(s).poll_shutdown(cx),
        }
    }
}
