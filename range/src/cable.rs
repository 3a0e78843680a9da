use std::fs;
use std::io;
use std::net::Ipv4Addr;

use futures_util::TryStreamExt;
use netlink_packet_route::link::{InfoData, InfoVeth};
use netlink_packet_route::route::RouteScope;
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};
use serde::{Deserialize, Serialize};

/// The address every router answers to on the cables of hosts, so that a host needs to know no other (RFC 3927 link-local).
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
/// The address that the edge router answers to on the cables of other routers.
pub const EDGE: Ipv4Addr = Ipv4Addr::new(169, 254, 2, 1);

/// A veth pair between the network namespaces of two processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cable {
    /// Process and interface name at one end.
    pub near: (u32, String),
    /// Process and interface name at the other.
    pub far: (u32, String),
}

/// What a node sets up in its own namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Addressing {
    /// Interface → own address (/32) on it. `lo` may be named.
    pub addresses: Vec<(String, Ipv4Addr)>,
    /// Destination and prefix length → interface, and the gateway there if the destination is not at its other end.
    pub routes: Vec<(Ipv4Addr, u8, String, Option<Ipv4Addr>)>,
    /// Forward packets?
    pub forwards: bool,
}

/// A network that could not be built.
#[derive(Debug, thiserror::Error)]
pub enum CableError {
    /// rtnetlink refused.
    #[error("{what} failed")]
    Netlink {
        /// What was tried.
        what: String,
        /// The kernel's answer.
        #[source]
        source: Box<rtnetlink::Error>,
    },
    /// The netlink socket could not be opened, or a sysctl not be set.
    #[error("{what} failed")]
    Io {
        /// What was tried.
        what: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// An interface is missing.
    #[error("interface {0} is not there")]
    NoInterface(String),
}

/// Opens rtnetlink in the calling thread's namespace.
pub fn open() -> Result<Handle, CableError> {
    let opened = rtnetlink::new_connection();
    let (connection, handle, _) = opened.map_err(|source| CableError::Io {
        what: "opening rtnetlink".into(),
        source,
    })?;
    tokio::spawn(connection);
    Ok(handle)
}

impl Cable {
    /// Lays the cable; both ends come to life inside the namespaces of their processes.
    pub async fn lay(&self, handle: &Handle) -> Result<(), CableError> {
        let peer = LinkMessageBuilder::<LinkUnspec>::new()
            .name(&self.far.1)
            .setns_by_pid(self.far.0)
            .build();
        let pair = LinkMessageBuilder::<LinkVeth>::new(&self.near.1, &self.far.1)
            .setns_by_pid(self.near.0)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
            .build();
        let what = || format!("laying cable {}–{}", self.near.1, self.far.1);
        handle.link().add(pair).execute().await.map_err(netlink(what()))
    }
}

impl Addressing {
    /// Applies it in the calling thread's namespace: loopback and interfaces up, addresses, routes, forwarding.
    pub async fn apply(&self, handle: &Handle) -> Result<(), CableError> {
        let mut interfaces: Vec<&str> = vec!["lo"];
        let named = self
            .addresses
            .iter()
            .map(|a| a.0.as_str())
            .chain(self.routes.iter().map(|r| r.2.as_str()));
        for name in named {
            if !interfaces.contains(&name) {
                interfaces.push(name);
            }
        }
        let mut indices = std::collections::BTreeMap::new();
        for name in interfaces {
            let index = index_of(handle, name).await?;
            indices.insert(name, index);
            let up = LinkMessageBuilder::<LinkUnspec>::new().index(index).up().build();
            handle
                .link()
                .set(up)
                .execute()
                .await
                .map_err(netlink(format!("setting {name} up")))?;
        }
        for (name, address) in &self.addresses {
            let added = handle
                .address()
                .add(indices[name.as_str()], (*address).into(), 32)
                .execute()
                .await;
            added.map_err(netlink(format!("adding {address} to {name}")))?;
        }
        for (to, prefix, name, gateway) in &self.routes {
            let mut route = RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(*to, *prefix);
            route = route.output_interface(indices[name.as_str()]);
            route = match gateway {
                Some(gateway) => route.gateway(*gateway).onlink(),
                None => route.scope(RouteScope::Link),
            };
            let added = handle.route().add(route.build()).execute().await;
            added.map_err(netlink(format!("adding route {to}/{prefix} over {name}")))?;
        }
        if self.forwards {
            let set = fs::write("/proc/sys/net/ipv4/ip_forward", "1");
            set.map_err(|source| CableError::Io {
                what: "setting net.ipv4.ip_forward in a router's namespace".into(),
                source,
            })?;
        }
        Ok(())
    }
}

async fn index_of(handle: &Handle, name: &str) -> Result<u32, CableError> {
    let mut links = handle.link().get().match_name(name.to_owned()).execute();
    let found = links.try_next().await.map_err(netlink(format!("looking for {name}")))?;
    found
        .map(|link| link.header.index)
        .ok_or_else(|| CableError::NoInterface(name.to_owned()))
}

fn netlink(what: String) -> impl FnOnce(rtnetlink::Error) -> CableError {
    move |source| CableError::Netlink {
        what,
        source: Box::new(source),
    }
}
