//! Exposure: records by hand, connections with what was observed on them, and that doubt never becomes "excluded".

use std::collections::BTreeMap;
use std::path::Path;

use leckwehr_estate::{BackupSet, Connection, ConnectionKind, DataClass, Estate, Need, Party, PartyKind, SystemKind};
use leckwehr_incident::{Fact, Finding, Hop, HostAssessment, Impact, Tier, Timestamp, What};
use leckwehr_telemetry::Events;
use leckwehr_trace::{CoverageLedger, Cuts, Exposure, LedgerConfig, PartyExposure, TraceConfig, assess, exposure};
use proptest::prelude::*;

use crate::coverage::{Lines, after_ms, begin};
use crate::estates;

fn party(kind: PartyKind, healthcare: bool, insured: u64) -> Party {
    Party {
        name: "Party".to_owned(),
        kind,
        insured,
        healthcare,
        contact: "crisis card".to_owned(),
    }
}

fn connection(kind: ConnectionKind, from: &str, to: &str, ports: &[u16]) -> Connection {
    Connection {
        name: "link".to_owned(),
        kind,
        from: from.to_owned(),
        to: to.to_owned(),
        both_ways: false,
        ports: ports.to_vec(),
        owner: None,
        switch: None,
    }
}

/// Two insurers, a vendor and the TI; one class on two databases, another one only in one of them.
fn estate() -> Estate {
    let mut estate = estates::empty();
    estates::zone(&mut estate, "inner", Some("site-1"), [10, 1, 0, 0], 16);
    estates::zone(&mut estate, "vendor-net", None, [10, 9, 0, 0], 24);
    estates::zone(&mut estate, "ti-net", None, [10, 8, 0, 0], 24);
    let systems = [
        ("db-1", SystemKind::Database),
        ("db-2", SystemKind::Database),
        ("db-3", SystemKind::Database),
        ("jump", SystemKind::JumpHost),
        ("gate", SystemKind::Gateway),
        ("backup", SystemKind::BackupServer),
        ("hyper", SystemKind::Hypervisor),
    ];
    for (n, (id, kind)) in systems.into_iter().enumerate() {
        estates::system(&mut estate, id, kind, "inner", [10, 1, 0, n as u8 + 5]);
    }
    for (id, kind, healthcare, insured) in [
        ("bkk-a", PartyKind::Insurer, true, 900),
        ("bkk-b", PartyKind::Insurer, true, 50),
        ("ti", PartyKind::ThirdParty, true, 0),
    ] {
        estate.parties.insert(id.to_owned(), party(kind, healthcare, insured));
    }
    estate.zones.get_mut("ti-net").unwrap().party = "ti".to_owned();
    let class = |records, split: &[(&str, u64)]| DataClass {
        name: "Class".to_owned(),
        records,
        special: true,
        by_insurer: split.iter().map(|(p, n)| ((*p).to_owned(), *n)).collect(),
    };
    estate
        .data_classes
        .insert("master".to_owned(), class(1_000, &[("bkk-a", 900), ("bkk-b", 50)]));
    estate.data_classes.insert("notes".to_owned(), class(70, &[("bkk-a", 70)]));
    estate.data_classes.insert("mail".to_owned(), class(33, &[]));
    for (id, data) in [
        ("db-1", vec!["master", "notes"]),
        ("db-2", vec!["master"]),
        ("db-3", vec!["mail"]),
    ] {
        estate.systems.get_mut(id).unwrap().data = data.into_iter().map(str::to_owned).collect();
    }
    estate.connections.insert(
        "maintain".to_owned(),
        connection(ConnectionKind::RemoteMaintenance, "vendor-net", "jump", &[22]),
    );
    estate.connections.insert(
        "ti".to_owned(),
        connection(ConnectionKind::TiConnector, "gate", "ti-net", &[443]),
    );
    estate
        .connections
        .insert("trust".to_owned(), connection(ConnectionKind::AdTrust, "bkk-a", "inner", &[]));
    estate
}

fn held(system: &str, tier: Tier) -> HostAssessment {
    HostAssessment {
        system: system.to_owned(),
        tier,
        since: Some(after_ms(60_000)),
        via: None,
        reasons: vec!["by hand".to_owned()],
    }
}

fn impact(hosts: &[(&str, Tier)]) -> Impact {
    Impact {
        window: Some((begin(), after_ms(3_600_000))),
        hosts: hosts.iter().map(|(id, tier)| held(id, *tier)).collect(),
        ..Impact::default()
    }
}

fn blind(estate: &Estate) -> CoverageLedger {
    let config = LedgerConfig {
        window: Some((begin(), after_ms(3_600_000))),
        ..LedgerConfig::new()
    };
    CoverageLedger::new(&Events::default(), estate, &[], &config)
}

fn expose(estate: &Estate, hosts: &[(&str, Tier)]) -> Exposure {
    exposure(&Events::default(), &impact(hosts), estate, &blind(estate), &Cuts::new())
}

fn of<'a>(exposure: &'a Exposure, party: &str) -> &'a PartyExposure {
    exposure.parties.iter().find(|p| p.party == party).unwrap()
}

#[test]
fn records_on_two_systems_count_once_at_their_surest_tier() {
    let found = expose(&estate(), &[("db-1", Tier::Possible), ("db-2", Tier::Proven)]);
    let told: Vec<(&str, Tier, u64)> = found.data.iter().map(|d| (d.class.as_str(), d.tier, d.records_max)).collect();
    assert_eq!(
        told,
        [
            ("master", Tier::Proven, 1_000),
            ("notes", Tier::Possible, 70),
            ("mail", Tier::Unknown, 33)
        ]
    );
    let a = &found.insurers[0];
    assert_eq!((a.party.as_str(), a.tier, a.insured_max), ("bkk-a", Tier::Proven, 900));
    assert_eq!((a.records.proven, a.records.possible, a.records.in_reach()), (900, 70, 970));
    assert_eq!(
        a.by_class,
        BTreeMap::from([("master".to_owned(), 900), ("notes".to_owned(), 70)])
    );
    // 50 of the 1,000 belong to nobody the estate names, and nobody knows where the mail was.
    assert_eq!(
        (found.records_of_no_insurer.proven, found.records_of_no_insurer.unknown),
        (50, 33)
    );
    let sum: u64 = found.insurers.iter().map(|i| i.records.in_reach()).sum::<u64>() + found.records_of_no_insurer.in_reach();
    assert_eq!(sum, 1_000 + 70, "no record is counted twice, none is left out");
}

#[test]
fn backups_and_guests_lie_in_reach_of_who_holds_their_host() {
    let mut estate = estate();
    let set = BackupSet {
        name: "nightly".to_owned(),
        stored_on: "backup".to_owned(),
        offline_copy: None,
        rpo_minutes: 60,
        size_gb: 1,
        gb_per_hour: None,
    };
    estate.backup_sets.insert("nightly".to_owned(), set);
    estate.systems.get_mut("db-1").unwrap().backup = Some("nightly".to_owned());
    estate.systems.get_mut("db-3").unwrap().needs = vec![Need {
        any_of: vec!["hyper".to_owned()],
    }];
    let found = expose(&estate, &[("backup", Tier::Proven), ("hyper", Tier::Proven)]);
    let tier = |class: &str| found.data.iter().find(|d| d.class == class).map(|d| d.tier);
    // A copy is the data; that he read a guest's disk is only possible.
    assert_eq!(tier("notes"), Some(Tier::Proven));
    assert_eq!(tier("mail"), Some(Tier::Possible));
    let place = &found.data.iter().find(|d| d.class == "notes").unwrap().places[0];
    assert_eq!(
        (place.system.as_str(), place.because.as_str()),
        ("backup", "backups of db-1 (nightly)")
    );
}

#[test]
fn without_coverage_nobody_is_called_not_affected() {
    let found = expose(&estate(), &[]);
    assert!(found.data.iter().all(|d| d.tier == Tier::Unknown));
    assert_eq!(found.parties.len(), 3);
    for party in &found.parties {
        assert_eq!((party.tier, party.crossed), (Tier::Unknown, Tier::Unknown), "{}", party.party);
        assert!(party.summary.contains("not known"), "{}", party.summary);
    }
    assert!(found.healthcare_environments.is_empty());
}

#[test]
fn a_connection_inherits_the_tier_of_our_end_and_says_what_was_seen_on_it() {
    let estate = estate();
    let mut lines = Lines::default();
    lines.logon("jump", after_ms(60_000), "10.9.0.5", "vendor");
    lines.logon("jump", after_ms(90_000), "10.9.0.5", "vendor");
    lines.flow("gate", after_ms(120_000), "10.8.0.7", 443, 5_000, 40);
    lines.flow("gate", after_ms(121_000), "10.8.0.7", 8443, 9, 9);
    let (events, accounts) = lines.read();
    let ledger = CoverageLedger::new(&events, &estate, &accounts, &LedgerConfig::new());
    let mut impact = impact(&[("jump", Tier::Proven), ("gate", Tier::Possible)]);
    impact.hops.push(Hop {
        from: "10.9.0.5".to_owned(),
        to: "jump".to_owned(),
        at: after_ms(60_000),
        account: Some("vendor".to_owned()),
        tier: Tier::Proven,
        means: "remote logon".to_owned(),
        evidence: vec!["stream#1".to_owned()],
    });
    let mut cuts = Cuts::new();
    cuts.note("maintain", after_ms(600_000), true);
    let found = exposure(&events, &impact, &estate, &ledger, &cuts);
    println!("{}", serde_json::to_string_pretty(&found).unwrap());
    let vendor = of(&found, "vendor");
    assert_eq!((vendor.tier, vendor.crossed), (Tier::Proven, Tier::Proven));
    let link = &vendor.connections[0];
    assert_eq!(
        (link.kind.as_str(), link.opens_outward, link.cut),
        ("remote-maintenance", false, Some(after_ms(600_000)))
    );
    assert_eq!((link.observed[0].count, link.observed[0].what.as_str()), (2, "log-on"));
    assert!(vendor.check.accounts.contains(&"vendor".to_owned()));
    assert!(
        vendor.check.addresses.contains(&"10.1.0.8 (jump)".to_owned()),
        "{:?}",
        vendor.check.addresses
    );
    assert_eq!(
        (vendor.check.from, vendor.check.to),
        (Some(after_ms(58_000)), Some(after_ms(600_000)))
    );
    assert!(!vendor.check.logs.is_empty());
    // The TI is another healthcare environment; only port 443 is on its connection.
    let ti = of(&found, "ti");
    assert_eq!((ti.tier, ti.crossed, ti.healthcare), (Tier::Possible, Tier::Possible, true));
    assert_eq!(
        ti.connections[0]
            .observed
            .iter()
            .map(|o| (o.port, o.bytes_out))
            .collect::<Vec<_>>(),
        [(443, 5_000)]
    );
    assert_eq!(ti.connections[0].cut, None);
    // The trust ends in the whole zone, so it inherits the surest host of it; bkk-a has no network of its own.
    let bkk = of(&found, "bkk-a");
    assert_eq!((bkk.tier, bkk.connections[0].network_shared), (Tier::Proven, true));
    assert_eq!(found.healthcare_environments, ["bkk-a", "ti"]);
}

#[test]
fn cuts_come_from_facts_and_an_undone_cut_is_none() {
    let cut = |at: i64, cut: bool| {
        let connection = "trust".to_owned();
        Fact::new(after_ms(at), "guard", What::ConnectionCut { connection, cut })
    };
    assert_eq!(Cuts::from_facts(&[cut(5, true)]).since("trust"), Some(after_ms(5)));
    assert_eq!(Cuts::from_facts(&[cut(5, true), cut(9, false)]).since("trust"), None);
    assert_eq!(
        Cuts::from_facts(&[cut(5, true), cut(9, false), cut(11, true)]).since("trust"),
        Some(after_ms(11))
    );
    let isolated = Fact::new(
        after_ms(7),
        "guard",
        What::HostIsolated {
            system: "gate".to_owned(),
            isolated: true,
        },
    );
    let found = exposure(
        &Events::default(),
        &impact(&[("gate", Tier::Proven)]),
        &estate(),
        &blind(&estate()),
        &Cuts::from_facts(&[isolated]),
    );
    assert_eq!(of(&found, "ti").connections[0].cut, Some(after_ms(7)));
}

#[test]
fn complete_coverage_excludes_and_says_so() {
    let estate = estate();
    let mut lines = Lines::default();
    for minute in 0..=60 {
        lines.logon("gate", after_ms(minute * 60_000), "10.1.0.8", "anna");
        lines.flow("gate", after_ms(minute * 60_000 + 1), "10.1.0.8", 443, 1, 1);
    }
    let (events, accounts) = lines.read();
    let ledger = CoverageLedger::new(&events, &estate, &accounts, &LedgerConfig::new());
    let found = exposure(&events, &impact(&[]), &estate, &ledger, &Cuts::new());
    let ti = of(&found, "ti");
    assert_eq!((ti.tier, ti.crossed), (Tier::Excluded, Tier::Excluded), "{ti:#?}");
    assert!(ti.connections[0].coverage.complete && ti.check.logs.is_empty());
    assert_eq!(of(&found, "vendor").tier, Tier::Unknown);
}

#[test]
fn the_essen_estate_names_every_partner_of_a_held_jump_host_and_exchange_zone() {
    let estate = Estate::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/essen")).unwrap();
    let ledger = blind(&estate);
    let hosts = [
        ("jump-essen-1", Tier::Proven),
        ("sftp-gateway-1", Tier::Possible),
        ("db-core-1", Tier::Probable),
    ];
    let found = exposure(&Events::default(), &impact(&hosts), &estate, &ledger, &Cuts::new());
    for vendor in ["kernwerk-software", "aktenlauf-systeme", "plattenturm"] {
        let party = of(&found, vendor);
        assert_eq!(
            (party.tier, party.crossed, party.healthcare),
            (Tier::Proven, Tier::Unknown, false),
            "{vendor}"
        );
        assert!(party.check.addresses.iter().any(|a| a.contains("jump-essen-1")) && party.connections[0].cut.is_none());
    }
    assert_eq!(of(&found, "ti-operator").tier, Tier::Unknown);
    assert!(
        found
            .healthcare_environments
            .contains(&"apothekenkreis-abrechnung".to_owned())
    );
    // Every insurer has a connection or data; none of the 80 is called not affected.
    assert_eq!(found.insurers.len(), 80);
    assert!(found.insurers.iter().all(|i| i.tier != Tier::Excluded));
    let kinds = |kind: &str| {
        found
            .parties
            .iter()
            .flat_map(|p| &p.connections)
            .filter(|c| c.kind == kind)
            .count()
    };
    for kind in [
        "vpn",
        "site-to-site",
        "sftp",
        "api",
        "ad-trust",
        "federation",
        "kim",
        "ti-connector",
        "remote-maintenance",
        "public-web",
    ] {
        assert!(kinds(kind) > 0, "{kind}");
    }
    let class = found.data.iter().find(|d| d.class == "insured-master").unwrap();
    let by_insurer: u64 = found.insurers.iter().filter_map(|i| i.by_class.get("insured-master")).sum();
    assert_eq!(class.records_max, by_insurer + class.records_of_no_insurer);
    let again: Exposure = serde_json::from_str(&serde_json::to_string(&found).unwrap()).unwrap();
    assert_eq!(again, found);
}

#[test]
fn the_recorded_days_expose_the_uplink_and_the_files_and_exclude_nobody() {
    for file in ["trace/apt29-day1.zeek.jsonl", "trace/apt29-day2.zeek.jsonl"] {
        let Some(day) = crate::theft::day(file) else {
            return;
        };
        let found = exposure(&day.events, &day.impact, &day.estate, &day.ledger, &Cuts::new());
        println!("{}", serde_json::to_string_pretty(&found).unwrap());
        assert_eq!(
            (found.data[0].class.as_str(), found.data[0].tier, found.data[0].records_max),
            ("case-files", Tier::Proven, 4_200)
        );
        assert_eq!(found.records_of_no_insurer.in_reach(), 4_200);
        assert!(
            found.parties.iter().all(|p| p.tier == Tier::Proven),
            "the only party is the internet"
        );
        let uplink = &found.parties[0].connections[0];
        assert_eq!((uplink.connection.as_str(), uplink.crossed), ("uplink", Tier::Proven));
        assert!(!uplink.observed.is_empty() && !uplink.evidence.is_empty());
    }
}

/// An attack on jump over the vendor, and everyday log-ons around it.
fn recorded() -> (Lines, Vec<Finding>) {
    let mut lines = Lines::default();
    let at = after_ms(20 * 60_000);
    for minute in 0..=40 {
        for host in ["gate", "db-1", "db-2", "jump"] {
            lines.logon(host, after_ms(minute * 60_000), "10.1.0.200", "anna");
            lines.flow(host, after_ms(minute * 60_000 + 1), "10.1.0.200", 443, 1, 1);
        }
        if minute == 20 {
            lines.logon("jump", at, "10.9.0.5", "vendor");
            lines.logon("db-1", at.plus_ms(10), "10.1.0.8", "vendor");
        }
    }
    let finding = Finding {
        at: at.plus_ms(5),
        rule: "test".to_owned(),
        title: "test".to_owned(),
        author: "Leckwehr".to_owned(),
        techniques: vec!["T1490".to_owned()],
        host: "jump".to_owned(),
        account: Some("vendor".to_owned()),
        origin: Some("10.9.0.5".to_owned()),
        weight: 60,
        evidence: vec!["stream#1".to_owned()],
        detail: "by hand".to_owned(),
        ..Finding::default()
    };
    (lines, vec![finding])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn removing_records_never_turns_unknown_into_excluded(
        first in prop::collection::vec(0..8_u8, 400),
        second in prop::collection::vec(0..3_u8, 400),
    ) {
        let (lines, findings) = recorded();
        let window: (Timestamp, Timestamp) = (begin(), after_ms(40 * 60_000 + 1));
        let found = |gone: &dyn Fn(usize) -> bool| {
            let (events, accounts) = lines.read_without(gone);
            let config = LedgerConfig { window: Some(window), ..LedgerConfig::new() };
            let ledger = CoverageLedger::new(&events, &estate(), &accounts, &config);
            let impact = assess(&events, &findings, &estate(), &TraceConfig::new(accounts));
            exposure(&events, &impact, &estate(), &ledger, &Cuts::new())
        };
        let once = |n: usize| first.get(n) == Some(&0);
        let more = found(&once);
        let less = found(&|n| once(n) || second.get(n) == Some(&0));
        for class in &more.data {
            let now = less.data.iter().find(|d| d.class == class.class).unwrap();
            prop_assert!(class.tier != Tier::Unknown || now.tier != Tier::Excluded, "{}", class.class);
        }
        for party in &more.parties {
            let now = of(&less, &party.party);
            prop_assert!(party.tier != Tier::Unknown || now.tier != Tier::Excluded, "{}", party.party);
            prop_assert!(party.crossed != Tier::Unknown || now.crossed != Tier::Excluded, "{}", party.party);
        }
    }
}
