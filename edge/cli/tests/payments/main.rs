//! Tests of the verb `payments` as its users meet it: three people, one desk, one ledger.
#![expect(clippy::unwrap_used, reason = "a test may fail and say why")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use leckwehr_crypt::SigningKey;
use leckwehr_ledger::Ledger;
use serde_json::Value;
use tempfile::TempDir;

const ORDERS: &str = "debtor_name;debtor_iban;creditor_name;creditor_iban;amount;remittance;every;first_due\n\
    BKK Beispiel;DE89370400440532013000;Ada Müller;AT611904300234573201;1234,50;Krankengeld {month}/{year};monthly;2099-01-30\n\
    BKK Beispiel;DE89370400440532013000;Klinik am See;GB29NWBK60161331926819;99,00;Rechnung;once;2099-11-10\n\
    AOK Beispiel;FR1420041010050500013M02606;Klinik am See;AT611904300234573201;10,00;Rechnung;once;2099-11-10\n";
const PERIOD: [&str; 6] = ["--orders", "orders.csv", "--from", "2099-11-01", "--to", "2099-11-30"];
const SECRETS: [&str; 5] = ["Müller", "Mueller", "Klinik", "AT61", "DE89"];

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        // The second order leaves the EEA, and lacks what that needs.
        place.write("orders.csv", ORDERS);
        let mut roster = String::new();
        for name in ["anna", "bert", "carl"] {
            let (code, key, _) = place.run(&["key", &format!("{name}.key")]);
            assert_eq!((code, key.trim().len()), (0, 64));
            roster += &format!("{name} {key}");
        }
        place.write("roster", &roster);
        assert_eq!(place.run(&["key", "desk.key"]).0, 0);
        drop(
            Ledger::create(
                &place.path("ledger"),
                "example.org/pay",
                SigningKey::from_seed(&[3; 32]).unwrap(),
            )
            .unwrap(),
        );
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Exit code, stdout, stderr.
    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leckwehr"));
        let output = command
            .current_dir(self.0.path())
            .arg("payments")
            .args(args)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        for secret in SECRETS {
            assert!(
                !stdout.contains(secret) && !stderr.contains(secret),
                "{secret} in {stdout}{stderr}"
            );
        }
        (output.status.code().unwrap(), stdout, stderr)
    }

    /// The same, at the desk and with the ledger; stdout is one JSON object.
    fn at_desk(&self, verb: &str, args: &[&str], person: Option<&str>) -> (i32, Value, String) {
        let mut all = vec![verb, "desk"];
        all.extend(args);
        all.extend(["--key", "desk.key", "--json"]);
        let key = person.map(|name| format!("{name}.key"));
        if let (Some(name), Some(key)) = (person, &key) {
            all.extend(["--roster", "roster", "--ledger", "ledger", "--as", name, "--person-key", key]);
        }
        let (code, stdout, stderr) = self.run(&all);
        (
            code,
            serde_json::from_str(stdout.lines().next().unwrap_or("null")).unwrap(),
            stderr,
        )
    }
}

#[test]
fn from_orders_to_a_released_file_and_never_again() {
    let place = Place::new();
    let (code, text, _) = place.run(&["check", "--orders", "orders.csv", "--lang", "de"]);
    assert_eq!(code, 1);
    assert!(
        text.contains("orders.csv:3: debtor_town fehlt: Zahlungen aus dem EWR"),
        "{text}"
    );
    assert!(
        text.ends_with("2 gültige Aufträge über 1244.50 EUR, 1 fehlerhaft\n"),
        "{text}"
    );

    let (code, plan, _) = place.at_desk("plan", &PERIOD, None);
    assert_eq!(
        (code, &plan["payments"], &plan["faulty"], &plan["sum_eur"]),
        (1, &2.into(), &1.into(), &"1244.50".into())
    );

    let (code, built, stderr) = place.at_desk("build", &PERIOD, Some("carl"));
    assert_eq!(code, 0, "{stderr}");
    let file = built["files"][1]["file"].as_str().unwrap();
    let release = [
        "release",
        "desk",
        &file[..10],
        "--key",
        "desk.key",
        "--roster",
        "roster",
        "--as",
        "carl",
        "--ledger",
        "ledger",
    ];
    let (code, _, stderr) = place.run(&release);
    assert!(code == 1 && stderr.contains("LW-PAY-010"), "{stderr}");
    for person in ["anna", "carl", "bert"] {
        let (code, ..) = place.at_desk("approve", &[file], Some(person));
        assert_eq!(code, 0);
    }
    let (code, text, stderr) = place.run(&release);
    assert_eq!(code, 0, "{stderr}");
    let path = path_in(&text);
    let released = fs::read_to_string(place.path(&path)).unwrap();
    assert!(released.contains("<Ustrd>Krankengeld 11/2099</Ustrd>") && released.contains("<Nm>Ada Mueller</Nm>"));
    assert!(place.run(&release).2.contains("LW-PAY-009"));

    let (code, again, _) = place.at_desk("build", &PERIOD, Some("carl"));
    assert_eq!((code, &again["payments"]), (1, &0.into()));
    let mut reasons: Vec<&str> = again["held"]
        .as_array()
        .unwrap()
        .iter()
        .map(|held| held["reason"]["why"].as_str().unwrap())
        .collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["released", "reserved"]);

    let other = built["files"][0]["file"].as_str().unwrap();
    assert_eq!(place.run(&["status", "desk", "--key", "desk.key", "--roster", "roster"]).0, 1);
    assert_eq!(place.at_desk("cancel", &[other], Some("bert")).0, 0);
    assert_eq!(place.run(&["status", "desk", "--key", "desk.key", "--lang", "de"]).0, 0);

    // Every step is in the ledger once, and nobody's name or account.
    let ledger = Ledger::open(&place.path("ledger")).unwrap();
    let facts: Vec<Value> = ledger
        .entries(0..ledger.size())
        .unwrap()
        .iter()
        .map(|bytes| serde_json::from_slice(bytes).unwrap())
        .collect();
    let stages: Vec<&str> = facts.iter().map(|fact| fact["what"]["stage"].as_str().unwrap()).collect();
    assert_eq!(
        stages,
        [
            "built",
            "built",
            "approved",
            "approved",
            "approved",
            "releasing",
            "released",
            "cancelled"
        ]
    );
    let all = serde_json::to_string(&facts).unwrap();
    assert!(!SECRETS.iter().any(|secret| all.contains(secret)));
}

fn path_in(text: &str) -> String {
    text.trim().strip_prefix("released: ").unwrap().to_owned()
}

#[test]
fn what_cannot_be_done_says_why_with_a_code() {
    let place = Place::new();
    place.write("bad.xml", "<!DOCTYPE a [<!ENTITY a \"b\">]><a/>");
    place.write("other.key", &"7".repeat(64));
    let code = |args: &[&str]| {
        let (code, _, stderr) = place.run(args);
        assert_eq!(code, 2, "{stderr}");
        stderr.split(['[', ']']).nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(code(&["check", "--orders", "bad.xml"]), "LW-PAY-022");
    assert_eq!(code(&["check", "--orders", "none.csv"]), "LW-PAY-021");
    assert_eq!(
        code(&["check", "--orders", "orders.csv", "--expect-count", "4"]),
        "LW-PAY-026"
    );
    assert_eq!(
        code(&["check", "--orders", "orders.csv", "--expect-sum", "1244.50"]),
        "LW-PAY-026"
    );
    assert_eq!(code(&["key", "desk.key"]), "LW-PAY-023");
    assert_eq!(code(&["status", "desk", "--key", "roster"]), "LW-PAY-023");
    assert_eq!(place.run(&["status", "desk", "--key", "desk.key"]).0, 0);
    assert_eq!(code(&["status", "desk", "--key", "other.key"]), "LW-PAY-003");
    assert_eq!(
        code(&["status", "desk", "--key", "desk.key", "--ledger", "none"]),
        "LW-PAY-025"
    );
    let plan = |more: &[&str]| code(&[&["plan", "desk", "--key", "desk.key", "--orders", "orders.csv"], more].concat());
    assert_eq!(plan(&["--from", "2099-11-02", "--to", "2099-11-01"]), "LW-PAY-024");
    assert_eq!(
        plan(&["--from", "2099-11-01", "--to", "2099-11-02", "--pay-like", "x"]),
        "LW-PAY-027"
    );
}
