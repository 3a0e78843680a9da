//! The situation as web pages and JSON, on this machine only.
//!
//! ```text
//!   ledger folder ──Watch──► Situation ──► /               one screen: phase, route, alarms, plans, services, duties
//!    (read only)   refresh      │      ├─► /api/situation  the same as JSON
//!                               │      └─► /healthz        can the ledger be read?
//!                               └─ refuses a ledger that was cut off or rewritten since the last look
//! ```
//!
//! # Architecture invariants
//! - Read only: no request changes anything; the ledger is opened for reading each time.
//! - Loopback only, and only for requests that name a loopback host (no DNS rebinding).
//! - No script, no third party: one inline style is all that the policy allows.
//! - Nothing is computed here: the situation is the fold of `incident`, the drawings are those of `publish`.

mod page;
mod server;
mod tail;
mod watch;

pub use page::render;
pub use server::{Console, ConsoleError};
pub use watch::{Tail, Watch, WatchError};
