//! Sigma rules: the language as `rsigma-parser` reads it, matched by an engine of our own.
//!
//! ```text
//!   YAML ─► Rules ─► Engine: one group per log source
//!                      │        witnesses (rarest text, number or word of each rule) ─► index per field
//!                      │        conditions over interned predicates
//!   record ────────────┴─► Matcher: log source ─► groups ─► witnesses seen ─► candidates ─► conditions ─► fired rules
//!                                                                                             └─► Correlator
//! ```

mod condition;
mod correlation;
mod engine;
mod error;
mod explain;
mod filter;
mod index;
mod item;
mod lint;
mod locate;
mod logsource;
mod lower;
mod matcher;
mod modifier;
mod needles;
mod outline;
mod pattern;
mod predicate;
mod rule;
mod ruleset;
mod time;
mod witness;

pub use correlation::{
    CHAIN_DEEP_MAX, CORRELATION_BYTES_MAX, CORRELATION_ENTRIES_MAX, CORRELATION_GROUPS_MAX, CORRELATION_RULES_MAX, Correlated,
    Correlation, CorrelationSnapshot, Correlator, RestoreError,
};
pub use engine::Engine;
pub use error::RuleError;
pub use explain::{GROUND_BYTES_MAX, GROUNDS_MAX, Grounds};
pub use item::Placeholders;
pub use lint::RuleStatus;
pub use locate::Position;
pub use logsource::RuleSource;
pub use matcher::{Matcher, Seen};
pub use modifier::{EXPANSIONS_MAX, REGEX_BYTES_MAX};
pub use outline::{Node, Outline};
pub use rule::Rule;
pub use ruleset::{RULE_FILE_BYTES_MAX, RULE_FOLDERS_DEEP_MAX, RULES_MAX, Rules};
