use std::ops::Range;

use crate::edge::Edge;
use crate::error::LedgerError;
use crate::hash::{Hash, perfect_root};
use crate::limit::READ_BYTES_MAX;
use crate::proof::{self, Subtrees};
use crate::report::Damage;
use crate::tile::{TILE_WIDTH, Tile};

/// Where entries and tiles are read from: the database or an exported folder.
pub(crate) trait Source {
    /// Reads entry bundle `n`, which holds `width` entries.
    fn bundle(&self, n: u64, width: u16) -> Result<Vec<Vec<u8>>, Fault>;
    /// Reads a tile.
    fn tile(&self, tile: Tile) -> Result<Vec<Hash>, Fault>;
    /// Names the file that holds the checkpoint.
    fn checkpoint_file(&self) -> &'static str;
    /// Names the file that holds a bundle.
    fn bundle_file(&self, n: u64, width: u16) -> String;
    /// Names the file that holds a tile.
    fn tile_file(&self, tile: Tile) -> String;
}

/// What stands in the way of reading a bundle or tile.
#[derive(Debug)]
pub(crate) struct Fault(pub Damage);

impl From<Fault> for LedgerError {
    fn from(fault: Fault) -> Self {
        Self::Damaged {
            first: Box::new(fault.0),
            count: 1,
        }
    }
}

/// A source and the number of entries it is read up to.
pub(crate) struct Tree<'a> {
    pub source: &'a dyn Source,
    pub size: u64,
}

impl Tree<'_> {
    /// Reads entries.
    pub fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, LedgerError> {
        self.check(range.start, range.end)?;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for n in range.start / TILE_WIDTH..range.end.div_ceil(TILE_WIDTH) {
            let Some(tile) = Tile::of(self.size, 0, n) else { break };
            let first = n * TILE_WIDTH;
            for (index, entry) in (first..).zip(self.source.bundle(n, tile.width)?) {
                if range.contains(&index) {
                    bytes += entry.len();
                    entries.push(entry);
                }
            }
            if bytes > READ_BYTES_MAX {
                return Err(LedgerError::ReadTooLarge);
            }
        }
        Ok(entries)
    }

    /// Reads the right edge.
    pub fn edge(&self) -> Result<Edge, LedgerError> {
        let mut levels = Vec::new();
        for level in 0..8 {
            let hashes = self.size >> (8 * u32::from(level));
            if hashes == 0 {
                break;
            }
            levels.push(match Tile::of(self.size, level, hashes / TILE_WIDTH) {
                Some(tile) => self.source.tile(tile)?,
                None => Vec::new(),
            });
        }
        Ok(Edge::from_tiles(self.size, levels))
    }

    /// Returns the root at an earlier size.
    pub fn root_at(&self, size: u64) -> Result<Hash, LedgerError> {
        self.check(0, size)?;
        proof::range_root(self, 0, size)
    }

    /// Returns the hashes that prove entry `index` in the tree of `size`.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, LedgerError> {
        self.check(index, size)?;
        if index == size {
            return Err(self.outside(index, size));
        }
        proof::inclusion(self, index, size)
    }

    /// Returns the hashes that prove that the tree of `old` is the beginning of the tree of `new`.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, LedgerError> {
        self.check(old, new)?;
        proof::consistency(self, old, new)
    }

    fn check(&self, from: u64, to: u64) -> Result<(), LedgerError> {
        if from <= to && to <= self.size {
            Ok(())
        } else {
            Err(self.outside(from, to))
        }
    }

    fn outside(&self, from: u64, to: u64) -> LedgerError {
        LedgerError::Range {
            from,
            to,
            size: self.size,
        }
    }
}

impl Subtrees for Tree<'_> {
    type Error = LedgerError;

    fn subtree(&self, height: u8, n: u64) -> Result<Hash, LedgerError> {
        let (level, inner) = (height / 8, height % 8);
        let first = n << inner;
        let outside = || self.outside(n << height, (n + 1) << height);
        let Some(tile) = Tile::of(self.size, level, first / TILE_WIDTH) else {
            return Err(outside());
        };
        let hashes = self.source.tile(tile)?;
        let start = (first % TILE_WIDTH) as usize;
        match hashes.get(start..start + (1 << inner)) {
            Some(hashes) => Ok(perfect_root(hashes)),
            None => Err(outside()),
        }
    }
}
