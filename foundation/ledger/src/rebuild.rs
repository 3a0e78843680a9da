//! Builds the tree again from what is stored and names what does not fit.
//!
//! When an entry and its stored hash differ, one of them was changed. The signed root tells which: the tree is built from
//! the entries first, and if that does not give the signed root, a second time from the stored hashes.

use crate::database::Database;
use crate::edge::Edge;
use crate::hash::{Hash, leaf_hash};
use crate::limit::DAMAGE_NAMED_MAX;
use crate::note::Checkpoint;
use crate::report::{Damage, Place};
use crate::source::Source;
use crate::tile::{TILE_WIDTH, Tile};

/// A tree built again.
pub(crate) struct Rebuilt {
    /// Its root; `None` if too much is missing to build it.
    pub root: Option<Hash>,
    /// The root at the earlier size that was asked for.
    pub earlier_root: Option<Hash>,
    /// What did not fit.
    pub damage: Vec<Damage>,
}

/// Which of two differing things is believed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Believe {
    Entries,
    Tiles,
}

/// Returns every damage of a store whose page sums are not current.
pub(crate) fn damage_of(database: &Database, checkpoint: &Checkpoint) -> Vec<Damage> {
    let mut damage = database.check_structure(checkpoint.size);
    damage.extend(rebuild(database, checkpoint, None).damage);
    damage
}

/// Builds the tree of a checkpoint; on the way takes its root at an earlier size.
pub(crate) fn rebuild(source: &dyn Source, checkpoint: &Checkpoint, earlier: Option<u64>) -> Rebuilt {
    let by_entries = build(source, checkpoint.size, earlier, Believe::Entries);
    if by_entries.root == Some(checkpoint.root) {
        return by_entries;
    }
    let by_tiles = build(source, checkpoint.size, earlier, Believe::Tiles);
    if by_tiles.root == Some(checkpoint.root) {
        return by_tiles;
    }
    let mut damage = by_entries.damage;
    damage.push(Damage::new(
        source.checkpoint_file(),
        Place::Checkpoint,
        format!("its root is not that of the {} entries", checkpoint.size),
    ));
    Rebuilt { damage, ..by_entries }
}

fn build(source: &dyn Source, size: u64, earlier: Option<u64>, believe: Believe) -> Rebuilt {
    let mut damage = Vec::new();
    let (mut edge, mut full) = (Edge::default(), Vec::new());
    let mut earlier_root = (earlier == Some(0)).then(|| edge.root());
    for n in 0.. {
        let Some(tile) = Tile::of(size, 0, n) else { break };
        let leaves = leaves(source, tile, believe, &mut damage);
        if leaves.is_none() || damage.len() >= DAMAGE_NAMED_MAX {
            return Rebuilt {
                root: None,
                earlier_root,
                damage,
            };
        }
        for leaf in leaves.into_iter().flatten() {
            edge.push(leaf, &mut full);
            if earlier == Some(edge.size()) {
                earlier_root = Some(edge.root());
            }
        }
        for (tile, hashes) in full.drain(..) {
            compare(source, tile, &hashes, &mut damage);
        }
    }
    for (tile, hashes) in edge.partial() {
        compare(source, tile, hashes, &mut damage);
    }
    Rebuilt {
        root: Some(edge.root()),
        earlier_root,
        damage,
    }
}

/// Reads a bundle of entries and the tile of their hashes, names where they differ, and returns the hashes to go on with.
fn leaves(source: &dyn Source, tile: Tile, believe: Believe, damage: &mut Vec<Damage>) -> Option<Vec<Hash>> {
    let entries = source.bundle(tile.n, tile.width).map_err(|fault| damage.push(fault.0)).ok();
    let entries: Option<Vec<Hash>> = entries.map(|entries| entries.iter().map(|entry| leaf_hash(entry)).collect());
    let stored = source.tile(tile).map_err(|fault| damage.push(fault.0)).ok();
    if let (Some(entries), Some(stored)) = (&entries, &stored) {
        for (position, _) in (0u16..)
            .zip(entries.iter().zip(stored))
            .filter(|(_, (entry, hash))| entry != hash)
        {
            let index = tile.n * TILE_WIDTH + u64::from(position);
            damage.push(match believe {
                Believe::Entries => wrong_hash(source, tile, position),
                Believe::Tiles => {
                    let file = source.bundle_file(tile.n, tile.width);
                    Damage::new(file, Place::Entry(index), "is not what was appended: its hash does not fit")
                }
            });
        }
    }
    match believe {
        Believe::Entries => entries.or(stored),
        Believe::Tiles => stored.or(entries),
    }
}

/// Names the hashes of an upper tile that differ from what its subtrees give. (Level 0 is compared with the entries.)
fn compare(source: &dyn Source, tile: Tile, hashes: &[Hash], damage: &mut Vec<Damage>) {
    if tile.level == 0 {
        return;
    }
    match source.tile(tile) {
        Err(fault) => damage.push(fault.0),
        Ok(stored) => {
            for (position, _) in (0u16..)
                .zip(hashes.iter().zip(&stored))
                .filter(|(_, (built, stored))| built != stored)
            {
                damage.push(wrong_hash(source, tile, position));
            }
        }
    }
}

fn wrong_hash(source: &dyn Source, tile: Tile, position: u16) -> Damage {
    let place = Place::Tile {
        level: tile.level,
        n: tile.n,
        hash: Some(position),
    };
    Damage::new(source.tile_file(tile), place, "is not the hash of what lies below it")
}
