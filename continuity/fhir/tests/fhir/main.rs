//! What the reader finds in real documents, and what it does with broken ones.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test's helpers fail and talk like the test itself"
)]

mod fhirpath;
mod hostile;
mod labels;
mod packages;
mod path;
mod small;
mod source;

use std::path::{Path, PathBuf};

use leckwehr_fhir::{DEPTH_MAX, DOCUMENT_BYTES_MAX, IssueKind, inspect};

const SMALL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Bundle xmlns="http://hl7.org/fhir">
  <meta><profile value="https://example.org/P|1.2"/></meta>
  <identifier><system value="urn:ietf:rfc:3986"/><value value="urn:uuid:1"/></identifier>
  <type value="document"/><timestamp value="2026-02-03T10:00:00Z"/>
  <entry><resource><Patient><identifier><value value="A123456780"/></identifier></Patient></resource></entry>
</Bundle>
"#;

fn kinds(bytes: &[u8]) -> Vec<IssueKind> {
    inspect(bytes).issues.iter().map(|i| i.kind).collect()
}

#[test]
fn a_bundle_is_recognised_and_said_not_to_be_validated() {
    let outcome = inspect(SMALL.as_bytes());
    assert!(outcome.well_formed && !outcome.validated);
    assert_eq!(outcome.resource_type.as_deref(), Some("Bundle"));
    assert_eq!(outcome.profiles[0].version.as_deref(), Some("1.2"));
    assert_eq!(outcome.identifier.as_ref().unwrap().value, "urn:uuid:1");
    assert_eq!(outcome.bundle_type.as_deref(), Some("document"));
    assert_eq!(outcome.timestamp.as_deref(), Some("2026-02-03T10:00:00Z"));
    assert_eq!(outcome.entries, ["Patient"]);
    assert_eq!(outcome.issues, []);
    assert!(!format!("{outcome:?}").contains("urn:uuid:1"));
}

#[test]
fn issues_name_the_place() {
    let broken = SMALL.replace("</entry>", "</entri>");
    let issue = inspect(broken.as_bytes()).issues[0];
    assert_eq!(issue.kind, IssueKind::NotWellFormed);
    assert_eq!(issue.place.line, 6);
    assert_eq!(issue.place.byte as usize, broken.find("</entri>").unwrap());
}

#[test]
fn every_kind_of_trouble_has_its_name() {
    let with = |from: &str, to: &str| kinds(SMALL.replace(from, to).as_bytes());
    assert_eq!(kinds(b" \n"), [IssueKind::Empty]);
    assert_eq!(kinds(b"{\"resourceType\":\"Bundle\"}"), [IssueKind::Json]);
    assert_eq!(kinds(b"\xff\xfe<"), [IssueKind::NotUtf8]);
    assert_eq!(kinds(&vec![b' '; DOCUMENT_BYTES_MAX + 1]), [IssueKind::TooLong]);
    assert_eq!(kinds(format!("\u{feff}{SMALL}").as_bytes()), [IssueKind::ByteOrderMark]);
    assert_eq!(with("UTF-8", "ISO-8859-1"), [IssueKind::NotUtf8]);
    assert_eq!(with("urn:uuid:1", "a\u{1}"), [IssueKind::BadCharacter]);
    assert_eq!(with("urn:uuid:1", "&patient;"), [IssueKind::Entity]);
    assert_eq!(with("urn:uuid:1", "&#28;"), [IssueKind::Entity]);
    assert_eq!(with("urn:uuid:1", "a<b"), [IssueKind::NotWellFormed]);
    assert_eq!(with("urn:uuid:1", ""), [IssueKind::EmptyValue, IssueKind::NoIdentifier]);
    assert_eq!(with("<entry>", "<entry>more"), [IssueKind::StrayText]);
    assert_eq!(with("<entry>", "<entry more=\"1\">"), [IssueKind::UnknownAttribute]);
    assert_eq!(with("<entry>", "<entry xmlns=\"urn:other\">"), [IssueKind::ForeignNamespace]);
    assert_eq!(
        with("<Patient>", "<id value=\"1\"/><Patient>"),
        [IssueKind::MisplacedResource]
    );
    assert_eq!(with("urn:uuid:1", &"u".repeat(2000))[0], IssueKind::ValueTooLong);
    assert_eq!(with("http://hl7.org/fhir", "urn:other"), [IssueKind::NotFhir]);
    assert_eq!(
        with("<profile value=\"https://example.org/P|1.2\"/>", ""),
        [IssueKind::NoProfile]
    );
    assert_eq!(with("</Bundle>", "</Bundle><Bundle/>"), [IssueKind::OutsideRoot]);
    assert_eq!(with("</Bundle>", "</Bundle>more"), [IssueKind::OutsideRoot]);
    assert_eq!(with("</Bundle>", ""), [IssueKind::Truncated]);
}

#[test]
fn a_billion_laughs_are_refused_unread() {
    let mut bomb = "<!DOCTYPE l [<!ENTITY a \"ha\">".to_owned();
    for level in 1..10 {
        bomb += &format!("<!ENTITY a{level} \"{}\">", format!("&a{};", level - 1).repeat(10));
    }
    bomb += "]><Bundle xmlns=\"http://hl7.org/fhir\">&a9;</Bundle>";
    assert_eq!(kinds(bomb.as_bytes()), [IssueKind::DocumentType]);
}

#[test]
fn nesting_and_number_of_elements_are_limited() {
    let nested = |n: usize| format!("<a xmlns=\"http://hl7.org/fhir\">{}{}</a>", "<b>".repeat(n), "</b>".repeat(n));
    assert!(inspect(nested(DEPTH_MAX - 1).as_bytes()).well_formed);
    assert_eq!(kinds(nested(DEPTH_MAX).as_bytes()), [IssueKind::TooDeep]);
    assert_eq!(kinds("<a>".repeat(1_000_000).as_bytes()).last(), Some(&IssueKind::TooDeep));
    let wide = format!("<a>{}</a>", "<b/>".repeat(1_000_001));
    assert_eq!(kinds(wide.as_bytes()).last(), Some(&IssueKind::TooManyElements));
}

#[test]
fn no_truncation_is_taken_for_a_whole_document() {
    let whole = SMALL.trim_end().as_bytes();
    for cut in 0..whole.len() {
        let outcome = inspect(&whole[..cut]);
        assert!(!outcome.well_formed && !outcome.issues.is_empty(), "cut at {cut}");
    }
}

#[test]
fn no_flipped_bit_makes_it_panic() {
    let mut bytes = SMALL.as_bytes().to_vec();
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let _ = inspect(&bytes);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn all_published_documents_are_read() {
    let Some(folder) = data("eau/examples") else { return };
    let mut documents = Vec::new();
    collect(&folder, &mut documents);
    let (valid, invalid): (Vec<_>, Vec<_>) = documents
        .iter()
        .partition(|p| p.components().any(|c| c.as_os_str() == "valid"));
    assert_eq!((valid.len(), invalid.len()), (112, 32));
    for path in &valid {
        let outcome = inspect(&std::fs::read(path).unwrap());
        assert!(outcome.well_formed && outcome.issues.is_empty(), "{path:?}: {outcome:?}");
        assert!(!outcome.profiles.is_empty(), "{path:?}");
        let is_bundle = outcome.resource_type.as_deref() == Some("Bundle");
        assert_eq!(outcome.identifier.is_some(), is_bundle, "{path:?}");
        assert_eq!(!outcome.entries.is_empty(), is_bundle, "{path:?}");
    }
    let told = |p: &&&PathBuf| !inspect(&std::fs::read(p).unwrap()).issues.is_empty();
    let noticed = invalid.iter().filter(told).count();
    println!(
        "a reader alone notices {noticed} of {} invalid documents; the others need a validator",
        invalid.len()
    );

    let documents = valid.iter().map(|p| std::fs::read(p).unwrap());
    let smallest = documents.min_by_key(Vec::len).unwrap();
    let end = smallest.iter().rposition(|b| *b == b'>').unwrap();
    for cut in 0..end {
        assert!(!inspect(&smallest[..cut]).well_formed, "cut at {cut}");
    }
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|e| e == "xml") {
            into.push(path);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tests find their data by the environment")]
fn data(under: &str) -> Option<PathBuf> {
    let beside = || format!("{}/../../../shared/data", env!("CARGO_MANIFEST_DIR"));
    let folder = PathBuf::from(std::env::var("LECKWEHR_DATA").unwrap_or_else(|_| beside())).join(under);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var("LECKWEHR_REQUIRE_DATA").is_err(), "no data in {folder:?}");
    println!("skipped: no data in {folder:?} (set LECKWEHR_DATA)");
    None
}
