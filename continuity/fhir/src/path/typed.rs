use super::schema::{Schema, TypeId};
use crate::source::{Document, NameId, NodeId};

const UNTYPED: TypeId = TypeId(u32::MAX);

/// A document and what the schema calls each of its nodes.
pub struct TypedDocument<'a> {
    document: &'a Document,
    /// By node: its type, its element's name.
    nodes: Vec<(TypeId, NameId)>,
}

impl<'a> TypedDocument<'a> {
    /// Looks every node up once. O(nodes), 8 bytes a node.
    ///
    /// A node that its parent's type does not know, and all below it, have no type; they keep the names they were written with.
    pub fn new(document: &'a Document, schema: &dyn Schema) -> Self {
        let mut nodes: Vec<(TypeId, NameId)> = Vec::with_capacity(document.len());
        for index in 0..document.len() {
            let node = NodeId(index as u32);
            let name = document.name_id(node);
            let parent = document.parent(node).map_or(UNTYPED, |parent| nodes[parent.index()].0);
            let known = if parent == UNTYPED { None } else { schema.child(parent, name) };
            let element = known.map_or(name, |k| k.element);
            let resource = document.resource_type(node).and_then(|of| schema.type_named(of));
            let type_id = resource.or(known.map(|k| k.type_id)).unwrap_or(UNTYPED);
            nodes.push((type_id, element));
        }
        Self { document, nodes }
    }

    /// Returns the document.
    pub fn document(&self) -> &'a Document {
        self.document
    }

    /// Returns the type of a node: of a resource its own, not that of the element that holds it. O(1).
    pub fn type_of(&self, node: NodeId) -> Option<TypeId> {
        let type_id = self.nodes[node.index()].0;
        (type_id != UNTYPED).then_some(type_id)
    }

    /// Returns the name of the element that a node is: `value` for `valueQuantity`. O(1).
    pub fn element(&self, node: NodeId) -> NameId {
        self.nodes[node.index()].1
    }
}
