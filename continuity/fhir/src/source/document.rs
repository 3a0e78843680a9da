use std::sync::{Arc, OnceLock};

use super::names::DocumentNames;
use super::tree::{DECODED, Node, Tree};
use super::{Limits, NameId, Names, json, xml};
use crate::{Issue, IssueKind, Place};

/// A document as a tree of elements in one array, the same for XML and JSON. It is patient data: it has no `Debug`.
///
/// The array is in document order, so a parent stands before its children and a subtree is a range.
///
/// - An element is a node with a name. XML attributes `id` and `url` are nodes too, before the other children; the attribute
///   `value` is the node's [`value`](Self::value). JSON's `_birthDate` is one node with `birthDate`; items of a JSON array are
///   nodes of one name, as in XML.
/// - A resource is the node that holds it: `<resource><Patient>` is one node `resource` with
///   [`resource_type`](Self::resource_type) `Patient`. The root is named as its type.
/// - The narrative `text.div` is one node whose value is its XHTML as written; its tags are no nodes.
///
/// Memory: the text once, decoded values beside it, and 32 bytes a node.
///
/// ```
/// # use std::sync::Arc;
/// # use leckwehr_fhir::source::{Document, Limits, Names};
/// let xml = r#"<Patient xmlns="http://hl7.org/fhir"><name><given value="Ada"/><given value="M."/></name></Patient>"#;
/// let document = Document::read(xml, &Arc::new(Names::new()), &Limits::default()).map_err(|e| e.issue)?;
/// let name = document.children(document.root()).next().map(|n| document.children(n).filter_map(|g| document.value(g)));
/// assert_eq!(name.into_iter().flatten().collect::<Vec<_>>(), ["Ada", "M."]);
/// # Ok::<(), leckwehr_fhir::Issue>(())
/// ```
pub struct Document {
    source: String,
    decoded: String,
    names: DocumentNames,
    nodes: Vec<Node>,
    flaws: Vec<Flaw>,
    format: Format,
    line_starts: OnceLock<Vec<u32>>,
}

/// A node of one document, in document order. The default is the root.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// Returns the position in document order, below [`Document::len`]: for side tables.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a document was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// FHIR XML.
    Xml,
    /// FHIR JSON.
    Json,
}

/// How a node was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// An XML element.
    XmlElement,
    /// An XML attribute: `id` of an element, `url` of an extension.
    XmlAttribute,
    /// A JSON string.
    JsonString,
    /// A JSON number; its value is as written.
    JsonNumber,
    /// `true` or `false`.
    JsonBool,
    /// `null`, or only its shadow `_name` is there.
    JsonNull,
    /// A JSON object.
    JsonObject,
}

/// Something odd that did not stop the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flaw {
    /// What.
    pub kind: IssueKind,
    /// Offset in bytes.
    pub byte: u32,
    /// The node it is at or in, where there is one.
    pub node: Option<NodeId>,
}

/// A document that cannot be read to its end.
pub struct Unreadable {
    /// Why, and where.
    pub issue: Issue,
    /// What was read until then. It may be without any node.
    pub partial: Box<Document>,
}

impl std::fmt::Debug for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unreadable")
            .field("issue", &self.issue)
            .finish_non_exhaustive()
    }
}

/// Why reading stopped, and at which byte.
pub(super) type Stop = (IssueKind, usize);

impl Document {
    /// Reads XML or JSON, whichever it begins like. One pass, O(bytes); never panics, and recurses no deeper than the limit.
    ///
    /// Element names that `names` knows get its numbers.
    ///
    /// # Errors
    /// The first thing that makes reading on impossible, with what was read before it.
    pub fn read(bytes: impl Into<Vec<u8>>, names: &Arc<Names>, limits: &Limits) -> Result<Self, Unreadable> {
        let mut tree = Tree::new(DocumentNames::new(names), *limits);
        let mut bytes = bytes.into();
        let mut stopped = None;
        if bytes.len() > limits.document_bytes() {
            bytes = Vec::new();
            stopped = Some((IssueKind::TooLong, limits.document_bytes()));
        }
        let source = String::from_utf8(bytes).unwrap_or_else(|error| {
            let valid = error.utf8_error().valid_up_to();
            stopped = Some((IssueKind::NotUtf8, valid));
            let mut bytes = error.into_bytes();
            bytes.truncate(valid);
            String::from_utf8(bytes).unwrap_or_default()
        });
        let begin = source.trim_start_matches('\u{feff}').trim_start();
        let format = if begin.starts_with(['{', '[']) {
            Format::Json
        } else {
            Format::Xml
        };
        let ended = match (stopped, format) {
            (Some(stop), _) => Err(stop),
            (None, Format::Json) => json::read(&source, &mut tree),
            (None, Format::Xml) => xml::read(&source, &mut tree),
        };
        tree.close_all();
        let document = Self {
            source,
            decoded: tree.decoded,
            names: tree.names,
            nodes: tree.nodes,
            flaws: tree.flaws,
            format,
            line_starts: OnceLock::new(),
        };
        match ended {
            Ok(()) => Ok(document),
            Err((kind, byte)) => Err(Unreadable {
                issue: document.issue(kind, byte),
                partial: Box::new(document),
            }),
        }
    }

    /// Returns how it was written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Returns the names of the schema it was read with.
    pub fn names(&self) -> &Arc<Names> {
        &self.names.shared
    }

    /// Returns the number that a name has in this document; nothing if neither the schema nor the document has it.
    pub fn name_of(&self, text: &str) -> Option<NameId> {
        self.names.get(text)
    }

    /// Returns the root. A document that could be read has one.
    pub fn root(&self) -> NodeId {
        NodeId(0)
    }

    /// Returns the number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns whether nothing was read, which a partial document alone can be.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Returns the name of a node. O(1).
    pub fn name(&self, node: NodeId) -> &str {
        self.names.text(self.name_id(node))
    }

    /// Returns the number of a node's name. O(1).
    pub fn name_id(&self, node: NodeId) -> NameId {
        self.nodes[node.index()].name
    }

    /// Returns the text of a primitive, decoded; for the narrative, its XHTML. O(1).
    pub fn value(&self, node: NodeId) -> Option<&str> {
        let node = &self.nodes[node.index()];
        let text = if node.flags & DECODED == 0 {
            &self.source
        } else {
            &self.decoded
        };
        text.get(node.value.start()?..node.value.end())
    }

    /// Returns the type of the resource that a node holds. O(1).
    pub fn resource_type(&self, node: NodeId) -> Option<&str> {
        self.resource_type_id(node).map(|name| self.names.text(name))
    }

    /// Returns the number of the type's name. O(1).
    pub fn resource_type_id(&self, node: NodeId) -> Option<NameId> {
        self.nodes[node.index()].resource_type()
    }

    /// Returns the node that it stands in. O(1).
    pub fn parent(&self, node: NodeId) -> Option<NodeId> {
        (node.0 > 0).then(|| NodeId(self.nodes[node.index()].parent))
    }

    /// Returns its children in document order. O(children).
    pub fn children(&self, node: NodeId) -> Children<'_> {
        let end = self.nodes.get(node.index()).map_or(0, |n| n.end);
        Children {
            nodes: &self.nodes,
            next: node.0 + 1,
            end,
        }
    }

    /// Returns what stands below it, in document order. O(1) to make.
    pub fn descendants(&self, node: NodeId) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        let end = self.nodes.get(node.index()).map_or(0, |n| n.end);
        (node.0 + 1..end).map(NodeId)
    }

    /// Returns one past its last descendant.
    pub(crate) fn end(&self, node: NodeId) -> u32 {
        self.nodes[node.index()].end
    }

    /// Returns its place among the siblings of its name, from 0. O(siblings): for messages.
    pub fn position(&self, node: NodeId) -> usize {
        let name = self.name_id(node);
        let before = |parent| {
            self.children(parent)
                .take_while(|n| *n != node)
                .filter(|n| self.name_id(*n) == name)
                .count()
        };
        self.parent(node).map_or(0, before)
    }

    /// Returns how it was written. O(1).
    pub fn written(&self, node: NodeId) -> Written {
        self.nodes[node.index()].written
    }

    /// Returns whether it was an item of a JSON array. O(1).
    pub fn is_array_item(&self, node: NodeId) -> bool {
        self.nodes[node.index()].flags & super::tree::ARRAY_ITEM != 0
    }

    /// Returns whether its value is XHTML. O(1).
    pub fn is_narrative(&self, node: NodeId) -> bool {
        self.nodes[node.index()].flags & super::tree::NARRATIVE != 0
    }

    /// Returns the node that holds the nearest resource: itself or one above it. O(depth).
    pub fn resource_of(&self, node: NodeId) -> NodeId {
        let mut at = node;
        while self.resource_type_id(at).is_none() {
            match self.parent(at) {
                Some(parent) => at = parent,
                None => break,
            }
        }
        at
    }

    /// Returns where it begins. The first call finds the line breaks, O(bytes); later ones are O(log lines + line).
    pub fn place(&self, node: NodeId) -> Place {
        self.place_of_byte(self.nodes[node.index()].at as usize)
    }

    /// Returns what was odd and did not stop the reader, in order of reading; at most [`ISSUES_MAX`](super::ISSUES_MAX).
    pub fn flaws(&self) -> &[Flaw] {
        &self.flaws
    }

    /// Returns the same with their places.
    pub fn issues(&self) -> Vec<Issue> {
        self.flaws.iter().map(|f| self.issue(f.kind, f.byte as usize)).collect()
    }

    fn issue(&self, kind: IssueKind, byte: usize) -> Issue {
        Issue {
            kind,
            place: self.place_of_byte(byte),
        }
    }

    fn place_of_byte(&self, byte: usize) -> Place {
        let starts = self.line_starts.get_or_init(|| {
            let breaks = self.source.bytes().enumerate().filter(|(_, b)| *b == b'\n');
            std::iter::once(0).chain(breaks.map(|(at, _)| at as u32 + 1)).collect()
        });
        let line = starts.partition_point(|start| *start as usize <= byte).max(1);
        let start = starts[line - 1] as usize;
        let written = self
            .source
            .as_bytes()
            .get(start..byte.min(self.source.len()))
            .unwrap_or_default();
        Place {
            byte: byte as u64,
            line: line as u64,
            column: 1 + written.iter().filter(|b| **b & 0xC0 != 0x80).count() as u64,
        }
    }
}

/// Children of a node, in document order.
pub struct Children<'a> {
    nodes: &'a [Node],
    next: u32,
    end: u32,
}

impl Iterator for Children<'_> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        if self.next >= self.end {
            return None;
        }
        let found = NodeId(self.next);
        self.next = self.nodes.get(found.index())?.end;
        Some(found)
    }
}
