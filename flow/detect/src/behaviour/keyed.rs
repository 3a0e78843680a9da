use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hash, Hasher};

use leckwehr_incident::Timestamp;
use serde::de::Deserializer;
use serde::ser::{SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};

/// Keys that one state machine remembers unless it names another maximum.
pub const KEYS_MAX: usize = 65_536;

/// Mixes words that are digests already.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_u16(&mut self, word: u16) {
        self.write_u64(u64::from(word));
    }
}

/// State by key, at most `MAX` keys.
///
/// Room for a new key is made by the second-chance rule: the key that came first goes, unless it was used since it was
/// last looked at. So a flood of new keys does not push out what is in use. O(1) amortised. Saved in order of age, so that a
/// restored one forgets the same keys.
#[derive(Debug, Clone)]
pub(crate) struct Keyed<K, V, const MAX: usize = KEYS_MAX> {
    map: HashMap<K, Slot<V>, BuildHasherDefault<Fold>>,
    order: VecDeque<K>,
}

#[derive(Debug, Clone, Default)]
struct Slot<V> {
    value: V,
    used: bool,
}

impl<K, V, const MAX: usize> Default for Keyed<K, V, MAX> {
    fn default() -> Self {
        Self {
            map: HashMap::default(),
            order: VecDeque::new(),
        }
    }
}

impl<K: Eq + Hash + Copy, V: Default, const MAX: usize> Keyed<K, V, MAX> {
    /// Returns the state of the key, new if there is none.
    pub(crate) fn entry(&mut self, key: K) -> &mut V {
        if !self.map.contains_key(&key) {
            self.make_room();
            self.order.push_back(key);
            return &mut self.map.entry(key).or_default().value;
        }
        let slot = self.map.entry(key).or_default();
        slot.used = true;
        &mut slot.value
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        self.map.get(&key).map(|slot| &slot.value)
    }

    pub(crate) fn contains(&self, key: K) -> bool {
        self.map.contains_key(&key)
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Visits all states, the oldest key first.
    pub(crate) fn each(&mut self, mut visit: impl FnMut(K, &mut V)) {
        for key in &self.order {
            if let Some(slot) = self.map.get_mut(key) {
                visit(*key, &mut slot.value);
            }
        }
    }

    fn make_room(&mut self) {
        while self.order.len() >= MAX
            && let Some(oldest) = self.order.pop_front()
        {
            match self.map.get_mut(&oldest) {
                Some(slot) if slot.used => {
                    slot.used = false;
                    self.order.push_back(oldest);
                }
                _ => drop(self.map.remove(&oldest)),
            }
        }
    }
}

impl<K: Serialize + Eq + Hash, V: Serialize, const MAX: usize> Serialize for Keyed<K, V, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_seq(Some(self.order.len()))?;
        for key in &self.order {
            if let Some(slot) = self.map.get(key) {
                all.serialize_element(&(key, &slot.value, slot.used))?;
            }
        }
        all.end()
    }
}

impl<'de, K: Deserialize<'de> + Eq + Hash + Copy, V: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Keyed<K, V, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all: Vec<(K, V, bool)> = Vec::deserialize(deserializer)?;
        let mut keyed = Self::default();
        for (key, value, used) in all.into_iter().take(MAX) {
            if keyed.map.insert(key, Slot { value, used }).is_none() {
                keyed.order.push_back(key);
            }
        }
        Ok(keyed)
    }
}

/// Times within the last `window_ms`, no more than needed to reach a threshold.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_survives_a_flood_of_new_keys() {
        let mut keyed = Keyed::<u64, u32, 4>::default();
        for n in 0..1_000 {
            *keyed.entry(7) += 1;
            *keyed.entry(100 + n) += 1;
            assert!(keyed.len() <= 4);
        }
        assert_eq!(keyed.get(7), Some(&1_000));
        assert!(!keyed.contains(100));
    }

    #[test]
    fn a_restored_one_forgets_the_same_keys() {
        let mut keyed = Keyed::<u64, u32, 8>::default();
        for n in 0..40 {
            *keyed.entry(n * n % 11) += 1;
        }
        let text = serde_json::to_string(&keyed).unwrap();
        let mut restored: Keyed<u64, u32, 8> = serde_json::from_str(&text).unwrap();
        for n in 0..40 {
            *keyed.entry(n * 3 % 17) += 1;
            *restored.entry(n * 3 % 17) += 1;
        }
        assert_eq!(
            serde_json::to_string(&restored).unwrap(),
            serde_json::to_string(&keyed).unwrap()
        );
    }
}
