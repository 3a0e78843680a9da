use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError};
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

use crate::{Canonical, Issue, IssueKind, Outcome, Place};

/// Longest document read, in bytes: the net limit of a KIM mail.
pub const DOCUMENT_BYTES_MAX: usize = 25 * 1024 * 1024;
/// Deepest nesting read, in elements.
pub const DEPTH_MAX: usize = 100;
/// Most elements read.
pub const ELEMENTS_MAX: usize = 500_000;
/// Longest identifying value kept, in bytes.
pub const VALUE_BYTES_MAX: usize = 1024;

const FHIR_NAMESPACE: &str = "http://hl7.org/fhir";

/// Reads a document and says what it is. O(bytes); never fails, never panics.
pub fn inspect(bytes: &[u8]) -> Outcome {
    let mut inspector = Inspector {
        bytes,
        outcome: Outcome::default(),
        steps: Vec::new(),
        elements: 0,
        roots: 0,
    };
    let ended = inspector.read();
    if let Err((kind, byte)) = ended {
        inspector.note(kind, byte);
    }
    inspector.outcome.well_formed = ended.is_ok();
    inspector.outcome
}

/// The element we are in, as far as it matters.
#[derive(Clone, Copy, PartialEq)]
enum Step {
    Root,
    Meta,
    Profile,
    Identifier,
    System,
    Value,
    Type,
    Timestamp,
    Entry,
    Resource,
    EntryResource,
    Other,
}

struct Inspector<'a> {
    bytes: &'a [u8],
    outcome: Outcome,
    steps: Vec<Step>,
    elements: usize,
    roots: usize,
}

/// Why reading stopped, and at which byte.
type Stop = (IssueKind, usize);

impl Inspector<'_> {
    fn read(&mut self) -> Result<(), Stop> {
        if self.bytes.len() > DOCUMENT_BYTES_MAX {
            return Err((IssueKind::TooLong, DOCUMENT_BYTES_MAX));
        }
        let text = str::from_utf8(self.bytes).map_err(|e| (IssueKind::NotUtf8, e.valid_up_to()))?;
        let text = match text.strip_prefix('\u{feff}') {
            Some(rest) => {
                self.note(IssueKind::ByteOrderMark, 0);
                rest
            }
            None => text,
        };
        let skipped = self.bytes.len() - text.len();
        match text.trim_start().chars().next() {
            None => return Err((IssueKind::Empty, 0)),
            Some('{') => return Err((IssueKind::Json, skipped)),
            Some(_) => {}
        }
        if let Some(at) = text.find(is_forbidden) {
            return Err((IssueKind::BadCharacter, skipped + at));
        }
        self.read_xml(text, skipped)?;
        self.check_whole();
        Ok(())
    }

    fn read_xml(&mut self, text: &str, skipped: usize) -> Result<(), Stop> {
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_comments = true;
        loop {
            let at = skipped + reader.buffer_position() as usize;
            let event = reader.read_event().map_err(|e| {
                let at = skipped + reader.error_position() as usize;
                (stop_kind(&e), at)
            })?;
            match event {
                Event::Start(start) => self.open(&start, at)?,
                Event::Empty(start) => {
                    self.open(&start, at)?;
                    self.steps.pop();
                }
                Event::End(_) => {
                    self.steps.pop();
                }
                Event::Text(text) if self.steps.is_empty() && !text.trim_ascii().is_empty() => {
                    return Err((IssueKind::OutsideRoot, at));
                }
                Event::Text(text) if text.contains("]]>") => return Err((IssueKind::NotWellFormed, at)),
                Event::CData(_) if self.steps.is_empty() => return Err((IssueKind::OutsideRoot, at)),
                Event::GeneralRef(_) if self.steps.is_empty() => return Err((IssueKind::OutsideRoot, at)),
                Event::GeneralRef(name) => {
                    resolve(&format!("&{};", &*name)).ok_or((IssueKind::Entity, at))?;
                }
                Event::DocType(_) => return Err((IssueKind::DocumentType, at)),
                Event::Decl(_) if at != skipped => return Err((IssueKind::NotWellFormed, at)),
                Event::Decl(decl) => match decl.encoding() {
                    Some(Ok(name)) if !name.eq_ignore_ascii_case("utf-8") => self.note(IssueKind::NotUtf8, at),
                    Some(Err(_)) => return Err((IssueKind::NotWellFormed, at)),
                    _ => {}
                },
                Event::Eof => break,
                Event::Text(_) | Event::CData(_) | Event::Comment(_) | Event::PI(_) => {}
            }
        }
        if self.steps.is_empty() && self.roots > 0 {
            Ok(())
        } else {
            Err((IssueKind::Truncated, self.bytes.len()))
        }
    }

    /// Enters an element and takes what it says. Every attribute is looked at, so that a malformed one is found.
    fn open(&mut self, start: &BytesStart<'_>, at: usize) -> Result<(), Stop> {
        self.elements += 1;
        if self.elements > ELEMENTS_MAX {
            return Err((IssueKind::TooManyElements, at));
        }
        if self.steps.len() == DEPTH_MAX {
            return Err((IssueKind::TooDeep, at));
        }
        let qualified = start.name();
        if !is_name(qualified.as_ref()) {
            return Err((IssueKind::NotWellFormed, at));
        }
        let step = self.step_into(start.local_name().as_ref());
        if step == Step::Root {
            self.roots += 1;
            if self.roots > 1 {
                return Err((IssueKind::OutsideRoot, at));
            }
        }
        let namespace_key = match qualified.prefix() {
            Some(prefix) => Cow::Owned(format!("xmlns:{}", prefix.as_ref())),
            None => Cow::Borrowed("xmlns"),
        };
        let mut in_fhir = false;
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|_| (IssueKind::NotWellFormed, at))?;
            if attribute.value.contains('<') || !is_name(attribute.key.as_ref()) {
                return Err((IssueKind::NotWellFormed, at));
            }
            let value = resolve(&attribute.value).ok_or((IssueKind::Entity, at))?;
            let key = attribute.key.as_ref();
            in_fhir |= key == namespace_key && value == FHIR_NAMESPACE;
            if key == "value" {
                self.take(step, &value, at);
            }
        }
        match step {
            Step::Root if in_fhir => self.outcome.resource_type = Some(start.local_name().as_ref().to_owned()),
            Step::Root => self.note(IssueKind::NotFhir, at),
            Step::EntryResource => self.outcome.entries.push(start.local_name().as_ref().to_owned()),
            _ => {}
        }
        self.steps.push(step);
        Ok(())
    }

    fn step_into(&self, name: &str) -> Step {
        match (self.steps.last(), name) {
            (None, _) => Step::Root,
            (Some(Step::Root), "meta") => Step::Meta,
            (Some(Step::Root), "identifier") => Step::Identifier,
            (Some(Step::Root), "type") => Step::Type,
            (Some(Step::Root), "timestamp") => Step::Timestamp,
            (Some(Step::Root), "entry") => Step::Entry,
            (Some(Step::Meta), "profile") => Step::Profile,
            (Some(Step::Identifier), "system") => Step::System,
            (Some(Step::Identifier), "value") => Step::Value,
            (Some(Step::Entry), "resource") => Step::Resource,
            (Some(Step::Resource), _) => Step::EntryResource,
            _ => Step::Other,
        }
    }

    fn take(&mut self, step: Step, value: &str, at: usize) {
        let of_bundle = self.outcome.resource_type.as_deref() == Some("Bundle");
        let wanted = match step {
            Step::Profile => true,
            Step::System | Step::Value | Step::Type | Step::Timestamp => of_bundle,
            _ => false,
        };
        if !wanted {
            return;
        }
        if value.len() > VALUE_BYTES_MAX {
            self.note(IssueKind::ValueTooLong, at);
            return;
        }
        let outcome = &mut self.outcome;
        match step {
            Step::Profile => outcome.profiles.push(Canonical::parse(value)),
            Step::System => value.clone_into(&mut outcome.identifier.get_or_insert_default().system),
            Step::Value => value.clone_into(&mut outcome.identifier.get_or_insert_default().value),
            Step::Type => outcome.bundle_type = Some(value.to_owned()),
            _ => outcome.timestamp = Some(value.to_owned()),
        }
    }

    fn check_whole(&mut self) {
        if self.outcome.identifier.as_ref().is_some_and(|i| i.value.is_empty()) {
            self.outcome.identifier = None;
        }
        if self.outcome.resource_type.as_deref() == Some("Bundle") && self.outcome.identifier.is_none() {
            self.note(IssueKind::NoIdentifier, 0);
        }
        if self.outcome.resource_type.is_some() && self.outcome.profiles.is_empty() {
            self.note(IssueKind::NoProfile, 0);
        }
    }

    fn note(&mut self, kind: IssueKind, byte: usize) {
        let before = &self.bytes[..byte.min(self.bytes.len())];
        let line = 1 + before.iter().filter(|b| **b == b'\n').count() as u64;
        let place = Place { byte: byte as u64, line };
        self.outcome.issues.push(Issue { kind, place });
    }
}

fn stop_kind(error: &Error) -> IssueKind {
    match error {
        Error::Syntax(_) | Error::IllFormed(IllFormedError::MissingEndTag(_)) => IssueKind::Truncated,
        Error::IllFormed(IllFormedError::UnclosedReference) | Error::Escape(_) => IssueKind::Entity,
        _ => IssueKind::NotWellFormed,
    }
}

/// Characters that XML 1.0 does not allow, written or referred to.
fn is_forbidden(c: char) -> bool {
    (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// Resolves references to characters and to the five entities of XML.
fn resolve(text: &str) -> Option<Cow<'_, str>> {
    unescape(text).ok().filter(|resolved| !resolved.contains(is_forbidden))
}

/// Whether this can be a name of XML; letters beyond ASCII are taken as they are.
fn is_name(name: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    let goes_on = |c: char| begins(c) || c.is_ascii_digit() || matches!(c, '-' | '.' | ':');
    name.starts_with(begins) && name.chars().all(goes_on)
}
