//! The protocol and its plans as CACAO v2 playbooks (OASIS Security Playbooks Version 2.0), out and in.
//!
//! ```text
//!   Protocol ─┬─► export ─► playbook: start → one action per clause and measure → end; the protocol itself as an extension
//!   Plan ─────┘                 │
//!   Protocol (the same) ◄── import ──► clauses of anybody's playbook, and a list of what they cannot say
//! ```

mod export;
mod import;

pub use export::{export_plan, export_protocol};
pub use import::{BYTES_MAX, CacaoError, Imported, ImportedClause, NotExpressed, STEPS_MAX, import};
