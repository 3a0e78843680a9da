//! The agent at a switch: signed OpenC2 orders in, firewall state and counters out.
//!
//! ```text
//!   control room ──mTLS, OpenC2 + plan + approvals──► server ─► Warrant::check ─► Executor ─► nftables (one transaction)
//!                ◄──────── response, counters ───────                            (guard)      or a host's own agent
//! ```
//!
//! # Architecture invariants
//! - An order without a plan whose hash two different people approved does nothing ([`Warrant`]).
//! - Only the control room's certificate may order; an agent's own, of the same root, may not ([`CONTROL_ROOM`]).
//! - The executor makes no choices: it does the numbered step of the approved plan, or refuses.
//! - Orders are idempotent, and fenced: an order of an older generation than the newest seen is refused.
//! - A cut is one kernel transaction over a set of *interfaces*, first in the forward hook: it ends IPv4, IPv6 and
//!   established flows alike. A lease (set element timeout) undoes itself with no controller alive.
//! - The guard does not know why.

mod block;
mod blocking;
mod book;
mod carry;
mod client;
mod compartments;
mod config;
mod executor;
mod fence;
mod firewall;
mod flows;
mod guard;
mod journal;
mod management;
mod netlink;
mod nft;
pub mod openc2;
mod order;
mod seal;
mod server;
mod service;
pub mod switch;
mod warrant;
mod wire;

pub use block::{Block, Direction, Fate, Net, Protocol, Traffic};
pub use book::{Book, BookedBlock};
pub use carry::{REPORTS, carry_out};
pub use client::{ClientError, send_order};
pub use config::{ConfigFault, GuardConfig};
pub use executor::Executor;
pub use fence::Fence;
pub use firewall::{Counter, Firewall, FirewallError, FirewallState};
pub use flows::{Ended, Ending, Flows};
pub use guard::{COMPARTMENT, COMPARTMENTS, GuardExecutor};
pub use journal::{Event, InForce, Journal, Report};
pub use management::Management;
pub use nft::Nft;
pub use order::{Action, Approval, Envelope, ORDER_BYTES_MAX, Order, Reply, STEPS_PER_ORDER_MAX, Status};
pub use seal::{CLOCK_SKEW_MS_MAX, SEAL_MS_MAX, Seal, SealFault, order_key};
pub use server::{CONTROL_ROOM, ServerError, serve_connection};
pub use service::{Guard, GuardNews, ServiceError, ask_running};
pub use warrant::{Clock, Refusal, Task, Warrant, Warranted};
