//! The tamper-evident log that every fact is appended to.
//!
//! A ledger is a Merkle tree (RFC 6962, RFC 9162) over byte strings. Whoever keeps an old checkpoint — 200 bytes of
//! text, signed — can tell forever whether entries before it were changed, removed or added.
//!
//! ```text
//!   Writer ──┐ many callers, one fsync
//!   Writer ──┤                       ledger.db     entries, tiles, the latest checkpoint (SQLite, WAL)
//!   Writer ──┴─► Ledger ──append──►  ledger.vkey   who signs: name, key id, Ed25519 public key
//!                  │                 ledger.key    the private half, only where its owner keeps it here
//!                  │                 ledger.sum    one SHA-256 per database page, written when closed cleanly
//!                  ▼
//!               Reader ──export──►   checkpoint, tile/…, tile/entries/…   (C2SP tlog-tiles: any static host serves it)
//!                  │
//!                  └──── prove, verify: of a store folder and of an exported folder alike
//! ```
//!
//! | file or text | format |
//! |---|---|
//! | checkpoint | [C2SP tlog-checkpoint](https://c2sp.org/tlog-checkpoint), a [signed note](https://c2sp.org/signed-note) |
//! | exported folder | [C2SP tlog-tiles](https://c2sp.org/tlog-tiles), tile height 8 |
//! | `ledger.vkey`, `ledger.key` | verifier and signer keys of signed notes, as Go's `sumdb/note` writes them |
//!
//! # Architecture invariants
//! - What an entry means is not known here.
//! - `append` returns only when the entries, their hashes and the checkpoint that covers them are on disk, all in one
//!   transaction; a crash between any two bytes leaves the state before or after it.
//! - One writer per folder, held by a file lock; any number of readers, which change no file.
//! - Every stored byte of a cleanly closed or exported ledger is covered by a hash: a flipped bit is named.
//! - No clock, no environment, no randomness.

mod database;
mod edge;
mod error;
mod export;
mod folder;
mod hash;
mod ledger;
mod limit;
mod note;
mod proof;
mod reader;
mod rebuild;
mod report;
mod source;
mod sum;
mod tile;
mod verify;
mod wal;
mod writer;

pub use error::LedgerError;
pub use hash::{HASH_BYTES, Hash, empty_root, leaf_hash, node_hash};
pub use ledger::{Ledger, Step};
pub use limit::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, DAMAGE_NAMED_MAX, ENTRIES_MAX, ENTRY_BYTES_MAX, READ_BYTES_MAX};
pub use note::{Checkpoint, NoteError, SignerKey, VerifierKey};
pub use proof::{ProofError, verify_consistency, verify_inclusion};
pub use reader::Reader;
pub use report::{Damage, Form, KeyFrom, Pages, Place, Report, Trust};
pub use verify::verify;
pub use writer::Writer;
