use std::collections::BTreeSet;

use leckwehr_contain::cut::certificate::{CutCertificate, estate_json};
use leckwehr_contain::cut::{CutPolicy, Inseparable, Separation};
use leckwehr_contain::{Scale, TakedownPolicy, check_cut, separations, takedown_plan};
use leckwehr_estate::{Estate, SystemKind};
use leckwehr_incident::{Impact, Tier};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::scene::{any_estate, connection, frame, host, need, service, system};

/// Estates with hypervisors and directories among the systems, protected zones, and connections of every kind of end.
fn any_ground() -> impl Strategy<Value = Estate> {
    let kinds = vec(0..4_u8, 9);
    let ends = vec((0..5_usize, 0..5_usize, any::<bool>(), any::<bool>()), 0..5);
    (any_estate(), kinds, 0..3_usize, ends).prop_map(|(mut estate, kinds, protected, ends)| {
        for (system, kind) in estate.systems.values_mut().zip(kinds) {
            system.kind = match kind {
                0 => SystemKind::Hypervisor,
                1 => SystemKind::Directory,
                _ => SystemKind::Application,
            };
        }
        if let Some(zone) = estate.zones.get_mut(&format!("z{protected}")) {
            zone.protected = true;
        }
        let names = ["z0", "z1", "zv", "s3", "provider"];
        for (i, (from, to, both_ways, guarded)) in ends.into_iter().enumerate() {
            let breaks = vec![format!("v{i}")];
            let mut link = connection(names[from], names[to], guarded.then_some("guard-a"), breaks);
            link.both_ways = both_ways;
            estate.connections.insert(format!("d{i}"), link);
        }
        estate
    })
}

fn held(systems: &[usize]) -> Impact {
    Impact {
        hosts: systems.iter().map(|i| host(&format!("s{i}"), Tier::Probable)).collect(),
        ..Impact::default()
    }
}

fn certificate(separation: &Separation, estate: &Estate) -> Vec<u8> {
    CutCertificate::new(separation, estate).to_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The checker shares no code with the engine: it proves every cut the cheapest one. Another weight, another way or a
    /// missing switch in `ground.rs` makes this red.
    #[test]
    fn every_cut_is_proven_by_the_checker(estate in any_ground(), from in vec(0..9_usize, 1..3), outside: bool, spare_vital: bool) {
        let policy = CutPolicy { outside, spare_vital, ..CutPolicy::default() };
        let impact = held(&from);
        let bytes = serde_json::to_vec(&impact).unwrap();
        match separations(&impact, &estate, &policy, 3) {
            Ok(found) => {
                let checked = check_cut(&certificate(&found[0], &estate), &estate_json(&estate), Some(&bytes), None);
                prop_assert!(checked.is_ok(), "{:?}\n{:#?}", checked, found[0]);
                let values: Vec<u64> = found.iter().map(|s| s.value).collect();
                prop_assert!(values.is_sorted());
                let sets: BTreeSet<Vec<&str>> = found.iter().map(|s| s.switches.iter().map(|c| c.switch.as_str()).collect()).collect();
                prop_assert_eq!(sets.len(), found.len());
                if spare_vital && found[0].vital_off.is_empty() {
                    let harmed = &found[0].option.harm.services;
                    let vital = harmed.iter().filter(|(id, _)| estate.services[*id].vital);
                    prop_assert!(vital.into_iter().all(|(_, level)| *level > leckwehr_incident::ServiceLevel::Off));
                }
            }
            Err(Inseparable::Open { way }) => prop_assert!(way.iter().all(|s| !s.why.is_empty())),
            Err(Inseparable::NoTarget) => {}
            Err(error) => prop_assert!(false, "{error}"),
        }
    }
}

/// `s0` in zone `z0` is the attacker's; `db` in `z1` is protected; two ways lead there, `cheap` and `dear`.
fn two_ways() -> Estate {
    let mut estate = frame();
    estate.systems.insert("s0".into(), system("s0", "z0", vec![]));
    estate.systems.insert("db".into(), system("db", "z1", vec![]));
    estate.services.insert("web".into(), service(vec![], vec![]));
    estate.services.insert("vital".into(), service(vec![need(&["s0"])], vec![]));
    estate
        .connections
        .insert("cheap".into(), connection("z0", "db", Some("guard-a"), vec![]));
    estate
        .connections
        .insert("dear".into(), connection("z0", "z1", Some("guard-a"), vec!["web".into()]));
    if let Some(service) = estate.services.get_mut("vital") {
        (service.vital, service.harm_eur_per_hour) = (true, 0);
    }
    estate
}

fn protect_db() -> CutPolicy {
    CutPolicy {
        protect: ["db".to_owned()].into(),
        ..CutPolicy::default()
    }
}

fn names(separation: &Separation) -> Vec<&str> {
    separation.switches.iter().map(|s| s.switch.as_str()).collect()
}

#[test]
fn the_cheapest_cut_spares_life_lines_and_the_next_best_follow() {
    let estate = two_ways();
    let found = separations(&held(&[0]), &estate, &protect_db(), 9).unwrap();
    // s0 is a life-line of `vital`; isolating db costs one switch and breaks nothing.
    assert_eq!(names(&found[0]), ["system:db"]);
    assert_eq!(found[0].value, 50);
    assert_eq!(names(&found[1]), ["connection:cheap", "connection:dear"]);
    // Two switches, eight hours of web at 10 euros, both insurers with 1,200 insured persons.
    assert_eq!(found[1].value, 100 + 80 + 2_000 + 10);
    assert_eq!(found[1].option.connections, ["cheap".to_owned(), "dear".to_owned()].into());
    assert_eq!(found.len(), 2, "{found:#?}");
    let brave = CutPolicy {
        spare_vital: false,
        ..protect_db()
    };
    assert_eq!(
        separations(&held(&[0]), &estate, &brave, 9).unwrap().len(),
        3,
        "s0, db, both connections"
    );
}

#[test]
fn where_no_cut_exists_the_life_line_on_the_way_is_named() {
    let mut estate = two_ways();
    let mut policy = protect_db();
    policy.life_lines.extend(["dear".to_owned(), "db".to_owned()]);
    let error = separations(&held(&[0]), &estate, &policy, 1).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("s0 (it alone takes down vital)"), "{said}");
    assert!(said.contains("db (the protocol never cuts db)"), "{said}");
    let mistyped = CutPolicy {
        protect: ["bd".to_owned()].into(),
        ..CutPolicy::default()
    };
    let said = separations(&held(&[0]), &estate, &mistyped, 1).unwrap_err().to_string();
    assert_eq!(said, "nothing in the estate is called `bd`; did you mean `db`?");
    estate.systems.remove("s0");
    assert_eq!(separations(&held(&[0]), &estate, &policy, 1), Err(Inseparable::NoSource));
    assert_eq!(
        separations(&held(&[8]), &frame(), &CutPolicy::default(), 1),
        Err(Inseparable::NoSource)
    );
}

/// `a` and `b` alone do not take `vital` down, together they do: the dearer of them is spared and the next way taken.
#[test]
fn a_vital_service_that_falls_only_with_the_whole_cut_is_spared_too() {
    let mut estate = frame();
    for id in ["s0", "a", "b"] {
        estate
            .systems
            .insert(id.into(), system(id, if id == "s0" { "z0" } else { "z1" }, vec![]));
    }
    estate.zones.get_mut("z1").unwrap().guard = Some("guard-a".into());
    let mut vital = service(vec![need(&["a", "b"])], vec![]);
    vital.vital = true;
    estate.services.insert("vital".into(), vital);
    estate.services.insert("web".into(), service(vec![], vec![]));
    estate
        .connections
        .insert("to-a".into(), connection("s0", "a", Some("guard-a"), vec!["web".into()]));
    estate
        .connections
        .insert("to-b".into(), connection("s0", "b", Some("guard-a"), vec!["web".into()]));
    let mut policy = CutPolicy::default();
    policy.protect.extend(["a".to_owned(), "b".to_owned()]);
    policy.life_lines.insert("s0".into());
    let found = separations(&held(&[0]), &estate, &policy, 1).unwrap();
    assert_eq!(names(&found[0]), ["system:a", "connection:to-b"]);
    assert_eq!(found[0].kept.get("b").map(String::as_str), Some("vital"));
    assert!(found[0].vital_off.is_empty());
    assert!(check_cut(&certificate(&found[0], &estate), &estate_json(&estate), None, None).is_ok());
}

#[test]
fn whatever_is_changed_in_a_certificate_is_refused() {
    let estate = two_ways();
    let found = separations(&held(&[0]), &estate, &protect_db(), 1).unwrap();
    let good = certificate(&found[0], &estate);
    let estate_bytes = estate_json(&estate);
    let impact = serde_json::to_vec(&held(&[0])).unwrap();
    assert!(check_cut(&good, &estate_bytes, Some(&impact), None).is_ok());
    let spoil = |change: &dyn Fn(&mut CutCertificate)| {
        let mut paper = CutCertificate::new(&found[0], &estate);
        change(&mut paper);
        paper.seal = String::new();
        let bytes = paper.to_bytes();
        paper.seal = leckwehr_crypt::hex(&leckwehr_crypt::sha256(&bytes));
        check_cut(&paper.to_bytes(), &estate_bytes, Some(&impact), None).map_err(|e| e.item)
    };
    assert!(spoil(&|_| {}).is_ok());
    assert_eq!(spoil(&|c| c.value = 49), Err("flow".into()));
    assert_eq!(spoil(&|c| c.cut.clear()), Err("cut".into()));
    assert_eq!(spoil(&|c| c.cut[0].weight = 1), Err("system:db".into()));
    assert_eq!(spoil(&|c| c.cut[0].switch = "connection:cheap".into()), Err("cut".into()));
    assert_eq!(spoil(&|c| c.cut[0].switch = "system:s0".into()), Err("system:s0".into()));
    assert_eq!(spoil(&|c| c.flow.clear()), Err("flow".into()));
    assert!(spoil(&|c| c.flow.iter_mut().for_each(|f| f.2 *= 2)).is_err_and(|item| item.starts_with("flow ")));
    assert_eq!(spoil(&|c| c.flow[0].2 -= 1), Err("flow".into()));
    let more = Impact {
        hosts: vec![host("db", Tier::Possible)],
        ..Impact::default()
    };
    let more = serde_json::to_vec(&more).unwrap();
    assert_eq!(check_cut(&good, &estate_bytes, Some(&more), None).unwrap_err().item, "db");
    assert_eq!(spoil(&|c| c.targets.clear()), Err("targets".into()));
    assert_eq!(spoil(&|c| c.policy.switching_eur = 1), Err("system:db".into()));
    assert_eq!(spoil(&|c| c.estate_sha256.clear()), Err("estate-sha256".into()));
    let unsealed = String::from_utf8_lossy(&good).replace("\"value\":50", "\"value\":51");
    let refused = check_cut(unsealed.as_bytes(), &estate_bytes, None, None).unwrap_err();
    assert_eq!(refused.item, "seal");
    let mut json: Value = serde_json::from_slice(&good).unwrap();
    json["format"] = json!("leckwehr-cut/2");
    assert_eq!(
        check_cut(json.to_string().as_bytes(), &estate_bytes, None, None)
            .unwrap_err()
            .item,
        "format"
    );
}

#[test]
fn a_plan_that_leaves_out_a_switch_of_the_cut_is_refused() {
    let estate = two_ways();
    let mut policy = protect_db();
    policy.life_lines.insert("db".into());
    let found = separations(&held(&[0]), &estate, &policy, 1).unwrap();
    let (option, takedown) = (&found[0].option, TakedownPolicy::default());
    assert_eq!(option.scale, Scale::Minimum);
    let plan = takedown_plan(option, &held(&[0]), &estate, &takedown, 1, &BTreeSet::new()).unwrap();
    let paper = certificate(&found[0], &estate);
    let check = |plan: &leckwehr_incident::PlanRecord| {
        let plan = serde_json::to_vec(plan).unwrap();
        check_cut(&paper, &estate_json(&estate), None, Some(&plan))
            .map(|_| ())
            .map_err(|e| e.item)
    };
    assert_eq!(check(&plan), Ok(()));
    let mut other = plan.clone();
    other.steps.remove(0);
    assert_eq!(check(&other), Err("plan".into()), "its hash does not fit");
    assert_eq!(check(&other.sealed()), Err("connection:cheap".into()));
}
