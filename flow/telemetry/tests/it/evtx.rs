//! Event log files, held against the `evtx` crate's JSON of the same records: an oracle that we did not write.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail and say why")]

use std::fs;
use std::path::{Path, PathBuf};

use leckwehr_telemetry::{Item, Lines, Reader, Sheet};

fn logs() -> Vec<PathBuf> {
    let Some(folder) = crate::data("sigma/regression") else {
        return Vec::new();
    };
    let (mut open, mut logs) = (vec![folder], Vec::new());
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "evtx") {
                logs.push(path);
            }
        }
    }
    logs.sort();
    logs
}

/// All fields of a record in a canonical form: what both renderings show differently is made the same.
fn fields(sheet: &Sheet) -> Vec<String> {
    let plain = |name: &str, value: &str| {
        let value = value.trim_matches(['{', '}']);
        let is_time = value.len() > 20 && value.ends_with('Z') && value.as_bytes().get(10) == Some(&b'T');
        let value = if is_time {
            value.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.')
        } else {
            value
        };
        let is_guid = value.len() == 36 && value.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
        format!(
            "{name}={}",
            if is_guid {
                value.to_ascii_lowercase()
            } else {
                value.to_owned()
            }
        )
    };
    let said = sheet
        .named()
        .iter()
        .filter(|(name, value)| !value.is_empty() && !name.contains("#attributes"));
    let mut fields: Vec<String> = said.map(|(name, value)| plain(name, value)).collect();
    fields.sort();
    fields
}

fn ours(path: &Path) -> Vec<Vec<String>> {
    let (mut sheet, mut reader, mut records) = (Sheet::new(), Reader::open(path).unwrap(), Vec::new());
    loop {
        match reader.next(&mut sheet).unwrap() {
            Item::Record => records.push(fields(&sheet)),
            Item::End => return records,
            other => panic!("{}: {other:?}", path.display()),
        }
    }
}

fn theirs(path: &Path) -> Vec<Vec<String>> {
    let (mut sheet, mut lines) = (Sheet::new(), Lines::default());
    let mut parser = evtx::EvtxParser::from_path(path).unwrap();
    let settings = evtx::ParserSettings::new().indent(false);
    parser = parser.with_configuration(settings);
    let records: Vec<String> = parser.records_json().map(|r| r.unwrap().data).collect();
    let read = |json: &String| {
        lines.read(json.as_bytes(), &mut sheet).unwrap();
        fields(&sheet)
    };
    records.iter().map(read).collect()
}

#[test]
fn every_record_has_the_fields_that_the_oracle_finds() {
    let (mut records, mut differing) = (0, 0);
    for path in logs() {
        let (ours, theirs) = (ours(&path), theirs(&path));
        assert_eq!(ours.len(), theirs.len(), "{}", path.display());
        records += ours.len();
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let (missing, more): (Vec<_>, Vec<_>) = (
                theirs.iter().filter(|f| !ours.contains(f)).collect(),
                ours.iter().filter(|f| !theirs.contains(f)).collect(),
            );
            if !(missing.is_empty() && more.is_empty()) {
                differing += 1;
                println!("{}\n  missing {missing:?}\n  more {more:?}", path.display());
            }
        }
    }
    println!("{records} records of {} logs", logs().len());
    assert_eq!(differing, 0);
}
