use std::path::PathBuf;

use leckwehr_estate::Estate;

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
