use leckwehr_trace::{Contact, backward, forward};
use proptest::prelude::*;

/// Returns every node with its earliest arrival by trying all time-respecting walks, one contact at a time.
fn brute_forward(nodes: usize, contacts: &[Contact], seeds: &[(u32, i64)]) -> Vec<Option<i64>> {
    let mut best: Vec<Option<i64>> = vec![None; nodes];
    let mut walks: Vec<(u32, i64)> = seeds.to_vec();
    while let Some((node, at)) = walks.pop() {
        let slot = &mut best[node as usize];
        if slot.is_some_and(|t| t <= at) {
            continue;
        }
        *slot = Some(at);
        walks.extend(contacts.iter().filter(|c| c.from == node && c.at >= at).map(|c| (c.to, c.at)));
    }
    best
}

fn brute_backward(nodes: usize, contacts: &[Contact], targets: &[(u32, i64)]) -> Vec<Option<i64>> {
    let turned: Vec<Contact> = contacts
        .iter()
        .map(|c| Contact {
            at: -c.at,
            from: c.to,
            to: c.from,
        })
        .collect();
    let targets: Vec<_> = targets.iter().map(|(n, t)| (*n, -t)).collect();
    brute_forward(nodes, &turned, &targets)
        .into_iter()
        .map(|t| t.map(|t| -t))
        .collect()
}

const NODES: usize = 7;

/// Few time stamps, so that most contacts tie.
fn contacts() -> impl Strategy<Value = Vec<Contact>> {
    let contact = (0..6_i64, 0..NODES as u32, 0..NODES as u32).prop_map(|(at, from, to)| Contact { at, from, to });
    prop::collection::vec(contact, 0..30)
}

fn ends() -> impl Strategy<Value = Vec<(u32, i64)>> {
    prop::collection::vec((0..NODES as u32, 0..6_i64), 1..4)
}

fn sorted(mut contacts: Vec<Contact>) -> Vec<Contact> {
    contacts.sort_by_key(|c| c.at);
    contacts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn closures_equal_brute_force(contacts in contacts(), ends in ends()) {
        let contacts = sorted(contacts);
        prop_assert_eq!(forward(NODES, &contacts, &ends).time, brute_forward(NODES, &contacts, &ends));
        prop_assert_eq!(backward(NODES, &contacts, &ends).time, brute_backward(NODES, &contacts, &ends));
    }

    #[test]
    fn parents_lead_back_to_a_seed(contacts in contacts(), seeds in ends()) {
        let contacts = sorted(contacts);
        let reach = forward(NODES, &contacts, &seeds);
        for node in 0..NODES {
            let (mut at, mut here, mut steps) = (reach.time[node], node, 0);
            while let Some(parent) = reach.parent[here] {
                let c = contacts[parent];
                prop_assert_eq!(c.to as usize, here);
                prop_assert!(Some(c.at) <= at || at == Some(c.at));
                (at, here, steps) = (Some(c.at), c.from as usize, steps + 1);
                prop_assert!(steps <= NODES, "parents form a circle");
            }
        }
    }

    #[test]
    fn the_order_of_equal_times_changes_nothing(contacts in contacts(), seeds in ends(), swaps in prop::collection::vec((0..30_usize, 0..30_usize), 0..20)) {
        let mut shuffled = contacts.clone();
        for (a, b) in swaps {
            if a < shuffled.len() && b < shuffled.len() {
                shuffled.swap(a, b);
            }
        }
        let (contacts, shuffled) = (sorted(contacts), sorted(shuffled));
        let (a, b) = (forward(NODES, &contacts, &seeds), forward(NODES, &shuffled, &seeds));
        prop_assert_eq!(&a.time, &b.time);
        let steps = |list: &[Contact], parents: &[Option<usize>]| parents.iter().map(|p| p.map(|i| list[i])).collect::<Vec<_>>();
        prop_assert_eq!(steps(&contacts, &a.parent), steps(&shuffled, &b.parent));
    }
}
