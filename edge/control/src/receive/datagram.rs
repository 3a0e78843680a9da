use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::{Instant, interval};

use crate::receive::account::count;
use crate::receive::listener::{Context, Stop};
use crate::receive::queue::Payload;
use crate::receive::{SourceKind, kernel};

/// Longest UDP datagram, in bytes.
const DATAGRAM_BYTES_MAX: usize = 65_535;
/// Bytes that the kernel is asked to hold for a socket while we are busy; it may give less (`net.core.rmem_max`).
const KERNEL_BUFFER_BYTES: usize = 16 << 20;
/// Milliseconds between two looks at what the kernel dropped.
const LOOK_MS: u64 = 1_000;

/// Binds a socket for datagrams.
pub(crate) fn bind(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // A smaller buffer loses more in a burst, which is then counted.
    let _ = socket.set_recv_buffer_size(KERNEL_BUFFER_BYTES);
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// Receives until it is told to stop.
pub(crate) async fn receive(socket: UdpSocket, context: Arc<Context>, mut stop: Stop) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    let mut looks = interval(Duration::from_millis(LOOK_MS));
    let mut second = (Instant::now(), 0_u64);
    loop {
        tokio::select! {
            () = stop.told() => break,
            _ = looks.tick() => look(&socket, &context),
            got = socket.recv_from(&mut buffer) => match got {
                Ok((length, peer)) => take(buffer.get(..length).unwrap_or(&[]), peer, &context, &mut second),
                // ICMP answers to others' packets surface here: the socket stays usable.
                Err(_) => count(&context.counters.socket_errors),
            },
        }
    }
    look(&socket, &context);
}

fn look(socket: &UdpSocket, context: &Context) {
    if let Some(dropped) = kernel::dropped(socket.as_fd()) {
        context.counters.dropped_kernel.store(dropped, Ordering::Relaxed);
    }
}

fn take(datagram: &[u8], peer: SocketAddr, context: &Context, second: &mut (Instant, u64)) {
    if second.0.elapsed() >= Duration::from_secs(1) {
        *second = (Instant::now(), 0);
    }
    second.1 += datagram.len() as u64;
    if second.1 > context.limits.bytes_per_second_max {
        return count(&context.counters.dropped_rate);
    }
    let payload = match context.kind {
        SourceKind::Netflow => Payload::Flows(datagram.to_vec()),
        _ => Payload::Syslog(datagram.to_vec()),
    };
    match context.queue.try_send(context.arrival(peer.ip(), payload)) {
        Ok(()) => context.counters.handed_on(datagram.len()),
        Err(_) => count(&context.counters.dropped_queue),
    }
}
