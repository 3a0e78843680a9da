use super::document::{Flaw, NodeId, Stop, Written};
use super::limits::ISSUES_MAX;
use super::names::DocumentNames;
use super::{Limits, NameId};
use crate::IssueKind;

/// The value is in the decoded text, not in the source.
pub(super) const DECODED: u8 = 1;
/// An item of a JSON array.
pub(super) const ARRAY_ITEM: u8 = 2;
/// The value is XHTML.
pub(super) const NARRATIVE: u8 = 4;

const NO_RESOURCE: NameId = NameId(u32::MAX);

/// A range of bytes of the source or of the decoded text.
#[derive(Clone, Copy, Default)]
pub(super) struct Span {
    /// One more than the offset; 0 for no value at all.
    start: u32,
    length: u32,
}

impl Span {
    pub fn new(start: usize, length: usize) -> Self {
        Self {
            start: start as u32 + 1,
            length: length as u32,
        }
    }

    pub fn start(self) -> Option<usize> {
        self.start.checked_sub(1).map(|start| start as usize)
    }

    pub fn end(self) -> usize {
        self.start.saturating_sub(1) as usize + self.length as usize
    }
}

#[derive(Clone, Copy)]
pub(super) struct Node {
    pub name: NameId,
    resource: NameId,
    pub parent: u32,
    /// One past the last descendant.
    pub end: u32,
    pub at: u32,
    pub value: Span,
    pub written: Written,
    pub flags: u8,
}

impl Node {
    pub fn resource_type(&self) -> Option<NameId> {
        (self.resource != NO_RESOURCE).then_some(self.resource)
    }
}

/// A document while it is read.
pub(super) struct Tree {
    pub nodes: Vec<Node>,
    pub decoded: String,
    pub names: DocumentNames,
    pub flaws: Vec<Flaw>,
    pub limits: Limits,
    /// The nodes not yet closed, outermost first.
    pub open: Vec<NodeId>,
    elements: usize,
}

impl Tree {
    pub fn new(names: DocumentNames, limits: Limits) -> Self {
        Self {
            nodes: Vec::new(),
            decoded: String::new(),
            names,
            flaws: Vec::new(),
            limits,
            open: Vec::new(),
            elements: 0,
        }
    }

    /// Counts an element that may not become a node, and the depth it stands at.
    pub fn count(&mut self, depth: usize, at: usize) -> Result<(), Stop> {
        self.elements += 1;
        if self.elements > self.limits.elements_max {
            return Err((IssueKind::TooManyElements, at));
        }
        if depth >= self.limits.depth() {
            return Err((IssueKind::TooDeep, at));
        }
        Ok(())
    }

    /// Adds a child to the innermost open node and opens it.
    pub fn enter(&mut self, name: NameId, at: usize, written: Written) -> NodeId {
        let node = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node {
            name,
            resource: NO_RESOURCE,
            parent: self.open.last().map_or(0, |parent| parent.0),
            end: node.0 + 1,
            at: at as u32,
            value: Span::default(),
            written,
            flags: 0,
        });
        self.open.push(node);
        node
    }

    pub fn leave(&mut self) {
        if let Some(node) = self.open.pop() {
            self.nodes[node.index()].end = self.nodes.len() as u32;
        }
    }

    /// Closes what a broken document left open.
    pub fn close_all(&mut self) {
        while !self.open.is_empty() {
            self.leave();
        }
    }

    pub fn set_resource(&mut self, node: NodeId, name: NameId) {
        self.nodes[node.index()].resource = name;
    }

    pub fn set_flag(&mut self, node: NodeId, flag: u8) {
        self.nodes[node.index()].flags |= flag;
    }

    /// Gives a node the value that stands in the source.
    pub fn set_value(&mut self, node: NodeId, value: Span) {
        self.nodes[node.index()].value = value;
    }

    /// Gives a node a value that is not in the source as it is.
    pub fn set_decoded(&mut self, node: NodeId, value: &str) {
        let span = self.keep(value);
        self.set_value(node, span);
        self.set_flag(node, DECODED);
    }

    /// Keeps a decoded text.
    pub fn keep(&mut self, text: &str) -> Span {
        let start = self.decoded.len();
        self.decoded.push_str(text);
        Span::new(start, text.len())
    }

    pub fn note(&mut self, kind: IssueKind, at: usize) {
        if self.flaws.len() < ISSUES_MAX {
            self.flaws.push(Flaw {
                kind,
                byte: at as u32,
                node: self.open.last().copied(),
            });
        }
    }
}

/// Characters that XML 1.0 does not allow, written or referred to; FHIR allows no others in JSON.
pub(super) fn is_forbidden(c: char) -> bool {
    (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}')
}
