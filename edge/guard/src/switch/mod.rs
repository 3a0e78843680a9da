//! Switches that are no firewall of ours, behind one trait.
//!
//! ```text
//!   freeze       a cgroup, or one process put into one        undone by thawing
//!   unit         a systemd unit, by systemctl                 undone by starting it, if it ran before
//!   command      programs of the house: DNS (nsupdate), accounts, appliances    read, cut, restore
//!   openc2       somebody else's firewall, by OpenC2 over HTTPS
//!   network-policy   Kubernetes, by its API
//!   manual       a person who is called and signs what was done
//! ```

mod command;
mod freeze;
mod https;
mod manual;
mod network_policy;
mod openc2;
mod process;
mod unit;

use std::future::Future;
use std::io;
use std::pin::Pin;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::order::{Order, Reply, Status};

pub use command::CommandSwitch;
pub use freeze::FreezeSwitch;
pub use https::HttpsPeer;
pub use manual::{ManualSwitch, confirmation_bytes};
pub use network_policy::NetworkPolicySwitch;
pub use openc2::OpenC2Switch;
pub use process::ProcessSwitch;
pub use unit::UnitSwitch;

/// How a switch stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Position {
    /// Traffic flows, processes run.
    Open,
    /// Cut.
    Cut,
    /// A person must act; nothing is known until he has.
    Waiting {
        /// What to tell whom.
        ask: String,
    },
}

impl Position {
    /// Returns the answer for an order that left the switch like this.
    pub(crate) fn to_reply(&self) -> Reply {
        let mut reply = Reply::done(json!({ "position": self }));
        if let Self::Waiting { ask } = self {
            reply.status = Status::PROCESSING;
            reply.status_text = ask.clone();
        }
        reply
    }
}

/// A switch that did not turn.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// A file or program could not be used.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// It did not stand as ordered within its patience.
    #[error("{what} does not stand as ordered after {patience_ms} ms")]
    Stuck {
        /// Which.
        what: String,
        /// Time waited in milliseconds.
        patience_ms: u64,
    },
    /// The other side refused.
    #[error("{what} refused: {reason}")]
    Refused {
        /// Who.
        what: String,
        /// Why.
        reason: String,
    },
}

impl SwitchError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// A turn under way.
pub type Turn<'a> = Pin<Box<dyn Future<Output = Result<Position, SwitchError>> + Send + 'a>>;

/// A switch. Turning twice is turning once; after a turn the position is read, not assumed.
pub trait Switch: Send {
    /// Reads how it stands.
    fn read(&mut self) -> Turn<'_>;
    /// Cuts.
    fn cut<'a>(&'a mut self, order: &'a Order) -> Turn<'a>;
    /// Restores what it was before the cut.
    fn restore<'a>(&'a mut self, order: &'a Order) -> Turn<'a>;
}
