use std::sync::{Arc, LazyLock};

use leckwehr_fhir::source::{DEPTH_MAX, Document, Limits, Names};
use leckwehr_fhir::{Issue, inspect, narrative};

use crate::fingerprint;

static NAMES: LazyLock<Arc<Names>> = LazyLock::new(|| {
    let mut names = Names::new();
    for name in [
        "Patient",
        "id",
        "name",
        "given",
        "text",
        "div",
        "extension",
        "url",
        "resourceType",
    ] {
        names.intern(name);
    }
    Arc::new(names)
});

/// Reads a document and walks it in every way that the reader offers; checks what the tree promises.
pub fn walk(bytes: &[u8]) -> u64 {
    let (document, stop) = match Document::read(bytes, &NAMES, &Limits::default()) {
        Ok(document) => (document, None),
        Err(unreadable) => (*unreadable.partial, Some(unreadable.issue)),
    };
    let outcome = inspect(bytes);
    assert!(stop.is_some() || !document.is_empty(), "a whole document has a root");
    assert_eq!(
        outcome.well_formed,
        stop.is_none() && document.format() == leckwehr_fhir::source::Format::Xml
    );
    let (mut deepest, mut values, mut narratives) = (0, 0_u64, 0_u64);
    if !document.is_empty() {
        let root = document.root();
        let mut depths = vec![0; document.len()];
        let mut met = 1;
        for node in document.descendants(root) {
            met += 1;
            let parent = document.parent(node).unwrap_or(node);
            assert!(parent < node, "a parent stands before its children");
            depths[node.index()] = depths[parent.index()] + 1;
            deepest = deepest.max(depths[node.index()]);
            values += document.value(node).map_or(0, |_| 1);
            if document.is_narrative(node) {
                narratives += document
                    .value(node)
                    .map_or(0, |text| 1 + u64::from(narrative::check(text).is_none()));
            }
        }
        assert_eq!(met, document.len(), "every node is below the root");
        assert!(deepest < DEPTH_MAX + 2, "the depth is limited");
        assert!(document.children(root).count() < document.len());
        let last = document.descendants(root).next_back().unwrap_or(root);
        let place = document.place(last);
        assert!(place.line >= 1 && place.column >= 1 && place.byte <= bytes.len() as u64);
        let _ = (document.position(last), document.resource_of(last), document.name(last));
    }
    let of_issue = |issue: &Issue| issue.kind as u64 + 1;
    let mut issues: Vec<u64> = document.issues().iter().map(of_issue).collect();
    issues.sort_unstable();
    issues.dedup();
    let sizes = [
        (document.len() as u64).min(40),
        deepest as u64 / 4,
        values.min(20),
        narratives.min(3),
    ];
    fingerprint(issues.into_iter().chain(sizes).chain(stop.as_ref().map(of_issue)))
}
