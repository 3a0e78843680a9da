//! Tests of the verb `trace reach` as its user meets it.
#![expect(clippy::unwrap_used, reason = "a test may fail and say why")]

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

const CONTACTS: &str = "time,from,to,account\n2023-04-25T02:00:01Z,ws-1,fs-1,ann\n2023-04-25T02:10:00Z,fs-1,db-1,bob\n\
                        1970-01-01T00:00:00Z,fs-1,db-2,bob\n";

fn reach(args: &[&str]) -> Output {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("c.csv"), CONTACTS).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_leckwehr"));
    command
        .current_dir(folder.path())
        .args(["trace", "reach", "c.csv"])
        .args(args);
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_way_is_printed_with_its_places_and_what_was_refused() {
    let output = reach(&["--from", "ws-1", "--to", "db-1"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    for part in [
        "2 of 3 records kept, coverage of the files 66.7 %",
        "1 refused: a time before 1990, first in c.csv at row 4",
        "2023-04-25T02:00:01.000Z  fs-1  from ws-1 (c.csv, row 2)",
        "2023-04-25T02:10:00.000Z  db-1  from fs-1 (c.csv, row 3)",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn no_way_is_an_answer_of_its_own() {
    for args in [["--waiting", "5m"], ["--credentials", "narrow"]] {
        let output = reach(&[&["--from", "ws-1", "--to", "db-1"], &args[..]].concat());
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(stdout(&output).contains("No way to db-1 in what was recorded."));
    }
}

#[test]
fn json_has_everything_and_an_unknown_node_the_nearest_name() {
    let output = reach(&["--to", "db-1", "--json"]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let nodes: Vec<&str> = value["reached"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n["node"].as_str().unwrap())
        .collect();
    assert_eq!(nodes, ["db-1", "fs-1", "ws-1"]);
    assert_eq!(value["input"]["refused"]["too-early"]["records"], 1);
    let output = reach(&["--from", "ws-2"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("did you mean ws-1?"));
}
