//! The impact in the formats of other people's tools: STIX 2.1 with Attack Flow, BloodHound OpenGraph, GraphML.
//!
//! All of them are pure and deterministic: equal exports give equal bytes. What is not known is left out or says so, and
//! every step carries its tier, so that no reader takes a possible step for a proven one.

mod attack_flow;
mod graph;
mod graphml;
mod open_graph;
mod stix;

use leckwehr_estate::Estate;
use leckwehr_incident::{Claim, Finding, Impact, Tier, Timestamp};

pub use graphml::graphml;
pub use open_graph::open_graph;
pub use stix::stix_bundle;

/// What is exported.
#[derive(Debug, Clone, Copy)]
pub struct Export<'a> {
    /// Name of the incident.
    pub name: &'a str,
    /// The analysis.
    pub impact: &'a Impact,
    /// What may be said about it.
    pub claims: &'a [Claim],
    /// The findings it stands on; their techniques are named.
    pub findings: &'a [Finding],
    /// The estate.
    pub estate: &'a Estate,
    /// Time of creation that the exports bear.
    pub created: Timestamp,
}

/// Returns the word for a tier.
fn tier_word(tier: Tier) -> &'static str {
    match tier {
        Tier::Proven => "proven",
        Tier::Probable => "probable",
        Tier::Possible => "possible",
        Tier::Excluded => "excluded",
        Tier::Unknown => "unknown",
    }
}
