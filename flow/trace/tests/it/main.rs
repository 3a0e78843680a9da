//! Tests of the analysis on recorded and generated incidents.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail and say why")]

mod apt29;
mod certificate;
mod coverage;
mod estates;
mod export;
mod exposure;
mod house;
mod load;
mod reach;
mod routes;
mod theft;
