use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};

use crate::fault::{Defect, Fault};
use crate::input::{Lines, whole};

/// Deepest nesting of elements: ISO 20022 messages stay below 20.
const DEPTH_MAX: usize = 32;
/// Longest text of an element in bytes.
const TEXT_BYTES_MAX: usize = 4 << 10;
/// Most attributes of an element.
const ATTRIBUTES_MAX: usize = 16;
/// Beginning of the namespaces of ISO 20022 messages.
const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:";

/// Takes the elements of a message as they come.
pub(crate) trait Visitor {
    /// The root was met; `message` is its kind, as `pain.001.001.09`. Returns whether it is read here.
    fn message(&mut self, message: &str) -> bool;
    /// An element begins. `path` is the local names from below the root, joined by `/`.
    fn enter(&mut self, path: &str, line: u64);
    /// An element ends. `text` is its own, trimmed.
    fn leave(&mut self, path: &str, text: &str, currency: Option<&str>);
}

/// Walks a message in one pass. Document types and entities of its own are refused. O(bytes).
pub(crate) fn walk(file: &str, source: &str, visitor: &mut impl Visitor) -> Result<(), Fault> {
    let mut walk = Walk {
        path: String::new(),
        open: Vec::new(),
        roots: 0,
        visitor,
    };
    let lines = Lines::of(source);
    let mut reader = Reader::from_str(source);
    loop {
        let at = reader.buffer_position() as usize;
        let event = reader.read_event();
        let done = match event {
            Ok(Event::Eof) => break,
            Ok(event) => walk.take(&event, lines.at(at)),
            Err(_) => Err(Defect::NotWellFormed),
        };
        done.map_err(|defect| whole(file, lines.at(at), defect))?;
    }
    if walk.open.is_empty() && walk.roots == 1 {
        Ok(())
    } else {
        Err(whole(file, lines.at(source.len()), Defect::NotWellFormed))
    }
}

struct Open {
    /// Length of the path outside of it.
    outside: usize,
    text: String,
    currency: Option<String>,
}

struct Walk<'v, V> {
    path: String,
    open: Vec<Open>,
    roots: usize,
    visitor: &'v mut V,
}

impl<V: Visitor> Walk<'_, V> {
    fn take(&mut self, event: &Event<'_>, line: u64) -> Result<(), Defect> {
        match event {
            Event::Start(start) => self.enter(start, line),
            Event::Empty(start) => {
                self.enter(start, line)?;
                self.leave();
                Ok(())
            }
            Event::End(_) => {
                self.leave();
                Ok(())
            }
            Event::Text(text) => self.text(text),
            Event::CData(text) => self.text(text),
            Event::GeneralRef(name) => {
                let name: &str = name;
                let character = match name.strip_prefix('#') {
                    Some(number) => character(number).map(String::from),
                    None => resolve_xml_entity(name).map(str::to_owned),
                };
                self.text(&character.ok_or(Defect::Entity)?)
            }
            Event::DocType(_) => Err(Defect::Dtd),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn enter(&mut self, start: &BytesStart<'_>, line: u64) -> Result<(), Defect> {
        if self.open.len() == DEPTH_MAX {
            return Err(Defect::TooDeep);
        }
        let (mut currency, mut message) = (None, None);
        for (count, attribute) in start.attributes().enumerate() {
            let attribute = attribute.map_err(|_| Defect::NotWellFormed)?;
            let value: &str = attribute.value.as_ref();
            if count == ATTRIBUTES_MAX || value.len() > TEXT_BYTES_MAX {
                return Err(Defect::LineTooLong);
            }
            let name: &str = attribute.key.as_ref();
            if name == "Ccy" {
                currency = Some(value.to_owned());
            }
            if name == "xmlns" || name.starts_with("xmlns:") {
                message = message.or(value.strip_prefix(NAMESPACE).map(str::to_owned));
            }
        }
        let outside = self.path.len();
        if self.open.is_empty() {
            self.roots += 1;
            if self.roots > 1 {
                return Err(Defect::NotWellFormed);
            }
            if !message.is_some_and(|message| self.visitor.message(&message)) {
                return Err(Defect::NotMessage);
            }
        } else {
            let name: &str = start.local_name().into_inner();
            if name.len() > TEXT_BYTES_MAX {
                return Err(Defect::LineTooLong);
            }
            if !self.path.is_empty() {
                self.path.push('/');
            }
            self.path.push_str(name);
            self.visitor.enter(&self.path, line);
        }
        self.open.push(Open {
            outside,
            text: String::new(),
            currency,
        });
        Ok(())
    }

    fn leave(&mut self) {
        if let Some(open) = self.open.pop() {
            self.visitor.leave(&self.path, open.text.trim(), open.currency.as_deref());
            self.path.truncate(open.outside);
        }
    }

    fn text(&mut self, text: &str) -> Result<(), Defect> {
        match self.open.last_mut() {
            None if text.trim().is_empty() => Ok(()),
            None => Err(Defect::NotWellFormed),
            // The blanks between elements are nobody's text.
            Some(open) if open.text.is_empty() && text.trim().is_empty() => Ok(()),
            Some(open) if open.text.len() + text.len() > TEXT_BYTES_MAX => Err(Defect::LineTooLong),
            Some(open) => {
                open.text.push_str(text);
                Ok(())
            }
        }
    }
}

/// The character of a numeric reference without its `#`.
fn character(number: &str) -> Option<char> {
    let code = match number.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => number.parse(),
    };
    char::from_u32(code.ok()?).filter(|c| *c != '\0')
}
