//! The drill: a miniature provider on a real network, an attacker with a diary, and the score.
//!
//! ```text
//!   launch ─► keeper (namespaces) ─► director (process 1) ─┬─► hosts, routers with guards ── people at work
//!                                                          ├─► control room  (its own namespace, sees no truth)
//!                                                          └─► attacker      (writes a diary)
//!                                          Played: truth + ledger ─► score
//! ```
//!
//! # Architecture invariants
//! - Everything is real: processes, sockets, firewall transactions, files, keys. The simulated stage is for machines that
//!   forbid namespaces, and every report of it says so.
//! - The control room gets telemetry and answers, never the truth; the truth leaves the attacker only after the end.
//! - All that a drill builds hangs on one process: when it ends, however it ends, the kernel takes everything away.
//! - No outside program is called. Waiting is always for a condition, with a named limit.

mod agent;
mod attacker;
mod benign;
mod books;
mod cable;
mod cast;
mod clock;
mod director;
mod fabric;
mod files;
mod host;
mod miniature;
mod node;
mod part;
mod payday;
mod portal;
mod process;
pub mod proving;
mod returns;
mod sandbox;
mod score;
mod sensor;
mod service;
mod shell;
mod stage;
pub mod switching;
#[cfg(test)]
mod tests;
mod topology;
mod usage;
mod wire;
mod world;

pub use attacker::{Act, Entry};
pub use books::{Books, BooksError};
pub use director::{DrillConfig, DrillError, News, Played, Seconds, Truth, clean_up};
pub use miniature::{HOSTS_MAX, HOSTS_MIN, MiniatureError};
pub use payday::Paid;
pub use process::{LaunchError, director_main, keeper_main, launch_real, launch_simulated, node_main};
pub use returns::{ForecastScore, ReturnScore};
pub use score::{Score, compromised, score};
pub use world::{Scenario, check};
