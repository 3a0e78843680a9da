use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::place::{Place, processes, stderr, stdout};

/// Records per file: their findings fill a pipe many times, so that a hunt that nobody reads from has not ended.
const RECORDS: u64 = 6_000;

fn place() -> Place {
    let place = Place::new();
    fs::create_dir(place.path("logs")).unwrap();
    for name in ["a", "b", "c"] {
        let half = processes(&format!("pc-{name}"), RECORDS / 2);
        place.write(&format!("logs/{name}.jsonl"), half.clone() + "no record\n" + &half);
    }
    place
}

fn start(place: &Place, state: &str) -> (Child, BufReader<std::process::ChildStdout>) {
    let args = [
        "hunt",
        "logs",
        "--rules",
        "rules",
        "--json",
        "--threads",
        "2",
        "--state",
        state,
    ];
    let mut child = place
        .command(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

fn read_lines(out: &mut impl BufRead, lines: usize) -> String {
    let mut text = String::new();
    for _ in 0..lines {
        assert!(out.read_line(&mut text).unwrap() > 0, "the hunt ended early");
    }
    text
}

fn findings(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.contains("\"type\":\"finding\"")).collect()
}

#[test]
fn interrupted_and_resumed_it_tells_every_finding_once() {
    let place = place();
    let whole = place.run(&["hunt", "logs", "--rules", "rules", "--json", "--threads", "1"]);
    let whole = stdout(&whole);
    assert_eq!(findings(&whole).len() as u64, 3 * RECORDS);
    let mut told = String::new();
    for lines in [10, 4_000] {
        let (mut child, mut out) = start(&place, "state");
        told += &read_lines(&mut out, lines);
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
        out.read_to_string(&mut told).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }
    let rest = place.run(&["hunt", "logs", "--rules", "rules", "--json", "--state", "state"]);
    assert_eq!(rest.status.code(), Some(0), "{}", stderr(&rest));
    told += &stdout(&rest);
    assert!(findings(&told) == findings(&whole), "{} findings", findings(&told).len());
    let summary = |text: &str| -> serde_json::Value {
        let last = text.lines().rfind(|line| line.contains("\"type\":\"summary\"")).unwrap();
        serde_json::from_str(last).unwrap()
    };
    let (once, again) = (summary(&whole), summary(&told));
    for part in [
        "records",
        "damaged",
        "damaged_places",
        "tally",
        "sources",
        "files",
        "bytes",
        "ignored",
    ] {
        assert_eq!(once[part], again[part], "{part}");
    }
}

#[test]
fn killed_and_resumed_the_kept_findings_are_those_of_an_undisturbed_hunt() {
    let place = place();
    let args = |state| ["hunt", "logs", "--rules", "rules", "--json", "--state", state];
    assert!(place.run(&args("undisturbed")).status.success());
    let whole = fs::read(place.path("undisturbed/findings.jsonl")).unwrap();
    for lines in [1, 3_000, 9_000] {
        let (mut child, mut out) = start(&place, "killed");
        read_lines(&mut out, lines);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(place.run(&args("killed")).status.success());
    assert!(
        fs::read(place.path("killed/findings.jsonl")).unwrap() == whole,
        "findings are lost or repeated"
    );
    let again = place.run(&args("killed"));
    assert!(
        again.status.success() && findings(&stdout(&again)).is_empty(),
        "what is done is not done again"
    );
}

#[test]
fn a_state_of_another_hunt_is_refused() {
    let place = place();
    assert!(
        place
            .run(&["hunt", "logs", "--rules", "rules", "--state", "state"])
            .status
            .success()
    );
    for (args, what) in [
        (&["hunt", "logs/a.jsonl", "--rules", "rules"][..], "files"),
        (&["hunt", "logs", "--rules", "rules/every.yml"], "rules"),
        (&["hunt", "logs", "--rules", "rules", "--level", "high"], "options"),
    ] {
        let output = place.run(&[args, &["--state", "state"]].concat());
        let words = stderr(&output);
        assert!(
            output.status.code() == Some(2) && words.contains("LW-HUNT-007") && words.contains(what),
            "{words}"
        );
    }
}
