//! What the kernel answers, read attribute by attribute.

use crate::firewall::Counter;
use crate::netlink::{attribute, attributes, text_of};

/// Bytes of `struct nfgenmsg` before the attributes.
const HEADER_BYTES: usize = 4;
const LIST_ELEMENTS: u16 = 3;
const ELEMENT_KEY: u16 = 1;
const ELEMENT_EXPRESSION: u16 = 7;
const EXPRESSION_DATA: u16 = 2;

/// A rule of ours: its chain, handle and comment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) chain: String,
    pub(crate) handle: u64,
    pub(crate) comment: Option<String>,
}

fn inner(body: &[u8]) -> &[u8] {
    body.get(HEADER_BYTES..).unwrap_or_default()
}

/// Table and name of a set.
pub(crate) fn set_of(body: &[u8]) -> Option<(String, String)> {
    let body = inner(body);
    Some((text_of(attribute(body, 1)?), text_of(attribute(body, 2)?)))
}

/// Table and rule.
pub(crate) fn rule_of(body: &[u8]) -> Option<(String, Rule)> {
    let body = inner(body);
    let comment = attribute(body, 7).and_then(|user| match user {
        [0, _, text @ ..] => Some(text_of(text)),
        _ => None,
    });
    let rule = Rule {
        chain: text_of(attribute(body, 2)?),
        handle: u64::from_be_bytes(attribute(body, 3)?.try_into().ok()?),
        comment,
    };
    Some((text_of(attribute(body, 1)?), rule))
}

/// Keys and counters of elements.
pub(crate) fn elements_of(body: &[u8]) -> Vec<(Vec<u8>, Counter)> {
    let lists = attributes(inner(body)).filter(|(kind, _)| *kind == LIST_ELEMENTS);
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
            ELEMENT_KEY => key = attributes(value).next().map(|(_, bytes)| bytes.to_vec()),
            ELEMENT_EXPRESSION => {
                let data = attribute(value, EXPRESSION_DATA).unwrap_or_default();
                for (kind, number) in attributes(data) {
                    let number = number.try_into().map_or(0, u64::from_be_bytes);
                    match kind {
                        1 => counter.bytes = number,
                        2 => counter.packets = number,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    key.map(|key| (key, counter))
}
