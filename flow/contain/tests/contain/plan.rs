use std::collections::BTreeSet;

use leckwehr_contain::{ContainError, CutOption, Scale, TakedownPolicy, options, takedown_plan};
use leckwehr_estate::Estate;
use leckwehr_incident::{Impact, OutsideRole, PlanRecord, Tier};
use proptest::prelude::*;
use proptest::sample::subsequence;

use crate::scene::{SYSTEMS, VENDOR_ADDRESS, any_estate, any_impact, connection, frame, hop, host, need, outside, system};

const SCALES: [Scale; 4] = [Scale::Surgical, Scale::Compartment, Scale::Site, Scale::Everything];

fn plan(option: &CutOption, impact: &Impact, estate: &Estate, cut: &BTreeSet<String>) -> Result<PlanRecord, ContainError> {
    takedown_plan(option, impact, estate, &TakedownPolicy::default(), 3, cut)
}

/// Whether `from` needs `to` within `systems`, over any number of others.
fn needs(from: &str, to: &str, systems: &BTreeSet<String>, estate: &Estate) -> bool {
    let mut seen = BTreeSet::from([from.to_owned()]);
    loop {
        let direct = |id: &String| {
            estate.systems[id]
                .needs
                .iter()
                .flat_map(|n| n.any_of.clone())
                .collect::<Vec<_>>()
        };
        let more: BTreeSet<String> = seen.iter().flat_map(direct).filter(|id| systems.contains(id)).collect();
        if more.contains(to) {
            return true;
        }
        let before = seen.len();
        seen.extend(more);
        if seen.len() == before {
            return false;
        }
    }
}

proptest! {
    #[test]
    fn a_plan_is_the_same_bytes_whatever_the_order_of_the_evidence(
        estate in any_estate(),
        impact in any_impact(),
        shuffled in Just((0..SYSTEMS).collect::<Vec<_>>()).prop_shuffle(),
        scale in prop::sample::select(SCALES.to_vec()),
    ) {
        let mut other = impact.clone();
        other.hosts = shuffled.iter().map(|i| impact.hosts[*i].clone()).chain(impact.hosts.last().cloned()).collect();
        other.hops.reverse();
        other.outside.reverse();
        let bytes = |impact: &Impact| {
            let option = options(impact, &estate, &TakedownPolicy::default()).into_iter().find(|o| o.scale == scale).unwrap();
            plan(&option, impact, &estate, &BTreeSet::new()).map(|p| serde_json::to_string(&p).unwrap())
        };
        prop_assert_eq!(bytes(&impact), bytes(&impact));
        prop_assert_eq!(bytes(&impact), bytes(&other));
    }

    #[test]
    fn each_scale_holds_the_smaller_ones_and_costs_no_less(estate in any_estate(), impact in any_impact(), spare_vital: bool) {
        let policy = TakedownPolicy { spare_vital, ..TakedownPolicy::default() };
        let all = options(&impact, &estate, &policy);
        prop_assert_eq!(all.iter().map(|o| o.scale).collect::<Vec<_>>(), SCALES.to_vec());
        for pair in all.windows(2) {
            prop_assert!(pair[0].systems.is_subset(&pair[1].systems), "{:?}", pair);
            prop_assert!(pair[0].connections.is_subset(&pair[1].connections), "{:?}", pair);
            prop_assert!(pair[0].harm.eur_per_hour <= pair[1].harm.eur_per_hour);
            prop_assert!(pair[1].residual.is_subset(&pair[0].residual));
        }
        for option in &all {
            // Whoever was there is cut, or named for people to cut, or named as left.
            for host in impact.hosts.iter().filter(|h| h.tier <= Tier::Possible && estate.systems.contains_key(&h.system)) {
                let named = option.systems.contains(&host.system) || option.residual.contains(&host.system);
                prop_assert!(named, "{} in {:?}", host.system, option);
                if host.tier <= Tier::Probable {
                    prop_assert!(option.systems.contains(&host.system) || option.by_hand.contains(&host.system));
                }
            }
            prop_assert!(option.systems.iter().all(|id| estate.guard_of(id).is_some()));
            prop_assert!(option.systems.is_disjoint(&option.by_hand));
        }
    }

    #[test]
    fn a_plan_cuts_each_once_connections_first_and_dependents_before_what_they_need(
        estate in any_estate(),
        impact in any_impact(),
        scale in prop::sample::select(SCALES.to_vec()),
        cut in subsequence(vec!["s0", "s1", "s2", "s8", "c0", "c1"], 0..4),
    ) {
        let cut: BTreeSet<String> = cut.iter().map(|&id| id.to_owned()).collect();
        let option = options(&impact, &estate, &TakedownPolicy::default()).into_iter().find(|o| o.scale == scale).unwrap();
        let wanted: BTreeSet<String> = option.systems.union(&option.connections).filter(|id| !cut.contains(*id)).cloned().collect();
        let plan = match plan(&option, &impact, &estate, &cut) {
            Ok(plan) => plan,
            Err(error) => {
                prop_assert!(error == ContainError::Nothing && wanted.is_empty());
                return Ok(());
            }
        };
        prop_assert!(plan.is_sealed() && plan.generation == 3);
        prop_assert_eq!(plan.steps.iter().map(|s| s.target.clone()).collect::<BTreeSet<_>>(), wanted.clone());
        prop_assert_eq!(plan.steps.len(), wanted.len(), "something is cut twice");
        for (i, step) in plan.steps.iter().enumerate() {
            prop_assert_eq!(step.number as usize, i + 1);
            let is_host = estate.systems.contains_key(&step.target);
            prop_assert_eq!(step.action == "isolate-host", is_host);
            let guard = if is_host { estate.guard_of(&step.target) } else { Some("guard-a") };
            prop_assert_eq!(Some(step.executor.as_str()), guard);
            for later in &plan.steps[i + 1..] {
                prop_assert!(!(is_host && later.action == "cut-connection"), "a connection after a host");
                let pair = (&later.target, &step.target);
                if is_host && needs(pair.0, pair.1, &option.systems, &estate) {
                    prop_assert!(needs(pair.1, pair.0, &option.systems, &estate), "{} stands before {}, which needs it", pair.1, pair.0);
                }
            }
        }
    }

    #[test]
    fn the_cap_counts_what_one_plan_isolates(estate in any_estate(), impact in any_impact(), max in 0..9_usize, cut in subsequence((0..SYSTEMS).collect::<Vec<_>>(), 0..9)) {
        let cut: BTreeSet<String> = cut.iter().map(|i| format!("s{i}")).collect();
        let policy = TakedownPolicy { systems_max: max, ..TakedownPolicy::default() };
        for option in options(&impact, &estate, &policy) {
            let isolates = option.systems.difference(&cut).count();
            match takedown_plan(&option, &impact, &estate, &policy, 1, &cut) {
                Ok(plan) => {
                    let hosts = plan.steps.iter().filter(|s| s.action == "isolate-host").count();
                    prop_assert!(hosts == isolates && hosts <= max);
                    let said = format!("Cut {} connections and isolate {hosts} systems", plan.steps.len() - hosts);
                    prop_assert_eq!(plan.summary, said);
                }
                Err(ContainError::TooMuch { found, max: cap }) => prop_assert!(found == isolates && found > cap && cap == max),
                Err(ContainError::Nothing) => prop_assert!(isolates == 0),
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }
}

/// `a-root` has the smallest id and is needed by a cycle; it is no part of it and goes last.
#[test]
fn a_cycle_is_broken_inside_itself_not_at_what_it_needs() {
    let mut estate = frame();
    estate.systems.insert("a-root".into(), system("a-root", "z0", vec![]));
    estate
        .systems
        .insert("y".into(), system("y", "z0", vec![need(&["z"]), need(&["a-root"])]));
    estate.systems.insert("z".into(), system("z", "z0", vec![need(&["y"])]));
    let impact = Impact {
        hosts: ["a-root", "y", "z"].map(|id| host(id, Tier::Proven)).into(),
        ..Impact::default()
    };
    let option = options(&impact, &estate, &TakedownPolicy::default()).remove(0);
    let plan = plan(&option, &impact, &estate, &BTreeSet::new()).unwrap();
    assert_eq!(
        plan.steps.iter().map(|s| s.target.as_str()).collect::<Vec<_>>(),
        ["y", "z", "a-root"]
    );
}

/// Which connections a surgical cut takes when the attacker came from the vendor.
fn used(ends: &[(&str, &str)], impact: &Impact) -> Vec<usize> {
    let mut estate = frame();
    for (id, zone) in [("jump", "z0"), ("db", "z1"), ("vendor-pc", "zv")] {
        estate.systems.insert(id.into(), system(id, zone, vec![]));
    }
    for (i, (from, to)) in ends.iter().enumerate() {
        estate
            .connections
            .insert(i.to_string(), connection(from, to, Some("guard-a"), vec![]));
    }
    let option = options(impact, &estate, &TakedownPolicy::default()).remove(0);
    option.connections.iter().map(|id| id.parse().unwrap()).collect()
}

#[test]
fn the_connections_he_came_over_are_cut_and_no_others() {
    let ends = [
        ("zv", "jump"),
        ("z0", "zv"),
        ("vendor", "jump"),
        ("vendor-pc", "jump"),
        ("zv", "provider"),
        ("zv", "db"),
        ("zv", "z1"),
        ("z0", "z1"),
        ("kasse-1", "jump"),
    ];
    for from in [VENDOR_ADDRESS, "vendor-pc"] {
        let impact = Impact {
            hosts: vec![host("jump", Tier::Proven)],
            hops: vec![hop(from, "jump"), hop("jump", "db")],
            outside: vec![outside(from, OutsideRole::Entry)],
            ..Impact::default()
        };
        assert_eq!(used(&ends, &impact), [0, 1, 2, 3, 4], "from {from}");
        let unclear = Impact {
            outside: vec![outside(from, OutsideRole::Unknown)],
            ..impact.clone()
        };
        assert_eq!(used(&ends, &unclear), [0_usize; 0]);
        let no_way_in = Impact {
            hops: vec![hop("jump", "db")],
            ..impact
        };
        assert_eq!(used(&ends, &no_way_in), [0_usize; 0]);
    }
}

#[test]
fn a_way_in_from_a_network_that_the_estate_does_not_name_is_left_to_people() {
    let apt29 = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/apt29");
    let estate = Estate::load(std::path::Path::new(apt29)).unwrap();
    let impact = Impact {
        hosts: vec![host("scranton", Tier::Proven)],
        hops: vec![hop("192.168.0.5", "scranton"), hop("scranton", "nashua")],
        outside: vec![outside("192.168.0.5", OutsideRole::Command)],
        ..Impact::default()
    };
    let all = options(&impact, &estate, &TakedownPolicy::default());
    assert!(all[0].connections.is_empty() && all[0].systems.contains("scranton"));
    let open: Vec<&String> = all[0].undecided.keys().collect();
    assert_eq!(open, ["uplink"]);
    let why = &all[0].undecided["uplink"];
    assert!(why.contains("192.168.0.5") && why.contains("breaks case-work"), "{why}");
    let everything = &all[3];
    assert!(everything.connections.contains("uplink") && everything.undecided.is_empty());
    // No step into the estate from there: nothing to decide.
    let no_way_in = Impact { hops: vec![], ..impact };
    assert!(
        options(&no_way_in, &estate, &TakedownPolicy::default())[0]
            .undecided
            .is_empty()
    );
}
