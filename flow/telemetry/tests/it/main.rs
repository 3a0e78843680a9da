//! Tests of the intake on lines of each format, on damaged input, and on recordings.
#![expect(clippy::print_stdout, reason = "a test may fail and say why")]

mod evtx;
mod flows;
mod hostile;
mod parquet;
mod text;
mod windows;

use std::io::Write;
use std::path::PathBuf;

use leckwehr_telemetry::{Events, Intake, Kind, LINE_BYTES_MAX, Outcome, Product, Taken};

fn one(line: &str) -> Events {
    let mut intake = Intake::new();
    assert_eq!(intake.push_line("s", line.as_bytes()), Taken::Event, "{line}");
    intake.take()
}

#[test]
fn ecs_lines_of_our_sensors() {
    let head = r#""@timestamp":"2023-04-25T03:12:09.123456789+02:00","agent":{"id":"sensor-fs-1"},"host":{"name":"fs-1"},"user":{"name":"adm"},"source":{"ip":"10.1.2.3"}"#;
    let events = one(&format!(
        r#"{{{head},"event":{{"sequence":17,"category":["authentication"],"action":"logon","outcome":"failure"}}}}"#
    ));
    let e = events.get(0).unwrap();
    assert_eq!(
        (e.kind(), e.outcome(), e.host(), e.origin()),
        (Kind::Logon, Outcome::Failure, "fs-1", "10.1.2.3")
    );
    assert_eq!(e.time().0 % 1_000_000_000, 123_456_789);
    assert_eq!(e.time().to_string(), "2023-04-25T01:12:09.123Z");
    assert_eq!((e.sensor(), e.reference().as_str()), ("sensor-fs-1", "s#1"));

    let events = one(&format!(
        r#"{{{head},"event":{{"category":["file"],"action":"change"}},"file":{{"path":"docs/a.txt","size":1234,"entropy":7.93}}}}"#
    ));
    let e = events.get(0).unwrap();
    assert_eq!(
        (e.kind(), e.object(), e.size(), e.entropy()),
        (Kind::File, "docs/a.txt", Some(1234), Some(7.93))
    );

    let events = one(&format!(
        r#"{{{head},"event":{{"category":["configuration"],"dataset":"backup","action":"snapshot-delete"}},"file":{{"path":"snap-12"}}}}"#
    ));
    assert_eq!(events.get(0).unwrap().kind(), Kind::Backup);

    let events = one(&format!(
        r#"{{{head},"event":{{"category":["process"],"action":"exec"}},"process":{{"command_line":"read secrets/x"}}}}"#
    ));
    assert_eq!(events.get(0).unwrap().object(), "read secrets/x");

    let events = one(
        r#"{"@timestamp":"2023-04-25T03:12:09Z","event":{"category":["network"],"dataset":"guard.egress","action":"counter"},"observer":{"name":"guard-edge"},"destination":{"ip":"203.0.113.7"},"source":{"bytes":9000}}"#,
    );
    let e = events.get(0).unwrap();
    assert_eq!(
        (e.kind(), e.host(), e.bytes_out()),
        (Kind::EgressCounter, "guard-edge", Some(9000))
    );

    let events = one(
        r#"{"@timestamp":"2023-04-25T03:12:09Z","agent":{"id":"p"},"host":{"name":"portal"},"event":{"category":["web"],"action":"requests"},"url":{"path":"/"},"http":{"requests":120,"window_ms":200},"source":{"ip":"10.9.0.1"}}"#,
    );
    let e = events.get(0).unwrap();
    assert_eq!(
        (e.kind(), e.size(), e.duration_ns()),
        (Kind::Requests, Some(120), Some(200_000_000))
    );
}

#[test]
fn zeek_with_standard_and_with_flattened_names_is_the_same() {
    let standard = one(
        r#"{"_path":"conn","ts":1588206809.274476,"id.orig_h":"10.0.1.4","id.orig_p":60775,"id.resp_h":"10.0.1.6","id.resp_p":5985,"proto":"tcp","orig_bytes":4719,"resp_bytes":426}"#,
    );
    let shipped = one(
        r#"{"@stream":"conn","ts":1588206809.274476,"id_orig_h":"10.0.1.4","id_orig_p":60775,"id_resp_h":"10.0.1.6","id_resp_p":5985,"proto":"tcp","orig_bytes":4719,"resp_bytes":426}"#,
    );
    for events in [standard, shipped] {
        let e = events.get(0).unwrap();
        assert_eq!(
            (e.kind(), e.service(), e.origin(), e.port()),
            (Kind::Flow, "conn", "10.0.1.4", 5985)
        );
        assert_eq!((e.origin_port(), e.bytes_out(), e.bytes_in()), (60775, Some(4719), Some(426)));
        assert_eq!(e.time().0, 1_588_206_809_274_476_000);
        assert_eq!(e.field("id.orig_h"), Some("10.0.1.4"));
    }
}

#[test]
fn a_principal_with_its_realm_is_an_account() {
    let events = one(
        r#"{"_path":"kerberos","ts":1.5,"id.orig_h":"a","id.resp_h":"b","client":"pbeesly/DMEVALS.LOCAL","service":"HTTP/NASHUA","request_type":"TGS","success":true}"#,
    );
    let e = events.get(0).unwrap();
    assert_eq!(
        (e.kind(), e.account(), e.object(), e.outcome()),
        (Kind::Ticket, "pbeesly", "HTTP/NASHUA", Outcome::Success)
    );
}

#[test]
fn windows_logon_and_process() {
    let events = one(
        r#"{"EventID":4624,"Channel":"Security","Hostname":"WS5.mordor.local","@timestamp":"2020-06-10T02:50:57.551Z","TargetUserName":"pedro","IpAddress":"::ffff:172.18.39.5","LogonType":"3","RecordNumber":7}"#,
    );
    let e = events.get(0).unwrap();
    assert_eq!(
        (e.kind(), e.product(), e.service()),
        (Kind::Logon, Product::Windows, "security")
    );
    assert_eq!(
        (e.account(), e.origin(), e.outcome()),
        ("pedro", "172.18.39.5", Outcome::Success)
    );
    let events = one(
        r#"{"EventID":1,"Channel":"Microsoft-Windows-Sysmon/Operational","Hostname":"WS5","@timestamp":"2020-06-10T02:50:59Z","UtcTime":"2020-06-10 02:50:57.551","CommandLine":"vssadmin delete shadows","User":"DOM\\bob"}"#,
    );
    let e = events.get(0).unwrap();
    assert_eq!(
        (e.category(), e.account(), e.time().to_string().as_str()),
        ("process_creation", "bob", "2020-06-10T02:50:57.551Z")
    );
}

#[test]
fn arrays_become_several_values() {
    let events = one(r#"{"_path":"dns","ts":1,"answers":["10.0.0.4","10.0.0.5"],"a":{"b":null,"c":true}}"#);
    let e = events.get(0).unwrap();
    assert_eq!(e.values("answers").collect::<Vec<_>>(), ["10.0.0.4", "10.0.0.5"]);
    assert_eq!((e.field("a.c"), e.field("a.b")), (Some("true"), None));
}

#[test]
fn damage_is_named_and_the_rest_goes_on() {
    let long = format!(r#"{{"_path":"conn","ts":1,"x":"{}"}}"#, "y".repeat(LINE_BYTES_MAX));
    let deep = "[".repeat(100_000);
    let text = [
        r#"{"_path":"conn","ts":1}"#,
        "{ broken",
        "",
        r#"[1,2]"#,
        r#"{"some":"thing"}"#,
        r#"{"_path":"conn","ts":"yesterday"}"#,
        &long,
        &deep,
        r#"{"_path":"loaded_scripts","name":"x"}"#,
        r#"{"_path":"conn","ts":2}"#,
    ]
    .join("\n");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conn.log");
    std::fs::write(&path, &text).unwrap();
    let mut intake = Intake::new();
    let report = intake.read_file(&path).unwrap();
    assert_eq!((report.lines, report.events, report.ignored, report.damaged), (10, 2, 2, 6));
    let places: Vec<_> = intake.damaged().iter().map(|d| (d.record, d.reason)).collect();
    assert_eq!(places[0], (2, "no quoted name in an object"));
    assert_eq!(places[1], (4, "not a JSON object"));
    assert_eq!(places[4], (7, "the line is longer than the limit"));
    for damaged in intake.damaged() {
        let start = damaged.offset as usize;
        assert!(
            text.as_bytes()[start..].starts_with(&damaged.raw[..8.min(damaged.raw.len())]),
            "{damaged:?}"
        );
        assert_eq!(damaged.source, "conn.log");
    }
    assert_eq!(intake.take().get(1).unwrap().record(), 10);
}

#[test]
fn compression_is_told_by_content() {
    let text = "{\"_path\":\"conn\",\"ts\":1}\n{\"_path\":\"conn\",\"ts\":2}";
    let folder = tempfile::tempdir().unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(text.as_bytes()).unwrap();
    let zst = zstd::encode_all(text.as_bytes(), 1).unwrap();
    for (name, bytes) in [
        ("a", text.as_bytes().to_vec()),
        ("b", gz.finish().unwrap()),
        ("c", zst.clone()),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(Intake::new().read_file(&path).unwrap().events, 2, "{name}");
    }
    let cut = folder.path().join("cut");
    std::fs::write(&cut, &zst[..zst.len() - 6]).unwrap();
    let error = Intake::new().read_file(&cut).unwrap_err().to_string();
    assert!(error.contains("truncated"), "{error}");
    let missing = Intake::new().read_file(&folder.path().join("missing")).unwrap_err();
    assert!(missing.to_string().contains("cannot open"));
}

#[test]
fn appending_keeps_every_column_and_field() {
    let mut all = one(r#"{"_path":"conn","ts":1,"id.orig_h":"a","id.resp_h":"b"}"#);
    let more = one(r#"{"_path":"conn","ts":2,"id.orig_h":"b","id.resp_h":"c"}"#);
    all.append(&more);
    all.append_columns(&more);
    let rows: Vec<_> = all
        .iter()
        .map(|e| (e.origin(), e.destination(), e.field("id.orig_h")))
        .collect();
    assert_eq!(rows, [("a", "b", Some("a")), ("b", "c", Some("b")), ("b", "c", None)]);
}

#[test]
fn losses_are_counted_per_sensor() {
    let mut intake = Intake::new();
    for sequence in [1, 2, 5] {
        let line = format!(
            r#"{{"@timestamp":"2023-04-25T03:12:0{sequence}Z","agent":{{"id":"a"}},"host":{{"name":"fs-1"}},"event":{{"sequence":{sequence},"category":["file"],"action":"read"}},"file":{{"path":"x"}}}}"#
        );
        intake.push_line("socket-1", line.as_bytes());
    }
    let account = &intake.accounts()["a"];
    assert_eq!((account.records, account.missing), (3, 2));
    assert!((account.coverage() - 0.6).abs() < 1e-9);
}

#[expect(clippy::disallowed_methods, reason = "tests learn from the environment where the data lies")]
fn data(name: &str) -> Option<PathBuf> {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = std::env::var("LECKWEHR_DATA").map_or(default, PathBuf::from).join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(
        std::env::var("LECKWEHR_REQUIRE_DATA").as_deref() != Ok("1"),
        "{} is missing",
        path.display()
    );
    println!("skipped: {} is not there", path.display());
    None
}

#[test]
fn recordings_are_read_whole() {
    if let Some(path) = data("trace/apt29-day2.zeek.jsonl") {
        let mut intake = Intake::new();
        let report = intake.read_file(&path).unwrap();
        assert_eq!((report.lines, report.damaged), (5_664, 0));
        let loss = intake.accounts().values().map(|a| a.capture_loss).fold(0.0, f64::max);
        assert!((loss - 0.028_688_524_590).abs() < 1e-9, "the worst interval of capture_loss");
    }
    if let Some(path) = data("telemetry/windows-events.jsonl.zst") {
        let mut intake = Intake::new();
        let (mut logons, mut processes, mut files) = (0, 0, 0);
        let report = intake
            .read_file_in_batches(&path, &mut |events| {
                logons += events.iter().filter(|e| e.kind() == Kind::Logon).count();
                processes += events.iter().filter(|e| e.kind() == Kind::Process).count();
                files += events.iter().filter(|e| e.kind() == Kind::File).count();
            })
            .unwrap();
        println!("{report:?}: {logons} log-ons, {processes} processes, {files} files");
        for damaged in intake.damaged().iter().take(5) {
            println!(
                "{} {} {}",
                damaged.record,
                damaged.reason,
                String::from_utf8_lossy(&damaged.raw[..300.min(damaged.raw.len())])
            );
        }
        assert_eq!(report.lines, 42_521);
        assert!(logons > 0 && processes > 0 && files > 300);
    }
}
