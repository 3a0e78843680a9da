//! Tests of the verbs `trace reach` and `bench trace --hidden` as their user meets them.
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

#[test]
fn the_bench_of_hidden_routes_lists_what_each_tier_finds_and_costs() {
    let bench = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leckwehr"));
        let output = command
            .args(["bench", "trace", "--hidden", "--seeds", "1"])
            .args(args)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        stdout(&output)
    };
    let report: serde_json::Value = serde_json::from_str(&bench(&["--json"])).unwrap();
    let (lists, seed) = (report["lists"].as_array().unwrap(), &report["seeds"][0]);
    let score = &seed["bridged"]["score"];
    let count = |value: &serde_json::Value| value.as_u64().unwrap();
    let found: Vec<u64> = lists.iter().map(|l| count(&l["found"])).collect();
    let (proven, probable) = (count(&score["proven"]["right"]), count(&score["probable"]["right"]));
    let reach = count(&seed["reach"]["score"]["all"]["right"]);
    assert_eq!(found[..3], [proven, proven + probable, count(&score["all"]["right"])]);
    assert!(found[3] >= found[2].max(reach), "{found:?}");
    let sizes: Vec<f64> = lists.iter().map(|l| l["hosts_listed"].as_f64().unwrap()).collect();
    assert!(sizes.is_sorted() && sizes[3] >= seed["reach"]["score"]["all"]["named"].as_f64().unwrap());
    assert_eq!(sizes[2], score["all"]["named"].as_f64().unwrap());
    assert_eq!(
        (&lists[3]["hidden"], &lists[3]["hosts"]),
        (&score["hosts"], &serde_json::json!(999))
    );
    let text = bench(&[]);
    let line = text.lines().find(|l| l.starts_with("+ possible (plain reach)")).unwrap();
    let shown = format!("{}/{}", found[3], count(&score["hosts"]));
    assert!(
        line.contains(&shown) && line.contains(&format!("{:.1} of 999", sizes[3])),
        "{line}"
    );
}
