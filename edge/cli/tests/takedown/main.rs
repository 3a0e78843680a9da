//! The verbs of the takedown as their user meets them, on the examples.
#![expect(clippy::unwrap_used, reason = "a test may fail and say why")]

mod carried_out;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn leckwehr(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leckwehr"));
    command.current_dir(folder).arg("takedown").args(args).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A folder with the examples, and an attacker on a jump host, a file server and perhaps a database.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let host = |system: &str, tier: &str| json!({ "system": system, "tier": tier, "since": null, "via": null, "reasons": [] });
    let hosts = [
        host("jump-essen-1", "proven"),
        host("files-essen-1", "proven"),
        host("db-contributions-1", "possible"),
    ];
    let impact = json!({
        "window": null, "hosts": hosts, "credentials": [], "hops": [], "outside": [], "bytes_out_max": 0,
        "exits_unobserved": [], "coverage": [], "unknowns": []
    });
    fs::write(folder.path().join("impact.json"), json!({ "impact": impact }).to_string()).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(root().join("examples"), folder.path().join("examples")).unwrap();
    folder
}

const CASE: [&str; 4] = ["--estate", "examples/essen", "--impact", "impact.json"];
const PROTOCOL: [&str; 2] = ["--protocol", "examples/protocol-essen.toml"];

#[test]
fn the_cheapest_cut_is_planned_proven_drawn_explained_and_compared() {
    let folder = folder();
    let at = folder.path();
    let out = [
        "--option",
        "minimum",
        "--out",
        "cut",
        "--svg",
        "cut/cut.svg",
        "--html",
        "cut/cut.html",
    ];
    let planned = leckwehr(at, &[&["plan"], &CASE[..], &PROTOCOL, &out].concat());
    let text = said(&planned);
    assert_eq!(planned.status.code(), Some(0), "{text}");
    for part in [
        "→ cheapest cut",
        "surgical",
        "everything",
        "Cheapest cut:",
        "plan ",
        "isolate-host",
        "3.1",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    for file in [
        "plan.json",
        "playbook.json",
        "certificate.json",
        "estate.json",
        "impact.json",
        "cut.svg",
        "cut.html",
    ] {
        assert!(at.join("cut").join(file).exists(), "{file} is missing");
    }
    let check = [
        "check",
        "cut/certificate.json",
        "--estate",
        "examples/essen",
        "--impact",
        "cut/impact.json",
        "--plan",
        "cut/plan.json",
    ];
    let checked = leckwehr(at, &check);
    assert!(
        checked.status.success() && said(&checked).starts_with("HOLDS: "),
        "{}",
        said(&checked)
    );
    let paper = fs::read_to_string(at.join("cut/certificate.json")).unwrap();
    fs::write(at.join("cut/certificate.json"), paper.replace("\"hours\":8", "\"hours\":1")).unwrap();
    let refused = leckwehr(at, &check);
    assert_eq!(
        (refused.status.code(), said(&refused).as_str()),
        (Some(1), "REFUSED: seal: does not fit the text\n")
    );

    let explain = ["explain", "cut/plan.json", "--estate", "examples/essen", "--lang", "de"];
    let explained = leckwehr(at, &[&explain[..], &PROTOCOL].concat());
    assert!(
        explained.status.success() && said(&explained).contains("Klausel 3.1 Trennung betroffener Systeme"),
        "{}",
        said(&explained)
    );
    let small = leckwehr(at, &[&["plan"], &CASE[..], &PROTOCOL, &["--out", "other"]].concat());
    assert!(small.status.success());
    let same = leckwehr(at, &["diff", "cut/plan.json", "cut/plan.json"]);
    assert_eq!(same.status.code(), Some(0), "{}", said(&same));
    let other = leckwehr(at, &["diff", "cut/plan.json", "other/plan.json", "--json"]);
    let changes: Value = serde_json::from_slice(&other.stdout).unwrap();
    assert_eq!(other.status.code(), Some(1));
    assert!(changes["changes"].as_array().is_some_and(|c| !c.is_empty()));
    let plan = fs::read_to_string(at.join("cut/plan.json")).unwrap();
    fs::write(at.join("cut/plan.json"), plan.replace("isolate-host", "power-off")).unwrap();
    let spoilt = leckwehr(at, &explain);
    assert!(said(&spoilt).contains("LW-CONTAIN-005"), "{}", said(&spoilt));
}

#[test]
fn a_protocol_goes_out_as_a_playbook_and_comes_back() {
    let folder = folder();
    let at = folder.path();
    let estate = ["examples/protocol-essen.toml", "--estate", "examples/essen"];
    let shown = leckwehr(at, &[&["protocol", "show"], &estate[..]].concat());
    assert!(
        said(&shown).contains("union-chair (Chair of the union of insurers): signs for insurer-union"),
        "{}",
        said(&shown)
    );
    let exported = leckwehr(at, &[&["protocol", "export"], &estate[..]].concat());
    fs::write(at.join("book.json"), &exported.stdout).unwrap();
    let imported = leckwehr(at, &["protocol", "import", "book.json", "--json"]);
    let back: Value = serde_json::from_slice(&imported.stdout).unwrap();
    let own: Value =
        serde_json::from_slice(&leckwehr(at, &[&["protocol", "show", "--json"], &estate[..]].concat()).stdout).unwrap();
    assert_eq!(back["protocol"], own);
    assert_eq!(back["not_expressed"], json!([]));
    let text = fs::read_to_string(root().join("examples/protocol-essen.toml")).unwrap();
    fs::write(at.join("broken.toml"), text.replace("rheinbogen-bank", "rheinbogen-bnak")).unwrap();
    let broken = leckwehr(at, &["protocol", "show", "broken.toml", "--estate", "examples/essen"]);
    let text = said(&broken);
    assert!(broken.status.code() == Some(2) && text.contains("LW-CONTAIN-006"), "{text}");
    assert!(
        text.contains("broken.toml:") && text.contains("did you mean `rheinbogen-bank`?"),
        "{text}"
    );
}

#[test]
fn what_no_cut_can_protect_any_more_is_said() {
    let folder = folder();
    let protect = ["--option", "minimum", "--protect", "files-essen-1", "--protect", "hv-essen-1"];
    let reached = leckwehr(folder.path(), &[&["plan"], &CASE[..], &protect].concat());
    assert!(
        said(&reached).contains("reached already, no cut protects it: files-essen-1"),
        "{}",
        said(&reached)
    );
}

/// A partner's way back: drawn up with the proof, read at the partner, planned, accepted; nothing of it can be changed on the way.
#[test]
fn a_partner_is_told_and_the_return_is_planned() {
    let folder = folder();
    let at = folder.path();
    let planned = leckwehr(at, &[&["plan"], &CASE[..], &["--option", "minimum", "--out", "cut"]].concat());
    assert!(planned.status.success(), "{}", said(&planned));
    let attest = [
        "attest",
        "rheinbogen-bank",
        "--certificate",
        "cut/certificate.json",
        "--changed",
        "new keys",
    ];
    let drawn = leckwehr(at, &[&attest[..], &CASE].concat());
    let text = said(&drawn);
    assert!(drawn.status.success() && text.contains("separation proven from"), "{text}");
    assert!(
        text.contains("payments-1: unknown") && text.contains("how well payments-1 was observed"),
        "{text}"
    );
    let file = "rheinbogen-bank.attestation.json";
    let read = leckwehr(at, &["attestation", file, "--lang", "de"]);
    assert!(
        read.status.success() && said(&read).contains("Siegel passt"),
        "{}",
        said(&read)
    );

    let way = ["--estate", "examples/essen", PROTOCOL[0], PROTOCOL[1], "--out", "return"];
    let back = leckwehr(at, &[&["reconnect", file], &way[..]].concat());
    assert!(
        back.status.success() && said(&back).contains("2 accept bank-main at party:rheinbogen-bank"),
        "{}",
        said(&back)
    );
    fs::write(at.join("paul.key"), "07".repeat(32)).unwrap();
    let confirm = |step| {
        leckwehr(
            at,
            &[
                "confirm",
                "return/plan.json",
                "--step",
                step,
                "--as",
                "paul",
                "--key",
                "paul.key",
                "--reason",
                "checked",
            ],
        )
    };
    assert!(confirm("2").status.success());
    let word: Value = serde_json::from_slice(&fs::read(at.join("return/paul.2.word.json")).unwrap()).unwrap();
    assert_eq!(word["word"]["word"]["step"], json!(2), "{word}");
    assert!(said(&confirm("9")).contains("LW-CONTAIN-030"));

    let told = fs::read_to_string(at.join(file)).unwrap();
    fs::write(at.join(file), told.replace("new keys", "no keys")).unwrap();
    let read = leckwehr(at, &["attestation", file]);
    assert!(
        read.status.code() == Some(1) && said(&read).contains("DOES NOT FIT"),
        "{}",
        said(&read)
    );
    assert!(said(&leckwehr(at, &[&["reconnect", file], &way[..]].concat())).contains("LW-CONTAIN-033"));
    let paper = fs::read_to_string(at.join("cut/certificate.json")).unwrap();
    fs::write(at.join("cut/certificate.json"), paper.replace("\"hours\":8", "\"hours\":1")).unwrap();
    assert!(said(&leckwehr(at, &[&attest[..], &CASE].concat())).contains("LW-CONTAIN-032"));
    let unknown = leckwehr(at, &[&["attest", "rheinbogen-bnak"], &CASE[..]].concat());
    assert!(said(&unknown).contains("LW-CONTAIN-031"));
}

/// A plan is bound to its runbook: the hash that people approve changes with it, and no other is taken.
#[test]
fn a_plan_is_bound_to_its_runbook() {
    let folder = folder();
    let at = folder.path();
    let way = "[[step]]\naction = \"snapshot\"\ntarget = \"jump-essen-1\"\ncommand.check = [\"/bin/true\"]\n";
    fs::write(at.join("runbook.toml"), way).unwrap();
    fs::write(at.join("other.toml"), way.replace("jump-essen-1", "files-essen-1")).unwrap();
    fs::write(at.join("broken.toml"), way.replace("/bin/true", "true")).unwrap();
    let plan = |runbook: &[&str]| {
        leckwehr(
            at,
            &[&["plan", "--out", "cut", "--json"], &CASE[..], &PROTOCOL, runbook].concat(),
        )
    };
    let hash = |output: &Output| serde_json::from_slice::<Value>(&output.stdout).unwrap()["plan"]["hash"].clone();
    let (alone, other) = (hash(&plan(&[])), hash(&plan(&["--runbook", "other.toml"])));
    let bound = hash(&plan(&["--runbook", "runbook.toml"]));
    assert!(bound != alone && bound != other && alone != other);
    let broken = plan(&["--runbook", "broken.toml"]);
    assert!(
        said(&broken).contains("LW-CONTAIN-029") && said(&broken).contains("absolute path"),
        "{}",
        said(&broken)
    );
    for runbook in [&[][..], &["--runbook", "other.toml"]] {
        let run = leckwehr(at, &[&["run", "cut/plan.json", "--room", "room.toml"], runbook].concat());
        assert!(said(&run).contains("LW-CONTAIN-028"), "{}", said(&run));
    }
}
