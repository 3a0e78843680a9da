use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use leckwehr_guard::{Counter, Firewall, FirewallError, FirewallState};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Bytes in flight on one simulated stream.
const STREAM_BYTES_MAX: usize = 256 << 10;
/// Connections waiting to be accepted.
const BACKLOG_MAX: usize = 256;

/// A simulated network inside one process: the stand-in where namespaces are forbidden.
///
/// It keeps what the drill is about (who reaches whom, cuts at interfaces with their leases, counters at the egress, a witness
/// behind the cuts) and leaves out packets: one read or write counts as one packet.
#[derive(Default)]
pub struct Fabric {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    listeners: BTreeMap<SocketAddrV4, mpsc::Sender<(MemoryStream, Ipv4Addr)>>,
    /// Address → (guard, interface) at whose switch it lies.
    ports: BTreeMap<Ipv4Addr, Port>,
    cut: BTreeMap<Port, Cut>,
    /// Cuts so far: a stream that was open at an earlier number is broken.
    cuts: BTreeMap<Port, u64>,
    passed: BTreeMap<Port, Counter>,
    /// Lets everything through the cuts, so that tests see what the witness says to that.
    #[cfg(test)]
    leaky: bool,
    egress: BTreeMap<String, BTreeMap<Ipv4Addr, Counter>>,
    outside: BTreeSet<Port>,
}

/// Guard and interface.
type Port = (String, String);

/// A cut: packets that it stopped, and when its lease ends.
#[derive(Default)]
struct Cut {
    stopped: Counter,
    until: Option<Instant>,
}

impl State {
    /// Undoes the cuts whose lease is over.
    fn end_leases(&mut self) {
        if self.cut.values().any(|cut| cut.until.is_some()) {
            let now = Instant::now();
            self.cut.retain(|_, cut| cut.until.is_none_or(|until| until > now));
        }
    }

    fn ports_between(&self, one: Ipv4Addr, other: Ipv4Addr) -> impl Iterator<Item = Port> + use<> {
        let ports = [self.ports.get(&one).cloned(), self.ports.get(&other).cloned()];
        ports.into_iter().flatten()
    }

    /// Cuts so far on the way between two addresses.
    fn cuts_between(&self, one: Ipv4Addr, other: Ipv4Addr) -> u64 {
        let cuts = |port: Port| self.cuts.get(&port).copied().unwrap_or_default();
        self.ports_between(one, other).map(cuts).sum()
    }

    #[cfg(test)]
    fn holds(&self) -> bool {
        !self.leaky
    }

    #[cfg(not(test))]
    fn holds(&self) -> bool {
        true
    }
}

fn add(counter: &mut Counter, bytes: u64) {
    counter.packets += 1;
    counter.bytes += bytes;
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
        let cuts = self.lock().cuts_between(from, *to.ip());
        let stream = |pipe, from, to| MemoryStream {
            pipe,
            fabric: Arc::clone(self),
            from,
            to,
            cuts,
        };
        let accepted = listener.send((stream(far, *to.ip(), from), from)).await;
        accepted.map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(stream(near, from, *to.ip()))
    }

    /// Sends a packet of `bytes` from one address to another; false if a cut stops it.
    pub fn pass(&self, from: Ipv4Addr, to: Ipv4Addr, bytes: u64) -> bool {
        if Self::is_exempt(from, to) {
            return true;
        }
        let mut state = self.lock();
        state.end_leases();
        let cut = state.ports_between(from, to).find(|port| state.cut.contains_key(port));
        if let (Some(port), true) = (cut, state.holds()) {
            state.cut.entry(port).and_modify(|cut| add(&mut cut.stopped, bytes));
            return false;
        }
        if let Some(port) = state.ports.get(&to).cloned()
            && state.outside.contains(&port)
        {
            add(state.egress.entry(port.0).or_default().entry(to).or_default(), bytes);
        }
        drop(state);
        self.witness(from, to, bytes);
        true
    }

    /// Looks behind the cuts: counts what comes through one.
    fn witness(&self, from: Ipv4Addr, to: Ipv4Addr, bytes: u64) {
        if Self::is_exempt(from, to) {
            return;
        }
        let mut state = self.lock();
        state.end_leases();
        for port in state.ports_between(from, to) {
            if state.cut.contains_key(&port) {
                add(state.passed.entry(port).or_default(), bytes);
            }
        }
    }

    /// Returns whether a cut came between two addresses since there were `cuts` of them.
    fn is_broken(&self, one: Ipv4Addr, other: Ipv4Addr, cuts: u64) -> bool {
        let state = self.lock();
        !Self::is_exempt(one, other) && state.holds() && state.cuts_between(one, other) != cuts
    }

    /// No guard stands on the management side, nor between a host and itself.
    fn is_exempt(one: Ipv4Addr, other: Ipv4Addr) -> bool {
        Self::is_management(one) || Self::is_management(other) || one == other
    }

    /// Makes every cut leak.
    #[cfg(test)]
    pub fn leak(&self) {
        self.lock().leaky = true;
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

/// A stream on the simulated network. A cut breaks it for good, with what is in flight: there is no retransmission here.
pub struct MemoryStream {
    pipe: DuplexStream,
    fabric: Arc<Fabric>,
    from: Ipv4Addr,
    to: Ipv4Addr,
    /// Cuts between the two ends when it was opened.
    cuts: u64,
}

impl MemoryStream {
    fn whole(&self) -> io::Result<()> {
        if self.fabric.is_broken(self.from, self.to, self.cuts) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for MemoryStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.whole()?;
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.pipe).poll_read(cx, buf);
        let bytes = buf.filled().len() - before;
        if bytes > 0 {
            this.fabric.witness(this.to, this.from, bytes as u64);
        }
        polled
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.fabric.pass(this.from, this.to, buf.len() as u64 + 40) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        this.whole()?;
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
    fn of_guard<'a>(&self, counters: impl Iterator<Item = (&'a Port, &'a Counter)>) -> BTreeMap<String, Counter> {
        let mine = counters.filter(|((guard, _), _)| *guard == self.guard);
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

    fn cut(&mut self, interfaces: &[String], lease_ms: Option<u64>) -> Result<(), FirewallError> {
        let mut state = self.fabric.lock();
        state.end_leases();
        let until = lease_ms.map(|ms| Instant::now() + Duration::from_millis(ms));
        for interface in interfaces {
            let port = (self.guard.clone(), interface.clone());
            if !state.cut.contains_key(&port) {
                *state.cuts.entry(port.clone()).or_default() += 1;
            }
            state.cut.entry(port).or_default().until = until;
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
        let mut state = self.fabric.lock();
        state.end_leases();
        let egress = state.egress.get(&self.guard).cloned().unwrap_or_default();
        Ok(FirewallState {
            cut: self.of_guard(state.cut.iter().map(|(port, cut)| (port, &cut.stopped))),
            passed: self.of_guard(state.passed.iter()),
            egress,
            outside: BTreeMap::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const INSIDE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const FAR: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 1);

    /// Two ends of a stream across the interface `h0` of a guard, and the guard.
    async fn across() -> (MemoryStream, MemoryStream, MemoryFirewall) {
        let fabric = Arc::new(Fabric::default());
        fabric.plug(INSIDE, "guard", "h0");
        let on = SocketAddrV4::new(INSIDE, 22);
        let mut listener = fabric.listen(on).unwrap();
        let near = fabric.connect(FAR, on).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let guard = "guard".to_owned();
        (near, far, MemoryFirewall { fabric, guard })
    }

    #[tokio::test]
    async fn what_is_in_flight_when_the_cut_comes_does_not_arrive_even_after_it() {
        let (mut near, mut far, mut firewall) = across().await;
        near.write_all(b"before").await.unwrap();
        let mut read = [0; 6];
        far.read_exact(&mut read).await.unwrap();
        near.write_all(b"flying").await.unwrap();
        firewall.cut(&["h0".into()], None).unwrap();
        far.read_exact(&mut read).await.unwrap_err();
        firewall.release(&["h0".into()]).unwrap();
        far.read_exact(&mut read).await.unwrap_err();
        near.write_all(b"after").await.unwrap_err();
        assert!(firewall.state().unwrap().passed.is_empty());
    }

    #[tokio::test]
    async fn the_witness_behind_a_leaking_cut_counts_what_comes_through() {
        let (mut near, mut far, mut firewall) = across().await;
        firewall.cut(&["h0".into()], None).unwrap();
        firewall.fabric.leak();
        near.write_all(b"leak").await.unwrap();
        far.read_exact(&mut [0; 4]).await.unwrap();
        let state = firewall.state().unwrap();
        assert_eq!(state.cut["h0"].packets, 0, "{state:?}");
        assert!(state.passed["h0"].packets > 0, "{state:?}");
    }

    #[tokio::test]
    async fn a_lease_ends_and_a_renewal_keeps_the_count() {
        let (_near, _far, mut firewall) = across().await;
        let cut = |f: &mut MemoryFirewall, lease| f.cut(&["h0".into()], lease).unwrap();
        cut(&mut firewall, Some(60_000));
        assert!(!firewall.fabric.pass(FAR, INSIDE, 60));
        cut(&mut firewall, None);
        assert_eq!(firewall.state().unwrap().cut["h0"].packets, 1);
        cut(&mut firewall, Some(0));
        assert!(firewall.state().unwrap().cut.is_empty());
        assert!(firewall.fabric.pass(FAR, INSIDE, 60));
    }
}
