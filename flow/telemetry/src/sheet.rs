use crate::columns::Columns;
use crate::format::{Dialect, channel};
use crate::{FieldId, FieldNames, Fields, FieldsFull, LogSource, LogSources, NamedFields, Record, SourceId, Value};

/// Where a raw record lies in the file or stream that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RawPlace {
    /// Number of the record in it, from 1.
    pub record: u64,
    /// Byte offset of its beginning in the unpacked source.
    pub offset: u64,
}

/// What one thread reads records with: the present record, and the tables of names and log sources that it refers to.
///
/// One sheet serves any number of files in turn, so that numbers stay the same across them.
#[derive(Debug, Default)]
pub struct Sheet {
    pub(crate) names: FieldNames,
    pub(crate) sources: LogSources,
    pub(crate) fields: Fields,
    pub(crate) source: SourceId,
    pub(crate) dialect: Option<&'static Dialect>,
    pub(crate) columns: Option<Columns>,
    pub(crate) place: RawPlace,
    /// By family of names and field number: the standard name, and the same without blanks.
    renamed: Vec<Vec<(FieldId, FieldId)>>,
    pub(crate) windows: channel::Seen,
}

impl Sheet {
    /// Builds an empty sheet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the present record's fields, by the numbers of [`Sheet::names`].
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Returns the table of field names.
    pub fn names(&self) -> &FieldNames {
        &self.names
    }

    /// Returns the table of log sources.
    pub fn sources(&self) -> &LogSources {
        &self.sources
    }

    /// Returns the number of the present record's log source.
    pub fn source(&self) -> SourceId {
        self.source
    }

    /// Returns the present record's log source.
    pub fn log_source(&self) -> &LogSource {
        self.sources.get(self.source)
    }

    /// Returns the present record's fields, looked up by name.
    pub fn named(&self) -> NamedFields<'_> {
        NamedFields::new(&self.names, &self.fields)
    }

    /// Maps the present record to the normal form; `None` if it tells about the logger itself only.
    ///
    /// # Errors
    /// Why it cannot be an event: mostly that it has no readable time.
    pub fn record(&self) -> Result<Option<Record<'_>>, &'static str> {
        if let Some(columns) = &self.columns {
            return columns.record(self.named(), self.log_source());
        }
        match self.dialect {
            Some(dialect) => (dialect.record)(self.named(), self.log_source()),
            None => Err("no record was read"),
        }
    }

    /// Forgets the present record.
    pub(crate) fn clear(&mut self) {
        self.fields.clear();
        self.source = SourceId::UNKNOWN;
        self.dialect = None;
        self.columns = None;
    }

    /// Returns where the present record begins; one that was written in several lines, where its first one does.
    pub fn place(&self) -> RawPlace {
        self.place
    }

    /// Says where the next piece that is read lies.
    pub fn set_place(&mut self, place: RawPlace) {
        self.place = place;
    }

    /// Adds a field that says something; nothing is added for an empty text. Returns its name's number.
    pub(crate) fn put(&mut self, name: &str, text: &str) -> Result<Option<FieldId>, FieldsFull> {
        if text.is_empty() {
            return Ok(None);
        }
        let id = self.names.intern(name);
        self.fields.push(id, Value::Text(text))?;
        Ok(Some(id))
    }

    /// Adds a number, written in decimal.
    pub(crate) fn put_number(&mut self, name: &str, number: impl std::fmt::Display) -> Result<Option<FieldId>, FieldsFull> {
        let id = self.names.intern(name);
        self.fields.push(id, Value::Number(&number.to_string()))?;
        Ok(Some(id))
    }

    /// Adds a number that is written already.
    pub(crate) fn put_digits(&mut self, name: &str, digits: &str) -> Result<Option<FieldId>, FieldsFull> {
        let id = self.names.intern(name);
        self.fields.push(id, Value::Number(digits))?;
        Ok(Some(id))
    }

    /// Gives the values of a field, if there are any, a second name.
    pub(crate) fn put_alias(&mut self, name: &str, of: Option<FieldId>) -> Result<(), FieldsFull> {
        match of {
            Some(of) => {
                let id = self.names.intern(name);
                self.fields.alias(id, of)
            }
            None => Ok(()),
        }
    }

    /// Gives each field the name that `standard` returns for it, where it returns one; `family` numbers the function.
    ///
    /// A name with blanks, as Defender has them, gets a second one without: rules name either.
    pub(crate) fn rename(&mut self, family: usize, standard: fn(&str) -> Option<&str>) -> Result<(), FieldsFull> {
        let Self { names, renamed, .. } = self;
        if renamed.len() <= family {
            renamed.resize_with(family + 1, Vec::new);
        }
        let Some(known) = renamed.get_mut(family) else { return Ok(()) };
        while known.len() < names.len() {
            let id = FieldId::nth(known.len());
            let name = standard(names.name(id)).unwrap_or(names.name(id)).to_owned();
            let short: String = name.split(' ').collect();
            let (name, short) = (names.intern(&name), names.intern(&short));
            known.push((if name == FieldId::OTHER { id } else { name }, short));
        }
        let mut has_second = false;
        self.fields.rename(|id| match known.get(id.index()) {
            Some((name, short)) => {
                has_second |= name != short;
                *name
            }
            None => id,
        });
        if has_second {
            // By standard names now; a field that came with its short name also has both values.
            let of: Vec<FieldId> = self.fields.iter().map(|(name, _)| name).collect();
            for of in of {
                match known.get(of.index()) {
                    Some((name, short)) if short != name && self.fields.get(*short).is_none() => self.fields.alias(*short, of)?,
                    _ => {}
                }
            }
        }
        Ok(())
    }
}
