//! Documents made to hurt a reader.

use std::io::Read;
use std::sync::Arc;

use leckwehr_fhir::IssueKind;
use leckwehr_fhir::source::{DEPTH_MAX, Document, Limits, NAMESPACES_MAX, Names, StreamError, read_bounded};

fn refused(bytes: impl Into<Vec<u8>>) -> IssueKind {
    let read = Document::read(bytes, &Arc::new(Names::new()), &Limits::default());
    read.err().unwrap().issue.kind
}

#[test]
fn entities_are_refused_unread() {
    let external = "<!DOCTYPE p [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><Patient xmlns=\"http://hl7.org/fhir\">&x;</Patient>";
    assert_eq!(refused(external), IssueKind::DocumentType);
    let parameter = "<!DOCTYPE p SYSTEM \"http://example.org/p.dtd\"><Patient/>";
    assert_eq!(refused(parameter), IssueKind::DocumentType);
    let undeclared = "<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"&lol9;\"/></Patient>";
    assert_eq!(refused(undeclared), IssueKind::Entity);
    let narrative = "<P xmlns=\"http://hl7.org/fhir\"><text><div xmlns=\"http://www.w3.org/1999/xhtml\">&nbsp;</div></text></P>";
    assert_eq!(refused(narrative), IssueKind::Entity);
}

#[test]
fn nesting_is_limited_in_every_form() {
    assert_eq!(refused("<a>".repeat(1_000_000)), IssueKind::TooDeep);
    assert_eq!(refused("[".repeat(1_000_000)), IssueKind::TooDeep);
    assert_eq!(refused("{\"a\":".repeat(1_000_000)), IssueKind::TooDeep);
    let narrative = "<P xmlns=\"http://hl7.org/fhir\"><text><div xmlns=\"http://www.w3.org/1999/xhtml\">".to_owned();
    assert_eq!(refused(narrative + &"<b>".repeat(1_000_000)), IssueKind::TooDeep);
    let at_limit = |n: usize| "{\"resourceType\":\"A\",\"a\":".to_owned() + &"{\"a\":".repeat(n - 2) + "1" + &"}".repeat(n - 1);
    let read = |text| Document::read(text, &Arc::new(Names::new()), &Limits::default());
    assert_eq!(read(at_limit(DEPTH_MAX)).unwrap().len(), DEPTH_MAX);
    assert_eq!(refused(at_limit(DEPTH_MAX + 1)), IssueKind::TooDeep);
}

#[test]
fn invalid_utf_8_is_named_with_its_place() {
    for (begin, end) in [
        ("<P xmlns=\"http://hl7.org/fhir\">\n<id value=\"", "\"/></P>"),
        ("{\"id\":\n\"", "\"}"),
    ] {
        let bytes = [begin.as_bytes(), b"\xc3\x28", end.as_bytes()].concat();
        let issue = Document::read(bytes, &Arc::new(Names::new()), &Limits::default())
            .err()
            .unwrap()
            .issue;
        assert_eq!((issue.kind, issue.place.line), (IssueKind::NotUtf8, 2));
        assert_eq!(issue.place.byte as usize, begin.len());
    }
}

#[test]
fn long_values_and_many_attributes_are_refused() {
    let limits = Limits {
        document_bytes_max: 200 << 20,
        ..Limits::default()
    };
    let value = "A".repeat(100 << 20);
    for text in [
        format!("<P xmlns=\"http://hl7.org/fhir\"><data value=\"{value}\"/></P>"),
        format!("{{\"resourceType\":\"P\",\"data\":\"{value}\"}}"),
    ] {
        assert_eq!(refused(&*text), IssueKind::TooLong);
        let issue = Document::read(text, &Arc::new(Names::new()), &limits).err().unwrap().issue;
        assert_eq!(issue.kind, IssueKind::DataTooLong);
    }
    let spaces = (0..NAMESPACES_MAX).fold(String::new(), |text, n| {
        text + &format!("<a xmlns:n{n}=\"urn:{n}\" xmlns:m{n}=\"urn:m\">")
    });
    assert_eq!(refused(spaces), IssueKind::TooManyElements);
    let attributes: String = (0..100_000).map(|n| format!(" a{n}=\"\"")).collect();
    assert_eq!(refused(format!("<P{attributes}/>")), IssueKind::TooManyElements);
}

/// A gigabyte of blanks that is never there as a whole.
struct Gigabyte {
    left: usize,
    given: usize,
}

impl Read for Gigabyte {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let bytes = into.len().min(self.left);
        into[..bytes].fill(b' ');
        self.left -= bytes;
        self.given += bytes;
        Ok(bytes)
    }
}

#[test]
fn a_gigabyte_is_left_unread() {
    let mut stream = Gigabyte { left: 1 << 30, given: 0 };
    let limits = Limits::default();
    let error = read_bounded(&mut stream, &limits).unwrap_err();
    assert!(matches!(error, StreamError::TooLong { .. }));
    assert_eq!(error.issue().unwrap().kind, IssueKind::TooLong);
    assert_eq!(stream.given, limits.document_bytes_max + 1);
}

#[test]
fn wide_objects_cost_no_more_than_their_keys() {
    let members: String = (0..100_000)
        .map(|n| format!(",\"_k{n}\":{{\"id\":\"1\"}},\"k{n}\":1"))
        .collect();
    let text = format!("{{\"resourceType\":\"A\"{members}}}");
    let document = Document::read(text, &Arc::new(Names::new()), &Limits::default()).unwrap();
    assert_eq!(document.len(), 200_001);
}
