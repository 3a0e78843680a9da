//! The document: XML or JSON in, one tree out.
//!
//! ```text
//!   bytes ─┬─ xml (events) ──────────────┐
//!          └─ scan (tokens) ─ json ──────┴─► tree ─► Document: nodes in document order, values in the text they came in
//! ```

mod document;
mod json;
mod limits;
mod names;
mod scan;
mod tree;
mod xml;

pub use document::{Children, Document, Flaw, Format, NodeId, Unreadable, Written};
pub use limits::{
    ATTRIBUTES_MAX, DATA_BYTES_MAX, DEPTH_MAX, DOCUMENT_BYTES_MAX, ELEMENTS_MAX, ISSUES_MAX, Limits, NAMESPACES_MAX, StreamError,
    read_bounded,
};
pub use names::{NameId, Names};
