use leckwehr_crypt::{Hasher, sha256};

/// Bytes of a hash.
pub const HASH_BYTES: usize = 32;

/// A SHA-256 hash: of an entry, of an inner node, or of a whole tree (its root).
pub type Hash = [u8; HASH_BYTES];

/// Returns the root of the tree without entries (RFC 9162, 2.1.1): the hash of nothing.
pub fn empty_root() -> Hash {
    sha256(b"")
}

/// Returns the hash of an entry (RFC 9162, 2.1.1): SHA-256 of `0x00 || entry`.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut hasher = Hasher::default();
    hasher.update(&[0]);
    hasher.update(entry);
    hasher.finish()
}

/// Returns the hash of an inner node (RFC 9162, 2.1.1): SHA-256 of `0x01 || left || right`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Hasher::default();
    hasher.update(&[1]);
    hasher.update(left);
    hasher.update(right);
    hasher.finish()
}

/// Returns the root over a power-of-two number of neighbouring hashes.
pub(crate) fn perfect_root(hashes: &[Hash]) -> Hash {
    debug_assert!(hashes.len().is_power_of_two());
    match hashes {
        [] => empty_root(),
        [one] => *one,
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            node_hash(&perfect_root(left), &perfect_root(right))
        }
    }
}
