use std::collections::HashMap;

/// An interned string of one [`Symbols`] table; `Sym::NONE` is the empty string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sym(u32);

impl Sym {
    /// The empty string: the record does not say.
    pub const NONE: Self = Self(0);

    /// Returns the number of the symbol in its table.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// Returns whether the record does not say.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// Strings, each stored once.
#[derive(Debug, Clone)]
pub struct Symbols {
    by_text: HashMap<Box<str>, Sym>,
    texts: Vec<Box<str>>,
}

impl Default for Symbols {
    fn default() -> Self {
        Self {
            by_text: HashMap::from([(Box::default(), Sym::NONE)]),
            texts: vec![Box::default()],
        }
    }
}

impl Symbols {
    /// Returns the symbol of `text`, storing it if it is new. Amortised O(length).
    pub fn intern(&mut self, text: &str) -> Sym {
        if let Some(sym) = self.by_text.get(text) {
            return *sym;
        }
        let Ok(next) = u32::try_from(self.texts.len()) else {
            return Sym::NONE;
        };
        let sym = Sym(next);
        self.texts.push(text.into());
        self.by_text.insert(text.into(), sym);
        sym
    }

    /// Returns the symbol of `text` if it is stored.
    pub fn find(&self, text: &str) -> Option<Sym> {
        self.by_text.get(text).copied()
    }

    /// Returns the text of a symbol of this table; empty for a symbol of another one.
    pub fn text(&self, sym: Sym) -> &str {
        self.texts.get(sym.0 as usize).map_or("", |t| t)
    }

    /// Returns all texts, in the order of their symbols.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|t| &**t)
    }
}
