use leckwehr_incident::SituationError;
use leckwehr_ledger::{ENTRY_BYTES_MAX, LedgerError};

/// What stops a control room. Everything else is recorded and the work goes on.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The ledger cannot be written: nothing may be done that is not recorded.
    #[error("the ledger cannot be written")]
    Ledger(#[from] LedgerError),
    /// A fact contradicts those before it.
    #[error("a fact contradicts those before it")]
    Situation(#[from] SituationError),
    /// The rules that come with the program cannot be read.
    #[error("the detection rules cannot be read")]
    Rules(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A key or certificate cannot be used.
    #[error("a key or certificate cannot be used")]
    Keys(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A file or folder of the control room cannot be used.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A plan cannot be written into the ledger as people would approve it, so nobody may.
    #[error("plan {hash} does not fit the ledger: one of its steps is longer than an entry of {ENTRY_BYTES_MAX} bytes")]
    PlanNotRecorded {
        /// SHA-256 of the plan, hex.
        hash: String,
    },
    /// Telemetry cannot be read.
    #[error("telemetry cannot be read")]
    Telemetry(#[from] leckwehr_telemetry::IntakeError),
    /// The people who must decide are gone.
    #[error("nobody is left to decide: the input was closed")]
    Deserted,
}
