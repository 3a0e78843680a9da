use leckwehr_contain::cacao::{CacaoError, import};

use crate::{Target, fingerprint};

/// CACAO v2 playbooks: what is not expressed leads to a place in the playbook.
pub const TARGET: Target = Target {
    name: "playbook",
    run,
    seeds: &[
        r#"{"type":"playbook","spec_version":"cacao-2.0","id":"playbook--1","name":"n","workflow_start":"start--1",
"workflow":{"start--1":{"type":"start","on_completion":"if-condition--1"},"if-condition--1":{"type":"if-condition",
"on_true":"action--1","on_false":"end--1"},"action--1":{"type":"action","name":"a","agent":"group--1","targets":["x"],
"commands":[{"type":"manual","command":"do","playbook_activity":"restrict-access"}],"on_completion":"end--1"},
"end--1":{"type":"end"},"a~b/c":{"type":"action"}},"agent_definitions":{"group--1":{"type":"group","name":"g"}},"signatures":[]}"#,
        r#"{"type":"playbook","spec_version":"cacao-2.0","workflow_start":"a","workflow":{"a":{"cases":{"x":["a",["b"]]}},"b":7}}"#,
    ],
    words: &[
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "null",
        "\"workflow\":",
        "\"commands\":",
        "\"on_success\":",
        "\"cases\":",
        "~",
        "/",
        "\"revoked\":false",
    ],
};

fn run(bytes: &[u8]) -> u64 {
    match import(bytes) {
        Ok(imported) => {
            let book: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
            for not in &imported.not_expressed {
                let agent = not.place.ends_with("/agent");
                assert!(agent || book.pointer(&not.place).is_some(), "{} leads nowhere", not.place);
            }
            fingerprint([
                1,
                imported.clauses.len().min(9) as u64,
                imported.not_expressed.len().min(30) as u64,
            ])
        }
        Err(CacaoError::NotJson(_)) => 2,
        Err(CacaoError::TooLong) => 3,
        Err(CacaoError::Malformed { place, .. }) => fingerprint([4, place.len() as u64]),
    }
}
