//! Loading: every format gives the same contacts, every damage is named, nothing is lost without being counted.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use leckwehr_estate::Estate;
use leckwehr_incident::Timestamp;
use leckwehr_telemetry::Intake;
use leckwehr_trace::load::{
    ContactChunk, ContactWriter, Credentials, GROUP_ROWS, LoadAccount, LoadError, LoadOptions, Loaded, ParquetContacts, Refusal,
    contacts_of_events, load_contacts, write_contacts,
};
use leckwehr_trace::{Closure, Contact, Contacts, forward};
use proptest::prelude::*;
use tempfile::TempDir;

const T0: i64 = 1_682_388_000_000_000_000;
const SECOND: i64 = 1_000_000_000;

fn hosts_only() -> LoadOptions<'static> {
    with(Credentials::Hosts)
}

fn with(credentials: Credentials) -> LoadOptions<'static> {
    LoadOptions {
        credentials,
        ..LoadOptions::default()
    }
}

fn load(paths: &[PathBuf], options: &LoadOptions<'_>) -> Result<Loaded, LoadError> {
    let loaded = load_contacts(paths, options, &mut |_, _| {});
    if let Ok(loaded) = &loaded {
        assert_counted(&loaded.account);
    }
    loaded
}

/// Nothing is dropped silently.
fn assert_counted(account: &LoadAccount) {
    assert_eq!(account.read, account.kept + account.refused(), "{account:?}");
    assert_eq!(account.read, account.files.iter().map(|f| f.read).sum::<u64>(), "{account:?}");
}

fn write(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    path
}

fn csv(contacts: &[Contact]) -> String {
    let line = |c: &Contact| format!("{},{},{}\n", c.at, c.from, c.to);
    "time,from,to\n".to_owned() + &contacts.iter().map(line).collect::<String>()
}

fn parquet(contacts: &[Contact]) -> Vec<u8> {
    write_contacts(Vec::new(), &contacts.iter().copied().collect()).unwrap()
}

fn few() -> Vec<Contact> {
    let contact = |second: i64, from, to| Contact {
        at: T0 + second * SECOND,
        from,
        to,
    };
    vec![contact(1, 1, 2), contact(2, 2, 30), contact(2, 30, 4), contact(5, 4, 1)]
}

/// Node numbers of the file, which the names carry.
fn named(loaded: &Loaded) -> Vec<(i64, String, String)> {
    let text = |node| loaded.names.text(node);
    loaded.contacts.iter().map(|c| (c.at, text(c.from), text(c.to))).collect()
}

fn reasons(account: &LoadAccount) -> Vec<(Refusal, u64, u64)> {
    let first = |places: &[leckwehr_trace::load::RefusedPlace]| places.first().map_or(0, |p| p.row);
    account
        .refused
        .iter()
        .map(|(reason, r)| (*reason, r.records, first(&r.places)))
        .collect()
}

#[test]
fn a_csv_file_gives_contacts_with_names_and_places() {
    let folder = TempDir::new().unwrap();
    let text = "\u{feff}to,extra,time,from,account\r\n\"fs-1\",\"a, \"\"b\"\"\",2023-04-25T02:00:01Z,ws-7,ann\r\n\r\n\
                db-1,,1682388002000000000,fs-1,\r\n";
    let path = write(&folder, "a.csv", text);
    let loaded = load(std::slice::from_ref(&path), &hosts_only()).unwrap();
    let wanted = [(T0 + SECOND, "ws-7", "fs-1"), (T0 + 2 * SECOND, "fs-1", "db-1")];
    assert_eq!(
        named(&loaded),
        wanted.map(|(at, from, to)| (at, from.to_owned(), to.to_owned()))
    );
    assert_eq!(loaded.names.hosts().collect::<Vec<_>>(), ["db-1", "fs-1", "ws-7"]);
    assert_eq!(loaded.place(1), Some((path.to_str().unwrap(), 4)));
    assert_eq!((loaded.account.kept, loaded.account.beside), (2, 1));
    assert_eq!(loaded.account.coverage(), Some(1.0));
}

#[test]
fn damaged_lines_are_refused_one_by_one_with_reason_and_place() {
    let folder = TempDir::new().unwrap();
    let long = "x".repeat(leckwehr_telemetry::LINE_BYTES_MAX + 1);
    let text = format!(
        "time,from,to\n{T0},a,b\nyesterday,a,b\n3,a,b\n{},a,b\n{T0},,b\n{T0},a\n{T0},\"a,b\n{T0},{long},b\n{},b,c\n{T0},b,a",
        T0 + 2 * 86_400 * SECOND,
        T0 + SECOND
    );
    let mut text = text.into_bytes();
    text.extend_from_slice(b"\n1682388000000000000,\xff,b\n");
    let options = LoadOptions {
        now: Some(Timestamp(T0)),
        ..hosts_only()
    };
    let account = load(&[write(&folder, "a.csv", text)], &options).unwrap().account;
    let wanted = [
        (Refusal::NoTime, 1, 3),
        (Refusal::TooEarly, 1, 4),
        (Refusal::TooLate, 1, 5),
        (Refusal::NoHost, 1, 6),
        (Refusal::LineTooLong, 1, 9),
        (Refusal::Fields, 2, 7),
        (Refusal::Encoding, 1, 12),
    ];
    assert_eq!(reasons(&account), wanted);
    assert_eq!((account.read, account.kept, account.unsorted), (11, 3, 1));
    assert_eq!(account.coverage(), Some(3.0 / 11.0));
    assert!(
        account.warnings().iter().any(|w| w.contains("row 7")),
        "{:?}",
        account.warnings()
    );
}

#[test]
fn zeek_logs_give_answered_connections() {
    let folder = TempDir::new().unwrap();
    let text = "#separator \\x09\n#path\tconn\n#fields\tts\tid.orig_h\tid.resp_h\tduration\tresp_bytes\n\
                1682388001.500000\t10.0.0.1\t10.0.0.2\t1.5\t20\n1682388002.000000\t10.0.0.1\t10.0.0.3\t-\t0\n\
                1682388003.000000\t10.0.0.2\t10.0.0.3\t-1.0\t5\n1682388004.000000\t10.0.0.2\t-\t1.0\t5\nhalf\ta line\n\
                #path\tdns\n1682388004.000000\t10.0.0.2\t10.0.0.9\t1.0\t5\n";
    let loaded = load(&[write(&folder, "conn.log", text)], &hosts_only()).unwrap();
    assert_eq!(
        named(&loaded),
        [(T0 + 1_500_000_000, "10.0.0.1".to_owned(), "10.0.0.2".to_owned())]
    );
    let wanted = [
        (Refusal::EndsBeforeItBegins, 1, 6),
        (Refusal::NoHost, 1, 7),
        (Refusal::Fields, 1, 8),
    ];
    assert_eq!(reasons(&loaded.account), wanted);
    assert_eq!(loaded.account.beside, 6);
}

#[test]
fn zeek_json_gives_the_same_as_zeek_text() {
    let folder = TempDir::new().unwrap();
    let json = "{\"_path\":\"conn\",\"ts\":1682388001.5,\"id.orig_h\":\"10.0.0.1\",\"id.resp_h\":\"10.0.0.2\",\"resp_bytes\":20}\n\
                {\"_path\":\"conn\",\"ts\":1682388002.5,\"id.ori\n";
    let text = "#path\tconn\n#fields\tts\tid.orig_h\tid.resp_h\tresp_bytes\n1682388001.500000\t10.0.0.1\t10.0.0.2\t20\n";
    let paths = [write(&folder, "conn.json", json), write(&folder, "conn.log", text)];
    let [json, text] = paths.map(|path| load(&[path], &hosts_only()).unwrap());
    assert_eq!(json.contacts, text.contacts);
    assert_eq!(json.names, text.names);
    assert_eq!(json.place(0).unwrap().1, 1);
    assert_eq!(reasons(&json.account), [(Refusal::Record, 1, 2)]);
}

#[test]
fn windows_events_give_sessions_and_switches() {
    let mut intake = Intake::new();
    let lines = [
        r#"{"EventID":4624,"Channel":"Security","Hostname":"fs","RecordNumber":1,"TimeCreated":"2023-04-25T02:00:01Z","TargetUserName":"ann","IpAddress":"10.0.0.7","LogonType":"3"}"#,
        r#"{"EventID":4648,"Channel":"Security","Hostname":"fs","RecordNumber":2,"TimeCreated":"2023-04-25T02:00:02Z","SubjectUserName":"ann","TargetUserName":"bob","TargetServerName":"localhost"}"#,
        r#"{"EventID":4648,"Channel":"Security","Hostname":"fs","RecordNumber":3,"TimeCreated":"2023-04-25T02:00:03Z","SubjectUserName":"bob","TargetUserName":"adm","TargetServerName":"db"}"#,
    ];
    for line in lines {
        intake.push_line("dc.json", line.as_bytes());
    }
    let events = intake.take();
    let loaded = contacts_of_events(&events, &with(Credentials::Narrow)).unwrap();
    let steps: Vec<_> = named(&loaded).into_iter().map(|(_, from, to)| (from, to)).collect();
    let wanted = [("ann@10.0.0.7", "ann@fs"), ("ann@fs", "bob@fs"), ("bob@fs", "adm@db")];
    assert_eq!(steps, wanted.map(|(a, b)| (a.to_owned(), b.to_owned())));
}

/// The example in the description of [`Credentials`].
#[test]
fn wide_takes_what_is_in_use_and_narrow_follows_the_session() {
    let folder = TempDir::new().unwrap();
    let text = format!(
        "time,from,to,account\n{},ws,fs,ann\n{},fs,db,bob\n",
        T0 + SECOND,
        T0 + 2 * SECOND
    );
    let path = write(&folder, "a.csv", &text);
    assert_eq!(reached(&path, Credentials::Hosts, "ws"), ["db", "fs", "ws"]);
    assert_eq!(
        reached(&path, Credentials::Wide, "ann@ws"),
        ["ann@fs", "ann@ws", "bob@db", "bob@fs", "db", "fs", "ws"]
    );
    assert_eq!(reached(&path, Credentials::Narrow, "ann@ws"), ["ann@fs", "ann@ws", "ws"]);
    let text = text
        .replace("account\n", "account,by\n")
        .replace("ann\n", "ann,\n")
        .replace("bob\n", "bob,\n")
        + &format!("{},fs,fs,bob,ann\n", T0 + 2 * SECOND);
    let switched = write(&folder, "b.csv", text);
    let all = ["ann@fs", "ann@ws", "bob@db", "bob@fs", "ws"];
    assert_eq!(reached(&switched, Credentials::Narrow, "ann@ws"), all);
}

fn reached(path: &Path, credentials: Credentials, seed: &str) -> Vec<String> {
    let loaded = load(&[path.to_owned()], &with(credentials)).unwrap();
    let seeds: Vec<_> = loaded.names.nodes(seed).unwrap().into_iter().map(|node| (node, T0)).collect();
    let reach = forward(loaded.names.len(), &loaded.contacts, &seeds);
    let nodes = (0..loaded.names.len()).filter(|node| reach.time[*node].is_some());
    let mut texts: Vec<String> = nodes.map(|node| loaded.names.text(node as u32)).collect();
    texts.sort();
    texts
}

#[test]
fn parquet_streams_what_was_written() {
    let folder = TempDir::new().unwrap();
    let contact = |i: usize| Contact {
        at: T0 + i as i64 * 1_000,
        from: (i % 1_000) as u32,
        to: (i % 997) as u32,
    };
    let contacts: Contacts = (0..GROUP_ROWS + 70_000).map(contact).collect();
    let path = folder.path().join("a.parquet");
    let mut writer = ContactWriter::new(File::create(&path).unwrap()).unwrap();
    writer.push(contacts.columns()).unwrap();
    writer.finish().unwrap();
    let mut stream = ParquetContacts::open(&path, None).unwrap();
    assert_eq!(stream.rows(), contacts.len() as u64);
    let (mut chunk, mut closure, mut row) = (ContactChunk::default(), Closure::new(1_000, &[(0, 0)]), 0);
    while stream.next_chunk(&mut chunk).unwrap() {
        assert_eq!(chunk.first_row, row);
        row += chunk.times.len() as u64;
        closure.push(chunk.columns()).unwrap();
    }
    assert_eq!(row, contacts.len() as u64);
    assert_eq!(closure.finish(), forward(1_000, &contacts, &[(0, 0)]));
    assert_counted(stream.account());
    assert_eq!(stream.account().kept, row);
    let loaded = load(&[path], &hosts_only()).unwrap();
    assert_eq!(loaded.contacts, contacts);
}

#[test]
fn a_truncated_parquet_file_is_named_with_its_place_and_a_remedy() {
    let folder = TempDir::new().unwrap();
    let whole = parquet(&few());
    let path = write(&folder, "a.parquet", &whole[..whole.len() - 7]);
    let error = load(std::slice::from_ref(&path), &hosts_only()).unwrap_err();
    assert!(matches!(error, LoadError::NoFooter { .. }), "{error}");
    let told = error.to_string();
    assert!(
        told.contains("a.parquet") && told.contains(&format!("{} bytes", whole.len() - 7)),
        "{told}"
    );
    assert!(error.remedy().contains("copy the file again"));
    // Beside a whole file, the rest goes on, and nobody claims to know how much is missing.
    let other = write(&folder, "b.csv", csv(&few()));
    let account = load(&[path, other], &hosts_only()).unwrap().account;
    assert_eq!((account.kept, account.coverage()), (4, None));
    assert!(account.warnings().iter().any(|w| w.contains("a.parquet")));
}

#[test]
fn a_damaged_row_group_costs_its_rows_and_no_others() {
    let folder = TempDir::new().unwrap();
    let contact = |i: usize| Contact {
        at: T0 + i as i64,
        from: 1,
        to: 2,
    };
    let contacts: Vec<Contact> = (0..GROUP_ROWS + 10).map(contact).collect();
    let mut bytes = parquet(&contacts);
    // The header of the first page of times.
    bytes[4..40].fill(0xff);
    let path = write(&folder, "a.parquet", bytes);
    let account = load(std::slice::from_ref(&path), &hosts_only()).unwrap().account;
    assert_eq!(reasons(&account), [(Refusal::DamagedPart, GROUP_ROWS as u64, 1)]);
    assert_eq!((account.read, account.kept), (contacts.len() as u64, 10));
    assert!(account.coverage().unwrap() < 0.001);
    let (mut stream, mut chunk) = (ParquetContacts::open(&path, None).unwrap(), ContactChunk::default());
    let error = stream.next_chunk(&mut chunk).unwrap_err().to_string();
    assert!(error.contains(&format!("rows 1 to {GROUP_ROWS} in row group 0")), "{error}");
    assert!(stream.next_chunk(&mut chunk).unwrap());
    assert_eq!((chunk.times.len(), chunk.first_row), (10, GROUP_ROWS as u64));
    assert_counted(stream.account());
}

#[test]
fn impossible_rows_of_a_stream_are_refused_one_by_one() {
    type Spoil = fn(&mut Contact);
    let spoils: [(Spoil, Refusal); 3] = [
        (|c| c.at = 5, Refusal::TooEarly),
        (|c| c.at = i64::MAX, Refusal::TooLate),
        (|c| c.to = leckwehr_trace::load::NODES_MAX, Refusal::NodeNumber),
    ];
    let now = Some(Timestamp(T0));
    for (spoil, reason) in spoils {
        let folder = TempDir::new().unwrap();
        let mut contacts = few();
        spoil(&mut contacts[2]);
        contacts.sort_by_key(|c| c.at);
        let row = contacts.iter().position(|c| c.from == 30).unwrap() as u64 + 1;
        let path = write(&folder, "a.parquet", parquet(&contacts));
        let (mut stream, mut chunk) = (ParquetContacts::open(&path, now).unwrap(), ContactChunk::default());
        assert!(stream.next_chunk(&mut chunk).unwrap());
        assert_eq!(chunk.tos, [2, 30, 1]);
        assert_eq!(reasons(stream.account()), [(reason, 1, row)]);
        let options = LoadOptions { now, ..hosts_only() };
        assert_eq!(reasons(&load(&[path], &options).unwrap().account), [(reason, 1, row)]);
    }
}

#[test]
fn hosts_unknown_to_the_estate_are_named() {
    let estate = Estate::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/apt29")).unwrap();
    let options = LoadOptions {
        estate: Some(&estate),
        ..hosts_only()
    };
    let folder = TempDir::new().unwrap();
    let path = write(
        &folder,
        "a.csv",
        format!("time,from,to\n{T0},SCRANTON,nashua\n{T0},scranton,ghost\n"),
    );
    let loaded = load(&[path], &options).unwrap();
    assert_eq!(loaded.names.hosts().collect::<Vec<_>>(), ["ghost", "nashua", "scranton"]);
    assert_eq!(loaded.account.unknown_names, ["ghost"]);
    assert_eq!(loaded.account.kept, 2);
}

#[test]
fn files_that_are_no_contacts_are_told_apart() {
    let folder = TempDir::new().unwrap();
    let error = |name: &str, content: &str| load(&[write(&folder, name, content)], &hosts_only()).unwrap_err();
    assert!(matches!(
        error("a.csv", "when,who\n1,2\n"),
        LoadError::Header { missing: "time", .. }
    ));
    let missing = load(&[folder.path().join("none")], &hosts_only()).unwrap_err();
    assert!(matches!(missing, LoadError::Open { .. }));
}

fn contacts() -> impl Strategy<Value = Vec<Contact>> {
    let contact = (0..50_i64, 0..9_u32, 0..12_u32).prop_map(|(second, from, to)| Contact {
        at: T0 + second * SECOND,
        from,
        to,
    });
    prop::collection::vec(contact, 1..40)
}

/// Records between four hosts with one of three accounts or none.
fn records() -> impl Strategy<Value = Vec<(i64, usize, usize, usize, usize)>> {
    prop::collection::vec((0..8_i64, 0..4_usize, 0..4_usize, 0..4_usize, 0..4_usize), 1..12)
}

const ACCOUNTS: [&str; 4] = ["", "ann", "bob", "cid"];

/// Where an attacker can be: (host, account; 0 for a session of nobody knows whom), as the description of narrow says.
fn brute_narrow(records: &[(i64, usize, usize, usize, usize)], seeds: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut best: std::collections::BTreeMap<(usize, usize), i64> = seeds.iter().map(|s| (*s, 0)).collect();
    loop {
        let before = best.clone();
        for (at, from, to, account, by) in records {
            let opener = if *by > 0 || from == to { *by } else { *account };
            let arrives = |((host, session), since): (&(usize, usize), &i64)| {
                let fits = opener == 0 || *session == opener || *session == 0;
                (host == from && since <= at && fits).then_some(*at)
            };
            let says_something = from != to || *account > 0;
            if let Some(at) = before.iter().filter_map(arrives).min().filter(|_| says_something) {
                let slot = best.entry((*to, *account)).or_insert(at);
                *slot = at.min(*slot);
            }
        }
        if best == before {
            return best.into_keys().collect();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn csv_and_parquet_give_the_same_contacts(contacts in contacts()) {
        let folder = TempDir::new().unwrap();
        let text = load(&[write(&folder, "a", csv(&contacts))], &hosts_only()).unwrap();
        let binary = load(&[write(&folder, "b", parquet(&contacts))], &hosts_only()).unwrap();
        prop_assert_eq!(&text.contacts, &contacts_of(&text));
        prop_assert_eq!(&text.names, &binary.names);
        // The writer puts contacts in order of time; the text has them as they came.
        prop_assert_eq!(text.contacts.iter().collect::<Vec<_>>(), binary.contacts.iter().collect::<Vec<_>>());
        let sorted: Contacts = contacts.into_iter().collect();
        let number = |node| binary.names.text(node).parse::<u32>().unwrap();
        let back: Vec<Contact> = binary.contacts.iter().map(|c| Contact { at: c.at, from: number(c.from), to: number(c.to) }).collect();
        prop_assert_eq!(back, sorted.iter().collect::<Vec<_>>());
    }

    #[test]
    fn narrow_equals_its_definition_and_wide_reaches_the_hosts_of_hosts(records in records()) {
        let folder = TempDir::new().unwrap();
        let line = |(at, from, to, account, by): &(i64, usize, usize, usize, usize)| {
            format!("{},h{from},h{to},{},{}\n", T0 + at, ACCOUNTS[*account], ACCOUNTS[*by])
        };
        let text = "time,from,to,account,by\n".to_owned() + &records.iter().map(line).collect::<String>();
        let path = write(&folder, "a.csv", text);
        let start = records[0].1;
        let seed = format!("h{start}");
        let hosts = reached(&path, Credentials::Hosts, &seed);
        let wide: Vec<String> = reached(&path, Credentials::Wide, &seed).into_iter().filter(|n| !n.contains('@')).collect();
        prop_assert_eq!(hosts, wide);
        let everybody: Vec<_> = (0..ACCOUNTS.len()).map(|account| (start, account)).collect();
        let name = |(host, account): (usize, usize)| match ACCOUNTS[account] { "" => format!("?@h{host}"), name => format!("{name}@h{host}") };
        let brute: Vec<String> = brute_narrow(&records, &everybody).into_iter().map(name).collect();
        let narrow = reached(&path, Credentials::Narrow, &seed);
        let elsewhere = |list: &[String]| -> std::collections::BTreeSet<String> {
            list.iter().filter(|n| n.contains('@') && !n.ends_with(&seed)).cloned().collect()
        };
        prop_assert_eq!(elsewhere(&narrow), elsewhere(&brute));
    }

    #[test]
    fn damaged_files_never_panic_and_are_counted(
        contacts in contacts(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        end in any::<prop::sample::Index>(),
        cut in any::<bool>(),
        format in 0..4_usize,
    ) {
        let folder = TempDir::new().unwrap();
        let zeek = |c: &Contact| format!("{}.0\t{}\t{}\n", c.at / SECOND, c.from, c.to);
        let mut bytes = match format {
            0 => csv(&contacts).into_bytes(),
            1 => ("#path\tconn\n#fields\tts\tid.orig_h\tid.resp_h\n".to_owned() + &contacts.iter().map(zeek).collect::<String>()).into_bytes(),
            _ => parquet(&contacts),
        };
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if cut {
            bytes.truncate(end.index(bytes.len()));
        }
        let path = write(&folder, "a", bytes);
        let _ = load(std::slice::from_ref(&path), &hosts_only());
        let _ = load(std::slice::from_ref(&path), &with(Credentials::Narrow));
        if let Ok(mut stream) = ParquetContacts::open(&path, Some(Timestamp(T0))) {
            let mut chunk = ContactChunk::default();
            for _ in 0..100 {
                if let Ok(false) = stream.next_chunk(&mut chunk) {
                    break;
                }
            }
            assert_counted(stream.account());
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), is_parquet in any::<bool>()) {
        let folder = TempDir::new().unwrap();
        let bytes = match is_parquet {
            true => [b"PAR1", &bytes[..], b"PAR1"].concat(),
            false => bytes,
        };
        let _ = load(&[write(&folder, "a", bytes)], &hosts_only());
    }
}

fn contacts_of(loaded: &Loaded) -> Contacts {
    let rows = (0..loaded.contacts.len()).map(|i| (loaded.contacts.row(i), loaded.contacts.get(i)));
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|(row, _)| *row);
    rows.into_iter().map(|(_, contact)| contact).collect()
}
