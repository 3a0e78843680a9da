use std::collections::HashMap;

use crate::path::Resolution;
use crate::source::{Document, NodeId};

/// Where the references of a document lead: full URLs of bundles, and contained resources.
pub(super) struct Links<'a> {
    document: &'a Document,
    /// Entries of each bundle by full URL, and by `Type/id` where an entry has none.
    bundles: Vec<BundleLinks<'a>>,
}

struct BundleLinks<'a> {
    bundle: NodeId,
    by_url: HashMap<String, NodeId>,
    /// First resource of each `Type/id`.
    by_type_id: HashMap<(&'a str, &'a str), NodeId>,
}

impl<'a> Links<'a> {
    /// Looks every bundle's entries up once. O(nodes).
    pub fn new(document: &'a Document) -> Self {
        let mut bundles = Vec::new();
        let nodes = std::iter::once(document.root()).chain(document.descendants(document.root()));
        let wanted = document.names().get("Bundle");
        for bundle in nodes.filter(|n| wanted.is_some() && document.resource_type_id(*n) == wanted) {
            let (mut by_url, mut by_type_id) = (HashMap::new(), HashMap::new());
            for entry in named(document, bundle, "entry") {
                let Some(resource) = named(document, entry, "resource").next() else {
                    continue;
                };
                if let Some(url) = text(document, entry, "fullUrl") {
                    by_url.entry(url.to_owned()).or_insert(resource);
                }
                if let (Some(of), Some(id)) = (document.resource_type(resource), text(document, resource, "id")) {
                    by_type_id.entry((of, id)).or_insert(resource);
                }
            }
            bundles.push(BundleLinks {
                bundle,
                by_url,
                by_type_id,
            });
        }
        Self { document, bundles }
    }

    /// Follows a reference (FHIR R4, "Resolving references in Bundles", and contained resources).
    pub fn resolve(&self, from: NodeId, reference: &str) -> Resolution {
        if let Some(id) = reference.strip_prefix('#') {
            return self.contained(from, id).map_or(Resolution::Nothing, Resolution::Node);
        }
        let reference = reference.split_once('|').map_or(reference, |(r, _)| r);
        let reference = reference.split_once("/_history/").map_or(reference, |(r, _)| r);
        let mut at = Some(from);
        let mut full_url = None;
        while let Some(node) = at {
            if self.document.name(node) == "entry" && full_url.is_none() {
                full_url = text(self.document, node, "fullUrl");
            }
            if let Some(links) = self.bundles.iter().find(|b| b.bundle == node)
                && let Some(found) = links.find(reference, full_url)
            {
                return Resolution::Node(found);
            }
            at = self.document.parent(node);
        }
        Resolution::Unknown
    }

    /// Whether a node stands in a bundle.
    pub fn is_bundled(&self, node: NodeId) -> bool {
        let mut at = Some(node);
        while let Some(this) = at {
            if this != node && self.bundles.iter().any(|b| b.bundle == this) {
                return true;
            }
            at = self.document.parent(this);
        }
        false
    }

    fn contained(&self, from: NodeId, id: &str) -> Option<NodeId> {
        let mut holder = self.document.resource_of(from);
        while self.document.name(holder) == "contained" {
            holder = self.document.resource_of(self.document.parent(holder)?);
        }
        if id.is_empty() {
            return Some(holder);
        }
        named(self.document, holder, "contained").find(|c| text(self.document, *c, "id") == Some(id))
    }
}

impl BundleLinks<'_> {
    fn find(&self, reference: &str, full_url: Option<&str>) -> Option<NodeId> {
        if let Some(found) = self.by_url.get(reference) {
            return Some(*found);
        }
        if reference.contains(':') {
            return None;
        }
        let (of, id) = reference
            .rsplit_once('/')
            .map(|(head, id)| (head.rsplit('/').next().unwrap_or(head), id))?;
        // a relative reference is relative to the server that the full URL of its entry names
        if let Some(base) = full_url.and_then(restful_base) {
            return self.by_url.get(&format!("{base}{of}/{id}")).copied();
        }
        self.by_type_id.get(&(of, id)).copied()
    }
}

/// `http://server/base/` of `http://server/base/Patient/1`.
fn restful_base(url: &str) -> Option<&str> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return None;
    }
    let (head, _) = url.rsplit_once('/')?;
    let (base, of) = head.rsplit_once('/')?;
    of.starts_with(|c: char| c.is_ascii_uppercase()).then(|| &url[..=base.len()])
}

/// Children of a name.
pub(super) fn named<'a>(document: &'a Document, node: NodeId, name: &'a str) -> impl Iterator<Item = NodeId> + 'a {
    document.children(node).filter(move |c| document.name(*c) == name)
}

/// The value of the first child of a name.
pub(super) fn text<'a>(document: &'a Document, node: NodeId, name: &str) -> Option<&'a str> {
    let child = document.children(node).find(|c| document.name(*c) == name)?;
    document.value(child)
}
