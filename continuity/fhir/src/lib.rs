//! Reads and validates FHIR R4 documents.
//!
//! ```text
//!   bytes ──inspect──► Outcome: well-formed? which resource, profiles, identifier, entries · issues with their place
//!
//!   packages ──package──► Shelf ──schema──► profiles ┐
//!                               └─terminology─► codes ┼─ validate ──► Report: valid | invalid | unknown (what is missing)
//!   bytes ──source──► Document ── path: FHIRPath ─────┘
//! ```
//!
//! [`inspect`] is for an intake that must know what it has in hand: it checks no profile, and every [`Outcome`] says so
//! (`validated: false`). [`validate::Validator`] checks everything that the packages it is given say. What it cannot know it
//! calls unknown; doubt means "hold", never "reject".
//!
//! # Architecture invariants
//! - No input makes this room panic, recurse or allocate without limit; document type definitions and entities are
//!   refused unread.
//! - Issues carry a rule and a place, never text of the document: a document is patient data.
//! - Nothing here knows a profile by name: profiles, versions, dates and exceptions come from packages and configuration.
//! - Knows nothing of eAU business rules.

mod inspect;
pub mod narrative;
mod outcome;
pub mod package;
pub mod path;
pub mod schema;
pub mod source;
pub mod terminology;
pub mod validate;

pub use inspect::{VALUE_BYTES_MAX, inspect};
pub use outcome::{Canonical, Identifier, Issue, IssueKind, Outcome, Place};
pub use source::{DEPTH_MAX, DOCUMENT_BYTES_MAX, ELEMENTS_MAX};
