use std::collections::BTreeMap;

use leckwehr_incident::{Impact, Tier, Timestamp};

use crate::scene::Scene;

/// The inside hosts that the attacker held (proven, probable) or may have held (possible), with the time since.
pub(crate) struct Suspects {
    by_node: BTreeMap<u32, (Tier, Timestamp)>,
    /// The attack's first sign; the end of the recording if there is none.
    pub(crate) first_sign: Timestamp,
}

impl Suspects {
    pub(crate) fn new(scene: &Scene<'_>, impact: &Impact) -> Self {
        let suspected = impact.hosts.iter().filter(|h| h.tier <= Tier::Possible);
        let by_node: BTreeMap<u32, (Tier, Timestamp)> = suspected
            .filter_map(|h| Some((scene.node(&h.system)?, (h.tier, h.since?))))
            .collect();
        let held = by_node.values().filter(|(tier, _)| *tier <= Tier::Probable);
        let first_sign = held.map(|(_, since)| *since).min();
        Self {
            first_sign: first_sign.unwrap_or_else(|| impact.window.unwrap_or_default().1),
            by_node,
        }
    }

    /// Returns how sure it is that the attacker held the host, and since when.
    pub(crate) fn of(&self, node: u32) -> Option<(Tier, Timestamp)> {
        self.by_node.get(&node).copied()
    }

    /// Returns whether the attacker held or may have held the host at that time.
    pub(crate) fn held_at(&self, node: u32, at: Timestamp) -> bool {
        self.of(node).is_some_and(|(_, since)| since <= at)
    }
}
