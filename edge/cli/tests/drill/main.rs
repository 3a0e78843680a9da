//! The drill as people run it: the real binary, real namespaces, real sockets.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod leftovers;
mod outcome;

use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Drills run one after another: each wants the machine for itself.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The binary with a folder of its own for temporary files.
fn leckwehr(temporary: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leckwehr"));
    command.env("TMPDIR", temporary);
    command
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
