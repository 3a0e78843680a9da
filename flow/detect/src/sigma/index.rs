use std::collections::BTreeMap;

use crate::sigma::lower::trimmed;
use crate::sigma::needles::{Map, NEEDLE_BYTES_MIN, Needles};
use crate::sigma::pattern::Anchor;
use crate::sigma::witness::Witness;

/// Which rules of one log source a record may fire, by their witnesses.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Rules that can fire on what a record lacks.
    pub(crate) always: Vec<u32>,
    pub(crate) fields: Vec<FieldIndex>,
    /// Rules by a text anywhere in the record.
    pub(crate) words: WordIndex,
}

/// Witnesses in one field. Hits are candidates only: hashes are not compared further.
#[derive(Debug, Default)]
pub(crate) struct FieldIndex {
    pub(crate) slot: u32,
    present: Vec<u32>,
    whole: Map<u64, Vec<u32>>,
    starts: Ends,
    ends: Ends,
    numbers: Map<u64, Vec<u32>>,
    inside: WordIndex,
    /// Every rule with a witness here, for values that the index cannot be trusted with.
    all: Vec<u32>,
}

/// Texts looked for in a value at once.
#[derive(Debug, Default)]
pub(crate) struct WordIndex {
    needles: Needles,
    rules: Vec<Vec<u32>>,
    all: Vec<u32>,
}

/// Bytes of a beginning or end that are hashed.
const END_BYTES: usize = 8;

/// Beginnings or ends of up to eight bytes, by length and bytes.
#[derive(Debug, Default)]
struct Ends {
    /// Bit `n` says that there are texts of `n` bytes.
    lengths: u16,
    rules: Map<u64, Vec<u32>>,
}

impl Index {
    /// Builds the index of rules with their witnesses; none means always. O(witnesses).
    pub(crate) fn new(rules: &[(u32, Option<Vec<Witness>>)]) -> Self {
        let mut index = Self::default();
        let mut fields: BTreeMap<u32, FieldIndex> = BTreeMap::new();
        let mut inside: BTreeMap<u32, BTreeMap<Box<[u8]>, Vec<u32>>> = BTreeMap::new();
        let mut words: BTreeMap<Box<[u8]>, Vec<u32>> = BTreeMap::new();
        for (rule, witnesses) in rules {
            let Some(witnesses) = witnesses else {
                index.always.push(*rule);
                continue;
            };
            for witness in witnesses {
                let slot = match witness {
                    Witness::Text(slot, ..) | Witness::Number(slot, _) | Witness::Present(slot) => *slot,
                    Witness::Word(text) => {
                        enter(words.entry(text.clone()).or_default(), *rule);
                        continue;
                    }
                };
                let field = fields.entry(slot).or_default();
                field.slot = slot;
                enter(&mut field.all, *rule);
                match witness {
                    Witness::Text(_, Anchor::Anywhere, text) => {
                        enter(inside.entry(slot).or_default().entry(text.clone()).or_default(), *rule);
                    }
                    other => field.add(other, *rule),
                }
            }
        }
        for (slot, texts) in inside {
            if let Some(field) = fields.get_mut(&slot) {
                field.inside = WordIndex::new(texts);
            }
        }
        index.fields = fields.into_values().collect();
        index.words = WordIndex::new(words);
        index
    }
}

impl FieldIndex {
    fn add(&mut self, witness: &Witness, rule: u32) {
        let list = match witness {
            Witness::Text(_, Anchor::Start, text) if !text.is_empty() => self.starts.list(text.get(..END_BYTES).unwrap_or(text)),
            Witness::Text(_, Anchor::End, text) if !text.is_empty() => self
                .ends
                .list(text.get(text.len().saturating_sub(END_BYTES)..).unwrap_or(text)),
            Witness::Text(_, Anchor::Whole, text) => self.whole.entry(hash(text)).or_default(),
            Witness::Number(_, bits) => self.numbers.entry(*bits).or_default(),
            _ => &mut self.present,
        };
        enter(list, rule);
    }

    /// Hands over the rules that need no more than that the field is there.
    pub(crate) fn present(&self, found: &mut impl FnMut(&[u32])) {
        found(&self.present);
    }

    /// Hands over the rules that a value in lower case is a witness for. O(bytes) where substrings are looked for.
    pub(crate) fn look(&self, low: &[u8], trusted: bool, number: impl FnOnce() -> Option<f64>, found: &mut impl FnMut(&[u32])) {
        if !trusted {
            return found(&self.all);
        }
        if !self.numbers.is_empty()
            && let Some(rules) = number().and_then(|n| self.numbers.get(&(n + 0.0).to_bits()))
        {
            found(rules);
        }
        let short = trimmed(low);
        self.ends_of(low, found);
        if short.len() < low.len() {
            self.ends_of(short, found);
        }
        self.inside.look(low, true, found);
    }

    fn ends_of(&self, low: &[u8], found: &mut impl FnMut(&[u32])) {
        if !self.whole.is_empty()
            && let Some(rules) = self.whole.get(&hash(low))
        {
            found(rules);
        }
        self.ends.look(low, |n| low.get(low.len() - n..), found);
        self.starts.look(low, |n| low.get(..n), found);
    }
}

impl WordIndex {
    fn new(texts: BTreeMap<Box<[u8]>, Vec<u32>>) -> Self {
        debug_assert!(texts.keys().all(|t| t.len() >= NEEDLE_BYTES_MIN));
        let (texts, rules): (Vec<_>, Vec<_>) = texts.into_iter().unzip();
        let mut all: Vec<u32> = rules.iter().flatten().copied().collect();
        all.sort_unstable();
        all.dedup();
        Self {
            needles: Needles::new(texts),
            rules,
            all,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Hands over the rules whose text lies in the value.
    pub(crate) fn look(&self, low: &[u8], trusted: bool, found: &mut impl FnMut(&[u32])) {
        if self.is_empty() {
            return;
        }
        if !trusted {
            return found(&self.all);
        }
        self.needles.find(low, &mut |n| {
            if let Some(rules) = self.rules.get(n as usize) {
                found(rules);
            }
            false
        });
    }
}

impl Ends {
    fn list(&mut self, text: &[u8]) -> &mut Vec<u32> {
        self.lengths |= 1 << text.len();
        self.rules.entry(short_key(text)).or_default()
    }

    fn look<'t>(&self, low: &[u8], cut: impl Fn(usize) -> Option<&'t [u8]>, found: &mut impl FnMut(&[u32])) {
        let mut lengths = self.lengths;
        while lengths != 0 {
            let bytes = lengths.trailing_zeros() as usize;
            lengths &= lengths - 1;
            if bytes > low.len() {
                return;
            }
            if let Some(rules) = cut(bytes).and_then(|text| self.rules.get(&short_key(text))) {
                found(rules);
            }
        }
    }
}

fn enter(list: &mut Vec<u32>, rule: u32) {
    if list.last() != Some(&rule) {
        list.push(rule);
    }
}

/// Returns up to eight bytes and their number as one number.
fn short_key(text: &[u8]) -> u64 {
    let mut bytes = [0; END_BYTES];
    for (to, from) in bytes.iter_mut().zip(text) {
        *to = *from;
    }
    u64::from_le_bytes(bytes) ^ (text.len() as u64) << 59
}

fn hash(text: &[u8]) -> u64 {
    let (words, rest) = text.as_chunks::<END_BYTES>();
    let mixed = words
        .iter()
        .fold(text.len() as u64, |mixed, word| mix(mixed, u64::from_le_bytes(*word)));
    mix(mixed, short_key(rest))
}

fn mix(mixed: u64, word: u64) -> u64 {
    let product = u128::from(mixed ^ word ^ 0x51_7c_c1_b7_27_22_0a_95) * 0x9e37_79b9_7f4a_7c15;
    (product as u64) ^ (product >> 64) as u64
}
