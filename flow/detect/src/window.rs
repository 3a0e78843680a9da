use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use leckwehr_incident::Timestamp;

/// Keys that one state machine remembers; the oldest goes when another comes.
pub const KEYS_MAX: usize = 65_536;

/// State by key, bounded by [`KEYS_MAX`].
#[derive(Debug, Clone)]
pub(crate) struct Keyed<K, V> {
    map: HashMap<K, V>,
    order: VecDeque<K>,
}

impl<K, V> Default for Keyed<K, V> {
    fn default() -> Self {
        Self {
            map: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<K: Eq + Hash + Clone, V: Default> Keyed<K, V> {
    /// Returns the state of the key, new if there is none.
    pub(crate) fn entry(&mut self, key: K) -> &mut V {
        if !self.map.contains_key(&key) {
            if self.order.len() >= KEYS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.map.remove(&oldest);
            }
            self.order.push_back(key.clone());
        }
        self.map.entry(key).or_default()
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.map.get(key)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.map.iter_mut()
    }
}

/// Times within the last `window_ms`, no more than needed to reach a threshold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Burst {
    times: VecDeque<Timestamp>,
}

impl Burst {
    /// Enters a time and returns how many lie within the window that ends there, at most `count_max`.
    pub(crate) fn enter(&mut self, at: Timestamp, window_ms: i64, count_max: usize) -> usize {
        self.times.push_back(at);
        while self.times.len() > count_max || self.times.front().is_some_and(|t| t.plus_ms(window_ms) < at) {
            self.times.pop_front();
        }
        self.times.len()
    }

    pub(crate) fn clear(&mut self) {
        self.times.clear();
    }
}
