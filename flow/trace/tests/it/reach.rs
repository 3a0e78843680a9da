use leckwehr_trace::{
    Certainty, Closure, Columns, Contact, Contacts, Cut, CutPlan, Live, LiveError, NotSorted, Reach, backward, blast_radius,
    forward, forward_many, forward_restless, forward_skewed, what_if,
};
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

fn turned(contacts: &[Contact]) -> Vec<Contact> {
    let turn = |c: &Contact| Contact {
        at: -c.at,
        from: c.to,
        to: c.from,
    };
    contacts.iter().map(turn).collect()
}

fn brute_backward(nodes: usize, contacts: &[Contact], targets: &[(u32, i64)]) -> Vec<Option<i64>> {
    let targets: Vec<_> = targets.iter().map(|(n, t)| (*n, -t)).collect();
    let arrivals = brute_forward(nodes, &turned(contacts), &targets);
    arrivals.into_iter().map(|t| t.map(|t| -t)).collect()
}

/// All walks on which nobody waits longer than `waiting`, as a search over (node, time of arrival).
fn brute_restless(nodes: usize, contacts: &[Contact], seeds: &[(u32, i64)], waiting: i64) -> Vec<Option<i64>> {
    let mut seen = std::collections::BTreeSet::new();
    let mut walks: Vec<(u32, i64)> = seeds.to_vec();
    while let Some((node, at)) = walks.pop() {
        if seen.insert((node, at)) {
            let goes = |c: &&Contact| c.from == node && c.at >= at && c.at - at <= waiting;
            walks.extend(contacts.iter().filter(goes).map(|c| (c.to, c.at)));
        }
    }
    let earliest = |node: usize| seen.iter().filter(|(n, _)| *n as usize == node).map(|(_, at)| *at).min();
    (0..nodes).map(earliest).collect()
}

/// All chains of contacts (each used once), judged by whether some (or all) true times within the error never fall.
fn brute_skewed(nodes: usize, contacts: &[Contact], seeds: &[(u32, i64)], error: i64, certainty: Certainty) -> Vec<bool> {
    let mut reached = vec![false; nodes];
    let mut chains: Vec<(u32, i64, Vec<usize>)> = seeds.iter().map(|(n, t)| (*n, *t, Vec::new())).collect();
    while let Some((node, since, chain)) = chains.pop() {
        let stamps = || chain.iter().map(|i| contacts[*i].at);
        let holds = match certainty {
            // Some true times: every later one can lie after every earlier one.
            Certainty::Pessimistic => {
                let mut lowest = since;
                stamps().all(|at| {
                    lowest = lowest.max(at - error);
                    at + error >= lowest
                })
            }
            // All true times: the latest time of each lies before the earliest of the next.
            Certainty::Optimistic => {
                let mut last = since;
                stamps().all(|at| {
                    let good = at - error >= last;
                    last = at + error;
                    good
                })
            }
        };
        if !holds {
            continue;
        }
        reached[node as usize] = true;
        for (i, c) in contacts.iter().enumerate() {
            if c.from == node && !chain.contains(&i) {
                chains.push((c.to, since, chain.iter().copied().chain([i]).collect()));
            }
        }
    }
    reached
}

/// Closure in which a plan's cuts are simply contacts that do not exist.
fn brute_cut(contacts: &[Contact], groups: &[u16], plan: &CutPlan) -> Vec<Contact> {
    let group = |node: u32| groups[node as usize];
    let stops = |c: &Contact, cut: &Cut| match *cut {
        Cut::Node(node) => c.from == node || c.to == node,
        Cut::Between(a, b) => [(a, b), (b, a)].contains(&(group(c.from), group(c.to))),
    };
    let passes = |c: &&Contact| !plan.iter().any(|(at, cut)| c.at >= *at && stops(c, cut));
    contacts.iter().filter(passes).copied().collect()
}

const NODES: usize = 7;

type Pass = fn(&Contacts, &[(u32, i64)]) -> Reach;

/// Few time stamps, so that most contacts tie.
fn contacts() -> impl Strategy<Value = Vec<Contact>> {
    some_contacts(30)
}

fn some_contacts(most: usize) -> impl Strategy<Value = Vec<Contact>> {
    let contact = (0..6_i64, 0..NODES as u32, 0..NODES as u32).prop_map(|(at, from, to)| Contact { at, from, to });
    prop::collection::vec(contact, 0..most)
}

fn ends() -> impl Strategy<Value = Vec<(u32, i64)>> {
    prop::collection::vec((0..NODES as u32, 0..6_i64), 1..4)
}

fn plans() -> impl Strategy<Value = Vec<CutPlan>> {
    let cut = prop_oneof![
        (0..NODES as u32).prop_map(Cut::Node),
        (0..3_u16, 0..3_u16).prop_map(|(a, b)| Cut::Between(a, b)),
    ];
    prop::collection::vec(prop::collection::vec((0..7_i64, cut), 0..4), 1..70)
}

fn columns(contacts: &Contacts, from: usize, to: usize) -> Columns<'_> {
    Columns {
        times: &contacts.times()[from..to],
        froms: &contacts.froms()[from..to],
        tos: &contacts.tos()[from..to],
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn closures_equal_brute_force(list in contacts(), ends in ends()) {
        let contacts = Contacts::new(list.clone());
        prop_assert_eq!(forward(NODES, &contacts, &ends).time, brute_forward(NODES, &list, &ends));
        prop_assert_eq!(backward(NODES, &contacts, &ends).time, brute_backward(NODES, &list, &ends));
    }

    /// The blocks of the pass need more contacts than a small graph has: padding with contacts that lead nowhere.
    #[test]
    fn closures_equal_brute_force_across_blocks(list in some_contacts(12), ends in ends(), gaps in prop::collection::vec(0..70_usize, 12)) {
        let mut padded = Vec::new();
        let mut sorted = list.clone();
        sorted.sort_by_key(|c| c.at);
        for (contact, gap) in sorted.iter().zip(&gaps) {
            padded.extend((0..*gap).map(|_| Contact { at: contact.at, from: 7, to: 7 }));
            padded.push(*contact);
        }
        let contacts = Contacts::new(padded);
        prop_assert_eq!(forward(NODES, &contacts, &ends).time, brute_forward(NODES, &list, &ends));
        prop_assert_eq!(backward(NODES, &contacts, &ends).time, brute_backward(NODES, &list, &ends));
        let many = forward_many(NODES, &contacts, &ends);
        for (lane, seed) in ends.iter().enumerate() {
            for (node, arrival) in brute_forward(NODES, &list, &[*seed]).iter().enumerate() {
                prop_assert_eq!(many.holds(node as u32, lane), arrival.is_some());
            }
        }
    }

    #[test]
    fn each_of_512_seeds_is_a_closure_of_its_own(list in contacts(), seeds in prop::collection::vec((0..NODES as u32, 0..6_i64), 1..140)) {
        let many = forward_many(NODES, &Contacts::new(list.clone()), &seeds);
        for (lane, seed) in seeds.iter().enumerate() {
            for (node, arrival) in brute_forward(NODES, &list, &[*seed]).iter().enumerate() {
                prop_assert_eq!(many.holds(node as u32, lane), arrival.is_some(), "seed {:?}, node {}", seed, node);
            }
        }
    }

    #[test]
    fn each_of_512_plans_is_a_closure_of_its_own(list in contacts(), seeds in ends(), plans in plans()) {
        let groups = [0, 0, 1, 1, 1, 2, 2];
        let lanes = what_if(NODES, &Contacts::new(list.clone()), &seeds, &groups, &plans);
        for (lane, plan) in plans.iter().enumerate() {
            let left = brute_cut(&list, &groups, plan);
            for (node, arrival) in brute_forward(NODES, &left, &seeds).iter().enumerate() {
                prop_assert_eq!(lanes.holds(node as u32, lane), arrival.is_some(), "plan {:?}, node {}", plan, node);
            }
        }
    }

    #[test]
    fn blast_radius_counts_every_closure(list in contacts()) {
        let radius = blast_radius(NODES, &Contacts::new(list.clone()));
        for (node, radius) in radius.iter().enumerate() {
            let reached = brute_forward(NODES, &list, &[(node as u32, i64::MIN)]);
            prop_assert_eq!(*radius, reached.iter().flatten().count());
        }
    }

    #[test]
    fn restless_walks_equal_brute_force(list in contacts(), seeds in ends(), waiting in 0..4_i64) {
        let contacts = Contacts::new(list.clone());
        let reach = forward_restless(NODES, &contacts, &seeds, waiting as u64);
        prop_assert_eq!(reach.time, brute_restless(NODES, &list, &seeds, waiting));
        // The way back is the way forward with everything turned around.
        let ends: Vec<_> = seeds.iter().map(|(n, t)| (*n, -t)).collect();
        let back = forward_restless(NODES, &contacts.turned(), &ends, waiting as u64);
        prop_assert_eq!(back.time, brute_restless(NODES, &turned(&list), &ends, waiting));
    }

    #[test]
    fn skewed_closures_equal_brute_force(list in some_contacts(7), seeds in ends(), error in 0..3_i64) {
        let contacts = Contacts::new(list.clone());
        for certainty in [Certainty::Pessimistic, Certainty::Optimistic] {
            let reach = forward_skewed(NODES, &contacts, &seeds, error as u64, certainty);
            let reached: Vec<bool> = reach.time.iter().map(Option::is_some).collect();
            prop_assert_eq!(reached, brute_skewed(NODES, &list, &seeds, error, certainty));
        }
        if error == 0 {
            let exact = forward(NODES, &contacts, &seeds).time;
            prop_assert_eq!(&forward_skewed(NODES, &contacts, &seeds, 0, Certainty::Pessimistic).time, &exact);
            prop_assert_eq!(&forward_skewed(NODES, &contacts, &seeds, 0, Certainty::Optimistic).time, &exact);
        }
    }

    #[test]
    fn pieces_of_a_stream_equal_the_whole(list in contacts(), seeds in ends(), cuts in prop::collection::vec(0..31_usize, 0..6)) {
        let contacts = Contacts::new(list);
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|c| *c <= contacts.len()).chain([0, contacts.len()]).collect();
        cuts.sort_unstable();
        let mut closure = Closure::new(NODES, &seeds);
        for pair in cuts.windows(2) {
            closure.push(columns(&contacts, pair[0], pair[1])).unwrap();
        }
        prop_assert_eq!(closure.finish(), forward(NODES, &contacts, &seeds));
    }

    #[test]
    fn live_answers_equal_a_pass(list in contacts(), late in 0..7_u64, now in 0..30_usize) {
        let list: Vec<Contact> = list.into_iter().take(now).collect();
        let mut live = Live::new(late);
        let taken: Vec<Contact> = list.into_iter().filter(|c| live.push(*c).is_ok()).collect();
        let contacts = Contacts::new(taken);
        for node in 0..contacts.nodes() as u32 {
            for since in 0..6 {
                let reach = forward(contacts.nodes(), &contacts, &[(node, since)]);
                let reached: Vec<u32> = (0..contacts.nodes() as u32).filter(|n| reach.time[*n as usize].is_some()).collect();
                prop_assert_eq!(live.reached(node, since), reached);
            }
            let mut back = backward(contacts.nodes(), &contacts, &[(node, i64::MAX)]).time;
            back[node as usize] = None;
            prop_assert_eq!(live.origins(node), back);
        }
    }

    #[test]
    fn parents_lead_back_to_a_seed(list in contacts(), seeds in ends(), waiting in 0..4_u64, error in 0..3_u64) {
        let contacts = Contacts::new(list);
        let reaches = [
            forward(NODES, &contacts, &seeds),
            forward_skewed(NODES, &contacts, &seeds, error, Certainty::Pessimistic),
            forward_skewed(NODES, &contacts, &seeds, error, Certainty::Optimistic),
        ];
        for reach in reaches {
            for node in 0..NODES {
                let (mut here, mut steps) = (node, 0);
                while let Some(parent) = reach.parent[here] {
                    let c = contacts.get(parent);
                    prop_assert_eq!(c.to as usize, here);
                    prop_assert!(reach.time[c.from as usize] <= reach.time[here]);
                    (here, steps) = (c.from as usize, steps + 1);
                    prop_assert!(steps <= NODES, "parents form a circle");
                }
                prop_assert!(reach.time[here].is_none() || seeds.iter().any(|(n, _)| *n as usize == here));
            }
        }
        let restless = forward_restless(NODES, &contacts, &seeds, waiting);
        for node in 0..NODES {
            prop_assert_eq!(restless.parent[node].map(|p| contacts.get(p).at), restless.time[node].filter(|_| restless.parent[node].is_some()));
        }
    }

    #[test]
    fn the_order_of_equal_times_changes_nothing(list in contacts(), seeds in ends(), swaps in prop::collection::vec((0..30_usize, 0..30_usize), 0..20)) {
        let mut shuffled = list.clone();
        for (a, b) in swaps {
            if a < shuffled.len() && b < shuffled.len() {
                shuffled.swap(a, b);
            }
        }
        let (contacts, others) = (Contacts::new(list), Contacts::new(shuffled));
        let steps = |contacts: &Contacts, parents: &[Option<usize>]| parents.iter().map(|p| p.map(|i| contacts.get(i))).collect::<Vec<_>>();
        let passes: [Pass; 5] = [
            |c, s| forward(NODES, c, s),
            |c, s| backward(NODES, c, s),
            |c, s| forward_restless(NODES, c, s, 2),
            |c, s| forward_skewed(NODES, c, s, 1, Certainty::Pessimistic),
            |c, s| forward_skewed(NODES, c, s, 1, Certainty::Optimistic),
        ];
        for pass in passes {
            let (a, b) = (pass(&contacts, &seeds), pass(&others, &seeds));
            prop_assert_eq!(&a.time, &b.time);
            prop_assert_eq!(steps(&contacts, &a.parent), steps(&others, &b.parent));
        }
        prop_assert_eq!(forward_many(NODES, &contacts, &seeds), forward_many(NODES, &others, &seeds));
        prop_assert_eq!(blast_radius(NODES, &contacts), blast_radius(NODES, &others));
    }
}

#[test]
fn rows_lead_back_to_the_input() {
    let contact = |at, from, to| Contact { at, from, to };
    let contacts = Contacts::new(vec![contact(5, 0, 1), contact(3, 1, 2), contact(5, 2, 3), contact(3, 3, 4)]);
    let rows: Vec<usize> = (0..4).map(|i| contacts.row(i)).collect();
    assert_eq!(rows, [1, 3, 0, 2], "equal times keep the order they came in");
    assert_eq!((contacts.nodes(), contacts.bytes()), (5, 80));
    assert_eq!((0..4).map(|i| contacts.turned().row(i)).collect::<Vec<_>>(), [2, 0, 3, 1]);
}

#[test]
fn a_stream_that_goes_back_in_time_is_refused() {
    let (times, nodes) = ([5, 4], [0, 1]);
    let piece = |i: usize| Columns {
        times: &times[i..=i],
        froms: &nodes[i..=i],
        tos: &nodes[i..=i],
    };
    let mut closure = Closure::new(2, &[(0, 0)]);
    assert_eq!(closure.push(piece(0)), Ok(()));
    let refused = NotSorted {
        index: 1,
        at: 4,
        before: 5,
    };
    assert_eq!(closure.push(piece(1)), Err(refused));
    assert!(refused.to_string().contains("contact 1 lies before"), "{refused}");
}

#[test]
fn live_refuses_what_it_cannot_follow() {
    let mut live = Live::new(0);
    let contact = |at, from| Contact { at, from, to: 1 };
    assert_eq!(live.push(contact(1, 5_000)), Err(LiveError::TooManyNodes(5_000)));
    assert_eq!(live.push(contact(1, 0)), Ok(()));
    assert_eq!(live.push(contact(9, 0)), Ok(()));
    assert_eq!(live.push(contact(1, 0)), Err(LiveError::TooLate { at: 1, settled: 1 }));
    assert_eq!(live.refused(), 2);
    assert_eq!(live.reached(0, 9), [0, 1]);
}
