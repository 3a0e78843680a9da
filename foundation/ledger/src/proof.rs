use crate::hash::{Hash, empty_root, node_hash};

/// Why a proof was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Index or sizes do not fit each other.
    #[error("index or sizes do not fit each other")]
    Range,
    /// The proof has too many or too few hashes.
    #[error("the proof has the wrong length")]
    Length,
    /// The hashes do not lead to the root.
    #[error("the hashes do not lead to the root")]
    Root,
}

/// Checks that the entry with hash `leaf` is number `index` in the tree of `size` with `root` (RFC 9162, 2.1.3.2).
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Range);
    }
    let (mut fnode, mut snode, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if snode == 0 {
            return Err(ProofError::Length);
        }
        if fnode & 1 == 1 || fnode == snode {
            hash = node_hash(sibling, &hash);
            skip_zeros(&mut fnode, &mut snode);
        } else {
            hash = node_hash(&hash, sibling);
        }
        fnode >>= 1;
        snode >>= 1;
    }
    if snode != 0 {
        return Err(ProofError::Length);
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Checks that the tree of `old_size` is the beginning of the tree of `new_size` (RFC 9162, 2.1.4.2).
///
/// Equal sizes need equal roots and an empty proof; so does the empty tree, which is the beginning of every tree.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old_size > new_size {
        return Err(ProofError::Range);
    }
    if old_size == 0 || old_size == new_size {
        let expected = if old_size == 0 { empty_root() } else { *new_root };
        return match (proof.is_empty(), *old_root == expected) {
            (false, _) => Err(ProofError::Length),
            (true, false) => Err(ProofError::Root),
            (true, true) => Ok(()),
        };
    }
    let (mut fnode, mut snode) = (old_size - 1, new_size - 1);
    while fnode & 1 == 1 {
        fnode >>= 1;
        snode >>= 1;
    }
    let (first, rest) = if old_size.is_power_of_two() {
        (old_root, proof)
    } else {
        proof.split_first().ok_or(ProofError::Length)?
    };
    let (mut old, mut new) = (*first, *first);
    for sibling in rest {
        if snode == 0 {
            return Err(ProofError::Length);
        }
        if fnode & 1 == 1 || fnode == snode {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
            skip_zeros(&mut fnode, &mut snode);
        } else {
            new = node_hash(&new, sibling);
        }
        fnode >>= 1;
        snode >>= 1;
    }
    if snode != 0 {
        return Err(ProofError::Length);
    }
    if old == *old_root && new == *new_root {
        Ok(())
    } else {
        Err(ProofError::Root)
    }
}

/// Goes up until `fnode` is a right child or the left edge.
fn skip_zeros(fnode: &mut u64, snode: &mut u64) {
    while *fnode & 1 == 0 && *fnode != 0 {
        *fnode >>= 1;
        *snode >>= 1;
    }
}

/// Gives the root of the perfect subtree with 2^`height` entries that is number `n` at that height.
pub(crate) trait Subtrees {
    /// Why a subtree cannot be given.
    type Error;
    /// Gives it.
    fn subtree(&self, height: u8, n: u64) -> Result<Hash, Self::Error>;
}

/// Returns the root over entries `from..to`; `from` is a multiple of the next power of two of the length.
pub(crate) fn range_root<S: Subtrees>(trees: &S, from: u64, to: u64) -> Result<Hash, S::Error> {
    let length = to - from;
    if length == 0 {
        return Ok(empty_root());
    }
    if length.is_power_of_two() {
        let height = length.trailing_zeros();
        return trees.subtree(height as u8, from >> height);
    }
    let middle = from + split(length);
    Ok(node_hash(&range_root(trees, from, middle)?, &range_root(trees, middle, to)?))
}

/// Returns the inclusion proof of `index` in the tree of `size` (PATH of RFC 9162, 2.1.3.1); `index < size`.
pub(crate) fn inclusion<S: Subtrees>(trees: &S, index: u64, size: u64) -> Result<Vec<Hash>, S::Error> {
    let (mut from, mut to, mut siblings) = (0, size, Vec::new());
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            siblings.push(range_root(trees, middle, to)?);
            to = middle;
        } else {
            siblings.push(range_root(trees, from, middle)?);
            from = middle;
        }
    }
    siblings.reverse();
    Ok(siblings)
}

/// Returns the consistency proof between two sizes (SUBPROOF of RFC 9162, 2.1.4.1); `old <= new`.
pub(crate) fn consistency<S: Subtrees>(trees: &S, old: u64, new: u64) -> Result<Vec<Hash>, S::Error> {
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let (mut from, mut to, mut siblings) = (0, new, Vec::new());
    while old != to {
        let middle = from + split(to - from);
        if old <= middle {
            siblings.push(range_root(trees, middle, to)?);
            to = middle;
        } else {
            siblings.push(range_root(trees, from, middle)?);
            from = middle;
        }
    }
    // From the left edge the verifier has the old root already.
    if from != 0 {
        siblings.push(range_root(trees, from, to)?);
    }
    siblings.reverse();
    Ok(siblings)
}

/// Returns the largest power of two below `length`, which is at least 2.
fn split(length: u64) -> u64 {
    1 << (length - 1).ilog2()
}
