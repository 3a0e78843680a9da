use leckwehr_incident::Timestamp;
use serde::{Deserialize, Serialize};

use super::keyed::Keyed;

/// Learning must have lasted this long before what comes new says anything about new things.
const SETTLED_MS: i64 = 6 * 3_600_000;
/// What was first seen within this time is new.
const NEW_MS: i64 = 24 * 3_600_000;
/// What was first seen this long ago is known, learning or not.
const KNOWN_MS: i64 = 7 * 24 * 3_600_000;

/// What hosts usually do with addresses that they never spoke to before: a workstation meets new ones every hour, a server
/// never does.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Fresh {
    begun: Option<Timestamp>,
    most: Keyed<u64, u64>,
}

/// When something was first seen.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct First(Option<Timestamp>);

impl First {
    pub(crate) fn see(&mut self, at: Timestamp) {
        self.0.get_or_insert(at);
    }

    /// Returns whether it was first seen so long ago that it is no news.
    pub(crate) fn is_known(self, at: Timestamp) -> bool {
        self.0.is_some_and(|first| first.plus_ms(KNOWN_MS) < at)
    }
}

impl Fresh {
    /// Learns how much `host` did so far with an address first seen at `first`.
    pub(crate) fn learn(&mut self, host: u64, first: First, at: Timestamp, amount: u64) {
        let begun = *self.begun.get_or_insert(at);
        let settled = begun.plus_ms(SETTLED_MS);
        if first.0.is_some_and(|first| settled < first && at < first.plus_ms(NEW_MS)) {
            let most = self.most.entry(host);
            *most = (*most).max(amount);
        }
    }

    /// Returns the most that the host did with a new address while learning.
    pub(crate) fn most(&self, host: u64) -> u64 {
        self.most.get(host).copied().unwrap_or(0)
    }
}
