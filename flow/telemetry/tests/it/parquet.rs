//! Events as Parquet: columns by name, nulls, raw fields, several row groups.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;

use leckwehr_telemetry::{EventWriter, Events, GROUP_EVENTS, Intake};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};

fn events() -> Events {
    let mut intake = Intake::new();
    for line in [
        r#"{"@timestamp":"2023-04-25T05:12:09.123456789+02:00","agent":{"id":"sensor-1"},"host":{"name":"fs-1"},"event":{"sequence":1,"category":["authentication"],"action":"logon","outcome":"failure"},"source":{"ip":"10.1.2.3","port":4711},"user":{"name":"adm"},"tags":["a","b"]}"#,
        r#"{"_path":"dns","ts":1588206809.5,"id.orig_h":"10.0.1.4","id.orig_p":60775,"id.resp_h":"10.0.1.6","id.resp_p":53,"query":"example.org"}"#,
        r#"{"EventID":1,"Channel":"Microsoft-Windows-Sysmon/Operational","Hostname":"ws-1","UtcTime":"2020-06-10 02:50:57.551","CommandLine":"cmd /c whoami","User":"D\\bob"}"#,
    ] {
        intake.push_line("stream-1", line.as_bytes());
    }
    intake.take()
}

fn rows(bytes: Vec<u8>) -> (usize, Vec<Row>) {
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
    let groups = reader.num_row_groups();
    (groups, reader.get_row_iter(None).unwrap().map(Result::unwrap).collect())
}

/// Dotted paths with the values that are not null.
fn flat(row: &Row) -> BTreeMap<String, String> {
    fn add(path: &str, field: &Field, into: &mut BTreeMap<String, String>) {
        match field {
            Field::Null => {}
            Field::Group(row) => row
                .get_column_iter()
                .for_each(|(name, field)| add(&format!("{path}.{name}"), field, into)),
            Field::Str(text) => drop(into.insert(path.to_owned(), text.clone())),
            other => drop(into.insert(path.to_owned(), other.to_string())),
        }
    }
    let mut flat = BTreeMap::new();
    row.get_column_iter().for_each(|(name, field)| add(name, field, &mut flat));
    flat
}

#[test]
fn a_written_event_has_the_schemas_names() {
    let mut writer = EventWriter::new(Vec::new()).unwrap();
    writer.push(&events()).unwrap();
    let (_, rows) = rows(writer.finish().unwrap());
    let [logon, dns, process] = &rows.iter().map(flat).collect::<Vec<_>>()[..] else {
        panic!("three rows")
    };
    for (row, path, expected) in [
        (logon, "class_uid", "3002"),
        (logon, "category_uid", "3"),
        (logon, "type_uid", "300201"),
        (logon, "status_id", "2"),
        (logon, "timezone_offset", "120"),
        (logon, "src_endpoint.ip", "10.1.2.3"),
        (logon, "src_endpoint.port", "4711"),
        (logon, "actor.user.name", "adm"),
        (logon, "device.hostname", "fs-1"),
        (logon, "metadata.product.name", "leckwehr"),
        (logon, "metadata.log_provider", "sensor-1"),
        (logon, "raw.source", "stream-1"),
        (logon, "raw.record", "1"),
        (logon, "raw.offset", "0"),
        (dns, "class_uid", "4003"),
        (dns, "query.hostname", "example.org"),
        (dns, "dst_endpoint.port", "53"),
        (dns, "raw.record", "2"),
        (process, "process.cmd_line", "cmd /c whoami"),
        (process, "metadata.log_name", "sysmon"),
        (process, "actor.user.name", "bob"),
    ] {
        assert_eq!(row.get(path).map(String::as_str), Some(expected), "{path} of {row:?}");
    }
    assert!(
        !dns.contains_key("actor.user.name") && !process.contains_key("src_endpoint.ip"),
        "what is not said is null"
    );
    assert!(
        logon["unmapped"].contains("tags#2") && logon["unmapped"].contains("event.sequence"),
        "{}",
        logon["unmapped"]
    );
}

#[test]
fn many_events_are_written_in_groups() {
    let (three, mut writer) = (events(), EventWriter::new(Vec::new()).unwrap());
    let mut pushed = 0;
    while pushed < GROUP_EVENTS + 10 {
        writer.push(&three).unwrap();
        pushed += three.len();
    }
    let (groups, rows) = rows(writer.finish().unwrap());
    assert_eq!((groups, rows.len()), (2, pushed));
    let empty = EventWriter::new(Vec::new()).unwrap().finish().unwrap();
    assert_eq!(self::rows(empty).1.len(), 0);
}
