/// A language of the site and the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// German.
    De,
    /// English.
    En,
}

impl Language {
    /// Returns the BCP 47 tag, also the key in a claim's texts.
    pub fn tag(self) -> &'static str {
        self.pick("de", "en")
    }

    /// Returns the language's own name.
    pub fn name(self) -> &'static str {
        self.pick("Deutsch", "English")
    }

    /// Returns the wording in this language. Both stand side by side in the source, so that neither is forgotten.
    pub fn pick<T>(self, de: T, en: T) -> T {
        match self {
            Self::De => de,
            Self::En => en,
        }
    }
}
