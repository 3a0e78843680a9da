//! Keeps accepting eAU while the house burns: a durable sealed spool, receipts and replay.
//!
//! ```text
//!   Incoming ─classify─► good | doubtful | unreadable ─seal─► segment file ─fsync─► Receipt (the DSN)
//!                                                                 │
//!       Inbox (receiver) ◄── Batch ◄── next_batch(position) ──────┘   exactly once per (identifier, hash)
//! ```
//!
//! There is no positive application receipt for an eAU: **the DSN is the receipt** (KBV technical annex). So: take, make
//! durable, acknowledge, and only then think. Doubt means "hold", never "reject".
//!
//! # Architecture invariants
//! - A [`Receipt`] exists only after an fsync that covers its record. After a failed write or fsync the [`Spool`] refuses
//!   further work until it is opened again, because what reached the disk is not known (the page cache forgets errors).
//! - Payload, sender and message id are sealed to a public key whose private half is not on this machine. In clear stand
//!   only hashes, lengths, class and time. The hash of an identifier is not secret from somebody who guesses the identifier.
//! - Segments are append-only, for recovery too: a torn tail stays where it is, a new segment begins after it, and no
//!   sequence number that the tail can have had is given out again.
//! - A damaged record is named and the rest goes on. A *whole last* segment that was deleted cannot be noticed from the
//!   folder alone: compare [`Spool::last_seq`] with what was written elsewhere.
//! - Knows neither incidents nor ePA. No clock: the time of receipt is handed in.

mod backlog;
mod fault;
mod frame;
mod inbox;
mod message;
mod record;
mod replay;
mod segment;
mod spool;

pub use backlog::Backlog;
pub use fault::{FaultPoint, Faults};
pub use inbox::{INBOX_BYTES_MAX, Inbox, InboxError, Taken};
pub use message::{Class, ENVELOPE_BYTES_MAX, Incoming, MESSAGE_BYTES_MAX, Opened};
pub use record::SealedRecord;
pub use replay::{Batch, REPLAY_BATCH_BYTES_MAX};
pub use segment::{Damage, DamageKind};
pub use spool::{BATCH_MESSAGES_MAX, Receipt, SEGMENT_BYTES_DEFAULT, Spool, SpoolConfig, SpoolError, Status};
