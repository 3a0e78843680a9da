//! The signed status site that tells the public the truth, the legal duties, and the report for those who stay inside.
//!
//! ```text
//!                 ┌─ lint ──► claims that may be said
//!   Situation ────┼─ pages, feed, summary ──► files ──► manifest (seq, prev_hash, SHA-256) ──► Ed25519 signature
//!   Estate        ├─ duty ──► deadlines                                     ▲
//!                 └─ report ► one HTML file                    verify_site ─┘  (the outside reader)
//! ```
//!
//! # Architecture invariants
//! - Pure: no sockets, no files, no clock. The time of issue, the sequence number and the hash of the manifest before are
//!   arguments; equal arguments give equal bytes, signature included.
//! - A claim that fails the lint is not published and is named in [`Site::warnings`].
//! - The public site names services and customers. Hosts, their addresses and accounts inside a claim are counted, not named;
//!   operators' reasons, unknowns and unobserved exits appear as a number only.
//! - What is not known is shown as not known; a service that the situation does not mention does not "work".
//! - No page asks a third party for anything, runs a script or needs a server: every page opens from a folder.

mod cut_map;
mod duty;
mod feed;
mod gantt;
mod impact_map;
pub mod impact_report;
mod language;
mod layout;
mod lint;
mod manifest;
mod moment;
mod pages;
mod redact;
pub mod report;
mod route;
mod scale;
mod site;
mod state;
mod summary;
mod svg;
mod timeline;

pub use cut_map::{CutPicture, cut_map, cut_page};
pub use duty::{Clock, Due, RULES, Recipient, Rule, duties, end_of_months};
pub use gantt::service_bars;
pub use language::Language;
pub use lint::{LintFinding, lint_claim};
pub use manifest::{
    CLOCK_SKEW_MAX_MS, FILES_MAX, Fault, MANIFEST_BYTES_MAX, Verified, VerifyError, public_key_line, verify_site,
};
pub use moment::{duration_words, moment};
pub use pages::policy;
pub use route::{route_map, tier_words};
pub use site::{LeftOut, PublishError, Site, SiteConfig, Tlp, build_site};
pub use state::{Works, level_words, phase_sentence, phase_word, service_advice};
