use std::collections::BTreeSet;

use leckwehr_contain::cut::{Link, NEVER, Network, NoCut, Part, SyntheticNetwork, Twins, cheapest_cuts, minimum_cut, separates};
use petgraph::algo::dinics;
use petgraph::graph::{DiGraph, NodeIndex};
use proptest::collection::vec;
use proptest::prelude::*;

/// Vertices and links that can be cut together, so that every set of them can be tried.
const TRIED_MAX: usize = 11;

fn any_weight() -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(NEVER), 5 => 1..6_u64]
}

/// Up to six vertices and nine links, of which at most [`TRIED_MAX`] can be cut.
fn any_network() -> impl Strategy<Value = (Network, Vec<u32>, Vec<u32>)> {
    let link = (0..6_u32, 0..6_u32, any_weight(), any::<bool>());
    let ends = || vec(0..6_u32, 1..3);
    (vec(any_weight(), 6), vec(link, 0..10), ends(), ends()).prop_map(|(vertices, links, sources, targets)| {
        let mut network = Network {
            vertices,
            links: Vec::new(),
        };
        for (from, to, weight, both_ways) in links {
            network.links.push(Link {
                from,
                to,
                weight,
                both_ways,
            });
        }
        let surplus: Vec<Part> = cuttable(&network).into_iter().skip(TRIED_MAX).collect();
        surplus.into_iter().for_each(|part| network.weigh(part, NEVER));
        (network, sources, targets)
    })
}

fn cuttable(network: &Network) -> Vec<Part> {
    let vertices = (0..network.vertices.len() as u32).map(Part::Vertex);
    let all = vertices.chain((0..network.links.len() as u32).map(Part::Link));
    all.filter(|part| network.weight(*part) != NEVER).collect()
}

/// Every set that separates and none of whose parts can be left out, by trying all, the cheapest first.
fn every_cut(network: &Network, sources: &[u32], targets: &[u32]) -> Vec<u64> {
    let parts = cuttable(network);
    let bit = |part: Part| parts.iter().position(|p| *p == part).map_or(0, |i| 1_u32 << i);
    let vertices: Vec<u32> = (0..network.vertices.len() as u32).map(|v| bit(Part::Vertex(v))).collect();
    let links: Vec<(Link, u32)> = (0..)
        .zip(&network.links)
        .map(|(l, link)| (*link, bit(Part::Link(l))))
        .collect();
    let separating = |set: &u32| separates_by_hand(&vertices, &links, sources, targets, *set);
    let cuts: Vec<bool> = (0..1_u32 << parts.len()).map(|set| separating(&set)).collect();
    let is_minimal = |set: &usize| (0..parts.len()).all(|i| *set >> i & 1 == 0 || !cuts[*set & !(1 << i)]);
    let price = |set: usize| {
        (0..parts.len())
            .filter(|i| set >> i & 1 == 1)
            .map(|i| network.weight(parts[i]))
            .sum()
    };
    let mut prices: Vec<u64> = (0..cuts.len())
        .filter(|set| cuts[*set])
        .filter(is_minimal)
        .map(price)
        .collect();
    prices.sort_unstable();
    prices
}

/// The definition, over a set of who is held: bit `v` of a number.
fn separates_by_hand(vertices: &[u32], links: &[(Link, u32)], sources: &[u32], targets: &[u32], cut: u32) -> bool {
    let stays = |v: u32| vertices[v as usize] & cut == 0;
    let of = |ends: &[u32]| ends.iter().fold(0_u32, |all, v| all | 1 << v);
    let mut held = (0..6).filter(|v| stays(*v)).fold(0, |all, v| all | 1 << v) & of(sources);
    loop {
        let mut next = held;
        for (link, _) in links.iter().filter(|(_, bit)| bit & cut == 0) {
            if next >> link.from & 1 == 1 && stays(link.to) {
                next |= 1 << link.to;
            }
            if link.both_ways && next >> link.to & 1 == 1 && stays(link.from) {
                next |= 1 << link.from;
            }
        }
        if next == held {
            return held & of(targets) == 0;
        }
        held = next;
    }
}

/// The flow that petgraph finds, over the same split network.
fn by_petgraph(made: &SyntheticNetwork) -> u64 {
    let vertices = made.network.vertices.len();
    let weight = |w: u64| if w == NEVER { 1 << 50 } else { w };
    let mut graph: DiGraph<(), u64> = DiGraph::with_capacity(2 * vertices + 2, 3 * made.network.links.len());
    let nodes: Vec<NodeIndex> = (0..2 * vertices + 2).map(|_| graph.add_node(())).collect();
    let mut add = |from: usize, to: usize, w: u64| {
        graph.add_edge(nodes[from], nodes[to], weight(w));
    };
    for (v, w) in made.network.vertices.iter().enumerate() {
        add(2 * v, 2 * v + 1, *w);
    }
    for link in &made.network.links {
        let (from, to) = (link.from as usize, link.to as usize);
        add(2 * from + 1, 2 * to, link.weight);
        if link.both_ways {
            add(2 * to + 1, 2 * from, link.weight);
        }
    }
    made.sources.iter().for_each(|v| add(2 * vertices, 2 * *v as usize, NEVER));
    made.targets
        .iter()
        .for_each(|v| add(2 * *v as usize + 1, 2 * vertices + 1, NEVER));
    dinics(&graph, nodes[2 * vertices], nodes[2 * vertices + 1]).0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Taking the vertex out of the split (`2v → 2v + 1` of unbounded capacity) or `both_ways` out of `drafts` makes this red.
    #[test]
    fn the_cut_is_the_cheapest_of_all_sets((network, sources, targets) in any_network()) {
        let all = every_cut(&network, &sources, &targets);
        match minimum_cut(&network, &sources, &targets) {
            Ok(cut) => {
                prop_assert_eq!(Some(&cut.value), all.first());
                let parts: BTreeSet<Part> = cut.parts.iter().copied().collect();
                prop_assert!(separates(&network, &sources, &targets, &parts));
                prop_assert_eq!(parts.iter().map(|p| network.weight(*p)).sum::<u64>(), cut.value);
            }
            Err(NoCut::Open { way }) => {
                prop_assert!(all.is_empty());
                prop_assert!(sources.contains(&way[0]) && targets.contains(&way[way.len() - 1]));
                let link = |pair: &[u32]| network.links.iter().any(|l| {
                    let there = (l.from, l.to) == (pair[0], pair[1]) || l.both_ways && (l.to, l.from) == (pair[0], pair[1]);
                    there && l.weight == NEVER
                });
                prop_assert!(way.windows(2).all(link) && way.iter().all(|v| network.vertices[*v as usize] == NEVER));
            }
            Err(NoCut::Malformed(what)) => prop_assert!(false, "{}", what),
        }
    }
}

proptest! {
    /// Leaving `kept` out of `solve` in `next.rs` makes this red.
    #[test]
    fn the_next_cuts_are_the_next_of_all_sets((network, sources, targets) in any_network()) {
        let all = every_cut(&network, &sources, &targets);
        if let Ok(cuts) = cheapest_cuts(&network, &sources, &targets, 5, &Twins::default()) {
            let found: Vec<u64> = cuts.iter().map(|c| c.value).collect();
            prop_assert_eq!(&found[..], &all[..all.len().min(5)]);
            let distinct: BTreeSet<Vec<Part>> = cuts.iter().map(|c| c.parts.clone()).collect();
            prop_assert_eq!(distinct.len(), cuts.len());
        } else {
            prop_assert!(all.is_empty());
        }
    }
}

#[test]
fn large_networks_have_the_flow_that_petgraph_finds() {
    for seed in 0..6 {
        let made = SyntheticNetwork::new(3_000, 20_000, seed);
        match minimum_cut(&made.network, &made.sources, &made.targets) {
            Ok(cut) => assert_eq!(cut.value, by_petgraph(&made), "seed {seed}"),
            Err(error) => assert!(by_petgraph(&made) >= 1 << 50, "seed {seed}: {error}"),
        }
    }
}

#[test]
fn ends_that_are_not_there_are_refused() {
    let mut network = Network {
        vertices: vec![1; 3],
        links: Vec::new(),
    };
    assert!(matches!(minimum_cut(&network, &[0], &[3]), Err(NoCut::Malformed(_))));
    network.links.push(Link {
        from: 0,
        to: 7,
        weight: 1,
        both_ways: false,
    });
    assert!(matches!(minimum_cut(&network, &[0], &[1]), Err(NoCut::Malformed(_))));
    network.links.clear();
    assert_eq!(minimum_cut(&network, &[0], &[1]).map(|c| (c.value, c.parts)), Ok((0, vec![])));
}
