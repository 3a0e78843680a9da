//! What can only be checked once everything is read.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::draft::{Draft, Place, Section};
use crate::model::network_of;

/// Addresses lie in their zone's network and are given once; networks do not overlap.
///
/// An outside zone (the internet) may contain the networks of others: the longest prefix wins.
pub(crate) fn addresses(draft: &mut Draft<'_>) {
    let mut mistakes = Vec::new();
    let mut taken: BTreeMap<Ipv4Addr, &str> = BTreeMap::new();
    for (id, system) in &draft.estate.systems {
        let Some(address) = system.address else {
            continue;
        };
        let place = field(draft, Section::System, id, "address");
        if let Some(first) = taken.insert(address, id) {
            let there = draft.show(field(draft, Section::System, first, "address"));
            mistakes.push((
                place,
                format!("{address} is already the address of `{first}` at {there}"),
                None,
            ));
        }
        let network = draft.estate.zones.get(&system.zone).and_then(|z| z.network);
        if let Some((base, prefix)) = network.filter(|(base, prefix)| network_of(address, *prefix) != *base) {
            let zone = &system.zone;
            let message = format!("{address} of system `{id}` lies outside its zone `{zone}` ({base}/{prefix})");
            let home = draft.estate.zone_of(address);
            mistakes.push((place, message, home.map(|z| format!("it lies in zone `{z}`"))));
        }
    }
    mistakes.extend(overlaps(draft));
    for (place, message, remedy) in mistakes {
        draft.mistake(place, message, remedy);
    }
}

/// Sorted by base and then prefix, a network overlaps another exactly if it begins inside it: a stack of open networks finds all.
fn overlaps(draft: &Draft<'_>) -> Vec<(Place, String, Option<String>)> {
    let zones = draft.estate.zones.iter();
    let mut networks: Vec<_> = zones.filter_map(|(id, z)| Some((z.network?, id, z.site.is_some()))).collect();
    networks.sort();
    let mut open: Vec<((Ipv4Addr, u8), &String, bool)> = Vec::new();
    let mut mistakes = Vec::new();
    for (network, id, inside) in networks {
        while open
            .last()
            .is_some_and(|((base, prefix), ..)| network_of(network.0, *prefix) != *base)
        {
            open.pop();
        }
        let clash = open.iter().find(|(wide, _, wide_inside)| *wide_inside || *wide == network);
        if let Some(((base, prefix), other, _)) = clash {
            let there = draft.show(field(draft, Section::Zone, other, "network"));
            let (own, own_prefix) = network;
            let message = format!("{own}/{own_prefix} of zone `{id}` overlaps {base}/{prefix} of zone `{other}` at {there}");
            mistakes.push((field(draft, Section::Zone, id, "network"), message, None));
        }
        open.push((network, id, inside));
    }
    mistakes
}

/// A service's MTPD is no shorter than its RTO; no connection leads back to where it starts.
pub(crate) fn services(draft: &mut Draft<'_>) {
    let mut mistakes = Vec::new();
    for (id, service) in &draft.estate.services {
        if service.mtpd_minutes < service.rto_minutes {
            let (rto, mtpd) = (service.rto_minutes, service.mtpd_minutes);
            let message = format!("service `{id}` tolerates {mtpd} minutes (MTPD) but is planned back after {rto} (RTO)");
            mistakes.push((entry(draft, Section::Service, id), message));
        }
    }
    for (id, connection) in &draft.estate.connections {
        if connection.from == connection.to {
            let message = format!("connection `{id}` leads from `{}` to itself", connection.from);
            mistakes.push((entry(draft, Section::Connection, id), message));
        }
    }
    for (place, message) in mistakes {
        draft.mistake(place, message, None);
    }
}

fn field(draft: &Draft<'_>, section: Section, id: &str, field: &'static str) -> Place {
    let place = draft.fields.get(&(section, id.to_owned(), field)).copied();
    place.unwrap_or_else(|| entry(draft, section, id))
}

fn entry(draft: &Draft<'_>, section: Section, id: &str) -> Place {
    let start = Place { file: 0, offset: 0 };
    draft.ids.get(&(section, id.to_owned())).copied().unwrap_or(start)
}
