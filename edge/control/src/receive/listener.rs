use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use leckwehr_incident::Timestamp;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::receive::account::{Counters, count};
use crate::receive::queue::{Arrival, Payload, Queue, ReceivedQueue, queue};
use crate::receive::{ReceiveAccount, ReceiveError, ReceiveLimits, SourceConfig, SourceKind, connection, datagram, otlp};

/// Milliseconds that a TLS handshake may take.
const HANDSHAKE_MS_MAX: u64 = 10_000;
/// Milliseconds that connections have to hand on what they hold when all is told to stop.
const STOP_MS_MAX: u64 = 5_000;
/// Milliseconds until the next try when no connection can be accepted: mostly for want of file descriptors.
const ACCEPT_PAUSE_MS: u64 = 100;

/// All sources, listening. Must be used within a tokio runtime.
#[derive(Debug)]
pub struct Receivers {
    sources: Vec<(SocketAddr, Arc<Context>)>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// What all tasks of a source share.
#[derive(Debug)]
pub(crate) struct Context {
    source: Arc<str>,
    pub kind: SourceKind,
    offset_s: i32,
    pub limits: ReceiveLimits,
    pub counters: Counters,
    pub queue: Queue,
    clock: fn() -> Timestamp,
    peers: Mutex<BTreeMap<IpAddr, usize>>,
}

impl Receivers {
    /// Listens for all sources; what comes in is read from the queue. `clock` says when.
    ///
    /// # Errors
    /// The first source that cannot be received; then none is.
    pub async fn listen(sources: &[SourceConfig], clock: fn() -> Timestamp) -> Result<(Self, ReceivedQueue), ReceiveError> {
        let (sending, receiving) = queue();
        let (stop, stopped) = watch::channel(false);
        let mut receivers = Self {
            sources: Vec::new(),
            stop,
            tasks: JoinSet::new(),
        };
        for config in sources {
            let taken = receivers.sources.iter().any(|(_, known)| *known.source == *config.name);
            if taken || config.name.is_empty() {
                return Err(ReceiveError::Name {
                    name: config.name.clone(),
                });
            }
            let tls = config.tls()?;
            let context = Arc::new(Context::new(config, sending.clone(), clock));
            let failed = |source| ReceiveError::Listen {
                name: config.name.clone(),
                address: config.listen,
                source,
            };
            let stop = Stop(stopped.clone());
            let address = match config.kind {
                SourceKind::SyslogUdp | SourceKind::Netflow => {
                    let socket = datagram::bind(config.listen).map_err(failed)?;
                    let address = socket.local_addr().map_err(failed)?;
                    receivers.tasks.spawn(datagram::receive(socket, Arc::clone(&context), stop));
                    address
                }
                SourceKind::SyslogTcp | SourceKind::SyslogTls | SourceKind::Otlp => {
                    let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
                    let address = listener.local_addr().map_err(failed)?;
                    receivers.tasks.spawn(accept(listener, tls, Arc::clone(&context), stop));
                    address
                }
            };
            receivers.sources.push((address, context));
        }
        Ok((receivers, receiving))
    }

    /// Returns every source's name and the address it listens on.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, SocketAddr)> {
        self.sources.iter().map(|(address, context)| (&*context.source, *address))
    }

    /// Returns every source's account as it stands now.
    pub fn accounts(&self) -> impl Iterator<Item = (&str, ReceiveAccount)> {
        self.sources
            .iter()
            .map(|(_, context)| (&*context.source, context.counters.snapshot()))
    }

    /// Stops listening, lets connections hand on what they hold, and returns the accounts. The queue ends when it was read empty.
    pub async fn stop(mut self) -> Vec<(String, ReceiveAccount)> {
        let _ = self.stop.send(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(Duration::from_millis(STOP_MS_MAX), all).await.is_err() {
            self.tasks.shutdown().await;
        }
        let accounts = self
            .sources
            .iter()
            .map(|(_, c)| (c.source.to_string(), c.counters.snapshot()));
        accounts.collect()
    }
}

/// Tells tasks when to stop.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Waits until all is told to stop; the sender's end does so too.
    pub async fn told(&mut self) {
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}

impl Context {
    fn new(config: &SourceConfig, queue: Queue, clock: fn() -> Timestamp) -> Self {
        Self {
            source: config.name.as_str().into(),
            kind: config.kind,
            offset_s: config.offset_s,
            limits: config.limits.clone(),
            counters: Counters::default(),
            queue,
            clock,
            peers: Mutex::default(),
        }
    }

    pub fn arrival(&self, peer: IpAddr, payload: Payload) -> Arrival {
        Arrival {
            source: Arc::clone(&self.source),
            peer: peer.to_canonical(),
            at: (self.clock)(),
            offset_s: self.offset_s,
            payload,
        }
    }

    /// Takes a place for a connection of this peer, if there is one.
    fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = peers.values().sum();
        let own = peers.get(&peer).copied().unwrap_or(0);
        if all >= self.limits.connections_max || own >= self.limits.connections_per_peer_max {
            count(&self.counters.connections_refused);
            return None;
        }
        peers.insert(peer, own + 1);
        self.counters.connections.store(all as u64 + 1, Ordering::Relaxed);
        Some(Place {
            context: Arc::clone(self),
            peer,
        })
    }
}

/// A connection's place, given back when it ends, however it ends.
struct Place {
    context: Arc<Context>,
    peer: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut peers = self.context.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = peers.get_mut(&self.peer) {
            *own -= 1;
            if *own == 0 {
                peers.remove(&self.peer);
            }
        }
        let all: usize = peers.values().sum();
        self.context.counters.connections.store(all as u64, Ordering::Relaxed);
    }
}

async fn accept(listener: TcpListener, tls: Option<Arc<ServerConfig>>, context: Arc<Context>, mut stop: Stop) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.told() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let peer = peer.ip().to_canonical();
                if let Some(place) = context.admit(peer) {
                    connections.spawn(serve(stream, place, tls.clone(), stop.clone()));
                }
            }
            Err(_) => {
                count(&context.counters.socket_errors);
                sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve(stream: TcpStream, place: Place, tls: Option<Arc<ServerConfig>>, stop: Stop) {
    let Some(tls) = tls else {
        return speak(stream, &place, stop).await;
    };
    let handshake = TlsAcceptor::from(tls).accept(stream);
    match timeout(Duration::from_millis(HANDSHAKE_MS_MAX), handshake).await {
        Ok(Ok(stream)) => speak(stream, &place, stop).await,
        _ => count(&place.context.counters.handshakes_failed),
    }
}

async fn speak<S>(stream: S, place: &Place, stop: Stop)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match place.context.kind {
        SourceKind::Otlp => otlp::serve(stream, place.peer, &place.context, stop).await,
        _ => connection::receive(stream, place.peer, &place.context, stop).await,
    }
}
