use serde_json::Value;

use crate::{alone, leckwehr, text};

/// Runs a drill and returns its score.
fn score(args: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let output = leckwehr(folder.path())
        .arg("drill")
        .arg("--json")
        .args(args)
        .output()
        .unwrap();
    let score: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no score: {}", text(&output)));
    assert_eq!(
        output.status.code(),
        Some(if score["passed"] == true { 0 } else { 1 }),
        "{}",
        text(&output)
    );
    score
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

#[test]
fn a_real_drill_passes_and_its_figures_are_of_something() {
    let _alone = alone();
    for seed in ["1", "2"] {
        let score = score(&["--seed", seed, "--decide-ms", "300"]);
        assert_eq!(score["passed"], true, "seed {seed}: {}", score["because"]);
        assert_eq!(score["network"], "real");
        assert!(number(&score["hosts"]["true"]) >= 2, "{score}");
        assert!(number(&score["packets_stopped"]) > 0, "nobody tried to pass the cut: {score}");
        assert!(
            number(&score["bytes_out"]["true"]) > 0 && number(&score["messages"]["accepted"]) > 0,
            "{score}"
        );
        assert!(
            number(&score["claims"]["made"]) > 0 && number(&score["ledger"]["entries"]) > 50,
            "{score}"
        );
        let unchecked = score["claims"]["unchecked_claims"].as_array().map(Vec::len);
        assert_eq!(Some(number(&score["claims"]["unchecked"])), unchecked.map(|n| n as u64));
        assert!(score["open_decisions"].is_array(), "{score}");
        for key in ["build", "detect", "contain", "analyse", "restore", "teardown", "total"] {
            assert!(score["seconds"][key].is_number(), "seconds.{key} is missing");
        }
        for (group, keys) in [
            ("hosts", &["true", "found", "missed", "wrong", "possible"][..]),
            ("bytes_out", &["true", "bound"]),
            ("messages", &["sent", "accepted", "lost", "duplicated"]),
            ("files", &["damaged", "restored", "lost"]),
            ("payments", &["orders", "paid_once", "too_many"]),
            (
                "restoration",
                &["systems", "gates_skipped", "restored_over_newer", "forecasts"],
            ),
            ("ledger", &["entries", "verified"]),
            ("false_alarms", &["raised", "takedown", "alarms"]),
            ("claims", &["made", "untrue", "unchecked"]),
        ] {
            for key in keys {
                assert!(!score[group][key].is_null(), "{group}.{key} is missing");
            }
        }
    }
}

#[test]
fn a_simulated_drill_passes_and_says_that_it_is_simulated() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.html");
    let score = score(&[
        "--simulated",
        "--seed",
        "3",
        "--decide-ms",
        "300",
        "--report",
        report.to_str().unwrap(),
    ]);
    assert_eq!(score["passed"], true, "{}", score["because"]);
    assert_eq!(score["network"], "simulated");
    let help = text(&leckwehr(folder.path()).args(["drill", "--help"]).output().unwrap());
    for (field, value) in score.as_object().unwrap() {
        let inner = value.as_object().into_iter().flat_map(|group| group.keys());
        for name in inner.chain([field]) {
            let named = help
                .split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .any(|word| word == name);
            assert!(named, "{field}: {name} is not explained in the help");
        }
    }
    assert!(std::fs::read_to_string(report).unwrap().contains("SIMULATED"));
}

#[test]
fn what_is_kept_verifies_with_the_other_verbs() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let keep = folder.path().join("kept");
    let score = score(&["--seed", "4", "--decide-ms", "300", "--keep", keep.to_str().unwrap()]);
    assert_eq!(score["passed"], true, "{}", score["because"]);
    for part in ["control/ledger", "control/ledger-export"] {
        let output = leckwehr(folder.path())
            .args(["ledger", "verify"])
            .arg(keep.join(part))
            .output()
            .unwrap();
        assert!(output.status.success(), "{part}: {}", text(&output));
    }
    for file in ["report.html", "truth.json", "situation.json", "control/site/index.html"] {
        assert!(keep.join(file).is_file(), "{file} is missing");
    }
    let truth: Value = serde_json::from_slice(&std::fs::read(keep.join("truth.json")).unwrap()).unwrap();
    for service in ["backup", "eau", "epa", "files", "insured-app"] {
        let used = &truth["services"][service];
        assert!(used.is_object() && used["error"].is_null(), "{service} did not work: {used}");
    }
    let again = leckwehr(folder.path()).args(["drill", "--keep"]).arg(&keep).output().unwrap();
    assert_eq!(again.status.code(), Some(2), "a folder with something in it was taken");
    assert!(text(&again).contains("LW-RANGE-006"), "{}", text(&again));
}
