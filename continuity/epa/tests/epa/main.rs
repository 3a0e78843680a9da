//! The record store under ordinary use, on another person's context, after damage and after kills.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail like the test itself")]

mod crash;
mod store;

use leckwehr_crypt::Redacted;
use leckwehr_epa::{Access, MasterKey};

const DOCTOR: Access<'static> = Access {
    actor: "1-2-ARZT-Sommer",
    at_ns: 1_682_391_129_000_000_000,
};

fn master() -> MasterKey {
    MasterKey::from_bytes([3; 32])
}

fn kvnr(text: &str) -> Redacted<String> {
    Redacted::new(text.to_owned())
}
