//! Patient records under per-patient keys, with an audit trail that the patient can read.
//!
//! ```text
//!   master key ──derive(KVNR)──► patient key ─┬─► record key ─► <name>/<document>.rec
//!        │                                    └─► audit key ──► <name>/audit.log   sealed, hash-chained, append-only
//!        └──────keyed hash(KVNR)──► <name>
//! ```
//!
//! **What this protects, exactly.** Plaintext and keys are not obtainable from disk, database, backup, log or network.
//! A root attacker who reads live memory is *not* excluded: that takes a trusted execution environment (the VAU of
//! gemSpec), which this software is not. Sizes, times of files, and how many documents and accesses a record has are
//! visible on disk. Whoever can write to the disk can delete; a trail that was cut is noticed if a document names an
//! event beyond the cut, or if somebody kept an [`AuditHead`].
//!
//! # Architecture invariants
//! - A context is one KVNR: nothing written in one opens in another, wherever its files are copied.
//! - No access without an audit event: the event is durable before a document becomes visible or is handed out.
//! - The KVNR is never on disk, in a name or in an error; file names are keyed hashes and random ids.
//! - The key derivation has a version and published vectors: `docs/epa-key-derivation.md`.
//! - Knows neither eAU nor incidents. No clock: the time of an access is handed in.

mod audit;
mod context;
mod error;
mod key;
mod store;

pub use audit::{ACTOR_BYTES_MAX, AUDIT_BYTES_MAX, Action, AuditEvent, AuditHead};
pub use error::EpaError;
pub use key::{DocumentId, MasterKey};
pub use store::{Access, DOCUMENT_BYTES_MAX, DOCUMENTS_MAX, Store};
