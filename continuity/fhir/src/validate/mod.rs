//! Validation: a document walks through compiled profiles.
//!
//! ```text
//!  bytes ─► Document ─► TypedDocument ─┬─ structure: elements exist, forms, order
//!                                      └─ Walk: profile element × node: cardinality, slices, values, bindings, rules, references
//!                                            └─► Report: Valid | Invalid | Unknown(what is missing), issues with place and rule
//! ```

mod bundle;
mod children;
mod explain;
mod extension;
mod fault;
mod links;
mod primitive;
mod reference;
mod report;
mod rules;
mod settings;
mod structure;
mod validator;
mod value;
mod walk;

pub use fault::{Fault, Language, Severity};
pub use primitive::is_of_type;
pub use report::{AppliedElement, Report, ReportIssue, Verdict, missing_text};
pub use settings::Settings;
pub use validator::{NoBase, Request, Validator};
pub use walk::{FINDINGS_MAX, PROFILE_DEPTH_MAX};
