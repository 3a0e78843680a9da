use super::schema::{Schema, TypeId};
use crate::source::{Document, NameId, NodeId};

const UNTYPED: TypeId = TypeId(u32::MAX);
/// Set where a node is not written as its element is called: `valueQuantity` for `value`.
const CHOICE: u32 = 1 << 30;

/// A document and what the schema calls each of its nodes.
pub struct TypedDocument<'a> {
    document: &'a Document,
    nodes: Vec<TypedNode>,
    /// Names that functions look for, where the document has them.
    pub(super) extension: Option<NameId>,
    pub(super) url: Option<NameId>,
}

/// All that a step of a path looks at, in one place.
#[derive(Clone, Copy)]
struct TypedNode {
    type_id: TypeId,
    /// The number of the element's name, and [`CHOICE`].
    element: u32,
    /// One past the last descendant.
    end: u32,
}

impl<'a> TypedDocument<'a> {
    /// Looks every node up once. O(nodes), 12 bytes a node.
    ///
    /// A node that its parent's type does not know, and all below it, have no type; they keep the names they were written with.
    pub fn new(document: &'a Document, schema: &dyn Schema) -> Self {
        let mut nodes: Vec<TypedNode> = Vec::with_capacity(document.len());
        for index in 0..document.len() {
            let node = NodeId(index as u32);
            let name = document.name_id(node);
            let parent = document.parent(node).map_or(UNTYPED, |parent| nodes[parent.index()].type_id);
            let known = if parent == UNTYPED { None } else { schema.child(parent, name) };
            let element = known.map_or(name, |k| k.element);
            let resource = document.resource_type(node).and_then(|of| schema.type_named(of));
            nodes.push(TypedNode {
                type_id: resource.or(known.map(|k| k.type_id)).unwrap_or(UNTYPED),
                element: element.0 | if element == name { 0 } else { CHOICE },
                end: document.end(node),
            });
        }
        Self {
            document,
            nodes,
            extension: document.name_of("extension"),
            url: document.name_of("url"),
        }
    }

    /// Returns the document.
    pub fn document(&self) -> &'a Document {
        self.document
    }

    /// Returns the type of a node: of a resource its own, not that of the element that holds it. O(1).
    pub fn type_of(&self, node: NodeId) -> Option<TypeId> {
        let type_id = self.nodes[node.index()].type_id;
        (type_id != UNTYPED).then_some(type_id)
    }

    /// Returns the name of the element that a node is: `value` for `valueQuantity`. O(1).
    pub fn element(&self, node: NodeId) -> NameId {
        NameId(self.nodes[node.index()].element & !CHOICE)
    }

    /// Gives each child whose element has this name (`value`), or which is written so (`valueQuantity`), to `take`. Returns how
    /// many children there are.
    pub(super) fn children_named(&self, node: NodeId, name: NameId, mut take: impl FnMut(NodeId)) -> usize {
        let mut children = 0;
        let mut next = node.index() + 1;
        let end = self.nodes[node.index()].end as usize;
        while next < end {
            let Some(child) = self.nodes.get(next) else { break };
            let is_named = child.element & !CHOICE == name.0
                || (child.element & CHOICE != 0 && self.document.name_id(NodeId(next as u32)) == name);
            if is_named {
                take(NodeId(next as u32));
            }
            children += 1;
            next = child.end as usize;
        }
        children
    }
}
