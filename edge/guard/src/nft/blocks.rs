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

/// Blocks of one shape that are counted apart: as many as a guard takes.
const COUNTED_MAX: u32 = 16_384;
/// Blocks of one shape that come at once, from which on their set is large.
const LARGE_MIN: usize = 1_000;

/// Keys by shape.
type There = BTreeMap<Shape, BTreeMap<Vec<u8>, Known>>;

/// What is known of a key.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    is_in_force: bool,
    /// What it has met, if anything.
    counted: Option<Counter>,
}

impl Known {
    /// Counted by a block whose lease is over.
    fn is_stale(&self) -> bool {
        !self.is_in_force && self.counted.is_some()
    }
}

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
                    messages.extend(new_shape(*shape, &name, SET_ID + 2 * index as u32, keys.len() >= LARGE_MIN));
                }
                let counted = there.get(shape);
                let is_there = |key: &&Vec<u8>| counted.is_some_and(|keys| keys.get(*key).is_some_and(|known| known.is_in_force));
                let elements = keys.iter().map(|(key, lease_ms)| Element {
                    key: key.clone(),
                    lease_ms: *lease_ms,
                });
                let elements: Vec<Element> = elements.collect();
                let replaced: Vec<Vec<u8>> = keys.keys().filter(is_there).cloned().collect();
                messages.extend(delete_elements(Family::Inet, &name, &replaced));
                messages.extend(new_elements(Family::Inet, &name, &elements));
                // What an earlier block that ended by itself had counted.
                let stale = counted
                    .into_iter()
                    .flatten()
                    .filter(|(key, known)| known.is_stale() && keys.contains_key(*key));
                let stale: Vec<Vec<u8>> = stale.map(|(key, _)| key.clone()).collect();
                messages.extend(delete_elements(Family::Inet, &shape.counting_name(), &stale));
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
                let cut = keys.iter().filter(|(key, _)| is_gone(key));
                let cut: Vec<(Vec<u8>, Known)> = cut.map(|(key, known)| (key.clone(), *known)).collect();
                keys.retain(|key, _| !is_gone(key));
                if keys.values().any(|known| known.is_in_force) {
                    let those = |is: fn(&Known) -> bool| -> Vec<Vec<u8>> {
                        cut.iter()
                            .filter(|(_, known)| is(known))
                            .map(|(key, _)| key.clone())
                            .collect()
                    };
                    messages.extend(delete_elements(Family::Inet, &shape.name(), &those(|k| k.is_in_force)));
                    messages.extend(delete_elements(
                        Family::Inet,
                        &shape.counting_name(),
                        &those(|k| k.counted.is_some()),
                    ));
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
                let known = there.get(shape)?.get(key).filter(|known| known.is_in_force)?;
                let counter = known.counted.unwrap_or_default();
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
            let mut keys: BTreeMap<Vec<u8>, Known> = BTreeMap::new();
            for (key, _) in self.elements(Family::Inet, &shape.name())? {
                keys.entry(key).or_default().is_in_force = true;
            }
            for (key, count) in self.elements(Family::Inet, &shape.counting_name())? {
                keys.entry(key).or_default().counted = Some(count);
            }
            there.insert(shape, keys);
        }
        Ok(there)
    }

    /// Takes sets without elements away, with their rules; `keep` names those that will be filled.
    fn sweep(&mut self, there: &There, keep: impl Fn(Shape) -> bool) -> Result<Vec<Request>, FirewallError> {
        let empty = there
            .iter()
            .filter(|(shape, keys)| !keep(**shape) && !keys.values().any(|known| known.is_in_force));
        let empty: BTreeMap<String, String> = empty.map(|(shape, _)| (shape.name(), shape.counting_name())).collect();
        if empty.is_empty() {
            return Ok(Vec::new());
        }
        let mut messages = Vec::new();
        self.dump("listing rules", get_rules(Family::Inet), |body| {
            let Some((table, rule)) = dump::rule_of(body) else { return };
            if table == TABLE && rule.comment.is_some_and(|name| empty.contains_key(&name)) {
                messages.push(delete_rule(Family::Inet, &rule.chain, rule.handle));
            }
        })?;
        let sets = empty.iter().flat_map(|(name, counting)| [name, counting]);
        messages.extend(sets.map(|name| delete_set(Family::Inet, name)));
        Ok(messages)
    }
}

fn new_shape(shape: Shape, name: &str, id: u32, is_large: bool) -> Vec<Request> {
    let (key_type, key_bytes) = shape.key_type();
    let set = |name, id, filling| {
        let set = Set {
            name,
            id,
            key_type,
            key_bytes,
            filling,
            is_large,
        };
        new_set(Family::Inet, &set)
    };
    let rules = |(hook, chain): (_, String)| {
        let rules = shape.rules(hook, OUTSIDE);
        rules.map(|rule| new_rule(Family::Inet, &chain, &rule, Some(name)))
    };
    let counting = shape.counting_name();
    let mut messages = vec![
        set(name, id, Filling::Leased),
        set(&counting, id + 1, Filling::Packets(COUNTED_MAX)),
    ];
    messages.extend(shape.chains().into_iter().flat_map(rules));
    messages
}
