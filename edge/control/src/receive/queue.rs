use std::net::IpAddr;
use std::sync::Arc;

use leckwehr_incident::Timestamp;
use leckwehr_telemetry::OtlpEncoding;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Messages that wait to be read at most.
pub const QUEUE_MESSAGES_MAX: usize = 16_384;
/// Bytes of these messages at most.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;
/// Bytes that one permit stands for.
const PERMIT_BYTES: usize = 1_024;

/// Something that came in over the network.
#[derive(Debug)]
pub struct Received {
    /// Name of the source.
    pub source: Arc<str>,
    /// Who sent it.
    pub peer: IpAddr,
    /// When it came.
    pub at: Timestamp,
    /// Seconds east of UTC of senders that write local time.
    pub offset_s: i32,
    /// What it is.
    pub payload: Payload,
    /// Its share of the queue's bytes, given back when it is dropped.
    _share: OwnedSemaphorePermit,
}

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub enum Payload {
    /// One syslog message.
    Syslog(Vec<u8>),
    /// One export packet of NetFlow or IPFIX.
    Flows(Vec<u8>),
    /// The body of one OTLP request, unpacked.
    Otlp(Vec<u8>, OtlpEncoding),
    /// A connection ended: no more comes of this peer's half messages.
    End,
}

impl Payload {
    /// Returns its length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Syslog(bytes) | Self::Flows(bytes) | Self::Otlp(bytes, _) => bytes.len(),
            Self::End => 0,
        }
    }

    /// Returns whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The reading end of the queue.
#[derive(Debug)]
pub struct ReceivedQueue {
    messages: mpsc::Receiver<Received>,
}

impl ReceivedQueue {
    /// Returns the next message; `None` once all receivers have stopped and everything was read.
    pub async fn next(&mut self) -> Option<Received> {
        self.messages.recv().await
    }

    /// The same for a thread outside of the runtime.
    pub fn next_blocking(&mut self) -> Option<Received> {
        self.messages.blocking_recv()
    }
}

/// The writing end.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    messages: mpsc::Sender<Received>,
    bytes: Arc<Semaphore>,
}

/// The queue is full, or nobody reads it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// A message before it has a place in the queue.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub source: Arc<str>,
    pub peer: IpAddr,
    pub at: Timestamp,
    pub offset_s: i32,
    pub payload: Payload,
}

impl Arrival {
    fn permits(&self) -> u32 {
        u32::try_from(self.payload.len().min(QUEUE_BYTES_MAX).div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX)
    }

    fn with(self, share: OwnedSemaphorePermit) -> Received {
        Received {
            source: self.source,
            peer: self.peer,
            at: self.at,
            offset_s: self.offset_s,
            payload: self.payload,
            _share: share,
        }
    }
}

pub(crate) fn queue() -> (Queue, ReceivedQueue) {
    let (sender, messages) = mpsc::channel(QUEUE_MESSAGES_MAX);
    let bytes = Arc::new(Semaphore::new(QUEUE_BYTES_MAX / PERMIT_BYTES));
    let queue = Queue { messages: sender, bytes };
    (queue, ReceivedQueue { messages })
}

impl Queue {
    /// Waits for a place.
    pub async fn send(&self, arrival: Arrival) -> Result<(), Full> {
        let share = Arc::clone(&self.bytes).acquire_many_owned(arrival.permits()).await;
        let share = share.map_err(|_| Full)?;
        self.messages.send(arrival.with(share)).await.map_err(|_| Full)
    }

    /// Takes a place if there is one now.
    pub fn try_send(&self, arrival: Arrival) -> Result<(), Full> {
        let share = Arc::clone(&self.bytes).try_acquire_many_owned(arrival.permits());
        let share = share.map_err(|_| Full)?;
        self.messages.try_send(arrival.with(share)).map_err(|_| Full)
    }
}
