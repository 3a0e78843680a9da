use leckwehr_incident::Timestamp;

use crate::{Kind, NamedFields, Outcome, Product, RawPlace, Record, Sym, Symbols};

/// Events as columns; row `i` of every column is one event.
///
/// Strings are interned in the batch's own table. Raw fields are kept beside the columns for rules; a long-lived
/// collection can leave them out ([`Events::append_columns`]) and stays at about 150 bytes an event.
#[derive(Debug, Clone, Default)]
pub struct Events {
    symbols: Symbols,
    time: Vec<Timestamp>,
    kind: Vec<Kind>,
    product: Vec<Product>,
    outcome: Vec<Outcome>,
    service: Vec<Sym>,
    category: Vec<Sym>,
    action: Vec<Sym>,
    host: Vec<Sym>,
    origin: Vec<Sym>,
    destination: Vec<Sym>,
    account: Vec<Sym>,
    object: Vec<Sym>,
    sensor: Vec<Sym>,
    source: Vec<Sym>,
    origin_port: Vec<u16>,
    port: Vec<u16>,
    bytes_out: Vec<Option<u64>>,
    bytes_in: Vec<Option<u64>>,
    size: Vec<Option<u64>>,
    entropy: Vec<Option<f32>>,
    duration_ns: Vec<Option<i64>>,
    utc_offset_s: Vec<Option<i32>>,
    record: Vec<u64>,
    offset: Vec<u64>,
    /// End of each event's fields in `fields`.
    fields_end: Vec<usize>,
    fields: Vec<(Sym, Span)>,
    arena: String,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
}

/// One row of [`Events`].
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    events: &'a Events,
    row: usize,
}

impl Events {
    /// Returns the number of events.
    pub fn len(&self) -> usize {
        self.time.len()
    }

    /// Returns whether there are no events.
    pub fn is_empty(&self) -> bool {
        self.time.is_empty()
    }

    /// Returns the event at `row`.
    pub fn get(&self, row: usize) -> Option<Event<'_>> {
        (row < self.len()).then_some(Event { events: self, row })
    }

    /// Iterates over the events in the order in which they were read.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Event<'_>> {
        (0..self.len()).map(|row| Event { events: self, row })
    }

    /// Returns the string table of the columns.
    pub fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    /// Returns the rows in order of time; equal times stay in the order in which they were read. O(n log n).
    pub fn rows_by_time(&self) -> Vec<usize> {
        let mut rows: Vec<usize> = (0..self.len()).collect();
        rows.sort_by_key(|&row| self.time[row]);
        rows
    }

    /// Returns first and last time.
    pub fn window(&self) -> Option<(Timestamp, Timestamp)> {
        Some((*self.time.iter().min()?, *self.time.iter().max()?))
    }

    /// Adds an event without raw fields; `source` and `number` say where its raw record is.
    pub fn push(&mut self, record: &Record<'_>, source: &str, number: u64) {
        let place = RawPlace {
            record: number,
            offset: 0,
        };
        self.push_columns(record, source, place);
    }

    /// Adds an event with its raw fields; `source` and `place` say where its raw record is.
    pub fn push_fields(&mut self, record: &Record<'_>, source: &str, place: RawPlace, fields: NamedFields<'_>) {
        for (name, value) in fields.iter() {
            let start = self.arena.len();
            self.arena.push_str(value);
            let name = self.symbols.intern(name);
            let end = self.arena.len();
            self.fields.push((name, Span { start, end }));
        }
        self.push_columns(record, source, place);
    }

    fn push_columns(&mut self, record: &Record<'_>, source: &str, place: RawPlace) {
        let intern = [
            (&mut self.service, record.service),
            (&mut self.category, record.category),
            (&mut self.action, record.action),
            (&mut self.host, record.host),
            (&mut self.origin, record.origin),
            (&mut self.destination, record.destination),
            (&mut self.account, record.account),
            (&mut self.object, record.object),
            (&mut self.sensor, record.sensor),
            (&mut self.source, source),
        ];
        for (column, text) in intern {
            column.push(self.symbols.intern(text));
        }
        self.time.push(record.time);
        self.kind.push(record.kind);
        self.product.push(record.product);
        self.outcome.push(record.outcome);
        self.origin_port.push(record.origin_port);
        self.port.push(record.port);
        self.bytes_out.push(record.bytes_out);
        self.bytes_in.push(record.bytes_in);
        self.size.push(record.size);
        self.entropy.push(record.entropy);
        self.duration_ns.push(record.duration_ns);
        self.utc_offset_s.push(record.utc_offset_s);
        self.record.push(place.record);
        self.offset.push(place.offset);
        self.fields_end.push(self.fields.len());
    }

    /// Adds all events of `other` with their raw fields. O(size of `other`).
    pub fn append(&mut self, other: &Self) {
        let map = self.append_interned(other);
        let (base, first) = (self.arena.len(), self.fields.len());
        self.arena.push_str(&other.arena);
        self.fields.extend(other.fields.iter().map(|(name, span)| {
            let span = Span {
                start: base + span.start,
                end: base + span.end,
            };
            (mapped(&map, *name), span)
        }));
        self.fields_end.extend(other.fields_end.iter().map(|end| first + end));
    }

    /// Adds all events of `other` without their raw fields.
    pub fn append_columns(&mut self, other: &Self) {
        self.append_interned(other);
        self.fields_end.resize(self.len(), self.fields.len());
    }

    /// Appends every column but the fields; returns where `other`'s symbols went.
    fn append_interned(&mut self, other: &Self) -> Vec<Sym> {
        let texts: Vec<&str> = other.symbols.texts().collect();
        let mut map = vec![None; texts.len()];
        let columns = [
            (&mut self.service, &other.service),
            (&mut self.category, &other.category),
            (&mut self.action, &other.action),
            (&mut self.host, &other.host),
            (&mut self.origin, &other.origin),
            (&mut self.destination, &other.destination),
            (&mut self.account, &other.account),
            (&mut self.object, &other.object),
            (&mut self.sensor, &other.sensor),
            (&mut self.source, &other.source),
        ];
        for (into, from) in columns {
            into.extend(from.iter().map(|sym| {
                let slot = &mut map[sym.index()];
                *slot.get_or_insert_with(|| self.symbols.intern(texts[sym.index()]))
            }));
        }
        self.time.extend_from_slice(&other.time);
        self.kind.extend_from_slice(&other.kind);
        self.product.extend_from_slice(&other.product);
        self.outcome.extend_from_slice(&other.outcome);
        self.origin_port.extend_from_slice(&other.origin_port);
        self.port.extend_from_slice(&other.port);
        self.bytes_out.extend_from_slice(&other.bytes_out);
        self.bytes_in.extend_from_slice(&other.bytes_in);
        self.size.extend_from_slice(&other.size);
        self.entropy.extend_from_slice(&other.entropy);
        self.duration_ns.extend_from_slice(&other.duration_ns);
        self.utc_offset_s.extend_from_slice(&other.utc_offset_s);
        self.record.extend_from_slice(&other.record);
        self.offset.extend_from_slice(&other.offset);
        map.iter()
            .zip(&texts)
            .map(|(slot, text)| slot.unwrap_or_else(|| self.symbols.intern(text)))
            .collect()
    }

    /// Returns how many bytes the values of the raw fields have.
    pub(crate) fn field_bytes(&self) -> usize {
        self.arena.len()
    }

    fn fields_of(&self, row: usize) -> &[(Sym, Span)] {
        let end = self.fields_end.get(row).copied().unwrap_or(0);
        let start = row.checked_sub(1).and_then(|r| self.fields_end.get(r)).copied().unwrap_or(0);
        self.fields.get(start..end).unwrap_or(&[])
    }
}

fn mapped(map: &[Sym], sym: Sym) -> Sym {
    map.get(sym.index()).copied().unwrap_or(Sym::NONE)
}

/// One accessor per column, so that a reader needs to know no row numbers.
macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        impl Event<'_> {
            $($(#[$doc])* pub fn $name(&self) -> $type { self.events.$name[self.row] })*
        }
    };
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident, $sym:ident;)*) => {
        impl<'a> Event<'a> {
            $(
                $(#[$doc])* pub fn $name(&self) -> &'a str { self.events.symbols.text(self.events.$name[self.row]) }
                /// The same as a symbol of the batch's table.
                pub fn $sym(&self) -> Sym { self.events.$name[self.row] }
            )*
        }
    };
}

columns! {
    /// When it happened.
    time: Timestamp;
    /// What it is about.
    kind: Kind;
    /// Who wrote it.
    product: Product;
    /// How it ended.
    outcome: Outcome;
    /// Port at the origin; 0 if not known.
    origin_port: u16;
    /// Port at the destination; 0 if not known.
    port: u16;
    /// Bytes from origin to destination.
    bytes_out: Option<u64>;
    /// Bytes from destination to origin.
    bytes_in: Option<u64>;
    /// Size of a file in bytes, or a count, by kind.
    size: Option<u64>;
    /// Entropy of a file's content in bits per byte.
    entropy: Option<f32>;
    /// How long it took.
    duration_ns: Option<i64>;
    /// Seconds east of UTC at which the source wrote the time, if it says.
    utc_offset_s: Option<i32>;
    /// Number of the record in its source, from 1.
    record: u64;
    /// Byte offset of the record in its unpacked source; 0 if not known.
    offset: u64;
}

texts! {
    /// Sigma service.
    service, service_sym;
    /// Sigma category.
    category, category_sym;
    /// What was done, in the format's word.
    action, action_sym;
    /// Host it happened on; empty if the record names none.
    host, host_sym;
    /// Address or host it came from.
    origin, origin_sym;
    /// Address it went to.
    destination, destination_sym;
    /// Account that did it.
    account, account_sym;
    /// Path, command line, service or name, by kind.
    object, object_sym;
    /// Who observed it.
    sensor, sensor_sym;
    /// File or stream it was read from.
    source, source_sym;
}

impl<'a> Event<'a> {
    /// Returns the row in its batch.
    pub fn row(&self) -> usize {
        self.row
    }

    /// Returns where the raw record is: `source#record`.
    pub fn reference(&self) -> String {
        format!("{}#{}", self.source(), self.record())
    }

    /// Returns the first value of a raw field by its dotted name. O(fields).
    pub fn field(&self, name: &str) -> Option<&'a str> {
        self.values(name).next()
    }

    /// Returns all values of a raw field: an array of scalars has several.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let wanted = self.events.symbols.find(name);
        let events = self.events;
        let fields = events.fields_of(self.row).iter();
        fields
            .filter(move |(n, _)| Some(*n) == wanted)
            .map(move |(_, span)| events.arena.get(span.start..span.end).unwrap_or(""))
    }

    /// Returns all raw fields with their values, in the order of the record.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let events = self.events;
        events.fields_of(self.row).iter().map(move |(name, span)| {
            (
                events.symbols.text(*name),
                events.arena.get(span.start..span.end).unwrap_or(""),
            )
        })
    }
}
