use super::moment::Moment;
use super::value::Value;
use crate::source::NodeId;

/// What became of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// It leads to a node of the same document.
    Node(NodeId),
    /// It certainly leads nowhere: `resolve()` is empty.
    Nothing,
    /// It leads out of what can be seen here.
    Unknown,
}

/// Whether something conforms to a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conformance {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// There is no profile of that name: the expression is wrong.
    NoSuchProfile,
    /// It cannot be told here.
    Unknown,
}

/// What an expression can ask of the world. Each answer may be "cannot be told", and is unless it is given.
pub trait Host {
    /// Returns the time of evaluation, for `now()`, `today()` and `timeOfDay()`.
    fn now(&self) -> Option<Moment> {
        None
    }

    /// Follows a reference that is written at a node.
    fn resolve(&self, from: NodeId, reference: &str) -> Resolution {
        let _ = (from, reference);
        Resolution::Unknown
    }

    /// Returns whether a code, Coding, CodeableConcept or text is in a value set; nothing if that cannot be told.
    fn member_of(&self, item: &Value<'_>, value_set: &str) -> Option<bool> {
        let _ = (item, value_set);
        None
    }

    /// Returns whether one code subsumes another; nothing if that cannot be told.
    fn subsumes(&self, general: &Value<'_>, special: &Value<'_>) -> Option<bool> {
        let _ = (general, special);
        None
    }

    /// Returns whether a node conforms to a profile.
    fn conforms_to(&self, node: NodeId, profile: &str) -> Conformance {
        let _ = (node, profile);
        Conformance::Unknown
    }
}

/// Knows nothing of the world.
pub struct NoHost;

impl Host for NoHost {}
