use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv4Addr;

use netlink_packet_core::{
    DefaultNla, Emitable, NLA_F_NESTED, NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST,
    NetlinkBuffer, NetlinkMessage,
};
use netlink_packet_netfilter::nftables::{
    ChainAttribute, ChainMessage, Cmp, DataAttribute, Expressions, Hook, Immediate, InetHookNumber, ListAttribute, Lookup, Meta,
    MetaKey, NfTablesMessage, Operator, Payload, Register, RuleAttribute, RuleMessage, SetAttribute, SetDescription,
    SetElementAttribute, SetElementList, SetElementMessage, SetFlags, SetMessage, TableAttribute, TableMessage, Verdict,
    VerdictAttribute,
};
use netlink_packet_netfilter::none::ControlMessage;
use netlink_packet_netfilter::{NetfilterHeader, NetfilterMessage, NetfilterProtoFamily};
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};

use crate::firewall::{Counter, Firewall, FirewallError, FirewallState};

const TABLE: &str = "leckwehr";
const CUT: &str = "cut";
const PASSED: &str = "passed";
const OUTSIDE: &str = "outside";
const EGRESS: &str = "egress";

/// `IFNAMSIZ`: key length of a set of interface names.
const IFNAME_BYTES: usize = 16;
/// nft's own numbers for key types, kept so that `nft list ruleset` reads well.
const KEY_TYPE_IFNAME: u32 = 41;
const KEY_TYPE_IPV4: u32 = 7;
/// The cut comes before every other filter (`raw` priority), the witness after all of them.
const PRIORITY_CUT: i32 = -300;
const PRIORITY_METER: i32 = 200;
const PRIORITY_WITNESS: i32 = 300;
/// linux/netfilter.h
const NF_DROP: u32 = 0;
/// linux/netfilter/nfnetlink.h: nftables subsystem, as batch resource id (in network order on the wire).
const SUBSYSTEM_NFTABLES: u16 = 10;
/// linux/netfilter.h: `NFPROTO_IPV4`.
const NFPROTO_IPV4: u8 = 2;
/// Addresses that the egress meter tells apart; further ones are still counted by the interface.
const EGRESS_ADDRESSES_MAX: u32 = 65_535;
/// Interfaces in one transaction: what still fits into a socket's default send buffer of 208 KiB.
const INTERFACES_MAX: usize = 1_024;
/// Elements in one message: a list of them carries its length in 16 bits.
const ELEMENTS_PER_MESSAGE_MAX: usize = 256;
/// Times a cut is tried again because a lease ended between reading the set and changing it.
const TRIES_MAX: usize = 3;

/// The kernel's nftables in the network namespace in which it was opened, spoken to over netlink.
///
/// One table `inet leckwehr`:
///
/// ```text
/// forward -300   iifname @cut drop · oifname @cut drop        per-element counters = attempts after the cut
/// input   -300   iifname @cut drop
/// forward  200   oifname @outside → @egress{ip daddr}         bytes per destination; @outside counts all of them
/// forward  300   iifname/oifname @cut → @passed               must stay empty
/// ```
pub struct Nft {
    socket: Socket,
    sequence: u32,
}

impl Nft {
    /// Opens a netlink socket in the calling thread's network namespace.
    pub fn open() -> Result<Self, FirewallError> {
        let kernel = |source| FirewallError::Kernel {
            operation: "opening netlink",
            source,
        };
        let mut socket = Socket::new(NETLINK_NETFILTER).map_err(kernel)?;
        socket.bind_auto().map_err(kernel)?;
        socket.connect(&SocketAddr::new(0, 0)).map_err(kernel)?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Sends messages as one transaction and waits for every answer.
    fn transact(&mut self, operation: &'static str, messages: Vec<(NfTablesMessage, u16)>) -> Result<(), FirewallError> {
        let kernel = |source| FirewallError::Kernel { operation, source };
        let mut bytes = Vec::new();
        self.push(&mut bytes, batch(ControlMessage::BatchBegin), NLM_F_REQUEST);
        let begin = self.sequence;
        for (message, flags) in messages {
            self.push(&mut bytes, inet(message), NLM_F_REQUEST | NLM_F_ACK | flags);
        }
        let last = self.sequence;
        self.push(&mut bytes, batch(ControlMessage::BatchEnd), NLM_F_REQUEST);
        self.socket.send(&bytes, 0).map_err(kernel)?;
        let mut outcome = Ok(());
        let mut open = last - begin;
        while open > 0 {
            for answer in self.receive(operation)? {
                // An answer to the beginning speaks for the whole transaction: refused, and there may be no other.
                let of_whole = answer.sequence == begin;
                if answer.kind != NLMSG_ERROR || !(begin..=last).contains(&answer.sequence) {
                    continue;
                }
                open = if of_whole { 0 } else { open.saturating_sub(1) };
                if let (code @ 1.., true) = (error_code(&answer.body), outcome.is_ok()) {
                    outcome = Err(kernel(io::Error::from_raw_os_error(code)));
                }
            }
        }
        outcome
    }

    /// Asks for all elements of a set.
    fn elements(&mut self, set: &str) -> Result<Vec<(Vec<u8>, Counter)>, FirewallError> {
        const OPERATION: &str = "reading a set";
        let kernel = |source| FirewallError::Kernel {
            operation: OPERATION,
            source,
        };
        let names = vec![SetElementList::Table(TABLE.into()), SetElementList::Set(set.into())];
        let request = NfTablesMessage::GetSetElement(SetElementMessage { attributes: names });
        let mut bytes = Vec::new();
        self.push(&mut bytes, inet(request), NLM_F_REQUEST | NLM_F_DUMP);
        self.socket.send(&bytes, 0).map_err(kernel)?;
        let mut found = Vec::new();
        loop {
            for answer in self.receive(OPERATION)? {
                match answer.kind {
                    // Left over from an earlier transaction.
                    _ if answer.sequence != self.sequence => {}
                    NLMSG_DONE => return Ok(found),
                    NLMSG_ERROR => return Err(kernel(io::Error::from_raw_os_error(error_code(&answer.body)))),
                    _ => found.extend(elements_of(answer.body.get(NFGENMSG_BYTES..).unwrap_or_default())),
                }
            }
        }
    }

    fn push(&mut self, bytes: &mut Vec<u8>, message: NetfilterMessage, flags: u16) {
        self.sequence += 1;
        let mut message = NetlinkMessage::from(message);
        message.header.flags = flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let start = bytes.len();
        bytes.resize(start + message.buffer_len(), 0);
        message.serialize(&mut bytes[start..]);
    }

    /// Reads the messages of the next datagram.
    fn receive(&mut self, operation: &'static str) -> Result<Vec<Answer>, FirewallError> {
        let lost = |source| FirewallError::Lost { operation, source };
        let (datagram, _) = self.socket.recv_from_full().map_err(lost)?;
        let mut answers = Vec::new();
        let mut rest = &datagram[..];
        while !rest.is_empty() {
            let header = NetlinkBuffer::new_checked(rest).map_err(|_| FirewallError::Unreadable { operation })?;
            let length = header.length() as usize;
            answers.push(Answer {
                kind: header.message_type(),
                sequence: header.sequence_number(),
                body: header.payload().to_vec(),
            });
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(answers)
    }
}

/// One message of the kernel's.
struct Answer {
    kind: u16,
    sequence: u32,
    body: Vec<u8>,
}

impl Firewall for Nft {
    fn prepare(&mut self, outside: &[String]) -> Result<(), FirewallError> {
        let outside: Vec<Element> = interface_keys(outside)?.into_iter().map(Element::new).collect();
        // The table is made in the same transaction as all that is in it: a guard that is killed leaves all or nothing.
        let mut messages = vec![
            (new_table(), NLM_F_CREATE | NLM_F_EXCL),
            new_set(CUT, 1, KEY_TYPE_IFNAME, IFNAME_BYTES, SetFlags::Timeout, true),
            new_set(PASSED, 2, KEY_TYPE_IFNAME, IFNAME_BYTES, SetFlags::Eval, true),
            new_set(OUTSIDE, 3, KEY_TYPE_IFNAME, IFNAME_BYTES, SetFlags::empty(), true),
            new_set(EGRESS, 4, KEY_TYPE_IPV4, 4, SetFlags::Eval, true),
            new_chain("cut_forward", InetHookNumber::Forward, PRIORITY_CUT),
            new_chain("cut_input", InetHookNumber::LocalIn, PRIORITY_CUT),
            new_chain("meter", InetHookNumber::Forward, PRIORITY_METER),
            new_chain("witness", InetHookNumber::Forward, PRIORITY_WITNESS),
            new_rule("cut_forward", vec![meta(MetaKey::Iifname), lookup(CUT), drop_packet()]),
            new_rule("cut_forward", vec![meta(MetaKey::Oifname), lookup(CUT), drop_packet()]),
            new_rule("cut_input", vec![meta(MetaKey::Iifname), lookup(CUT), drop_packet()]),
            new_rule("witness", vec![meta(MetaKey::Iifname), lookup(CUT), update(PASSED)]),
            new_rule("witness", vec![meta(MetaKey::Oifname), lookup(CUT), update(PASSED)]),
            new_rule(
                "meter",
                [
                    vec![meta(MetaKey::Oifname), lookup(OUTSIDE)],
                    destination_ipv4(),
                    vec![update(EGRESS)],
                ]
                .concat(),
            ),
        ];
        messages.extend(new_elements(OUTSIDE, &outside));
        match self.transact("setting up the table", messages) {
            Err(FirewallError::Kernel { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
                self.transact("naming the outside", new_elements(OUTSIDE, &outside))
            }
            other => other,
        }
    }

    fn cut(&mut self, interfaces: &[String], lease_ms: Option<u64>) -> Result<(), FirewallError> {
        let keys = interface_keys(interfaces)?;
        let mut outcome = Ok(());
        for _ in 0..TRIES_MAX {
            // Not every kernel takes a new timeout for an element that is there, so it is replaced, with its count.
            let there: BTreeMap<Vec<u8>, Counter> = self.elements(CUT)?.into_iter().collect();
            let element = |key: &Vec<u8>| Element {
                key: key.clone(),
                lease_ms,
                counter: there.get(key).copied(),
            };
            let elements: Vec<Element> = keys.iter().map(element).collect();
            let replaced: Vec<Element> = elements.iter().filter(|e| e.counter.is_some()).cloned().collect();
            let messages = [delete_elements(CUT, &replaced), new_elements(CUT, &elements)].concat();
            outcome = self.transact("cutting", messages);
            match &outcome {
                Err(FirewallError::Kernel { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                _ => break,
            }
        }
        outcome
    }

    fn release(&mut self, interfaces: &[String]) -> Result<(), FirewallError> {
        let keys = interface_keys(interfaces)?;
        let mut outcome = Ok(());
        for _ in 0..TRIES_MAX {
            let there = self.elements(CUT)?;
            let cut = |key: &&Vec<u8>| there.iter().any(|(k, _)| k == *key);
            let elements: Vec<Element> = keys.iter().filter(cut).cloned().map(Element::new).collect();
            outcome = self.transact("releasing", delete_elements(CUT, &elements));
            match &outcome {
                Err(FirewallError::Kernel { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                _ => break,
            }
        }
        outcome
    }

    fn state(&mut self) -> Result<FirewallState, FirewallError> {
        let by_interface = |elements: Vec<(Vec<u8>, Counter)>| -> BTreeMap<String, Counter> {
            elements
                .into_iter()
                .map(|(key, counter)| (interface_name(&key), counter))
                .collect()
        };
        // The whole before its parts: what is sent meanwhile must not look like something that was not told apart.
        let outside = by_interface(self.elements(OUTSIDE)?);
        let egress = self.elements(EGRESS)?.into_iter().filter_map(|(key, counter)| {
            let octets: [u8; 4] = key.get(..4)?.try_into().ok()?;
            Some((Ipv4Addr::from(octets), counter))
        });
        Ok(FirewallState {
            egress: egress.collect(),
            cut: by_interface(self.elements(CUT)?),
            passed: by_interface(self.elements(PASSED)?),
            outside,
        })
    }
}

fn batch(message: ControlMessage) -> NetfilterMessage {
    NetfilterMessage::new(
        NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, SUBSYSTEM_NFTABLES),
        message,
    )
}

fn inet(message: NfTablesMessage) -> NetfilterMessage {
    NetfilterMessage::new(NetfilterHeader::new(NetfilterProtoFamily::Inet, 0, 0), message)
}

fn interface_keys(names: &[String]) -> Result<Vec<Vec<u8>>, FirewallError> {
    if names.len() > INTERFACES_MAX {
        return Err(FirewallError::TooMany {
            found: names.len(),
            max: INTERFACES_MAX,
        });
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

fn new_table() -> NfTablesMessage {
    NfTablesMessage::NewTable(TableMessage {
        attributes: vec![TableAttribute::Name(TABLE.into())],
    })
}

fn new_set(name: &str, id: u32, key_type: u32, key_bytes: usize, flags: SetFlags, counted: bool) -> (NfTablesMessage, u16) {
    let mut attributes = vec![
        SetAttribute::Table(TABLE.into()),
        SetAttribute::Name(name.into()),
        SetAttribute::Flags(flags),
        SetAttribute::KeyType(key_type),
        SetAttribute::KeyLen(key_bytes as u32),
        SetAttribute::Id(id),
    ];
    if flags.contains(SetFlags::Eval) {
        attributes.push(SetAttribute::Description(vec![SetDescription::Size(EGRESS_ADDRESSES_MAX)]));
    }
    if counted {
        attributes.push(SetAttribute::Other(nested(
            NFTA_SET_EXPR,
            &counter_attributes(Counter::default()),
        )));
    }
    (NfTablesMessage::NewSet(SetMessage { attributes }), NLM_F_CREATE)
}

fn new_chain(name: &str, hook: InetHookNumber, priority: i32) -> (NfTablesMessage, u16) {
    let attributes = vec![
        ChainAttribute::Table(TABLE.into()),
        ChainAttribute::Name(name.into()),
        ChainAttribute::Hook(vec![Hook::Number(hook.into()), Hook::Priority(priority.cast_unsigned())]),
        ChainAttribute::Type("filter".into()),
    ];
    (NfTablesMessage::NewChain(ChainMessage { attributes }), NLM_F_CREATE)
}

fn new_rule(chain: &str, expressions: Vec<Expressions>) -> (NfTablesMessage, u16) {
    let attributes = vec![
        RuleAttribute::Table(TABLE.into()),
        RuleAttribute::Chain(chain.into()),
        RuleAttribute::Expressions(expressions.into_iter().map(ListAttribute::from).collect()),
    ];
    (
        NfTablesMessage::NewRule(RuleMessage { attributes }),
        NLM_F_CREATE | NLM_F_APPEND,
    )
}

/// An element of a set of interfaces.
#[derive(Clone)]
struct Element {
    key: Vec<u8>,
    lease_ms: Option<u64>,
    /// What it has counted before it was replaced.
    counter: Option<Counter>,
}

impl Element {
    fn new(key: Vec<u8>) -> Self {
        Self {
            key,
            lease_ms: None,
            counter: None,
        }
    }

    fn attributes(&self) -> ListAttribute<SetElementAttribute> {
        let mut attributes = vec![SetElementAttribute::Key(DataAttribute::Value(self.key.clone()))];
        attributes.extend(self.lease_ms.map(SetElementAttribute::Timeout));
        let counted = self.counter.map(|c| nested(NFTA_SET_ELEM_EXPR, &counter_attributes(c)));
        attributes.extend(counted.map(SetElementAttribute::Other));
        ListAttribute::Element(attributes)
    }
}

fn new_elements(set: &str, elements: &[Element]) -> Vec<(NfTablesMessage, u16)> {
    let messages = element_messages(set, elements).into_iter();
    messages.map(|m| (NfTablesMessage::NewSetElement(m), NLM_F_CREATE)).collect()
}

fn delete_elements(set: &str, elements: &[Element]) -> Vec<(NfTablesMessage, u16)> {
    let bare: Vec<Element> = elements.iter().map(|e| Element::new(e.key.clone())).collect();
    let messages = element_messages(set, &bare).into_iter();
    messages.map(|m| (NfTablesMessage::DeleteSetElement(m), 0)).collect()
}

fn element_messages(set: &str, elements: &[Element]) -> Vec<SetElementMessage> {
    let message = |elements: &[Element]| SetElementMessage {
        attributes: vec![
            SetElementList::Table(TABLE.into()),
            SetElementList::Set(set.into()),
            SetElementList::Elements(elements.iter().map(Element::attributes).collect()),
        ],
    };
    elements.chunks(ELEMENTS_PER_MESSAGE_MAX).map(message).collect()
}

fn meta(key: MetaKey) -> Expressions {
    Expressions::Meta(vec![Meta::Key(key), Meta::DestinationRegister(Register::Reg1)])
}

fn lookup(set: &str) -> Expressions {
    Expressions::Lookup(vec![Lookup::Set(set.into()), Lookup::SourceRegister(Register::Reg1)])
}

fn drop_packet() -> Expressions {
    let verdict = DataAttribute::Verdict(vec![VerdictAttribute::Code(Verdict::Other(NF_DROP))]);
    Expressions::Immediate(vec![
        Immediate::DestinationRegister(Register::Verdict),
        Immediate::Data(verdict),
    ])
}

fn destination_ipv4() -> Vec<Expressions> {
    let is_ipv4 = vec![
        Cmp::SourceRegister(Register::Reg1),
        Cmp::Op(Operator::Equal),
        Cmp::Data(DataAttribute::Value(vec![NFPROTO_IPV4])),
    ];
    // Base 1 is the network header; the destination address is at offset 16 of IPv4.
    let address = vec![
        Payload::DestinationRegister(Register::Reg1),
        Payload::Base(1),
        Payload::Offset(16),
        Payload::Len(4),
    ];
    vec![
        meta(MetaKey::Nfproto),
        Expressions::Cmp(is_ipv4),
        Expressions::Payload(address),
    ]
}

/// linux/netfilter/nf_tables.h numbers for what the typed crate does not know yet.
const NFTA_SET_EXPR: u16 = 17;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_DYNSET_SET_NAME: u16 = 1;
const NFTA_DYNSET_OP: u16 = 3;
const NFTA_DYNSET_SREG_KEY: u16 = 4;
const NFT_DYNSET_OP_UPDATE: u32 = 1;
const NFTA_COUNTER_BYTES: u16 = 1;
const NFTA_COUNTER_PACKETS: u16 = 2;
/// linux/netlink.h: without the nested and byte-order flags.
const NLA_TYPE_MASK: u16 = 0x3fff;
const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
const NFTA_SET_ELEM_KEY: u16 = 1;
const NFTA_SET_ELEM_EXPR: u16 = 7;
/// linux/netlink.h
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// asm-generic/errno.h: the answer was too short to hold a code.
const EPROTO: i32 = 71;
/// Bytes of `struct nfgenmsg` before the attributes.
const NFGENMSG_BYTES: usize = 4;

/// `update @set { reg1 }`; the element gets the set's own counter.
fn update(set: &str) -> Expressions {
    let register: u32 = Register::Reg1.into();
    Expressions::Other {
        expression_type: "dynset".into(),
        attributes: vec![
            DefaultNla::new(NFTA_DYNSET_SET_NAME, [set.as_bytes(), &[0]].concat()),
            DefaultNla::new(NFTA_DYNSET_OP, NFT_DYNSET_OP_UPDATE.to_be_bytes().to_vec()),
            DefaultNla::new(NFTA_DYNSET_SREG_KEY, register.to_be_bytes().to_vec()),
        ],
    }
}

/// A counter that begins at `start`.
fn counter_attributes(start: Counter) -> Vec<DefaultNla> {
    let numbers = [
        DefaultNla::new(NFTA_COUNTER_BYTES, start.bytes.to_be_bytes().to_vec()),
        DefaultNla::new(NFTA_COUNTER_PACKETS, start.packets.to_be_bytes().to_vec()),
    ];
    vec![
        DefaultNla::new(NFTA_EXPR_NAME, b"counter\0".to_vec()),
        nested(NFTA_EXPR_DATA, &numbers),
    ]
}

fn nested(kind: u16, attributes: &[DefaultNla]) -> DefaultNla {
    let mut bytes = vec![0; attributes.buffer_len()];
    attributes.emit(&mut bytes);
    DefaultNla::new(kind | NLA_F_NESTED, bytes)
}

/// The answer's error as a positive errno, 0 for success. `nlmsgerr` begins with the negative code in host order.
fn error_code(body: &[u8]) -> i32 {
    body.first_chunk::<4>()
        .map_or(EPROTO, |code| i32::from_ne_bytes(*code).saturating_neg())
}

/// Attributes of a body, by kind without flags; a malformed tail ends the walk.
fn attributes(mut body: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (header, _) = body.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let value = body.get(4..length)?;
        body = body.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([header[2], header[3]]) & NLA_TYPE_MASK, value))
    })
}

/// Reads keys and counters out of a dump answer. By hand, because netlink-packet-netfilter 0.4 keeps only the name of an
/// element's expression.
fn elements_of(body: &[u8]) -> Vec<(Vec<u8>, Counter)> {
    let lists = attributes(body).filter(|(kind, _)| *kind == NFTA_SET_ELEM_LIST_ELEMENTS);
    lists
        .flat_map(|(_, list)| attributes(list))
        .filter_map(|(_, element)| element_of(element))
        .collect()
}

fn element_of(element: &[u8]) -> Option<(Vec<u8>, Counter)> {
    let mut key = None;
    let mut counter = Counter::default();
    for (kind, value) in attributes(element) {
        match kind {
            NFTA_SET_ELEM_KEY => key = attributes(value).next().map(|(_, bytes)| bytes.to_vec()),
            NFTA_SET_ELEM_EXPR => {
                let data = attributes(value).filter(|(kind, _)| *kind == NFTA_EXPR_DATA);
                for (kind, number) in data.flat_map(|(_, data)| attributes(data)) {
                    let number = number.try_into().map_or(0, u64::from_be_bytes);
                    match kind {
                        NFTA_COUNTER_BYTES => counter.bytes = number,
                        NFTA_COUNTER_PACKETS => counter.packets = number,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    key.map(|key| (key, counter))
}
