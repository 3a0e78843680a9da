use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// What became of everything that was sent to one source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReceiveAccount {
    /// Messages, datagrams or requests handed on.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Connections open now.
    pub connections: u64,
    /// Connections closed at once: more than the limit.
    pub connections_refused: u64,
    /// Connections closed because nothing came, or a message did not end in time.
    pub connections_idle: u64,
    /// TLS handshakes that failed.
    pub handshakes_failed: u64,
    /// Messages longer than the limit, of which the beginning was handed on.
    pub messages_cut: u64,
    /// Datagrams dropped because the queue was full.
    pub dropped_queue: u64,
    /// Datagrams dropped because more bytes came than the limit allows.
    pub dropped_rate: u64,
    /// Datagrams that the kernel dropped because its buffer was full.
    pub dropped_kernel: u64,
    /// Requests that were refused: wrong path, form or size.
    pub requests_refused: u64,
    /// Requests that the sender was told to repeat later, because the queue was full.
    pub requests_put_off: u64,
    /// Errors of the socket.
    pub socket_errors: u64,
}

impl ReceiveAccount {
    /// Returns how many messages are known to be lost for good.
    pub fn lost(&self) -> u64 {
        self.dropped_queue + self.dropped_rate + self.dropped_kernel
    }
}

/// The account as tasks write to it.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub messages: AtomicU64,
    pub bytes: AtomicU64,
    pub connections: AtomicU64,
    pub connections_refused: AtomicU64,
    pub connections_idle: AtomicU64,
    pub handshakes_failed: AtomicU64,
    pub messages_cut: AtomicU64,
    pub dropped_queue: AtomicU64,
    pub dropped_rate: AtomicU64,
    pub dropped_kernel: AtomicU64,
    pub requests_refused: AtomicU64,
    pub requests_put_off: AtomicU64,
    pub socket_errors: AtomicU64,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    pub fn handed_on(&self, bytes: usize) {
        count(&self.messages);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn snapshot(&self) -> ReceiveAccount {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ReceiveAccount {
            messages: get(&self.messages),
            bytes: get(&self.bytes),
            connections: get(&self.connections),
            connections_refused: get(&self.connections_refused),
            connections_idle: get(&self.connections_idle),
            handshakes_failed: get(&self.handshakes_failed),
            messages_cut: get(&self.messages_cut),
            dropped_queue: get(&self.dropped_queue),
            dropped_rate: get(&self.dropped_rate),
            dropped_kernel: get(&self.dropped_kernel),
            requests_refused: get(&self.requests_refused),
            requests_put_off: get(&self.requests_put_off),
            socket_errors: get(&self.socket_errors),
        }
    }
}
