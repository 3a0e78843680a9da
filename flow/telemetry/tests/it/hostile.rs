//! Files as attackers, crashes and rotation leave them: no panic, bounded memory, a clear account.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::io::Write;
use std::path::Path;

use leckwehr_telemetry::{DAMAGED_BYTES_MAX, IntakeError, Item, RawPlace, Reader, Sheet};

fn conn(n: usize) -> String {
    format!("{{\"_path\":\"conn\",\"ts\":{n}}}\n")
}

/// Reads to the end; returns records, damaged pieces, and the error that ended it.
fn read(path: &Path) -> (usize, usize, Option<IntakeError>) {
    let (mut sheet, mut reader) = (Sheet::new(), Reader::open(path).unwrap());
    let (mut records, mut damaged) = (0, 0);
    loop {
        match reader.next(&mut sheet) {
            Ok(Item::Record) => records += 1,
            Ok(Item::Damaged(d)) => {
                assert!(d.raw.len() <= DAMAGED_BYTES_MAX && !d.reason.is_empty());
                damaged += 1;
            }
            Ok(Item::End) => return (records, damaged, None),
            Ok(_) => {}
            Err(error) => {
                let place = reader.position();
                assert_eq!(reader.next(&mut sheet).unwrap(), Item::End, "an error is told once");
                assert_eq!(reader.position(), place, "and the place stays known");
                return (records, damaged, Some(error));
            }
        }
    }
}

/// A small generator (xorshift) for garbage that is the same everywhere.
fn garbage(bytes: usize, mut seed: u64) -> Vec<u8> {
    let next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

#[test]
fn garbage_is_counted_and_named() {
    let folder = tempfile::tempdir().unwrap();
    for (name, start) in [
        ("plain", &b""[..]),
        ("evtx", b"ElfFile\0"),
        ("chunk", b"ElfChnk\0"),
        ("gz", &[0x1f, 0x8b, 8, 0]),
        ("zst", &[0x28, 0xb5, 0x2f, 0xfd]),
        ("pcap", &[0xd4, 0xc3, 0xb2, 0xa1]),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, [start, &garbage(1 << 20, 7)].concat()).unwrap();
        let (records, damaged, error) = read(&path);
        assert_eq!(records, 0, "{name}");
        assert!(damaged > 0 || error.is_some(), "{name}: nothing was told");
    }
}

#[test]
fn a_line_of_a_hundred_million_bytes_is_one_damaged_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long");
    let mut zst = zstd::Encoder::new(fs::File::create(&path).unwrap(), 1).unwrap();
    zst.write_all(conn(1).as_bytes()).unwrap();
    zst.write_all(b"{\"a\":\"").unwrap();
    for _ in 0..100 {
        zst.write_all(&[b'x'; 1 << 20]).unwrap();
    }
    zst.write_all(b"\"}\n").unwrap();
    zst.write_all(conn(2).as_bytes()).unwrap();
    zst.finish().unwrap();
    let (records, damaged, error) = read(&path);
    assert_eq!((records, damaged, error.is_none()), (2, 1, true));
}

#[test]
fn what_stands_before_the_cut_of_a_packed_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..20_000).map(conn).collect();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(text.as_bytes()).unwrap();
    for (name, packed) in [
        ("gz", gz.finish().unwrap()),
        ("zst", zstd::encode_all(text.as_bytes(), 1).unwrap()),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, &packed[..packed.len() * 3 / 4]).unwrap();
        let (records, _, error) = read(&path);
        let IntakeError::Read { offset, .. } = error.unwrap() else {
            panic!("{name}")
        };
        assert!(
            records > 1_000 && records < 20_000 && offset > 10_000,
            "{name}: {records} records, to byte {offset}"
        );
    }
}

#[test]
fn reading_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let header = "#separator \\x09\n#path\tconn\n#fields\tts\tuid\n";
    let tsv: String = (0..9).map(|n| format!("{n}\tC{n}\n")).collect();
    let json: String = (0..9).map(conn).collect();
    let packed = zstd::encode_all(json.as_bytes(), 1).unwrap();
    for (name, content) in [
        ("json", json.into_bytes()),
        ("zst", packed),
        ("tsv", format!("{header}{tsv}").into_bytes()),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let (mut sheet, mut place, mut times) = (Sheet::new(), RawPlace::default(), Vec::new());
        // One record at a time, each by a reader of its own.
        loop {
            let mut reader = Reader::open_at(&path, place).unwrap();
            let item = loop {
                match reader.next(&mut sheet).unwrap() {
                    Item::Ignored => {}
                    other => break other,
                }
            };
            if item == Item::End {
                break;
            }
            assert_eq!(item, Item::Record);
            times.push((sheet.place().record, sheet.named().text("ts").to_owned()));
            place = reader.position();
        }
        let first = if name == "tsv" { 4 } else { 1 };
        let expected: Vec<_> = (0..9).map(|n| (n + first, n.to_string())).collect();
        assert_eq!(times, expected, "{name}");
        let beyond = RawPlace {
            record: 99,
            offset: 1 << 30,
        };
        assert!(
            Reader::open_at(&path, beyond).is_err(),
            "{name}: the file is shorter than the place"
        );
    }
}

#[test]
fn a_followed_file_grows_is_rotated_and_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conn.log");
    fs::write(&path, conn(1) + "{\"_path\":\"conn\"").unwrap();
    let mut sheet = Sheet::new();
    let mut reader = Reader::follow(&path, RawPlace::default()).unwrap();
    let mut next = |reader: &mut Reader| {
        let item = reader.next(&mut sheet).unwrap();
        (item, sheet.named().text("ts").to_owned())
    };
    assert_eq!(next(&mut reader), (Item::Record, "1".into()));
    assert_eq!(next(&mut reader).0, Item::End, "a line without its end waits");
    assert_eq!(next(&mut reader).0, Item::End);
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b",\"ts\":2}\n").unwrap();
    assert_eq!(next(&mut reader), (Item::Record, "2".into()));
    // Moved away; what is written to it until the logger notices is read before the next file is.
    fs::rename(&path, folder.path().join("conn.log.1")).unwrap();
    file.write_all(conn(3).as_bytes()).unwrap();
    assert_eq!(next(&mut reader), (Item::Record, "3".into()));
    assert_eq!(next(&mut reader).0, Item::End, "the next file is not there yet");
    fs::write(&path, conn(4)).unwrap();
    assert_eq!(next(&mut reader).0, Item::Rotated);
    assert_eq!(next(&mut reader), (Item::Record, "4".into()));
    assert_eq!(reader.position().record, 2);
    // Cut and written anew, shorter.
    fs::write(&path, "").unwrap();
    assert_eq!(next(&mut reader).0, Item::Truncated);
    fs::write(&path, conn(5)).unwrap();
    assert_eq!(next(&mut reader), (Item::Record, "5".into()));
    assert_eq!(next(&mut reader).0, Item::End);
}
