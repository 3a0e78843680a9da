use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::Need;
use crate::draft::{Draft, Place, Reference, Section, id_problem};
use crate::nearest::nearest;

/// Longest text in bytes.
pub const TEXT_BYTES_MAX: usize = 2_000;
/// Most elements of one list.
pub const LIST_ITEMS_MAX: usize = 10_000;

/// Which entry a table is.
#[derive(Clone, Copy)]
pub(crate) struct Head<'h> {
    pub(crate) section: Section,
    pub(crate) id: &'h str,
    pub(crate) place: Place,
    /// Written as `[[system]]` with an `id` field.
    pub(crate) listed: bool,
}

/// One table of a file while it is read: every field asked for is known, every other one is a mistake.
pub(crate) struct Entry<'e, 's> {
    draft: &'e mut Draft<'s>,
    table: &'e DeTable<'e>,
    file: usize,
    /// For messages, e.g. ``system `db-1` ``.
    what: String,
    section: Section,
    id: &'e str,
    place: Place,
    asked: Vec<&'static str>,
}

impl<'e, 's> Entry<'e, 's> {
    /// Reads `table` with `build`, then notes the fields that nobody asked for.
    pub(crate) fn read<T>(
        draft: &mut Draft<'s>,
        Head {
            section,
            id,
            place,
            listed,
        }: Head<'_>,
        table: &DeTable<'_>,
        build: impl FnOnce(&mut Entry<'_, 's>) -> T,
    ) -> T {
        let what = format!("{} `{id}`", section.name());
        let mut entry = Entry {
            draft,
            table,
            file: place.file,
            what,
            section,
            id,
            place,
            asked: if listed { vec!["id"] } else { Vec::new() },
        };
        let built = build(&mut entry);
        entry.finish();
        built
    }

    fn finish(self) {
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if !self.asked.contains(&name) {
                let message = format!("{} has no field `{name}`", self.what);
                let near = nearest(name, self.asked.iter().copied());
                let remedy = near.map_or_else(
                    || format!("its fields are {}", self.asked.join(", ")),
                    |n| format!("did you mean `{n}`?"),
                );
                self.draft.mistake(at(self.file, key.span().start), message, Some(remedy));
            }
        }
    }

    pub(crate) fn id(&self) -> String {
        self.id.to_owned()
    }

    fn get(&mut self, field: &'static str) -> Option<&'e Spanned<DeValue<'e>>> {
        self.asked.push(field);
        self.table.get(field)
    }

    fn wrong(&mut self, offset: usize, message: String, remedy: Option<String>) {
        self.draft.mistake(at(self.file, offset), message, remedy);
    }

    fn expected(&mut self, value: &Spanned<DeValue<'_>>, field: &str, wanted: &str) {
        let message = format!(
            "`{field}` of {} must be {wanted}, found {}",
            self.what,
            value.get_ref().type_str()
        );
        self.wrong(value.span().start, message, None);
    }

    fn missing(&mut self, field: &str) {
        let message = format!("{} has no `{field}`", self.what);
        self.draft.mistake(self.place, message, Some(format!("add `{field} = …`")));
    }

    /// Returns a text that may be absent.
    pub(crate) fn maybe_text(&mut self, field: &'static str) -> Option<String> {
        let value = self.get(field)?;
        self.string(field, value).map(str::to_owned)
    }

    /// Returns a text, empty if absent.
    pub(crate) fn text(&mut self, field: &'static str) -> String {
        self.maybe_text(field).unwrap_or_default()
    }

    /// Returns a text that must be there.
    pub(crate) fn required_text(&mut self, field: &'static str) -> String {
        if !self.table.contains_key(field) {
            self.missing(field);
        }
        self.text(field)
    }

    fn string(&mut self, field: &str, value: &'e Spanned<DeValue<'e>>) -> Option<&'e str> {
        match value.get_ref() {
            DeValue::String(text) if text.len() <= TEXT_BYTES_MAX => Some(text),
            DeValue::String(_) => {
                let message = format!("`{field}` of {} is longer than {TEXT_BYTES_MAX} bytes", self.what);
                self.wrong(value.span().start, message, None);
                None
            }
            _ => {
                self.expected(value, field, "a text");
                None
            }
        }
    }

    /// Returns whether a flag is set; false if absent.
    pub(crate) fn flag(&mut self, field: &'static str) -> bool {
        let Some(value) = self.get(field) else {
            return false;
        };
        if let DeValue::Boolean(flag) = value.get_ref() {
            return *flag;
        }
        self.expected(value, field, "true or false");
        false
    }

    /// Returns a number that must be there; the range lies within `T`.
    pub(crate) fn required_number<T: TryFrom<u64> + Default>(&mut self, field: &'static str, range: RangeInclusive<u64>) -> T {
        if !self.table.contains_key(field) {
            self.missing(field);
        }
        self.number(field, range).unwrap_or_default()
    }

    /// Returns a number that may be absent; the range lies within `T`.
    pub(crate) fn number<T: TryFrom<u64>>(&mut self, field: &'static str, range: RangeInclusive<u64>) -> Option<T> {
        let value = self.get(field)?;
        self.whole(field, value, range, None).and_then(|n| T::try_from(n).ok())
    }

    /// The same with a remedy for one out of range.
    pub(crate) fn bounded(&mut self, field: &'static str, range: RangeInclusive<u64>, remedy: &str) -> Option<u32> {
        let value = self.get(field)?;
        self.whole(field, value, range, Some(remedy))
            .and_then(|n| u32::try_from(n).ok())
    }

    /// Complains about the one of two fields that is missing if the other is there.
    pub(crate) fn together(&mut self, fields: [&'static str; 2]) {
        for (one, other) in [(fields[0], fields[1]), (fields[1], fields[0])] {
            if self.table.contains_key(one) && !self.table.contains_key(other) {
                self.missing(other);
            }
        }
    }

    fn whole(
        &mut self,
        field: &str,
        value: &Spanned<DeValue<'_>>,
        range: RangeInclusive<u64>,
        remedy: Option<&str>,
    ) -> Option<u64> {
        let DeValue::Integer(integer) = value.get_ref() else {
            self.expected(value, field, "a whole number");
            return None;
        };
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|n| range.contains(n));
        if number.is_none() {
            let message = format!(
                "`{field}` of {} must lie between {} and {}",
                self.what,
                range.start(),
                range.end()
            );
            self.wrong(value.span().start, message, remedy.map(str::to_owned));
        }
        number
    }

    /// Returns the list of numbers of a field, empty if absent.
    pub(crate) fn numbers<T: TryFrom<u64>>(&mut self, field: &'static str, range: &RangeInclusive<u64>) -> Vec<T> {
        let items = self.items(field);
        let numbers = items.iter().filter_map(|item| self.whole(field, item, range.clone(), None));
        numbers.filter_map(|n| T::try_from(n).ok()).collect()
    }

    /// Returns the number for each party of a table, empty if absent.
    pub(crate) fn numbers_by(&mut self, field: &'static str, to: &'static [Section], max: u64) -> Vec<(String, u64)> {
        let Some(value) = self.get(field) else {
            return Vec::new();
        };
        let DeValue::Table(table) = value.get_ref() else {
            self.expected(value, field, "a table");
            return Vec::new();
        };
        let mut numbers = Vec::new();
        for (key, value) in table {
            self.refer(key.span().start, key.get_ref(), to);
            let number = self.whole(field, value, 0..=max, None).unwrap_or_default();
            numbers.push((key.get_ref().to_string(), number));
        }
        numbers
    }

    fn items(&mut self, field: &'static str) -> Vec<&'e Spanned<DeValue<'e>>> {
        let Some(value) = self.get(field) else {
            return Vec::new();
        };
        match value.get_ref() {
            DeValue::Array(array) if array.len() <= LIST_ITEMS_MAX => array.iter().collect(),
            DeValue::Array(array) => {
                let message = format!(
                    "`{field}` of {} has {} items, at most {LIST_ITEMS_MAX}",
                    self.what,
                    array.len()
                );
                self.wrong(value.span().start, message, None);
                Vec::new()
            }
            _ => {
                self.expected(value, field, "a list");
                Vec::new()
            }
        }
    }

    /// Returns one of the named kinds; must be there.
    pub(crate) fn kind<K: Copy>(&mut self, field: &'static str, kinds: &[(&str, K)]) -> Option<K> {
        let Some(value) = self.get(field) else {
            self.missing(field);
            return None;
        };
        let text = self.string(field, value)?;
        self.named(value.span().start, text, field, kinds)
    }

    fn named<K: Copy>(&mut self, offset: usize, text: &str, field: &str, kinds: &[(&str, K)]) -> Option<K> {
        let found = kinds.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind);
        if found.is_none() {
            let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
            let remedy = match nearest(text, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("one of {}", names.join(", ")),
            };
            let message = format!("`{text}` is no {field} of {}", self.what);
            self.wrong(offset, message, Some(remedy));
        }
        found
    }

    /// Returns the texts of a list that are each one of the named kinds.
    pub(crate) fn texts_of(&mut self, field: &'static str, kinds: &[(&str, ())]) -> Vec<String> {
        let mut texts = Vec::new();
        for item in self.items(field) {
            if let Some(text) = self.string(field, item)
                && self.named(item.span().start, text, field, kinds).is_some()
            {
                texts.push(text.to_owned());
            }
        }
        texts
    }

    /// Returns an id of one of the sections; must be there.
    pub(crate) fn reference(&mut self, field: &'static str, to: &'static [Section]) -> String {
        if !self.table.contains_key(field) {
            self.missing(field);
        }
        self.maybe_reference(field, to).unwrap_or_default()
    }

    /// Returns an id of one of the sections that may be absent.
    pub(crate) fn maybe_reference(&mut self, field: &'static str, to: &'static [Section]) -> Option<String> {
        let value = self.get(field)?;
        let id = self.string(field, value)?;
        self.refer(value.span().start, id, to);
        Some(id.to_owned())
    }

    /// Returns an id of one of the sections, or words: what looks like an id must be one.
    pub(crate) fn reference_or_words(&mut self, field: &'static str, to: &'static [Section]) -> Option<String> {
        let value = self.get(field)?;
        let text = self.string(field, value)?;
        if id_problem(text).is_none() {
            self.refer(value.span().start, text, to);
        }
        Some(text.to_owned())
    }

    /// Returns the list of ids of a field, empty if absent.
    pub(crate) fn references(&mut self, field: &'static str, to: &'static [Section]) -> Vec<String> {
        let mut ids = Vec::new();
        for item in self.items(field) {
            if let Some(id) = self.string(field, item) {
                self.refer(item.span().start, id, to);
                ids.push(id.to_owned());
            }
        }
        ids
    }

    fn refer(&mut self, offset: usize, id: &str, to: &'static [Section]) {
        let reference = Reference {
            place: at(self.file, offset),
            id: id.to_owned(),
            to,
        };
        self.draft.references.push(reference);
    }

    /// Returns a name that is no entry of its own (a guard), if present.
    pub(crate) fn name(&mut self, field: &'static str) -> Option<String> {
        let value = self.get(field)?;
        let name = self.string(field, value)?;
        if let Some(wrong) = id_problem(name) {
            self.wrong(value.span().start, format!("`{name}` is no {field} id: {wrong}"), None);
        }
        Some(name.to_owned())
    }

    /// Returns AND/OR needs: `["a|b", "c"]` is (a or b) and c.
    pub(crate) fn needs(&mut self, field: &'static str) -> Vec<Need> {
        let mut needs = Vec::new();
        for item in self.items(field) {
            let Some(text) = self.string(field, item) else {
                continue;
            };
            let mut any_of = Vec::new();
            let mut offset = item.span().start + 1;
            for part in text.split('|') {
                let place = offset + (part.len() - part.trim_start().len());
                self.need(place, part.trim());
                any_of.push(part.trim().to_owned());
                offset += part.len() + 1;
            }
            needs.push(Need { any_of });
        }
        needs
    }

    fn need(&mut self, offset: usize, id: &str) {
        if id == self.id {
            self.wrong(offset, format!("{} needs itself", self.what), Some("take it out".to_owned()));
        } else {
            self.refer(offset, id, &[Section::System, Section::Service]);
        }
    }

    /// Returns a time of day as minutes, `00:00` to `24:00`; must be there.
    pub(crate) fn time_of_day(&mut self, field: &'static str) -> u16 {
        if !self.table.contains_key(field) {
            self.missing(field);
        }
        let Some(value) = self.get(field) else { return 0 };
        let Some(text) = self.string(field, value) else { return 0 };
        minutes_of(text).filter(|minutes| *minutes <= 24 * 60).unwrap_or_else(|| {
            let message = format!("`{text}` is no time of day for `{field}` of {}", self.what);
            self.wrong(value.span().start, message, Some("write it as 06:30".to_owned()));
            0
        })
    }

    /// Returns an IPv4 address, if present.
    pub(crate) fn address(&mut self, field: &'static str) -> Option<Ipv4Addr> {
        let value = self.get(field)?;
        let text = self.string(field, value)?;
        self.mark(field, value);
        let address = text.parse().ok();
        if address.is_none() {
            self.wrong(value.span().start, format!("`{text}` is no IPv4 address"), None);
        }
        address
    }

    /// Returns an IPv4 network, if present.
    pub(crate) fn network(&mut self, field: &'static str) -> Option<(Ipv4Addr, u8)> {
        let value = self.get(field)?;
        let text = self.string(field, value)?;
        self.mark(field, value);
        let parts = text.split_once('/');
        let parsed = parts.and_then(|(a, p)| Some((a.parse().ok()?, p.parse().ok().filter(|p| *p <= 32)?)));
        let Some((address, prefix)) = parsed else {
            let message = format!("`{text}` is no IPv4 network");
            self.wrong(value.span().start, message, Some("write it as 10.1.2.0/24".to_owned()));
            return None;
        };
        let base = crate::model::network_of(address, prefix);
        if base != address {
            let message = format!("`{text}` names a host, not a network");
            self.wrong(value.span().start, message, Some(format!("did you mean `{base}/{prefix}`?")));
        }
        Some((base, prefix))
    }

    /// Remembers where a field stands, for the checks at the end.
    fn mark(&mut self, field: &'static str, value: &Spanned<DeValue<'_>>) {
        let place = at(self.file, value.span().start);
        self.draft.fields.insert((self.section, self.id.to_owned(), field), place);
    }

    /// Reads a table within this one, if present.
    pub(crate) fn inner<T>(&mut self, field: &'static str, build: impl FnOnce(&mut Entry<'_, 's>) -> T) -> Option<T> {
        let value = self.get(field)?;
        self.nested(field, value, build)
    }

    /// Reads a list of tables within this one, empty if absent.
    pub(crate) fn inners<T>(&mut self, field: &'static str, mut build: impl FnMut(&mut Entry<'_, 's>) -> T) -> Vec<T> {
        let items = self.items(field);
        items
            .into_iter()
            .filter_map(|item| self.nested(field, item, &mut build))
            .collect()
    }

    fn nested<T>(
        &mut self,
        field: &str,
        value: &'e Spanned<DeValue<'e>>,
        build: impl FnOnce(&mut Entry<'_, 's>) -> T,
    ) -> Option<T> {
        let DeValue::Table(table) = value.get_ref() else {
            self.expected(value, field, "a table");
            return None;
        };
        let mut entry = Entry {
            draft: &mut *self.draft,
            table,
            file: self.file,
            what: format!("`{field}` of {}", self.what),
            section: self.section,
            id: self.id,
            place: at(self.file, value.span().start),
            asked: Vec::new(),
        };
        let built = build(&mut entry);
        entry.finish();
        Some(built)
    }
}

fn at(file: usize, offset: usize) -> Place {
    Place { file, offset }
}

/// Minutes of `HH:MM`.
pub(crate) fn minutes_of(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !(two(hours) && two(minutes)) {
        return None;
    }
    let minutes: u16 = minutes.parse().ok().filter(|m| *m < 60)?;
    Some(hours.parse::<u16>().ok()? * 60 + minutes)
}
