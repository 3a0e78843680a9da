use std::collections::BTreeMap;

use leckwehr_incident::PlanRecord;
use serde::{Deserialize, Serialize};

/// Largest order that is read, in bytes: a plan of some thousand steps, or one file to put back.
pub const ORDER_BYTES_MAX: usize = 32 << 20;

/// The OpenC2 actions used here (Language Specification 1.0, § 3.3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Read state and counters; needs no plan.
    Query,
    /// Try whether something answers; needs no plan.
    Scan,
    /// Isolate a host or cut a connection.
    Deny,
    /// Release it.
    Allow,
    /// Change credentials.
    Set,
    /// Look for the attacker's traces and end his sessions.
    Investigate,
    /// Put a file back.
    Restore,
}

impl Action {
    /// Returns whether the action changes the world and so needs an approved plan.
    pub fn needs_warrant(self) -> bool {
        !matches!(self, Self::Query | Self::Scan)
    }
}

/// One person's word for a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Approver's name, as the executor's key list has it.
    pub approver: String,
    /// Ed25519 signature over the plan's hash (its hex text), hex.
    pub signature: String,
}

/// An OpenC2 command. `target` and `args` follow the language; what is ours is namespaced `x-leckwehr`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The action.
    pub action: Action,
    /// One target: type → specifier, e.g. `{"x-leckwehr:system": "fs-1"}` or `{"features": []}`.
    pub target: BTreeMap<String, serde_json::Value>,
    /// Arguments.
    #[serde(default)]
    pub args: BTreeMap<String, serde_json::Value>,
}

impl Order {
    /// Builds an order with one target.
    pub fn new(action: Action, target_type: &str, specifier: impl Into<serde_json::Value>) -> Self {
        let target = BTreeMap::from([(target_type.to_owned(), specifier.into())]);
        Self {
            action,
            target,
            args: BTreeMap::new(),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.args.insert(name.to_owned(), value.into());
        self
    }

    /// Returns the specifier of the target if it is text.
    pub fn target_text(&self) -> &str {
        self.target
            .values()
            .next()
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
    }
}

/// What travels: the order with the plan that warrants it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Names this order; a repeated id of a done order is answered, not done again.
    pub request_id: String,
    /// The order.
    pub order: Order,
    /// The plan and the number of its step; absent for orders that change nothing.
    pub plan: Option<(PlanRecord, u32)>,
    /// Words for the plan.
    #[serde(default)]
    pub approvals: Vec<Approval>,
}

/// OpenC2 status codes (§ 3.3.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Status(pub u16);

impl Status {
    /// Done.
    pub const OK: Self = Self(200);
    /// The order cannot be understood.
    pub const BAD_REQUEST: Self = Self(400);
    /// No sufficient warrant.
    pub const FORBIDDEN: Self = Self(403);
    /// No such target here.
    pub const NOT_FOUND: Self = Self(404);
    /// Tried and failed.
    pub const INTERNAL_ERROR: Self = Self(500);
    /// Not an action of this executor.
    pub const NOT_IMPLEMENTED: Self = Self(501);

    /// Returns whether the order certainly did nothing: it was refused, or is none of this executor's. One that was tried and
    /// failed may have done a part.
    pub fn is_certainly_not_applied(self) -> bool {
        matches!(self.0, 400..=499) || self == Self::NOT_IMPLEMENTED
    }
}

/// An OpenC2 response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// Status.
    pub status: Status,
    /// In words.
    pub status_text: String,
    /// Results.
    #[serde(default)]
    pub results: serde_json::Value,
}

impl Reply {
    /// Builds the answer for a done order.
    pub fn done(results: serde_json::Value) -> Self {
        Self {
            status: Status::OK,
            status_text: String::new(),
            results,
        }
    }
}
