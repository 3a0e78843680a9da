use std::fs;

use serde_json::Value;

use crate::place::{Place, process, processes, stderr, stdout};

#[test]
fn records_are_shown_in_the_normal_form_and_raw_by_their_place() {
    let place = Place::new();
    let raw = process(3, "pc-2", "C:\\Windows\\vssadmin.exe delete shadows");
    place.write("log.jsonl", processes("pc-1", 2) + &raw);
    let text = stdout(&place.run(&["events", "show", "log.jsonl", "--host", "PC-2"]));
    for part in [
        "log.jsonl#3  windows/sysmon/process_creation",
        "2023-04-25T03:00:03.000Z",
        "kind process",
        "CommandLine: C:\\Windows",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let json = stdout(&place.run(&["events", "show", "log.jsonl", "--field", "commandline=x", "--json"]));
    assert_eq!(json, "", "no record has this field");
    let json = stdout(&place.run(&[
        "events",
        "show",
        "log.jsonl",
        "--field",
        "EventID=1",
        "--limit",
        "2",
        "--json",
    ]));
    let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[1]["host"], &lines[1]["fields"]["Image"]),
        (&"pc-1".into(), &"C:\\Windows\\cmd.exe".into())
    );
    let at = place.run(&["events", "show", "--at", "log.jsonl#3", "--raw"]);
    assert_eq!(stdout(&at), raw);
    let none = place.run(&["events", "show", "--at", "log.jsonl#9"]);
    assert!(none.status.code() == Some(2) && stderr(&none).contains("LW-EVENTS-002"));
}

#[test]
fn records_are_converted_to_a_parquet_file_of_all_columns() {
    let place = Place::new();
    place.write("log.jsonl", processes("pc-1", 50) + "no record\n");
    let output = place.run(&["events", "convert", "log.jsonl", "--to", "out.parquet", "--json"]);
    assert_eq!(output.status.code(), Some(1), "one record could not be read");
    assert!(stderr(&output).contains("log.jsonl#51"), "{}", stderr(&output));
    let counts: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&counts["rows"], &counts["input"]["damaged"]), (&50.into(), &1.into()));
    let bytes = fs::read(place.path("out.parquet")).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    assert!(!place.path("out.parquet.part").exists());
    let bad = place.run(&["events", "convert", "log.jsonl", "--to", "no/such/out.parquet"]);
    assert!(bad.status.code() == Some(2) && stderr(&bad).contains("LW-EVENTS-004"));
}
