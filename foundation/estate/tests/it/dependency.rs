use std::collections::BTreeSet;

use leckwehr_estate::{Estate, Need, Service, System, SystemKind};
use proptest::prelude::*;

/// Systems `s0…`, services `v0…`; needs as numbers, systems first.
fn estate(systems: usize, needs: &[Vec<Vec<usize>>]) -> Estate {
    let id = |n: usize| {
        if n < systems {
            format!("s{n}")
        } else {
            format!("v{}", n - systems)
        }
    };
    let mut estate = Estate::default();
    for (n, needs) in needs.iter().enumerate() {
        let any = |any_of: &Vec<usize>| Need {
            any_of: any_of.iter().map(|&a| id(a)).collect(),
        };
        let needs: Vec<Need> = needs.iter().map(any).collect();
        if n < systems {
            estate.systems.insert(id(n), system(needs));
        } else {
            estate.services.insert(id(n), service(needs));
        }
    }
    estate
}

fn system(needs: Vec<Need>) -> System {
    System {
        name: String::new(),
        kind: SystemKind::Application,
        zone: "z".into(),
        address: None,
        needs,
        backup: None,
        recipe: None,
        crew: None,
        data: Vec::new(),
        probe_port: None,
        root_of_trust: false,
    }
}

fn service(needs: Vec<Need>) -> Service {
    Service {
        name: String::new(),
        priority: 1,
        vital: false,
        rto_minutes: 1,
        mtpd_minutes: 1,
        harm_eur_per_hour: 0,
        needs,
        degraded: Vec::new(),
        probe: None,
        customers: Vec::new(),
        arrivals_per_hour: 0,
    }
}

/// The definition itself, over all subsets: what runs is the union of all sets that hold themselves up.
fn running_by_brute_force(needs: &[Vec<Vec<usize>>], lost: &BTreeSet<usize>) -> BTreeSet<usize> {
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

fn graphs() -> impl Strategy<Value = (usize, Vec<Vec<Vec<usize>>>, BTreeSet<usize>)> {
    (1_usize..6, 1_usize..5).prop_flat_map(|(systems, services)| {
        let n = systems + services;
        let needs = proptest::collection::vec(proptest::collection::vec(proptest::collection::vec(0..n, 1..4), 0..3), n);
        let lost = proptest::collection::btree_set(0..systems, 0..=systems);
        (Just(systems), needs, lost)
    })
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
    let estate = estate(3, &[vec![], vec![], vec![], vec![vec![0, 1], vec![2]], vec![vec![3]]]);
    let down = |ids: &[&str]| estate.services_down(&ids.iter().map(|s| (*s).to_owned()).collect());
    assert!(down(&["s0"]).is_empty());
    assert_eq!(down(&["s0", "s1"]).len(), 2);
    assert_eq!(down(&["s2"]).len(), 2);
    assert_eq!(estate.needs_of_service("v1").len(), 3);
    assert!(estate.needs_of_service("nobody").is_empty());
}

#[test]
fn a_cycle_that_nothing_takes_down_runs() {
    let estate = estate(2, &[vec![vec![1]], vec![vec![0]], vec![vec![0]]]);
    assert!(estate.services_down(&BTreeSet::new()).is_empty());
    assert_eq!(estate.services_down(&BTreeSet::from(["s1".to_owned()])).len(), 1);
}
