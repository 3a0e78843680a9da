use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Hash of whole numbers and short texts; not against hostile keys, which come from rules only.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mix(u64);

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(u64::from(n));
    }

    fn write_u64(&mut self, n: u64) {
        let mixed = (self.0 ^ n).wrapping_mul(FACTOR);
        self.0 = mixed ^ (mixed >> 32);
    }
}

/// A map whose keys come from rules.
pub(crate) type Map<K, V> = HashMap<K, V, BuildHasherDefault<Mix>>;

/// Bytes of a gram; shorter needles have shorter ones.
const GRAM_BYTES: usize = 4;
/// Longest step from one position of a text that is looked at to the next, in bytes.
const STRIDE_BYTES_MAX: usize = 8;
/// Most grams that longer steps may make of the needles: the bitmap stays sparse.
const STRIDE_GRAMS_MAX: usize = 4_096;
/// Shortest needle that can be looked for together with others.
pub(crate) const NEEDLE_BYTES_MIN: usize = 2;

/// Many substrings looked for in one pass.
///
/// Of each needle one gram of four bytes stands for all: the rarest one, judged by how many needles have it. A bitmap
/// of hashed grams tells for nearly every position of a text that no needle's gram is there; what remains is compared.
/// Against Aho-Corasick there is no chain of dependent loads, which is what costs there. Where all needles have more
/// than four bytes, neighbouring grams of each stand for it, and only every so many-th position is looked at.
#[derive(Debug, Default)]
pub(crate) struct Needles {
    texts: Vec<Box<[u8]>>,
    grams: [Grams; 3],
}

#[derive(Debug, Default)]
struct Grams {
    /// One bit per hash; a power of two of words, or none.
    bits: Vec<u64>,
    shift: u32,
    /// Bytes from one position that is looked at to the next: each needle has a gram for every remainder.
    stride: usize,
    /// Needle and place of the gram in it.
    needles: Map<u32, Vec<(u32, u32)>>,
}

impl Needles {
    /// Builds the search for these needles, each at least [`NEEDLE_BYTES_MIN`] long; they keep their numbers.
    pub(crate) fn new(texts: Vec<Box<[u8]>>) -> Self {
        let mut popular: Map<u32, u32> = Map::default();
        for text in &texts {
            for window in text.windows(GRAM_BYTES) {
                *popular.entry(gram(window)).or_default() += 1;
            }
        }
        let mut grams: [Grams; 3] = Default::default();
        let shortest_long = texts.iter().map(|t| t.len()).filter(|n| *n >= GRAM_BYTES).min();
        let stride_max = STRIDE_BYTES_MAX.min(STRIDE_GRAMS_MAX / texts.len().max(1)).max(1);
        let stride_long = (shortest_long.unwrap_or(GRAM_BYTES) - GRAM_BYTES + 1).min(stride_max);
        for (number, text) in texts.iter().enumerate() {
            let bytes = text.len().min(GRAM_BYTES);
            let Some(of_size) = bytes.checked_sub(NEEDLE_BYTES_MIN).and_then(|i| grams.get_mut(i)) else {
                continue;
            };
            of_size.stride = if bytes == GRAM_BYTES { stride_long } else { 1 };
            let windows = |at: usize| text.get(at..at + bytes + of_size.stride - 1).unwrap_or(&[]).windows(bytes);
            let rank = |at: &usize| {
                let known = windows(*at).map(|w| popular.get(&gram(w)).copied().unwrap_or(0)).sum::<u32>();
                (known, windows(*at).map(commonness).sum::<u32>())
            };
            let first = (0..=text.len() - (bytes + of_size.stride - 1)).min_by_key(rank).unwrap_or(0);
            for (at, window) in (first..).zip(windows(first)) {
                of_size
                    .needles
                    .entry(gram(window))
                    .or_default()
                    .push((number as u32, at as u32));
            }
        }
        for of_size in &mut grams {
            of_size.fill();
        }
        Self { texts, grams }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    pub(crate) fn has_nul(&self) -> bool {
        self.texts.iter().any(|t| t.contains(&0))
    }

    /// Calls `found` with the number of each needle in the text, some more than once, until it returns true; returns
    /// whether it did. O(bytes) and the comparisons where a gram is met.
    pub(crate) fn find(&self, text: &[u8], found: &mut impl FnMut(u32) -> bool) -> bool {
        let [two, three, four] = &self.grams;
        let short = !two.bits.is_empty() || !three.bits.is_empty();
        if !short {
            return four.find(text, u32::MAX, &self.texts, found);
        }
        two.find(text, 0xffff, &self.texts, found)
            || three.find(text, 0xff_ffff, &self.texts, found)
            || four.find(text, u32::MAX, &self.texts, found)
    }
}

impl Grams {
    fn fill(&mut self) {
        if self.needles.is_empty() {
            return;
        }
        // 64 bits a gram: one position in 64 is looked at in vain. At most 64 Kibit, which stay in the nearest cache.
        let bits = (self.needles.len() * 64).next_power_of_two().clamp(512, 1 << 16);
        self.shift = 32 - bits.trailing_zeros();
        self.bits = vec![0; bits / 64];
        for key in self.needles.keys() {
            let hash = self.hash(*key);
            if let Some(word) = self.bits.get_mut(hash / 64) {
                *word |= 1 << (hash % 64);
            }
        }
    }

    #[inline]
    fn hash(&self, key: u32) -> usize {
        (key.wrapping_mul(0x9e37_79b1) >> self.shift) as usize
    }

    fn find(&self, text: &[u8], mask: u32, texts: &[Box<[u8]>], found: &mut impl FnMut(u32) -> bool) -> bool {
        if self.bits.is_empty() {
            return false;
        }
        let bytes = (mask.count_ones() / 8) as usize;
        for (nth, window) in text.windows(GRAM_BYTES).step_by(self.stride).enumerate() {
            let word: [u8; GRAM_BYTES] = window.try_into().unwrap_or_default();
            let key = u32::from_le_bytes(word) & mask;
            if self.may_be(key) && self.compare(key, nth * self.stride, text, texts, found) {
                return true;
            }
        }
        // Grams shorter than a window, in the last bytes of the text.
        let full = (text.len() + 1).saturating_sub(GRAM_BYTES);
        let rest = full..(text.len() + 1).saturating_sub(bytes);
        rest.into_iter().any(|at| {
            let key = gram(text.get(at..at + bytes).unwrap_or(&[]));
            self.may_be(key) && self.compare(key, at, text, texts, found)
        })
    }

    #[inline]
    fn may_be(&self, key: u32) -> bool {
        let hash = self.hash(key);
        self.bits.get(hash / 64).is_some_and(|word| word >> (hash % 64) & 1 == 1)
    }

    #[cold]
    fn compare(&self, key: u32, at: usize, text: &[u8], texts: &[Box<[u8]>], found: &mut impl FnMut(u32) -> bool) -> bool {
        let Some(needles) = self.needles.get(&key) else {
            return false;
        };
        needles.iter().any(|(number, place)| {
            let lies = at.checked_sub(*place as usize).and_then(|start| text.get(start..));
            let needle = texts.get(*number as usize);
            lies.zip(needle).is_some_and(|(lies, needle)| lies.starts_with(needle)) && found(*number)
        })
    }
}

/// Returns up to four bytes as a number.
fn gram(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |key, byte| key << 8 | u32::from(*byte))
}

/// How common the bytes of a gram are in paths and command lines, by letter.
fn commonness(window: &[u8]) -> u32 {
    const COMMON: &[u8] = b"etaoinsrlcdmupwhgf\\. -:/_xy";
    let each = window.iter().map(|b| {
        let rank = COMMON.iter().position(|c| c == b).unwrap_or(COMMON.len());
        (COMMON.len() - rank) as u32
    });
    each.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(needles: &[&str], text: &str) -> Vec<u32> {
        let needles = Needles::new(needles.iter().map(|n| n.as_bytes().into()).collect());
        let mut numbers = Vec::new();
        needles.find(text.as_bytes(), &mut |n| {
            numbers.push(n);
            false
        });
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    #[test]
    fn needles_of_every_length_are_found_anywhere() {
        let needles = ["ab", "abc", "abcd", "xyzabcd", "zz", "q-1"];
        assert_eq!(found(&needles, "..xyzabcd"), [0, 1, 2, 3]);
        assert_eq!(found(&needles, "zz"), [4]);
        assert_eq!(found(&needles, "q-1"), [5]);
        assert_eq!(found(&needles, "aab"), [0]);
        assert_eq!(found(&needles, "z"), [0u32; 0]);
        assert_eq!(found(&needles, ""), [0u32; 0]);
    }

    #[test]
    fn the_same_as_looking_for_each_alone() {
        let mut state = 1u64;
        let mut next = |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % n
        };
        for round in 0..2_000 {
            // Also without short needles, so that every stride is met.
            let shortest = 2 + round % 12;
            let mut word = |shortest: u64, more: u64| {
                let bytes = shortest + next(more);
                (0..bytes).map(|_| char::from(b'a' + next(2) as u8)).collect::<String>()
            };
            let needles: Vec<String> = (0..6).map(|_| word(shortest, 6)).collect();
            let text = word(2, 30) + &needles[0] + &word(2, 12);
            let texts: Vec<&str> = needles.iter().map(String::as_str).collect();
            let alone = (0..6u32).filter(|n| text.contains(texts[*n as usize]));
            assert_eq!(found(&texts, &text), alone.collect::<Vec<_>>(), "{needles:?} in {text}");
        }
    }
}
