use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::block::Block;

/// Packets and bytes that a rule or set element has matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// IP bytes.
    pub bytes: u64,
}

/// What the firewall says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FirewallState {
    /// Interfaces now cut, with the packets that were stopped there: the evidence of attempts after the cut. Renewing a cut
    /// keeps its count, except for packets stopped within the renewal itself; releasing it forgets the count.
    pub cut: BTreeMap<String, Counter>,
    /// Packets that passed a cut interface behind the cut. Anything is a hole, but for one packet per processor: so many can have
    /// been between cut and witness when the cut came into force. Releasing forgets these, and keeps what was a hole.
    pub passed: BTreeMap<String, Counter>,
    /// Bytes sent to each IPv4 address outside since the guard started: byte conservation at the egress.
    pub egress: BTreeMap<Ipv4Addr, Counter>,
    /// All bytes sent through each interface that leads outside, whatever protocol and address: what the sum of `egress`
    /// falls short of this went to addresses that were not told apart (IPv6, or more than the meter holds).
    #[serde(default)]
    pub outside: BTreeMap<String, Counter>,
}

/// A firewall operation that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum FirewallError {
    /// The kernel refused or could not be asked.
    #[error("{operation} failed")]
    Kernel {
        /// What was tried.
        operation: &'static str,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
    /// The kernel's answer was lost. Whether the change is in force is not known.
    #[error("the kernel's answer to {operation} was lost")]
    Lost {
        /// What was asked.
        operation: &'static str,
        /// Why it could not be read.
        #[source]
        source: std::io::Error,
    },
    /// More interfaces than one transaction takes.
    #[error("{found} interfaces in one order; a transaction takes {max}")]
    TooMany {
        /// Interfaces asked for.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// More bytes than the kernel takes in one piece from a user without the right to raise the limit.
    #[error("{operation} does not fit into one transaction; run the guard as root, or raise net.core.wmem_max")]
    TooLarge {
        /// What was tried.
        operation: &'static str,
    },
    /// An interface name is empty or longer than 15 bytes.
    #[error("{name:?} cannot be an interface name (1 to 15 bytes)")]
    BadInterface {
        /// The name.
        name: String,
    },
    /// This firewall cuts interfaces only.
    #[error("this firewall blocks no addresses, it cuts interfaces only")]
    Unsupported,
    /// The kernel's answer could not be read.
    #[error("the kernel's answer to {operation} could not be read")]
    Unreadable {
        /// What was asked.
        operation: &'static str,
    },
}

impl FirewallError {
    /// Returns whether the change is certainly not in force. A refused transaction changes nothing.
    pub fn is_certainly_not_applied(&self) -> bool {
        !matches!(self, Self::Lost { .. } | Self::Unreadable { .. })
    }
}

/// A switch that can be cut: the kernel's nftables, or a simulated network.
pub trait Firewall: Send {
    /// Sets up tables and counters, all or nothing; where they are there, cuts and counters stay. `outside` names interfaces
    /// that lead outside; further ones are added.
    fn prepare(&mut self, outside: &[String]) -> Result<(), FirewallError>;
    /// Cuts the interfaces in one transaction; with a lease the cut undoes itself after that many milliseconds. What is cut
    /// already gets the new lease (or none) in place of the old one, without a gap.
    fn cut(&mut self, interfaces: &[String], lease_ms: Option<u64>) -> Result<(), FirewallError>;
    /// Releases the interfaces in one transaction; those that are not cut are left alone.
    fn release(&mut self, interfaces: &[String]) -> Result<(), FirewallError>;
    /// Reads state and counters.
    fn state(&mut self) -> Result<FirewallState, FirewallError>;
    /// Adds blocks and exceptions, each with its lease in milliseconds, in one transaction; one that is there gets the new lease.
    fn block(&mut self, _blocks: &[(Block, Option<u64>)]) -> Result<(), FirewallError> {
        Err(FirewallError::Unsupported)
    }
    /// Takes blocks and exceptions away in one transaction; those that are not there are left alone.
    fn unblock(&mut self, _blocks: &[Block]) -> Result<(), FirewallError> {
        Err(FirewallError::Unsupported)
    }
    /// Counts what each block has met; `None` if it is not in force.
    fn blocked(&mut self, _blocks: &[Block]) -> Result<Vec<Option<Counter>>, FirewallError> {
        Err(FirewallError::Unsupported)
    }
}
