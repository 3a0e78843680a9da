//! Telemetry from the network: the sockets that senders of the estate write to.
//!
//! ```text
//!   syslog   UDP, TCP, TLS ─┐
//!   NetFlow  UDP            ├─► limits, accounts ─► one bounded queue ─► Streams ─► sheets
//!   OTLP     HTTP, HTTPS ───┘                          (a full one: TCP waits, OTLP is told 503, UDP is dropped and counted)
//! ```
//!
//! Nothing is judged here, and nothing is lost in silence: whatever is not handed on stands in a [`ReceiveAccount`].

mod account;
mod config;
mod connection;
mod datagram;
mod kernel;
mod listener;
mod otlp;
mod queue;
mod stream;

pub use account::ReceiveAccount;
pub use config::{ReceiveError, ReceiveLimits, SourceConfig, SourceKind};
pub use listener::Receivers;
pub use queue::{Payload, QUEUE_BYTES_MAX, QUEUE_MESSAGES_MAX, Received, ReceivedQueue};
pub use stream::{PEERS_MAX, Streams};
