use serde::{Deserialize, Serialize};

/// Captures that the shares were counted in.
const CAPTURES: f64 = 29.0;

/// A kind of record by which a hop from one host to another can show.
///
/// How often each one shows a hop was counted in 29 captures of documented lateral movement, one technique each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HopEvidence {
    /// The connection: Sysmon 3, Security 5156, or a flow record.
    Connection,
    /// The log-on at the target: Security 4624.
    Logon,
    /// The share at the target: Security 5140 and 5145.
    Share,
    /// The service ticket at the directory: Security 4769.
    ServiceTicket,
    /// The log-on with given credentials at the origin: Security 4648.
    ExplicitCredentials,
}

impl HopEvidence {
    /// All of them, the most sensitive first.
    pub const ALL: [Self; 5] = [
        Self::Connection,
        Self::Logon,
        Self::Share,
        Self::ServiceTicket,
        Self::ExplicitCredentials,
    ];

    /// Returns the share of hops that show in it where it is recorded without a gap, 0 to 1.
    pub fn sensitivity(self) -> f64 {
        let shown = match self {
            Self::Connection => 29.0,
            Self::Logon => 22.0,
            Self::Share => 21.0,
            Self::ServiceTicket => 17.0,
            Self::ExplicitCredentials => 2.0,
        };
        shown / CAPTURES
    }

    /// Returns the evidence class of coverage that it is recorded under ([`leckwehr_telemetry::Kind::class`]).
    pub fn class(self) -> &'static str {
        match self {
            Self::Connection | Self::Share => "flow",
            Self::Logon | Self::ServiceTicket | Self::ExplicitCredentials => "logon",
        }
    }

    /// Returns the probability that a hop does not show in it, `1 − coverage × sensitivity`; `coverage` is 0 to 1.
    pub fn miss(self, coverage: f64) -> f64 {
        (1.0 - coverage.clamp(0.0, 1.0) * self.sensitivity()).clamp(0.0, 1.0)
    }
}

/// The probability that a hop to an asset left no record, and the kind of record that would most likely have shown it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Miss {
    /// 0 to 1. Kinds of records are not independent of each other, so the best single one counts.
    pub probability: f64,
    /// That one.
    pub best: HopEvidence,
}
