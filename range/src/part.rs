//! What a node is, what it is told, and what it says: the words between director and nodes.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

use leckwehr_control::{Config, Input, Output};
use leckwehr_crypt::Identity;
use leckwehr_guard::FirewallState;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::attacker::{AttackRole, Entry};
use crate::benign::{PracticeReport, PracticeWork, UserWork};
use crate::host::HostRole;
use crate::shell::Login;
use crate::usage::{Trial, Used};
use crate::world::GuardPlace;

/// Who may give a node orders.
#[derive(Clone, Serialize, Deserialize)]
pub struct OrderRole {
    /// Name of the executor in plans.
    pub executor: String,
    /// Executor of the directory.
    pub directory: Option<String>,
    /// Own management address.
    pub management: Ipv4Addr,
    /// Certificate.
    pub identity: Identity,
    /// Public half of the key that signs the control room's orders.
    pub controller: [u8; 32],
    /// Public keys of the approvers.
    pub approvers: BTreeMap<String, [u8; 32]>,
    /// File of the fence; the journal lies beside it.
    pub fence: PathBuf,
}

/// What a node is.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "kebab-case")]
pub enum Role {
    /// A router with a guard.
    Guard {
        /// Guard's name.
        name: String,
        /// What lies behind it.
        place: GuardPlace,
        /// Orders.
        orders: OrderRole,
    },
    /// A host of the provider.
    Host {
        /// The host.
        host: Box<HostRole>,
        /// Orders.
        orders: OrderRole,
        /// A user who works on it.
        user: Option<UserWork>,
        /// The administrator's daily logons, if this is where he works.
        daily: Vec<Login>,
    },
    /// A vendor's host.
    Vendor {
        /// The host.
        host: HostRole,
    },
    /// Where stolen data goes.
    Drop {
        /// Address.
        address: Ipv4Addr,
    },
    /// A foreign web host.
    Mirror {
        /// Address.
        address: Ipv4Addr,
        /// Token.
        token: String,
    },
    /// A practice.
    Practice {
        /// Its work.
        work: PracticeWork,
    },
    /// An insurer.
    Insurer {
        /// The record store.
        epa: SocketAddrV4,
    },
    /// Somebody who reads the status site.
    Reader {
        /// Web hosts.
        mirrors: Vec<SocketAddrV4>,
        /// The site's public key.
        key: [u8; 32],
    },
    /// The attacker.
    Attacker {
        /// What he knows.
        attack: AttackRole,
    },
    /// The control room.
    Control {
        /// What it knows.
        config: Box<Config>,
        /// Folders that it must not see.
        hidden: Vec<PathBuf>,
    },
}

/// A copy of the status site that verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteCopy {
    /// Sequence number.
    pub seq: u64,
    /// SHA-256 of the manifest, hex.
    pub manifest: String,
}

/// What the director tells a node.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "kebab-case")]
pub enum Tell {
    /// Begin.
    Begin,
    /// Stop, and say what you did.
    Stop,
    /// Say when you have done one more round of your work.
    Round,
    /// Say how things stand.
    Report,
    /// Use services, to see whether they work.
    Try {
        /// Which, and how.
        trials: Vec<Trial>,
    },
    /// An account has a new secret.
    Secret {
        /// Account.
        account: String,
        /// Secret.
        secret: String,
    },
    /// For the control room.
    Control {
        /// Input.
        input: Input,
    },
}

/// What a node says to the director.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case")]
pub enum Say {
    /// In its namespace, waiting for cables.
    Born,
    /// At work.
    Up,
    /// A round of work that began after it was asked for is over.
    Round,
    /// A user wrote a document.
    Wrote {
        /// System.
        system: String,
        /// File.
        path: String,
        /// SHA-256, hex.
        digest: String,
        /// Did the file service confirm it?
        confirmed: bool,
    },
    /// A service was used, or did not work.
    Used {
        /// Service id.
        service: String,
        /// How it went.
        used: Used,
    },
    /// The user finished what he was at and stopped.
    Rested,
    /// From the control room.
    Control {
        /// Output.
        output: Output,
    },
    /// What a practice did.
    Practice {
        /// The report.
        report: PracticeReport,
    },
    /// What the attacker did.
    Diary {
        /// The diary.
        entries: Vec<Entry>,
    },
    /// Bytes that arrived at the drop.
    Dropped {
        /// Bytes.
        bytes: u64,
    },
    /// A guard's counters.
    Guard {
        /// The state.
        state: FirewallState,
    },
    /// Records that core processing holds.
    Core {
        /// Records.
        records: u64,
    },
    /// Copies of the status site that verified.
    Read {
        /// Each copy; `None` if it did not verify.
        copies: Vec<Option<SiteCopy>>,
    },
    /// The node cannot go on.
    Failed {
        /// Why.
        error: String,
    },
}

/// A node's line to the director.
#[derive(Clone)]
pub struct Voice {
    name: String,
    sender: mpsc::UnboundedSender<(String, Say)>,
}

impl Voice {
    /// Makes the voice of a node.
    pub fn new(name: &str, sender: mpsc::UnboundedSender<(String, Say)>) -> Self {
        Self {
            name: name.to_owned(),
            sender,
        }
    }

    /// Says something. A director that is gone hears nothing, and the node ends with it.
    pub fn say(&self, what: Say) {
        let _ = self.sender.send((self.name.clone(), what));
    }
}

/// Writes an error with its causes into one line, as one process tells it to another.
pub fn in_words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
