//! The verbs of the restoration as their user meets them: a ledger with lost systems, a runbook of real programs, people.
#![expect(clippy::unwrap_used, reason = "a test may fail and say why")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use leckwehr_control::{Config, Journal, NoFaults};
use leckwehr_crypt::SigningKey;
use leckwehr_incident::{Timestamp, What};
use serde_json::Value;
use tempfile::TempDir;

/// Two file servers, each with a service.
const ESTATE: &str = r#"
name = "House"
[site.s]
town = "T"
[party.p]
kind = "provider"
[crew.desk]
name = "Desk"
size = 2
reach_hours = 0
[zone.z]
site = "s"
party = "p"
[system.fs-1]
kind = "file-server"
zone = "z"
crew = "desk"
probe_port = 445
[system.fs-2]
kind = "file-server"
zone = "z"
crew = "desk"
probe_port = 445
[service.letters]
priority = 1
rto_minutes = 60
mtpd_minutes = 600
needs = ["fs-1"]
[service.archive]
priority = 2
rto_minutes = 60
mtpd_minutes = 600
needs = ["fs-2"]
"#;

/// `fs-1` is swept and tried by programs and plugged in by people; the sweep of `fs-2` never shows that it is done.
const RUNBOOK: &str = r#"
[[step]]
action = "sweep"
target = "fs-1"
proves = ["indicators-swept", "configuration-compared"]
command = { check = ["/usr/bin/test", "-e", "HERE/swept"], act = ["/usr/bin/touch", "HERE/swept"] }
[[step]]
action = "probe"
target = "fs-1"
command = { check = ["/usr/bin/test", "-e", "HERE/swept"] }
[[step]]
action = "reconnect"
target = "fs-1"
manual = { owner = "network desk", what = "plug fs-1 in", due_minutes = 30 }
[[step]]
action = "sweep"
target = "fs-2"
command = { check = ["/bin/false"], act = ["/bin/true"] }
"#;

fn leckwehr(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leckwehr"));
    command.current_dir(folder).args(args).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A control room whose ledger says that both servers are cut off.
fn house() -> TempDir {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    fs::create_dir(at.join("estate")).unwrap();
    fs::write(at.join("estate/house.toml"), ESTATE).unwrap();
    fs::write(at.join("runbook.toml"), RUNBOOK.replace("HERE", &at.display().to_string())).unwrap();
    let keys = ["guard", "keys", "--into", ".", "--guard", "guard-a"];
    let people = ["--approver", "anna", "--approver", "bert", "--json"];
    let made = leckwehr(at, &[&keys[..], &people].concat());
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let key = |name: &str| made["approvers"][name].as_str().unwrap().to_owned();
    let room = format!(
        "folder = \"room\"\nseed = \"control-room.seed\"\nroot = \"root.pem\"\ncertificate = \"control-room.pem\"\n\
         key = \"control-room.key\"\napprovals = 2\n[executors]\nguard-a = \"127.0.0.1:9\"\n[approvers]\nanna = \"{}\"\nbert = \"{}\"\n",
        key("anna"),
        key("bert")
    );
    fs::write(at.join("room.toml"), room).unwrap();
    let config = Config::read(&at.join("room.toml")).unwrap();
    let seed = SigningKey::from_seed(&config.ledger_seed).unwrap();
    fs::create_dir_all(at.join("room")).unwrap();
    let clock = Arc::new(|| Timestamp(1_000_000_000));
    let mut journal = Journal::open(
        &at.join("room/ledger"),
        "leckwehr/control-room",
        seed,
        clock,
        Arc::new(NoFaults),
    )
    .unwrap();
    let services = vec!["letters".to_owned(), "archive".to_owned()];
    let estate = "House".to_owned();
    let mut facts = vec![What::WatchStarted { estate, services }];
    facts.extend(["fs-1", "fs-2"].map(|id| What::HostIsolated {
        system: id.to_owned(),
        isolated: true,
    }));
    journal.record("test", facts).unwrap();
    journal.close().unwrap();
    folder
}

const RUN: [&str; 8] = [
    "restore",
    "run",
    "--room",
    "room.toml",
    "--estate",
    "estate",
    "--runbook",
    "runbook.toml",
];

/// Red if `run` begins without approvals, plugs in without people or gates, or takes a stranger's word.
#[test]
fn a_house_is_brought_back_as_far_as_programs_people_and_gates_allow() {
    let folder = house();
    let at = folder.path();
    let why = leckwehr(at, &["restore", "why", "estate", "letters", "--ledger", "room/ledger"]);
    let text = said(&why);
    assert!(
        text.contains("In the way, by the ledger:") && text.contains("fs-1 (desk): letters needs it and it is isolated"),
        "{text}"
    );

    let first = leckwehr(at, &RUN);
    assert_eq!(first.status.code(), Some(1), "{}", said(&first));
    assert!(said(&first).contains("nothing was done") && !at.join("swept").exists());
    for name in ["anna", "bert"] {
        let key = format!("{name}.approver");
        let approved = leckwehr(at, &["takedown", "approve", "restore-plan.json", "--as", name, "--key", &key]);
        assert!(approved.status.success(), "{}", said(&approved));
    }
    let words = [
        "--approval",
        "anna.approval.json",
        "--approval",
        "bert.approval.json",
        "--json",
    ];
    let second = leckwehr(at, &[&RUN[..], &words].concat());
    let state: Value = serde_json::from_slice(&second.stdout).unwrap();
    assert_eq!(
        (second.status.code(), state["ended"].as_str()),
        (Some(1), Some("waits-for-people"))
    );
    assert!(at.join("swept").exists());
    let status = said(&leckwehr(at, &["restore", "status", "room/ledger"]));
    assert!(
        status.contains("is for network desk until") && status.contains("plug fs-1 in"),
        "{status}"
    );
    assert!(
        status.contains("fs-1: clean-room test") && status.contains("gate clean: passed"),
        "{status}"
    );
    assert!(status.contains("service letters: clean-room test"), "{status}");

    // What is verified is not planned again: of fs-1 only the return is left.
    let left = leckwehr(at, &["restore", "plan", "estate", "--ledger", "room/ledger", "--json"]);
    let left: Value = serde_json::from_slice(&left.stdout).unwrap();
    let tasks = left["tasks"].as_array().unwrap().iter();
    let of_first = tasks
        .filter(|t| t["of"] == "fs-1")
        .map(|t| (t["action"].as_str().unwrap(), t["critical"].as_bool().unwrap()));
    assert_eq!(of_first.collect::<Vec<_>>(), [("reconnect", true)], "{left}");
    let drawn = said(&leckwehr(
        at,
        &["restore", "gantt", "estate", "--ledger", "room/ledger", "--language", "de"],
    ));
    assert!(drawn.contains("kritisch: verspätet sich dort ein Schritt"), "{drawn}");

    let work = state["plan"]["work"].as_object().unwrap().keys().next().unwrap().clone();
    fs::write(at.join("mallory.key"), "07".repeat(32)).unwrap();
    let confirm = |name: &str, key: &str| {
        let step = ["restore", "confirm", "--step", &work, "--plan", "restore-plan.json"];
        let signed = leckwehr(
            at,
            &[&step[..], &["--as", name, "--key", key, "--reason", "plugged in"]].concat(),
        );
        assert!(signed.status.success(), "{}", said(&signed));
        leckwehr(at, &[&RUN[..], &["--word", &format!("{name}.word.json")]].concat())
    };
    let stranger = said(&confirm("mallory", "mallory.key"));
    assert!(
        stranger.contains("the word of mallory does not count") && stranger.contains("waits-for-people"),
        "{stranger}"
    );
    let third = confirm("anna", "anna.approver");
    let text = said(&third);
    assert_eq!(third.status.code(), Some(1), "{text}");
    assert!(text.contains("fs-1: provisional") && text.contains("complete"), "{text}");
    assert!(
        text.contains("service letters: provisional") && text.contains("(sweep fs-2)"),
        "{text}"
    );

    let plan = leckwehr(at, &["restore", "plan", "estate", "--ledger", "room/ledger", "--json"]);
    let text = said(&plan);
    assert!(text.contains("archive") && !text.contains("letters"), "{text}");
    let gantt = said(&leckwehr(at, &["restore", "gantt", "estate", "--ledger", "room/ledger"]));
    assert!(gantt.contains("fs-2") && !gantt.contains("fs-1"), "{gantt}");
}

#[test]
fn what_cannot_be_understood_is_named_with_its_remedy() {
    let folder = house();
    let at = folder.path();
    let signed = ["--as", "anna", "--key", "anna.approver", "--reason", "r"];
    for (about, hint) in [
        (["--gate", "open=fs-1"], "--gate restorable=SYSTEM"),
        (["--lost", "fs-1=yesterday"], "--lost SYSTEM=2023"),
    ] {
        let refused = leckwehr(at, &[&["restore", "confirm"], &about[..], &signed].concat());
        let text = said(&refused);
        assert!(text.contains("LW-RESTORE-012") && text.contains(hint), "{text}");
    }
    let nothing = leckwehr(at, &["restore", "status", "estate"]);
    assert!(said(&nothing).contains("LW-RESTORE-011"), "{}", said(&nothing));
    let both = leckwehr(
        at,
        &["restore", "plan", "estate", "--lost", "fs-1", "--ledger", "room/ledger"],
    );
    assert_eq!(both.status.code(), Some(2), "{}", said(&both));
}

/// Red if an insurer is given the ends of another one's services, or the harm is not shared out.
#[test]
fn every_insurer_is_told_when_its_services_are_back_and_what_that_costs() {
    let essen = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/essen");
    let essen = essen.to_str().unwrap();
    let plan = |more: &[&str]| {
        leckwehr(
            Path::new("."),
            &[&["restore", "plan", essen, "--tries", "200"], more].concat(),
        )
    };
    let all: Value = serde_json::from_slice(&plan(&["--json"]).stdout).unwrap();
    let number = |value: &Value| value.as_u64().unwrap();
    let services = all["services"].as_array().unwrap();
    let latest = |key: &str| services.iter().map(|s| number(&s[key])).max().unwrap();
    let insurers = all["insurers"].as_array().unwrap();
    for insurer in insurers {
        let (essential, whole) = (&insurer["essential"], &insurer["all"]);
        assert_eq!(number(&whole["planned_minutes"]), latest("planned_minutes"));
        assert!(number(&whole["p90_minutes"]) >= latest("p90_minutes"), "{insurer}");
        assert!(
            number(&essential["p50_minutes"]) < number(&essential["p90_minutes"]),
            "{insurer}"
        );
        assert!(number(&essential["p90_minutes"]) < number(&whole["p90_minutes"]), "{insurer}");
    }
    let shared: u64 = insurers.iter().map(|i| number(&i["cost"])).sum();
    let rounding = (insurers.len() * services.len()) as u64;
    assert!(
        shared <= number(&all["cost"]) && shared + rounding >= number(&all["cost"]),
        "{shared}"
    );
    let tasks = all["tasks"].as_array().unwrap();
    assert!(
        tasks
            .iter()
            .all(|t| (number(&t["slack_minutes"]) == 0) == t["critical"].as_bool().unwrap())
    );
    let text = said(&plan(&["--language", "de"]));
    assert!(
        text.contains("Unentbehrliches: Median") && text.contains(&format!("+ {}", insurers.len() - 2)),
        "{text}"
    );
}
