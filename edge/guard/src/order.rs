use std::collections::BTreeMap;
use std::fmt;

use leckwehr_crypt::{SigningKey, VerifyingKey, from_hex, hex};
use leckwehr_incident::{PlanRecord, Timestamp};
use serde::{Deserialize, Serialize};

use crate::guard::{COMPARTMENT, COMPARTMENTS};
use crate::seal::Seal;

/// Largest order that is read, in bytes: a plan of some thousand steps, or one file to put back.
pub const ORDER_BYTES_MAX: usize = 32 << 20;
/// Most steps of a plan that one order does together.
pub const STEPS_PER_ORDER_MAX: usize = 1_024;

/// The actions of OpenC2 (Language Specification 1.0, § 3.3.1.1) and what they mean here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Try whether something answers; needs no plan.
    Scan,
    /// Not used here.
    Locate,
    /// Read state and counters; needs no plan.
    Query,
    /// Isolate a host, cut a connection, or block traffic.
    Deny,
    /// Freeze processes.
    Contain,
    /// Release what was denied or contained.
    Allow,
    /// Start a unit.
    Start,
    /// Stop a unit.
    Stop,
    /// Not used here.
    Restart,
    /// Not used here.
    Cancel,
    /// Change credentials, or turn a switch.
    Set,
    /// Not used here.
    Update,
    /// Not used here.
    Redirect,
    /// Not used here.
    Create,
    /// Take a rule away by its number.
    Delete,
    /// Not used here.
    Detonate,
    /// Put a file back.
    Restore,
    /// Not used here.
    Copy,
    /// Look for the attacker's traces and end his sessions.
    Investigate,
    /// Not used here.
    Remediate,
}

impl Action {
    /// Returns whether the action changes the world and so needs an approved plan.
    pub fn needs_warrant(self) -> bool {
        !matches!(self, Self::Query | Self::Scan)
    }

    /// Returns its word in the language.
    pub fn word(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Locate => "locate",
            Self::Query => "query",
            Self::Deny => "deny",
            Self::Contain => "contain",
            Self::Allow => "allow",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Cancel => "cancel",
            Self::Set => "set",
            Self::Update => "update",
            Self::Redirect => "redirect",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Detonate => "detonate",
            Self::Restore => "restore",
            Self::Copy => "copy",
            Self::Investigate => "investigate",
            Self::Remediate => "remediate",
        }
    }

    /// Returns the action that takes this one back.
    pub fn inverse(self) -> Option<Self> {
        Some(match self {
            Self::Deny | Self::Contain => Self::Allow,
            Self::Allow => Self::Deny,
            Self::Stop => Self::Start,
            Self::Start => Self::Stop,
            Self::Set => Self::Set,
            _ => return None,
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One person's word for a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Approver's name, as the executor's key list has it.
    pub approver: String,
    /// Ed25519 signature over [`Approval::message`], hex.
    pub signature: String,
    /// Until when a step may be begun on this word; without it, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
}

impl Approval {
    /// What a person signs: the plan's hash (its hex text), and if the word ends, a line with its end in nanoseconds since 1970.
    pub fn message(hash: &str, valid_until: Option<Timestamp>) -> Vec<u8> {
        match valid_until {
            None => hash.as_bytes().to_vec(),
            Some(at) => format!("{hash}\nvalid-until {}\n", at.0).into_bytes(),
        }
    }

    /// Signs a plan's hash.
    pub fn sign(approver: &str, key: &SigningKey, hash: &str, valid_until: Option<Timestamp>) -> Self {
        Self {
            approver: approver.to_owned(),
            signature: hex(&key.sign(&Self::message(hash, valid_until))),
            valid_until,
        }
    }

    /// Returns whether this is the word of the key's holder for the plan. Whether it is still in time is another question.
    pub fn is_of(&self, key: &VerifyingKey, hash: &str) -> bool {
        let signature = from_hex(&self.signature);
        signature.is_some_and(|bytes| key.verify(&Self::message(hash, self.valid_until), &bytes).is_ok())
    }
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

    /// Turns the order that does a step into the one that takes it back; `None` if nothing takes it back.
    ///
    /// It needs no new approval, only the plan's and the control room's seal, and only takes back what that step did there.
    pub fn undoing(&self) -> Option<Self> {
        let undo = Self {
            action: self.action.inverse()?,
            ..self.clone()
        };
        Some(undo.with(UNDO, true))
    }

    /// Returns whether the order takes a step back instead of doing it.
    pub fn is_undo(&self) -> bool {
        self.args.get(UNDO).and_then(serde_json::Value::as_bool) == Some(true)
    }

    /// Returns the type of the target.
    pub fn target_type(&self) -> &str {
        self.target.keys().next().map(String::as_str).unwrap_or_default()
    }

    /// Splits an order for several compartments into one for each; every other order is one already.
    pub fn singles(&self) -> Vec<Self> {
        let names = match (self.target_type(), self.target.values().next()) {
            (COMPARTMENTS, Some(serde_json::Value::Array(names))) => names,
            _ => return vec![self.clone()],
        };
        let single = |name: &serde_json::Value| Self {
            action: self.action,
            target: BTreeMap::from([(COMPARTMENT.to_owned(), name.clone())]),
            args: self.args.clone(),
        };
        names.iter().map(single).collect()
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

/// The argument of an order that takes its step back.
pub(crate) const UNDO: &str = "x-leckwehr:undo";

/// What travels: the order with the plan that warrants it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Names this order in logs and answers.
    pub request_id: String,
    /// The order.
    pub order: Order,
    /// The plan and the numbers of its steps that the order does together, in the order of its targets; absent for orders that
    /// change nothing.
    pub plan: Option<(PlanRecord, Vec<u32>)>,
    /// Words for the plan.
    #[serde(default)]
    pub approvals: Vec<Approval>,
    /// Number of the control room's start: orders of an older start than the newest seen are refused.
    #[serde(default)]
    pub epoch: u64,
    /// The control room's signature over all of this, for orders that change something ([`Envelope::sealed`]). An order with a
    /// seal that was done already is answered, not done again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<Seal>,
}

impl Envelope {
    /// Returns the steps, each by its plan's hash and its number.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (String, u32)> {
        let planned = self.plan.iter();
        planned.flat_map(|(plan, numbers)| numbers.iter().map(|number| (plan.hash.clone(), *number)))
    }
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
    /// Somebody is at it.
    pub const PROCESSING: Self = Self(102);
    /// Not signed by the control room.
    pub const UNAUTHORIZED: Self = Self(401);
    /// No sufficient warrant.
    pub const FORBIDDEN: Self = Self(403);
    /// No such target here.
    pub const NOT_FOUND: Self = Self(404);
    /// Tried and failed.
    pub const INTERNAL_ERROR: Self = Self(500);
    /// Not an action of this executor.
    pub const NOT_IMPLEMENTED: Self = Self(501);
    /// Cannot work now.
    pub const UNAVAILABLE: Self = Self(503);

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

    /// Returns whether the order certainly did nothing: by its status, or because the executor says that it had not begun.
    pub fn is_certainly_not_applied(&self) -> bool {
        self.status.is_certainly_not_applied() || self.results.get("applied") == Some(&serde_json::json!(false))
    }
}
