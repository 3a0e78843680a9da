//! Events become findings, findings become alarms.
//!
//! ```text
//!   Events ──┬─► Rules (Sigma, own rules in rules/) ─────────┐
//!            └─► behaviour/ (small state machines) ──────────┴─► Finding ─► Fusion ─► Alarm
//!                  logon · beacon · channel · egress · tunnel · backup · change · flood · silence · skew
//!   Estate ────► AddressBook: which system, inside or outside
//!   bytes ─────► examine: what a file's structure says (beside the file; only a word is shipped)
//! ```
//!
//! ```
//! use leckwehr_detect::{DetectConfig, Detector, Fusion, Rules};
//! use leckwehr_estate::Estate;
//! use leckwehr_telemetry::Intake;
//!
//! let rules = Rules::own().unwrap();
//! let mut detector = Detector::new(DetectConfig::new(rules, &Estate::default()));
//! let mut fusion = Fusion::new();
//! let mut intake = Intake::new();
//! // … benign traffic is pushed first, then:
//! detector.end_learning();
//! intake.push_line("sensor-b", br#"{"@timestamp":"2023-04-25T03:12:09Z","agent":{"id":"sensor-b"},
//!     "host":{"name":"backup-1"},"event":{"sequence":1,"category":["configuration"],"dataset":"backup",
//!     "action":"snapshot-delete"},"file":{"path":"snap-12"},"user":{"name":"adm-backup"}}"#);
//! let findings = detector.push(&intake.take());
//! let alarms = fusion.push(&findings);
//! assert_eq!(alarms[0].entity, "host:backup-1");
//! ```
//!
//! # Architecture invariants
//! - Knows nothing of firewalls and plans: it says what it saw and how bad that is.
//! - No clock: time is the records' own, and [`Detector::tick`] gets the present as an argument.
//! - Every state machine is bounded by a named maximum; the oldest entries go first.
//! - A rule that cannot be evaluated is an error that names rule and place, never silently skipped.
//! - Detectors know techniques, not recorded addresses or hosts.

mod behaviour;
mod content;
mod detector;
mod export;
mod fusion;
mod place;
mod placed;
mod sigma;
mod tally;

pub use behaviour::{BEACON_PAIRS_MAX, KEYS_MAX, Opinion, RHYTHM_CONNECTIONS_MIN, Rhythm, Thresholds, registered_domain};
pub use content::{Content, SAMPLE_BYTES_MAX, Structure, examine};
pub use detector::{DetectConfig, Detector, SnapshotError};
pub use export::{OCSF_VERSION, StixExport, ocsf_alarm, ocsf_finding, stix_findings};
pub use fusion::{ENTITIES_MAX, Fusion, FusionError, SUPPRESSION_MS_MAX, SUPPRESSIONS_MAX, SuppressionError};
pub use place::{AddressBook, Place};
pub use sigma::{
    CHAIN_DEEP_MAX, CORRELATION_BYTES_MAX, CORRELATION_ENTRIES_MAX, CORRELATION_GROUPS_MAX, CORRELATION_RULES_MAX, Correlated,
    Correlation, CorrelationSnapshot, Correlator, EXPANSIONS_MAX, Engine, GROUND_BYTES_MAX, GROUNDS_MAX, Grounds, Matcher, Node,
    Outline, Placeholders, Position, REGEX_BYTES_MAX, RULE_FILE_BYTES_MAX, RULE_FOLDERS_DEEP_MAX, RULES_MAX, RestoreError, Rule,
    RuleError, RuleSource, RuleStatus, Rules, Seen,
};
pub use tally::{HostTally, RuleTally, TALLY_HOSTS_MAX, TALLY_RULES_MAX, Tally};
