//! One file per verb.

pub mod bench;
pub mod console;
pub mod drill;
pub mod estate;
pub mod events;
pub mod fhir;
pub mod guard;
pub mod hunt;
pub mod ledger;
pub mod payments;
pub mod replay;
pub mod restore;
pub mod rules;
pub mod spool;
pub mod takedown;
pub mod trace;
pub mod watch;
