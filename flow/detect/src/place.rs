use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr};

use leckwehr_estate::{Estate, PartyKind, SystemKind};

/// Where an address or name of a record lies, seen from the estate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A system of the provider, by its id.
    System(String),
    /// Inside a zone of the provider, but no system the estate knows.
    Inside,
    /// A zone of a party that the estate has a connection with, by the zone's id.
    Partner(String),
    /// Outside, nobody the estate knows.
    Outside,
    /// Not one host: broadcast, multicast, link-local or unspecified.
    Group,
    /// The record does not say.
    Nowhere,
}

impl Place {
    /// Returns the word that rules use in `place.origin` and `place.destination`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::System(_) | Self::Inside => "inside",
            Self::Partner(_) => "partner",
            Self::Outside => "outside",
            Self::Group => "group",
            Self::Nowhere => "nowhere",
        }
    }

    /// Returns whether it is the provider's.
    pub fn is_inside(&self) -> bool {
        matches!(self, Self::System(_) | Self::Inside)
    }

    /// Returns whether bytes sent there have left the provider.
    pub fn is_outside(&self) -> bool {
        matches!(self, Self::Partner(_) | Self::Outside)
    }
}

/// Finds systems and zones by the addresses and names that records use.
///
/// Where the estate gives no inside network at all, the private ranges of RFC 1918 count as inside.
#[derive(Debug, Clone, Default)]
pub struct AddressBook {
    by_address: HashMap<Ipv4Addr, String>,
    by_name: HashMap<String, String>,
    kinds: HashMap<String, SystemKind>,
    places: HashMap<String, Place>,
    zones: Vec<Net>,
    partners: BTreeSet<String>,
    expected: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)>,
}

#[derive(Debug, Clone)]
struct Net {
    network: u32,
    prefix: u8,
    zone: String,
    inside: bool,
}

impl Net {
    fn mask(&self) -> u32 {
        mask(self.prefix)
    }

    fn contains(&self, address: u32) -> bool {
        address & self.mask() == self.network & self.mask()
    }

    fn is_broadcast(&self, address: u32) -> bool {
        self.prefix < 31 && address == self.network | !self.mask()
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0)
}

impl AddressBook {
    /// Reads what is needed out of the estate. O(systems + zones + connections).
    pub fn new(estate: &Estate) -> Self {
        let mut book = Self {
            partners: partners(estate),
            ..Self::default()
        };
        for (id, system) in &estate.systems {
            book.kinds.insert(id.clone(), system.kind);
            let place = if estate.is_inside(&system.zone) {
                Place::System(id.clone())
            } else if book.partners.contains(&system.zone) {
                Place::Partner(system.zone.clone())
            } else {
                Place::Outside
            };
            book.places.insert(id.clone(), place);
            book.by_name.insert(id.to_lowercase(), id.clone());
            book.by_name.entry(system.name.to_lowercase()).or_insert_with(|| id.clone());
            if let Some(address) = system.address {
                book.by_address.insert(address, id.clone());
            }
        }
        for (id, zone) in &estate.zones {
            if let Some((network, prefix)) = zone.network {
                let inside = estate.is_inside(id);
                let (network, zone) = (u32::from(network), id.clone());
                book.zones.push(Net {
                    network,
                    prefix,
                    zone,
                    inside,
                });
            }
        }
        if !book.zones.iter().any(|z| z.inside) {
            book.zones.extend(private_networks());
        }
        book.zones.sort_by_key(|z| std::cmp::Reverse(z.prefix));
        for (name, account) in &estate.accounts {
            let to = account.logs_on_to.iter().cloned().collect();
            let from = account.comes_from.iter().cloned().collect();
            book.expected.insert(name.to_lowercase(), (to, from));
        }
        book
    }

    /// Returns where an address or host name of a record lies. O(zones) for an address without a system.
    pub fn place(&self, text: &str) -> Place {
        if let Some(id) = self.system(text) {
            return self.places.get(id).cloned().unwrap_or(Place::Nowhere);
        }
        match text.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => self.place_of_address(address),
            // The estate has IPv4 networks only; link-local and multicast never leave a segment.
            Ok(IpAddr::V6(address)) if address.is_multicast() || address.is_unicast_link_local() => Place::Group,
            Ok(IpAddr::V6(_)) => Place::Outside,
            Err(_) => Place::Nowhere,
        }
    }

    /// Returns the estate id of the system with this address or name.
    pub fn system(&self, text: &str) -> Option<&str> {
        let id = match text.parse::<Ipv4Addr>() {
            Ok(address) => self.by_address.get(&address),
            Err(_) if text.is_empty() => None,
            Err(_) => {
                let name = text.to_lowercase();
                let short = name.split('.').next().unwrap_or("");
                self.by_name.get(&name).or_else(|| self.by_name.get(short))
            }
        };
        id.map(String::as_str)
    }

    /// Returns the estate id of the system with this address or name, else the text itself.
    pub fn system_or_text<'a>(&'a self, text: &'a str) -> &'a str {
        self.system(text).unwrap_or(text)
    }

    /// Returns what kind of system it is.
    pub fn kind(&self, system: &str) -> Option<SystemKind> {
        self.kinds.get(system).copied()
    }

    /// Returns the zone of an address.
    pub fn zone(&self, text: &str) -> Option<&str> {
        let address = u32::from(text.parse::<Ipv4Addr>().ok()?);
        self.zones.iter().find(|z| z.contains(address)).map(|z| z.zone.as_str())
    }

    /// Returns whether the estate expects the account on `host` from `origin`; `None` if it does not list the account.
    pub fn expects(&self, account: &str, host: &str, origin: &str) -> Option<bool> {
        let (to, from) = self.expected.get(&account.to_lowercase())?;
        Some((to.is_empty() || to.contains(host)) && (from.is_empty() || from.contains(origin)))
    }

    fn place_of_address(&self, address: Ipv4Addr) -> Place {
        let number = u32::from(address);
        let group = address.is_multicast() || address.is_broadcast() || address.is_link_local() || address.is_unspecified();
        if group || address.is_loopback() {
            return Place::Group;
        }
        match self.zones.iter().find(|z| z.contains(number)) {
            Some(zone) if zone.inside && zone.is_broadcast(number) => Place::Group,
            // The directed broadcast of a /24 that the estate gives only as part of something larger.
            Some(zone) if zone.inside && number & 0xff == 0xff && zone.prefix < 24 => Place::Group,
            Some(zone) if zone.inside => Place::Inside,
            Some(zone) if self.partners.contains(&zone.zone) => Place::Partner(zone.zone.clone()),
            _ => Place::Outside,
        }
    }
}

fn private_networks() -> impl Iterator<Item = Net> {
    let ranges = [
        (Ipv4Addr::new(10, 0, 0, 0), 8),
        (Ipv4Addr::new(172, 16, 0, 0), 12),
        (Ipv4Addr::new(192, 168, 0, 0), 16),
    ];
    ranges.into_iter().map(|(network, prefix)| Net {
        network: u32::from(network),
        prefix,
        zone: format!("{network}/{prefix}"),
        inside: true,
    })
}

/// Returns the zones outside the provider's sites that some connection of the estate leads to.
fn partners(estate: &Estate) -> BTreeSet<String> {
    let ends: BTreeSet<&str> = estate
        .connections
        .values()
        .flat_map(|c| [c.from.as_str(), c.to.as_str()])
        .collect();
    let linked = |id: &str, party: &str| {
        let hosts = || estate.systems.iter().filter(|(_, s)| s.zone == id);
        ends.contains(id) || ends.contains(party) || hosts().any(|(system, _)| ends.contains(system.as_str()))
    };
    let public = |party: &str| estate.parties.get(party).is_some_and(|p| p.kind == PartyKind::Public);
    let zones = estate.zones.iter().filter(|(id, _)| !estate.is_inside(id));
    zones
        .filter(|(id, zone)| !public(&zone.party) && linked(id, &zone.party))
        .map(|(id, _)| id.clone())
        .collect()
}
