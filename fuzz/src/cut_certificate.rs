use leckwehr_contain::check_cut;
use leckwehr_crypt::{hex, sha256};
use serde_json::Value;

use crate::{Target, fingerprint};

/// The estate that certificates are tried against: `a` and `b` in one zone, `c` protected in another, one connection.
const ESTATE: &str = r#"{"systems":{"a":{"zone":"x","kind":"Hypervisor","needs":[]},"b":{"zone":"x","kind":"Application",
"needs":[{"any_of":["a"]}]},"c":{"zone":"y","kind":"Application","needs":[]}},"zones":{"x":{"party":"p","guard":"g"},
"y":{"party":"p","guard":"g","protected":true}},"parties":{"p":{"kind":"Provider"}},"services":{"s":{"vital":true,
"harm_eur_per_hour":5,"needs":[{"any_of":["c"]}]}},"connections":{"k":{"from":"x","to":"y","switch":{"guard":"g","breaks":[]}}}}"#;

/// Certificates of a cheapest cut: each is bound to the estate and sealed first, so that its content is reached.
pub const TARGET: Target = Target {
    name: "cut_certificate",
    run,
    seeds: &[
        r#"{"policy":{"hours":8,"switching-eur":50,"manual-eur":0,"eur-per-insurer":0,"eur-per-1000-insured":0,"spare-vital":true,
"life-lines":[]},"sources":["b"],"targets":["c","zone:y"],"value":50,"cut":[{"switch":"connection:k","weight":50}],
"flow":[["attacker","b",50],["b","b>",50],["b>","b/out",50],["b/out","b/out>",50],["b/out>","zone:x",50],["zone:x","zone:x>",50],
["zone:x>","zone:y",50],["zone:y","zone:y>",50],["zone:y>","protected",50]]}"#,
        r#"{"policy":{"hours":18446744073709551615,"switching-eur":1,"manual-eur":1,"eur-per-insurer":1,"eur-per-1000-insured":1},
"sources":["outside","a"],"targets":["c","zone:y"],"value":0,"cut":[],"flow":[]}"#,
    ],
    words: &[
        "\"attacker\"",
        "\"protected\"",
        "zone:x",
        "/in",
        "/out>",
        ">",
        "50",
        "18446744073709551615",
        "-1",
        "[",
        "]",
        ",",
        "\"life-lines\":[\"k\"]",
        "null",
    ],
};

fn run(bytes: &[u8]) -> u64 {
    let Ok(Value::Object(mut paper)) = serde_json::from_slice(bytes) else {
        return 1;
    };
    paper.insert("format".into(), "leckwehr-cut/1".into());
    paper.insert("estate-sha256".into(), hex(&sha256(ESTATE.as_bytes())).into());
    paper.insert("seal".into(), "".into());
    let blank = Value::Object(paper.clone()).to_string();
    paper.insert("seal".into(), hex(&sha256(blank.as_bytes())).into());
    match check_cut(Value::Object(paper).to_string().as_bytes(), ESTATE.as_bytes(), None, None) {
        Ok(checked) => fingerprint([2, checked.value, checked.switches as u64]),
        Err(refusal) => fingerprint(refusal.why.bytes().map(u64::from)),
    }
}
