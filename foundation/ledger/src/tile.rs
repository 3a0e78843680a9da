use crate::hash::{HASH_BYTES, Hash};
use crate::limit::ENTRY_BYTES_MAX;

/// Hashes in a full tile: tile height 8.
pub(crate) const TILE_WIDTH: u64 = 256;

/// One tile of tlog-tiles: `width` hashes of subtrees of 256^level entries, beginning at number `n` · 256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tile {
    pub level: u8,
    pub n: u64,
    pub width: u16,
}

impl Tile {
    /// Returns tile `n` of `level` as wide as it is in a tree of `size`; `None` if it would be empty.
    pub fn of(size: u64, level: u8, n: u64) -> Option<Self> {
        let hashes = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
        let width = hashes.saturating_sub(n.saturating_mul(TILE_WIDTH)).min(TILE_WIDTH);
        (width > 0).then_some(Self {
            level,
            n,
            width: width as u16,
        })
    }

    /// Returns every tile of a tree of `size`, lowest level first.
    pub fn all(size: u64) -> impl Iterator<Item = Self> {
        (0..8).flat_map(move |level| (0u64..).map_while(move |n| Self::of(size, level, n)))
    }

    /// Returns the path inside an exported folder.
    pub fn path(self) -> String {
        format!("tile/{}/{}", self.level, numbered(self.n, self.width))
    }
}

/// Returns the path of entry bundle `n` inside an exported folder.
pub(crate) fn bundle_path(n: u64, width: u16) -> String {
    format!("tile/entries/{}", numbered(n, width))
}

/// Writes `n` in groups of three digits, all but the last behind an `x`, and the width of a partial tile.
fn numbered(mut n: u64, width: u16) -> String {
    let mut path = format!("{:03}", n % 1000);
    while n >= 1000 {
        n /= 1000;
        path = format!("x{:03}/{path}", n % 1000);
    }
    if u64::from(width) < TILE_WIDTH {
        path += &format!(".p/{width}");
    }
    path
}

/// Returns the hashes of a tile's bytes; `None` unless there are exactly `width`.
pub(crate) fn decode_tile(bytes: &[u8], width: u16) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    (rest.is_empty() && hashes.len() == usize::from(width)).then(|| hashes.to_vec())
}

/// Writes an entry bundle: every entry behind its length, 16 bits big-endian. Entries are within the limit.
pub(crate) fn encode_bundle(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.iter().map(|e| 2 + e.len()).sum());
    for entry in entries {
        debug_assert!(entry.len() <= ENTRY_BYTES_MAX);
        bytes.extend_from_slice(&(entry.len() as u16).to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    bytes
}

/// Reads an entry bundle of `width` entries; the error is the position in the bundle where reading fails.
pub(crate) fn decode_bundle(mut bytes: &[u8], width: u16) -> Result<Vec<Vec<u8>>, u16> {
    let mut entries = Vec::with_capacity(usize::from(width));
    for position in 0..width {
        let (length, rest) = bytes.split_first_chunk::<2>().ok_or(position)?;
        let (entry, rest) = rest
            .split_at_checked(usize::from(u16::from_be_bytes(*length)))
            .ok_or(position)?;
        entries.push(entry.to_vec());
        bytes = rest;
    }
    if bytes.is_empty() { Ok(entries) } else { Err(width) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        let tile = |level, n, width| Tile { level, n, width }.path();
        assert_eq!(tile(0, 0, 256), "tile/0/000");
        assert_eq!(tile(4, 1_234_067, 256), "tile/4/x001/x234/067");
        assert_eq!(tile(1, 273, 112), "tile/1/273.p/112");
        assert_eq!(bundle_path(1_000, 1), "tile/entries/x001/000.p/1");
    }

    #[test]
    fn tiles_of_a_tree_of_70000() {
        // The example of the tlog-tiles specification.
        let tiles: Vec<_> = Tile::all(70_000).collect();
        assert_eq!(tiles.iter().filter(|t| t.level == 0).count(), 274);
        assert_eq!(tiles[273].path(), "tile/0/273.p/112");
        assert_eq!(
            tiles[274..].iter().map(|t| t.path()).collect::<Vec<_>>(),
            ["tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"]
        );
        assert_eq!(Tile::all(0).count(), 0);
    }

    #[test]
    fn bundles_round_trip_and_name_the_broken_entry() {
        let entries = vec![b"a".to_vec(), Vec::new(), vec![7; ENTRY_BYTES_MAX]];
        let bytes = encode_bundle(&entries);
        assert_eq!(decode_bundle(&bytes, 3), Ok(entries));
        assert_eq!(decode_bundle(&bytes[..bytes.len() - 1], 3), Err(2));
        assert_eq!(decode_bundle(&bytes, 2), Err(2));
    }
}
