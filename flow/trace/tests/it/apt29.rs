//! The APT29 evaluation (OTRF Security-Datasets, MIT): two days, the same settings, no address or host in any rule.

use std::path::Path;

use leckwehr_detect::{DetectConfig, Detector, Fusion, Rules};
use leckwehr_estate::Estate;
use leckwehr_incident::{Alarm, AlarmLevel, Finding, Impact, OutsideRole, Tier};
use leckwehr_telemetry::Intake;
use leckwehr_trace::{TraceConfig, assess, claims};

use crate::estates;

/// The estate that responders wrote for day one; the same one serves day two, whose second server it does not know.
fn estate() -> Estate {
    Estate::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/apt29")).unwrap()
}

struct Day {
    findings: Vec<Finding>,
    alarms: Vec<Alarm>,
    impact: Impact,
    config: TraceConfig,
}

fn day(file: &str) -> Option<Day> {
    let path = estates::data(file)?;
    let mut intake = Intake::new();
    intake.read_file(&path).unwrap();
    let events = intake.take();
    let mut detector = Detector::new(DetectConfig::new(Rules::own().unwrap(), &estate()));
    detector.end_learning();
    let findings = detector.push(&events);
    let alarms = Fusion::new().push(&findings);
    let config = TraceConfig::new(intake.accounts().values().cloned().collect());
    let impact = assess(&events, &findings, &estate(), &config);
    Some(Day {
        findings,
        alarms,
        impact,
        config,
    })
}

fn tier(impact: &Impact, system: &str) -> Option<Tier> {
    impact.hosts.iter().find(|h| h.system == system).map(|h| h.tier)
}

fn proven_hops(impact: &Impact) -> Vec<(String, String)> {
    let inside = |name: &str| estate().systems.contains_key(name);
    let hops = impact.hops.iter().filter(|h| h.tier == Tier::Proven && inside(&h.from));
    hops.map(|h| (h.from.clone(), h.to.clone())).collect()
}

fn print(day: &Day) {
    for f in &day.findings {
        println!(
            "finding {} {} host={} origin={:?} acc={:?} w={} {}",
            f.at, f.title, f.host, f.origin, f.account, f.weight, f.detail
        );
    }
    for a in &day.alarms {
        println!("alarm {a:?}");
    }
    println!("{}", serde_json::to_string_pretty(&day.impact).unwrap());
    for claim in claims(&day.impact, &estate(), &day.config) {
        println!("{}", serde_json::to_string_pretty(&claim).unwrap());
    }
}

#[test]
fn day_one_names_servers_hop_and_bound() {
    let Some(day) = day("trace/apt29-day1.zeek.jsonl") else {
        return;
    };
    print(&day);
    let impact = &day.impact;
    assert_eq!(tier(impact, "scranton"), Some(Tier::Proven));
    assert_eq!(tier(impact, "nashua"), Some(Tier::Proven));
    assert_eq!(tier(impact, "newyork"), Some(Tier::Possible));
    assert_eq!(tier(impact, "utica"), Some(Tier::Unknown));
    assert_eq!(proven_hops(impact), [("scranton".to_owned(), "nashua".to_owned())]);
    let role = |address: &str| impact.outside.iter().find(|o| o.address == address).map(|o| (o.role, o.tier));
    assert_eq!(role("192.168.0.5"), Some((OutsideRole::Command, Tier::Proven)));
    assert_eq!(role("192.168.0.4"), Some((OutsideRole::CommandAndExfiltration, Tier::Proven)));
    assert!(
        (1_082_089..=3_172_129).contains(&impact.bytes_out_max),
        "{}",
        impact.bytes_out_max
    );
    assert!(
        day.alarms
            .iter()
            .any(|a| a.level == AlarmLevel::Critical && a.entity == "host:scranton")
    );
}

#[test]
fn day_two_with_the_same_settings() {
    let Some(day) = day("trace/apt29-day2.zeek.jsonl") else {
        return;
    };
    print(&day);
    let impact = &day.impact;
    assert_eq!(tier(impact, "utica"), Some(Tier::Proven));
    assert_eq!(tier(impact, "newyork"), Some(Tier::Proven));
    assert_eq!(tier(impact, "scranton"), Some(Tier::Proven));
    assert_eq!(tier(impact, "nashua"), None);
    let hops = [
        ("utica".to_owned(), "newyork".to_owned()),
        ("utica".to_owned(), "scranton".to_owned()),
    ];
    assert_eq!(proven_hops(impact), hops);
    let command = impact.outside.iter().filter(|o| o.role == OutsideRole::Command);
    assert_eq!(command.map(|o| o.address.as_str()).collect::<Vec<_>>(), ["192.168.0.4"]);
}
