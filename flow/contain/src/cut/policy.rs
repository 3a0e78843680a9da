use std::collections::BTreeSet;

use leckwehr_incident::Tier;
use serde::{Deserialize, Serialize};

/// What is separated from what, and what a cut costs.
///
/// The weight of a switch, in euros, is the harm of using it alone for the expected time:
/// `switching_eur + manual_eur` (only without a guard) `+ hours · (euros per hour of services that fall) +
/// insurers · eur_per_insurer + insured / 1000 · eur_per_1000_insured`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct CutPolicy {
    /// Hours for which the cut is expected to stand.
    pub hours: u64,
    /// Effort of one switch, so that of equally harmless cuts the smaller one wins.
    pub switching_eur: u64,
    /// Effort of a switch that a person must use.
    pub manual_eur: u64,
    /// For each insurer that loses a service.
    pub eur_per_insurer: u64,
    /// For each 1,000 insured persons of these insurers.
    pub eur_per_1000_insured: u64,
    /// Whether a switch that takes down a vital service is never used.
    pub spare_vital: bool,
    /// What the protocol never cuts: systems, connections, or services with all that they rest on alone.
    pub life_lines: BTreeSet<String>,
    /// The least sure tier at which the attacker is taken to be on a host.
    pub reach: Tier,
    /// Whether the attacker is taken to be everywhere outside, not only where he was seen.
    pub outside: bool,
    /// Zones, systems, services (what they rest on) and data classes (who holds them) to be protected, besides the zones that
    /// the estate calls protected.
    pub protect: BTreeSet<String>,
}

impl Default for CutPolicy {
    fn default() -> Self {
        Self {
            hours: 8,
            switching_eur: 50,
            manual_eur: 2_000,
            eur_per_insurer: 1_000,
            eur_per_1000_insured: 10,
            spare_vital: true,
            life_lines: BTreeSet::new(),
            reach: Tier::Possible,
            outside: false,
            protect: BTreeSet::new(),
        }
    }
}
