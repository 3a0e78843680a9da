use crate::FieldId;

/// Fields of one record; a record with more is damaged.
pub const FIELDS_MAX: usize = 1_024;
/// Bytes of all values of one record; a record with more is damaged.
pub const FIELDS_BYTES_MAX: usize = 1 << 24;
/// Stands between two values in [`Fields::arena`].
const BETWEEN: char = '\0';

/// The value of a field, as written in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text, unescaped; blanks at its ends are kept.
    Text(&'a str),
    /// A number, with the digits of the record.
    Number(&'a str),
    /// True or false.
    Bool(bool),
    /// The field is there and says nothing.
    Null,
}

impl<'a> Value<'a> {
    /// Returns the value as text; null is empty.
    pub fn as_text(self) -> &'a str {
        match self {
            Self::Text(text) | Self::Number(text) => text,
            Self::Bool(true) => "true",
            Self::Bool(false) => "false",
            Self::Null => "",
        }
    }
}

/// The record has more fields or longer values than the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldsFull {
    /// More than [`FIELDS_MAX`].
    #[error("more than {FIELDS_MAX} fields")]
    Fields,
    /// More than [`FIELDS_BYTES_MAX`].
    #[error("values of more than {FIELDS_BYTES_MAX} bytes")]
    Bytes,
}

impl FieldsFull {
    /// Returns the words for a damaged record.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Fields => "more fields than the limit",
            Self::Bytes => "longer values than the limit",
        }
    }
}

/// The fields of one record, nesting dissolved: `{"a":{"b":[1,2]}}` is `a.b = 1`, `a.b = 2`.
///
/// Cleared and filled anew per record, so that reading allocates nothing once it has grown to the usual size. Names are
/// numbers of the reader's [`FieldNames`]; values lie in one text.
#[derive(Debug)]
pub struct Fields {
    entries: Vec<Entry>,
    arena: String,
    /// By field number: first and last entry, valid where `turn` is the present one.
    slots: Vec<Slot>,
    turn: u32,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    name: FieldId,
    kind: ValueKind,
    start: u32,
    end: u32,
    /// Next entry of the same name, or `NONE`.
    next: u32,
}

/// Which variant of [`Value`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum ValueKind {
    Text,
    Number,
    True,
    False,
    Null,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    turn: u32,
    first: u32,
    last: u32,
}

const NONE: u32 = u32::MAX;

impl Default for Fields {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            arena: String::new(),
            slots: Vec::new(),
            turn: 1,
        }
    }
}

impl Fields {
    /// Builds an empty record.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the record and keeps the memory.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.arena.clear();
        self.next_turn();
    }

    /// Adds a field; one that is there already gets a further value.
    pub fn push(&mut self, name: FieldId, value: Value<'_>) -> Result<(), FieldsFull> {
        let (kind, text) = match value {
            Value::Text(text) => (ValueKind::Text, text),
            Value::Number(text) => (ValueKind::Number, text),
            Value::Bool(true) => (ValueKind::True, ""),
            Value::Bool(false) => (ValueKind::False, ""),
            Value::Null => (ValueKind::Null, ""),
        };
        let start = self.arena.len();
        self.arena.push_str(text);
        self.push_span(name, kind, start, self.arena.len())?;
        self.arena.push(BETWEEN);
        Ok(())
    }

    /// Gives the values of a field a second name, without copying them. A field without values stays so.
    pub fn alias(&mut self, name: FieldId, of: FieldId) -> Result<(), FieldsFull> {
        let mut at = self.first(of);
        // The values of `of` only: were both names the same, the new entries would be met again.
        while name != of
            && let Some(entry) = at
        {
            if self.entries.len() >= FIELDS_MAX {
                return Err(FieldsFull::Fields);
            }
            self.link(Entry {
                name,
                next: NONE,
                ..entry
            });
            at = self.entries.get(entry.next as usize).copied();
        }
        Ok(())
    }

    /// Gives every field the name that `rename` returns for it.
    pub fn rename(&mut self, mut rename: impl FnMut(FieldId) -> FieldId) {
        let mut changed = false;
        for entry in &mut self.entries {
            let name = rename(entry.name);
            changed |= name != entry.name;
            entry.name = name;
        }
        if changed {
            self.next_turn();
            for i in 0..self.entries.len() {
                if let Some(entry) = self.entries.get_mut(i) {
                    entry.next = NONE;
                    let name = entry.name;
                    self.enter(name, i as u32);
                }
            }
        }
    }

    /// Returns the number of fields, each value of a repeated one counted.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Iterates over all fields in the order of the record.
    pub fn iter(&self) -> impl Iterator<Item = (FieldId, Value<'_>)> {
        self.entries.iter().map(|entry| (entry.name, self.value(*entry)))
    }

    /// Returns the first value of the field. O(1).
    pub fn get(&self, name: FieldId) -> Option<Value<'_>> {
        self.first(name).map(|entry| self.value(entry))
    }

    /// Returns all values of the field, in the order of the record. O(values).
    pub fn values(&self, name: FieldId) -> impl Iterator<Item = Value<'_>> {
        let mut at = self.first(name);
        std::iter::from_fn(move || {
            let entry = at?;
            at = self.entries.get(entry.next as usize).copied();
            Some(self.value(entry))
        })
    }

    /// Returns the text in which all values of kind text and number lie one behind the other, a NUL behind each.
    pub fn arena(&self) -> &str {
        &self.arena
    }

    /// Iterates over the places of text and number values in [`Fields::arena`], in the order of the record. Values with
    /// a second name come again.
    pub fn spans(&self) -> impl Iterator<Item = (FieldId, std::ops::Range<usize>)> {
        let texts = self
            .entries
            .iter()
            .filter(|e| matches!(e.kind, ValueKind::Text | ValueKind::Number));
        texts.map(|entry| (entry.name, entry.start as usize..entry.end as usize))
    }

    /// Adds a field whose value lies, or will lie ([`Fields::fill`]), at this place of the arena.
    pub(crate) fn push_span(&mut self, name: FieldId, kind: ValueKind, start: usize, end: usize) -> Result<(), FieldsFull> {
        if self.entries.len() >= FIELDS_MAX {
            return Err(FieldsFull::Fields);
        }
        if end > FIELDS_BYTES_MAX {
            return Err(FieldsFull::Bytes);
        }
        let (start, end, next) = (start as u32, end as u32, NONE);
        self.link(Entry {
            name,
            kind,
            start,
            end,
            next,
        });
        Ok(())
    }

    /// Gives the fields the text that their spans are places of.
    pub(crate) fn fill(&mut self, arena: &str) {
        self.arena.clear();
        self.arena.push_str(arena);
    }

    fn link(&mut self, entry: Entry) {
        let number = self.entries.len() as u32;
        self.entries.push(entry);
        self.enter(entry.name, number);
    }

    fn enter(&mut self, name: FieldId, number: u32) {
        if name.index() >= self.slots.len() {
            self.slots.resize(name.index() + 1, Slot::default());
        }
        let Some(slot) = self.slots.get_mut(name.index()) else {
            return;
        };
        let (turn, first, last) = (self.turn, number, number);
        if slot.turn != turn {
            *slot = Slot { turn, first, last };
        } else if let Some(before) = self.entries.get_mut(slot.last as usize) {
            before.next = number;
            slot.last = number;
        }
    }

    fn first(&self, name: FieldId) -> Option<Entry> {
        let slot = self.slots.get(name.index()).filter(|slot| slot.turn == self.turn)?;
        self.entries.get(slot.first as usize).copied()
    }

    fn value(&self, entry: Entry) -> Value<'_> {
        let text = || self.arena.get(entry.start as usize..entry.end as usize).unwrap_or("");
        match entry.kind {
            ValueKind::Text => Value::Text(text()),
            ValueKind::Number => Value::Number(text()),
            ValueKind::True => Value::Bool(true),
            ValueKind::False => Value::Bool(false),
            ValueKind::Null => Value::Null,
        }
    }

    /// Makes all slots invalid; 0 is the turn of slots never entered.
    fn next_turn(&mut self) {
        self.turn = self.turn.wrapping_add(1);
        if self.turn == 0 {
            self.slots.clear();
            self.turn = 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FieldNames;

    fn texts(fields: &Fields, name: FieldId) -> Vec<&str> {
        fields.values(name).map(Value::as_text).collect()
    }

    #[test]
    fn values_are_found_by_name_and_forgotten_by_clearing() {
        let mut names = FieldNames::new();
        let (a, b) = (names.intern("a"), names.intern("b"));
        let mut fields = Fields::new();
        for turn in 0..3 {
            fields.push(a, Value::Text("x ")).unwrap();
            fields.push(b, Value::Number("1.50")).unwrap();
            fields.push(a, Value::Bool(true)).unwrap();
            fields.push(a, Value::Null).unwrap();
            assert_eq!(texts(&fields, a), ["x ", "true", ""], "{turn}");
            assert_eq!(fields.get(b), Some(Value::Number("1.50")));
            assert_eq!(fields.get(FieldId::CHANNEL), None);
            let spans: Vec<_> = fields.spans().map(|(_, span)| &fields.arena()[span]).collect();
            assert_eq!(spans, ["x ", "1.50"]);
            fields.clear();
            assert_eq!((fields.len(), fields.get(a), fields.arena()), (0, None, ""));
        }
    }

    #[test]
    fn an_alias_has_all_values_and_copies_none() {
        let mut names = FieldNames::new();
        let (a, b) = (names.intern("a"), names.intern("b"));
        let mut fields = Fields::new();
        fields.push(a, Value::Text("x")).unwrap();
        fields.push(a, Value::Text("y")).unwrap();
        let bytes = fields.arena().len();
        fields.alias(b, a).unwrap();
        fields.alias(a, a).unwrap();
        fields.alias(a, FieldId::CHANNEL).unwrap();
        assert_eq!(
            (texts(&fields, b), texts(&fields, a), fields.len()),
            (vec!["x", "y"], vec!["x", "y"], 4)
        );
        assert_eq!(fields.arena().len(), bytes);
    }

    #[test]
    fn renaming_joins_values_in_the_order_of_the_record() {
        let mut names = FieldNames::new();
        let (a, b, c) = (names.intern("a"), names.intern("b"), names.intern("c"));
        let mut fields = Fields::new();
        for (name, text) in [(a, "1"), (b, "2"), (c, "3"), (a, "4")] {
            fields.push(name, Value::Text(text)).unwrap();
        }
        fields.rename(|name| if name == c { a } else { name });
        assert_eq!(
            (texts(&fields, a), texts(&fields, b), fields.get(c)),
            (vec!["1", "3", "4"], vec!["2"], None)
        );
    }

    #[test]
    fn limits_are_errors() {
        let mut fields = Fields::new();
        for _ in 0..FIELDS_MAX {
            fields.push(FieldId::OTHER, Value::Null).unwrap();
        }
        assert_eq!(fields.push(FieldId::OTHER, Value::Null), Err(FieldsFull::Fields));
        assert_eq!(fields.alias(FieldId::CHANNEL, FieldId::OTHER), Err(FieldsFull::Fields));
        fields.clear();
        let long = "x".repeat(FIELDS_BYTES_MAX + 1);
        assert_eq!(fields.push(FieldId::OTHER, Value::Text(&long)), Err(FieldsFull::Bytes));
    }
}
