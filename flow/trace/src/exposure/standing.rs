use std::collections::BTreeMap;

use leckwehr_estate::{Estate, SystemKind};
use leckwehr_incident::{Impact, Tier, Timestamp};

use super::worst;
use crate::coverage::CoverageLedger;

/// Classes that must be complete before a system is excluded.
const EXCLUDING_CLASSES: [&str; 2] = ["logon", "flow"];

/// Where each system stands: how sure it is that the attacker was there, and since when.
pub(crate) struct Standing<'a> {
    assessed: BTreeMap<&'a str, (Tier, Option<Timestamp>)>,
    by_zone: BTreeMap<&'a str, Vec<&'a str>>,
    ledger: &'a CoverageLedger,
}

impl<'a> Standing<'a> {
    pub(crate) fn new(impact: &'a Impact, estate: &'a Estate, ledger: &'a CoverageLedger) -> Self {
        let assessed = impact.hosts.iter().map(|h| (h.system.as_str(), (h.tier, h.since))).collect();
        let mut by_zone: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (id, system) in estate.systems.iter().filter(|(_, s)| s.kind != SystemKind::ControlRoom) {
            by_zone.entry(system.zone.as_str()).or_default().push(id);
        }
        Self {
            assessed,
            by_zone,
            ledger,
        }
    }

    /// Returns the tier of a system. One that the analysis does not name is excluded only if its coverage proves it.
    pub(crate) fn tier(&self, system: &str) -> Tier {
        match self.assessed.get(system) {
            Some((tier, _)) => *tier,
            None if self.ledger.is_complete(system, &EXCLUDING_CLASSES) => Tier::Excluded,
            None => Tier::Unknown,
        }
    }

    pub(crate) fn since(&self, system: &str) -> Option<Timestamp> {
        self.assessed.get(system).and_then(|(_, since)| *since)
    }

    /// Returns the systems of an end inside: the system itself, or all of a zone.
    pub(crate) fn systems_of(&self, end: &'a str) -> Vec<&'a str> {
        self.by_zone.get(end).cloned().unwrap_or_else(|| vec![end])
    }

    /// Returns the tier of an end, since when, and its systems of that tier.
    pub(crate) fn end(&self, end: &'a str) -> (Tier, Option<Timestamp>, Vec<&'a str>) {
        let systems = self.systems_of(end);
        let tier = worst(systems.iter().map(|s| self.tier(s)));
        let reached: Vec<&str> = systems.into_iter().filter(|s| self.tier(s) == tier).collect();
        (tier, reached.iter().filter_map(|s| self.since(s)).min(), reached)
    }
}
