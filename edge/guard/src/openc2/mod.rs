//! OpenC2 Language 1.0 and its profile for Stateless Packet Filtering 1.0, read strictly.
//!
//! What the language does not say is refused with its place: an unknown key, a second target, a key that is there twice. A
//! command that two readers could understand in two ways is no command.

mod command;
mod features;
mod profile;
mod response;
mod strict;
mod value;

pub(crate) use command::command as check_command;
pub use command::{Arguments, Command, DropProcess, ResponseRequested, parse_command};
pub use features::features;
pub use profile::Profiles;
pub use response::{Response, parse_response};
pub(crate) use response::{response as check_response, result as check_result};
pub use strict::strict_json;

/// Why a text is no valid command or response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct OpenC2Fault {
    /// Where: the way to it, as `/target/ipv4_net`; `/` is the whole.
    pub place: String,
    /// What is wrong.
    pub reason: String,
}

impl OpenC2Fault {
    pub(crate) fn new(place: &str, reason: impl Into<String>) -> Self {
        let place = if place.is_empty() { "/" } else { place };
        Self {
            place: place.to_owned(),
            reason: reason.into(),
        }
    }
}
