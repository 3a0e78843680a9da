use std::fs;
use std::io::Write;

use serde_json::Value;

use crate::place::{Place, process, processes, read, stderr, stdout};

#[test]
fn folders_are_walked_and_findings_name_rule_author_record_and_reason() {
    let place = Place::new();
    fs::create_dir_all(place.path("logs/deep")).unwrap();
    place.write(
        "logs/b.jsonl",
        process(7, "fs-1", "C:\\Windows\\vssadmin.exe delete shadows /all"),
    );
    let mut packed = flate2::write::GzEncoder::new(
        fs::File::create(place.path("logs/deep/a.log")).unwrap(),
        flate2::Compression::fast(),
    );
    packed.write_all(processes("pc-9", 3).as_bytes()).unwrap();
    packed.finish().unwrap();
    let output = place.run(&["hunt", "logs", "--rules", "rules", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (findings, summary) = read(&stdout(&output));
    let told: Vec<(&str, &str, &str)> = findings
        .iter()
        .map(|f| {
            (
                f["title"].as_str().unwrap(),
                f["host"].as_str().unwrap(),
                f["evidence"][0].as_str().unwrap(),
            )
        })
        .collect();
    let all = ["logs/deep/a.log#1", "logs/deep/a.log#2", "logs/deep/a.log#3"].map(|e| ("Every process", "pc-9", e));
    assert_eq!(&told[2..], all);
    assert!(
        told[..2].contains(&("Shadow copies deleted", "fs-1", "logs/b.jsonl#1")),
        "{told:?}"
    );
    let shadows = findings.iter().find(|f| f["title"] == "Shadow copies deleted").unwrap();
    assert_eq!(
        (&shadows["author"], &shadows["techniques"][0]),
        (&"Grace H.".into(), &"T1490".into())
    );
    assert_eq!(shadows["time"], "2023-04-25T03:00:07.000Z");
    assert!(shadows["detail"].as_str().unwrap().contains("delete shadows"), "{shadows}");
    let summary = summary.unwrap();
    assert_eq!(
        (&summary["files"], &summary["records"], &summary["damaged"]),
        (&2.into(), &4.into(), &0.into())
    );
}

#[test]
fn the_text_groups_by_rule_in_both_languages() {
    let place = Place::new();
    let log =
        processes("pc-1", 2) + &processes("pc-2", 1) + "{\"EventID\":\n" + &process(9, "pc-1", "C:\\vssadmin.exe delete shadows");
    place.write("log.jsonl", log);
    let english = stdout(&place.run(&["hunt", "log.jsonl", "--rules", "rules"]));
    for part in [
        "  high          1      1  2023-04-25T03:00:09.000Z  2023-04-25T03:00:09.000Z  Shadow copies deleted  Grace H.  pc-1\n",
        "  low           4      2  2023",
        "Ada L.",
        "5 findings by 2 rules",
        "Records that could not be read: 1\n  log.jsonl#4 (byte",
        "pc-1/sysmon: 3 read, 6 missing by its own numbering, 0 not readable",
    ] {
        assert!(english.contains(part), "{part:?} is not in {english}");
    }
    let german = stdout(&place.run(&["hunt", "log.jsonl", "--rules", "rules", "--lang", "de"]));
    assert!(
        german.contains("5 Befunde von 2 Regeln") && german.contains("Verfasser"),
        "{german}"
    );
}

#[test]
fn level_and_window_narrow_what_is_told() {
    let place = Place::new();
    place.write(
        "log.jsonl",
        processes("pc-1", 5) + &process(9, "pc-1", "C:\\vssadmin.exe delete shadows"),
    );
    let found = |args: &[&str]| {
        let output = place.run(&[&["hunt", "log.jsonl", "--rules", "rules", "--json"], args].concat());
        let (findings, summary) = read(&stdout(&output));
        (findings.len(), summary.unwrap()["outside_window"].as_u64().unwrap())
    };
    assert_eq!(found(&[]), (7, 0));
    assert_eq!(found(&["--level", "high"]), (1, 0));
    let window = ["--from", "2023-04-25T03:00:02Z", "--to", "2023-04-25T03:00:04Z"];
    assert_eq!(found(&window), (3, 3));
}

#[test]
fn a_correlation_counts_within_a_file() {
    let place = Place::new();
    place.write(
        "rules/many.yml",
        "title: Many processes\nid: 33333333-3333-4333-8333-333333333333\nauthor: Ada L.\nlevel: high\ncorrelation:\n  type: event_count\n  \
         rules: [11111111-1111-4111-8111-111111111111]\n  group-by: [User]\n  timespan: 10m\n  condition: {gte: 4}\n",
    );
    place.write("few.jsonl", processes("pc-1", 3));
    place.write("many.jsonl", processes("pc-2", 4));
    let output = place.run(&[
        "hunt",
        "few.jsonl",
        "many.jsonl",
        "--rules",
        "rules",
        "--level",
        "high",
        "--json",
    ]);
    let (findings, _) = read(&stdout(&output));
    let told: Vec<(&str, &str)> = findings
        .iter()
        .map(|f| (f["title"].as_str().unwrap(), f["host"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("Many processes", "pc-2")], "{}", stdout(&output));
}

#[test]
fn behaviour_is_looked_at_if_asked_for() {
    let place = Place::new();
    let deleted = |n: u32| {
        format!(
            "{{\"@timestamp\":\"2023-04-25T03:12:{n:02}Z\",\"agent\":{{\"id\":\"sensor-b\"}},\"host\":{{\"name\":\"backup-1\"}},\"event\":\
             {{\"sequence\":{n},\"category\":[\"configuration\"],\"dataset\":\"backup\",\"action\":\"snapshot-delete\"}},\"file\":\
             {{\"path\":\"snap-{n}\"}},\"user\":{{\"name\":\"adm\"}}}}\n"
        )
    };
    place.write("log.jsonl", (1..9).map(deleted).collect::<String>());
    let rules = |args: &[&str]| {
        let output = place.run(&[&["hunt", "log.jsonl", "--rules", "rules", "--json"], args].concat());
        let (findings, _) = read(&stdout(&output));
        findings
            .iter()
            .map(|f| f["rule"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(rules(&[]).is_empty());
    assert!(
        rules(&["--behaviour"]).iter().any(|rule| rule.starts_with("detector:backup")),
        "{:?}",
        rules(&["--behaviour"])
    );
}

#[test]
fn exports_hold_every_finding_with_its_author() {
    let place = Place::new();
    place.write(
        "log.jsonl",
        processes("pc-1", 3) + &process(9, "pc-1", "C:\\vssadmin.exe delete shadows"),
    );
    let args = [
        "hunt",
        "log.jsonl",
        "--rules",
        "rules",
        "--ocsf",
        "out.ocsf",
        "--stix",
        "out.stix",
    ];
    assert!(place.run(&args).status.success());
    let ocsf = fs::read_to_string(place.path("out.ocsf")).unwrap();
    let events: Vec<Value> = ocsf.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 5);
    assert!(
        events
            .iter()
            .all(|e| e["class_uid"] == 2004 && e["unmapped"]["rule_author"].is_string())
    );
    let stix: Value = serde_json::from_str(&fs::read_to_string(place.path("out.stix")).unwrap()).unwrap();
    let indicators = stix["objects"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|o| o["type"] == "indicator");
    let patterns: Vec<&str> = indicators.map(|o| o["pattern"].as_str().unwrap()).collect();
    assert!(
        patterns.len() == 2 && patterns.iter().all(|p| p.contains("author: ")),
        "{patterns:?}"
    );
}

#[test]
fn problems_have_a_code_and_a_remedy() {
    let place = Place::new();
    place.write("empty.yml", "");
    for (args, code) in [
        (&["hunt", "nowhere", "--rules", "rules"][..], "LW-HUNT-004"),
        (&["hunt", "rules", "--rules", "empty.yml"], "LW-HUNT-001"),
        (
            &["hunt", "rules", "--rules", "rules", "--ocsf", "no/such/folder"],
            "LW-HUNT-003",
        ),
        (
            &["hunt", "rules", "--rules", "rules", "--state", "empty.yml/x"],
            "LW-HUNT-006",
        ),
    ] {
        let output = place.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let words = stderr(&output);
        assert!(words.contains(code) && words.contains("try: "), "{words}");
    }
}
