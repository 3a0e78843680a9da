//! Input that cannot be read, wholly or in part.

use std::fs;
use std::io::Write;

use leckwehr_control::{ReplayError, examine};

use crate::bench::{Bench, estate, quiet_then_loud};

#[test]
fn what_is_readable_beside_garbage_is_replayed_and_each_bad_place_is_named() {
    let bench = Bench::new();
    let good = bench.write("good.jsonl", quiet_then_loud());
    let bad = bench.write("bad.jsonl", b"garbage\n\xff\xfe\x00\n{\"half\":");
    let empty = bench.write("empty.jsonl", b"");
    let outcome = bench.replay(&[good, bad, empty], "out", 1).unwrap();
    let input = &outcome.summary.input;
    assert_eq!((input.records, input.damaged), (12, 3));
    let places = bench.read("out/damaged.jsonl");
    assert_eq!(places.lines().count(), 3);
    let place: serde_json::Value = serde_json::from_str(places.lines().nth(1).unwrap()).unwrap();
    assert!(place["file"].as_str().unwrap().ends_with("bad.jsonl"));
    assert_eq!((place["record"].as_u64(), place["offset"].as_u64()), (Some(2), Some(8)));
    assert!(outcome.summary.unknowns.iter().any(|u| u.contains("bad.jsonl")));
    let exits = &outcome.summary.bytes_out.exits_unobserved;
    assert!(
        exits.iter().any(|e| e.contains("3 damaged records of bad.jsonl")),
        "{exits:?}"
    );
    assert!(outcome.summary.alarms.iter().any(|a| a.entity == "host:backup-1"));
}

#[test]
fn a_truncated_file_keeps_what_came_before_and_says_that_the_rest_is_unknown() {
    let bench = Bench::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gzip.write_all(quiet_then_loud().as_bytes()).unwrap();
    let mut packed = gzip.finish().unwrap();
    packed.truncate(packed.len() * 2 / 3);
    let cut = bench.write("cut.jsonl.gz", packed);
    let outcome = bench.replay(&[cut], "out", 1).unwrap();
    let input = &outcome.summary.input;
    assert!(input.records > 0 && input.records < 12, "{}", input.records);
    assert!(input.files[0].cut_off.as_ref().is_some_and(|why| why.contains("byte")));
    let unknown = |u: &String| u.starts_with("cut.jsonl.gz could not be read to its end");
    assert!(outcome.summary.unknowns.iter().any(unknown));
    assert!(outcome.situation.impact.unknowns.iter().any(unknown));
}

#[test]
fn nothing_readable_is_an_error_that_names_the_place_and_writes_nothing() {
    let bench = Bench::new();
    for content in [&b""[..], b"garbage\n", b"\n\n\n", b"\x1f\x8bnot gzip", b"[1, 2]\n{}\n"] {
        let file = bench.write("telemetry.jsonl", content);
        let error = bench.replay(&[file], "out", 1).err().unwrap();
        assert_eq!(error.code(), "LW-REPLAY-004", "{content:?}");
        assert!(error.to_string().contains("telemetry.jsonl"), "{error}");
        assert!(!bench.path("out").exists());
        let same = examine(&estate(), &[bench.path("telemetry.jsonl")], &mut |_| {});
        assert_eq!(same.err().unwrap().to_string(), error.to_string());
    }
}

#[test]
fn an_examination_says_what_a_replay_says() {
    let bench = Bench::new();
    let good = bench.write("good.jsonl", quiet_then_loud());
    let bad = bench.write("bad.jsonl", b"garbage\n");
    let outcome = bench.replay(&[good.clone(), bad.clone()], "out", 1).unwrap();
    let examined = examine(&estate(), &[good, bad], &mut |_| {}).unwrap();
    assert_eq!(examined.impact, outcome.impact);
    assert!(
        examined
            .impact
            .exits_unobserved
            .iter()
            .any(|e| e.contains("1 damaged records of bad.jsonl"))
    );
    let found: u64 = outcome.summary.rules.iter().map(|r| r.findings).sum();
    assert_eq!(examined.findings.len() as u64, found);
}

#[test]
fn missing_files_and_folders_without_telemetry_are_named() {
    let bench = Bench::new();
    let good = bench.write("good.jsonl", quiet_then_loud());
    let error = bench.replay(&[good, bench.path("missing.jsonl")], "out", 1).err().unwrap();
    assert_eq!(error.code(), "LW-TELEMETRY-001");
    assert!(error.to_string().contains("missing.jsonl"));
    bench.write("notes/readme.txt", "hello");
    let error = bench.replay(&[bench.path("notes")], "out", 1).err().unwrap();
    assert_eq!(error.code(), "LW-REPLAY-003");
    assert!(!bench.path("out").exists());
}

#[test]
fn a_folder_that_is_not_empty_is_left_alone() {
    let bench = Bench::new();
    let good = bench.write("good.jsonl", quiet_then_loud());
    bench.write("out/precious.txt", "do not touch");
    let error = bench.replay(&[good], "out", 1).err().unwrap();
    assert!(matches!(error, ReplayError::Occupied(_)));
    assert_eq!(fs::read_dir(bench.path("out")).unwrap().count(), 1);
}

#[test]
fn a_file_that_is_named_twice_is_read_once() {
    let bench = Bench::new();
    let good = bench.write("day/good.jsonl", quiet_then_loud());
    let outcome = bench.replay(&[good.clone(), bench.path("day"), good], "out", 1).unwrap();
    assert_eq!(outcome.summary.input.records, 12);
}

#[test]
fn a_very_long_record_fits_the_ledger() {
    let bench = Bench::new();
    let long = quiet_then_loud().replace("snap-9", &"x".repeat(300_000));
    let file = bench.write("long.jsonl", long);
    let outcome = bench.replay(&[file], "out", 1).unwrap();
    assert_eq!(outcome.summary.input.records, 12);
}

#[test]
fn any_time_in_a_record_gives_a_site() {
    let bench = Bench::new();
    let late = quiet_then_loud().replace("2023-04-25T03:12:12Z", "2262-04-11T23:47:16Z");
    let file = bench.write("late.jsonl", late.replace("2023-04-25T03:12:01Z", "1700-01-01T00:00:00Z"));
    bench.replay(&[file], "out", 1).unwrap();
    assert!(bench.path("out/site/index.html").exists());
}
