use crate::schema::{Element, Profile};
use crate::source::NodeId;

/// One element of a profile that was applied to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Applied {
    pub node: NodeId,
    pub profile: String,
    pub element: Box<str>,
    pub slice: Box<str>,
    pub rules: Vec<Box<str>>,
}

impl Applied {
    pub fn new(node: NodeId, profile: &Profile, element: &Element) -> Self {
        Self {
            node,
            profile: profile.canonical(),
            element: element.label.clone(),
            slice: element.slice.clone(),
            rules: element.rules.iter().map(|r| r.key.clone()).collect(),
        }
    }
}
