use wide::u8x16;

use crate::fields::ValueKind;
use crate::format::Fault;
use crate::{FieldId, FieldNames, Fields};

/// Objects and arrays within one another; a record with more is damaged.
pub const DEPTH_MAX: usize = 64;

/// Reads JSON objects into [`Fields`]; keeps its memory between records.
#[derive(Debug, Default)]
pub(crate) struct JsonReader {
    /// The unescaped values of the record; longer than the record, what is behind `to` is old.
    text: Vec<u8>,
    /// The dotted path of the open objects, a dot behind each key.
    path: Vec<u8>,
    open: Vec<Open>,
    /// By field number: the field that came behind it last time, which it will probably do again.
    behind: Vec<FieldId>,
    /// By a rough hash: a path and its field, which it was last time.
    seen: Vec<FieldId>,
}

/// An object or array that is open.
#[derive(Debug, Clone, Copy)]
struct Open {
    /// The name of an array's items; an object's members have their own.
    items: Option<FieldId>,
    /// Length of the path before it.
    path: usize,
}

/// Places of the table of names seen: 2^10, as the hash gives ten bits.
const SEEN_NAMES: usize = 1 << 10;
/// Bytes that one step of copying a string looks at.
const STEP: usize = 16;

impl JsonReader {
    /// Reads one JSON object; nesting is dissolved into dotted names, duplicate keys keep all values.
    ///
    /// More is taken than RFC 8259 allows, as records are better read than lost: raw control characters in strings,
    /// bytes that are no UTF-8 and unpaired surrogates (both become U+FFFD). O(length), no recursion.
    pub fn read(&mut self, line: &[u8], names: &mut FieldNames, fields: &mut Fields) -> Result<(), Fault> {
        let end = self.scan(line, names, fields)?;
        if let Some(Ok(text)) = self.text.get(..end).map(str::from_utf8) {
            fields.fill(text);
            return Ok(());
        }
        fields.clear();
        let text = String::from_utf8_lossy(line);
        let end = self.scan(text.as_bytes(), names, fields)?;
        let text = self.text.get(..end).map(String::from_utf8_lossy).unwrap_or_default();
        fields.fill(&text);
        Ok(())
    }

    /// Fills `text` and the fields' spans in it; returns where the text ends.
    fn scan(&mut self, line: &[u8], names: &mut FieldNames, fields: &mut Fields) -> Result<usize, Fault> {
        let room = line.len() + 2 * STEP;
        if self.text.len() < room {
            self.text.resize(room, 0);
        }
        self.path.clear();
        self.open.clear();
        let mut scan = Scan {
            line,
            at: 0,
            to: 0,
            last: FieldId::OTHER,
            reader: self,
            names,
            fields,
        };
        scan.record()?;
        Ok(scan.to)
    }
}

/// One pass over one line.
struct Scan<'a> {
    line: &'a [u8],
    at: usize,
    /// End of the text written so far.
    to: usize,
    /// The field before.
    last: FieldId,
    reader: &'a mut JsonReader,
    names: &'a mut FieldNames,
    fields: &'a mut Fields,
}

impl Scan<'_> {
    fn record(&mut self) -> Result<(), Fault> {
        if self.token() != Some(b'{') {
            return Err(self.fault(match self.line.first() {
                Some(b'[' | b'"' | b'-' | b'0'..=b'9') => "not a JSON object",
                _ => "not JSON",
            }));
        }
        self.at += 1;
        self.begin(None, 0)?;
        let mut is_first = true;
        while let Some(open) = self.reader.open.last().copied() {
            is_first = match open.items {
                None => self.member(is_first)?,
                Some(name) => self.item(name, is_first)?,
            };
        }
        match self.token() {
            None => Ok(()),
            Some(_) => Err(self.fault("something stands behind the JSON object")),
        }
    }

    /// Reads one member of the open object, or its end; returns whether what comes next is the first in its container.
    fn member(&mut self, is_first: bool) -> Result<bool, Fault> {
        match self.token() {
            Some(b'}') => return self.end(),
            Some(b',') if !is_first => self.at += 1,
            Some(_) if is_first => {}
            None => return Err(self.fault("ends within an object")),
            Some(_) => return Err(self.fault("no comma between members")),
        }
        if self.token() != Some(b'"') {
            return Err(self.fault("no quoted name in an object"));
        }
        self.at += 1;
        if let Some(name) = self.expected_name() {
            self.colon()?;
            return self.value(name);
        }
        let path = self.reader.path.len();
        self.name_into_path()?;
        self.colon()?;
        if self.token() == Some(b'{') {
            self.at += 1;
            self.reader.path.push(b'.');
            return self.begin(None, path);
        }
        let name = self.name_of_path();
        self.reader.path.truncate(path);
        if self.reader.behind.len() < self.names.len() {
            self.reader.behind.resize(self.names.len(), FieldId::OTHER);
        }
        if let Some(behind) = self.reader.behind.get_mut(self.last.index()) {
            *behind = name;
        }
        self.value(name)
    }

    /// Reads one item of the open array, or its end.
    fn item(&mut self, name: FieldId, is_first: bool) -> Result<bool, Fault> {
        match self.token() {
            Some(b']') => return self.end(),
            Some(b',') if !is_first => self.at += 1,
            Some(_) if is_first => {}
            None => return Err(self.fault("ends within an array")),
            Some(_) => return Err(self.fault("no comma between items")),
        }
        self.token();
        self.value(name)
    }

    /// Reads a value, or the beginning of a container.
    fn value(&mut self, name: FieldId) -> Result<bool, Fault> {
        self.last = name;
        let start = self.to;
        let kind = match self.token() {
            Some(b'"') => {
                self.at += 1;
                self.string()?;
                ValueKind::Text
            }
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                ValueKind::Number
            }
            Some(b't') => self.word(b"true", ValueKind::True)?,
            Some(b'f') => self.word(b"false", ValueKind::False)?,
            Some(b'n') => self.word(b"null", ValueKind::Null)?,
            Some(b'[') => {
                self.at += 1;
                return self.begin(Some(name), self.reader.path.len());
            }
            Some(b'{') => {
                self.at += 1;
                let path = self.reader.path.len();
                let name = self.names.name(name).as_bytes();
                let key = name.strip_prefix(self.reader.path.as_slice()).unwrap_or(name);
                self.reader.path.extend_from_slice(key);
                self.reader.path.push(b'.');
                return self.begin(None, path);
            }
            None => return Err(self.fault("ends where a value should stand")),
            Some(_) => return Err(self.fault("no JSON value")),
        };
        let full = self.fields.push_span(name, kind, start, self.to);
        full.map_err(|full| self.fault(full.reason()))?;
        if let Some(between) = self.reader.text.get_mut(self.to) {
            *between = 0;
        }
        self.to += 1;
        Ok(false)
    }

    /// Opens an object, or an array of items with that name.
    fn begin(&mut self, items: Option<FieldId>, path: usize) -> Result<bool, Fault> {
        if self.reader.open.len() >= DEPTH_MAX {
            return Err(self.fault("nested deeper than the limit"));
        }
        self.reader.open.push(Open { items, path });
        Ok(true)
    }

    fn end(&mut self) -> Result<bool, Fault> {
        self.at += 1;
        if let Some(open) = self.reader.open.pop() {
            self.reader.path.truncate(open.path);
        }
        Ok(false)
    }

    /// Takes the key and its quote if it is the one that came behind the last field before.
    fn expected_name(&mut self) -> Option<FieldId> {
        let id = *self.reader.behind.get(self.last.index())?;
        let key = self.names.name(id).as_bytes().strip_prefix(self.reader.path.as_slice())?;
        let end = self.at + key.len();
        let is = id != FieldId::OTHER && self.line.get(self.at..end)? == key && self.line.get(end) == Some(&b'"');
        is.then(|| {
            self.at = end + 1;
            id
        })
    }

    /// Reads a key up to its closing quote and appends it to the path.
    fn name_into_path(&mut self) -> Result<(), Fault> {
        let start = self.to;
        self.string()?;
        let key = self.reader.text.get(start..self.to).unwrap_or(&[]);
        self.reader.path.extend_from_slice(key);
        self.to = start;
        Ok(())
    }

    fn name_of_path(&mut self) -> FieldId {
        let path = self.reader.path.as_slice();
        let place = rough_hash(path);
        if let Some(seen) = self.reader.seen.get(place)
            && self.names.name(*seen).as_bytes() == path
        {
            return *seen;
        }
        let name = match str::from_utf8(path) {
            Ok(name) => self.names.intern(name),
            Err(_) => self.names.intern(&String::from_utf8_lossy(path)),
        };
        self.reader.seen.resize(SEEN_NAMES, FieldId::OTHER);
        if let Some(seen) = self.reader.seen.get_mut(place) {
            *seen = name;
        }
        name
    }

    fn colon(&mut self) -> Result<(), Fault> {
        if self.token() != Some(b':') {
            return Err(self.fault("no colon behind a name"));
        }
        self.at += 1;
        Ok(())
    }

    /// Reads a string behind its opening quote, unescaped, to the end of the text.
    fn string(&mut self) -> Result<(), Fault> {
        loop {
            let copied = copy_plain(self.line, self.at, &mut self.reader.text, self.to);
            (self.at, self.to) = (self.at + copied, self.to + copied);
            match self.line.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(_) => self.escape()?,
                None => return Err(self.fault("ends within a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let byte = match self.line.get(self.at + 1) {
            Some(byte @ (b'"' | b'\\' | b'/')) => *byte,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'u') => return self.code_point(),
            Some(_) => return Err(self.fault("no JSON escape")),
            None => return Err(self.fault("ends within a string")),
        };
        if let Some(place) = self.reader.text.get_mut(self.to) {
            *place = byte;
        }
        (self.at, self.to) = (self.at + 2, self.to + 1);
        Ok(())
    }

    /// Reads `\uXXXX`, and the second half of a surrogate pair.
    fn code_point(&mut self) -> Result<(), Fault> {
        let first = self.four_digits(self.at)?;
        self.at += 6;
        let mut point = u32::from(first);
        if (0xD800..0xDC00).contains(&first)
            && self.line.get(self.at..self.at + 2) == Some(b"\\u")
            && let second = self.four_digits(self.at)?
            && (0xDC00..0xE000).contains(&second)
        {
            self.at += 6;
            point = 0x1_0000 + ((point - 0xD800) << 10) + (u32::from(second) - 0xDC00);
        }
        let mut utf8 = [0; 4];
        let utf8 = char::from_u32(point)
            .unwrap_or(char::REPLACEMENT_CHARACTER)
            .encode_utf8(&mut utf8);
        if let Some(place) = self.reader.text.get_mut(self.to..self.to + utf8.len()) {
            place.copy_from_slice(utf8.as_bytes());
        }
        self.to += utf8.len();
        Ok(())
    }

    fn four_digits(&self, at: usize) -> Result<u16, Fault> {
        let digits = self.line.get(at + 2..at + 6).and_then(|d| str::from_utf8(d).ok());
        let digits = digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let number = digits.and_then(|d| u16::from_str_radix(d, 16).ok());
        number.ok_or_else(|| self.fault("no four digits behind \\u"))
    }

    /// Copies a number as it is written: RFC 8259, section 6.
    fn number(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let digits = |scan: &mut Self| {
            let rest = scan.line.get(scan.at..).unwrap_or(&[]);
            let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            scan.at += count;
            count
        };
        let is = |scan: &Self, bytes: &[u8]| scan.line.get(scan.at).is_some_and(|b| bytes.contains(b));
        self.at += usize::from(is(self, b"-"));
        let leading_zero = is(self, b"0");
        let whole = digits(self);
        let mut is_good = whole == 1 || whole > 1 && !leading_zero;
        if is(self, b".") {
            self.at += 1;
            is_good &= digits(self) > 0;
        }
        if is(self, b"eE") {
            self.at += 1;
            self.at += usize::from(is(self, b"+-"));
            is_good &= digits(self) > 0;
        }
        if !is_good {
            return Err(self.fault("no JSON number"));
        }
        let digits = self.line.get(start..self.at).unwrap_or(&[]);
        if let Some(place) = self.reader.text.get_mut(self.to..self.to + digits.len()) {
            place.copy_from_slice(digits);
        }
        self.to += digits.len();
        Ok(())
    }

    fn word(&mut self, word: &[u8], kind: ValueKind) -> Result<ValueKind, Fault> {
        if self.line.get(self.at..self.at + word.len()) != Some(word) {
            return Err(self.fault("no JSON value"));
        }
        self.at += word.len();
        Ok(kind)
    }

    /// Skips blanks and returns the byte behind them.
    fn token(&mut self) -> Option<u8> {
        loop {
            match self.line.get(self.at) {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    fn fault(&self, reason: &'static str) -> Fault {
        Fault { reason, at: self.at }
    }
}

/// Returns a place below [`SEEN_NAMES`] from length, beginning and end.
fn rough_hash(path: &[u8]) -> usize {
    let first = path.first_chunk().map_or(0, |chunk| u32::from_le_bytes(*chunk));
    let last = path.last_chunk().map_or(0, |chunk| u32::from_le_bytes(*chunk));
    let mixed = (first.rotate_left(7) ^ last ^ (path.len() as u32) << 20).wrapping_mul(0x9E37_79B1);
    (mixed >> 22) as usize
}

/// Copies what stands before the next quote or backslash; returns how much. `into` has a step more than fits.
fn copy_plain(from: &[u8], at: usize, into: &mut [u8], to: usize) -> usize {
    let mut copied = 0;
    while let (Some(step), Some(place)) = (
        from.get(at + copied..).and_then(|rest| rest.first_chunk::<STEP>()),
        into.get_mut(to + copied..).and_then(|rest| rest.first_chunk_mut::<STEP>()),
    ) {
        *place = *step;
        let ends = ends(step);
        if ends != 0 {
            return copied + ends.trailing_zeros() as usize;
        }
        copied += STEP;
    }
    while let (Some(byte), Some(place)) = (from.get(at + copied), into.get_mut(to + copied)) {
        if matches!(byte, b'"' | b'\\') {
            break;
        }
        *place = *byte;
        copied += 1;
    }
    copied
}

/// Returns a bit per byte, set where it is a quote or a backslash.
fn ends(step: &[u8; STEP]) -> u32 {
    let step = u8x16::new(*step);
    (step.simd_eq(u8x16::splat(b'"')) | step.simd_eq(u8x16::splat(b'\\'))).to_bitmask()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value as Json;

    use super::*;
    use crate::Value;

    fn read(line: &str) -> Result<Vec<(String, String)>, Fault> {
        let (mut names, mut fields) = (FieldNames::new(), Fields::new());
        let mut reader = JsonReader::default();
        // Twice: the second time names are guessed.
        for _ in 0..2 {
            fields.clear();
            reader.read(line.as_bytes(), &mut names, &mut fields)?;
        }
        let kind = |v| matches!(v, Value::Text(_)).then_some("'").unwrap_or_default();
        let fields = fields.iter();
        Ok(fields
            .map(|(n, v)| (names.name(n).to_owned(), format!("{0}{1}{0}", kind(v), v.as_text())))
            .collect())
    }

    /// What serde_json reads, dissolved the same way: an oracle that we did not write.
    fn oracle(name: &str, value: &Json, into: &mut Vec<(String, String)>) {
        let mut push = |text: String| into.push((name.to_owned(), text));
        match value {
            Json::Null => push(String::new()),
            Json::Bool(b) => push(b.to_string()),
            Json::Number(n) => push(n.to_string()),
            Json::String(s) => push(format!("'{s}'")),
            Json::Array(items) => items.iter().for_each(|item| oracle(name, item, into)),
            Json::Object(object) => {
                let dotted = |key: &str| {
                    if name.is_empty() {
                        key.to_owned()
                    } else {
                        format!("{name}.{key}")
                    }
                };
                object.iter().for_each(|(key, value)| oracle(&dotted(key), value, into));
            }
        }
    }

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            any::<String>().prop_map(Json::from),
            r#"[a-z"\\\n\u{1}é漢😀]{0,40}"#.prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
                prop::collection::hash_map(".{1,12}", inner, 0..5).prop_map(|m| m.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_what_serde_json_reads(members in prop::collection::hash_map("[a-zA-Z.\"\\\\ é]{1,20}", json(), 0..8)) {
            let value: Json = members.into_iter().collect();
            for text in [serde_json::to_string(&value).unwrap(), serde_json::to_string_pretty(&value).unwrap()] {
                let mut expected = Vec::new();
                oracle("", &value, &mut expected);
                prop_assert_eq!(read(&text).unwrap(), expected);
            }
        }

        #[test]
        fn accepts_and_refuses_as_serde_json_does(text in r#"[{}\[\]",:\\ntrueu0-9.eE+\- ]{0,24}"#) {
            let text = format!("{{\"a\":{text}");
            let is_good = serde_json::from_str::<Json>(&text).is_ok();
            // An unpaired surrogate and a number too large for a float are read here.
            prop_assert!(read(&text).is_ok() == is_good || text.contains("\\u") || text.contains(['e', 'E']), "{}", text);
        }
    }

    #[test]
    fn faults_are_named_with_their_place() {
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        for (line, reason, at) in [
            ("", "not JSON", 0),
            ("x", "not JSON", 0),
            ("[1]", "not a JSON object", 0),
            ("{", "ends within an object", 1),
            ("{\"a\"}", "no colon behind a name", 4),
            ("{\"a\":", "ends where a value should stand", 5),
            ("{\"a\":}", "no JSON value", 5),
            ("{\"a\":tru}", "no JSON value", 5),
            ("{\"a\":1", "ends within an object", 6),
            ("{\"a\":1 \"b\":2}", "no comma between members", 7),
            ("{\"a\":1,}", "no quoted name in an object", 7),
            ("{\"a\":[1 2]}", "no comma between items", 8),
            ("{\"a\":[1,]}", "no JSON value", 8),
            ("{\"a\":[1", "ends within an array", 7),
            ("{\"a\":\"x", "ends within a string", 7),
            ("{\"a\":\"x\\", "ends within a string", 7),
            ("{\"a\":\"\\x\"}", "no JSON escape", 6),
            ("{\"a\":\"\\u12g4\"}", "no four digits behind \\u", 6),
            ("{\"a\":01}", "no JSON number", 7),
            ("{\"a\":-}", "no JSON number", 6),
            ("{\"a\":1.e5}", "no JSON number", 9),
            ("{\"a\":1}{", "something stands behind the JSON object", 7),
            (&deep, "nested deeper than the limit", 5 + DEPTH_MAX),
        ] {
            assert_eq!(
                read(line).unwrap_err(),
                Fault { reason, at },
                "{}",
                &line[..line.len().min(40)]
            );
        }
        let many = format!("{{\"a\":[{}1]}}", "1,".repeat(crate::FIELDS_MAX));
        assert_eq!(read(&many).unwrap_err().reason, "more fields than the limit");
    }

    #[test]
    fn what_is_not_quite_json_is_kept() {
        let (mut names, mut fields) = (FieldNames::new(), Fields::new());
        let mut reader = JsonReader::default();
        let line = b"{\"na\xffme\":\"a\tb\xc3\",\"x\":\"\\ud83d\\ude00 \\ud83d \\ude00\\ud83dx\"}";
        reader.read(line, &mut names, &mut fields).unwrap();
        let text = |name| fields.get(names.id(name).unwrap()).unwrap().as_text();
        assert_eq!(text("na\u{fffd}me"), "a\tb\u{fffd}");
        assert_eq!(text("x"), "😀 \u{fffd} \u{fffd}\u{fffd}x");
    }

    #[test]
    fn nesting_and_repeated_keys_keep_every_value() {
        let fields = read(r#"{"a":[{"b":1,"c":{"d":[2,[3,{"e":4}]]}},5],"a.b":6,"a":{"b":7},"":{"":8},"f":{},"g":[]}"#).unwrap();
        let shown: Vec<_> = fields.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(
            shown,
            ["a.b=1", "a.c.d=2", "a.c.d=3", "a.c.d.e=4", "a=5", "a.b=6", "a.b=7", ".=8"]
        );
    }
}
