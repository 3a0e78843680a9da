//! Ends what is already under way: conntrack's entries, which fast paths (flow tables, hardware) live on, and local sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE, NETLINK_SOCK_DIAG};
use nix::net::if_::if_nametoindex;
use serde::Serialize;

use crate::block::{Net, Traffic};
use crate::management::Management;
use crate::netlink::{Attributes, Channel, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, Request, attribute, attributes};

/// linux/netfilter/nfnetlink_conntrack.h: subsystem 1, messages get and delete.
const CONNTRACK_GET: u16 = 0x101;
const CONNTRACK_DELETE: u16 = 0x102;
/// linux/sock_diag.h
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
/// linux/rtnetlink.h
const RTM_GETROUTE: u16 = 26;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTMSG_BYTES: usize = 12;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// All of TCP's states but LISTEN; UDP has two of them.
const STATES: u32 = 0xfff & !(1 << 10);
/// `struct inet_diag_sockid`
const SOCKET_ID_BYTES: usize = 48;
/// Connections and sockets that are looked at, in one order.
const FLOWS_MAX: usize = 1_000_000;
/// Addresses whose route is asked for, in one order.
const ADDRESSES_MAX: usize = 16_384;

/// What to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// All flows with an end behind one of these interfaces.
    Interfaces(Vec<String>),
    /// All flows of this traffic, either way.
    Traffic(Vec<Traffic>),
}

/// What was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Ended {
    /// Entries that conntrack forgot.
    pub tracked: usize,
    /// Local sockets that were closed.
    pub sockets: usize,
}

/// Ends flows. The drop rules stop every packet before this begins: what fails here leaves no hole, only an open socket.
pub struct Flows {
    conntrack: Channel,
    sockets: Channel,
    routes: Channel,
}

/// The ends of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flow {
    protocol: u8,
    source: IpAddr,
    source_port: u16,
    destination: IpAddr,
    destination_port: u16,
}

impl Flows {
    /// Opens sockets in the calling thread's network namespace.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            conntrack: Channel::open(NETLINK_NETFILTER)?,
            sockets: Channel::open(NETLINK_SOCK_DIAG)?,
            routes: Channel::open(NETLINK_ROUTE)?,
        })
    }

    /// Ends flows, except those of the management path.
    pub fn end(&mut self, ending: &Ending, keep: &Management) -> io::Result<Ended> {
        let mut tracked = self.tracked()?;
        let mut sockets = self.open_sockets()?;
        let kept = |flow: &Flow| {
            let ours = [(flow.source, flow.destination_port), (flow.destination, flow.source_port)];
            flow.protocol == 6
                && ours
                    .iter()
                    .any(|(room, port)| *port == keep.port && keep.rooms.contains(room))
        };
        tracked.retain(|(flows, _)| !flows.iter().any(kept));
        sockets.retain(|(flow, _)| !kept(flow));
        match ending {
            Ending::Traffic(traffic) => {
                let hit = |flow: &Flow| traffic.iter().any(|t| flow.is_of(t) || flow.reversed().is_of(t));
                tracked.retain(|(flows, _)| flows.iter().any(hit));
                sockets.retain(|(flow, _)| hit(flow));
            }
            Ending::Interfaces(names) => {
                let all = tracked
                    .iter()
                    .flat_map(|(flows, _)| flows)
                    .chain(sockets.iter().map(|(flow, _)| flow));
                let addresses: BTreeSet<IpAddr> = all.flat_map(|f| [f.source, f.destination]).take(ADDRESSES_MAX).collect();
                let behind = self.behind(names, addresses)?;
                let hit = |flow: &Flow| behind.contains(&flow.source) || behind.contains(&flow.destination);
                tracked.retain(|(flows, _)| flows.iter().any(hit));
                sockets.retain(|(flow, _)| behind.contains(&flow.destination));
            }
        }
        let tracked: Vec<Request> = tracked.into_iter().map(|(_, request)| request).collect();
        let sockets: Vec<Request> = sockets.into_iter().map(|(_, request)| request).collect();
        Ok(Ended {
            tracked: succeed(&mut self.conntrack, &tracked)?,
            sockets: succeed(&mut self.sockets, &sockets)?,
        })
    }

    /// Every tracked connection with the request that forgets it.
    fn tracked(&mut self) -> io::Result<Vec<(Vec<Flow>, Request)>> {
        let mut found = Vec::new();
        for family in [AF_INET, AF_INET6] {
            let request = Request {
                kind: CONNTRACK_GET,
                flags: NLM_F_REQUEST | NLM_F_DUMP,
                body: vec![family, 0, 0, 0],
            };
            self.conntrack.dump(request, |body| {
                if found.len() >= FLOWS_MAX {
                    return;
                }
                let body = body.get(4..).unwrap_or_default();
                let flows = [1, 2].iter().filter_map(|kind| tuple(attribute(body, *kind)?)).collect();
                let names = attributes(body).filter(|(kind, _)| matches!(kind, 1 | 12 | 18));
                let mut request = vec![family, 0, 0, 0];
                for (kind, value) in names {
                    // The original tuple is nested; id and zone are not.
                    let nested = if kind == 1 { 0x8000 } else { 0 };
                    request.extend(Attributes::new().bytes(kind | nested, value).as_bytes());
                }
                let request = Request {
                    kind: CONNTRACK_DELETE,
                    flags: NLM_F_REQUEST | NLM_F_ACK,
                    body: request,
                };
                found.push((flows, request));
            })?;
        }
        Ok(found)
    }

    /// Every local socket with a peer, and the request that closes it.
    fn open_sockets(&mut self) -> io::Result<Vec<(Flow, Request)>> {
        let mut found = Vec::new();
        for (family, protocol) in [(AF_INET, 6), (AF_INET6, 6), (AF_INET, 17), (AF_INET6, 17)] {
            let mut body = vec![family, protocol, 0, 0];
            body.extend(STATES.to_ne_bytes());
            body.extend([0; SOCKET_ID_BYTES]);
            let request = Request {
                kind: SOCK_DIAG_BY_FAMILY,
                flags: NLM_F_REQUEST | NLM_F_DUMP,
                body,
            };
            self.sockets.dump(request, |body| {
                if found.len() >= FLOWS_MAX {
                    return;
                }
                let Some(id) = body.get(4..4 + SOCKET_ID_BYTES) else { return };
                let Some(flow) = socket_flow(family, protocol, id) else {
                    return;
                };
                let mut destroy = vec![family, protocol, 0, 0];
                destroy.extend(STATES.to_ne_bytes());
                destroy.extend(id);
                let request = Request {
                    kind: SOCK_DESTROY,
                    flags: NLM_F_REQUEST | NLM_F_ACK,
                    body: destroy,
                };
                found.push((flow, request));
            })?;
        }
        Ok(found)
    }

    /// Which addresses the kernel would reach over these interfaces.
    fn behind(&mut self, names: &[String], addresses: BTreeSet<IpAddr>) -> io::Result<BTreeSet<IpAddr>> {
        let indices: BTreeSet<u32> = names.iter().filter_map(|name| if_nametoindex(name.as_str()).ok()).collect();
        let mut found = BTreeSet::new();
        for address in addresses {
            let (family, bytes) = match address {
                IpAddr::V4(a) => (AF_INET, a.octets().to_vec()),
                IpAddr::V6(a) => (AF_INET6, a.octets().to_vec()),
            };
            let mut body = vec![0; RTMSG_BYTES];
            body.splice(0..2, [family, bytes.len() as u8 * 8]);
            body.extend(Attributes::new().bytes(RTA_DST, &bytes).as_bytes());
            let request = Request {
                kind: RTM_GETROUTE,
                flags: NLM_F_REQUEST,
                body,
            };
            let (_, sequence) = self.routes.send(&[request])?;
            let answers = self.routes.receive()?;
            let route = answers
                .iter()
                .find(|a| a.sequence == sequence && a.kind != crate::netlink::NLMSG_ERROR);
            let interface = route.and_then(|a| attribute(a.body.get(RTMSG_BYTES..)?, RTA_OIF)?.first_chunk::<4>());
            if interface.is_some_and(|index| indices.contains(&u32::from_ne_bytes(*index))) {
                found.insert(address);
            }
        }
        Ok(found)
    }
}

impl Flow {
    fn reversed(&self) -> Self {
        Self {
            protocol: self.protocol,
            source: self.destination,
            source_port: self.destination_port,
            destination: self.source,
            destination_port: self.source_port,
        }
    }

    fn is_of(&self, traffic: &Traffic) -> bool {
        let within = |net: &Option<Net>, address| net.is_none_or(|net| net.contains(address));
        let same = |wanted: &Option<u16>, port| wanted.is_none_or(|wanted| wanted == port);
        match traffic {
            Traffic::Net(net) => net.contains(self.source) || net.contains(self.destination),
            Traffic::Connection {
                v6,
                protocol,
                source,
                source_port,
                destination,
                destination_port,
            } => {
                *v6 == self.source.is_ipv6()
                    && protocol.is_none_or(|p| p as u8 == self.protocol)
                    && within(source, self.source)
                    && within(destination, self.destination)
                    && same(source_port, self.source_port)
                    && same(destination_port, self.destination_port)
            }
        }
    }
}

/// Sends requests and counts those that succeeded: what has ended by itself meanwhile is no fault.
fn succeed(channel: &mut Channel, requests: &[Request]) -> io::Result<usize> {
    /// Requests on their way at once: their answers must fit into a socket's buffer.
    const REQUESTS_MAX: usize = 64;
    let mut count = 0;
    for some in requests.chunks(REQUESTS_MAX) {
        count += channel.each(some)?.iter().filter(|code| **code == 0).count();
    }
    Ok(count)
}

/// A conntrack tuple.
fn tuple(value: &[u8]) -> Option<Flow> {
    let addresses: BTreeMap<u16, &[u8]> = attributes(attribute(value, 1)?).collect();
    let (source, destination) = match (addresses.get(&1), addresses.get(&3)) {
        (Some(v4), _) => (address(v4)?, address(addresses.get(&2)?)?),
        (None, v6) => (address(v6?)?, address(addresses.get(&4)?)?),
    };
    let transport = attribute(value, 2)?;
    let port = |kind| attribute(transport, kind).and_then(|port| Some(u16::from_be_bytes(*port.first_chunk()?)));
    Some(Flow {
        protocol: *attribute(transport, 1)?.first()?,
        source,
        source_port: port(2).unwrap_or_default(),
        destination,
        destination_port: port(3).unwrap_or_default(),
    })
}

/// `struct inet_diag_sockid`: ports, then two addresses of 16 bytes each. `None` if the socket has no peer.
fn socket_flow(family: u8, protocol: u8, id: &[u8]) -> Option<Flow> {
    let port = |at: usize| Some(u16::from_be_bytes(*id.get(at..)?.first_chunk()?));
    let bytes = if family == AF_INET { 4 } else { 16 };
    let (source, destination) = (address(id.get(4..4 + bytes)?)?, address(id.get(20..20 + bytes)?)?);
    (!destination.is_unspecified()).then_some(Flow {
        protocol,
        source,
        source_port: port(0)?,
        destination,
        destination_port: port(2)?,
    })
}

/// An address; IPv4 within IPv6 is IPv4.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?).into()),
        16 => Some(Ipv6Addr::from(*bytes.first_chunk::<16>()?).to_canonical()),
        _ => None,
    }
}
