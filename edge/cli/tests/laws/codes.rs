use std::collections::{BTreeMap, BTreeSet};

use crate::{Text, assert_none, in_rooms, read};

/// Finds every code, such as the seventh of the room `contain`: `LW`, the room in capitals, three digits.
fn codes(text: &str) -> BTreeSet<&str> {
    let starts = text.match_indices("LW-").map(|(start, _)| start);
    starts.filter_map(|start| code(&text[start..])).collect()
}

fn code(text: &str) -> Option<&str> {
    let room = text["LW-".len()..].bytes().take_while(u8::is_ascii_uppercase).count();
    let dash = "LW-".len() + room;
    let digits = text.get(dash + 1..dash + 4)?;
    let fits = room > 0 && text[dash..].starts_with('-') && digits.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| &text[..dash + 4])
}

/// The tables of `docs/errors.md`: code → its places, and what is wrong with them.
fn table(errors: &Text) -> (BTreeSet<String>, Vec<String>) {
    let mut faults = Vec::new();
    let mut rows: BTreeMap<String, String> = BTreeMap::new();
    let mut heading = String::new();
    for (place, line) in errors.lines() {
        if let Some(room) = line.strip_prefix("## ") {
            heading = room.trim().to_uppercase();
        }
        let Some(code) = line.strip_prefix("| `").and_then(|row| row.split('`').next()) else {
            continue;
        };
        if !code.starts_with(&format!("LW-{heading}-")) || codes(code).len() != 1 {
            faults.push(format!("{place}: {code} is not a code of {heading}"));
        }
        if line.split('|').filter(|cell| !cell.trim().is_empty()).count() != 3 {
            faults.push(format!("{place}: {code} wants a meaning and a remedy"));
        }
        if let Some(before) = rows.insert(code.to_owned(), place.clone()) {
            faults.push(format!("{place}: {code} has a meaning at {before} already"));
        }
    }
    (rows.into_keys().collect(), faults)
}

fn differences(sources: &[Text], errors: &Text) -> Vec<String> {
    let (listed, mut faults) = table(errors);
    let mut used = BTreeSet::new();
    for source in sources {
        for (place, line) in source.lines() {
            for code in codes(line) {
                used.insert(code.to_owned());
                if !listed.contains(code) {
                    faults.push(format!("{place}: {code} is not in {}", errors.path));
                }
            }
        }
    }
    let unused = listed.difference(&used);
    faults.extend(unused.map(|code| format!("{}: {code} is used nowhere", errors.path)));
    faults
}

#[test]
fn every_code_is_listed_and_every_listed_code_is_used() {
    let mut sources = in_rooms(".rs");
    sources.retain(|source| !source.path.ends_with("laws/codes.rs"));
    assert_none("error codes", &differences(&sources, &read("docs/errors.md")));
}

#[test]
fn an_unlisted_an_unused_and_a_doubled_code_are_found() {
    let text = |path: &str, text: &str| Text {
        path: path.into(),
        text: text.into(),
    };
    let source = text("a.rs", "\"LW-ROOM-001\", LW-ROOM-002 LW-ROOM-02 LW--003");
    let errors =
        "## room\n| `LW-ROOM-001` | a | b |\n| `LW-ROOM-003` | a | b |\n| `LW-ROOM-001` | c | d |\n| `LW-DOOR-001` | a |";
    let faults = differences(&[source], &text("errors.md", errors));
    assert_eq!(
        faults,
        [
            "errors.md:4: LW-ROOM-001 has a meaning at errors.md:2 already",
            "errors.md:5: LW-DOOR-001 is not a code of ROOM",
            "errors.md:5: LW-DOOR-001 wants a meaning and a remedy",
            "a.rs:1: LW-ROOM-002 is not in errors.md",
            "errors.md: LW-DOOR-001 is used nowhere",
            "errors.md: LW-ROOM-003 is used nowhere",
        ]
    );
}
