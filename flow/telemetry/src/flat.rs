use serde_json::Value;

/// Fields of one record; a record with more is damaged.
pub const FIELDS_MAX: usize = 1_024;

/// A JSON object with its nesting dissolved: `{"a":{"b":[1,2]}}` is `a.b = 1`, `a.b = 2`. Nulls are left out.
#[derive(Debug, Default)]
pub(crate) struct Flat {
    fields: Vec<(String, String)>,
}

/// Why a line is no flat record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FlatError {
    NotJson,
    NotAnObject,
    TooManyFields,
}

impl Flat {
    pub(crate) fn parse(line: &[u8]) -> Result<Self, FlatError> {
        let value: Value = serde_json::from_slice(line).map_err(|_| FlatError::NotJson)?;
        let Value::Object(object) = value else {
            return Err(FlatError::NotAnObject);
        };
        let mut flat = Self::default();
        for (name, value) in object {
            flat.add(name, value)?;
        }
        Ok(flat)
    }

    fn add(&mut self, name: String, value: Value) -> Result<(), FlatError> {
        let text = match value {
            Value::Null => return Ok(()),
            Value::Bool(b) => b.to_string(),
            Value::Number(n) => n.to_string(),
            Value::String(s) => s,
            Value::Array(items) => return items.into_iter().try_for_each(|item| self.add(name.clone(), item)),
            Value::Object(object) => {
                return object
                    .into_iter()
                    .try_for_each(|(key, item)| self.add(format!("{name}.{key}"), item));
            }
        };
        if self.fields.len() >= FIELDS_MAX {
            return Err(FlatError::TooManyFields);
        }
        self.fields.push((name, text));
        Ok(())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(n, _)| *n == name).map(|(_, v)| v)
    }

    /// Returns the first value of the field, empty if there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| v)
    }

    /// Returns the first value that says something: not empty and not `-`, the field's word for nothing.
    pub(crate) fn first(&self, names: &[&str]) -> &str {
        let texts = names.iter().map(|name| self.text(name).trim());
        texts.into_iter().find(|t| !t.is_empty() && *t != "-").unwrap_or("")
    }

    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name).trim().parse().ok()
    }

    /// Reads a count that some writers give as a decimal fraction.
    pub(crate) fn count(&self, name: &str) -> Option<u64> {
        self.number(name).or_else(|| {
            let f: f64 = self.number(name)?;
            (f.is_finite() && f >= 0.0).then_some(f as u64)
        })
    }

    /// Renames every field for which `rename` gives another name.
    pub(crate) fn rename(&mut self, rename: impl Fn(&str) -> Option<String>) {
        for (name, _) in &mut self.fields {
            if let Some(new) = rename(name) {
                *name = new;
            }
        }
    }
}
