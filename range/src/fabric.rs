use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use leckwehr_guard::{Counter, Firewall, FirewallError, FirewallState};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::sync::mpsc;

/// Bytes in flight on one simulated stream.
const STREAM_BYTES_MAX: usize = 256 << 10;
/// Connections waiting to be accepted.
const BACKLOG_MAX: usize = 256;

/// A simulated network inside one process: the stand-in where namespaces are forbidden.
///
/// It keeps what the drill is about (who reaches whom, cuts at interfaces, counters at the egress) and leaves out packets:
/// one read or write counts as one packet.
#[derive(Default)]
pub struct Fabric {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    listeners: BTreeMap<SocketAddrV4, mpsc::Sender<(MemoryStream, Ipv4Addr)>>,
    /// Address → (guard, interface) at whose switch it lies.
    ports: BTreeMap<Ipv4Addr, (String, String)>,
    cut: BTreeMap<(String, String), Counter>,
    passed: BTreeMap<(String, String), Counter>,
    egress: BTreeMap<String, BTreeMap<Ipv4Addr, Counter>>,
    outside: BTreeSet<(String, String)>,
}

impl Fabric {
    /// Returns whether the address is on the management side, which no guard can cut.
    pub fn is_management(address: Ipv4Addr) -> bool {
        address.octets()[..2] == [10, 255]
    }

    /// Plugs an address in behind an interface of a guard.
    pub fn plug(&self, address: Ipv4Addr, guard: &str, interface: &str) {
        self.lock().ports.insert(address, (guard.to_owned(), interface.to_owned()));
    }

    /// Listens on an address.
    pub fn listen(&self, on: SocketAddrV4) -> io::Result<MemoryListener> {
        let (sender, receiver) = mpsc::channel(BACKLOG_MAX);
        self.lock().listeners.insert(on, sender);
        Ok(MemoryListener { receiver })
    }

    /// Connects if somebody listens and no cut lies between; behind a cut nothing ever answers.
    pub async fn connect(self: &Arc<Self>, from: Ipv4Addr, to: SocketAddrV4) -> io::Result<MemoryStream> {
        if !self.pass(from, *to.ip(), 60) {
            std::future::pending::<()>().await;
        }
        let listener = self.lock().listeners.get(&to).cloned();
        let listener = listener.ok_or(io::ErrorKind::ConnectionRefused)?;
        let (near, far) = duplex(STREAM_BYTES_MAX);
        let stream = |pipe, from, to| MemoryStream {
            pipe,
            fabric: Arc::clone(self),
            from,
            to,
        };
        let accepted = listener.send((stream(far, *to.ip(), from), from)).await;
        accepted.map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(stream(near, from, *to.ip()))
    }

    /// Counts a packet of `bytes` from one address to another; false if a cut stops it.
    fn pass(&self, from: Ipv4Addr, to: Ipv4Addr, bytes: u64) -> bool {
        if Self::is_management(from) || Self::is_management(to) || from == to {
            return true;
        }
        let mut state = self.lock();
        let add = |counter: &mut Counter| {
            counter.packets += 1;
            counter.bytes += bytes;
        };
        for port in [state.ports.get(&from).cloned(), state.ports.get(&to).cloned()]
            .into_iter()
            .flatten()
        {
            if let Some(counter) = state.cut.get_mut(&port) {
                add(counter);
                return false;
            }
        }
        if let Some(port) = state.ports.get(&to).cloned()
            && state.outside.contains(&port)
        {
            add(state.egress.entry(port.0).or_default().entry(to).or_default());
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A listener on the simulated network.
pub struct MemoryListener {
    receiver: mpsc::Receiver<(MemoryStream, Ipv4Addr)>,
}

impl MemoryListener {
    /// Waits for the next connection.
    pub async fn accept(&mut self) -> io::Result<(MemoryStream, Ipv4Addr)> {
        self.receiver
            .recv()
            .await
            .ok_or_else(|| io::ErrorKind::ConnectionAborted.into())
    }
}

/// A stream on the simulated network. A cut breaks it for good: there is no retransmission here.
pub struct MemoryStream {
    pipe: DuplexStream,
    fabric: Arc<Fabric>,
    from: Ipv4Addr,
    to: Ipv4Addr,
}

impl AsyncRead for MemoryStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().pipe).poll_read(cx, buf)
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.fabric.pass(this.from, this.to, buf.len() as u64 + 40) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut this.pipe).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().pipe).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().pipe).poll_shutdown(cx)
    }
}

/// One guard's firewall on the simulated network.
pub struct MemoryFirewall {
    /// The network.
    pub fabric: Arc<Fabric>,
    /// The guard's name.
    pub guard: String,
}

impl MemoryFirewall {
    fn of_guard(&self, counters: &BTreeMap<(String, String), Counter>) -> BTreeMap<String, Counter> {
        let mine = counters.iter().filter(|((guard, _), _)| *guard == self.guard);
        mine.map(|((_, interface), counter)| (interface.clone(), *counter)).collect()
    }
}

impl Firewall for MemoryFirewall {
    fn prepare(&mut self, outside: &[String]) -> Result<(), FirewallError> {
        let mut state = self.fabric.lock();
        state
            .outside
            .extend(outside.iter().map(|interface| (self.guard.clone(), interface.clone())));
        Ok(())
    }

    fn cut(&mut self, interfaces: &[String], _lease_ms: Option<u64>) -> Result<(), FirewallError> {
        let mut state = self.fabric.lock();
        for interface in interfaces {
            state.cut.entry((self.guard.clone(), interface.clone())).or_default();
        }
        Ok(())
    }

    fn release(&mut self, interfaces: &[String]) -> Result<(), FirewallError> {
        let mut state = self.fabric.lock();
        for interface in interfaces {
            state.cut.remove(&(self.guard.clone(), interface.clone()));
        }
        Ok(())
    }

    fn state(&mut self) -> Result<FirewallState, FirewallError> {
        let state = self.fabric.lock();
        let egress = state.egress.get(&self.guard).cloned().unwrap_or_default();
        Ok(FirewallState {
            cut: self.of_guard(&state.cut),
            passed: self.of_guard(&state.passed),
            egress,
            outside: BTreeMap::new(),
        })
    }
}
