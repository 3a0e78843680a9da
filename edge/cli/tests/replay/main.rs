//! Tests of the verb `replay` as its user meets it: help, summary, JSON, errors.
#![expect(clippy::unwrap_used, reason = "a test may fail and say why")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const LINES: &str = concat!(
    r#"{"@timestamp":"2023-04-25T03:12:08Z","agent":{"id":"sensor-b"},"host":{"name":"backup-1"},"event":{"sequence":1,"category":["authentication"],"action":"logon","outcome":"success"},"source":{"ip":"10.0.1.5"},"user":{"name":"adm\u001b[31m"}}"#,
    "\n",
    r#"{"@timestamp":"2023-04-25T03:12:09Z","agent":{"id":"sensor-b"},"host":{"name":"backup-1"},"event":{"sequence":2,"category":["configuration"],"dataset":"backup","action":"snapshot-delete"},"file":{"path":"snap-12"},"user":{"name":"adm\u001b[31m"}}"#,
    "\n",
);

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("day.jsonl"), LINES).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leckwehr"));
        command.current_dir(self.folder.path()).args(args);
        command.output().unwrap()
    }

    fn replay(&self, args: &[&str]) -> Output {
        let estate = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/apt29");
        self.run(&[&["replay", "--estate", estate.to_str().unwrap()], args].concat())
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_summary_names_every_part_and_obeys_no_control_character() {
    let place = Place::new();
    let output = place.replay(&["--out", "out", "day.jsonl"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    for part in [
        "RECORDED",
        "2 records, 2023-04-25T03:12:08.000Z to 2023-04-25T03:12:09.000Z",
        "source sensor-b: 2 records",
        "CRITICAL",
        "host:backup-1",
        "(by Leckwehr)",
        "no exit was observed: nothing can be said",
        "unobserved exit: uplink",
        "what cannot be known",
        "← planned",
        "the way back (dry",
        "BSI/BBK",
        "report.html",
    ] {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
    assert!(text.contains("adm[31m") && !text.contains('\u{1b}'), "{text}");
    for file in ["ledger", "ledger-export"] {
        let verified = place.run(&["ledger", "verify", &format!("out/{file}")]);
        assert!(verified.status.success(), "{}", stdout(&verified));
    }
    let report = fs::read_to_string(place.path("out/report.html")).unwrap();
    assert!(report.contains("RECORDED") && report.contains("Ways to cut"));
}

#[test]
fn records_of_another_estate_are_told_apart() {
    let place = Place::new();
    fs::write(
        place.path("day.jsonl"),
        LINES.replace("backup-1", "elsewhere").replace("10.0.1.5", "10.9.9.9"),
    )
    .unwrap();
    let text = stdout(&place.replay(&["day.jsonl"]));
    assert!(text.contains("NO RECORD NAMES A HOST OF THIS ESTATE"), "{text}");
}

#[test]
fn json_is_one_object_and_the_same_as_the_file() {
    let place = Place::new();
    let key = place.path("key");
    fs::write(&key, format!("{}\n", "07".repeat(32))).unwrap();
    let output = place.replay(&[
        "--json",
        "--language",
        "de",
        "--key-file",
        "key",
        "--aware",
        "2023-04-25T05:00:00Z",
        "day.jsonl",
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let summary: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(summary["network"], "recorded");
    assert_eq!(summary["input"]["records"], 2);
    assert_eq!(summary["duties"]["assumed"], false);
    assert_eq!(summary["takedown"]["options"].as_array().map(Vec::len), Some(4));
    assert_eq!(
        stdout(&output),
        fs::read_to_string(place.path("leckwehr-replay/summary.json")).unwrap()
    );
    let report = fs::read_to_string(place.path("leckwehr-replay/report.html")).unwrap();
    assert!(report.contains("AUFGEZEICHNET") && report.contains("Wie getrennt werden kann"));
}

#[test]
fn errors_have_a_code_a_place_and_a_remedy() {
    let place = Place::new();
    fs::write(place.path("empty.jsonl"), "").unwrap();
    fs::write(place.path("bad-key"), "secret").unwrap();
    assert!(place.replay(&["--out", "out", "day.jsonl"]).status.success());
    for (args, code, named) in [
        (&["--out", "out", "day.jsonl"][..], "LW-REPLAY-001", "out"),
        (&["--out", "new", "missing.jsonl"], "LW-TELEMETRY-001", "missing.jsonl"),
        (&["--out", "new", "empty.jsonl"], "LW-REPLAY-004", "empty.jsonl: empty"),
        (
            &["--out", "new", "--key-file", "bad-key", "day.jsonl"],
            "LW-REPLAY-007",
            "bad-key",
        ),
        (&["--out", "day.jsonl/x", "day.jsonl"], "LW-REPLAY-002", "day.jsonl/x"),
    ] {
        let output = place.replay(args);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(
            text.contains(code) && text.contains(named) && text.contains("try: "),
            "{text}"
        );
        assert!(stdout(&output).is_empty());
    }
    assert!(!place.path("new").exists());
}

#[test]
fn the_help_teaches_with_an_example() {
    let place = Place::new();
    let text = stdout(&place.run(&["replay", "--help"]));
    assert!(text.contains("leckwehr replay --estate examples/apt29"), "{text}");
    assert!(text.contains("Nothing is cut"), "{text}");
}
