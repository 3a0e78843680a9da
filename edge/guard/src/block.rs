use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A network: an address whose host bits are 0, and the length of its prefix in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Net {
    address: IpAddr,
    prefix_bits: u8,
}

impl Net {
    /// Builds a network; host bits are cleared. `None` if the prefix is longer than an address.
    pub fn new(address: IpAddr, prefix_bits: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(a) if prefix_bits <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix_bits)).unwrap_or(0);
                Ipv4Addr::from_bits(a.to_bits() & mask).into()
            }
            IpAddr::V6(a) if prefix_bits <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix_bits)).unwrap_or(0);
                Ipv6Addr::from_bits(a.to_bits() & mask).into()
            }
            _ => return None,
        };
        Some(Self { address, prefix_bits })
    }

    /// Reads `ADDRESS` or `ADDRESS/PREFIX` (OpenC2 `ipv4_net`, `ipv6_net`).
    pub fn parse(text: &str, v6: bool) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) if !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit()) => {
                (address, Some(prefix.parse().ok()?))
            }
            Some(_) => return None,
            None => (text, None),
        };
        let address: IpAddr = if v6 {
            address.parse::<Ipv6Addr>().ok()?.into()
        } else {
            address.parse::<Ipv4Addr>().ok()?.into()
        };
        Self::new(address, prefix.unwrap_or(if v6 { 128 } else { 32 }))
    }

    /// The first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Bits of the prefix.
    pub fn prefix_bits(&self) -> u8 {
        self.prefix_bits
    }

    /// Returns whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4() && Self::new(address, self.prefix_bits) == Some(*self)
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

/// A transport protocol (OpenC2 `L4-Protocol`), with its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// ICMP.
    Icmp = 1,
    /// TCP.
    Tcp = 6,
    /// UDP.
    Udp = 17,
    /// SCTP.
    Sctp = 132,
}

impl Protocol {
    fn word(self) -> &'static str {
        match self {
            Self::Icmp => "icmp",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Icmp, Self::Tcp, Self::Udp, Self::Sctp]
            .into_iter()
            .find(|p| p.word() == word)
    }
}

/// Which traffic (OpenC2 `ipv4_net`, `ipv6_net`, `ipv4_connection`, `ipv6_connection`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Traffic {
    /// From or to a network.
    Net(Net),
    /// Of a five-tuple; what is absent is any.
    Connection {
        /// IPv6?
        v6: bool,
        /// Protocol.
        protocol: Option<Protocol>,
        /// Source.
        source: Option<Net>,
        /// Source port.
        source_port: Option<u16>,
        /// Destination.
        destination: Option<Net>,
        /// Destination port.
        destination_port: Option<u16>,
    },
}

/// Which way (SLPF `direction`): through an outside interface, or into and out of the guard itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Every way.
    #[default]
    Both,
    /// Coming in.
    Ingress,
    /// Going out.
    Egress,
}

/// What becomes of the traffic (SLPF `allow`, `deny` with `drop_process`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// An exception from blocks; never from cuts.
    Allow,
    /// Dropped in silence.
    Drop,
    /// Dropped, and the sender is told that the host cannot be reached.
    Reject,
}

/// Traffic that is stopped, or excepted from that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Block {
    /// What becomes of it.
    pub fate: Fate,
    /// Which traffic.
    pub traffic: Traffic,
    /// Which way.
    pub direction: Direction,
}

impl Block {
    /// Reads the traffic out of a target of one of the four types; `None` if it is none or not valid.
    pub fn traffic(target_type: &str, specifier: &Value) -> Option<Traffic> {
        match target_type {
            "ipv4_net" | "ipv6_net" => Net::parse(specifier.as_str()?, target_type == "ipv6_net").map(Traffic::Net),
            "ipv4_connection" | "ipv6_connection" => connection(target_type == "ipv6_connection", specifier),
            _ => None,
        }
    }
}

fn connection(v6: bool, specifier: &Value) -> Option<Traffic> {
    let net = |name: &str| match specifier.get(name) {
        None => Some(None),
        Some(net) => Net::parse(net.as_str()?, v6).map(Some),
    };
    let port = |name: &str| match specifier.get(name) {
        None => Some(None),
        Some(port) => u16::try_from(port.as_u64()?).ok().map(Some),
    };
    let protocol = match specifier.get("protocol") {
        None => None,
        Some(word) => Some(Protocol::parse(word.as_str()?)?),
    };
    let known = ["protocol", "src_addr", "src_port", "dst_addr", "dst_port"];
    let fields = specifier.as_object()?;
    if fields.is_empty() || fields.keys().any(|name| !known.contains(&name.as_str())) {
        return None;
    }
    Some(Traffic::Connection {
        v6,
        protocol,
        source: net("src_addr")?,
        source_port: port("src_port")?,
        destination: net("dst_addr")?,
        destination_port: port("dst_port")?,
    })
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Connection {
            v6,
            protocol,
            source,
            source_port,
            destination,
            destination_port,
        } = self
        else {
            let Self::Net(net) = self else { return Ok(()) };
            let name = if net.address.is_ipv6() { "ipv6_net" } else { "ipv4_net" };
            return write!(f, "{name} {net}");
        };
        let end = |net: &Option<Net>, port: &Option<u16>| {
            let net = net.map_or("any".to_owned(), |net| net.to_string());
            port.map_or(net.clone(), |port| format!("{net} port {port}"))
        };
        let name = if *v6 { "ipv6_connection" } else { "ipv4_connection" };
        let protocol = protocol.map_or("any", Protocol::word);
        let (from, to) = (end(source, source_port), end(destination, destination_port));
        write!(f, "{name} {protocol} from {from} to {to}")
    }
}

/// The text that plans have as a step's target: `ipv4_net 198.51.100.0/24 ingress`.
impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.traffic)?;
        match self.direction {
            Direction::Both => {}
            Direction::Ingress => f.write_str(" ingress")?,
            Direction::Egress => f.write_str(" egress")?,
        }
        match self.fate {
            Fate::Reject => f.write_str(" reject"),
            Fate::Allow | Fate::Drop => Ok(()),
        }
    }
}
