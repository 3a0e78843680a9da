//! One file per verb.

pub mod bench;
pub mod console;
pub mod drill;
pub mod estate;
pub mod ledger;
pub mod replay;
pub mod spool;
pub mod trace;
