//! FHIRPath (N1, with what FHIR R4 adds): text in, a compiled expression out, evaluated over a document.
//!
//! ```text
//!   text ─ lexer ─► parser ─► Expression ──evaluate──► values     Schema: what types there are
//!                                 │                               TypedDocument: what type each node has
//!                                 └──check──► places that no document can have     Host: time, references, terminology
//! ```
//!
//! An evaluation ends in one of three ways: with values; with [`Stop::Error`], if the expression cannot be applied to the data;
//! or with [`Stop::Unknown`], if it asks what cannot be told here. The last is never "invalid".

mod boundary;
mod call;
mod call_fhir;
mod call_number;
mod call_text;
mod check;
mod convert;
mod equality;
mod evaluate;
mod expression;
mod function;
mod host;
mod lexer;
mod moment;
mod operator;
mod parser;
mod pattern;
mod schema;
mod typed;
mod ucum;
mod unit;
mod value;

pub use evaluate::{Doubt, EvaluationError, Reading, STEPS_MAX, Scene, Stop, TEXT_BYTES_MAX};
pub use expression::{EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX, Expression, PathError, PathErrorKind};
pub use host::{Conformance, Host, NoHost, Resolution};
pub use moment::{Moment, MomentKind, Precision};
pub use pattern::MATCH_STEPS_MAX;
pub use schema::{ElementType, Primitive, Schema, TypeId};
pub use typed::TypedDocument;
pub use ucum::Canonical;
pub use unit::{Calendar, Unit};
pub use value::{Quantity, System, TypeInfo, Value};
