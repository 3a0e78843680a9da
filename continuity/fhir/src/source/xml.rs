use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError};
use quick_xml::escape::unescape;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesDecl, BytesStart, Event};
use smallvec::SmallVec;

use super::document::{NodeId, Stop, Written};
use super::limits::{ATTRIBUTES_MAX, NAMESPACES_MAX};
use super::tree::{NARRATIVE, Span, Tree, is_forbidden};
use crate::IssueKind;

const FHIR: &str = "http://hl7.org/fhir";
const XHTML: &str = "http://www.w3.org/1999/xhtml";
const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Reads one XML element into the tree.
pub(super) fn read(source: &str, tree: &mut Tree) -> Result<(), Stop> {
    let text = match source.strip_prefix('\u{feff}') {
        Some(rest) => {
            tree.note(IssueKind::ByteOrderMark, 0);
            rest
        }
        None => source,
    };
    if text.trim_start().is_empty() {
        return Err((IssueKind::Empty, 0));
    }
    if let Some(at) = forbidden(source) {
        return Err((IssueKind::BadCharacter, at));
    }
    // An element of eAU takes about 38 bytes.
    tree.nodes.reserve(text.len() / 40);
    let mut reading = Reading {
        source,
        begin: source.len() - text.len(),
        tree,
        elements: Vec::new(),
        scopes: Vec::new(),
        roots: 0,
        narrative: None,
    };
    reading.read(text)
}

/// Namespaces that matter.
#[derive(Clone, Copy, PartialEq)]
enum Space {
    Fhir,
    Xhtml,
    SchemaInstance,
    Other,
}

impl Space {
    fn named(uri: &str) -> Self {
        match uri {
            FHIR => Self::Fhir,
            XHTML => Self::Xhtml,
            SCHEMA_INSTANCE => Self::SchemaInstance,
            _ => Self::Other,
        }
    }
}

/// An open element.
struct Element {
    /// The node it is; several elements can be one node, as a resource and its holder are.
    node: NodeId,
    /// The element is a resource within the node's own element.
    is_resource: bool,
    space: Space,
    /// How many namespace declarations are in force outside of it.
    scopes: usize,
}

struct Reading<'a, 'b> {
    source: &'a str,
    begin: usize,
    tree: &'b mut Tree,
    elements: Vec<Element>,
    /// Declarations in force: prefix, what it stands for.
    scopes: Vec<(&'a str, Space)>,
    roots: usize,
    /// The depth of the narrative's outermost element, and where it begins.
    narrative: Option<(usize, usize)>,
}

impl<'a> Reading<'a, '_> {
    fn read(&mut self, text: &'a str) -> Result<(), Stop> {
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_comments = true;
        loop {
            let at = self.begin + reader.buffer_position() as usize;
            let event = reader.read_event().map_err(|e| {
                let at = self.begin + reader.error_position() as usize;
                (stop_kind(&e), at)
            })?;
            let end = self.begin + reader.buffer_position() as usize;
            match event {
                Event::Start(start) => self.open(&start, at)?,
                Event::Empty(start) => {
                    self.open(&start, at)?;
                    self.close(end);
                }
                Event::End(_) => self.close(end),
                Event::Text(text) => self.text(&text, at)?,
                Event::CData(_) if self.elements.is_empty() => return Err((IssueKind::OutsideRoot, at)),
                Event::CData(_) => self.stray(at),
                Event::GeneralRef(_) if self.elements.is_empty() => return Err((IssueKind::OutsideRoot, at)),
                Event::GeneralRef(name) => {
                    resolve(&format!("&{};", &*name)).ok_or((IssueKind::Entity, at))?;
                    self.stray(at);
                }
                Event::DocType(_) => return Err((IssueKind::DocumentType, at)),
                Event::Decl(_) if at != self.begin => return Err((IssueKind::NotWellFormed, at)),
                Event::Decl(decl) => self.declare(&decl, at)?,
                Event::Eof => break,
                Event::Comment(_) | Event::PI(_) => {}
            }
        }
        if self.elements.is_empty() && self.roots > 0 {
            Ok(())
        } else {
            Err((IssueKind::Truncated, self.source.len()))
        }
    }

    fn declare(&mut self, decl: &BytesDecl<'_>, at: usize) -> Result<(), Stop> {
        match decl.encoding() {
            Some(Ok(name)) if !name.eq_ignore_ascii_case("utf-8") => self.tree.note(IssueKind::NotUtf8, at),
            Some(Err(_)) => return Err((IssueKind::NotWellFormed, at)),
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str, at: usize) -> Result<(), Stop> {
        if text.contains("]]>") {
            return Err((IssueKind::NotWellFormed, at));
        }
        if text.trim_ascii().is_empty() {
            return Ok(());
        }
        if self.elements.is_empty() {
            return Err((IssueKind::OutsideRoot, at));
        }
        self.stray(at);
        Ok(())
    }

    /// Notes text where FHIR has none.
    fn stray(&mut self, at: usize) {
        if self.narrative.is_none() {
            self.tree.note(IssueKind::StrayText, at);
        }
    }

    fn close(&mut self, end: usize) {
        let Some(element) = self.elements.pop() else { return };
        self.scopes.truncate(element.scopes);
        match self.narrative {
            Some((depth, at)) if depth == self.elements.len() => {
                self.tree.set_value(element.node, Span::new(at, end - at));
                self.narrative = None;
                self.tree.leave();
            }
            Some(_) => {}
            None if element.is_resource => {}
            None => self.tree.leave(),
        }
    }

    /// Enters an element. Every attribute is looked at, so that a malformed one is found.
    fn open(&mut self, start: &BytesStart<'_>, at: usize) -> Result<(), Stop> {
        self.tree.count(self.elements.len(), at)?;
        let scopes = self.scopes.len();
        let parent = self.elements.last().map(|e| (e.node, e.space));
        let attributes = self.attributes(start, at)?;
        let qualified = start.name();
        let (local, prefix) = (start.local_name(), qualified.prefix());
        let (local, prefix) = (local.as_ref(), prefix.as_ref().map_or("", |p| p.as_ref()));
        let space = self.space_of(prefix);
        let mut element = Element {
            node: parent.map_or(NodeId(0), |(node, _)| node),
            is_resource: false,
            space,
            scopes,
        };
        if self.narrative.is_some() {
            if !is_name(qualified.as_ref()) {
                return Err((IssueKind::NotWellFormed, at));
            }
            self.elements.push(element);
            return Ok(());
        }
        let name = self.tree.names.intern(local);
        if (name.is_local() || !prefix.is_empty()) && !is_name(qualified.as_ref()) {
            return Err((IssueKind::NotWellFormed, at));
        }
        let begins_upper = local.starts_with(|c: char| c.is_ascii_uppercase());
        match parent {
            None => {
                self.roots += 1;
                if self.roots > 1 {
                    return Err((IssueKind::OutsideRoot, at));
                }
                element.node = self.tree.enter(name, at, Written::XmlElement);
                self.tree.set_resource(element.node, name);
                if space != Space::Fhir {
                    self.tree.note(IssueKind::NotFhir, at);
                }
            }
            Some((holder, _)) if begins_upper && self.can_hold(holder) => {
                element.is_resource = true;
                self.tree.set_resource(holder, name);
            }
            Some((_, outer)) => {
                element.node = self.tree.enter(name, at, Written::XmlElement);
                self.check_child(local, begins_upper, space, outer, at);
            }
        }
        if space == Space::Xhtml && parent.is_some() {
            self.narrative = Some((self.elements.len(), at));
            self.tree.set_flag(element.node, NARRATIVE);
        } else {
            self.take_attributes(&attributes, element.node, at)?;
        }
        self.elements.push(element);
        Ok(())
    }

    /// Returns whether an element may have a resource in it: nothing is there yet.
    fn can_hold(&self, holder: NodeId) -> bool {
        let node = &self.tree.nodes[holder.index()];
        holder.0 > 0 && node.resource_type().is_none() && self.tree.nodes.len() == holder.index() + 1
    }

    fn check_child(&mut self, local: &str, begins_upper: bool, space: Space, outer: Space, at: usize) {
        let within = self.tree.open.len().checked_sub(2).map(|i| self.tree.open[i]);
        let within = within.map(|node| self.tree.nodes[node.index()].name);
        let of_text = within.is_some_and(|name| self.tree.names.text(name) == "text");
        if begins_upper {
            self.tree.note(IssueKind::MisplacedResource, at);
        } else if local == "div" && of_text {
            if space != Space::Xhtml {
                self.tree.note(IssueKind::ForeignNamespace, at);
            }
        } else if space != Space::Fhir && outer == Space::Fhir {
            self.tree.note(IssueKind::ForeignNamespace, at);
        }
    }

    /// Checks all attributes of an element, and takes the namespaces that it declares. Returns the others.
    fn attributes<'s>(&mut self, start: &'s BytesStart<'_>, at: usize) -> Result<SmallVec<[Attribute<'s>; 2]>, Stop> {
        let mut others = SmallVec::new();
        for (count, attribute) in start.attributes().enumerate() {
            if count == ATTRIBUTES_MAX {
                return Err((IssueKind::TooManyElements, at));
            }
            let attribute = attribute.map_err(|_| (IssueKind::NotWellFormed, at))?;
            if attribute.value.contains('<') {
                return Err((IssueKind::NotWellFormed, at));
            }
            let key = attribute.key.as_ref();
            if !matches!(key, "value" | "url" | "id") {
                if !is_name(key) {
                    return Err((IssueKind::NotWellFormed, at));
                }
                let text = resolve(&attribute.value).ok_or((IssueKind::Entity, at))?;
                if let Some(rest) = key.strip_prefix("xmlns")
                    && (rest.is_empty() || rest.starts_with(':'))
                {
                    let prefix = self.within(rest.strip_prefix(':').unwrap_or_default());
                    if self.scopes.len() == NAMESPACES_MAX {
                        return Err((IssueKind::TooManyElements, at));
                    }
                    self.scopes.push((prefix, Space::named(&text)));
                    continue;
                }
            }
            others.push(attribute);
        }
        Ok(others)
    }

    fn space_of(&self, prefix: &str) -> Space {
        let declared = self.scopes.iter().rev().find(|(p, _)| *p == prefix);
        declared.map_or(Space::Other, |(_, space)| *space)
    }

    fn take_attributes(&mut self, attributes: &[Attribute<'_>], node: NodeId, at: usize) -> Result<(), Stop> {
        for attribute in attributes {
            match attribute.key.as_ref() {
                "value" => self.take(node, attribute, at)?,
                name @ ("id" | "url") => {
                    let name = self.tree.names.intern(name);
                    self.tree.count(self.elements.len() + 1, at)?;
                    let child = self.tree.enter(name, at, Written::XmlAttribute);
                    self.take(child, attribute, at)?;
                    self.tree.leave();
                }
                key => {
                    let prefix = key.split_once(':').map(|(prefix, _)| prefix);
                    if prefix.is_none_or(|p| self.space_of(p) != Space::SchemaInstance) {
                        self.tree.note(IssueKind::UnknownAttribute, at);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes an attribute's value, as XML normalises it.
    fn take(&mut self, node: NodeId, attribute: &Attribute<'_>, at: usize) -> Result<(), Stop> {
        let raw = &*attribute.value;
        if raw.len() > self.tree.limits.data_bytes_max {
            return Err((IssueKind::DataTooLong, at));
        }
        if raw.is_empty() {
            self.tree.note(IssueKind::EmptyValue, at);
        }
        if raw.bytes().any(|b| matches!(b, b'&' | b'\t' | b'\n' | b'\r')) {
            let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0);
            let value = value.map_err(|_| (IssueKind::Entity, at))?;
            if value.contains(is_forbidden) {
                return Err((IssueKind::Entity, at));
            }
            self.tree.set_decoded(node, &value);
            return Ok(());
        }
        match self.offset(raw) {
            Some(offset) => self.tree.set_value(node, Span::new(offset, raw.len())),
            None => self.tree.set_decoded(node, raw),
        }
        Ok(())
    }

    /// Returns where a part of the source stands in it.
    fn offset(&self, part: &str) -> Option<usize> {
        let offset = (part.as_ptr() as usize).checked_sub(self.source.as_ptr() as usize)?;
        (offset + part.len() <= self.source.len()).then_some(offset)
    }

    /// Returns the same text with the lifetime of the source.
    fn within(&self, part: &str) -> &'a str {
        let found = self.offset(part).and_then(|at| self.source.get(at..at + part.len()));
        found.unwrap_or_default()
    }
}

fn stop_kind(error: &Error) -> IssueKind {
    match error {
        Error::Syntax(_) | Error::IllFormed(IllFormedError::MissingEndTag(_)) => IssueKind::Truncated,
        Error::IllFormed(IllFormedError::UnclosedReference) | Error::Escape(_) => IssueKind::Entity,
        _ => IssueKind::NotWellFormed,
    }
}

/// Finds a character that XML does not allow. Nearly all documents have none, which one pass over the bytes can tell.
fn forbidden(text: &str) -> Option<usize> {
    let suspicious = |b: &u8| (*b < b' ' && !matches!(*b, b'\t' | b'\n' | b'\r')) || *b == 0xEF;
    if text.as_bytes().iter().fold(false, |found, b| found | suspicious(b)) {
        return text.find(is_forbidden);
    }
    None
}

/// Resolves references to characters and to the five entities of XML.
fn resolve(text: &str) -> Option<std::borrow::Cow<'_, str>> {
    unescape(text).ok().filter(|resolved| !resolved.contains(is_forbidden))
}

/// Whether this can be a name of XML; letters beyond ASCII are taken as they are.
fn is_name(name: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    let goes_on = |c: char| begins(c) || c.is_ascii_digit() || matches!(c, '-' | '.' | ':');
    name.starts_with(begins) && name.chars().all(goes_on)
}
