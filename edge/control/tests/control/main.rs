//! Tests of the replay on the APT29 recording, on damaged input, and of what is made to fit a ledger entry.
#![expect(clippy::print_stdout, reason = "a test says what it skips")]

mod apt29;
mod bench;
mod damaged;
mod fit;
