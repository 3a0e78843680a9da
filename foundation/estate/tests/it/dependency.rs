use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::graph::{Needs, estate, graphs};

/// The definition itself, over all subsets: what runs is the union of all sets that hold themselves up.
fn running_by_brute_force(needs: &Needs, lost: &BTreeSet<usize>) -> BTreeSet<usize> {
    let n = needs.len();
    let mut running = BTreeSet::new();
    for set in 0_u32..1 << n {
        let is_in = |i: usize| set & (1 << i) != 0;
        let holds = |i: usize| !lost.contains(&i) && needs[i].iter().all(|any| any.iter().any(|&a| is_in(a)));
        if (0..n).filter(|&i| is_in(i)).all(holds) {
            running.extend((0..n).filter(|&i| is_in(i)));
        }
    }
    running
}

proptest! {
    #[test]
    fn what_is_down_is_what_no_self_supporting_set_contains((systems, needs, lost) in graphs()) {
        let estate = estate(systems, &needs);
        let running = running_by_brute_force(&needs, &lost);
        let lost: BTreeSet<String> = lost.iter().map(|n| format!("s{n}")).collect();
        let down = |prefix: char, from: usize, to: usize| -> BTreeSet<String> {
            (from..to).filter(|n| !running.contains(n)).map(|n| format!("{prefix}{}", n - from)).collect()
        };
        prop_assert_eq!(estate.services_down(&lost), down('v', systems, needs.len()));
        prop_assert_eq!(estate.systems_down(&lost), down('s', 0, systems));
    }

    #[test]
    fn a_service_falls_only_through_systems_it_rests_on((systems, needs, lost) in graphs()) {
        let estate = estate(systems, &needs);
        let all: BTreeSet<String> = lost.iter().map(|n| format!("s{n}")).collect();
        for service in estate.services.keys() {
            let relevant: BTreeSet<String> = estate.needs_of_service(service).intersection(&all).cloned().collect();
            let falls = estate.services_down(&all).contains(service);
            prop_assert_eq!(falls, estate.services_down(&relevant).contains(service));
        }
    }
}

#[test]
fn alternatives_hold_until_the_last_is_gone() {
    // v0 needs (s0 or s1) and s2; v1 needs v0.
    let estate = estate(3, &vec![vec![], vec![], vec![], vec![vec![0, 1], vec![2]], vec![vec![3]]]);
    let down = |ids: &[&str]| estate.services_down(&ids.iter().map(|s| (*s).to_owned()).collect());
    assert!(down(&["s0"]).is_empty());
    assert_eq!(down(&["s0", "s1"]).len(), 2);
    assert_eq!(down(&["s2"]).len(), 2);
    assert_eq!(estate.needs_of_service("v1").len(), 3);
    assert!(estate.needs_of_service("nobody").is_empty());
}

#[test]
fn a_cycle_that_nothing_takes_down_runs() {
    let estate = estate(2, &vec![vec![vec![1]], vec![vec![0]], vec![vec![0]]]);
    assert!(estate.services_down(&BTreeSet::new()).is_empty());
    assert_eq!(estate.services_down(&BTreeSet::from(["s1".to_owned()])).len(), 1);
}
