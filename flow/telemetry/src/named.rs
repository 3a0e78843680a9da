use crate::{FieldId, FieldNames, Fields, Value};

/// The fields of one record, looked up by name; what a format maps its [`crate::Record`] from.
#[derive(Debug, Clone, Copy)]
pub struct NamedFields<'a> {
    names: &'a FieldNames,
    fields: &'a Fields,
}

impl<'a> NamedFields<'a> {
    /// Joins a record with the names that it was read with.
    pub fn new(names: &'a FieldNames, fields: &'a Fields) -> Self {
        Self { names, fields }
    }

    /// Iterates over all fields but null ones, in the order of the record.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let said = self.fields.iter().filter(|(_, value)| *value != Value::Null);
        said.map(move |(name, value)| (self.names.name(name), value.as_text()))
    }

    /// Returns all values of the field as text.
    pub fn values(self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let id = self.names.id(name);
        id.into_iter().flat_map(move |id| self.fields.values(id)).map(Value::as_text)
    }

    /// Returns the first value of the field, empty if there is none.
    pub fn text(self, name: &str) -> &'a str {
        self.values(name).next().unwrap_or("")
    }

    /// Returns the first value of the field by its number, empty if there is none.
    pub fn at(self, name: FieldId) -> &'a str {
        self.fields.get(name).map_or("", Value::as_text)
    }

    /// Returns the first value that says something: not empty and not `-`, the field's word for nothing.
    pub fn first(self, names: &[&str]) -> &'a str {
        let texts = names.iter().map(|name| self.text(name).trim());
        texts.into_iter().find(|t| !t.is_empty() && *t != "-").unwrap_or("")
    }

    /// Reads the first value as a number.
    pub fn number<T: std::str::FromStr>(self, name: &str) -> Option<T> {
        self.text(name).trim().parse().ok()
    }

    /// Reads a count that some writers give as a decimal fraction.
    pub fn count(self, name: &str) -> Option<u64> {
        self.number(name).or_else(|| {
            let f: f64 = self.number(name)?;
            (f.is_finite() && f >= 0.0).then_some(f as u64)
        })
    }
}
