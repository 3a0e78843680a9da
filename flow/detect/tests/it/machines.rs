//! The behaviour detectors one by one, and that a restored detector goes on as the saved one would have.

use leckwehr_detect::{DetectConfig, Detector, Opinion, Rules, SnapshotError, Structure};
use leckwehr_estate::Estate;
use leckwehr_incident::{Finding, Timestamp};
use leckwehr_telemetry::{Events, Intake, Kind, Outcome, Record};
use serde_json::{Value, json};

/// A Monday.
fn at(seconds: f64) -> Timestamp {
    let begin: Timestamp = "2026-03-02T00:00:00Z".parse().unwrap();
    Timestamp(begin.0 + (seconds * 1e9) as i64)
}

fn config() -> DetectConfig {
    DetectConfig::new(Rules::default(), &Estate::default())
}

fn flow(seconds: f64, to: &str, bytes: u64) -> Record<'_> {
    Record {
        time: at(seconds),
        kind: Kind::Flow,
        origin: "10.0.0.5",
        destination: to,
        port: 443,
        bytes_out: Some(bytes),
        bytes_in: Some(bytes * 10),
        sensor: "zeek",
        ..Record::default()
    }
}

fn events(records: &[Record<'_>]) -> Events {
    let mut events = Events::default();
    for (n, record) in records.iter().enumerate() {
        events.push(record, "s", n as u64 + 1);
    }
    events
}

fn lines(lines: impl IntoIterator<Item = (f64, Value)>) -> Events {
    let mut intake = Intake::new();
    for (seconds, mut line) in lines {
        line["@timestamp"] = json!(at(seconds).to_string());
        intake.push_line("s", line.to_string().as_bytes());
    }
    intake.take()
}

fn file(action: &str, path: String, structure: &str) -> Value {
    json!({"agent": {"id": "s"}, "host": {"name": "fs"}, "user": {"name": "u"}, "event": {"category": ["file"], "action": action},
        "file": {"path": path, "entropy": 7.9, "structure": structure}})
}

fn titles(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|f| f.title.as_str()).collect()
}

/// A day and a half of everything, in batches.
fn everything() -> Vec<Events> {
    let mut batches = Vec::new();
    for hour in 0..36 {
        let begin = f64::from(hour) * 3_600.0;
        let mut records = Vec::new();
        for n in 0..12 {
            let seconds = begin + f64::from(n) * 300.0;
            records.push(flow(seconds, "198.51.100.9", 400));
            records.push(flow(seconds + 7.0, "203.0.113.77", 40_000 * (1 + hour % 5) as u64));
            records.push(Record {
                kind: Kind::Logon,
                outcome: if n % 5 == 4 { Outcome::Failure } else { Outcome::Success },
                account: ["anna", "adm-x", "ben"][n as usize % 3],
                origin: ["10.0.0.5", "10.0.0.6"][(n + hour) as usize % 2],
                host: ["fs", "db", "app"][(n * hour) as usize % 3],
                ..flow(seconds + 1.0, "", 0)
            });
            records.push(Record {
                kind: Kind::Name,
                object: ["a1b2.cdn.example.org", "www.example.com", "x.t.example.net"][n as usize % 3],
                ..flow(seconds + 2.0, "10.0.0.53", 0)
            });
            records.push(Record {
                kind: Kind::Requests,
                host: "portal",
                size: Some(100 + (hour * n) as u64 * 40),
                ..flow(seconds + 3.0, "", 0)
            });
            records.push(Record {
                kind: Kind::Backup,
                host: "backup",
                account: "job",
                action: if n % 4 == 3 { "snapshot-delete" } else { "snapshot-create" },
                sensor: "backup-sensor",
                ..flow(seconds + 4.0, "", 0)
            });
            records.push(Record {
                kind: Kind::File,
                host: "fs",
                action: "change",
                object: ["a", "b", "c", "d"][n as usize % 4],
                entropy: Some(7.9),
                ..flow(seconds + 5.0, "", 0)
            });
        }
        batches.push(events(&records));
    }
    batches
}

#[test]
fn a_restored_detector_goes_on_byte_for_byte() {
    let batches = everything();
    let mut saved = Detector::new(config());
    let mut findings = Vec::new();
    for cut in [3, 20, 30] {
        let mut live = Detector::new(config());
        let run = |detector: &mut Detector, from: usize, to: usize| {
            let mut found = Vec::new();
            for (n, batch) in batches.iter().enumerate().take(to).skip(from) {
                if n == 24 {
                    detector.end_learning();
                }
                found.extend(detector.push_arrived(batch, at((n + 1) as f64 * 3_600.0)));
                found.extend(detector.tick(at((n + 1) as f64 * 3_600.0)));
            }
            found
        };
        run(&mut live, 0, cut);
        let snapshot = live.snapshot().unwrap();
        saved.restore(&snapshot).unwrap();
        assert_eq!(saved.snapshot().unwrap(), snapshot, "saved again at once");
        findings = run(&mut live, cut, batches.len());
        assert_eq!(run(&mut saved, cut, batches.len()), findings);
        assert_eq!(saved.snapshot().unwrap(), live.snapshot().unwrap());
    }
    assert!(!findings.is_empty(), "nothing fired: the test would not notice a lost state");
}

#[test]
fn what_is_no_snapshot_is_refused_and_changes_nothing() {
    let mut detector = Detector::new(config());
    detector.push(&everything()[0]);
    let before = detector.snapshot().unwrap();
    assert!(matches!(detector.restore(b"{"), Err(SnapshotError::Unreadable(_))));
    assert!(matches!(
        detector.restore(br#"{"version":9}"#),
        Err(SnapshotError::Version(9))
    ));
    let mut other = Detector::new(DetectConfig { hash_key: 5, ..config() });
    assert!(matches!(other.restore(&before), Err(SnapshotError::HashKey)));
    assert_eq!(detector.snapshot().unwrap(), before);
}

#[test]
fn a_beacon_is_told_once_and_one_that_was_there_before_never() {
    let calls = |day: f64, to: &'static str| (0..288).map(move |n| flow(day * 86_400.0 + f64::from(n) * 300.0, to, 250));
    let mut detector = Detector::new(config());
    detector.push(&events(&calls(0.0, "198.51.100.1").collect::<Vec<_>>()));
    detector.end_learning();
    let day: Vec<_> = calls(1.0, "198.51.100.1").chain(calls(1.0, "198.51.100.2")).collect();
    let found = detector.push(&events(&day));
    let beacons: Vec<_> = found.iter().filter(|f| f.title == "Beacon").collect();
    assert_eq!(beacons.len(), 1, "{found:?}");
    assert_eq!(beacons[0].origin.as_deref(), Some("198.51.100.2"));
    assert!(beacons[0].detail.contains("every 300.0 s"), "{}", beacons[0].detail);
}

#[test]
fn a_beacon_behind_changing_addresses_is_seen_by_its_name() {
    let address = |n: i64| format!("198.51.{}.{}", n % 7, n % 200);
    let addresses: Vec<String> = (0..288).map(address).collect();
    let calls = addresses.iter().enumerate().map(|(n, to)| Record {
        kind: Kind::Tls,
        object: "cdn.front.example.com",
        ..flow(n as f64 * 300.0, to, 250)
    });
    let mut detector = Detector::new(config());
    detector.end_learning();
    let found = detector.push(&events(&calls.collect::<Vec<_>>()));
    assert!(
        found
            .iter()
            .any(|f| f.title == "Beacon" && f.origin.as_deref() == Some("cdn.front.example.com")),
        "{found:?}"
    );
}

#[test]
fn volume_is_measured_against_the_hour_of_the_pair() {
    // Two weeks: a megabyte each hour by day, almost nothing at night.
    let hour = |n: i32, bytes: u64| flow(f64::from(n) * 3_600.0 + 60.0, "203.0.113.9", bytes);
    let usual = |n: i32| if (8..18).contains(&(n % 24)) { 1_000_000 } else { 2_000 };
    let mut detector = Detector::new(config());
    detector.push(&events(&(0..14 * 24).map(|n| hour(n, usual(n))).collect::<Vec<_>>()));
    detector.end_learning();
    let day = 14 * 24;
    assert_eq!(detector.push(&events(&[hour(day + 3, 2_500), hour(day + 12, 1_100_000)])), []);
    let found = detector.push(&events(&[hour(day + 24 + 3, 900_000)]));
    assert_eq!(titles(&found), ["Outbound volume"], "by night, what is nothing by day");
}

#[test]
fn data_in_names_is_counted_once_per_name() {
    let mut detector = Detector::new(config());
    detector.end_learning();
    let ask = |seconds: f64, name: &str| {
        (
            seconds,
            json!({"_path": "dns", "ts": at(seconds).0 as f64 / 1e9, "id.orig_h": "10.0.0.5",
        "id.resp_h": "10.0.0.53", "id.resp_p": 53, "query": name, "qtype_name": "TXT"}),
        )
    };
    let same = (0..600).map(|n| ask(f64::from(n), "0123456789abcdef0123456789abcdef.t.example.net"));
    assert_eq!(detector.push(&lines(same)), []);
    let many = (0..120).map(|n| {
        ask(
            700.0 + f64::from(n),
            &format!("{:032x}.t.example.net", (n as u128 + 1) * 0x9e37_79b9_7f4a_7c15_f39c_c060),
        )
    });
    let found = detector.push(&lines(many));
    assert_eq!(titles(&found), ["Data in names"]);
    assert_eq!(found[0].origin.as_deref(), Some("example.net"));
}

#[test]
fn archives_are_not_encryption_but_broken_ones_are() {
    let mut detector = Detector::new(config());
    detector.end_learning();
    let many = |begin: f64, pause: f64, structure: &'static str| {
        (0..40).map(move |n| {
            (
                begin + f64::from(n) * pause,
                file("change", format!("d/{begin}-{n}.zip"), structure),
            )
        })
    };
    assert_eq!(detector.push(&lines(many(0.0, 0.1, Structure::Sound.word()))), []);
    assert_eq!(
        titles(&detector.push(&lines(many(1_000.0, 0.1, "broken")))),
        ["Mass encryption"]
    );
    let slow = detector.push(&lines(many(9_000.0, 25.0, "mixed")));
    assert_eq!(
        slow.first().map(|f| f.title.as_str()),
        Some("Mass encryption"),
        "one file in 25 s"
    );
}

#[test]
fn a_canary_and_a_note_in_every_folder() {
    let mut detector = Detector::new(DetectConfig {
        canaries: vec!["/!canary.docx".into()],
        ..config()
    });
    detector.push(&lines([(0.0, file("create", "a/index.html".into(), "text"))]));
    detector.end_learning();
    let touched = detector.push(&lines([(10.0, file("change", "share/!canary.docx".into(), "sound"))]));
    assert_eq!((titles(&touched), touched[0].weight), (vec!["Canary file touched"], 95));
    let known = (0..9).map(|n| (20.0 + f64::from(n), file("create", format!("f{n}/index.html"), "text")));
    assert_eq!(detector.push(&lines(known)), []);
    let note = (0..9).map(|n| (40.0 + f64::from(n), file("create", format!("f{n}/READ-ME.txt"), "text")));
    assert_eq!(titles(&detector.push(&lines(note))), ["Note in many folders"]);
}

#[test]
fn backups_that_fail_stop_coming_or_change_their_key() {
    let act = |seconds: f64, action: &'static str| Record {
        kind: Kind::Backup,
        host: "backup-1",
        account: "job",
        action,
        ..flow(seconds, "", 0)
    };
    let night = 86_400.0;
    let mut detector = Detector::new(config());
    detector.push(&events(&[
        act(0.0, "snapshot-create"),
        act(night, "snapshot-create"),
        act(2.0 * night, "snapshot-create"),
    ]));
    detector.end_learning();
    let failed: Vec<_> = (0..3).map(|n| act(2.1 * night + f64::from(n) * 60.0, "job-failed")).collect();
    assert_eq!(titles(&detector.push(&events(&failed))), ["Backup jobs fail"]);
    assert_eq!(
        titles(&detector.push(&events(&[act(2.2 * night, "key-change")]))),
        ["Backup key changed"]
    );
    let missing = |found: Vec<Finding>| found.iter().filter(|f| f.title == "Backup missing").count();
    assert_eq!(missing(detector.tick(at(3.5 * night))), 0);
    assert_eq!(missing(detector.tick(at(4.1 * night))), 1);
    assert_eq!(missing(detector.tick(at(4.2 * night))), 0, "it is told once");
}

#[test]
fn nightly_pruning_is_routine_at_night_only() {
    let prune = |begin: f64, count: u32| {
        let one = move |n: u32| Record {
            kind: Kind::Backup,
            host: "backup-1",
            account: "job",
            action: "snapshot-delete",
            ..flow(begin + f64::from(n), "", 0)
        };
        events(&(0..count).map(one).collect::<Vec<_>>())
    };
    let (night, day) = (3.0 * 3_600.0, 13.0 * 3_600.0);
    let mut detector = Detector::new(config());
    for n in 0..3 {
        detector.push(&prune(f64::from(n) * 86_400.0 + night, 12));
    }
    detector.end_learning();
    assert_eq!(detector.push(&prune(3.0 * 86_400.0 + night, 12)), []);
    assert_eq!(
        titles(&detector.push(&prune(3.0 * 86_400.0 + day, 12))),
        ["Backup destruction"]
    );
}

#[test]
fn a_clock_that_moves_is_told_and_late_shipping_is_not() {
    let mut detector = Detector::new(config());
    let batch = |n: u32, ahead: f64| {
        let now = f64::from(n) * 10.0;
        let late = f64::from(n * 7 % 5);
        let record = |sensor: &'static str, seconds: f64| Record {
            sensor,
            host: sensor,
            kind: Kind::Other,
            ..flow(seconds, "", 0)
        };
        (
            events(&[record("fast", now + ahead), record("slow", now - late)]),
            at(now + 0.2),
        )
    };
    for n in 0..60 {
        let (events, arrived) = batch(n, 0.0);
        assert_eq!(detector.push_arrived(&events, arrived), []);
    }
    detector.end_learning();
    let mut found = Vec::new();
    for n in 60..120 {
        let (events, arrived) = batch(n, if n < 90 { 0.0 } else { 30.0 });
        found.extend(detector.push_arrived(&events, arrived));
    }
    assert_eq!(titles(&found), ["Clock skew"]);
    assert_eq!(found[0].host, "fast");
    assert!(found[0].detail.contains("30.0 s further ahead"), "{}", found[0].detail);
}

#[test]
fn slow_answers_burn_the_budget() {
    let minute = |n: u32, slow: u32| {
        let http = json!({"requests": 100, "window_ms": 60_000, "slow_requests": slow});
        let event = json!({"category": ["web"], "action": "requests"});
        (
            f64::from(n) * 60.0,
            json!({"agent": {"id": "s"}, "host": {"name": "portal"}, "event": event, "http": http}),
        )
    };
    let mut detector = Detector::new(config());
    detector.push(&lines((0..120).map(|n| minute(n, 0))));
    detector.end_learning();
    assert_eq!(detector.push(&lines((120..180).map(|n| minute(n, 3)))), []);
    assert_eq!(
        titles(&detector.push(&lines((180..240).map(|n| minute(n, 40))))).first(),
        Some(&"Latency burn")
    );
}

#[test]
fn opinions_are_kept_only_on_demand() {
    let mut detector = Detector::new(config());
    detector.end_learning();
    let calls: Vec<_> = (0..100).map(|n| flow(f64::from(n) * 60.0, "198.51.100.2", 250)).collect();
    detector.push(&events(&calls));
    assert_eq!(detector.take_opinions(), []);
    detector.keep_opinions();
    detector.push(&events(&calls));
    let heard = detector.take_opinions();
    assert!(
        heard
            .iter()
            .any(|o: &Opinion| o.detector == "beacon" && o.subject == "10.0.0.5>198.51.100.2:443")
    );
    assert_eq!(detector.take_opinions(), []);
}
