use std::collections::BTreeMap;

use leckwehr_incident::{Fact, Timestamp, What};

/// When connections were cut and hosts isolated, and whether that was undone, by id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cuts {
    by_target: BTreeMap<String, Vec<(Timestamp, bool)>>,
}

impl Cuts {
    /// Builds an empty list: nothing is known to be cut.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the cuts out of facts. O(facts log facts).
    pub fn from_facts<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> Self {
        let mut cuts = Self::new();
        for fact in facts {
            match &fact.what {
                What::ConnectionCut { connection, cut } => cuts.note(connection, fact.at, *cut),
                What::HostIsolated { system, isolated } => cuts.note(system, fact.at, *isolated),
                _ => {}
            }
        }
        cuts
    }

    /// Notes that a connection or host was verified to be cut (or restored) at a time.
    pub fn note(&mut self, target: &str, at: Timestamp, cut: bool) {
        let changes = self.by_target.entry(target.to_owned()).or_default();
        changes.push((at, cut));
        changes.sort_unstable();
    }

    /// Returns since when the target is cut and stays so.
    pub fn since(&self, target: &str) -> Option<Timestamp> {
        let changes = self.by_target.get(target)?;
        let open = changes.iter().rposition(|(_, cut)| !cut).map_or(0, |i| i + 1);
        changes.get(open).map(|(at, _)| *at)
    }
}
