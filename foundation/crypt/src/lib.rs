//! The only room that touches ciphers, curves and randomness.
//!
//! ```text
//!   sign    Ed25519 keys (ledger, orders, approvals, status site)
//!   seal    bytes sealed to a public key (spool) or under a symmetric key (records)
//!   pki     a small certificate authority and mutual-TLS configurations (guards)
//!   dice    reproducible choices from a seed (drills, planners)
//! ```
//!
//! # Architecture invariants
//! - No other room names a cipher, a curve or a random number generator; the provider is AWS-LC everywhere.
//! - Nothing here knows patients or incidents.
//! - Secrets have no `Debug`, `Display` or `Serialize`; [`Redacted`] gives any other value the same property.

mod dice;
mod digest;
mod pki;
mod redacted;
mod seal;
mod sign;
mod uuid;

pub use dice::Dice;
pub use digest::{Hasher, from_hex, hex, sha256};
pub use pki::{Authority, Identity, PkiError, client_tls, listener_tls, peer_tls, server_tls};
pub use redacted::Redacted;
pub use seal::{OpeningKey, RecordKey, SealError, SealingKey, random_bytes, scrambled};
pub use sign::{SignError, Signer, SigningKey, VerifyingKey};
pub use uuid::uuid_v5;
