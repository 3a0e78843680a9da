use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What became of a file of an emergency payment run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PaymentStage {
    /// Written and sealed; its payments are reserved, so that no other run pays them.
    Built,
    /// A person approved it by its hash.
    Approved,
    /// It is about to be handed out.
    Releasing,
    /// It was handed out: its payments count as paid.
    Released,
    /// It was given up before it was handed out; its payments are free again.
    Cancelled,
}

/// A file of an emergency payment run, as the last fact about it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentView {
    /// The run's id.
    pub run: String,
    /// What became of the file.
    pub stage: PaymentStage,
    /// When.
    pub at: Timestamp,
    /// Payments in the file.
    pub payments: u64,
    /// Their sum in euro cents.
    pub cents: u64,
    /// Payments of the whole run that were held back.
    pub held: u64,
}
