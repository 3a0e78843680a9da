use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// An element name or type name as a number. Numbers of one [`Names`] compare as their texts do (equal or not).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameId(pub(crate) u32);

/// Set for names that only one document knows.
const LOCAL: u32 = 1 << 31;

impl NameId {
    /// Returns whether the name is known to one document alone, so that no schema and no expression can mean it by its number.
    pub fn is_local(self) -> bool {
        self.0 & LOCAL != 0
    }

    /// Returns the position in the table that gave the number, for side tables.
    pub fn index(self) -> usize {
        (self.0 & !LOCAL) as usize
    }
}

/// Names by number. A schema fills one while it is loaded; afterwards it is shared, read-only, by documents and expressions.
///
/// Finding a name is one hash of its text.
#[derive(Debug, Clone, Default)]
pub struct Names {
    numbers: HashMap<Box<str>, u32, BuildHasherDefault<NameHasher>>,
    texts: Vec<Box<str>>,
}

/// A quick hash of short texts. Documents only look into a table that is hashed so, they add nothing: there is nobody who could
/// choose colliding names.
#[derive(Debug, Clone, Default)]
struct NameHasher(u64);

impl NameHasher {
    fn add(&mut self, part: u64) {
        self.0 = (self.0.rotate_left(5) ^ part).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.add(u64::from_le_bytes(last));
    }

    fn write_u8(&mut self, byte: u8) {
        self.add(byte.into());
    }

    fn finish(&self) -> u64 {
        // The table looks at the highest bits, which the multiplication mixes best, and at the lowest.
        self.0 ^ (self.0 >> 32)
    }
}

impl Names {
    /// Returns an empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of a name, giving it one if it has none.
    pub fn intern(&mut self, text: &str) -> NameId {
        if let Some(number) = self.numbers.get(text) {
            return NameId(*number);
        }
        let number = self.texts.len() as u32;
        self.numbers.insert(text.into(), number);
        self.texts.push(text.into());
        NameId(number)
    }

    /// Returns the number of a known name.
    pub fn get(&self, text: &str) -> Option<NameId> {
        self.numbers.get(text).copied().map(NameId)
    }

    /// Returns the text of a number that this table gave.
    pub fn text(&self, name: NameId) -> Option<&str> {
        if name.is_local() {
            return None;
        }
        self.texts.get(name.index()).map(|text| &**text)
    }

    /// Returns how many names there are.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
}

/// The names of one document: those of the schema, and its own.
#[derive(Debug, Clone)]
pub(crate) struct DocumentNames {
    pub shared: Arc<Names>,
    /// Names that the document brings are hashed with a key, because it may choose them to collide.
    own: HashMap<Box<str>, u32>,
    own_texts: Vec<Box<str>>,
}

impl DocumentNames {
    pub fn new(shared: &Arc<Names>) -> Self {
        Self {
            shared: shared.clone(),
            own: HashMap::new(),
            own_texts: Vec::new(),
        }
    }

    pub fn intern(&mut self, text: &str) -> NameId {
        if let Some(known) = self.get(text) {
            return known;
        }
        let number = self.own_texts.len() as u32 | LOCAL;
        self.own.insert(text.into(), number);
        self.own_texts.push(text.into());
        NameId(number)
    }

    pub fn get(&self, text: &str) -> Option<NameId> {
        self.shared.get(text).or_else(|| self.own.get(text).copied().map(NameId))
    }

    pub fn text(&self, name: NameId) -> &str {
        let texts = if name.is_local() {
            &self.own_texts
        } else {
            &self.shared.texts
        };
        texts.get(name.index()).map_or("", |text| &**text)
    }
}
