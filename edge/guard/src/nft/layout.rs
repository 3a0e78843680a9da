//! Our two tables as one transaction makes them.

use crate::netlink::Request;
use crate::nft::expression::{Base, Expression, Meta, equal, lookup, meta, update};
use crate::nft::message::{Family, Filling, Hook, KEY_IFNAME, Set, base_chain, inner_chain, new_rule, new_set, new_table};

pub(crate) const CUT: &str = "cut";
pub(crate) const STOPPED: &str = "stopped";
pub(crate) const PASSED: &str = "passed";
pub(crate) const OUTSIDE: &str = "outside";
pub(crate) const EGRESS: &str = "egress";
pub(crate) const MANAGEMENT: &str = "management";
pub(crate) const ROOMS_V4: &str = "rooms_v4";
pub(crate) const ROOMS_V6: &str = "rooms_v6";
pub(crate) const NEIGHBOURS: &str = "neighbours";

/// `IFNAMSIZ`: key length of a set of interface names.
pub(crate) const IFNAME_BYTES: usize = 16;
/// nft's own numbers for key types.
const KEY_IPV4: u32 = 7;
const KEY_ICMPV6_TYPE: u32 = 29;
const KEY_IPV4_PORT: u32 = 7 << 6 | 13;
const KEY_IPV6_PORT: u32 = 8 << 6 | 13;
/// Interfaces that are counted apart. Further ones are cut, and not counted.
const INTERFACES_MAX: u32 = 4_096;
/// Addresses that the egress meter tells apart; further ones are counted by the interface.
const ADDRESSES_MAX: u32 = 65_535;
/// The cut comes before every other filter (`raw` priority), the witness after all of them.
const PRIORITY_CUT: i32 = -300;
const PRIORITY_METER: i32 = 200;
const PRIORITY_WITNESS: i32 = 300;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;
const PROTOCOL_TCP: u8 = 6;
const PROTOCOL_ICMPV6: u8 = 58;

/// `table inet leckwehr`.
pub(crate) fn inet_table() -> Vec<Request> {
    let f = Family::Inet;
    let set = |name, id, key_type, key_bytes, filling| {
        new_set(
            f,
            &Set {
                name,
                id,
                key_type,
                key_bytes,
                filling,
                is_large: false,
            },
        )
    };
    let jump = |chain: &str, to: &str| new_rule(f, chain, &[Expression::Jump { chain: to.to_owned() }], None);
    let mut messages = vec![
        new_table(f),
        set(CUT, 1, KEY_IFNAME, 16, Filling::Leased),
        set(PASSED, 2, KEY_IFNAME, 16, Filling::Packets(INTERFACES_MAX)),
        set(OUTSIDE, 3, KEY_IFNAME, 16, Filling::Given),
        set(EGRESS, 4, KEY_IPV4, 4, Filling::Packets(ADDRESSES_MAX)),
        set(MANAGEMENT, 5, KEY_IFNAME, 16, Filling::Given),
        set(ROOMS_V4, 6, KEY_IPV4_PORT, 8, Filling::Given),
        set(ROOMS_V6, 7, KEY_IPV6_PORT, 20, Filling::Given),
        set(NEIGHBOURS, 8, KEY_ICMPV6_TYPE, 1, Filling::Given),
        set(STOPPED, 11, KEY_IFNAME, 16, Filling::Packets(INTERFACES_MAX)),
        base_chain(f, "cut_forward", Hook::Forward, PRIORITY_CUT),
        base_chain(f, "cut_input", Hook::Input, PRIORITY_CUT),
        base_chain(f, "cut_output", Hook::Output, PRIORITY_CUT),
        base_chain(f, "meter", Hook::Forward, PRIORITY_METER),
        base_chain(f, "witness", Hook::Forward, PRIORITY_WITNESS),
    ];
    for chain in ["forward", "input", "output"] {
        messages.push(inner_chain(f, &format!("allow_{chain}")));
        messages.push(inner_chain(f, &format!("block_{chain}")));
    }
    // The way over which orders come stays open, whatever is cut.
    for (chain, interface, offsets) in [
        ("cut_input", Meta::Iifname, [12, 8, 2]),
        ("cut_output", Meta::Oifname, [16, 24, 0]),
    ] {
        let accept = |rule: Vec<Expression>| new_rule(f, chain, &[rule, vec![Expression::Accept]].concat(), None);
        let [v4_at, v6_at, port_at] = offsets;
        messages.push(accept(vec![meta(interface), lookup(MANAGEMENT)]));
        messages.push(accept(room(NFPROTO_IPV4, v4_at, 4, port_at, ROOMS_V4)));
        messages.push(accept(room(NFPROTO_IPV6, v6_at, 16, port_at, ROOMS_V6)));
        messages.push(accept(vec![
            meta(Meta::L4proto),
            equal(&[PROTOCOL_ICMPV6]),
            Expression::Payload {
                base: Base::Transport,
                offset: 0,
                bytes: 1,
                register: 0,
            },
            lookup(NEIGHBOURS),
        ]));
    }
    messages.extend(drops(f));
    for chain in ["forward", "input", "output"] {
        messages.push(jump(&format!("cut_{chain}"), &format!("allow_{chain}")));
        messages.push(jump(&format!("cut_{chain}"), &format!("block_{chain}")));
    }
    let metered = [
        meta(Meta::Oifname),
        lookup(OUTSIDE),
        meta(Meta::Nfproto),
        equal(&[NFPROTO_IPV4]),
        Expression::Payload {
            base: Base::Network,
            offset: 16,
            bytes: 4,
            register: 0,
        },
        update(EGRESS),
    ];
    messages.push(new_rule(f, "meter", &metered, None));
    messages.extend(witness(f));
    messages
}

/// A packet from or to a control room: its address and our port side by side.
fn room(family: u8, address_at: u32, bytes: u32, port_at: u32, set: &str) -> Vec<Expression> {
    vec![
        meta(Meta::Nfproto),
        equal(&[family]),
        meta(Meta::L4proto),
        equal(&[PROTOCOL_TCP]),
        Expression::Payload {
            base: Base::Network,
            offset: address_at,
            bytes,
            register: 0,
        },
        Expression::Payload {
            base: Base::Transport,
            offset: port_at,
            bytes: 2,
            register: bytes / 4,
        },
        lookup(set),
    ]
}

/// `table bridge leckwehr`: what goes from port to port of a bridge never meets the other table.
pub(crate) fn bridge_table() -> Vec<Request> {
    let f = Family::Bridge;
    let set = |name, id, filling| {
        new_set(
            f,
            &Set {
                name,
                id,
                key_type: KEY_IFNAME,
                key_bytes: 16,
                filling,
                is_large: false,
            },
        )
    };
    let mut messages = vec![
        new_table(f),
        set(CUT, 9, Filling::Leased),
        set(PASSED, 10, Filling::Packets(INTERFACES_MAX)),
        set(STOPPED, 12, Filling::Packets(INTERFACES_MAX)),
        base_chain(f, "cut_forward", Hook::Forward, PRIORITY_CUT),
        base_chain(f, "cut_input", Hook::Input, PRIORITY_CUT),
        base_chain(f, "cut_output", Hook::Output, PRIORITY_CUT),
        base_chain(f, "witness", Hook::Forward, PRIORITY_WITNESS),
    ];
    messages.extend(drops(f));
    messages.extend(witness(f));
    messages
}

/// Counts and drops what comes from or goes to a cut interface. Two rules each: where a packet cannot be counted (the set is full,
/// no memory), the rule ends there, and the packet must be dropped all the same.
fn drops(family: Family) -> Vec<Request> {
    let hooks = [
        ("cut_forward", Meta::Iifname),
        ("cut_forward", Meta::Oifname),
        ("cut_input", Meta::Iifname),
        ("cut_output", Meta::Oifname),
    ];
    let rules = hooks.into_iter().flat_map(|(chain, key)| {
        [update(STOPPED), Expression::Drop].map(|last| new_rule(family, chain, &[meta(key), lookup(CUT), last], None))
    });
    rules.collect()
}

fn witness(family: Family) -> [Request; 2] {
    [Meta::Iifname, Meta::Oifname].map(|key| new_rule(family, "witness", &[meta(key), lookup(CUT), update(PASSED)], None))
}
