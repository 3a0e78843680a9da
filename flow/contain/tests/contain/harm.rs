use std::collections::BTreeSet;

use leckwehr_contain::{harm_of, service_level};
use leckwehr_estate::{Estate, Need};
use leckwehr_incident::ServiceLevel;
use proptest::prelude::*;
use proptest::sample::subsequence;

use crate::scene::{SERVICES, SYSTEMS, any_estate, connection, frame, mode, need, service, system};

fn ids(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|&id| id.to_owned()).collect()
}

/// The least set of things that do not work, found by trying every set: the smallest one that holds what was cut or broken
/// and whatever has a need with no alternative outside the set.
fn down_by_trial(estate: &Estate, start: &BTreeSet<String>) -> BTreeSet<String> {
    let names: Vec<&String> = estate.systems.keys().chain(estate.services.keys()).collect();
    let bit = |id: &String| names.iter().position(|n| *n == id).map_or(0, |i| 1_u32 << i);
    let seed = start.iter().map(&bit).fold(0, |a, b| a | b);
    let needs: Vec<Vec<u32>> = names
        .iter()
        .map(|id| {
            let of_system = estate.systems.get(*id).map(|s| &s.needs);
            let needs: &Vec<Need> = of_system.or(estate.services.get(*id).map(|s| &s.needs)).unwrap();
            needs
                .iter()
                .map(|n| n.any_of.iter().map(&bit).fold(0, |a, b| a | b))
                .collect()
        })
        .collect();
    let is_closed = |set: &u32| {
        seed & !set == 0
            && needs
                .iter()
                .enumerate()
                .all(|(i, n)| set >> i & 1 == 1 || n.iter().all(|any_of| any_of & !set != 0))
    };
    let least = (0..1_u32 << names.len())
        .filter(is_closed)
        .min_by_key(|set| set.count_ones())
        .unwrap();
    names
        .iter()
        .enumerate()
        .filter(|(i, _)| least >> i & 1 == 1)
        .map(|(_, id)| (*id).clone())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn harm_is_what_trying_every_set_finds(
        estate in any_estate(),
        cut in subsequence((0..SYSTEMS).collect::<Vec<_>>(), 0..4),
        links in subsequence(vec!["c0", "c1", "c2"], 0..3),
    ) {
        let systems: BTreeSet<String> = cut.iter().map(|i| format!("s{i}")).collect();
        let connections = ids(&links);
        let mut start = systems.clone();
        for id in &connections {
            start.extend(estate.connections.get(id).and_then(|c| c.switch.clone()).map(|s| s.breaks).unwrap_or_default());
        }
        let down = down_by_trial(&estate, &start);
        let harm = harm_of(&estate, &systems, &connections);
        let mut eur = 0;
        for i in 0..SERVICES {
            let id = format!("v{i}");
            let runs = |needs: &Vec<Need>| !needs.is_empty() && needs.iter().all(|n| n.any_of.iter().any(|id| !down.contains(id)));
            let expected = match (down.contains(&id), estate.services[&id].degraded.iter().any(|m| runs(&m.needs))) {
                (false, _) => None,
                (true, true) => Some(ServiceLevel::Limited),
                (true, false) => Some(ServiceLevel::Off),
            };
            eur += match expected { None => 0, Some(ServiceLevel::Limited) => 5, Some(_) => 10 };
            prop_assert_eq!(harm.services.get(&id).copied(), expected, "{} of {:?}", id, down);
        }
        prop_assert_eq!(harm.eur_per_hour, eur);
        let anyone = harm.services.keys().any(|id| id != "v0");
        let insured = if anyone { 1_200 } else if harm.services.is_empty() { 0 } else { 200 };
        prop_assert_eq!(harm.insured, insured);
    }

    #[test]
    fn cutting_more_never_harms_less(estate in any_estate(), cut in subsequence((0..SYSTEMS).collect::<Vec<_>>(), 0..6)) {
        let mut systems = BTreeSet::new();
        let mut before = harm_of(&estate, &systems, &BTreeSet::new());
        prop_assert_eq!(before.eur_per_hour, 0);
        for i in cut {
            systems.insert(format!("s{i}"));
            let after = harm_of(&estate, &systems, &BTreeSet::new());
            prop_assert!(after.eur_per_hour >= before.eur_per_hour && after.insured >= before.insured);
            prop_assert!(before.services.iter().all(|(id, level)| after.services.get(id).is_some_and(|l| l <= level)));
            before = after;
        }
    }
}

/// eAU needs the intake and, behind it, the core; it can spool with the intake alone.
fn eau() -> Estate {
    let mut estate = frame();
    estate.systems.insert("disk".into(), system("disk", "z0", vec![]));
    estate
        .systems
        .insert("intake".into(), system("intake", "z0", vec![need(&["disk"])]));
    estate.systems.insert("core".into(), system("core", "z0", vec![]));
    let needs = vec![need(&["intake"]), need(&["core"])];
    estate
        .services
        .insert("eau".into(), service(needs, vec![mode(vec![need(&["intake"])])]));
    estate
        .services
        .insert("statistics".into(), service(vec![need(&["eau"])], vec![]));
    estate
        .connections
        .insert("vendor".into(), connection("zv", "core", Some("guard-a"), vec!["eau".into()]));
    estate
}

#[test]
fn a_degraded_mode_counts_only_if_what_it_needs_really_runs() {
    let level = |cut: &[&str], links: &[&str]| harm_of(&eau(), &ids(cut), &ids(links)).services.get("eau").copied();
    assert_eq!(level(&[], &[]), None);
    assert_eq!(level(&["core"], &[]), Some(ServiceLevel::Limited));
    assert_eq!(level(&["intake"], &[]), Some(ServiceLevel::Off));
    // The intake is not cut, but its disk is.
    assert_eq!(level(&["disk"], &[]), Some(ServiceLevel::Off));
    assert_eq!(level(&["disk", "core"], &[]), Some(ServiceLevel::Off));
}

#[test]
fn what_a_cut_connection_breaks_is_broken_with_all_that_needs_it() {
    let harm = harm_of(&eau(), &BTreeSet::new(), &ids(&["vendor"]));
    let levels: Vec<_> = harm.services.into_iter().collect();
    assert_eq!(
        levels,
        [
            ("eau".to_owned(), ServiceLevel::Limited),
            ("statistics".to_owned(), ServiceLevel::Off)
        ]
    );
    assert_eq!(harm.eur_per_hour, 15);
}

#[test]
fn levels_follow_from_what_is_down() {
    let estate = eau();
    let level = |systems: &[&str], services: &[&str]| service_level(&estate, "eau", &ids(systems), &ids(services));
    assert_eq!(level(&[], &[]), ServiceLevel::Full);
    assert_eq!(level(&["core"], &["eau", "statistics"]), ServiceLevel::Limited);
    assert_eq!(level(&["core", "intake"], &["eau", "statistics"]), ServiceLevel::Off);
    assert_eq!(
        service_level(&estate, "statistics", &ids(&[]), &ids(&["statistics"])),
        ServiceLevel::Off
    );
}
