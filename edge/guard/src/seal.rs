use leckwehr_crypt::{Hasher, SigningKey, VerifyingKey, from_hex, hex, sha256};
use leckwehr_incident::Timestamp;
use serde::{Deserialize, Serialize};

use crate::order::Envelope;

/// Longest time for which a seal may hold, in milliseconds: a captured order is worth nothing afterwards.
pub const SEAL_MS_MAX: i64 = 600_000;
/// How far the control room's clock may be ahead of an executor's, in milliseconds.
pub const CLOCK_SKEW_MS_MAX: i64 = 30_000;

/// The control room's own word for one order to one executor: who holds a certificate, but not this key, can order nothing.
///
/// It covers the executor's name, the request id, the order, the plan's hash, the steps, the approvals, the epoch and both times. Two seals
/// are the same order sent twice; a new order of the same content needs a new seal, that is another time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// When the order was given.
    pub issued_at: Timestamp,
    /// Until when it may be begun.
    pub valid_until: Timestamp,
    /// Ed25519 signature, hex.
    pub signature: String,
}

/// Why a seal does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealFault {
    /// There is none.
    #[error("the order is not signed")]
    Missing,
    /// Of another key, or of other content.
    #[error("the order's signature is not the control room's for this order and executor")]
    Forged,
    /// Its time is over.
    #[error("the order was valid until {valid_until}; it is {now}")]
    Expired {
        /// End of its time.
        valid_until: Timestamp,
        /// The executor's time.
        now: Timestamp,
    },
    /// Its time has not come: a clock is wrong.
    #[error("the order was given at {issued_at}, but it is only {now}: a clock is wrong")]
    Early {
        /// When it says it was given.
        issued_at: Timestamp,
        /// The executor's time.
        now: Timestamp,
    },
    /// It would hold for longer than [`SEAL_MS_MAX`].
    #[error("the order would be valid for more than {} s", SEAL_MS_MAX / 1_000)]
    TooLong,
}

/// Makes the key that signs a control room's orders out of the room's secret seed.
///
/// A key of its own, so that no signature of the ledger can be taken for an order.
pub fn order_key(seed: &[u8; 32]) -> Result<SigningKey, leckwehr_crypt::SignError> {
    let mut hasher = Hasher::default();
    hasher.update(b"leckwehr order key\n");
    hasher.update(seed);
    SigningKey::from_seed(&hasher.finish())
}

impl Envelope {
    /// Signs the envelope for one executor; it may be begun from `issued_at` to `valid_until`.
    #[must_use]
    pub fn sealed(mut self, executor: &str, key: &SigningKey, issued_at: Timestamp, valid_until: Timestamp) -> Self {
        let signature = hex(&key.sign(&self.sealed_bytes(executor, issued_at, valid_until)));
        self.seal = Some(Seal {
            issued_at,
            valid_until,
            signature,
        });
        self
    }

    /// Checks the seal and returns its digest, which names this one order.
    pub(crate) fn check_seal(&self, executor: &str, key: &VerifyingKey, now: Timestamp) -> Result<[u8; 32], SealFault> {
        let seal = self.seal.as_ref().ok_or(SealFault::Missing)?;
        let (issued_at, valid_until) = (seal.issued_at, seal.valid_until);
        let bytes = self.sealed_bytes(executor, issued_at, valid_until);
        let signature = from_hex(&seal.signature).ok_or(SealFault::Forged)?;
        key.verify(&bytes, &signature).map_err(|_| SealFault::Forged)?;
        if valid_until > issued_at.plus_ms(SEAL_MS_MAX) {
            return Err(SealFault::TooLong);
        }
        if issued_at > now.plus_ms(CLOCK_SKEW_MS_MAX) {
            return Err(SealFault::Early { issued_at, now });
        }
        if now > valid_until {
            return Err(SealFault::Expired { valid_until, now });
        }
        Ok(sha256(&bytes))
    }

    fn sealed_bytes(&self, executor: &str, issued_at: Timestamp, valid_until: Timestamp) -> Vec<u8> {
        let planned = self.plan.as_ref();
        let (plan, steps) = planned.map_or(("", [].as_slice()), |(plan, steps)| (plan.hash.as_str(), steps.as_slice()));
        // Plain structs with text keys: serialising cannot fail.
        let parts = (
            executor,
            &self.request_id,
            &self.order,
            plan,
            steps,
            &self.approvals,
            self.epoch,
        );
        let digest = sha256(&serde_json::to_vec(&parts).unwrap_or_default());
        format!("leckwehr order\n{}\n{}\n{}\n", hex(&digest), issued_at.0, valid_until.0).into_bytes()
    }
}
