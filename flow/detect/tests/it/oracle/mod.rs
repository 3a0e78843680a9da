//! Sigma against engines and truths that nobody here wrote: rsigma-eval, SigmaHQ's regression recordings, brute force.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test may fail and say why, and asks the environment for its recordings"
)]

mod correlations;
mod data;
mod modifiers;
mod recordings;
mod regression;
