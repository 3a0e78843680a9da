//! The situation as web pages and JSON, on this machine only.
//!
//! ```text
//!   ledger folder ──Watch──► Situation ──► /               one screen: phase, route, alarms, plans, services, duties
//!    (read only)   refresh      │      ├─► /api/situation  the same as JSON
//!                               │      └─► /healthz        can the ledger be read?
//!                               │      └─► /alarms/ID       one alarm: rules, authors, shares of the risk, closings
//!                               └─ refuses a ledger that was cut off or rewritten since the last look
//!   /alarms/ID/close ──Desk──► whoever writes the ledger (`leckwehr watch`), who says what became of it
//! ```
//!
//! # Architecture invariants
//! - It writes nothing: the ledger is opened for reading each time. Decisions about alarms go over a [`Desk`] to whoever writes
//!   the ledger; without one nothing can be posted. A post must carry the token of a page that this console gave out.
//! - Loopback only, and only for requests that name a loopback host (no DNS rebinding).
//! - No script, no third party: one inline style is all that the policy allows.
//! - Nothing is computed here: the situation is the fold of `incident`, the drawings are those of `publish`.

mod alarm_page;
mod desk;
mod page;
mod server;
mod tail;
mod watch;

pub use desk::{Asked, Desk};
pub use page::render;
pub use server::{Console, ConsoleError};
pub use watch::{Tail, Watch, WatchError};
