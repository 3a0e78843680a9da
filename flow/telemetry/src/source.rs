use std::collections::HashMap;

/// Distinct log sources per table; records of further ones are of no source, and no rule is for them.
pub const LOG_SOURCES_MAX: usize = 4_096;

/// Where a record comes from in Sigma's words; a rule is only for records of its own log source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct LogSource {
    /// E.g. `windows`, `linux`, `zeek`; empty if not known.
    pub product: Box<str>,
    /// E.g. `sysmon`, `security`, `auditd`; empty if the product has none.
    pub service: Box<str>,
    /// Further services that the record counts for: one of sshd is one of `auth` and of `syslog` too.
    pub also: Vec<Box<str>>,
    /// E.g. `process_creation`; Sysmon's 13 is `registry_set` and `registry_event`.
    pub categories: Vec<Box<str>>,
}

/// A log source of one [`LogSources`] table; the default is [`SourceId::UNKNOWN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SourceId(u32);

impl SourceId {
    /// No product, service or category is known.
    pub const UNKNOWN: Self = Self(0);

    /// Returns the place in the table, from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Log sources, each stored once; one table per reader.
#[derive(Debug, Clone)]
pub struct LogSources {
    by_words: HashMap<Box<str>, SourceId>,
    sources: Vec<LogSource>,
    words: String,
}

impl Default for LogSources {
    fn default() -> Self {
        Self::new()
    }
}

impl LogSources {
    /// Builds a table with the unknown source.
    pub fn new() -> Self {
        Self {
            by_words: HashMap::from([("\0".into(), SourceId::UNKNOWN)]),
            sources: vec![LogSource::default()],
            words: String::new(),
        }
    }

    /// Returns the number of the log source, storing it if it is new. O(length of the words), no allocation if known.
    pub fn intern(&mut self, product: &str, service: &str, categories: &[&str]) -> SourceId {
        self.intern_also(product, service, &[], categories)
    }

    /// The same for a record that counts for further services.
    pub fn intern_also(&mut self, product: &str, service: &str, also: &[&str], categories: &[&str]) -> SourceId {
        self.words.clear();
        for word in [product, "\0", service] {
            self.words.push_str(word);
        }
        for service in also {
            self.words.push('\u{1}');
            self.words.push_str(service);
        }
        for category in categories {
            self.words.push('\0');
            self.words.push_str(category);
        }
        if let Some(id) = self.by_words.get(self.words.as_str()) {
            return *id;
        }
        if self.sources.len() >= LOG_SOURCES_MAX {
            return SourceId::UNKNOWN;
        }
        let id = SourceId(self.sources.len() as u32);
        self.by_words.insert(self.words.as_str().into(), id);
        self.sources.push(LogSource {
            product: product.into(),
            service: service.into(),
            also: also.iter().map(|s| (*s).into()).collect(),
            categories: categories.iter().map(|c| (*c).into()).collect(),
        });
        id
    }

    /// Returns the log source; that of another table's number is unknown.
    pub fn get(&self, id: SourceId) -> &LogSource {
        self.sources.get(id.index()).unwrap_or(&self.sources[0])
    }

    /// Returns how many are stored; their numbers are 0 to this, exclusive.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Returns whether none is stored: never, the unknown one is.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_are_the_same_source() {
        let mut sources = LogSources::new();
        assert_eq!(sources.intern("", "", &[]), SourceId::UNKNOWN);
        let set = sources.intern("windows", "sysmon", &["registry_set", "registry_event"]);
        assert_ne!(set, sources.intern("windows", "sysmon", &["registry_set"]));
        assert_eq!(set, sources.intern("windows", "sysmon", &["registry_set", "registry_event"]));
        assert_eq!(&*sources.get(set).categories[1], "registry_event");
        assert_eq!(sources.get(SourceId(99)), &LogSource::default());
        let sshd = sources.intern_also("linux", "sshd", &["auth", "syslog"], &[]);
        assert_ne!(sshd, sources.intern("linux", "sshd", &["auth", "syslog"]));
        assert_eq!(sources.get(sshd).also, ["auth".into(), "syslog".into()]);
    }

    #[test]
    fn a_full_table_knows_no_more() {
        let mut sources = LogSources::new();
        for i in 0..LOG_SOURCES_MAX + 5 {
            sources.intern("linux", &format!("program-{i}"), &[]);
        }
        assert_eq!(sources.len(), LOG_SOURCES_MAX);
        assert_eq!(sources.intern("linux", "another", &[]), SourceId::UNKNOWN);
    }
}
