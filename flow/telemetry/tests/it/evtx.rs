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
        // Exports have microseconds, trailing zeros left out.
        let value = if is_time {
            value[..26.min(value.len() - 1)].trim_end_matches('0').trim_end_matches('.')
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

/// The regression set has its records as indented JSON too, of a few logs several in one file.
#[test]
fn records_exported_as_indented_json_are_all_read() {
    let mut compared = 0;
    for path in logs() {
        let json = path.with_extension("json");
        if !json.exists() {
            continue;
        }
        let (ours, exported) = (ours(&path), ours(&json));
        // Some exports were made elsewhere and differ in details; the records are the same.
        let ids = |records: &[Vec<String>]| -> Vec<String> {
            let id = |fields: &Vec<String>| fields.iter().find(|f| f.starts_with("EventRecordID=")).cloned();
            records.iter().filter_map(id).collect()
        };
        assert_eq!(ids(&ours), ids(&exported), "{}", json.display());
        compared += ours.len();
    }
    assert!(compared > 90 || logs().is_empty(), "{compared}");
}

/// Reads a log from memory; returns the ids of its records and the reasons of what is damaged.
fn told(log: Vec<u8>) -> (Vec<String>, Vec<&'static str>) {
    let (mut sheet, mut reader) = (Sheet::new(), Reader::over("log", std::io::Cursor::new(log)).unwrap());
    let (mut ids, mut reasons) = (Vec::new(), Vec::new());
    loop {
        match reader.next(&mut sheet).unwrap() {
            Item::Record => ids.push(sheet.named().text("EventRecordID").to_owned()),
            Item::Damaged(damaged) => reasons.push(damaged.reason),
            Item::End => return (ids, reasons),
            other => panic!("{other:?}"),
        }
    }
}

/// Logs of one record per chunk, joined to one of many chunks.
fn joined() -> Option<Vec<u8>> {
    let logs: Vec<Vec<u8>> = logs().iter().take(6).map(|path| fs::read(path).unwrap()).collect();
    let header = logs.first()?.get(..4096)?.to_vec();
    Some(logs.iter().fold(header, |mut all, log| {
        all.extend_from_slice(&log[4096..]);
        all
    }))
}

#[test]
fn a_damaged_chunk_costs_no_other_one() {
    let Some(whole) = joined() else { return };
    let chunk = |n: usize| 4096 + n * 65_536;
    let (ids, reasons) = told(whole.clone());
    assert!(ids.len() >= 6 && reasons.is_empty(), "{ids:?} {reasons:?}");

    let mut log = whole.clone();
    log[chunk(1)..chunk(1) + 8].fill(0xee);
    let (found, reasons) = told(log);
    assert_eq!(found, ids, "records of a chunk without header are searched for");
    assert_eq!(reasons.len(), 1);

    let mut log = whole.clone();
    log[chunk(2) + 512..chunk(2) + 520].fill(0xee);
    let (found, reasons) = told(log);
    assert_eq!(found.len() + 1, ids.len());
    assert!(
        reasons[0].contains("checksum") && reasons[1].contains("no whole record"),
        "{reasons:?}"
    );

    let mut log = whole.clone();
    log[chunk(3) + 600..chunk(3) + 700].fill(0x1f);
    let (found, reasons) = told(log);
    assert!(found.len() >= ids.len() - 1 && !reasons.is_empty(), "{found:?} {reasons:?}");

    let (found, reasons) = told(whole[..chunk(5) + 40_000].to_vec());
    assert_eq!((found.len(), reasons), (ids.len(), vec!["the file ends within a chunk"]));
    let (found, _) = told(whole[..chunk(5) + 700].to_vec());
    assert_eq!(found, ids[..found.len()], "what is cut off is missing, nothing else");

    // Carved out of memory or a disk: chunks without a file around them.
    assert_eq!(told(whole[4096..].to_vec()).0, ids);
}

#[test]
fn every_flipped_byte_is_survived() {
    let Some(whole) = joined() else { return };
    let log = &whole[4096..4096 + 65_536];
    for at in (0..6_000).step_by(7) {
        for flip in [0x01, 0x80, 0xff] {
            let mut log = log.to_vec();
            log[at] ^= flip;
            let (ids, reasons) = told(log);
            assert!(ids.len() + reasons.len() <= 64);
        }
    }
}

#[test]
fn reading_goes_on_within_a_log() {
    let Some(whole) = joined() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("joined.evtx");
    fs::write(&path, &whole).unwrap();
    let (expected, _) = told(whole);
    let (mut sheet, mut place, mut ids) = (Sheet::new(), leckwehr_telemetry::RawPlace::default(), Vec::new());
    loop {
        let mut reader = Reader::open_at(&path, place).unwrap();
        match reader.next(&mut sheet).unwrap() {
            Item::Record => ids.push(sheet.named().text("EventRecordID").to_owned()),
            Item::End => break,
            other => panic!("{other:?}"),
        }
        assert_eq!(sheet.place().record as usize, ids.len());
        assert!(reader.raw(&sheet).starts_with(b"**\0\0"));
        place = reader.position();
    }
    assert_eq!(ids, expected);
}
