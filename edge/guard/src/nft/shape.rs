//! How traffic becomes a key in a set: one set and one rule per *shape* (which fields, how many bits of them), one element per
//! block. So 10,000 blocks of one shape cost a packet one look-up, nested networks are no conflict, and each element has its own
//! counter and end.

use std::net::IpAddr;

use crate::block::{Block, Direction, Fate, Net, Traffic};
use crate::nft::expression::{Base, Expression, Meta, lookup, meta, update};
use crate::nft::message::Hook;

const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;
/// nft's own numbers for key types, six bits each in a joined key.
const KEY_IPV4: u32 = 7;
const KEY_IPV6: u32 = 8;
const KEY_PROTOCOL: u32 = 12;
const KEY_PORT: u32 = 13;
const KEY_BITS: u32 = 6;
/// Bytes of a register; each field of a key begins at one.
const REGISTER_BYTES: usize = 4;

/// Fields of a key and what becomes of a packet that has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shape {
    fate: Fate,
    direction: Direction,
    v6: bool,
    source_bits: Option<u8>,
    destination_bits: Option<u8>,
    has_protocol: bool,
    has_source_port: bool,
    has_destination_port: bool,
}

/// The shapes and keys of a block: two for a network (as source, as destination), one for a connection.
pub(crate) fn keys_of(block: &Block) -> Vec<(Shape, Vec<u8>)> {
    let of = |v6, source: Option<Net>, destination: Option<Net>, protocol: Option<u8>, ports: [Option<u16>; 2]| {
        let shape = Shape {
            fate: block.fate,
            direction: block.direction,
            v6,
            source_bits: source.map(|net| net.prefix_bits()),
            destination_bits: destination.map(|net| net.prefix_bits()),
            has_protocol: protocol.is_some(),
            has_source_port: ports[0].is_some(),
            has_destination_port: ports[1].is_some(),
        };
        let mut key = Vec::new();
        for net in [source, destination].into_iter().flatten() {
            match net.address() {
                IpAddr::V4(a) => key.extend(a.octets()),
                IpAddr::V6(a) => key.extend(a.octets()),
            }
        }
        key.extend(protocol.into_iter().flat_map(|protocol| [protocol, 0, 0, 0]));
        for port in ports.into_iter().flatten() {
            key.extend(port.to_be_bytes());
            key.extend([0, 0]);
        }
        (shape, key)
    };
    match block.traffic {
        Traffic::Net(net) => {
            let v6 = net.address().is_ipv6();
            vec![
                of(v6, Some(net), None, None, [None, None]),
                of(v6, None, Some(net), None, [None, None]),
            ]
        }
        Traffic::Connection {
            v6,
            protocol,
            source,
            source_port,
            destination,
            destination_port,
        } => {
            let number = protocol.map(|protocol| match protocol {
                // IPv6 has an ICMP of its own.
                crate::block::Protocol::Icmp if v6 => 58,
                other => other as u8,
            });
            // A key needs a field: any source is a network too.
            let any = Net::new(
                if v6 {
                    std::net::Ipv6Addr::UNSPECIFIED.into()
                } else {
                    std::net::Ipv4Addr::UNSPECIFIED.into()
                },
                0,
            );
            let source = source.or(if destination.is_none() && number.is_none() {
                any
            } else {
                None
            });
            vec![of(v6, source, destination, number, [source_port, destination_port])]
        }
    }
}

impl Shape {
    /// The set's name, from which the shape can be read again.
    pub(crate) fn name(&self) -> String {
        let fate = match self.fate {
            Fate::Allow => "allow",
            Fate::Drop => "drop",
            Fate::Reject => "reject",
        };
        let direction = match self.direction {
            Direction::Both => "both",
            Direction::Ingress => "in",
            Direction::Egress => "out",
        };
        let mut name = format!("{fate}_{direction}_{}", if self.v6 { "v6" } else { "v4" });
        if let Some(bits) = self.source_bits {
            name += &format!("_s{bits}");
        }
        if let Some(bits) = self.destination_bits {
            name += &format!("_d{bits}");
        }
        for (has, word) in [
            (self.has_protocol, "_p"),
            (self.has_source_port, "_sp"),
            (self.has_destination_port, "_dp"),
        ] {
            name += if has { word } else { "" };
        }
        name
    }

    /// The name of the set in which its blocks count what they meet.
    pub(crate) fn counting_name(&self) -> String {
        format!("met_{}", self.name())
    }

    /// Reads a set's name; `None` if it is none of a shape.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let mut words = name.split('_');
        let fate = match words.next()? {
            "allow" => Fate::Allow,
            "drop" => Fate::Drop,
            "reject" => Fate::Reject,
            _ => return None,
        };
        let direction = match words.next()? {
            "both" => Direction::Both,
            "in" => Direction::Ingress,
            "out" => Direction::Egress,
            _ => return None,
        };
        let mut shape = Self {
            fate,
            direction,
            v6: match words.next()? {
                "v4" => false,
                "v6" => true,
                _ => return None,
            },
            source_bits: None,
            destination_bits: None,
            has_protocol: false,
            has_source_port: false,
            has_destination_port: false,
        };
        for word in words {
            match word {
                "p" => shape.has_protocol = true,
                "sp" => shape.has_source_port = true,
                "dp" => shape.has_destination_port = true,
                _ if word.starts_with('s') => shape.source_bits = Some(word.get(1..)?.parse().ok()?),
                _ if word.starts_with('d') => shape.destination_bits = Some(word.get(1..)?.parse().ok()?),
                _ => return None,
            }
        }
        Some(shape)
    }

    fn address_bytes(&self) -> u32 {
        if self.v6 { 16 } else { 4 }
    }

    /// nft's number for the type of the key, and its bytes.
    pub(crate) fn key_type(&self) -> (u32, u32) {
        let address = if self.v6 { KEY_IPV6 } else { KEY_IPV4 };
        let fields = [
            (self.source_bits.is_some(), address, self.address_bytes()),
            (self.destination_bits.is_some(), address, self.address_bytes()),
            (self.has_protocol, KEY_PROTOCOL, 4),
            (self.has_source_port, KEY_PORT, 4),
            (self.has_destination_port, KEY_PORT, 4),
        ];
        let present = fields.into_iter().filter(|(has, _, _)| *has);
        present.fold((0, 0), |(kind, bytes), (_, field, more)| {
            (kind << KEY_BITS | field, bytes + more)
        })
    }

    /// The hooks at which its rule stands, each with the chain to add it to.
    pub(crate) fn chains(&self) -> Vec<(Hook, String)> {
        let group = if self.fate == Fate::Allow { "allow" } else { "block" };
        let hooks: &[(Hook, &str)] = match self.direction {
            Direction::Both => &[(Hook::Forward, "forward"), (Hook::Input, "input"), (Hook::Output, "output")],
            Direction::Ingress => &[(Hook::Forward, "forward"), (Hook::Input, "input")],
            Direction::Egress => &[(Hook::Forward, "forward"), (Hook::Output, "output")],
        };
        hooks.iter().map(|(hook, name)| (*hook, format!("{group}_{name}"))).collect()
    }

    /// Its two rules: which way, which family, the fields side by side in registers, the look-up; then the first counts, and the
    /// second has the verdict: where a packet cannot be counted (no memory), it must be stopped all the same.
    pub(crate) fn rules(&self, hook: Hook, outside: &str) -> [Vec<Expression>; 2] {
        let mut rule = Vec::new();
        match (hook, self.direction) {
            (Hook::Forward, Direction::Ingress) => rule.extend([meta(Meta::Iifname), lookup(outside)]),
            (Hook::Forward, Direction::Egress) => rule.extend([meta(Meta::Oifname), lookup(outside)]),
            _ => {}
        }
        let family = if self.v6 { NFPROTO_IPV6 } else { NFPROTO_IPV4 };
        rule.extend([meta(Meta::Nfproto), crate::nft::expression::equal(&[family])]);
        let bytes = self.address_bytes();
        let (source_at, destination_at) = if self.v6 { (8, 24) } else { (12, 16) };
        let mut register = 0;
        for (bits, offset) in [(self.source_bits, source_at), (self.destination_bits, destination_at)] {
            let Some(bits) = bits else { continue };
            rule.push(Expression::Payload {
                base: Base::Network,
                offset,
                bytes,
                register,
            });
            if u32::from(bits) < bytes * 8 {
                rule.push(Expression::Mask {
                    register,
                    mask: mask(bits, bytes as usize),
                });
            }
            register += bytes / REGISTER_BYTES as u32;
        }
        if self.has_protocol {
            rule.push(Expression::Meta {
                key: Meta::L4proto,
                register,
            });
            register += 1;
        }
        for (has, offset) in [(self.has_source_port, 0), (self.has_destination_port, 2)] {
            if has {
                rule.push(Expression::Payload {
                    base: Base::Transport,
                    offset,
                    bytes: 2,
                    register,
                });
                register += 1;
            }
        }
        rule.push(lookup(&self.name()));
        let verdict = match self.fate {
            Fate::Allow => Expression::Accept,
            Fate::Drop => Expression::Drop,
            Fate::Reject => Expression::Reject,
        };
        [update(&self.counting_name()), verdict].map(|last| [rule.clone(), vec![last]].concat())
    }
}

fn mask(bits: u8, bytes: usize) -> Vec<u8> {
    let ones = |at: usize| usize::from(bits).saturating_sub(at * 8).min(8) as u32;
    (0..bytes).map(|at| (0xff00_u32 >> ones(at)) as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_and_names() {
        assert_eq!(mask(24, 4), [255, 255, 255, 0]);
        assert_eq!(mask(0, 4), [0; 4]);
        assert_eq!(mask(9, 4), [255, 128, 0, 0]);
        assert_eq!(mask(128, 16), [255; 16]);
        let net = Net::parse("10.1.2.3/9", false).unwrap();
        let block = Block {
            fate: Fate::Reject,
            traffic: Traffic::Net(net),
            direction: Direction::Ingress,
        };
        for (shape, key) in keys_of(&block) {
            assert_eq!(Shape::from_name(&shape.name()), Some(shape));
            assert_eq!(key, [10, 0, 0, 0]);
            assert!(shape.name().len() < 32);
        }
        assert_eq!(Shape::from_name("cut"), None);
        let long = "reject_both_v6_s128_d128_p_sp_dp";
        assert_eq!(Shape::from_name(long).unwrap().name(), long);
    }
}
