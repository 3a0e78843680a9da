//! The kernel's nftables, spoken to over netlink.

mod blocks;
mod dump;
mod expression;
mod layout;
mod message;
mod shape;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use netlink_sys::protocols::NETLINK_NETFILTER;

use crate::block::Block;
use crate::firewall::{Counter, Firewall, FirewallError, FirewallState};
use crate::management::Management;
use crate::netlink::{Channel, NLMSG_ERROR, Request};
use layout::{CUT, EGRESS, IFNAME_BYTES, MANAGEMENT, NEIGHBOURS, OUTSIDE, PASSED, ROOMS_V4, ROOMS_V6, STOPPED};
use message::{Element, Family, batch, delete_elements, flush_set, get_elements, new_elements};

/// Elements in one transaction.
const ELEMENTS_MAX: usize = 16_384;
/// Times a change is tried again because a lease ended between reading a set and changing it.
const TRIES_MAX: usize = 3;
/// Router and neighbour discovery (RFC 4861), without which IPv6 finds no neighbour.
const NEIGHBOUR_DISCOVERY: [u8; 5] = [133, 134, 135, 136, 137];

/// The kernel's nftables in the network namespace in which it was opened.
///
/// ```text
/// table inet leckwehr
///   cut_forward -300   iifname @cut → @stopped, drop · oifname likewise · exceptions · blocks     counters = attempts
///   cut_input   -300   @management, @rooms accept · iifname @cut … · exceptions · blocks
///   cut_output  -300   @management, @rooms accept · oifname @cut … · exceptions · blocks
///   meter        200   oifname @outside → @egress{ip daddr}         bytes per destination; @outside counts all of them
///   witness      300   iifname/oifname @cut → @passed               must stay empty
/// table bridge leckwehr
///   cut_forward, cut_input, cut_output, witness: the same for what a bridge carries from port to port
/// ```
pub struct Nft {
    channel: Channel,
    families: Vec<Family>,
}

impl Nft {
    /// Opens a netlink socket in the calling thread's network namespace.
    pub fn open() -> Result<Self, FirewallError> {
        let channel = Channel::open(NETLINK_NETFILTER).map_err(|source| FirewallError::Kernel {
            operation: "opening netlink",
            source,
        })?;
        let mut nft = Self {
            channel,
            families: vec![Family::Inet],
        };
        // Another one may have set it up.
        if nft.elements(Family::Bridge, CUT).is_ok() {
            nft.families.push(Family::Bridge);
        }
        Ok(nft)
    }

    /// Keeps the management path open, whatever is cut or blocked from now on.
    pub fn protect(&mut self, management: &Management) -> Result<(), FirewallError> {
        let port = management.port.to_be_bytes();
        let (mut v4, mut v6, mut neighbours) = (Vec::new(), Vec::new(), Vec::new());
        for room in &management.rooms {
            match room {
                IpAddr::V4(a) => v4.push([&a.octets()[..], &port, &[0, 0]].concat()),
                IpAddr::V6(a) => v6.push([&a.octets()[..], &port, &[0, 0]].concat()),
            }
        }
        if !v6.is_empty() {
            neighbours.extend(NEIGHBOUR_DISCOVERY.map(|kind| vec![kind]));
        }
        let sets = [
            (MANAGEMENT, interface_keys(&management.interfaces)?),
            (ROOMS_V4, v4),
            (ROOMS_V6, v6),
            (NEIGHBOURS, neighbours),
        ];
        let mut messages = Vec::new();
        for (set, wanted) in sets {
            // A room that is no longer named is let in no longer.
            let there = self.elements(Family::Inet, set)?.into_iter().map(|(key, _)| key);
            let stale: Vec<Vec<u8>> = there.filter(|key| !wanted.contains(key)).collect();
            messages.extend(delete_elements(Family::Inet, set, &stale));
            messages.extend(new_elements(Family::Inet, set, &elements(wanted)));
        }
        self.transact("opening the management path", messages)
    }

    /// Returns whether what a bridge carries from port to port is cut too: not every kernel has nftables for bridges.
    pub fn cuts_bridges(&self) -> bool {
        self.families.contains(&Family::Bridge)
    }

    /// Sends messages as one transaction and waits for every answer.
    fn transact(&mut self, operation: &'static str, messages: Vec<Request>) -> Result<(), FirewallError> {
        if messages.is_empty() {
            return Ok(());
        }
        let kernel = |source| FirewallError::Kernel { operation, source };
        let messages = batch(messages);
        let (begin, end) = self.channel.send(&messages).map_err(|error| match error.raw_os_error() {
            Some(EMSGSIZE) => FirewallError::TooLarge { operation },
            _ => kernel(error),
        })?;
        let (mut outcome, mut open) = (Ok(()), messages.len() - 2);
        while open > 0 {
            let answers = self.channel.receive();
            for answer in answers.map_err(|source| FirewallError::Lost { operation, source })? {
                if answer.kind != NLMSG_ERROR || !(begin..=end).contains(&answer.sequence) {
                    continue;
                }
                // An answer to the beginning speaks for the whole transaction: refused, and there may be no other.
                open = if answer.sequence == begin { 0 } else { open.saturating_sub(1) };
                if let (code @ 1.., true) = (answer.error_code(), outcome.is_ok()) {
                    outcome = Err(kernel(io::Error::from_raw_os_error(code)));
                }
            }
        }
        outcome
    }

    /// Asks for a list.
    fn dump(&mut self, operation: &'static str, request: Request, take: impl FnMut(&[u8])) -> Result<(), FirewallError> {
        let dumped = self.channel.dump(request, take);
        dumped.map_err(|source| FirewallError::Kernel { operation, source })
    }

    /// Asks for all elements of a set.
    fn elements(&mut self, family: Family, set: &str) -> Result<Vec<(Vec<u8>, Counter)>, FirewallError> {
        let mut found = Vec::new();
        self.dump("reading a set", get_elements(family, set), |body| {
            found.extend(dump::elements_of(body))
        })?;
        Ok(found)
    }

    fn keys(&mut self, family: Family, set: &str) -> Result<BTreeSet<Vec<u8>>, FirewallError> {
        let elements = self.elements(family, set)?;
        Ok(elements.into_iter().map(|(key, _)| key).collect())
    }

    /// What is cut, with what was stopped there.
    fn cut_interfaces(&mut self) -> Result<BTreeMap<String, Counter>, FirewallError> {
        let cut = self.by_interface(CUT)?;
        let mut stopped = self.by_interface(STOPPED)?;
        let counted = cut.into_keys().map(|name| {
            let count = stopped.remove(&name).unwrap_or_default();
            (name, count)
        });
        Ok(counted.collect())
    }

    /// Makes a change that was read off the state again if a lease ended in between.
    fn retry(&mut self, mut change: impl FnMut(&mut Self) -> Result<(), FirewallError>) -> Result<(), FirewallError> {
        let mut outcome = Ok(());
        for _ in 0..TRIES_MAX {
            outcome = change(self);
            match &outcome {
                Err(FirewallError::Kernel { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                _ => break,
            }
        }
        outcome
    }

    /// Both tables' counters of a set of interfaces.
    fn by_interface(&mut self, set: &str) -> Result<BTreeMap<String, Counter>, FirewallError> {
        let mut sum: BTreeMap<String, Counter> = BTreeMap::new();
        for family in self.families.clone() {
            for (key, counter) in self.elements(family, set)? {
                let all = sum.entry(interface_name(&key)).or_default();
                all.packets += counter.packets;
                all.bytes += counter.bytes;
            }
        }
        Ok(sum)
    }

    /// Takes away what packets counted that were on their way through the old rules while a release came into force.
    fn forget_stragglers(&mut self, keys: &BTreeSet<Vec<u8>>) -> Result<(), FirewallError> {
        for _ in 0..TRIES_MAX {
            let mut messages = Vec::new();
            for family in self.families.clone() {
                let stopped = self.keys(family, STOPPED)?;
                let late: Vec<Vec<u8>> = keys.intersection(&stopped).cloned().collect();
                messages.extend(delete_elements(family, STOPPED, &late));
            }
            if messages.is_empty() {
                break;
            }
            self.transact("releasing", messages)?;
        }
        Ok(())
    }
}

impl Firewall for Nft {
    fn prepare(&mut self, outside: &[String]) -> Result<(), FirewallError> {
        let outside = new_elements(Family::Inet, OUTSIDE, &elements(interface_keys(outside)?));
        // Tables are made in the same transaction as all that is in them: a guard that is killed leaves all or nothing.
        let both = [layout::inet_table(), layout::bridge_table(), outside.clone()].concat();
        match self.transact("setting up the tables", both) {
            Err(FirewallError::Kernel { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
                return self.transact("naming the outside", outside);
            }
            Ok(()) => {
                self.families = vec![Family::Inet, Family::Bridge];
                return Ok(());
            }
            Err(FirewallError::Kernel { source, .. }) if is_missing(&source) => {}
            other => return other,
        }
        match self.transact("setting up the table", [layout::inet_table(), outside.clone()].concat()) {
            Err(FirewallError::Kernel { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
                self.transact("naming the outside", outside)
            }
            other => other,
        }
    }

    fn cut(&mut self, interfaces: &[String], lease_ms: Option<u64>) -> Result<(), FirewallError> {
        let keys = interface_keys(interfaces)?;
        let mut under_way = Vec::new();
        self.retry(|nft| {
            let mut messages = Vec::new();
            under_way.clear();
            for family in nft.families.clone() {
                // Not every kernel takes a new timeout for an element that is there, so it is replaced.
                let there = nft.keys(family, CUT)?;
                let (replaced, fresh): (Vec<_>, Vec<_>) = keys.iter().cloned().partition(|key| there.contains(key));
                let element = |key: &Vec<u8>| Element {
                    key: key.clone(),
                    lease_ms,
                };
                let elements: Vec<Element> = keys.iter().map(element).collect();
                messages.extend(delete_elements(family, CUT, &replaced));
                messages.extend(new_elements(family, CUT, &elements));
                // What an earlier cut that ended by itself had counted.
                let (stopped, passed) = (nft.keys(family, STOPPED)?, nft.keys(family, PASSED)?);
                let (stale, counted): (Vec<_>, Vec<_>) = fresh.into_iter().partition(|key| stopped.contains(key));
                messages.extend(delete_elements(family, STOPPED, &stale));
                under_way.extend(
                    stale
                        .into_iter()
                        .chain(counted)
                        .filter(|k| !passed.contains(k))
                        .map(|k| (family, k)),
                );
            }
            nft.transact("cutting", messages)
        })?;
        // A packet that was between cut and witness when the cut came into force is no hole.
        let mut messages = Vec::new();
        for family in self.families.clone() {
            let passed = self.keys(family, PASSED)?;
            let seen = under_way.iter().filter(|(f, key)| *f == family && passed.contains(key));
            let seen: Vec<Vec<u8>> = seen.map(|(_, key)| key.clone()).collect();
            messages.extend(delete_elements(family, PASSED, &seen));
        }
        self.transact("cutting", messages)
    }

    fn release(&mut self, interfaces: &[String]) -> Result<(), FirewallError> {
        let keys: BTreeSet<Vec<u8>> = interface_keys(interfaces)?.into_iter().collect();
        self.retry(|nft| {
            let mut messages = Vec::new();
            for family in nft.families.clone() {
                let cut = nft.keys(family, CUT)?;
                if cut.is_subset(&keys) {
                    // Nothing stays cut: what was stopped is of this cut, or of one that ended by itself.
                    messages.extend([CUT, STOPPED].map(|set| flush_set(family, set)));
                } else {
                    let stopped = nft.keys(family, STOPPED)?;
                    for (set, there) in [(CUT, cut), (STOPPED, stopped)] {
                        let gone: Vec<Vec<u8>> = keys.intersection(&there).cloned().collect();
                        messages.extend(delete_elements(family, set, &gone));
                    }
                }
                // As many packets can have been between cut and witness when the cut came into force. More was a hole, and stays.
                let at_most = std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u64);
                let passed = nft.elements(family, PASSED)?.into_iter();
                let under_way = passed.filter(|(key, count)| keys.contains(key) && count.packets <= at_most);
                let under_way: Vec<Vec<u8>> = under_way.map(|(key, _)| key).collect();
                messages.extend(delete_elements(family, PASSED, &under_way));
            }
            nft.transact("releasing", messages)
        })?;
        self.forget_stragglers(&keys)
    }

    fn state(&mut self) -> Result<FirewallState, FirewallError> {
        // The whole before its parts: what is sent meanwhile must not look like something that was not told apart.
        let outside = self.elements(Family::Inet, OUTSIDE)?;
        let outside = outside
            .into_iter()
            .map(|(key, counter)| (interface_name(&key), counter))
            .collect();
        let egress = self.elements(Family::Inet, EGRESS)?.into_iter().filter_map(|(key, counter)| {
            let octets: [u8; 4] = key.get(..4)?.try_into().ok()?;
            Some((Ipv4Addr::from(octets), counter))
        });
        Ok(FirewallState {
            egress: egress.collect(),
            cut: self.cut_interfaces()?,
            passed: self.by_interface(PASSED)?,
            outside,
        })
    }

    fn block(&mut self, blocks: &[(Block, Option<u64>)]) -> Result<(), FirewallError> {
        self.add_blocks(blocks)
    }

    fn unblock(&mut self, blocks: &[Block]) -> Result<(), FirewallError> {
        self.remove_blocks(blocks)
    }

    fn blocked(&mut self, blocks: &[Block]) -> Result<Vec<Option<Counter>>, FirewallError> {
        self.count_blocks(blocks)
    }
}

const EMSGSIZE: i32 = 90;

/// The kernel has no nftables for bridges.
fn is_missing(error: &io::Error) -> bool {
    const EOPNOTSUPP: i32 = 95;
    const EAFNOSUPPORT: i32 = 97;
    matches!(error.raw_os_error(), Some(EOPNOTSUPP | EAFNOSUPPORT)) || error.kind() == io::ErrorKind::NotFound
}

fn elements(keys: Vec<Vec<u8>>) -> Vec<Element> {
    keys.into_iter().map(Element::new).collect()
}

fn too_many(found: usize) -> FirewallError {
    FirewallError::TooMany {
        found,
        max: ELEMENTS_MAX,
    }
}

fn interface_keys(names: &[String]) -> Result<Vec<Vec<u8>>, FirewallError> {
    if names.len() > ELEMENTS_MAX {
        return Err(too_many(names.len()));
    }
    let keys: Result<BTreeSet<_>, _> = names.iter().map(|name| interface_key(name)).collect();
    Ok(keys?.into_iter().collect())
}

fn interface_key(name: &str) -> Result<Vec<u8>, FirewallError> {
    if name.is_empty() || name.len() >= IFNAME_BYTES {
        return Err(FirewallError::BadInterface { name: name.to_owned() });
    }
    let mut key = name.as_bytes().to_vec();
    key.resize(IFNAME_BYTES, 0);
    Ok(key)
}

fn interface_name(key: &[u8]) -> String {
    String::from_utf8_lossy(key).trim_end_matches('\0').to_owned()
}
