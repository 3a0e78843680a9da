//! Tests of rules, behaviour detectors and fusion on lines as they come in.
#![expect(clippy::unwrap_used, reason = "a test may fail and say why")]

mod behaviour;
mod export;
mod fusion;
mod machines;
mod oracle;
mod sigma;
