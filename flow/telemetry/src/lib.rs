//! Records of the field's formats become columnar events.
//!
//! ```text
//!   file (plain, gz, zst; lines, JSON texts, EVTX, packets) ─► Reader ─┐
//!   stream, line by line ────────────────────────────────────► Lines ─┴─► Sheet: Fields (names by number) + LogSource + place
//!                                                                           ├─► rules match here, without a column
//!                                                                           └─► Record ─► Events (columns + raw fields) ─► Parquet
//!   Intake = Reader and Lines ─► Events,  Accounts: records, sequence gaps, capture loss, pauses, last seen
//!                                         Damaged: counted, named (source, record, offset), kept aside
//! ```
//!
//! A line goes in, an event comes out:
//!
//! ```
//! use leckwehr_telemetry::{Intake, Kind};
//!
//! let mut intake = Intake::new();
//! intake.push_line(
//!     "sensor-fs-1",
//!     br#"{"@timestamp":"2023-04-25T03:12:09Z","agent":{"id":"sensor-fs-1"},"host":{"name":"fs-1"},
//!          "event":{"sequence":1,"category":["authentication"],"action":"logon","outcome":"success"},
//!          "source":{"ip":"10.1.2.3"},"user":{"name":"adm-office"}}"#,
//! );
//! let events = intake.take();
//! let event = events.get(0).unwrap();
//! assert_eq!((event.kind(), event.host(), event.account()), (Kind::Logon, "fs-1", "adm-office"));
//! assert_eq!(event.field("event.outcome"), Some("success"));
//! ```
//!
//! # Architecture invariants
//! - Knows formats only: no rules, no estates, no judgement.
//! - Time is UTC nanoseconds from the record itself; this room has no clock.
//! - No input stops the intake: a record that cannot be read is counted, named and kept aside, the rest goes on.
//! - Every event says where its raw record is: source, record number and byte offset ([`Event::reference`], [`RawPlace`]).
//! - Memory is bounded by the named maxima; a caller that takes batches bounds the rest.

mod account;
mod accounts;
mod columns;
mod documents;
mod event;
mod events;
mod fields;
mod file;
mod format;
mod intake;
mod named;
mod names;
mod ocsf_class;
mod parquet;
mod reader;
mod sheet;
mod source;
mod symbols;

pub use account::{GAPS_MAX, SensorAccount};
pub use accounts::Accounts;
pub use event::{Kind, Outcome, Product, Record};
pub use events::{Event, Events};
pub use fields::{FIELDS_BYTES_MAX, FIELDS_MAX, Fields, FieldsFull, Value};
pub use file::{Line, open, read_line};
pub use format::{
    CAPTURE_BYTES_MAX, EXPORTERS_MAX, Fault, Frame, Lines, Loss, MESSAGE_BYTES_MAX, OtlpEncoding, REQUEST_RECORDS_MAX, Read,
    SyslogClock, SyslogFramer,
};
pub use intake::{
    BATCH_EVENTS_MAX, DAMAGED_BYTES_MAX, DAMAGED_MAX, Damaged, FileReport, Intake, IntakeError, LINE_BYTES_MAX, SENSORS_MAX,
    Taken,
};
pub use named::NamedFields;
pub use names::{FIELD_NAME_BYTES_MAX, FIELD_NAMES_MAX, FieldId, FieldNames};
pub use parquet::{EventWriter, GROUP_EVENTS, GROUP_FIELD_BYTES};
pub use reader::{Item, Reader};
pub use sheet::{RawPlace, Sheet};
pub use source::{LOG_SOURCES_MAX, LogSource, LogSources, SourceId};
pub use symbols::{Sym, Symbols};
