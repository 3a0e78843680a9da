use std::collections::HashMap;

use super::fault::{Fault, Severity};
use super::links::{named, text};
use super::walk::Walk;
use crate::path::Resolution;
use crate::source::NodeId;

impl Walk<'_> {
    /// Rules of bundles that no invariant says: full URLs, references of documents, resources that nothing refers to.
    pub fn bundle(&mut self, node: NodeId) {
        let document = self.document;
        if document.resource_type(node) != Some("Bundle") {
            return;
        }
        let kind = text(document, node, "type").unwrap_or_default();
        let mut resources = Vec::new();
        for entry in named(document, node, "entry") {
            let Some(resource) = named(document, entry, "resource").next() else {
                continue;
            };
            resources.push(resource);
            self.full_url(entry, resource);
        }
        if kind == "document" && !resources.is_empty() {
            self.composition(resources[0]);
            self.orphans(&resources);
        }
    }

    fn full_url(&mut self, entry: NodeId, resource: NodeId) {
        let document = self.document;
        let Some(node) = named(document, entry, "fullUrl").next() else {
            return;
        };
        let (Some(url), Some(id)) = (document.value(node), text(document, resource, "id")) else {
            return;
        };
        let of = document.resource_type(resource).unwrap_or_default();
        let is_http = url.starts_with("http://") || url.starts_with("https://");
        // a URL of another form than `…/Type/id` says nothing about the id
        let said = match url.rsplit_once('/') {
            Some((head, last)) if is_http && head.ends_with(&format!("/{of}")) => Some(last),
            None => url.strip_prefix("urn:uuid:").filter(|_| id.len() == 36),
            Some(_) => None,
        };
        let fits = said.is_none_or(|said| said.eq_ignore_ascii_case(id));
        if !fits {
            self.find(node, Severity::Warning, Fault::FullUrl, None);
        }
    }

    /// What the Composition of a document refers to must be in the document (FHIR R4, "Documents").
    fn composition(&mut self, composition: NodeId) {
        let document = self.document;
        if document.resource_type(composition) != Some("Composition") {
            return;
        }
        for reference in document.descendants(composition) {
            let name = document.name(reference);
            let parent = document.parent(reference);
            let is_top = parent == Some(composition) && matches!(name, "subject" | "encounter" | "author" | "custodian");
            let in_section = matches!(name, "entry") && parent.is_some_and(|p| document.name(p) == "section");
            let in_attester = name == "party" && parent.is_some_and(|p| document.name(p) == "attester");
            if !(is_top || in_section || in_attester) || self.type_name(reference) != "Reference" {
                continue;
            }
            if let Some(target) = text(document, reference, "reference")
                && self.links.resolve(reference, target) != Resolution::Unknown
            {
                continue;
            }
            if text(document, reference, "reference").is_some() {
                self.find(reference, Severity::Error, Fault::TargetMissing, None);
            }
        }
    }

    /// Resources that are reached neither from the Composition nor lead to what is (the R4 rule counts both directions).
    fn orphans(&mut self, resources: &[NodeId]) {
        let document = self.document;
        let number: HashMap<NodeId, usize> = resources.iter().enumerate().map(|(i, r)| (*r, i)).collect();
        let mut neighbours = vec![Vec::new(); resources.len()];
        for (i, resource) in resources.iter().enumerate() {
            for node in document.descendants(*resource) {
                if Some(document.name_id(node)) != self.words.reference {
                    continue;
                }
                let Some(value) = document.value(node) else { continue };
                if let Resolution::Node(target) = self.links.resolve(node, value)
                    && let Some(j) = number.get(&target)
                {
                    neighbours[i].push(*j);
                    neighbours[*j].push(i);
                }
            }
        }
        let mut seen = vec![false; resources.len()];
        let mut open = vec![0];
        while let Some(at) = open.pop() {
            if !std::mem::replace(&mut seen[at], true) {
                open.extend(&neighbours[at]);
            }
        }
        for (resource, _) in resources.iter().zip(seen).filter(|(_, seen)| !seen) {
            self.find(*resource, Severity::Error, Fault::Orphan, None);
        }
    }
}
