//! A takedown from the plan to its undoing with the program as it is: a guard on a real kernel, two approvers, a crew and a runbook.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

const ESTATE: &str = r#"
name = "Office"
[site.north]
town = "Nordstadt"
[party.provider]
kind = "provider"
[party.vendor]
kind = "third-party"
[zone.office]
site = "north"
party = "provider"
network = "10.0.1.0/24"
guard = "guard-a"
[zone.vendor-net]
party = "vendor"
network = "192.0.2.0/24"
[crew.desk]
size = 2
out_of_band = "satellite phone 1"
reach_hours = 1
[system.ws-1]
kind = "workstation"
zone = "office"
address = "10.0.1.2"
crew = "desk"
[system.fs-1]
kind = "file-server"
zone = "office"
address = "10.0.1.3"
crew = "desk"
"#;

const PROTOCOL: &str = r#"
format = "leckwehr-protocol/1"
id = "office"
name = { de = "Protokoll", en = "Protocol" }
version = "1"
agreed = "2026-01-12T08:00:00Z"
expected_hours = 8
[approval]
alone_systems_max = 0
alone_eur_per_hour_max = 0
valid_minutes = 360
[caps]
systems_max = 10
connections_max = 10
eur_per_hour_max = 5000
[person.anna]
name = "Anna"
systems_max = 10
eur_per_hour_max = 5000
[person.bert]
name = "Bert"
systems_max = 10
eur_per_hour_max = 5000
[clause."1"]
title = { de = "Trennen", en = "Cut" }
text = { de = "Sofort.", en = "At once." }
measures = ["isolate-host", "cut-connection"]
minutes = 10
[clause."2"]
title = { de = "Beweise", en = "Evidence" }
text = { de = "Der Speicher wird gesichert.", en = "The memory is kept." }
measures = ["capture-memory"]
applies_to = ["ws-1"]
minutes = 60
[clause."3"]
title = { de = "Abschalten", en = "Switch off" }
text = { de = "Danach.", en = "Afterwards." }
measures = ["power-off"]
applies_to = ["ws-1"]
minutes = 10
"#;

const RUNBOOK: &str = r#"
[[step]]
action = "power-off"
target = "ws-1"
command.check = ["/usr/bin/test", "-e", "FOLDER/off"]
command.act = ["/usr/bin/touch", "FOLDER/off"]
command.undo = ["/usr/bin/rm", "FOLDER/off"]
"#;

/// What people do, one after the other; what it says is looked at below.
const SCRIPT: &str = r#"
ip link set lo up
for n in 1 2; do ip link add h$n type veth peer name p$n; ip link set h$n up; done
guard() { $L guard run --config guard.toml > guard.log 2>&1 & pid=$!
  for i in $(seq 100); do grep -q 7443 guard.log && return; sleep 0.1; done; cat guard.log; exit 9; }
cut() { nft list ruleset | grep -c '"h[12]"' || true; }
trap 'kill $pid' EXIT
guard
$L takedown plan --estate estate --impact impact.json --protocol protocol.toml --runbook runbook.toml --out . > plan.txt
echo "dry: $($L takedown run plan.json --room room.toml --runbook runbook.toml --dry-run)"
$L takedown run plan.json --room room.toml --runbook runbook.toml || echo "unapproved: $?; cut: $(cut)"
for who in anna bert; do $L takedown approve plan.json --as $who --key keys/$who.approver > /dev/null 2>&1; done
$L takedown run plan.json --room room.toml --runbook runbook.toml --approval anna.approval.json --approval bert.approval.json || echo "first: $?"
echo "cut after the first: $(cut)"
kill -9 $pid; wait $pid || true
guard
echo "cut after the guard was killed: $(cut)"
$L takedown confirm plan.json --step 3 --as carla --key carla.key --reason "image 17 is in the vault" --out room/words/carla.json > /dev/null 2>&1
echo "not json" > room/words/broken.json
$L takedown resume --room room.toml --runbook runbook.toml && echo "resumed: $?; off: $(ls off); words: $(ls room/words)"
$L takedown attest vendor --estate estate --ledger room/ledger --impact impact.json > /dev/null 2>&1 || echo "attest: $?"
for who in anna bert; do $L takedown approve plan.json --undo --as $who --key keys/$who.approver --out $who.undo.json > /dev/null 2>&1; done
hash=$(sed -n 's/.*"hash": "\([0-9a-f]*\)".*/\1/p' plan.json)
$L takedown undo $hash --room room.toml --runbook runbook.toml --approval anna.undo.json --reason alone || echo "undo by one: $?; cut: $(cut)"
$L takedown undo $hash --room room.toml --runbook runbook.toml --approval anna.undo.json --approval bert.undo.json --reason "false alarm" || echo "undone: $?"
echo "cut in the end: $(cut); off: $(ls off 2>&1)"
"#;

fn write(folder: &Path, name: &str, text: &str) {
    fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
    fs::write(folder.join(name), text).unwrap();
}

fn public_key(seed: &str) -> String {
    let seed: [u8; 32] = leckwehr_crypt::from_hex(seed.trim()).unwrap().try_into().unwrap();
    let key = leckwehr_crypt::SigningKey::from_seed(&seed).unwrap();
    leckwehr_crypt::hex(key.verifying_key().as_bytes())
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a test that needs tools says whether they may be missing"
)]
fn a_takedown_is_carried_out_resumed_and_undone_at_a_real_guard() {
    let works = |program: &str, args: &[&str]| Command::new(program).args(args).output().is_ok_and(|o| o.status.success());
    if !(works("unshare", &["-Urnm", "true"]) && works("ip", &["-V"]) && works("nft", &["-v"])) {
        assert!(std::env::var("LECKWEHR_REQUIRE_TOOLS").is_err(), "needs unshare, ip and nft");
        println!("skipped: needs unshare (with user namespaces), ip and nft");
        return;
    }
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    let leckwehr = env!("CARGO_BIN_EXE_leckwehr");
    let mut keys = Command::new(leckwehr);
    keys.args([
        "guard",
        "keys",
        "--guard",
        "guard-a",
        "--approver",
        "anna",
        "--approver",
        "bert",
        "--json",
        "--into",
    ]);
    let made = keys.arg(at.join("keys")).output().unwrap();
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let approvers = ["anna", "bert"]
        .map(|who| format!("{who} = {}\n", made["approvers"][who]))
        .concat();
    write(at, "estate/estate.toml", ESTATE);
    write(at, "protocol.toml", PROTOCOL);
    write(at, "runbook.toml", &RUNBOOK.replace("FOLDER", &at.display().to_string()));
    write(at, "carla.key", &"07".repeat(32));
    let host = |system: &str| json!({ "system": system, "tier": "proven", "since": null, "via": null, "reasons": [] });
    let impact = json!({
        "window": null, "hosts": [host("ws-1"), host("fs-1")], "credentials": [], "hops": [], "outside": [], "bytes_out_max": 0,
        "exits_unobserved": [], "coverage": [], "unknowns": []
    });
    write(at, "impact.json", &json!({ "impact": impact }).to_string());
    write(
        at,
        "guard.toml",
        &format!(
            "name = \"guard-a\"\nfolder = \"guard\"\nlisten = \"127.0.0.1:7443\"\ncertificate = \"keys/guard-a.pem\"\n\
             key = \"keys/guard-a.key\"\nroot = \"keys/root.pem\"\ncontrol-room = {}\n[approvers]\n{approvers}\
             [management]\nrooms = [\"127.0.0.1\"]\n[compartments]\nws-1 = {{ interfaces = [\"h1\"] }}\nfs-1 = {{ interfaces = [\"h2\"] }}\n",
            made["control-room"]
        ),
    );
    write(
        at,
        "room.toml",
        &format!(
            "estate = \"estate\"\nprotocol = \"protocol.toml\"\nfolder = \"room\"\nseed = \"keys/control-room.seed\"\n\
             root = \"keys/root.pem\"\ncertificate = \"keys/control-room.pem\"\nkey = \"keys/control-room.key\"\n\
             [executors]\nguard-a = \"127.0.0.1:7443\"\n[approvers]\n{approvers}[[confirmer]]\nname = \"carla\"\nkey = \"{}\"\n\
             for = [\"crew:desk\"]\n",
            public_key(&"07".repeat(32))
        ),
    );
    let mut script = Command::new("unshare");
    script.args(["-Urnm", "sh", "-ec", SCRIPT]).current_dir(at).env("L", leckwehr);
    let output = script.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    for part in [
        "dry: nothing is in the way; nothing was changed",
        "unapproved: 1; cut: 0",
        "step 3 for crew:desk",
        "first: 1",
        "cut after the first: 4",
        "cut after the guard was killed: 4",
        "resumed: 0; off: off; words: broken.unreadable\ncarla.taken",
        "attest: 1",
        "undo by one: 1; cut: 4",
        "it was done by hand: undo it by hand",
        "undone: 1",
        "cut in the end: 0; off: ls: cannot access 'off'",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}
