use crate::sha256;

/// Reproducible choices from a seed: SHA-256 in counter mode. Not for keys.
///
/// Equal seeds and labels give equal sequences on every machine and version.
#[derive(Clone)]
pub struct Dice {
    seed: [u8; 32],
    counter: u64,
}

impl Dice {
    /// Starts a sequence for `seed`; the label keeps sequences of different purposes apart.
    pub fn new(seed: u64, label: &str) -> Self {
        let mut material = seed.to_le_bytes().to_vec();
        material.extend_from_slice(label.as_bytes());
        Self {
            seed: sha256(&material),
            counter: 0,
        }
    }

    /// Returns the next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let mut block = self.seed.to_vec();
        block.extend_from_slice(&self.counter.to_le_bytes());
        self.counter += 1;
        let digest = sha256(&block);
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        u64::from_le_bytes(first)
    }

    /// Returns a number below `n` (0 if `n` is 0); the bias is below n/2^64.
    pub fn below(&mut self, n: usize) -> usize {
        if n == 0 {
            0
        } else {
            ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
        }
    }

    /// Returns an element, or `None` of an empty slice.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// Puts the slice into a random order (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_sequences_and_labels_differ() {
        let roll = |seed, label| {
            let mut dice = Dice::new(seed, label);
            [dice.below(1000), dice.below(1000), dice.below(1000)]
        };
        assert_eq!(roll(7, "a"), roll(7, "a"));
        assert_ne!(roll(7, "a"), roll(8, "a"));
        assert_ne!(roll(7, "a"), roll(7, "b"));
    }

    #[test]
    fn a_shuffle_keeps_every_element() {
        let mut items: Vec<u32> = (0..50).collect();
        Dice::new(1, "shuffle").shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
