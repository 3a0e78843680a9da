use std::collections::{BTreeMap, BTreeSet};

use crate::block::Block;
use crate::firewall::{Counter, FirewallError};
use crate::netlink::Request;
use crate::nft::layout::OUTSIDE;
use crate::nft::message::{
    Element, Family, Filling, Set, TABLE, delete_elements, delete_rule, delete_set, get_rules, get_sets, new_elements, new_rule,
    new_set,
};
use crate::nft::shape::{Shape, keys_of};
use crate::nft::{ELEMENTS_MAX, Nft, dump, too_many};

/// Numbers that name new sets within their transaction begin here.
const SET_ID: u32 = 100;

/// Blocks of one shape that come at once, from which on their set is large.
const LARGE_MIN: usize = 1_000;

/// Keys and their counts, by shape.
type There = BTreeMap<Shape, BTreeMap<Vec<u8>, Counter>>;

impl Nft {
    /// Adds blocks, or gives those that are there a new end, in one transaction.
    pub(super) fn add_blocks(&mut self, blocks: &[(Block, Option<u64>)]) -> Result<(), FirewallError> {
        let mut wanted: BTreeMap<Shape, BTreeMap<Vec<u8>, Option<u64>>> = BTreeMap::new();
        for (block, lease_ms) in blocks {
            for (shape, key) in keys_of(block) {
                wanted.entry(shape).or_default().insert(key, *lease_ms);
            }
        }
        let count = wanted.values().map(BTreeMap::len).sum();
        if count > ELEMENTS_MAX {
            return Err(too_many(count));
        }
        self.retry(|nft| {
            let there = nft.blocks_there()?;
            let mut messages = nft.sweep(&there, |shape| wanted.contains_key(&shape))?;
            for (index, (shape, keys)) in wanted.iter().enumerate() {
                let name = shape.name();
                if !there.contains_key(shape) {
                    messages.extend(new_shape(*shape, &name, SET_ID + index as u32, keys.len() >= LARGE_MIN));
                }
                let counted = there.get(shape);
                let counter = |key: &Vec<u8>| counted.and_then(|keys| keys.get(key)).copied();
                let elements = keys.iter().map(|(key, lease_ms)| Element {
                    key: key.clone(),
                    lease_ms: *lease_ms,
                    counter: counter(key),
                });
                let elements: Vec<Element> = elements.collect();
                let replaced: Vec<Vec<u8>> = keys.keys().filter(|key| counter(key).is_some()).cloned().collect();
                messages.extend(delete_elements(Family::Inet, &name, &replaced));
                messages.extend(new_elements(Family::Inet, &name, &elements));
            }
            nft.transact("blocking", messages)
        })
    }

    /// Takes blocks away in one transaction; those that are not there are left alone. A set without elements goes with its rules,
    /// so that the ruleset is what it was before.
    pub(super) fn remove_blocks(&mut self, blocks: &[Block]) -> Result<(), FirewallError> {
        let gone: BTreeSet<(Shape, Vec<u8>)> = blocks.iter().flat_map(keys_of).collect();
        self.retry(|nft| {
            let there = nft.blocks_there()?;
            let mut left = there.clone();
            let mut messages = Vec::new();
            for (shape, keys) in &mut left {
                let is_gone = |key: &Vec<u8>| gone.contains(&(*shape, key.clone()));
                let cut: Vec<Vec<u8>> = keys.keys().filter(|key| is_gone(key)).cloned().collect();
                keys.retain(|key, _| !is_gone(key));
                if !keys.is_empty() {
                    messages.extend(delete_elements(Family::Inet, &shape.name(), &cut));
                }
            }
            messages.extend(nft.sweep(&left, |_| false)?);
            nft.transact("unblocking", messages)
        })
    }

    /// Counts what each block has stopped; `None` if it is not in force, in part or whole.
    pub(super) fn count_blocks(&mut self, blocks: &[Block]) -> Result<Vec<Option<Counter>>, FirewallError> {
        let there = self.blocks_there()?;
        let count = |block: &Block| {
            keys_of(block).iter().try_fold(Counter::default(), |sum, (shape, key)| {
                let counter = there.get(shape)?.get(key)?;
                Some(Counter {
                    packets: sum.packets + counter.packets,
                    bytes: sum.bytes + counter.bytes,
                })
            })
        };
        Ok(blocks.iter().map(count).collect())
    }

    fn blocks_there(&mut self) -> Result<There, FirewallError> {
        let mut shapes = Vec::new();
        self.dump("listing sets", get_sets(Family::Inet), |body| {
            let ours = dump::set_of(body).filter(|(table, _)| table == TABLE);
            shapes.extend(ours.and_then(|(_, name)| Shape::from_name(&name)));
        })?;
        let mut there = There::new();
        for shape in shapes {
            let elements = self.elements(Family::Inet, &shape.name())?;
            there.insert(shape, elements.into_iter().collect());
        }
        Ok(there)
    }

    /// Takes sets without elements away, with their rules; `keep` names those that will be filled.
    fn sweep(&mut self, there: &There, keep: impl Fn(Shape) -> bool) -> Result<Vec<Request>, FirewallError> {
        let empty = there.iter().filter(|(shape, keys)| keys.is_empty() && !keep(**shape));
        let empty: BTreeSet<String> = empty.map(|(shape, _)| shape.name()).collect();
        if empty.is_empty() {
            return Ok(Vec::new());
        }
        let mut messages = Vec::new();
        self.dump("listing rules", get_rules(Family::Inet), |body| {
            let Some((table, rule)) = dump::rule_of(body) else { return };
            if table == TABLE && rule.comment.is_some_and(|name| empty.contains(&name)) {
                messages.push(delete_rule(Family::Inet, &rule.chain, rule.handle));
            }
        })?;
        messages.extend(empty.iter().map(|name| delete_set(Family::Inet, name)));
        Ok(messages)
    }
}

fn new_shape(shape: Shape, name: &str, id: u32, is_large: bool) -> Vec<Request> {
    let (key_type, key_bytes) = shape.key_type();
    let set = Set {
        name,
        id,
        key_type,
        key_bytes,
        filling: Filling::Leased,
        is_large,
    };
    let rule = |(hook, chain): (_, String)| new_rule(Family::Inet, &chain, &shape.rule(hook, OUTSIDE), Some(name));
    let mut messages = vec![new_set(Family::Inet, &set)];
    messages.extend(shape.chains().into_iter().map(rule));
    messages
}
