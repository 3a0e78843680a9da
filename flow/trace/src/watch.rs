use std::collections::BTreeMap;

use leckwehr_detect::AddressBook;
use leckwehr_incident::Timestamp;
use leckwehr_telemetry::Events;

use crate::reach::{Contact, Live};
use crate::scene::Scene;

/// Records of one contact may come this much later than newer ones.
const LATE_NS: u64 = 5_000_000_000;

/// Reach between named hosts and addresses that is current with every record: when an alarm fires, who could have been
/// reached from its host, and from where it could have been reached, are look-ups.
///
/// Contacts are those of an analysis (log-ons, answered connections, remote executions, administrative shares). Records
/// that come more than five seconds late, and nodes over [`crate::LIVE_NODES_MAX`], are left out and counted.
pub struct LiveHosts {
    book: AddressBook,
    numbers: BTreeMap<String, u32>,
    names: Vec<String>,
    live: Live,
}

impl LiveHosts {
    /// Begins without records.
    pub fn new(book: AddressBook) -> Self {
        Self {
            book,
            numbers: BTreeMap::new(),
            names: Vec::new(),
            live: Live::new(LATE_NS),
        }
    }

    /// Takes the next records. O(records × (log records + hosts)).
    pub fn push(&mut self, events: &Events) {
        let scene = Scene::new(events, &[], self.book.clone());
        let mut touches: Vec<_> = scene.touches.iter().collect();
        touches.sort_by_key(|t| t.at);
        for touch in touches {
            let contact = Contact {
                at: touch.at.0,
                from: self.number(scene.name(touch.from)),
                to: self.number(scene.name(touch.to)),
            };
            // What is refused is counted there.
            let _ = self.live.push(contact);
        }
    }

    /// Returns how many contacts were left out: then the answers are of the others only.
    pub fn refused(&self) -> u64 {
        self.live.refused()
    }

    /// Returns who could have been reached from `host` since a time, by steps that never go back in time.
    pub fn reached(&self, host: &str, since: Timestamp) -> Vec<&str> {
        let Some(number) = self.numbers.get(self.book.system_or_text(host)) else {
            return Vec::new();
        };
        let reached = self.live.reached(*number, since.0).into_iter().filter(|node| node != number);
        let mut names: Vec<&str> = reached.map(|node| self.names[node as usize].as_str()).collect();
        names.sort_unstable();
        names
    }

    /// Returns from where `host` could have been reached, with the latest time of leaving there, latest first.
    pub fn origins(&self, host: &str) -> Vec<(&str, Timestamp)> {
        let Some(number) = self.numbers.get(self.book.system_or_text(host)) else {
            return Vec::new();
        };
        let times = self.live.origins(*number).into_iter().zip(&self.names);
        let mut origins: Vec<(&str, Timestamp)> = times.filter_map(|(at, name)| Some((name.as_str(), Timestamp(at?)))).collect();
        origins.sort_unstable_by_key(|(name, at)| (std::cmp::Reverse(*at), *name));
        origins
    }

    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.numbers.insert(name.to_owned(), number);
        self.names.push(name.to_owned());
        number
    }
}
