use leckwehr_crypt::SigningKey;
use leckwehr_ledger::{Hash, Ledger, empty_root, leaf_hash, node_hash, verify_consistency, verify_inclusion};
use proptest::prelude::*;

/// MTH of RFC 9162, 2.1.1, word by word.
fn mth(d: &[Vec<u8>]) -> Hash {
    match d.len() {
        0 => empty_root(),
        1 => leaf_hash(&d[0]),
        n => node_hash(&mth(&d[..k(n)]), &mth(&d[k(n)..])),
    }
}

/// PATH of RFC 9162, 2.1.3.1.
fn path(m: usize, d: &[Vec<u8>]) -> Vec<Hash> {
    let n = d.len();
    if n == 1 {
        return Vec::new();
    }
    let (left, right) = d.split_at(k(n));
    let (mut proof, sibling) = if m < k(n) {
        (path(m, left), mth(right))
    } else {
        (path(m - k(n), right), mth(left))
    };
    proof.push(sibling);
    proof
}

/// SUBPROOF of RFC 9162, 2.1.4.1.
fn subproof(m: usize, d: &[Vec<u8>], b: bool) -> Vec<Hash> {
    let n = d.len();
    if m == n {
        return if b { Vec::new() } else { vec![mth(d)] };
    }
    let (left, right) = d.split_at(k(n));
    let (mut proof, sibling) = if m <= k(n) {
        (subproof(m, left, b), mth(right))
    } else {
        (subproof(m - k(n), right, false), mth(left))
    };
    proof.push(sibling);
    proof
}

/// The largest power of two smaller than `n`.
fn k(n: usize) -> usize {
    (0..).map(|bit| 1 << bit).take_while(|power| *power < n).last().unwrap()
}

fn ledger_of(entries: &[Vec<u8>]) -> (tempfile::TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::create(&folder.path().join("l"), "a", SigningKey::from_seed(&[1; 32]).unwrap()).unwrap();
    ledger.append(entries).unwrap();
    (folder, ledger)
}

#[test]
fn all_proofs_up_to_70_entries_are_those_of_the_rfc() {
    let all = crate::entries(70, "proofs");
    let (_folder, ledger) = ledger_of(&all);
    for new in 0..=all.len() {
        let d = &all[..new];
        let root = mth(d);
        for (index, entry) in d.iter().enumerate() {
            let proof = ledger.inclusion_proof(index as u64, new as u64).unwrap();
            assert_eq!(proof, path(index, d), "entry {index} of {new}");
            verify_inclusion(&leaf_hash(entry), index as u64, new as u64, &proof, &root).unwrap();
            verify_inclusion(&leaf_hash(b"other"), index as u64, new as u64, &proof, &root).unwrap_err();
        }
        for old in 0..=new {
            let proof = ledger.consistency_proof(old as u64, new as u64).unwrap();
            let expected = if old == 0 { Vec::new() } else { subproof(old, d, true) };
            assert_eq!(proof, expected, "{old} to {new}");
            verify_consistency(old as u64, &mth(&d[..old]), new as u64, &root, &proof).unwrap();
        }
    }
    assert_eq!(ledger.root(), mth(&all));
}

#[test]
fn roots_do_not_depend_on_batches_and_survive_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("l");
    let all = crate::entries(1_000, "filled");
    drop(crate::filled(&dir, 900));
    let first = crate::entries(900, "filled");
    let mut ledger = Ledger::open(&dir).unwrap();
    assert_eq!(ledger.root(), mth(&first));
    ledger.append(&all).unwrap();
    assert_eq!(ledger.root(), mth(&[first, all].concat()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_proofs_of_larger_trees(size in 1usize..1_500, a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let all: Vec<Vec<u8>> = (0..size).map(|n| n.to_be_bytes().to_vec()).collect();
        let (_folder, ledger) = ledger_of(&all);
        prop_assert_eq!(ledger.root(), mth(&all));
        let (x, y) = (a.index(size), b.index(size));
        let (old, new) = (x.min(y) + 1, x.max(y) + 1);
        let d = &all[..new];
        let proof = ledger.inclusion_proof(x.min(y) as u64, new as u64).unwrap();
        prop_assert_eq!(&proof, &path(x.min(y), d));
        let proof = ledger.consistency_proof(old as u64, new as u64).unwrap();
        prop_assert_eq!(&proof, &subproof(old, d, true));
    }

    #[test]
    fn no_changed_proof_is_accepted(old in 1u64..300, more in 1u64..300, bit in any::<prop::sample::Index>(), drop_last in any::<bool>()) {
        let new = old + more;
        let all: Vec<Vec<u8>> = (0..new).map(|n| n.to_be_bytes().to_vec()).collect();
        let (_folder, ledger) = ledger_of(&all);
        let (old_root, root) = (mth(&all[..old as usize]), mth(&all));
        let index = old - 1;
        let spoil = |mut proof: Vec<Hash>| {
            if drop_last || proof.is_empty() {
                if proof.pop().is_none() { proof.push([0; 32]); }
            } else {
                let bit = bit.index(proof.len() * 256);
                proof[bit / 256][bit % 256 / 8] ^= 1 << (bit % 8);
            }
            proof
        };
        let proof = spoil(ledger.inclusion_proof(index, new).unwrap());
        prop_assert!(verify_inclusion(&leaf_hash(&all[index as usize]), index, new, &proof, &root).is_err());
        let proof = spoil(ledger.consistency_proof(old, new).unwrap());
        prop_assert!(verify_consistency(old, &old_root, new, &root, &proof).is_err());
    }

    #[test]
    fn arbitrary_proofs_are_refused_without_panic(index in any::<u64>(), size in any::<u64>(), proof in prop::collection::vec(any::<[u8; 32]>(), 0..70)) {
        prop_assert!(verify_inclusion(&[1; 32], index, size, &proof, &[2; 32]).is_err());
        prop_assert!(verify_consistency(index, &[1; 32], size, &[2; 32], &proof).is_err());
    }
}
