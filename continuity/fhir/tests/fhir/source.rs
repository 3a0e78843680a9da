//! XML and JSON become the same tree.

use std::sync::Arc;

use leckwehr_fhir::source::{Document, Limits, Names, NodeId, Written};
use leckwehr_fhir::{Issue, IssueKind};

pub fn read(text: &str) -> Document {
    Document::read(text, &Arc::new(Names::new()), &Limits::default()).unwrap()
}

fn kinds(text: &str) -> Vec<IssueKind> {
    match Document::read(text, &Arc::new(Names::new()), &Limits::default()) {
        Ok(document) => document.issues().iter().map(|i: &Issue| i.kind).collect(),
        Err(unreadable) => vec![unreadable.issue.kind],
    }
}

/// Writes a tree as one line: names, types, values.
fn shape(document: &Document, node: NodeId) -> String {
    let mut text = document.name(node).to_owned();
    if let Some(of) = document.resource_type(node) {
        text += &format!("#{of}");
    }
    if let Some(value) = document.value(node) {
        text += &format!("={value}");
    }
    let children: Vec<_> = document.children(node).map(|n| shape(document, n)).collect();
    if children.is_empty() {
        text
    } else {
        format!("{text}({})", children.join(" "))
    }
}

const XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- a patient --><Patient xmlns="http://hl7.org/fhir">
  <id value="p1"/>
  <text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><p id="a">A &amp; B</p></div></text>
  <contained><Organization><id value="o1"/><name value="M&#xE4;&#10;x &lt;"/></Organization></contained>
  <extension url="urn:x"><valueCode value="c"/></extension>
  <name id="n1"><given value="Ada"/><given><extension url="urn:y"><valueInteger value="5"/></extension></given></name>
  <birthDate id="b" value="1974-12-25"><extension url="urn:t"><valueDecimal value="1.50"/></extension></birthDate>
</Patient>"#;

const JSON: &str = r#"{ "resourceType": "Patient", "id": "p1",
  "text": {"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p id=\"a\">A &amp; B</p></div>"},
  "contained": [{"id": "o1", "name": "M\u00e4\nx <", "resourceType": "Organization"}],
  "extension": [{"url": "urn:x", "valueCode": "c"}],
  "name": [{"id": "n1", "given": ["Ada", null], "_given": [null, {"extension": [{"url": "urn:y", "valueInteger": 5}]}]}],
  "_birthDate": {"id": "b", "extension": [{"url": "urn:t", "valueDecimal": 1.50}]},
  "birthDate": "1974-12-25"
}"#;

#[test]
fn xml_and_json_give_one_tree() {
    let (xml, json) = (read(XML), read(JSON));
    let expected = "Patient#Patient(id=p1 text(status=generated div=<div xmlns=\"http://www.w3.org/1999/xhtml\"><p id=\"a\">\
        A &amp; B</p></div>) contained#Organization(id=o1 name=Mä\nx <) extension(url=urn:x valueCode=c) \
        name(id=n1 given=Ada given(extension(url=urn:y valueInteger=5))) \
        birthDate=1974-12-25(id=b extension(url=urn:t valueDecimal=1.50)))";
    assert_eq!(shape(&xml, xml.root()), expected);
    assert_eq!(shape(&json, json.root()), expected);
    assert!(xml.issues().is_empty() && json.issues().is_empty());
    assert_eq!(xml.len(), json.len());
}

#[test]
fn nodes_know_their_place_and_how_they_were_written() {
    let (xml, json) = (read(XML), read(JSON));
    let find = |d: &Document, name| d.descendants(d.root()).filter(|n| d.name(*n) == name).collect::<Vec<_>>();
    let given = find(&xml, "given");
    let place = xml.place(given[1]);
    assert_eq!((place.line, place.column), (7, 37));
    assert_eq!(&XML[place.byte as usize..][..6], "<given");
    assert_eq!(given.iter().map(|n| xml.position(*n)).collect::<Vec<_>>(), [0, 1]);
    let given = find(&json, "given");
    assert!(json.is_array_item(given[0]) && !json.is_array_item(find(&json, "birthDate")[0]));
    assert_eq!(json.written(given[0]), Written::JsonString);
    assert_eq!(json.written(given[1]), Written::JsonNull);
    assert_eq!(json.place(given[0]).line, 5);
    assert_eq!(json.written(find(&json, "valueInteger")[0]), Written::JsonNumber);
    assert_eq!(xml.written(find(&xml, "url")[0]), Written::XmlAttribute);
    assert!(find(&xml, "div").iter().all(|n| xml.is_narrative(*n)));
    let organization = find(&xml, "contained")[0];
    assert_eq!(xml.resource_of(find(&xml, "name")[0]), organization);
    assert_eq!(xml.parent(organization), Some(xml.root()));
}

#[test]
fn names_of_the_schema_are_the_same_number_in_all_documents() {
    let mut names = Names::new();
    let given = names.intern("given");
    let names = Arc::new(names);
    for text in [XML, JSON] {
        let document = Document::read(text, &names, &Limits::default()).unwrap();
        let found = document
            .descendants(document.root())
            .filter(|n| document.name_id(*n) == given);
        assert_eq!(found.count(), 2);
        assert!(document.name_id(document.root()).is_local());
    }
}

#[test]
fn odd_json_has_its_names() {
    use IssueKind::*;
    for (text, expected) in [
        ("{\"resourceType\":\"A\",\"b\":[]}", &[EmptyJson][..]),
        ("{\"resourceType\":\"A\",\"b\":{}}", &[EmptyJson]),
        ("{\"resourceType\":\"A\",\"b\":null}", &[JsonNull]),
        ("{\"resourceType\":\"A\",\"b\":[null,1]}", &[JsonNull]),
        ("{\"resourceType\":\"A\",\"b\":[[1]]}", &[JsonShape]),
        ("{\"resourceType\":\"A\",\"b\":1,\"_b\":[{\"id\":\"1\"}]}", &[JsonShape]),
        ("{\"resourceType\":\"A\",\"b\":1,\"_b\":2}", &[JsonShape]),
        ("{\"resourceType\":\"A\",\"b\":1,\"b\":1}", &[DuplicateKey]),
        ("{\"resourceType\":\"A\",\"b\":\"\"}", &[EmptyValue]),
        ("{\"resourceType\":\"A\",\"b\":\"\\u0001\"}", &[BadCharacter]),
        ("{\"resourceType\":\"A\",\"b\":\"\\ud800\"}", &[BadCharacter]),
        ("{\"resourceType\":7}", &[NoResourceType, NoResourceType]),
        ("{\"a\":1}", &[NoResourceType]),
        ("[1]", &[NotWellFormed]),
        ("{\"a\":01}", &[NotWellFormed]),
        ("{\"a\":1.}", &[NotWellFormed]),
        ("{\"a\":1,}", &[NotWellFormed]),
        ("{\"a\":NaN}", &[NotWellFormed]),
        ("{\"a\":\"\t\"}", &[BadCharacter]),
        ("{\"a\":tr", &[Truncated]),
        ("{\"a\":\"b", &[Truncated]),
        ("{\"a\":1} x", &[OutsideRoot]),
    ] {
        assert_eq!(kinds(text), expected, "{text}");
    }
}

#[test]
fn a_prefix_that_is_no_name_is_refused_whatever_names_are_known() {
    let text = r#"<f&amp;:Patient xmlns:f="http://hl7.org/fhir"/>"#;
    let mut known = Names::new();
    known.intern("Patient");
    for names in [Names::new(), known] {
        let read = Document::read(text, &Arc::new(names), &Limits::default());
        assert_eq!(read.err().map(|e| e.issue.kind), Some(IssueKind::NotWellFormed));
    }
}
