use std::fmt::Write as _;
use std::path::PathBuf;

use leckwehr_estate::{ConnectionKind, Estate, PartyKind, SystemKind, lint};

#[expect(clippy::panic, reason = "a test helper")]
fn example(name: &str) -> Estate {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    Estate::load(&dir).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn apt29_knows_the_hosts_of_the_recording() {
    let estate = example("apt29");
    for (host, address) in [
        ("scranton", "10.0.1.4"),
        ("utica", "10.0.1.5"),
        ("nashua", "10.0.1.6"),
        ("newyork", "10.0.0.4"),
    ] {
        assert_eq!(estate.system_at(address.parse().unwrap()), Some(host));
        assert!(estate.guard_of(host).is_some());
    }
    assert_eq!(estate.zone_of("192.168.0.4".parse().unwrap()), None);
}

#[test]
fn essen_has_the_size_of_the_real_case() {
    let estate = example("essen");
    assert_eq!(estate.sites.len(), 2);
    assert!(estate.zones.values().filter(|z| z.site.is_some()).count() >= 12);
    assert!(estate.zones.values().filter(|z| z.site.is_none()).count() >= 4);
    assert!(estate.systems.len() >= 150, "{}", estate.systems.len());
    assert!(estate.services.len() >= 15);
    let insurers: Vec<_> = estate.parties.values().filter(|p| p.kind == PartyKind::Insurer).collect();
    assert_eq!(insurers.len(), 80);
    assert!((24_900_000..25_100_000).contains(&insurers.iter().map(|p| p.insured).sum::<u64>()));
    assert!(estate.parties.values().filter(|p| p.kind == PartyKind::ThirdParty).count() >= 15);
    for kind in SystemKind::all() {
        assert!(estate.systems.values().any(|s| s.kind == kind), "no {}", kind.name());
    }
    for kind in ConnectionKind::all() {
        assert!(estate.connections.values().any(|c| c.kind == kind), "no {}", kind.name());
    }
    for class in estate.data_classes.values().filter(|c| !c.by_insurer.is_empty()) {
        assert_eq!(class.by_insurer.values().sum::<u64>(), class.records, "{}", class.name);
    }
}

fn findings(estate: &Estate) -> String {
    let mut text = String::new();
    for f in lint(estate) {
        let _ = writeln!(
            text,
            "{:?} {} [{}] {}; {}",
            f.severity, f.subject, f.code, f.message, f.remedy
        );
    }
    text
}

#[test]
fn essen_has_the_weaknesses_that_its_comments_name_and_no_others() {
    insta::assert_snapshot!(findings(&example("essen")));
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/essen");
    let texts = std::fs::read_dir(dir)
        .unwrap()
        .map(|f| std::fs::read_to_string(f.unwrap().path()).unwrap());
    let text: String = texts.collect();
    let mut named: Vec<&str> = text
        .lines()
        .filter_map(|l| l.strip_prefix("# WEAKNESS ")?.split(':').next())
        .collect();
    named.sort_unstable();
    let mut found: Vec<&str> = lint(&example("essen")).iter().map(|f| f.code).collect();
    found.sort_unstable();
    assert_eq!(named, found);
}

#[test]
fn apt29_hangs_on_its_one_domain_controller() {
    insta::assert_snapshot!(findings(&example("apt29")));
}
