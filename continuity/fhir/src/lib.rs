//! Reads FHIR documents, as far as an intake needs to know what it has in hand.
//!
//! ```text
//!   bytes ──inspect──► Outcome: well-formed? which resource, profiles, identifier, entries · issues with their place
//! ```
//!
//! This is a reader, **not a validator**: no profile, value set or invariant is checked, and every [`Outcome`] says so
//! (`validated: false`). Doubt therefore means "hold", never "reject".
//!
//! # Architecture invariants
//! - No input makes this room panic, recurse or allocate without limit; document type definitions and entities are
//!   refused unread.
//! - Issues carry a kind and a place, never text of the document: a document is patient data.
//! - Knows nothing of eAU business rules.

mod inspect;
pub mod narrative;
mod outcome;
pub mod path;
pub mod source;

pub use inspect::{VALUE_BYTES_MAX, inspect};
pub use outcome::{Canonical, Identifier, Issue, IssueKind, Outcome, Place};
pub use source::{DEPTH_MAX, DOCUMENT_BYTES_MAX, ELEMENTS_MAX};
