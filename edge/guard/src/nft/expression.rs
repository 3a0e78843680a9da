//! The expressions that our rules are made of (linux/netfilter/nf_tables.h).

use crate::netlink::Attributes;

/// The first of sixteen registers of four bytes; the register of verdicts.
const REGISTER_0: u32 = 8;
const REGISTER_VERDICT: u32 = 0;
/// linux/netfilter.h, linux/netfilter/nf_tables.h
const NF_DROP: u32 = 0;
const NF_ACCEPT: u32 = 1;
const NFT_JUMP: i32 = -3;
const DYNSET_UPDATE: u32 = 1;
const REJECT_ICMPX: u32 = 2;
const ICMPX_HOST_UNREACHABLE: u8 = 2;

/// What `meta` loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meta {
    Iifname = 6,
    Oifname = 7,
    Nfproto = 15,
    L4proto = 16,
}

/// Where `payload` counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    Network = 1,
    Transport = 2,
}

/// One expression. Registers are counted in four bytes from 0.
#[derive(Debug, Clone)]
pub(crate) enum Expression {
    Meta {
        key: Meta,
        register: u32,
    },
    Payload {
        base: Base,
        offset: u32,
        bytes: u32,
        register: u32,
    },
    Mask {
        register: u32,
        mask: Vec<u8>,
    },
    Equal {
        register: u32,
        value: Vec<u8>,
    },
    Lookup {
        set: String,
        register: u32,
    },
    /// Adds the element, or finds it; its counter counts.
    Update {
        set: String,
        register: u32,
    },
    Drop,
    Accept,
    Reject,
    Jump {
        chain: String,
    },
}

impl Expression {
    pub(crate) fn attributes(&self) -> Attributes {
        let new = Attributes::new;
        let (name, data) = match self {
            Self::Meta { key, register } => ("meta", new().number(1, REGISTER_0 + register).number(2, *key as u32)),
            Self::Payload {
                base,
                offset,
                bytes,
                register,
            } => {
                let data = new().number(1, REGISTER_0 + register).number(2, *base as u32);
                ("payload", data.number(3, *offset).number(4, *bytes))
            }
            Self::Mask { register, mask } => {
                let length = u32::try_from(mask.len()).unwrap_or_default();
                let data = new()
                    .number(1, REGISTER_0 + register)
                    .number(2, REGISTER_0 + register)
                    .number(3, length);
                let data = data.nest(4, &new().bytes(1, mask));
                ("bitwise", data.nest(5, &new().bytes(1, &vec![0; mask.len()])))
            }
            Self::Equal { register, value } => {
                let data = new().number(1, REGISTER_0 + register).number(2, 0);
                ("cmp", data.nest(3, &new().bytes(1, value)))
            }
            Self::Lookup { set, register } => ("lookup", new().text(1, set).number(2, REGISTER_0 + register)),
            Self::Update { set, register } => {
                let data = new().text(1, set).number(3, DYNSET_UPDATE);
                ("dynset", data.number(4, REGISTER_0 + register))
            }
            Self::Drop => ("immediate", verdict(&new().number(1, NF_DROP))),
            Self::Accept => ("immediate", verdict(&new().number(1, NF_ACCEPT))),
            Self::Jump { chain } => (
                "immediate",
                verdict(&new().number(1, NFT_JUMP.cast_unsigned()).text(2, chain)),
            ),
            Self::Reject => ("reject", new().number(1, REJECT_ICMPX).bytes(2, &[ICMPX_HOST_UNREACHABLE])),
        };
        new().text(1, name).nest(2, &data)
    }
}

fn verdict(verdict: &Attributes) -> Attributes {
    let data = Attributes::new().nest(2, verdict);
    Attributes::new().number(1, REGISTER_VERDICT).nest(2, &data)
}

pub(crate) fn meta(key: Meta) -> Expression {
    Expression::Meta { key, register: 0 }
}

pub(crate) fn lookup(set: &str) -> Expression {
    Expression::Lookup {
        set: set.to_owned(),
        register: 0,
    }
}

pub(crate) fn update(set: &str) -> Expression {
    Expression::Update {
        set: set.to_owned(),
        register: 0,
    }
}

pub(crate) fn equal(value: &[u8]) -> Expression {
    Expression::Equal {
        register: 0,
        value: value.to_vec(),
    }
}
