//! A small provider with an attack that enters over a vendor, as our own sensors tell it.

use leckwehr_detect::{AddressBook, DetectConfig, Detector, Fusion, Rules};
use leckwehr_estate::{Connection, ConnectionKind, Estate, SystemKind};
use leckwehr_incident::{Alarm, AlarmLevel, ClaimTopic, Finding, Impact, OutsideRole, Tier, Timestamp};
use leckwehr_telemetry::{Events, Intake};
use leckwehr_trace::{LiveHosts, TraceConfig, assess, claims};
use serde_json::{Value, json};

use crate::estates;

const HOSTS: [(&str, [u8; 4]); 6] = [
    ("jump-1", [10, 1, 0, 5]),
    ("fs-1", [10, 1, 1, 5]),
    ("backup-1", [10, 1, 1, 6]),
    ("app-1", [10, 1, 1, 7]),
    ("app-2", [10, 1, 1, 8]),
    ("admin-ws", [10, 1, 2, 5]),
];
const VENDOR: &str = "10.9.0.5";
const DROP: &str = "203.0.113.9";

fn estate() -> Estate {
    let mut estate = estates::empty();
    estates::zone(&mut estate, "inner", Some("site-1"), [10, 1, 0, 0], 16);
    estates::zone(&mut estate, "vendor-net", None, [10, 9, 0, 0], 24);
    for (id, address) in HOSTS {
        let kind = if id == "fs-1" {
            SystemKind::FileServer
        } else {
            SystemKind::Application
        };
        estates::system(&mut estate, id, kind, "inner", address);
    }
    estates::system(&mut estate, "vendor-pc", SystemKind::Workstation, "vendor-net", [10, 9, 0, 5]);
    let remote = Connection {
        name: "maintenance".to_owned(),
        kind: ConnectionKind::RemoteMaintenance,
        from: "vendor-net".to_owned(),
        to: "inner".to_owned(),
        both_ways: false,
        ports: vec![22],
        owner: None,
        switch: None,
    };
    estate.connections.insert("maintenance".to_owned(), remote);
    estate
}

/// Writes the records of all sensors, numbered per sensor.
struct Stage {
    lines: Vec<(String, String)>,
    sequences: std::collections::BTreeMap<String, u64>,
    at_ms: i64,
}

impl Stage {
    fn new() -> Self {
        Self {
            lines: Vec::new(),
            sequences: Default::default(),
            at_ms: 0,
        }
    }

    fn record(&mut self, host: &str, event: Value, mut fields: Value) {
        self.at_ms += 7;
        let at = "2023-04-25T03:00:00Z".parse::<Timestamp>().unwrap().plus_ms(self.at_ms);
        let sensor = format!("sensor-{host}");
        let sequence = self.sequences.entry(sensor.clone()).or_default();
        *sequence += 1;
        let mut event = event;
        event["sequence"] = json!(*sequence);
        let object = fields.as_object_mut().unwrap();
        object.insert("@timestamp".to_owned(), json!(at.to_string()));
        object.insert("agent".to_owned(), json!({ "id": sensor.clone() }));
        object.insert("host".to_owned(), json!({ "name": host }));
        object.insert("event".to_owned(), event);
        self.lines.push((sensor, fields.to_string()));
    }

    fn logon(&mut self, host: &str, from: &str, user: &str, outcome: &str) {
        let event = json!({"category": ["authentication"], "action": "logon", "outcome": outcome});
        self.record(host, event, json!({"source": {"ip": ip(from)}, "user": {"name": user}}));
    }

    fn exec(&mut self, host: &str, from: &str, user: &str, line: &str) {
        let fields = json!({"source": {"ip": ip(from)}, "user": {"name": user}, "process": {"command_line": line}});
        self.record(host, json!({"category": ["process"], "action": "exec"}), fields);
    }

    fn file(&mut self, host: &str, from: &str, user: &str, action: &str, path: &str, entropy: f64) {
        let fields = json!({"source": {"ip": ip(from)}, "user": {"name": user},
            "file": {"path": path, "size": 4000, "entropy": entropy}});
        self.record(host, json!({"category": ["file"], "action": action}), fields);
    }

    fn snapshot(&mut self, user: &str, from: &str, action: &str, path: &str) {
        let event = json!({"category": ["configuration"], "dataset": "backup", "action": action});
        self.record(
            "backup-1",
            event,
            json!({"source": {"ip": ip(from)}, "user": {"name": user}, "file": {"path": path}}),
        );
    }

    fn flow(&mut self, host: &str, user: &str, to: &str, out: u64) {
        let fields =
            json!({"user": {"name": user}, "source": {"bytes": out}, "destination": {"ip": ip(to), "port": 443, "bytes": 60}});
        self.record(host, json!({"category": ["network"], "action": "flow"}), fields);
    }

    fn counter(&mut self, to: &str, bytes: u64) {
        let event = json!({"category": ["network"], "dataset": "guard.egress", "action": "counter"});
        let fields = json!({"observer": {"name": "guard-edge"}, "destination": {"ip": ip(to)}, "source": {"bytes": bytes}});
        self.record("guard-edge", event, fields);
    }

    /// One round of everyday work; the vendor's engineer looks at his appliance, too.
    fn everyday(&mut self, round: u64) {
        for (host, _) in HOSTS {
            self.logon(host, "admin-ws", "adm-office", "success");
            self.exec(host, "admin-ws", "adm-office", "list docs");
        }
        self.logon("jump-1", VENDOR, "vendor", "success");
        self.logon("app-1", "jump-1", "vendor", "success");
        self.exec("app-1", "jump-1", "vendor", "status");
        for n in 0..4 {
            self.file("fs-1", "app-2", "anna", "change", &format!("docs/anna-{n}.txt"), 4.5);
        }
        self.snapshot("backup-job", "fs-1", "snapshot-create", &format!("snap-{round}"));
        self.flow("app-2", "app", "vendor-pc", 900);
        self.counter(VENDOR, round * 2_000);
        self.logon("app-2", "admin-ws", "adm-office", "failure");
        let web = json!({"source": {"ip": "198.51.100.7"}, "url": {"path": "/"}, "http": {"requests": 9, "window_ms": 200}});
        self.record("app-2", json!({"category": ["web"], "action": "requests"}), web);
    }

    fn attack(&mut self) {
        self.logon("jump-1", VENDOR, "vendor", "success");
        self.exec("jump-1", VENDOR, "vendor", "read secrets/cached-credentials");
        for (host, user) in [("fs-1", "adm-office"), ("backup-1", "adm-backup")] {
            self.logon(host, "jump-1", user, "failure");
            self.logon(host, "jump-1", user, "success");
            self.exec(host, "jump-1", user, "list docs");
        }
        for n in 0..6 {
            self.file("fs-1", "jump-1", "adm-office", "read", &format!("docs/anna-{n}.txt"), 4.5);
            self.flow("fs-1", "adm-office", DROP, 0);
            self.flow("fs-1", "adm-office", DROP, 40_000);
            self.counter(DROP, (n + 1) * 41_500);
        }
        self.snapshot("adm-backup", "jump-1", "snapshot-delete", "snap-1");
        for n in 0..20 {
            self.file("fs-1", "jump-1", "adm-office", "change", &format!("docs/anna-{n}.txt"), 7.95);
        }
    }
}

fn ip(name: &str) -> String {
    let known = HOSTS
        .iter()
        .find(|(id, _)| *id == name)
        .map(|(_, a)| std::net::Ipv4Addr::from(*a).to_string());
    match name {
        "vendor-pc" => VENDOR.to_owned(),
        _ => known.unwrap_or_else(|| name.to_owned()),
    }
}

struct Outcome {
    events: Events,
    findings: Vec<Finding>,
    alarms: Vec<Alarm>,
    impact: Impact,
    config: TraceConfig,
}

/// Runs everything as a control room does: small batches, learning ended after half of the everyday rounds.
fn run(stage: &Stage, learned: usize) -> Outcome {
    let mut intake = Intake::new();
    let mut detector = Detector::new(DetectConfig::new(Rules::own().unwrap(), &estate()));
    let mut fusion = Fusion::new();
    let (mut events, mut findings, mut alarms) = (Events::default(), Vec::new(), Vec::new());
    for (n, chunk) in stage.lines.chunks(10).enumerate() {
        if n * 10 >= learned {
            detector.end_learning();
        }
        for (sensor, line) in chunk {
            intake.push_line(sensor, line.as_bytes());
        }
        let batch = intake.take();
        let found = detector.push(&batch);
        alarms.extend(fusion.push(&found));
        findings.extend(found);
        events.append_columns(&batch);
    }
    let config = TraceConfig::new(intake.accounts().values().cloned().collect());
    let impact = assess(&events, &findings, &estate(), &config);
    Outcome {
        events,
        findings,
        alarms,
        impact,
        config,
    }
}

fn attacked() -> (Stage, usize) {
    let mut stage = Stage::new();
    (1..=6).for_each(|round| stage.everyday(round));
    let learned = stage.lines.len();
    (7..=12).for_each(|round| stage.everyday(round));
    stage.attack();
    stage.everyday(13);
    (stage, learned)
}

fn tier(impact: &Impact, system: &str) -> Option<Tier> {
    impact.hosts.iter().find(|h| h.system == system).map(|h| h.tier)
}

#[test]
fn everyday_work_raises_no_alarm() {
    let mut stage = Stage::new();
    (1..=6).for_each(|round| stage.everyday(round));
    let learned = stage.lines.len();
    (7..=60).for_each(|round| stage.everyday(round));
    let outcome = run(&stage, learned);
    assert_eq!(outcome.findings, []);
    assert_eq!(outcome.alarms, []);
    assert!(
        outcome.impact.hosts.iter().all(|h| h.tier == Tier::Unknown),
        "{:?}",
        outcome.impact.hosts
    );
    assert!(outcome.impact.hops.is_empty());
}

#[test]
fn the_whole_way_is_found() {
    let (stage, learned) = attacked();
    let outcome = run(&stage, learned);
    let impact = &outcome.impact;
    println!("{:#?}\n{}", outcome.alarms, serde_json::to_string_pretty(impact).unwrap());
    for host in ["jump-1", "fs-1", "backup-1"] {
        assert_eq!(tier(impact, host), Some(Tier::Proven), "{host}");
    }
    for host in ["admin-ws", "app-2"] {
        assert!(tier(impact, host).is_none_or(|t| t >= Tier::Possible), "{host} was never his");
    }
    // The vendor's own engineer goes jump-1 → app-1 all day: reach, and no more.
    assert_eq!(tier(impact, "app-1"), Some(Tier::Possible));
    let credentials: Vec<_> = impact
        .credentials
        .iter()
        .filter(|c| c.tier == Tier::Proven)
        .map(|c| c.account.as_str())
        .collect();
    assert_eq!(credentials, ["adm-backup", "adm-office", "vendor"]);
    let hop = |from: &str, to: &str| {
        impact
            .hops
            .iter()
            .any(|h| h.from == from && h.to == to && h.tier == Tier::Proven)
    };
    assert!(hop("vendor-pc", "jump-1") && hop("jump-1", "fs-1") && hop("jump-1", "backup-1"));
    let role = |address: &str| {
        impact
            .outside
            .iter()
            .find(|o| o.address == address)
            .map(|o| (o.role, o.bytes_out_max))
    };
    assert_eq!(role("vendor-pc"), Some((OutsideRole::Entry, 26_000)));
    assert_eq!(role(DROP), Some((OutsideRole::Exfiltration, 6 * 41_500)));
    assert_eq!(impact.bytes_out_max, 26_000 + 6 * 41_500);
    assert!(
        outcome
            .alarms
            .iter()
            .any(|a| a.level == AlarmLevel::Critical && a.entity == "host:backup-1")
    );
    assert!(
        outcome
            .alarms
            .iter()
            .any(|a| a.level == AlarmLevel::Critical && a.entity == "host:fs-1")
    );
}

#[test]
fn claims_say_no_more_than_was_seen() {
    let (stage, learned) = attacked();
    let outcome = run(&stage, learned);
    let made = claims(&outcome.impact, &estate(), &outcome.config);
    for claim in &made {
        assert!(!claim.text["de"].is_empty() && !claim.text["en"].is_empty());
        assert!(!claim.not_seen.is_empty() && !claim.coverage.is_empty(), "{claim:?}");
        match &claim.topic {
            ClaimTopic::BytesOut { bytes } => assert!(*bytes >= 240_000),
            ClaimTopic::Compromised { hosts } => assert_eq!(hosts.len(), 3),
            ClaimTopic::NotReached { hosts, .. } => {
                assert!(hosts.iter().all(|h| ["admin-ws", "app-2"].contains(&h.as_str())), "{hosts:?}")
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(made.len(), 3);
}

#[test]
fn a_sensor_with_a_gap_is_in_no_claim_that_nothing_was_seen() {
    let (mut stage, learned) = attacked();
    let lost = stage
        .lines
        .iter()
        .rposition(|(sensor, _)| sensor == "sensor-admin-ws")
        .unwrap();
    let earlier = stage.lines[..lost]
        .iter()
        .rposition(|(sensor, _)| sensor == "sensor-admin-ws")
        .unwrap();
    stage.lines.remove(earlier);
    let outcome = run(&stage, learned);
    let coverage = outcome
        .impact
        .coverage
        .iter()
        .find(|c| c.asset == "admin-ws" && c.class == "logon")
        .unwrap();
    assert!(
        coverage.seen < 1.0 && coverage.missing.contains("1 records missing"),
        "{coverage:?}"
    );
    for claim in claims(&outcome.impact, &estate(), &outcome.config) {
        if let ClaimTopic::NotReached { hosts, .. } = claim.topic {
            assert!(!hosts.contains(&"admin-ws".to_owned()));
        }
    }
}

#[test]
fn the_order_of_records_changes_nothing() {
    let (stage, learned) = attacked();
    let outcome = run(&stage, learned);
    // One clock second for all: the worst tie there is. Records keep their numbers and come in two orders.
    let rows: Vec<usize> = (0..outcome.events.len()).collect();
    let backwards: Vec<usize> = rows.iter().rev().copied().collect();
    let impacts = [rows, backwards].map(|order| {
        let mut events = Events::default();
        for e in order.into_iter().filter_map(|row| outcome.events.get(row)) {
            let record = leckwehr_telemetry::Record {
                time: Timestamp(e.time().0 / 1_000_000_000 * 1_000_000_000),
                kind: e.kind(),
                product: e.product(),
                outcome: e.outcome(),
                host: e.host(),
                origin: e.origin(),
                destination: e.destination(),
                port: e.port(),
                account: e.account(),
                object: e.object(),
                sensor: e.sensor(),
                bytes_out: e.bytes_out(),
                bytes_in: e.bytes_in(),
                ..leckwehr_telemetry::Record::default()
            };
            events.push(&record, e.source(), e.record());
        }
        assess(&events, &outcome.findings, &estate(), &outcome.config)
    });
    assert_eq!(impacts[0], impacts[1]);
    assert!(impacts[0].hosts.iter().filter(|h| h.tier <= Tier::Probable).count() >= 3);
}

#[test]
fn live_reach_is_current_with_every_record() {
    let mut stage = Stage::new();
    stage.everyday(1);
    let quiet = stage.lines.len();
    stage.attack();
    let (mut intake, mut live) = (Intake::new(), LiveHosts::new(AddressBook::new(&estate())));
    let start = "2023-04-25T03:00:00Z".parse::<Timestamp>().unwrap();
    let attack = start.plus_ms(7 * quiet as i64 + 1);
    for (n, (sensor, line)) in stage.lines.iter().enumerate() {
        intake.push_line(sensor, line.as_bytes());
        live.push(&intake.take());
        if n == quiet {
            assert_eq!(
                live.reached("vendor-pc", attack),
                ["jump-1"],
                "the attacker's first log-on is there at once"
            );
        }
    }
    assert_eq!(live.reached("jump-1", attack), ["backup-1", "fs-1"]);
    assert_eq!(live.reached("vendor-pc", attack), ["backup-1", "fs-1", "jump-1"]);
    assert!(
        live.reached("jump-1", start).contains(&"app-1"),
        "the engineer's everyday way counts before the attack"
    );
    let origins: Vec<&str> = live.origins("fs-1").into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        origins,
        ["jump-1", "vendor-pc", "admin-ws"],
        "latest possible departure first"
    );
    assert_eq!((live.refused(), live.reached("nobody", start).len()), (0, 0));
}
