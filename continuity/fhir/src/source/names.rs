use std::collections::HashMap;

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
    numbers: HashMap<Box<str>, u32>,
    texts: Vec<Box<str>>,
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
    pub shared: std::sync::Arc<Names>,
    own: Names,
}

impl DocumentNames {
    pub fn new(shared: &std::sync::Arc<Names>) -> Self {
        Self {
            shared: shared.clone(),
            own: Names::new(),
        }
    }

    pub fn intern(&mut self, text: &str) -> NameId {
        match self.shared.get(text) {
            Some(known) => known,
            None => NameId(self.own.intern(text).0 | LOCAL),
        }
    }

    pub fn text(&self, name: NameId) -> &str {
        let found = if name.is_local() {
            self.own.text(NameId(name.0 & !LOCAL))
        } else {
            self.shared.text(name)
        };
        found.unwrap_or_default()
    }
}
