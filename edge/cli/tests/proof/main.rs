//! Tests of `trace certificate`, `trace check` and `trace report` as their users meet them.
#![expect(clippy::unwrap_used, reason = "a test may fail and say why")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use leckwehr_crypt::SigningKey;
use leckwehr_incident::{Fact, What};
use leckwehr_ledger::Ledger;
use tempfile::TempDir;

/// A host of the office is held from 03:12:09 on: it deletes the snapshots of another one after an odd log-on.
const LINES: &str = concat!(
    r#"{"@timestamp":"2023-04-25T03:00:00Z","agent":{"id":"s1"},"host":{"name":"utica"},"event":{"sequence":1,"category":["authentication"],"action":"logon","outcome":"success"},"source":{"ip":"10.0.1.6"},"user":{"name":"pbeesly"}}"#,
    "\n",
    r#"{"@timestamp":"2023-04-25T03:12:08Z","agent":{"id":"s2"},"host":{"name":"nashua"},"event":{"sequence":1,"category":["authentication"],"action":"logon","outcome":"success"},"source":{"ip":"10.0.1.4"},"user":{"name":"adm"}}"#,
    "\n",
    r#"{"@timestamp":"2023-04-25T03:12:09Z","agent":{"id":"s2"},"host":{"name":"nashua"},"event":{"sequence":2,"category":["configuration"],"dataset":"backup","action":"snapshot-delete"},"file":{"path":"snap-12"},"user":{"name":"adm"}}"#,
    "\n",
    r#"{"@timestamp":"2023-04-25T03:30:00Z","agent":{"id":"s1"},"host":{"name":"utica"},"event":{"sequence":2,"category":["authentication"],"action":"logon","outcome":"success"},"source":{"ip":"10.0.1.6"},"user":{"name":"pbeesly"}}"#,
    "\n",
);

struct Place {
    folder: TempDir,
    estate: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("day.jsonl"), LINES).unwrap();
        let estate = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/apt29");
        Self { folder, estate }
    }

    fn trace(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leckwehr"));
        command.current_dir(self.folder.path()).arg("trace").args(args);
        command.output().unwrap()
    }

    fn certificate(&self, args: &[&str]) -> Output {
        let estate = self.estate.to_str().unwrap();
        let common = [
            "certificate",
            "--estate",
            estate,
            "--zone",
            "backup-lan",
            "--out",
            "proof",
            "day.jsonl",
        ];
        self.trace(&[&common[..], args].concat())
    }

    /// Writes a ledger that says when connections were cut (or opened again).
    fn ledger(&self, name: &str, changes: &[(&str, &str, bool)]) {
        let key = SigningKey::generate().unwrap();
        let mut ledger = Ledger::create(&self.folder.path().join(name), "leckwehr/test", key).unwrap();
        for (connection, at, cut) in changes {
            let (connection, cut) = ((*connection).to_owned(), *cut);
            let change = Fact::new(at.parse().unwrap(), "guard", What::ConnectionCut { connection, cut });
            ledger.append(&[change.to_bytes()]).unwrap();
        }
        ledger.close().unwrap();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_certificate_is_made_and_verified_from_three_sides() {
    let place = Place::new();
    let made = place.certificate(&["--level", "observed-contacts"]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let said = text(&made.stdout);
    for part in [
        "HOLDS: the attacker could not reach backup-lan",
        "nothing recorded leads there",
        "No sensor observes: backup-1",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let estate = place.estate.to_str().unwrap();
    let beside = place.trace(&["check", "proof/certificate.json"]);
    let anew = place.trace(&["check", "proof/certificate.json", "--estate", estate, "day.jsonl"]);
    for checked in [&beside, &anew] {
        assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
        assert!(text(&checked.stdout).starts_with("HOLDS: "), "{}", text(&checked.stdout));
    }
    fs::write(place.folder.path().join("day.jsonl"), LINES.replace("03:30:00", "03:30:01")).unwrap();
    let other = place.trace(&["check", "proof/certificate.json", "--estate", estate, "day.jsonl", "--json"]);
    assert_eq!(other.status.code(), Some(1));
    assert!(
        text(&other.stdout).contains("\"item\": \"basis-sha256\""),
        "{}",
        text(&other.stdout)
    );
}

#[test]
fn a_cut_in_the_ledger_decides_at_the_strong_level() {
    let place = Place::new();
    let open = place.certificate(&[]);
    assert_eq!(open.status.code(), Some(1), "{}", text(&open.stderr));
    let said = text(&open.stdout);
    assert!(
        said.contains("DOES NOT HOLD") && said.contains("connection backup-traffic"),
        "{said}"
    );
    assert!(place.folder.path().join("proof/counter-route.json").exists());
    place.ledger("ledger", &[("backup-traffic", "2023-04-25T02:00:00Z", true)]);
    let cut = place.certificate(&["--ledger", "ledger"]);
    assert_eq!(cut.status.code(), Some(0), "{}{}", text(&cut.stdout), text(&cut.stderr));
    assert!(
        text(&cut.stdout).contains("backup-traffic: cut from 2023-04-25T02:00:00.000Z"),
        "{}",
        text(&cut.stdout)
    );
    let estate = place.estate.to_str().unwrap();
    let with = place.trace(&[
        "check",
        "proof/certificate.json",
        "--estate",
        estate,
        "--ledger",
        "ledger",
        "day.jsonl",
    ]);
    assert_eq!(with.status.code(), Some(0), "{}{}", text(&with.stdout), text(&with.stderr));
    let without = place.trace(&["check", "proof/certificate.json", "--estate", estate, "day.jsonl"]);
    assert_eq!(
        without.status.code(),
        Some(1),
        "the cut is part of what the certificate stands on"
    );
}

#[test]
fn a_cut_in_the_ledger_shows_in_exposure_and_report() {
    let place = Place::new();
    let cut = ("uplink", "2023-04-25T03:20:00Z", true);
    place.ledger("shut", &[cut]);
    place.ledger("open", &[cut, ("uplink", "2023-04-25T03:25:00Z", false)]);
    let estate = place.estate.to_str().unwrap();
    for (ledger, shown) in [(None, false), (Some("shut"), true), (Some("open"), false)] {
        let with: Vec<&str> = ledger.map_or(Vec::new(), |dir| vec!["--ledger", dir]);
        let ask = |args: &[&str]| {
            let output = place.trace(&[args, &["--estate", estate, "day.jsonl"], &with].concat());
            assert!(output.status.success(), "{}", text(&output.stderr));
            text(&output.stdout)
        };
        let said = ask(&["exposure"]);
        let line = said.lines().find(|l| l.contains("uplink (public-web)")).unwrap();
        assert_eq!(line.ends_with(", cut 2023-04-25T03:20:00.000Z"), shown, "{ledger:?}: {line}");
        assert_eq!(line.ends_with("not known to be cut"), !shown, "{ledger:?}: {line}");
        let json: serde_json::Value = serde_json::from_str(&ask(&["exposure", "--json"])).unwrap();
        let parties = json["exposure"]["parties"].as_array().unwrap().iter();
        let mut links = parties.flat_map(|p| p["connections"].as_array().unwrap());
        let uplink = links.find(|c| c["connection"] == "uplink").unwrap();
        assert_eq!(uplink["cut"].is_i64(), shown, "{uplink}");
        for (language, word) in [("en", "cut since"), ("de", "getrennt seit")] {
            ask(&["report", "--format", "html", "--language", language, "--out", "shown"]);
            let page = fs::read_to_string(place.folder.path().join("shown/report.html")).unwrap();
            let cell = format!("(public-web, {word} 2023-04-25T03:20:00.000Z)");
            assert_eq!(page.contains(&cell), shown, "{ledger:?} {language}");
        }
    }
}

#[test]
fn what_cannot_be_asked_is_named() {
    let place = Place::new();
    let estate = place.estate.to_str().unwrap();
    for (args, code) in [
        (
            vec!["certificate", "--estate", estate, "--zone", "moon", "day.jsonl"],
            "LW-TRACE-010",
        ),
        (
            vec![
                "certificate",
                "--estate",
                estate,
                "--zone",
                "backup-lan",
                "--ledger",
                "none",
                "day.jsonl",
            ],
            "LW-TRACE-011",
        ),
        (
            vec!["exposure", "--estate", estate, "--ledger", "none", "day.jsonl"],
            "LW-TRACE-011",
        ),
        (vec!["check", "none.json"], "LW-TRACE-013"),
        (vec!["check", "day.jsonl", "day.jsonl"], "LW-TRACE-013"),
        (
            vec!["report", "--estate", estate, "--out", "day.jsonl", "day.jsonl"],
            "LW-TRACE-012",
        ),
    ] {
        let output = place.trace(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(code), "{args:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_report_is_four_files_and_the_same_twice() {
    let place = Place::new();
    let estate = place.estate.to_str().unwrap();
    let files = ["report.html", "stix.json", "opengraph.json", "impact.graphml"];
    for out in ["a", "b"] {
        let made = place.trace(&["report", "--estate", estate, "--out", out, "day.jsonl", "--json"]);
        assert!(made.status.success(), "{}", text(&made.stderr));
        assert!(files.iter().all(|f| text(&made.stdout).contains(f)));
    }
    for file in files {
        let read = |out: &str| fs::read(place.folder.path().join(out).join(file)).unwrap();
        assert_eq!(read("a"), read("b"), "{file}");
    }
    let one = place.trace(&["report", "--estate", estate, "--out", "c", "--format", "stix", "day.jsonl"]);
    assert!(one.status.success());
    assert_eq!(fs::read_dir(place.folder.path().join("c")).unwrap().count(), 1);
}
