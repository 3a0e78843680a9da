use std::path::PathBuf;

use leckwehr_contain::cut::CutPolicy;
use leckwehr_contain::cut::certificate::{CutCertificate, estate_json};
use leckwehr_contain::{Scale, TakedownPolicy, check_cut, options, separations, takedown_plan};
use leckwehr_estate::{Estate, SystemKind};
use leckwehr_incident::{Impact, OutsideRole, Tier};

use crate::scene::{hop, host, outside};

pub fn essen() -> Estate {
    Estate::load(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/essen")).unwrap()
}

/// The attacker came from the core vendor's network over a jump host and holds a file server and a workstation.
pub fn vendor_door(estate: &Estate) -> Impact {
    let of_kind = |kind| {
        estate
            .systems
            .iter()
            .find(|(_, s)| s.kind == kind && estate.zones[&s.zone].site.as_deref() == Some("essen"))
            .unwrap()
            .0
            .as_str()
    };
    let zone = estate.zones["vendor-core"].network.unwrap().0;
    let address = std::net::Ipv4Addr::from(u32::from(zone) + 9).to_string();
    let hosts = vec![
        host("jump-essen-1", Tier::Proven),
        host(of_kind(SystemKind::FileServer), Tier::Proven),
        host(of_kind(SystemKind::Workstation), Tier::Probable),
        host(of_kind(SystemKind::Database), Tier::Possible),
    ];
    Impact {
        hosts,
        hops: vec![hop(&address, "jump-essen-1")],
        outside: vec![outside(&address, OutsideRole::Entry)],
        ..Impact::default()
    }
}

#[test]
fn the_options_of_essen_grow_in_size_and_harm() {
    let estate = essen();
    let impact = vendor_door(&estate);
    let policy = TakedownPolicy::default();
    let all = options(&impact, &estate, &policy);
    for option in &all {
        println!(
            "{:?}: {} systems, {} connections, {} by hand, {} left, {} EUR/h, {} services, {} insurers",
            option.scale,
            option.systems.len(),
            option.connections.len(),
            option.by_hand.len(),
            option.residual.len(),
            option.harm.eur_per_hour,
            option.harm.services.len(),
            option.harm.insurers
        );
    }
    for pair in all.windows(2) {
        assert!(pair[0].systems.is_subset(&pair[1].systems) && pair[0].connections.is_subset(&pair[1].connections));
        assert!(
            pair[0].systems.len() < pair[1].systems.len(),
            "{:?} is no larger than {:?}",
            pair[1].scale,
            pair[0].scale
        );
        assert!(pair[0].harm.eur_per_hour <= pair[1].harm.eur_per_hour && pair[0].harm.insured <= pair[1].harm.insured);
    }
    let surgical = &all[0];
    assert_eq!(surgical.systems.len(), 3);
    let to_jump = |id: &String| {
        let c = &estate.connections[id];
        [&c.from, &c.to].contains(&&"vendor-core".to_owned())
    };
    assert!(
        !surgical.connections.is_empty() && surgical.connections.iter().all(to_jump),
        "{:?}",
        surgical.connections
    );
    assert_eq!(surgical.residual.len(), 1);
    let plan = takedown_plan(surgical, &impact, &estate, &policy, 1, &[].into()).unwrap();
    assert_eq!(plan.steps.len(), 3 + surgical.connections.len());
    assert!(all[3].harm.insurers == 80 && all[3].scale == Scale::Everything);
}

#[test]
fn the_cheapest_cut_of_essen_is_proven_and_costs_less_than_the_compartment() {
    let estate = essen();
    let impact = vendor_door(&estate);
    let found = separations(&impact, &estate, &CutPolicy::default(), 3).unwrap();
    for cut in &found {
        let names: Vec<&str> = cut.switches.iter().map(|s| s.switch.as_str()).collect();
        println!(
            "{} EUR, {} EUR/h: {}",
            cut.value,
            cut.option.harm.eur_per_hour,
            names.join(" ")
        );
    }
    let paper = CutCertificate::new(&found[0], &estate).to_bytes();
    let impact_bytes = serde_json::to_vec(&impact).unwrap();
    let checked = check_cut(&paper, &estate_json(&estate), Some(&impact_bytes), None).unwrap();
    println!("{checked:?}, {} bytes", paper.len());
    let mut weaker = CutCertificate::new(&found[0], &estate);
    let target = weaker
        .targets
        .iter()
        .position(|t| estate.systems.get(t).is_some_and(|s| estate.zones[&s.zone].protected));
    let target = weaker.targets.remove(target.unwrap());
    weaker.seal.clear();
    weaker.seal = leckwehr_crypt::hex(&leckwehr_crypt::sha256(&weaker.to_bytes()));
    let refused = check_cut(&weaker.to_bytes(), &estate_json(&estate), None, None).unwrap_err();
    assert_eq!(refused.item, target, "a protected system was left out");
    let compartment = &options(&impact, &estate, &TakedownPolicy::default())[1];
    assert!(found[0].option.harm.eur_per_hour <= compartment.harm.eur_per_hour);
    assert!(found[0].vital_off.is_empty() && found[0].lost.is_empty());
    assert!(
        found
            .windows(2)
            .all(|pair| pair[0].value <= pair[1].value && pair[0].switches != pair[1].switches)
    );
}
