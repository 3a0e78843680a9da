//! What proves that a cut is the cheapest one, as a file.
use leckwehr_crypt::{hex, sha256};
use leckwehr_estate::Estate;
use serde::Serialize;

use super::policy::CutPolicy;
use super::separation::{CutSwitch, Separation};

/// Name and version of the format.
pub const CUT_FORMAT: &str = "leckwehr-cut/1";

/// A cut with the flow that proves it. [`crate::check_cut`] verifies it against the estate.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CutCertificate {
    /// [`CUT_FORMAT`].
    pub format: &'static str,
    /// SHA-256 of the estate's bytes, hex.
    pub estate_sha256: String,
    /// How switches are weighed, and what is never cut.
    pub policy: CutPolicy,
    /// Where the attacker may be.
    pub sources: Vec<String>,
    /// What is protected.
    pub targets: Vec<String>,
    /// Sum of the weights, in euros.
    pub value: u64,
    /// What is cut.
    pub cut: Vec<CutSwitch>,
    /// What flows: from, to, euros. `attacker` and `protected` are its ends.
    pub flow: Vec<(String, String, u64)>,
    /// SHA-256 over the certificate with an empty seal, hex.
    pub seal: String,
}

impl CutCertificate {
    /// Certifies the cheapest one of [`crate::separations`].
    pub fn new(separation: &Separation, estate: &Estate) -> Self {
        let mut certificate = Self {
            format: CUT_FORMAT,
            estate_sha256: hex(&sha256(&estate_json(estate))),
            policy: separation.policy.clone(),
            sources: separation.sources.clone(),
            targets: separation.targets.clone(),
            value: separation.value,
            cut: separation.switches.clone(),
            flow: separation.flow.clone(),
            seal: String::new(),
        };
        certificate.seal = hex(&sha256(&certificate.to_bytes()));
        certificate
    }

    /// Returns the bytes of the file: compact JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Serialising cannot fail: plain structs, string keys.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Returns the estate as the certificate binds it: compact JSON.
pub fn estate_json(estate: &Estate) -> Vec<u8> {
    serde_json::to_vec(estate).unwrap_or_default()
}
