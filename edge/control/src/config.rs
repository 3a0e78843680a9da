use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::net::SocketAddrV4;
use std::path::PathBuf;

use leckwehr_contain::{Protocol, TakedownPolicy};
use leckwehr_crypt::Identity;
use leckwehr_estate::Estate;
use leckwehr_guard::Approval;
use leckwehr_incident::{Decision, Phase, PlanRecord, SignedWord, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::statement::Statement;

/// Longest wait for the answer to one order, in milliseconds: files are put back in orders of some megabytes.
pub(crate) const ORDER_MS_MAX: u64 = 20_000;

/// Longest time for bringing the status site to one mirror and reading it back, in milliseconds.
pub(crate) const MIRROR_MS_MAX: u64 = 60_000;

/// What a control room knows when it starts.
#[derive(Clone, Serialize, Deserialize)]
pub struct Config {
    /// The estate.
    pub estate: Estate,
    /// Folder for ledger and site.
    pub folder: PathBuf,
    /// Seed of the ledger's key.
    pub ledger_seed: [u8; 32],
    /// Seed of the status site's key.
    pub site_seed: [u8; 32],
    /// Certificate towards guards and agents.
    pub identity: Identity,
    /// Guards by name, agents as `agent:<system>`.
    pub executors: BTreeMap<String, SocketAddrV4>,
    /// Foreign hosts for the status site.
    pub mirrors: Vec<Mirror>,
    /// System that holds the backup vault.
    pub vault: Option<String>,
    /// The agreed rules of a takedown.
    pub policy: TakedownPolicy,
    /// Public keys of the people who may approve plans.
    pub approvers: BTreeMap<String, [u8; 32]>,
    /// How many of them must approve each plan.
    pub approvals_min: usize,
    /// The agreed protocol: who of them may order what, and whose counter-signature a clause wants. `None`: any of them anything.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// Who may say that work by hand is done, beside the approvers.
    #[serde(default)]
    pub confirmers: Vec<Confirmer>,
    /// What must stay reachable whatever is cut: a takedown that costs one of these is undone.
    #[serde(default)]
    pub life_lines: Vec<LifeLine>,
    /// Milliseconds that a planned minute takes: 60,000, or less in a drill.
    pub minute_ms: u64,
}

impl Config {
    /// Returns the keys of those who decide for us: the approvers without those who sign for a customer.
    pub fn deciders(&self) -> BTreeMap<String, [u8; 32]> {
        let keys = self.approvers.iter().filter(|(name, _)| self.decides(name));
        keys.map(|(name, key)| (name.clone(), *key)).collect()
    }

    /// Returns whether this approver decides for us, and does not only counter-sign for a customer.
    pub(crate) fn decides(&self, name: &str) -> bool {
        let people = self.protocol.as_ref().map(|protocol| &protocol.approval.people);
        people
            .and_then(|people| people.get(name))
            .is_none_or(|person| person.signs_for.is_none())
    }
}

/// Something that must stay reachable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifeLine {
    /// System whose agent tries.
    pub from: String,
    /// What must answer.
    pub to: SocketAddrV4,
}

/// A foreign host that takes copies of the status site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirror {
    /// Name.
    pub name: String,
    /// Address.
    pub address: SocketAddrV4,
    /// What it wants to see before it takes a file.
    pub token: String,
}

/// Somebody who may say that work by hand is done, beside those who approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmer {
    /// Name.
    pub name: String,
    /// Ed25519 public key.
    pub key: [u8; 32],
    /// Whose steps: executors as plans name them, `crew:…` and `party:…`.
    pub executors: BTreeSet<String>,
}

/// What comes in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "input", rename_all = "kebab-case")]
pub enum Input {
    /// One line of telemetry.
    Telemetry {
        /// The line.
        line: String,
    },
    /// What was seen so far is normal; from now on novelty counts.
    EndLearning,
    /// Somebody's word for a plan.
    Approved {
        /// Hash of the plan.
        hash: String,
        /// The word.
        approval: Approval,
    },
    /// A person's word that work by hand is done, or about a restoration.
    Confirmed {
        /// The word.
        word: SignedWord,
    },
    /// A no to a plan, a delegation, an absence.
    Said {
        /// What was signed.
        statement: Statement,
    },
    /// A person's decision about alarms.
    Decided {
        /// The decision.
        decision: Decision,
    },
    /// Close the books.
    Finish,
}

/// What goes out to the people in the room.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "output", rename_all = "kebab-case")]
pub enum Output {
    /// The incident entered a phase.
    Phase {
        /// The phase.
        phase: Phase,
        /// When.
        at: Timestamp,
    },
    /// A plan waits for approval.
    Approve {
        /// The plan.
        plan: PlanRecord,
    },
    /// An account has a new secret, to be handed to its owner.
    Secret {
        /// Account.
        account: String,
        /// Secret.
        secret: String,
    },
    /// A decision about alarms could not be carried out.
    Refused {
        /// Why.
        reason: String,
    },
    /// A step of a plan ended.
    Step {
        /// `isolate-host fs-1`, ….
        text: String,
    },
    /// The books are closed.
    Closed {
        /// Entries in the ledger.
        entries: u64,
        /// SHA-256, hex, of the situation's canonical JSON as the room held it: a replay of the ledger must give the same.
        situation: String,
    },
}

/// The world: sockets and clock.
pub trait Wires: Clone + Send + Sync + 'static {
    /// A byte stream.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Connects, or fails within a bounded time.
    fn connect(&self, to: SocketAddrV4) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Returns the time.
    fn now(&self) -> Timestamp;

    /// Milliseconds after which an order that was not answered is given up: whether it was done is then not known.
    fn order_ms_max(&self) -> u64 {
        ORDER_MS_MAX
    }

    /// Milliseconds after which a mirror that did not take and give back the whole status site is given up: it counts as one
    /// without the right copy.
    fn mirror_ms_max(&self) -> u64 {
        MIRROR_MS_MAX
    }
}
