//! Bytes to fields, per format, against a named baseline in the same run; processor time, one thread.
//!
//! `cargo bench -p leckwehr-telemetry`. Data: `LECKWEHR_DATA` (default `../shared/data` beside the checkout).
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark measures and prints"
)]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use leckwehr_telemetry::{Item, Lines, Reader, Sheet};

/// Rounds of which the quickest counts, and the shortest time of one: the kernel counts in steps of milliseconds.
const ROUNDS: usize = 5;
const ROUND_S_MIN: f64 = 0.2;

fn main() {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var("LECKWEHR_DATA").map_or(default, PathBuf::from);
    json_lines(&data.join("telemetry/windows-events.jsonl.zst"));
    zeek(&data.join("trace/apt29-day2.zeek.jsonl"));
    event_logs(&data.join("sigma/regression"));
    text_and_packets();
}

/// Formats without recordings here: records as the specifications show them, with changing numbers.
fn text_and_packets() {
    type Line = fn(usize) -> String;
    let texts: [(&str, Line); 4] = [
        ("syslog: failed log-ons of sshd", |i| {
            format!(
                "<86>Apr 25 05:12:09 fs-1 sshd[{i}]: Failed password for invalid user u{i} from 10.1.2.3 port {} ssh2",
                1_024 + i % 60_000
            )
        }),
        ("CEF in syslog", |i| {
            format!(
                "<134>Apr 25 05:12:09 fw-1 CEF:0|Vendor|Gate|1.0|100|web request|3|rt=1682392329000 src=10.1.2.3 spt={} dst=192.0.2.9 \
                     dpt=443 request=https://x.example/{i} requestMethod=POST out={i} in=100 suser=eve act=blocked cs1Label=Rule cs1=Egress",
                i % 65_536
            )
        }),
        ("audit events of five lines", |i| {
            let at = format!("msg=audit(1682392329.{:03}:{i}):", i % 1_000);
            format!(
                "type=SYSCALL {at} arch=c000003e syscall=59 success=yes exit=0 a0=55 a1=56 a2=57 a3=8 items=2 ppid=1 pid={i} auid=1000 uid=0 gid=0 \
                     euid=0 comm=\"tar\" exe=\"/usr/bin/tar\" key=(null)\ntype=EXECVE {at} argc=3 a0=\"tar\" a1=2D63 a2=\"/srv\"\n\
                     type=CWD {at} cwd=\"/root\"\ntype=PATH {at} item=0 name=\"/usr/bin/tar\" inode=1 mode=0100755 nametype=NORMAL\n\
                     type=PROCTITLE {at} proctitle=746172002D63"
            )
        }),
        ("Suricata, flows", |i| {
            format!(
                "{{\"timestamp\":\"2023-04-25T05:12:09.500000+0200\",\"flow_id\":{i},\"event_type\":\"flow\",\"src_ip\":\"10.1.2.3\",\"src_port\":{},\
                     \"dest_ip\":\"192.0.2.9\",\"dest_port\":443,\"proto\":\"TCP\",\"app_proto\":\"tls\",\"flow\":{{\"pkts_toserver\":9,\"pkts_toclient\":8,\
                     \"bytes_toserver\":{i},\"bytes_toclient\":80,\"start\":\"2023-04-25T05:12:00.000000+0200\",\"end\":\"2023-04-25T05:12:04.000000+0200\"}}}}",
                i % 65_536
            )
        }),
    ];
    for (name, line) in texts {
        let text: Vec<String> = (0..20_000).map(line).collect();
        fed(name, &text.join("\n").into_bytes());
    }
    let mut packet = [5_u16.to_be_bytes(), 30_u16.to_be_bytes()].concat();
    packet.extend([60_000_u32.to_be_bytes(), 1_682_392_329_u32.to_be_bytes()].concat());
    packet.resize(24 + 30 * 48, 7);
    fed("NetFlow 5", &packet.repeat(500));
}

/// Measures a file of the content against a look at every byte of it.
fn fed(name: &str, content: &[u8]) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), content).unwrap();
    let mut sheet = Sheet::new();
    let records = read(file.path(), &mut sheet);
    println!("{name}");
    let look = || {
        let file = fs::read(file.path()).unwrap();
        file.iter().filter(|b| **b == b'\n').count() + 1
    };
    let baseline = measure(
        "  file read, line ends counted (baseline)",
        records,
        content.len(),
        None,
        look,
    );
    measure(
        "  Reader: Fields, names, log source",
        records,
        content.len(),
        Some(baseline),
        || read(file.path(), &mut sheet),
    );
}

fn json_lines(path: &Path) {
    let mut text = Vec::new();
    let Ok(file) = fs::File::open(path) else {
        return println!("skipped: {} is not there", path.display());
    };
    zstd::Decoder::new(file).unwrap().read_to_end(&mut text).unwrap();
    println!("Windows events as JSON lines, flat");
    lines(&text);
}

fn zeek(path: &Path) {
    match fs::read(path) {
        Ok(text) => {
            println!("Zeek as JSON lines");
            lines(&text);
        }
        Err(_) => println!("skipped: {} is not there", path.display()),
    }
}

fn lines(text: &[u8]) {
    let records: Vec<&[u8]> = text.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect();
    let baseline = measure("  serde_json: Value (baseline)", records.len(), text.len(), None, || {
        let objects = records
            .iter()
            .map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap());
        objects.map(|value| value.as_object().map_or(0, serde_json::Map::len)).sum()
    });
    let (mut reader, mut sheet) = (Lines::default(), Sheet::new());
    measure(
        "  Lines: Fields, names, log source",
        records.len(),
        text.len(),
        Some(baseline),
        || {
            let mut fields = 0;
            for line in &records {
                reader.read(line, &mut sheet).unwrap();
                fields += sheet.fields().len();
            }
            fields
        },
    );
    measure(
        "  the same with the record's columns",
        records.len(),
        text.len(),
        Some(baseline),
        || {
            let mut events = 0;
            for line in &records {
                reader.read(line, &mut sheet).unwrap();
                events += usize::from(sheet.record().is_ok_and(|record| record.is_some()));
            }
            events
        },
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    fs::write(&path, text).unwrap();
    measure("  Reader: file to Fields", records.len(), text.len(), Some(baseline), || {
        read(&path, &mut sheet)
    });
}

fn event_logs(folder: &Path) {
    let mut logs = Vec::new();
    find(folder, &mut logs);
    if logs.is_empty() {
        return println!("skipped: no event log in {}", folder.display());
    }
    let mut sheet = Sheet::new();
    let bytes: u64 = logs.iter().map(|log| fs::metadata(log).map_or(0, |m| m.len())).sum();
    let records: usize = logs.iter().map(|log| read(log, &mut sheet)).sum();
    println!("{} small event logs", logs.len());
    let theirs = || logs.iter().map(|log| oracle(log)).sum();
    let baseline = measure("  evtx crate: JSON text (baseline)", records, bytes as usize, None, theirs);
    let ours = || logs.iter().map(|log| read(log, &mut sheet)).sum();
    measure(
        "  Reader: Fields, names, log source",
        records,
        bytes as usize,
        Some(baseline),
        ours,
    );

    let temporary = tempfile::tempdir().unwrap();
    let large = temporary.path().join("large.evtx");
    let mut filled: Vec<(Vec<u8>, usize)> = logs.iter().filter_map(|log| fill(&fs::read(log).unwrap())).collect();
    filled.retain(|(chunk, records)| {
        // Those whose record is built otherwise are left out.
        fs::write(&large, chunk).unwrap();
        read(&large, &mut sheet) == *records
    });
    let header = fs::read(&logs[0]).unwrap()[..4096].to_vec();
    let chunks = filled.iter().map(|(chunk, _)| chunk.as_slice());
    fs::write(
        &large,
        std::iter::once(header.as_slice()).chain(chunks).collect::<Vec<_>>().concat(),
    )
    .unwrap();
    let (records, bytes) = (
        filled.iter().map(|(_, n)| n).sum(),
        fs::metadata(&large).unwrap().len() as usize,
    );
    println!("one event log whose chunks are full: {records} records");
    let baseline = measure("  evtx crate: JSON text (baseline)", records, bytes, None, || oracle(&large));
    let ours = || {
        assert_eq!(read(&large, &mut sheet), records);
        records
    };
    measure("  Reader: Fields, names, log source", records, bytes, Some(baseline), ours);
}

/// Repeats the first record of a log's chunk until the chunk is full; its templates are defined in the first one only.
fn fill(log: &[u8]) -> Option<(Vec<u8>, usize)> {
    let long = |bytes: &[u8], at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?) as usize);
    let mut chunk = log.get(4096..4096 + 65_536)?.to_vec();
    let size = long(&chunk, 512 + 4)?;
    let record = chunk.get(512..512 + size)?.to_vec();
    // A fragment header, the instance's token, one byte, its id; then where the definition is: right behind.
    let is_instance =
        |at: &usize| record[*at..].starts_with(&[0x0f, 1, 1, 0, 0x0c, 1]) && long(&record, at + 10) == Some(512 + at + 14);
    let instances: Vec<usize> = (24..size - 40).filter(is_instance).collect();
    let mut copy = record.clone();
    for at in instances.iter().rev() {
        let length = 24 + long(&record, at + 14 + 20)?;
        copy.drain(at + 14..at + 14 + length);
        if *at != 24 {
            // The value that holds this instance is shorter now.
            let outer = 24 + 14 + 24 + long(&record, 24 + 14 + 20)?;
            let values = long(&record, outer)?;
            let value = (0..values).map(|i| outer + 4 + 4 * i).find(|i| record[i + 2] == 0x21)?;
            let shorter = u16::from_le_bytes([record[value], record[value + 1]]).checked_sub(length as u16)?;
            copy[value..value + 2].copy_from_slice(&shorter.to_le_bytes());
        }
    }
    let copy_size = (copy.len() as u32).to_le_bytes();
    let end = copy.len() - 4;
    copy[4..8].copy_from_slice(&copy_size);
    copy[end..].copy_from_slice(&copy_size);
    let (mut at, mut last, mut records) = (512 + size, 512, 1_u64);
    let first = u64::from_le_bytes(*record.get(8..)?.first_chunk()?);
    while at + copy.len() <= chunk.len() {
        copy[8..16].copy_from_slice(&(first + records).to_le_bytes());
        chunk[at..at + copy.len()].copy_from_slice(&copy);
        (last, at, records) = (at, at + copy.len(), records + 1);
    }
    for (place, number) in [(8, 1), (16, records), (24, first), (32, first + records - 1)] {
        chunk[place..place + 8].copy_from_slice(&number.to_le_bytes());
    }
    for (place, number) in [(44, last as u32), (48, at as u32), (52, sum(&[&chunk[512..at]]))] {
        chunk[place..place + 4].copy_from_slice(&number.to_le_bytes());
    }
    let header = sum(&[&chunk[..120], &chunk[128..512]]);
    chunk[124..128].copy_from_slice(&header.to_le_bytes());
    Some((chunk, records as usize))
}

fn sum(parts: &[&[u8]]) -> u32 {
    let mut crc = flate2::Crc::new();
    parts.iter().for_each(|part| crc.update(part));
    crc.sum()
}

fn read(path: &Path, sheet: &mut Sheet) -> usize {
    let (mut reader, mut records) = (Reader::open(path).unwrap(), 0);
    loop {
        match reader.next(sheet).unwrap() {
            Item::Record => records += 1,
            Item::End => return records,
            _ => {}
        }
    }
}

fn oracle(path: &Path) -> usize {
    let mut parser = evtx::EvtxParser::from_path(path).unwrap();
    parser.records_json().map(|record| usize::from(record.is_ok())).sum()
}

fn find(folder: &Path, logs: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            find(&path, logs);
        } else if path.extension().is_some_and(|e| e == "evtx") {
            logs.push(path);
        }
    }
}

/// Prints and returns microseconds of processor time per record.
fn measure(name: &str, records: usize, bytes: usize, baseline: Option<f64>, mut work: impl FnMut() -> usize) -> f64 {
    let mut quickest = f64::MAX;
    for _ in 0..ROUNDS {
        let (before, mut times, mut took) = (processor_s(), 0, 0.0);
        while took < ROUND_S_MIN {
            assert!(std::hint::black_box(work()) > 0);
            times += 1;
            took = processor_s() - before;
        }
        quickest = quickest.min(took / f64::from(times));
    }
    let each = quickest * 1e6 / records as f64;
    let ratio = baseline.map_or(String::new(), |baseline| format!("{:8.1} × the baseline", baseline / each));
    println!(
        "{name:40} {each:8.2} µs/record {:8.0} MB/s {:10.0} records/s{ratio}",
        bytes as f64 / quickest / 1e6,
        1e6 / each
    );
    each
}

/// Returns the processor time of this thread in seconds.
fn processor_s() -> f64 {
    // Nanoseconds on a processor, first of the three numbers.
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap() / 1e9
}
