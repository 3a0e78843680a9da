use leckwehr_detect::{DetectConfig, Detector, Fusion, Rules, Thresholds};
use leckwehr_estate::{Account, Estate};
use leckwehr_incident::{AlarmLevel, Finding, Timestamp};
use leckwehr_telemetry::{Events, Kind, Outcome, Product, Record};

fn at(ms: i64) -> Timestamp {
    "2023-04-25T03:00:00Z".parse::<Timestamp>().unwrap().plus_ms(ms)
}

fn ours(ms: i64, kind: Kind) -> Record<'static> {
    Record {
        time: at(ms),
        kind,
        product: Product::Leckwehr,
        sensor: "s",
        ..Record::default()
    }
}

fn logon(ms: i64, from: &'static str, host: &'static str, account: &'static str) -> Record<'static> {
    Record {
        origin: from,
        host,
        account,
        outcome: Outcome::Success,
        ..ours(ms, Kind::Logon)
    }
}

fn detector(estate: &Estate) -> Detector {
    Detector::new(DetectConfig::new(Rules::own().unwrap(), estate))
}

fn push(detector: &mut Detector, records: &[Record<'_>]) -> Vec<Finding> {
    let mut events = Events::default();
    for (n, record) in records.iter().enumerate() {
        events.push(record, "s", n as u64 + 1);
    }
    detector.push(&events)
}

fn titles(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|f| f.title.as_str()).collect()
}

fn level(findings: &[Finding]) -> Option<AlarmLevel> {
    Fusion::new().push(findings).iter().map(|a| a.level).max()
}

#[test]
fn one_novel_logon_alone_is_not_critical() {
    let mut estate = Estate::default();
    let account = Account {
        name: "x".into(),
        logs_on_to: vec!["a".into()],
        comes_from: vec!["ws".into()],
    };
    estate.accounts.insert("adm".into(), account);
    let mut detector = detector(&estate);
    push(&mut detector, &[logon(0, "ws", "a", "adm"), logon(1, "ws", "b", "bob")]);
    detector.end_learning();
    let known = push(&mut detector, &[logon(2, "ws", "a", "adm"), logon(3, "ws", "b", "bob")]);
    assert_eq!(known, []);
    let novel = push(&mut detector, &[logon(4, "jump", "db", "adm")]);
    assert_eq!(titles(&novel), ["Novel log-on"]);
    assert!(level(&novel) < Some(AlarmLevel::Warning), "{:?}", level(&novel));
    assert_eq!(push(&mut detector, &[logon(5, "jump", "db", "adm")]), [], "it is told once");
}

#[test]
fn without_a_baseline_no_logon_is_novel() {
    let mut detector = detector(&Estate::default());
    detector.end_learning();
    assert_eq!(push(&mut detector, &[logon(0, "ws", "a", "bob")]), []);
}

#[test]
fn credentials_read_then_used_elsewhere() {
    let mut detector = detector(&Estate::default());
    push(
        &mut detector,
        &[logon(0, "ws", "fs", "adm"), logon(1, "pc", "jump", "vendor")],
    );
    detector.end_learning();
    let read = Record {
        host: "jump",
        origin: "pc",
        account: "vendor",
        object: "cat secrets/cached-credentials",
        ..ours(10, Kind::Process)
    };
    let events = [logon(5, "pc", "jump", "vendor"), read, logon(20, "jump", "fs", "adm")];
    // Raw fields are needed by the rule, so the command comes as a line.
    let mut intake = leckwehr_telemetry::Intake::new();
    let line = format!(
        r#"{{"@timestamp":"{}","agent":{{"id":"s"}},"host":{{"name":"jump"}},"event":{{"category":["process"],"action":"exec"}},"process":{{"command_line":"read secrets/cached-credentials"}},"user":{{"name":"vendor"}},"source":{{"ip":"pc"}}}}"#,
        at(10)
    );
    intake.push_line("s", line.as_bytes());
    let mut found = push(&mut detector, &events[..1]);
    found.extend(detector.push(&intake.take()));
    found.extend(push(&mut detector, &events[2..]));
    assert_eq!(
        titles(&found),
        [
            "Command that reads stored credentials",
            "Novel log-on",
            "Log-on caused by another"
        ]
    );
    assert_eq!(
        level(&found),
        Some(AlarmLevel::Critical),
        "different techniques on connected entities"
    );
}

#[test]
fn backups_destroyed_are_critical_at_once_unless_it_is_routine() {
    let snapshot = |ms, account, action| Record {
        host: "backup-1",
        account,
        action,
        ..ours(ms, Kind::Backup)
    };
    let mut detector = detector(&Estate::default());
    push(
        &mut detector,
        &[
            snapshot(0, "job", "snapshot-create"),
            snapshot(70_000, "job", "snapshot-delete"),
        ],
    );
    detector.end_learning();
    assert_eq!(
        push(
            &mut detector,
            &[
                snapshot(140_000, "job", "snapshot-delete"),
                snapshot(140_001, "job", "snapshot-create")
            ]
        ),
        []
    );
    let stranger = push(&mut detector, &[snapshot(150_000, "adm", "snapshot-delete")]);
    assert_eq!(level(&stranger), Some(AlarmLevel::Critical));
    let all: Vec<_> = (0..5).map(|n| snapshot(300_000 + n, "job", "snapshot-delete")).collect();
    assert_eq!(
        level(&push(&mut detector, &all)),
        Some(AlarmLevel::Critical),
        "routine does not delete everything"
    );
}

#[test]
fn mass_encryption_needs_many_files_and_noise() {
    let file = |ms, object, entropy| Record {
        host: "fs",
        account: "u",
        action: "change",
        object,
        entropy: Some(entropy),
        ..ours(ms, Kind::File)
    };
    let paths: Vec<&'static str> = (0..20).map(|n| &*Box::leak(format!("docs/{n}").into_boxed_str())).collect();
    let mut detector = detector(&Estate::default());
    detector.end_learning();
    let text: Vec<_> = paths.iter().enumerate().map(|(n, p)| file(n as i64, p, 4.8)).collect();
    assert_eq!(push(&mut detector, &text), []);
    let same: Vec<_> = (0..20).map(|n| file(1_000 + n, "docs/archive.zip", 7.9)).collect();
    assert_eq!(push(&mut detector, &same), [], "one file written again and again");
    let slow: Vec<_> = paths
        .iter()
        .enumerate()
        .map(|(n, p)| file(100_000 + n as i64 * 5_000, p, 7.9))
        .collect();
    assert_eq!(push(&mut detector, &slow), [], "an archive now and then");
    let fast: Vec<_> = paths
        .iter()
        .enumerate()
        .map(|(n, p)| file(400_000 + n as i64 * 20, p, 7.9))
        .collect();
    let found = push(&mut detector, &fast);
    assert_eq!(titles(&found), ["Mass encryption"]);
    assert_eq!(level(&found), Some(AlarmLevel::Critical));
}

#[test]
fn failed_logons_flood_volume_and_silence() {
    let mut detector = detector(&Estate::default());
    let failed = |ms| Record {
        outcome: Outcome::Failure,
        ..logon(ms, "203.0.113.5", "vpn", "bob")
    };
    let requests = |ms, n| Record {
        host: "portal",
        size: Some(n),
        ..ours(ms, Kind::Requests)
    };
    let counter = |ms, n| Record {
        host: "guard",
        destination: "203.0.113.9",
        bytes_out: Some(n),
        ..ours(ms, Kind::EgressCounter)
    };
    push(&mut detector, &[failed(0), requests(0, 40), requests(500, 40)]);
    detector.end_learning();
    assert_eq!(
        push(&mut detector, &[requests(1_500, 90), failed(2_000), counter(2_100, 90_000)]),
        []
    );
    let burst: Vec<_> = (0..8).map(|n| failed(3_000 + n)).collect();
    assert_eq!(titles(&push(&mut detector, &burst)), ["Burst of failed log-ons"]);
    assert_eq!(
        titles(&push(&mut detector, &[requests(4_000, 300), requests(4_100, 300)])),
        ["Request flood"]
    );
    let found = push(&mut detector, &[counter(5_000, 150_000)]);
    assert_eq!(titles(&found), ["Outbound volume"]);
    assert!(found[0].detail.contains("150000 bytes"), "{}", found[0].detail);
    assert_eq!(detector.tick(at(6_000)), []);
    let silence_ms = Thresholds::default().silence_ms_min;
    assert_eq!(titles(&detector.tick(at(6_000 + silence_ms + 40_000))), ["Sensor silence"]);
    assert_eq!(detector.tick(at(6_000 + silence_ms + 50_000)), [], "it is told once");
}

#[test]
fn noise_of_one_kind_never_adds_up_to_critical_and_risk_decays() {
    let noise = |n: i64| Finding {
        at: at(n * 1_000),
        rule: "r".into(),
        title: "Noise".into(),
        author: "a".into(),
        techniques: vec!["T1021".into()],
        host: "h".into(),
        weight: 25,
        ..Finding::default()
    };
    let mut fusion = Fusion::new();
    for n in 0..1_000 {
        fusion.push(&[noise(n)]);
    }
    assert!(fusion.level() < Some(AlarmLevel::Critical));
    let mut fusion = Fusion::new();
    let other = |n: i64, technique: &str, title: &str| Finding {
        techniques: vec![technique.into()],
        title: title.into(),
        ..noise(n)
    };
    fusion.push(&[noise(0)]);
    let later = fusion.push(&[other(10 * 3_600, "T1078", "Later")]);
    assert!(
        later.iter().all(|a| a.level < AlarmLevel::Warning),
        "ten hours apart: {later:?}"
    );
    let now = fusion.push(&[
        other(10 * 3_600 + 1, "T1552", "Now"),
        other(10 * 3_600 + 2, "T1486", "And this"),
    ]);
    assert_eq!(
        now.last().map(|a| (a.level, a.id.as_str())),
        Some((AlarmLevel::Critical, "alarm-1"))
    );
}
