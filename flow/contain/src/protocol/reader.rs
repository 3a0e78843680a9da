use std::collections::BTreeSet;
use std::fmt;

use leckwehr_estate::{EstateError, nearest};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Most mistakes reported of one protocol.
pub const MISTAKES_MAX: usize = 100;
/// Longest text of a clause in bytes.
pub const CLAUSE_BYTES_MAX: usize = 8_000;

/// Every mistake of a protocol, in order of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolErrors {
    /// The mistakes, at most [`MISTAKES_MAX`].
    pub errors: Vec<EstateError>,
    /// Mistakes beyond that.
    pub left_out: usize,
}

impl fmt::Display for ProtocolErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.errors.len() + self.left_out;
        write!(f, "the protocol has {count} mistake{}", if count == 1 { "" } else { "s" })?;
        for error in &self.errors {
            write!(f, "\n{error}")?;
        }
        match self.left_out {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more"),
        }
    }
}

impl std::error::Error for ProtocolErrors {}

/// A protocol while it is read.
pub(super) struct Reader<'r> {
    file: &'r str,
    text: &'r str,
    mistakes: Vec<(usize, String, Option<String>)>,
}

/// One table: every field asked for is known, every other one is a mistake.
pub(super) struct Fields<'t> {
    what: String,
    table: &'t DeTable<'t>,
    place: usize,
    asked: BTreeSet<&'static str>,
}

impl<'r> Reader<'r> {
    pub(super) fn new(file: &'r str, text: &'r str) -> Self {
        Self {
            file,
            text,
            mistakes: Vec::new(),
        }
    }

    pub(super) fn mistake(&mut self, offset: usize, message: String, remedy: Option<String>) {
        self.mistakes.push((offset, message, remedy));
    }

    /// Returns the mistakes so far, if there are any.
    pub(super) fn check(&mut self) -> Result<(), ProtocolErrors> {
        if self.mistakes.is_empty() {
            return Ok(());
        }
        self.mistakes.sort();
        let left_out = self.mistakes.len().saturating_sub(MISTAKES_MAX);
        self.mistakes.truncate(MISTAKES_MAX);
        let error = |(offset, message, remedy): &(usize, String, Option<String>)| {
            let before = self.text.get(..*offset).unwrap_or_default();
            let line_start = before.rfind('\n').map_or(0, |n| n + 1);
            EstateError {
                file: self.file.to_owned(),
                line: before.matches('\n').count() + 1,
                column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
                message: message.clone(),
                remedy: remedy.clone(),
            }
        };
        Err(ProtocolErrors {
            errors: self.mistakes.iter().map(error).collect(),
            left_out,
        })
    }

    /// Reads the named field of `from` as a table.
    pub(super) fn table<'t>(&mut self, from: &mut Fields<'t>, field: &'static str) -> Option<Fields<'t>> {
        let value = self.required(from, field)?;
        self.table_of(value, &format!("`{field}`"))
    }

    pub(super) fn table_of<'t>(&mut self, value: &'t Spanned<DeValue<'t>>, what: &str) -> Option<Fields<'t>> {
        let DeValue::Table(table) = value.get_ref() else {
            let found = value.get_ref().type_str();
            self.mistake(value.span().start, format!("{what} must be a table, found {found}"), None);
            return None;
        };
        Some(Fields::new(what, table, value.span().start))
    }

    pub(super) fn required<'t>(&mut self, from: &mut Fields<'t>, field: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        let value = from.get(field);
        if value.is_none() {
            let message = format!("{} has no `{field}`", from.what);
            self.mistake(from.place, message, Some(format!("add `{field} = …`")));
        }
        value
    }

    pub(super) fn text<'t>(&mut self, from: &mut Fields<'t>, field: &'static str) -> &'t str {
        let Some(value) = self.required(from, field) else {
            return "";
        };
        self.string(value, &format!("`{field}` of {}", from.what)).unwrap_or("")
    }

    fn string<'t>(&mut self, value: &'t Spanned<DeValue<'t>>, what: &str) -> Option<&'t str> {
        match value.get_ref() {
            DeValue::String(text) if text.len() <= CLAUSE_BYTES_MAX => Some(text),
            DeValue::String(_) => {
                self.mistake(
                    value.span().start,
                    format!("{what} is longer than {CLAUSE_BYTES_MAX} bytes"),
                    None,
                );
                None
            }
            other => {
                let message = format!("{what} must be a text, found {}", other.type_str());
                self.mistake(value.span().start, message, None);
                None
            }
        }
    }

    /// A whole number between 0 and `max`; `none` where the field may be absent and is.
    pub(super) fn number(&mut self, from: &mut Fields<'_>, field: &'static str, max: u64, none: Option<u64>) -> u64 {
        let value = match none {
            Some(none) => match from.get(field) {
                Some(value) => value,
                None => return none,
            },
            None => match self.required(from, field) {
                Some(value) => value,
                None => return 0,
            },
        };
        let number = match value.get_ref() {
            DeValue::Integer(i) => u64::from_str_radix(i.as_str(), i.radix()).ok().filter(|n| *n <= max),
            _ => None,
        };
        if number.is_none() {
            let message = format!("`{field}` of {} must be a whole number between 0 and {max}", from.what);
            self.mistake(value.span().start, message, None);
        }
        number.unwrap_or(0)
    }

    pub(super) fn flag(&mut self, from: &mut Fields<'_>, field: &'static str) -> bool {
        match from.get(field).map(|v| (v.span().start, v.get_ref())) {
            None => false,
            Some((_, DeValue::Boolean(flag))) => *flag,
            Some((offset, _)) => {
                self.mistake(offset, format!("`{field}` of {} must be true or false", from.what), None);
                false
            }
        }
    }

    /// A list of texts with their places; empty if absent.
    pub(super) fn texts<'t>(&mut self, from: &mut Fields<'t>, field: &'static str) -> Vec<(usize, &'t str)> {
        let Some(value) = from.get(field) else {
            return Vec::new();
        };
        let what = format!("`{field}` of {}", from.what);
        let DeValue::Array(items) = value.get_ref() else {
            self.mistake(value.span().start, format!("{what} must be a list"), None);
            return Vec::new();
        };
        let items: Vec<&'t Spanned<DeValue<'t>>> = items.iter().collect();
        items
            .into_iter()
            .filter_map(|item| Some((item.span().start, self.string(item, &what)?)))
            .collect()
    }

    /// The names of a list that are known; of the others a mistake with the nearest one.
    pub(super) fn known<'t>(&mut self, from: &mut Fields<'t>, field: &'static str, known: &Known<'_>) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for (offset, name) in self.texts(from, field) {
            if self.is_known(offset, name, known) {
                names.insert(name.to_owned());
            }
        }
        names
    }

    pub(super) fn is_known(&mut self, offset: usize, name: &str, known: &Known<'_>) -> bool {
        let found = known.names.contains(name);
        if !found {
            let remedy = nearest(name, known.names.iter().copied()).map(|n| format!("did you mean `{n}`?"));
            self.mistake(offset, format!("no {} is called `{name}`", known.what), remedy);
        }
        found
    }

    /// Notes the fields of a table that nobody asked for.
    pub(super) fn rest(&mut self, fields: &Fields<'_>) {
        for (key, _) in fields.table {
            let name: &str = key.get_ref();
            if !fields.asked.contains(name) {
                let near = nearest(name, fields.asked.iter().copied());
                let all: Vec<&str> = fields.asked.iter().copied().collect();
                let remedy = near.map_or_else(
                    || format!("its fields are {}", all.join(", ")),
                    |n| format!("did you mean `{n}`?"),
                );
                let message = format!("{} has no field `{name}`", fields.what);
                self.mistake(key.span().start, message, Some(remedy));
            }
        }
    }
}

impl<'t> Fields<'t> {
    pub(super) fn new(what: &str, table: &'t DeTable<'t>, place: usize) -> Self {
        Self {
            what: what.to_owned(),
            table,
            place,
            asked: BTreeSet::new(),
        }
    }

    pub(super) fn get(&mut self, field: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.asked.insert(field);
        self.table.get(field)
    }

    /// Every entry of a table of entries: id, place of the id, value.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'t str, usize, &'t Spanned<DeValue<'t>>)> + use<'t> {
        self.table.iter().map(|(key, value)| {
            let name: &'t str = key.get_ref();
            (name, key.span().start, value)
        })
    }

    pub(super) fn place(&self) -> usize {
        self.place
    }
}

/// Names that may be said, and what they are names of.
pub(super) struct Known<'k> {
    pub what: &'static str,
    pub names: BTreeSet<&'k str>,
}
