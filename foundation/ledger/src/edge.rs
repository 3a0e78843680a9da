use crate::hash::{Hash, empty_root, node_hash, perfect_root};
use crate::tile::{TILE_WIDTH, Tile};

/// The right edge of the tree: the last, partial tile of every level. It is all that appending needs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// Takes the partial tiles of a tree of `size`, level 0 first; each must have the width that `size` demands.
    pub fn from_tiles(size: u64, levels: Vec<Vec<Hash>>) -> Self {
        debug_assert!(
            levels
                .iter()
                .enumerate()
                .all(|(l, t)| t.len() as u64 == (size >> (8 * l)) % TILE_WIDTH)
        );
        Self { size, levels }
    }

    /// Returns the number of entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds an entry's hash; tiles that became full go to `full`.
    pub fn push(&mut self, leaf: Hash, full: &mut Vec<(Tile, Vec<Hash>)>) {
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::with_capacity(TILE_WIDTH as usize));
            }
            self.levels[level].push(hash);
            if self.levels[level].len() < TILE_WIDTH as usize {
                break;
            }
            let hashes = std::mem::take(&mut self.levels[level]);
            hash = perfect_root(&hashes);
            let tile = Tile {
                level: level as u8,
                n: self.size >> (8 * (level + 1)),
                width: TILE_WIDTH as u16,
            };
            full.push((tile, hashes));
        }
        self.size += 1;
    }

    /// Returns the partial tiles as they stand.
    pub fn partial(&self) -> impl Iterator<Item = (Tile, &Vec<Hash>)> {
        self.levels
            .iter()
            .enumerate()
            .filter(|(_, hashes)| !hashes.is_empty())
            .map(|(level, hashes)| {
                let tile = Tile {
                    level: level as u8,
                    n: self.size >> (8 * (level + 1)),
                    width: hashes.len() as u16,
                };
                (tile, hashes)
            })
    }

    /// Returns the root of the tree: the perfect subtrees of the edge, smallest first, each put right of the next.
    pub fn root(&self) -> Hash {
        let mut root = None;
        for hashes in &self.levels {
            let mut end = hashes.len();
            for bit in 0..8 {
                let width = 1 << bit;
                if hashes.len() & width != 0 {
                    let subtree = perfect_root(&hashes[end - width..end]);
                    root = Some(root.map_or(subtree, |right| node_hash(&subtree, &right)));
                    end -= width;
                }
            }
        }
        root.unwrap_or_else(empty_root)
    }
}
