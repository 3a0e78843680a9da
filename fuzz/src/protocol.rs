use leckwehr_contain::Protocol;
use leckwehr_estate::Estate;

use crate::{Target, fingerprint};

/// The agreed protocol as TOML: read, or every mistake with a place in the text.
pub const TARGET: Target = Target {
    name: "protocol",
    run,
    seeds: &[
        r#"format = "leckwehr-protocol/1"
id = "p"
name = { de = "a", en = "b" }
version = "1"
agreed = "2026-01-12T08:00:00Z"
[approval]
alone_systems_max = 2
alone_eur_per_hour_max = 1_000
valid_minutes = 120
quiet_from = "22:00"
quiet_until = "06:00"
[caps]
systems_max = 10
connections_max = 10
eur_per_hour_max = 5_000
[person.a]
name = "a"
systems_max = 1
eur_per_hour_max = 1
deputies = ["b"]
[person.b]
name = "b"
systems_max = 1
eur_per_hour_max = 1
[clause."1"]
title = { de = "a", en = "b" }
text = { de = "a", en = "b" }
measures = ["isolate-host", "cut-connection", "power-off", "snapshot"]
applies_to = []
notice_minutes = 30
"#,
        "format = 1\n[clause]\n1 = 2\n[person.ä]\nname = [{}]\n[approval]\nquiet_from = \"24:60\"\n",
    ],
    words: &[
        "[",
        "]",
        "{",
        "}",
        "=",
        "\"",
        "'''",
        "ü",
        "[clause.\"\"]",
        "deputies",
        "signs_for",
        "-1",
        "0x7fffffffffffffff",
        "\r\n",
        "\u{0}",
    ],
};

fn run(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    match Protocol::parse("fuzz", &text, &Estate::default()) {
        Ok(protocol) => fingerprint([1, protocol.clauses.len() as u64, protocol.approval.people.len() as u64]),
        Err(errors) => {
            let lines = text.matches('\n').count() + 1;
            assert!(!errors.errors.is_empty(), "a refusal has its reasons");
            assert!(
                errors.errors.iter().all(|e| (1..=lines).contains(&e.line) && e.column > 0),
                "a mistake lies in the text"
            );
            let shapes = errors
                .errors
                .iter()
                .map(|e| e.message.split('`').step_by(2).map(str::len).sum::<usize>() as u64);
            fingerprint(shapes.take(8))
        }
    }
}
