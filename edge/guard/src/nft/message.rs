//! nftables' messages (linux/netfilter/nf_tables.h), each with the family of the table that it is about.

use crate::netlink::{Attributes, NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, Request};
use crate::nft::expression::Expression;

/// Name of our tables.
pub(crate) const TABLE: &str = "leckwehr";

/// linux/netfilter/nfnetlink.h: nftables' subsystem number.
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEWTABLE: u16 = 0;
const NEWCHAIN: u16 = 3;
const NEWRULE: u16 = 6;
const GETRULE: u16 = 7;
const DELRULE: u16 = 8;
const NEWSET: u16 = 9;
const GETSET: u16 = 10;
const DELSET: u16 = 11;
const NEWSETELEM: u16 = 12;
const GETSETELEM: u16 = 13;
const DELSETELEM: u16 = 14;

/// nft's own number for names of interfaces, and its note that their bytes are in the host's order: without it, it shows none.
pub(crate) const KEY_IFNAME: u32 = 41;
const HOST_ORDER: [u8; 6] = {
    let [a, b, c, d] = 1_u32.to_ne_bytes();
    [0, 4, a, b, c, d]
};

/// Elements in one message: a list of them carries its length in 16 bits.
const ELEMENTS_PER_MESSAGE_MAX: usize = 400;

/// Elements of a large set, at most: more than all blocks that a guard takes.
const LARGE_ELEMENTS: u32 = 65_536;

/// The family of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    /// IPv4 and IPv6.
    Inet = 1,
    /// What a bridge forwards between its ports.
    Bridge = 7,
}

/// Hooks (`enum nf_inet_hooks`; a bridge's have the same numbers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    Input = 1,
    Forward = 2,
    Output = 3,
}

/// What a set is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filling {
    /// By hand.
    Given,
    /// By hand, and elements may end.
    Leased,
    /// By packets, up to a number of elements. The kernel makes room for all of them, and walks it when the set is read.
    Packets(u32),
}

/// A set to be made.
pub(crate) struct Set<'a> {
    pub(crate) name: &'a str,
    /// Names it within the transaction that makes it.
    pub(crate) id: u32,
    /// nft's own number for the key's type, so that `nft list ruleset` reads well.
    pub(crate) key_type: u32,
    pub(crate) key_bytes: u32,
    pub(crate) filling: Filling,
    /// Whether many elements will come at once: room for them is made beforehand, not bit by bit.
    pub(crate) is_large: bool,
}

/// An element of a set.
#[derive(Clone)]
pub(crate) struct Element {
    pub(crate) key: Vec<u8>,
    pub(crate) lease_ms: Option<u64>,
}

impl Element {
    pub(crate) fn new(key: Vec<u8>) -> Self {
        Self { key, lease_ms: None }
    }

    fn write(&self, list: Attributes) -> Attributes {
        list.within(1, |mut element| {
            element = element.within(1, |key| key.bytes(1, &self.key));
            match self.lease_ms {
                Some(lease_ms) => element.long(4, lease_ms),
                None => element,
            }
        })
    }
}

/// A counter at 0.
fn counter() -> Attributes {
    let numbers = Attributes::new().long(1, 0).long(2, 0);
    Attributes::new().text(1, "counter").nest(2, &numbers)
}

/// Begins and ends a transaction.
pub(crate) fn batch(messages: Vec<Request>) -> Vec<Request> {
    let mark = |kind| Request {
        kind,
        flags: NLM_F_REQUEST,
        body: header(0, SUBSYSTEM),
    };
    let mut all = vec![mark(BATCH_BEGIN)];
    all.extend(messages);
    all.push(mark(BATCH_END));
    all
}

/// `struct nfgenmsg`.
fn header(family: u8, resource: u16) -> Vec<u8> {
    let [high, low] = resource.to_be_bytes();
    vec![family, 0, high, low]
}

fn message(family: Family, kind: u16, flags: u16, attributes: &Attributes) -> Request {
    let mut body = header(family as u8, 0);
    body.extend(attributes.as_bytes());
    Request {
        kind: SUBSYSTEM << 8 | kind,
        flags: NLM_F_REQUEST | flags,
        body,
    }
}

pub(crate) fn new_table(family: Family) -> Request {
    message(
        family,
        NEWTABLE,
        NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
        &Attributes::new().text(1, TABLE),
    )
}

pub(crate) fn new_set(family: Family, set: &Set<'_>) -> Request {
    let flags = match set.filling {
        Filling::Given => 0,
        Filling::Leased => 0x10,
        Filling::Packets(_) => 0x20,
    };
    let mut attributes = Attributes::new()
        .text(1, TABLE)
        .text(2, set.name)
        .number(3, flags)
        .number(4, set.key_type)
        .number(5, set.key_bytes)
        .number(10, set.id);
    let size = match set.filling {
        Filling::Packets(elements_max) => Some(elements_max),
        Filling::Leased if set.is_large => Some(LARGE_ELEMENTS),
        Filling::Given | Filling::Leased => None,
    };
    if let Some(size) = size {
        attributes = attributes.nest(9, &Attributes::new().number(1, size));
    }
    // A counter costs the kernel more than its element: what is leased is counted in a set of its own, once there is something.
    if set.filling != Filling::Leased {
        attributes = attributes.nest(17, &counter());
    }
    if set.key_type == KEY_IFNAME {
        attributes = attributes.bytes(13, &HOST_ORDER);
    }
    message(family, NEWSET, NLM_F_ACK | NLM_F_CREATE, &attributes)
}

pub(crate) fn delete_set(family: Family, name: &str) -> Request {
    message(family, DELSET, NLM_F_ACK, &Attributes::new().text(1, TABLE).text(2, name))
}

/// A chain at a hook.
pub(crate) fn base_chain(family: Family, name: &str, hook: Hook, priority: i32) -> Request {
    let place = Attributes::new().number(1, hook as u32).number(2, priority.cast_unsigned());
    let attributes = Attributes::new()
        .text(1, TABLE)
        .text(3, name)
        .nest(4, &place)
        .text(7, "filter");
    message(family, NEWCHAIN, NLM_F_ACK | NLM_F_CREATE, &attributes)
}

/// A chain to jump to.
pub(crate) fn inner_chain(family: Family, name: &str) -> Request {
    let attributes = Attributes::new().text(1, TABLE).text(3, name);
    message(family, NEWCHAIN, NLM_F_ACK | NLM_F_CREATE, &attributes)
}

pub(crate) fn new_rule(family: Family, chain: &str, expressions: &[Expression], comment: Option<&str>) -> Request {
    let list = expressions
        .iter()
        .fold(Attributes::new(), |list, expression| list.nest(1, &expression.attributes()));
    let mut attributes = Attributes::new().text(1, TABLE).text(2, chain).nest(4, &list);
    if let Some(comment) = comment {
        attributes = attributes.bytes(7, &comment_bytes(comment));
    }
    message(family, NEWRULE, NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND, &attributes)
}

/// nft's form of a rule's comment: kind 0, length, text with its zero. At most 127 bytes.
pub(crate) fn comment_bytes(comment: &str) -> Vec<u8> {
    let length = u8::try_from(comment.len() + 1).unwrap_or(u8::MAX);
    [&[0, length], comment.as_bytes(), &[0]].concat()
}

pub(crate) fn delete_rule(family: Family, chain: &str, handle: u64) -> Request {
    let attributes = Attributes::new().text(1, TABLE).text(2, chain).long(3, handle);
    message(family, DELRULE, NLM_F_ACK, &attributes)
}

pub(crate) fn get_rules(family: Family) -> Request {
    message(family, GETRULE, NLM_F_DUMP, &Attributes::new().text(1, TABLE))
}

pub(crate) fn get_sets(family: Family) -> Request {
    message(family, GETSET, NLM_F_DUMP, &Attributes::new().text(1, TABLE))
}

pub(crate) fn get_elements(family: Family, set: &str) -> Request {
    message(family, GETSETELEM, NLM_F_DUMP, &Attributes::new().text(1, TABLE).text(2, set))
}

pub(crate) fn new_elements(family: Family, set: &str, elements: &[Element]) -> Vec<Request> {
    element_messages(family, set, elements, NEWSETELEM, NLM_F_ACK | NLM_F_CREATE)
}

pub(crate) fn delete_elements(family: Family, set: &str, keys: &[Vec<u8>]) -> Vec<Request> {
    let bare: Vec<Element> = keys.iter().cloned().map(Element::new).collect();
    element_messages(family, set, &bare, DELSETELEM, NLM_F_ACK)
}

/// Empties a set.
pub(crate) fn flush_set(family: Family, set: &str) -> Request {
    message(family, DELSETELEM, NLM_F_ACK, &Attributes::new().text(1, TABLE).text(2, set))
}

fn element_messages(family: Family, set: &str, elements: &[Element], kind: u16, flags: u16) -> Vec<Request> {
    let one = |elements: &[Element]| {
        let names = Attributes::new().text(1, TABLE).text(2, set);
        let attributes = names.within(3, |list| elements.iter().fold(list, |list, element| element.write(list)));
        message(family, kind, flags, &attributes)
    };
    elements.chunks(ELEMENTS_PER_MESSAGE_MAX).map(one).collect()
}
