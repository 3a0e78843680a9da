use std::fmt::Write;

use crate::format::{Fault, Read, dissolve};
use crate::{FIELDS_MAX, FieldId, FieldsFull, Sheet, Value};

/// Zeek's logs as tab-separated values: what the header lines say, which may change within a file.
///
/// `#separator`, `#set_separator`, `#empty_field`, `#unset_field`, `#path`, `#fields`, `#types` are those of Zeek's ASCII
/// writer; other lines that begin with `#` (`#open`, `#close`) say nothing of records.
#[derive(Debug)]
pub(crate) struct ZeekTsv {
    separator: u8,
    set_separator: u8,
    empty: Vec<u8>,
    unset: Vec<u8>,
    path: String,
    names: Vec<String>,
    types: Vec<Kind>,
    text: String,
}

/// What a column's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Bool,
    /// A set or vector of these.
    Many(Item),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Text,
    Number,
    Bool,
}

impl Default for ZeekTsv {
    fn default() -> Self {
        Self {
            separator: b'\t',
            set_separator: b',',
            empty: b"(empty)".to_vec(),
            unset: b"-".to_vec(),
            path: String::new(),
            names: Vec::new(),
            types: Vec::new(),
            text: String::new(),
        }
    }
}

impl ZeekTsv {
    /// Returns whether a header was read, so that lines are records.
    pub fn is_begun(&self) -> bool {
        !self.names.is_empty()
    }

    /// Takes a line that begins with `#` if it is a header of Zeek's.
    pub fn header(&mut self, line: &[u8]) -> Option<Result<Read, Fault>> {
        let line = line.strip_prefix(b"#")?;
        if let Some(separator) = line.strip_prefix(b"separator ") {
            let byte = separator_byte(separator);
            *self = Self::default();
            return Some(match byte {
                Some(byte) => {
                    self.separator = byte;
                    Ok(Read::Nothing)
                }
                None => Err("a #separator that is no single byte".into()),
            });
        }
        let mut parts = line.split(|b| *b == self.separator);
        let name = parts.next()?;
        let mut one = || parts.next().unwrap_or_default();
        match name {
            b"set_separator" => self.set_separator = one().first().copied().unwrap_or(b','),
            b"empty_field" => self.empty = one().to_vec(),
            b"unset_field" => self.unset = one().to_vec(),
            b"path" => self.path = String::from_utf8_lossy(one()).into_owned(),
            b"fields" => {
                self.names = parts.map(|name| String::from_utf8_lossy(name).into_owned()).collect();
                self.types = Vec::new();
            }
            b"types" => self.types = parts.map(Kind::read).collect(),
            b"open" | b"close" => {}
            _ => return None,
        }
        if self.names.len() > FIELDS_MAX {
            self.names.clear();
            return Some(Err(FieldsFull::Fields.reason().into()));
        }
        Some(Ok(Read::Nothing))
    }

    /// Reads a record by the header above it.
    pub fn record(&mut self, line: &[u8], sheet: &mut Sheet) -> Result<Read, Fault> {
        sheet
            .fields
            .push(FieldId::ZEEK_PATH, Value::Text(&self.path))
            .map_err(FieldsFull::reason)?;
        let mut values = line.split(|b| *b == self.separator);
        let Self { names, types, text, .. } = self;
        for (i, name) in names.iter().enumerate() {
            let at = line.len();
            let value = values.next().ok_or(Fault {
                reason: "fewer values than #fields names",
                at,
            })?;
            if value == self.unset {
                continue;
            }
            let id = sheet.names.intern(name);
            let kind = types.get(i).copied().unwrap_or(Kind::Text);
            let (item, items) = match kind {
                Kind::Text => (Item::Text, None),
                Kind::Number => (Item::Number, None),
                Kind::Bool => (Item::Bool, None),
                Kind::Many(item) => (item, Some(self.set_separator)),
            };
            let mut push = |value: &[u8]| {
                unescape(value, text);
                let value = match item {
                    Item::Number => Value::Number(text),
                    Item::Bool if matches!(text.as_str(), "T" | "F") => Value::Bool(text == "T"),
                    _ => Value::Text(text),
                };
                sheet.fields.push(id, value).map_err(FieldsFull::reason)
            };
            match items {
                _ if value == self.empty => {
                    if items.is_none() {
                        push(b"")?;
                    }
                }
                None => push(value)?,
                Some(separator) => {
                    for item in value.split(|b| *b == separator).filter(|item| *item != self.unset) {
                        push(item)?;
                    }
                }
            }
        }
        if values.next().is_some() {
            return Err("more values than #fields names".into());
        }
        dissolve(sheet)?;
        Ok(Read::Record)
    }
}

impl Kind {
    fn read(word: &[u8]) -> Self {
        let inner = |prefix: &[u8]| word.strip_prefix(prefix)?.strip_suffix(b"]");
        match inner(b"set[").or_else(|| inner(b"vector[")) {
            Some(item) => Self::Many(match Self::read(item) {
                Self::Number => Item::Number,
                Self::Bool => Item::Bool,
                _ => Item::Text,
            }),
            None => match word {
                b"count" | b"int" | b"double" | b"port" | b"time" | b"interval" => Self::Number,
                b"bool" => Self::Bool,
                _ => Self::Text,
            },
        }
    }
}

/// Reads `\x09`, or the byte itself.
fn separator_byte(text: &[u8]) -> Option<u8> {
    match text {
        [byte] => Some(*byte),
        [b'\\', b'x', digits @ ..] if digits.len() == 2 => u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok(),
        _ => None,
    }
}

/// Undoes Zeek's `\x09` for bytes that would be taken for separators; other bytes that are no UTF-8 become U+FFFD.
fn unescape(value: &[u8], text: &mut String) {
    text.clear();
    if !value.contains(&b'\\') {
        text.push_str(&String::from_utf8_lossy(value));
        return;
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(value.len()), value);
    while let [first, behind @ ..] = rest {
        let escaped = match rest {
            [b'\\', b'x', a, b, ..] => separator_byte(&[b'\\', b'x', *a, *b]).map(|byte| (byte, 4)),
            [b'\\', b'\\', ..] => Some((b'\\', 2)),
            _ => None,
        };
        let (byte, length) = escaped.unwrap_or((*first, 1));
        bytes.push(byte);
        rest = rest.get(length..).unwrap_or(behind);
    }
    // Writing to a String cannot fail.
    let _written = write!(text, "{}", String::from_utf8_lossy(&bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tdns\n#open\t2023-04-25-03-12-09\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tquery\trejected\tanswers\tTTLs\n#types\ttime\tstring\taddr\tport\tstring\tbool\tvector[string]\tvector[interval]\n";

    fn read(text: &str) -> Vec<Result<String, &'static str>> {
        let (mut lines, mut sheet) = (crate::Lines::default(), Sheet::new());
        let mut found = Vec::new();
        for line in text.lines() {
            match lines.read(line.as_bytes(), &mut sheet) {
                Ok(Read::Record) => {
                    let shown = sheet.named().iter().map(|(name, value)| format!("{name}={value}"));
                    found.push(Ok(shown.collect::<Vec<_>>().join(" ")));
                }
                Ok(Read::Nothing) => {}
                Err(fault) => found.push(Err(fault.reason)),
            }
        }
        found
    }

    #[test]
    fn values_have_the_types_of_their_columns() {
        let text = format!(
            "{HEAD}1682392329.5\tC1\t10.0.0.1\t5353\ta\\x09b.example\tF\t10.0.0.4,10.0.0.5\t1.0,2.0\n1\tC2\tfe80::1\t1\t(empty)\tT\t(empty)\t-\n#close\t2023-04-25-04-00-00\n"
        );
        assert_eq!(
            read(&text),
            [
                Ok("_path=dns ts=1682392329.5 uid=C1 id.orig_h=10.0.0.1 id.orig_p=5353 query=a\tb.example rejected=false answers=10.0.0.4 answers=10.0.0.5 TTLs=1.0 TTLs=2.0".to_owned()),
                Ok("_path=dns ts=1 uid=C2 id.orig_h=fe80::1 id.orig_p=1 query= rejected=true".to_owned()),
            ]
        );
    }

    #[test]
    fn a_header_within_the_file_changes_what_follows() {
        let second =
            "#separator ,\n#set_separator,;\n#path,conn\n#fields,ts,id.resp_h,tunnel_parents\n#types,time,addr,set[string]\n";
        let text = format!("{HEAD}1\tC1\ta\t1\tq\tF\t-\t-\n{second}2,b,x;y\n");
        let found = read(&text);
        assert_eq!(
            found[1],
            Ok("_path=conn ts=2 id.resp_h=b tunnel_parents=x tunnel_parents=y".to_owned())
        );
    }

    #[test]
    fn a_line_with_other_columns_than_its_header_is_damaged() {
        let found = read(&format!("{HEAD}1\tC1\n1\tC1\ta\t1\tq\tF\t-\t-\tmore\n#separator \\x0\n"));
        assert_eq!(
            found,
            [
                Err("fewer values than #fields names"),
                Err("more values than #fields names"),
                Err("a #separator that is no single byte")
            ]
        );
    }

    #[test]
    fn escapes_that_are_none_stay() {
        let mut text = String::new();
        for (value, expected) in [
            (&b"\\x4"[..], "\\x4"),
            (b"\\", "\\"),
            (b"\\x41\\\\x", "A\\x"),
            (b"\\xff", "\u{fffd}"),
        ] {
            unescape(value, &mut text);
            assert_eq!(text, expected);
        }
    }
}
