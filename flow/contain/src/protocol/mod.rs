//! The agreed security protocol as code.
//!
//! ```text
//!   protocol.toml ─► Protocol (every mistake with its place) ─┬─► protocol_plan: each step cites its clause
//!                                                             ├─► approval_request, decide: who may order it
//!                                                             ├─► turn: may a step be begun now?
//!                                                             └─► cacao: exported and imported as a CACAO v2 playbook
//! ```

mod apply;
mod clauses;
mod load;
mod model;
mod reader;
mod turn;

pub use apply::{approval_request, crew_minutes, protocol_plan, step_without_clause};
pub use clauses::clause_faults;
pub use load::{CLAUSES_MAX, PROTOCOL_FORMAT};
pub use model::{Caps, Clause, MEASURES, Measure, Protocol, Words};
pub use reader::{CLAUSE_BYTES_MAX, MISTAKES_MAX, ProtocolErrors};
pub use turn::{Turn, is_reconnection, turn};
