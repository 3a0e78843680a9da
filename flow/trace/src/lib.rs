//! Time-respecting reach, routes, coverage and claims.
//!
//! ```text
//!   Events ───┐                ┌─ reach ── who could have been touched (possible)
//!   Findings ─┼─► scene ───────┼─ route ── sessions, remote executions, channels (proven, probable) ─┐
//!   Estate ───┘   contacts,    ├─ outside ─ who was on the other end, and what for                   ├─► Impact ─► Claims
//!                 calls out,   ├─ bytes ── no more than … left (conservation at the exits)           │
//!   accounts ─────actions      └─ coverage ─ what was seen, what is missing ─────────────────────────┘
//!
//!   files ─► load ─► Contacts ─► reach: closures, 512 seeds or plans, waiting limits, skew, streams, live (watch)
//!   Impact + Events ─► routes (k best, bridged) · exposure · theft · coverage ledger ─► detailed claims
//!                   └─► certificate (and its own checker) · export (STIX, Attack Flow, OpenGraph, GraphML)
//! ```
//!
//! ```
//! use leckwehr_estate::Estate;
//! use leckwehr_telemetry::Intake;
//! use leckwehr_trace::{TraceConfig, assess, claims};
//!
//! let mut intake = Intake::new();
//! // … push lines or read files …
//! let events = intake.take();
//! let estate = Estate::default();
//! let config = TraceConfig::new(intake.accounts().values().cloned().collect());
//! let impact = assess(&events, &[], &estate, &config);
//! assert!(claims(&impact, &estate, &config).is_empty(), "nothing was seen, so nothing is claimed");
//! ```
//!
//! # Architecture invariants
//! - Pure: equal events, findings and estate give an equal [`leckwehr_incident::Impact`], whatever the order of
//!   records with equal times.
//! - Knows no firewalls: it says where the attacker was, not how to cut.
//! - A tier above *possible* needs evidence that is named; reach alone never proves.
//! - Nothing is excluded without proof; what was not observed is *unknown*, never "no".
//! - Outbound bytes are a bound by conservation over every flow, not only over those that look bad.

mod assess;
mod bytes;
pub mod certificate;
mod claim;
mod coverage;
pub mod export;
mod exposure;
pub mod hidden;
pub mod load;
mod outside;
mod reach;
mod route;
pub mod routes;
mod scene;
mod technique;
mod theft;
mod watch;

pub use assess::{TraceConfig, UNKNOWN_HOSTS_MAX, assess};
pub use claim::{ClaimSheet, DetailedClaim, RefusedClaim, claims, detailed_claims};
pub use coverage::{
    ASSETS_MAX, CoverageLedger, HopEvidence, LedgerConfig, Miss, RUNS_MAX, Run, SLOT_MS, SLOTS_MAX, SlotState, Track,
};
pub use exposure::{
    ConnectionExposure, Cuts, DataExposure, DataPlace, Exposure, InsurerExposure, LinkCoverage, Observed, PartnerCheck,
    PartyExposure, RecordBounds, exposure,
};
pub use reach::{
    Certainty, Closure, Columns, Contact, Contacts, Cut, CutPlan, LANES, LIVE_NODES_MAX, Lanes, Live, LiveError, NotSorted,
    Reach, SyntheticLog, backward, blast_radius, forward, forward_many, forward_restless, forward_skewed, what_if,
};
pub use theft::{
    BEACON_REGULAR_MIN, BEACON_SCORE_MIN, Beacon, ByteWindow, DESTINATIONS_MAX, DestinationEvidence, FILES_READ_MIN,
    INTERNAL_BYTES_MIN, Judgement, Others, Staging, StagingKind, TheftEvidence, Tunnel, WINDOWS_SHOWN_MAX, theft,
};
pub use watch::LiveHosts;
