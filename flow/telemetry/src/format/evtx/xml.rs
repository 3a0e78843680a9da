//! Binary XML of one record as fields: [MS-EVEN6] 2.2.12 to 2.2.17, and what libevtx documents of the file's own form.

use super::names::ChunkNames;
use super::value::{ValueType, push_utf16};
use crate::fields::ValueKind;
use crate::format::{Fault, windows};
use crate::{FieldId, FieldsFull, Sheet, Value};

/// Elements within one another.
const ELEMENTS_OPEN_MAX: usize = 32;
/// Templates and fragments within one another.
const FRAGMENTS_OPEN_MAX: usize = 8;
/// Tokens of one record, those of its templates counted each time.
const TOKENS_MAX: u32 = 65_536;

/// Reads records of one chunk after another; keeps its memory.
#[derive(Debug, Default)]
pub(super) struct XmlReader {
    pub names: ChunkNames,
    open: Vec<Element>,
    substitutes: Vec<Substitute>,
    text: String,
    path: String,
}

/// An element that is open.
#[derive(Debug, Clone, Copy)]
struct Element {
    name: FieldId,
    /// The value of its attribute `Name`.
    data_name: Option<FieldId>,
    /// It depends on a value that is not there, and is left out with all it holds.
    is_left_out: bool,
    has_children: bool,
    text_start: usize,
    /// Pieces of content so far, and the kind of the only one.
    pieces: u32,
    kind: ValueKind,
}

/// A value that stands in the place of a substitution: its bytes in the chunk.
#[derive(Debug, Clone, Copy)]
struct Substitute {
    kind: ValueType,
    start: usize,
    end: usize,
}

/// Where a fragment lies, and what it is read with.
#[derive(Debug, Clone, Copy)]
struct Fragment {
    at: usize,
    end: usize,
    /// Its substitutes: from here, so many.
    values: (usize, usize),
    /// Elements of a template definition name the value they depend on.
    is_template: bool,
    depth: usize,
}

impl XmlReader {
    /// Reads the fragment at `from..to` of the chunk into the sheet's fields.
    pub fn read(&mut self, chunk: &[u8], from: usize, to: usize, sheet: &mut Sheet) -> Result<(), Fault> {
        self.open.clear();
        self.substitutes.clear();
        self.text.clear();
        let mut scan = Scan {
            chunk,
            reader: self,
            sheet,
            attribute: None,
            tokens: 0,
            at: from,
        };
        let fragment = Fragment {
            at: from,
            end: to,
            values: (0, 0),
            is_template: false,
            depth: 0,
        };
        scan.fragment(fragment).map_err(|reason| Fault {
            reason,
            at: scan.at.saturating_sub(from),
        })
    }
}

/// An attribute whose value is being read.
#[derive(Debug, Clone, Copy)]
struct Attribute {
    name: FieldId,
    text_start: usize,
    /// It names the content of its element.
    is_name: bool,
    /// A name that is one literal.
    literal: Option<FieldId>,
    kind: ValueKind,
}

struct Scan<'a> {
    chunk: &'a [u8],
    reader: &'a mut XmlReader,
    sheet: &'a mut Sheet,
    attribute: Option<Attribute>,
    tokens: u32,
    at: usize,
}

type Reason = &'static str;

const SHORT: Reason = "the record ends within its binary XML";

impl<'a> Scan<'a> {
    fn fragment(&mut self, mut fragment: Fragment) -> Result<(), Reason> {
        if fragment.depth > FRAGMENTS_OPEN_MAX {
            return Err("templates nested deeper than the limit");
        }
        let floor = self.reader.open.len();
        self.at = fragment.at;
        while self.at < fragment.end {
            self.tokens += 1;
            if self.tokens > TOKENS_MAX {
                return Err("more tokens of binary XML than the limit");
            }
            let token = self.byte()?;
            match token & 0x1f {
                0x00 => break,
                0x01 => self.open_element(token, fragment)?,
                0x02 => self.end_attribute()?,
                0x03 => {
                    self.end_attribute()?;
                    self.end_element(floor)?;
                }
                0x04 => self.end_element(floor)?,
                0x05 => self.literal()?,
                0x06 => self.begin_attribute()?,
                0x07 => self.counted_text()?,
                0x08 => {
                    let unit = self.word()?;
                    let c = char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER);
                    self.reader.text.push(c);
                    self.piece(ValueKind::Text);
                }
                0x09 => self.entity()?,
                0x0a => drop(self.name()?),
                0x0b => self.skip_counted()?,
                0x0c => {
                    fragment.at = self.template(fragment)?;
                    self.at = fragment.at;
                }
                0x0d | 0x0e => self.substitution(fragment)?,
                0x0f => self.at += 3,
                _ => return Err("no token of binary XML"),
            }
        }
        match self.reader.open.len() == floor {
            true => Ok(()),
            false => Err("an element does not end"),
        }
    }

    fn open_element(&mut self, token: u8, fragment: Fragment) -> Result<(), Reason> {
        let depends_on = match fragment.is_template {
            true => self.word()?,
            false => u16::MAX,
        };
        let _size = self.long()?;
        let name = self.name()?;
        if token & 0x40 != 0 {
            let _attributes_size = self.long()?;
        }
        if self.reader.open.len() >= ELEMENTS_OPEN_MAX {
            return Err("elements nested deeper than the limit");
        }
        let is_missing = depends_on != u16::MAX
            && self
                .substitute(fragment, depends_on)
                .is_some_and(|value| value.kind == ValueType::NULL);
        let mut is_left_out = is_missing;
        if let Some(parent) = self.reader.open.last_mut() {
            parent.has_children = true;
            is_left_out |= parent.is_left_out;
        }
        self.reader.open.push(Element {
            name,
            data_name: None,
            is_left_out,
            has_children: false,
            text_start: self.reader.text.len(),
            pieces: 0,
            kind: ValueKind::Null,
        });
        Ok(())
    }

    fn end_element(&mut self, floor: usize) -> Result<(), Reason> {
        if self.reader.open.len() <= floor {
            return Err("an element ends that did not begin");
        }
        let Some(element) = self.reader.open.last().copied() else {
            return Ok(());
        };
        let is_said = element.pieces > 0 || element.data_name.is_some();
        if !element.is_left_out && is_said && !(element.has_children && self.is_blank(element.text_start)) {
            let name = self.content_name();
            self.push(name, element.kind, element.text_start)?;
        }
        self.reader.text.truncate(element.text_start);
        self.reader.open.pop();
        Ok(())
    }

    /// Indentation between elements is no value.
    fn is_blank(&self, from: usize) -> bool {
        self.reader.text.get(from..).is_none_or(|text| text.trim().is_empty())
    }

    /// Returns the name of the field that the innermost element's content is.
    fn content_name(&mut self) -> Option<FieldId> {
        let XmlReader { open, path, .. } = &mut *self.reader;
        let ([_event, section, inner @ ..], Some(element)) = (open.as_slice(), open.last()) else {
            return None;
        };
        let dotted = match (section.name, inner) {
            (_, []) => return None,
            (FieldId::SYSTEM, [_]) => return Some(element.name),
            (FieldId::EVENT_DATA, [_]) => return Some(element.data_name.unwrap_or(element.name)),
            (FieldId::USER_DATA, [_] | [_, _]) => return Some(element.data_name.unwrap_or(element.name)),
            (FieldId::RENDERING_INFO, [only]) if only.name == FieldId::MESSAGE => return Some(only.name),
            (FieldId::USER_DATA, [_wrapper, inner @ ..]) => inner,
            (FieldId::SYSTEM | FieldId::EVENT_DATA, inner) => inner,
            _ => open.get(1..).unwrap_or(&[]),
        };
        path.clear();
        for element in dotted {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(self.sheet.names.name(element.data_name.unwrap_or(element.name)));
        }
        Some(self.sheet.names.intern(path))
    }

    fn begin_attribute(&mut self) -> Result<(), Reason> {
        self.end_attribute()?;
        let name = self.name()?;
        let depth = self.reader.open.len();
        self.attribute = Some(Attribute {
            name,
            text_start: self.reader.text.len(),
            is_name: name == FieldId::NAME && depth > 2 && !self.is_in_system(),
            literal: None,
            kind: ValueKind::Null,
        });
        Ok(())
    }

    fn is_in_system(&self) -> bool {
        self.reader.open.get(1).is_some_and(|section| section.name == FieldId::SYSTEM)
    }

    fn end_attribute(&mut self) -> Result<(), Reason> {
        let Some(attribute) = self.attribute.take() else {
            return Ok(());
        };
        let text = self.reader.text.get(attribute.text_start..).unwrap_or("");
        if attribute.is_name {
            let name = attribute.literal.unwrap_or_else(|| self.sheet.names.intern(text));
            if let Some(element) = self.reader.open.last_mut() {
                element.data_name = Some(name);
            }
        } else if self.is_in_system() && self.reader.open.len() == 3 && !matches!(attribute.kind, ValueKind::Null) {
            let element = self.reader.open.last().map_or(FieldId::OTHER, |e| e.name);
            let name = self.attribute_name(element, attribute.name);
            self.push(name, attribute.kind, attribute.text_start)?;
        }
        self.reader.text.truncate(attribute.text_start);
        Ok(())
    }

    /// Returns the name of the field that an attribute of an element of `System` is.
    fn attribute_name(&mut self, element: FieldId, attribute: FieldId) -> Option<FieldId> {
        let names = &mut self.sheet.names;
        let (element, attribute) = (names.name(element), names.name(attribute));
        windows::attribute_name(element, attribute).map(|name| names.intern(name))
    }

    fn literal(&mut self) -> Result<(), Reason> {
        if self.byte()? != ValueType::STRING.0 {
            return Err("a literal that is no text");
        }
        if !self.attribute.is_some_and(|a| a.is_name && a.literal.is_none()) {
            return self.counted_text();
        }
        let start = self.at;
        let count = usize::from(self.word()?);
        let units = self.take(2 * count)?;
        let literal = self.reader.names.literal(start, units, &mut self.sheet.names);
        if let Some(attribute) = &mut self.attribute {
            attribute.literal = Some(literal);
        }
        Ok(())
    }

    fn counted_text(&mut self) -> Result<(), Reason> {
        let count = usize::from(self.word()?);
        let units = self.take(2 * count)?;
        push_utf16(units, &mut self.reader.text);
        self.piece(ValueKind::Text);
        Ok(())
    }

    fn skip_counted(&mut self) -> Result<(), Reason> {
        let count = usize::from(self.word()?);
        self.take(2 * count).map(drop)
    }

    fn entity(&mut self) -> Result<(), Reason> {
        let name = self.name()?;
        let text = match self.sheet.names.name(name) {
            "amp" => "&",
            "lt" => "<",
            "gt" => ">",
            "quot" => "\"",
            "apos" => "'",
            _ => return Err("no entity of XML"),
        };
        self.reader.text.push_str(text);
        self.piece(ValueKind::Text);
        Ok(())
    }

    /// Enters that a piece of content was appended to the text.
    fn piece(&mut self, kind: ValueKind) {
        if let Some(attribute) = &mut self.attribute {
            let is_first = matches!(attribute.kind, ValueKind::Null);
            attribute.kind = if is_first { kind } else { ValueKind::Text };
        } else if let Some(element) = self.reader.open.last_mut() {
            element.kind = if element.pieces == 0 { kind } else { ValueKind::Text };
            element.pieces += 1;
        }
    }

    fn substitute(&self, fragment: Fragment, number: u16) -> Option<Substitute> {
        let (start, count) = fragment.values;
        let number = Some(usize::from(number)).filter(|n| *n < count)?;
        self.reader.substitutes.get(start + number).copied()
    }

    fn substitution(&mut self, fragment: Fragment) -> Result<(), Reason> {
        let (number, _type) = (self.word()?, self.byte()?);
        let value = self.substitute(fragment, number).ok_or("a substitution without its value")?;
        if value.kind == ValueType::NULL {
            return Ok(());
        }
        if value.kind == ValueType::BINARY_XML {
            let behind = self.at;
            self.fragment(Fragment {
                at: value.start,
                end: value.end,
                values: (0, 0),
                is_template: false,
                depth: fragment.depth + 1,
            })?;
            self.at = behind;
            return Ok(());
        }
        let bytes = self.chunk.get(value.start..value.end).ok_or(SHORT)?;
        match value.kind.items() {
            Some(items) => self.array(value.kind, items, bytes),
            None => self.scalar(value.kind, bytes),
        }
    }

    fn scalar(&mut self, kind: ValueType, bytes: &[u8]) -> Result<(), Reason> {
        let kind = kind
            .render(bytes, &mut self.reader.text)
            .ok_or("a value that is not of its type")?;
        self.piece(kind);
        Ok(())
    }

    /// An array is as many elements; all but the last are fields at once.
    fn array(&mut self, kind: ValueType, items: ValueType, mut bytes: &[u8]) -> Result<(), Reason> {
        while !bytes.is_empty() {
            let length = kind
                .item_length(bytes)
                .filter(|n| *n > 0)
                .ok_or("an array of a type without length")?;
            let (item, rest) = bytes.split_at_checked(length).ok_or("an array that is not of its type")?;
            self.scalar(items, item)?;
            bytes = rest;
            if !bytes.is_empty() && self.attribute.is_none() {
                self.tokens += 1;
                let Some(element) = self.reader.open.last().copied() else {
                    return Ok(());
                };
                let name = self.content_name().filter(|_| !element.is_left_out);
                self.push(name, element.kind, element.text_start)?;
                self.reader.text.truncate(element.text_start);
                if let Some(element) = self.reader.open.last_mut() {
                    element.pieces = 0;
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, name: Option<FieldId>, kind: ValueKind, from: usize) -> Result<(), Reason> {
        let Some(name) = name else { return Ok(()) };
        let text = self.reader.text.get(from..).unwrap_or("");
        let value = match kind {
            ValueKind::Null => Value::Null,
            ValueKind::Number => Value::Number(text),
            _ => Value::Text(text),
        };
        self.sheet.fields.push(name, value).map_err(FieldsFull::reason)
    }

    /// Reads a template with its values; returns what is behind them.
    fn template(&mut self, fragment: Fragment) -> Result<usize, Reason> {
        const HEADER: usize = 24;
        let (_, _id) = (self.byte()?, self.long()?);
        let definition = self.long()? as usize;
        let header = self
            .chunk
            .get(definition..definition + HEADER)
            .ok_or("a template that is not in the chunk")?;
        let size = header.last_chunk::<4>().map_or(0, |size| u32::from_le_bytes(*size) as usize);
        let body = definition + HEADER;
        if body + size > self.chunk.len() {
            return Err("a template that is not in the chunk");
        }
        if definition == self.at {
            self.at = body + size;
        }
        let count = self.long()? as usize;
        let table = self.take(count.checked_mul(4).ok_or(SHORT)?)?;
        let first = self.reader.substitutes.len();
        for [low, high, kind, _] in table.as_chunks::<4>().0 {
            let (start, length) = (self.at, usize::from(u16::from_le_bytes([*low, *high])));
            self.take(length)?;
            self.reader.substitutes.push(Substitute {
                kind: ValueType(*kind),
                start,
                end: self.at,
            });
        }
        if self.at > fragment.end {
            return Err(SHORT);
        }
        let behind = self.at;
        self.fragment(Fragment {
            at: body,
            end: body + size,
            values: (first, count),
            is_template: true,
            depth: fragment.depth + 1,
        })?;
        self.reader.substitutes.truncate(first);
        Ok(behind)
    }

    /// Reads a name by its place in the chunk; it may stand right here.
    fn name(&mut self) -> Result<FieldId, Reason> {
        let place = self.long()? as usize;
        let (name, length) = self
            .reader
            .names
            .name(self.chunk, place, &mut self.sheet.names)
            .ok_or("a name that is not in the chunk")?;
        if place == self.at {
            self.at += length;
        }
        Ok(name)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Reason> {
        let taken = self.chunk.get(self.at..).and_then(|rest| rest.get(..length)).ok_or(SHORT)?;
        self.at += length;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Reason> {
        self.take(N)?.first_chunk().copied().ok_or(SHORT)
    }

    fn byte(&mut self) -> Result<u8, Reason> {
        self.fixed().map(u8::from_le_bytes)
    }

    fn word(&mut self) -> Result<u16, Reason> {
        self.fixed().map(u16::from_le_bytes)
    }

    fn long(&mut self) -> Result<u32, Reason> {
        self.fixed().map(u32::from_le_bytes)
    }
}
