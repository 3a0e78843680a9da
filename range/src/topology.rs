use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::cable::{Addressing, Cable, EDGE, GATEWAY};
use crate::world::{CONTROL, World, management, outsider};

/// Name of the control room's node.
pub const CONTROL_NODE: &str = "control";
/// Name of the node that reads the status site.
pub const READER_NODE: &str = "reader";
/// Interface of every node towards the control room.
const MANAGEMENT_INTERFACE: &str = "mgmt";
/// Foreign web hosts: not behind the edge, but on lines of their own from the control room and from the reader.
const MIRRORS: [usize; 2] = [outsider::MIRROR_A, outsider::MIRROR_B];

/// Data and management address of a node.
pub fn addresses(world: &World, name: &str) -> (Ipv4Addr, Ipv4Addr) {
    if let Some(host) = world.host(name) {
        return (host.address, host.management);
    }
    if let Some(index) = world.guards.keys().position(|g| g == name) {
        return (Ipv4Addr::UNSPECIFIED, management(world.hosts.len() + index));
    }
    let outside = match name {
        CONTROL_NODE => world.outsiders.get(outsider::CONTROL_LINE),
        _ => world.outsiders.iter().find(|o| o.name == name),
    };
    (outside.map_or(Ipv4Addr::UNSPECIFIED, |o| o.address), CONTROL)
}

/// Name of the link from the edge router to the router of a site.
fn site_link(world: &World, guard: &str) -> String {
    format!("s{}", world.guards.keys().position(|g| g == guard).unwrap_or_default())
}

/// The address that the router of a site answers to on its cable to the edge.
fn uplink(world: &World, guard: &str) -> Ipv4Addr {
    let number = world.guards.keys().position(|g| g == guard).unwrap_or_default();
    Ipv4Addr::from(u32::from(EDGE) + 1 + number as u32)
}

/// All cables: every host to its router, every outsider to the edge, every router to the edge, and every host and router to
/// the control room by a cable of its own, so that nobody meets anybody else on the management side.
pub fn cables(world: &World, pids: &BTreeMap<String, u32>) -> Vec<Cable> {
    let end = |node: &str, interface: &str| (pids.get(node).copied().unwrap_or_default(), interface.to_owned());
    let cable = |near: (&str, String), far: (&str, &str)| Cable {
        near: end(near.0, &near.1),
        far: end(far.0, far.1),
    };
    let mut cables = Vec::new();
    for (index, host) in world.hosts.iter().enumerate() {
        let guard = world.estate.guard_of(&host.system).unwrap_or_default();
        cables.push(cable((guard, format!("h{index}")), (&host.system, "eth0")));
        cables.push(cable(
            (CONTROL_NODE, format!("m{index}")),
            (&host.system, MANAGEMENT_INTERFACE),
        ));
    }
    for (index, guard) in world.guards.keys().enumerate() {
        let number = world.hosts.len() + index;
        cables.push(cable((CONTROL_NODE, format!("m{number}")), (guard, MANAGEMENT_INTERFACE)));
        if *guard != world.edge {
            cables.push(cable((&world.edge, site_link(world, guard)), (guard, "up0")));
        }
    }
    for (index, outsider) in world.at_the_edge() {
        cables.push(cable((&world.edge, format!("x{index}")), (&outsider.name, "eth0")));
    }
    for (number, mirror) in MIRRORS.into_iter().enumerate() {
        let mirror = &world.outsiders[mirror].name;
        cables.push(cable((CONTROL_NODE, format!("w{number}")), (mirror, "eth0")));
        cables.push(cable((READER_NODE, format!("w{number}")), (mirror, "eth1")));
    }
    cables
}

/// What a node sets up in its namespace.
pub fn addressing(world: &World, name: &str) -> Addressing {
    let (address, management_address) = addresses(world, name);
    let is_mirror = MIRRORS.iter().any(|m| world.outsiders[*m].name == name);
    match name {
        CONTROL_NODE => control(world, address),
        READER_NODE => on_own_lines(world, address),
        _ if world.guards.contains_key(name) => router(world, name, management_address),
        _ if is_mirror => mirror(world, address),
        _ => {
            let mut plain = Addressing {
                addresses: vec![("eth0".into(), address)],
                routes: vec![(Ipv4Addr::UNSPECIFIED, 0, "eth0".into(), Some(GATEWAY))],
                forwards: false,
            };
            if world.host(name).is_some() {
                plain.addresses.push((MANAGEMENT_INTERFACE.into(), management_address));
                plain.routes.push(to_control());
            }
            plain
        }
    }
}

fn to_control() -> (Ipv4Addr, u8, String, Option<Ipv4Addr>) {
    (CONTROL, 32, MANAGEMENT_INTERFACE.to_owned(), None)
}

fn control(world: &World, line: Ipv4Addr) -> Addressing {
    let mut addressing = on_own_lines(world, line);
    addressing.addresses.push(("lo".into(), CONTROL));
    for number in 0..world.hosts.len() + world.guards.len() {
        addressing.routes.push((management(number), 32, format!("m{number}"), None));
    }
    addressing
}

/// One line to each foreign web host.
fn on_own_lines(world: &World, address: Ipv4Addr) -> Addressing {
    let lines = MIRRORS
        .iter()
        .enumerate()
        .map(|(number, mirror)| (format!("w{number}"), world.outsiders[*mirror].address));
    Addressing {
        addresses: lines.clone().map(|(line, _)| (line, address)).collect(),
        routes: lines.map(|(line, mirror)| (mirror, 32, line, None)).collect(),
        forwards: false,
    }
}

fn mirror(world: &World, address: Ipv4Addr) -> Addressing {
    let ends = [(outsider::CONTROL_LINE, "eth0"), (outsider::READER, "eth1")];
    Addressing {
        addresses: ends.iter().map(|(_, interface)| ((*interface).to_owned(), address)).collect(),
        routes: ends
            .iter()
            .map(|(end, i)| (world.outsiders[*end].address, 32, (*i).to_owned(), None))
            .collect(),
        forwards: false,
    }
}

fn router(world: &World, name: &str, management_address: Ipv4Addr) -> Addressing {
    let is_edge = name == world.edge;
    let mut routes = vec![to_control()];
    let mut addresses = vec![("lo".to_owned(), GATEWAY), (MANAGEMENT_INTERFACE.into(), management_address)];
    for (index, host) in world.hosts.iter().enumerate() {
        let guard = world.estate.guard_of(&host.system).unwrap_or_default();
        if guard == name {
            routes.push((host.address, 32, format!("h{index}"), None));
        } else if is_edge {
            routes.push((host.address, 32, site_link(world, guard), Some(uplink(world, guard))));
        }
    }
    // Between routers each end has an address of its own: one that both have would look spoofed to either.
    if is_edge {
        let sites = world.guards.keys().filter(|g| **g != world.edge);
        addresses.extend(sites.map(|guard| (site_link(world, guard), EDGE)));
        routes.extend(
            world
                .at_the_edge()
                .map(|(index, o)| (o.address, 32, format!("x{index}"), None)),
        );
    } else {
        routes.push((Ipv4Addr::UNSPECIFIED, 0, "up0".into(), Some(EDGE)));
        addresses.push(("up0".into(), uplink(world, name)));
    }
    Addressing {
        addresses,
        routes,
        forwards: true,
    }
}
