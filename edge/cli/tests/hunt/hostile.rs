use std::fs;
use std::io::Write;
use std::process::Stdio;

use nix::sys::resource::{UsageWho, getrusage};
use serde_json::Value;

use crate::place::{Place, processes, read, stderr, stdout};

/// Garbage that a test affords; by hand it was 10 GB.
const GARBAGE_BYTES: usize = 24 << 20;
/// Memory of any hunt, in KiB.
const MEMORY_KIB_MAX: i64 = 400 * 1024;

fn hunt(place: &Place, path: &str) -> (Vec<Value>, Value) {
    let output = place.run(&["hunt", path, "--rules", "rules", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (findings, summary) = read(&stdout(&output));
    // The largest of all children so far.
    assert!(getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() < MEMORY_KIB_MAX);
    (findings, summary.unwrap())
}

/// Xorshift: the same garbage every time.
fn garbage(bytes: usize) -> impl Iterator<Item = [u8; 8]> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..bytes / 8).map(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
}

#[test]
fn garbage_through_a_pipe_is_counted_and_what_follows_is_found() {
    let place = Place::new();
    let args = ["hunt", "/dev/stdin", "--rules", "rules", "--json"];
    let mut child = place
        .command(&args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = std::io::BufWriter::new(child.stdin.take().unwrap());
    pipe.write_all(b"{ garbage: \n").unwrap();
    garbage(GARBAGE_BYTES).for_each(|bytes| pipe.write_all(&bytes).unwrap());
    pipe.write_all(b"\n").unwrap();
    pipe.write_all(processes("pc-1", 2).as_bytes()).unwrap();
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let (findings, summary) = read(&stdout(&output));
    let summary = summary.unwrap();
    assert_eq!((findings.len(), &summary["records"]), (2, &2.into()));
    assert!(
        summary["damaged"].as_u64().unwrap() > GARBAGE_BYTES as u64 / 512,
        "{}",
        summary["damaged"]
    );
    assert_eq!(
        summary["damaged_places"].as_array().unwrap().len(),
        1_000,
        "the first are named, all are counted"
    );
    assert!(getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() < MEMORY_KIB_MAX);
}

#[test]
fn a_line_of_100_mb_is_one_damaged_record() {
    let place = Place::new();
    place.write("log.jsonl", processes("pc-1", 1));
    let mut file = fs::OpenOptions::new().append(true).open(place.path("log.jsonl")).unwrap();
    let before = file.metadata().unwrap().len();
    file.set_len(before + 100_000_000).unwrap();
    file.write_all(b"\n").unwrap();
    file.write_all(processes("pc-2", 1).as_bytes()).unwrap();
    let (findings, summary) = hunt(&place, "log.jsonl");
    assert_eq!(findings.len(), 2);
    assert_eq!(findings[1]["evidence"][0], "log.jsonl#3");
    assert_eq!(summary["damaged_places"][0]["record"], 2);
    assert_eq!(summary["damaged"], 1);
}

#[test]
fn a_large_file_is_cut_into_pieces_and_every_record_keeps_its_number() {
    let place = Place::new();
    let one = processes("pc-1", 1);
    let blank = (" ".repeat(1023) + "\n").repeat(1 << 10);
    // Three pieces, whose lines are mostly blank.
    let mut file = fs::File::create(place.path("log.jsonl")).unwrap();
    for _ in 0..70 {
        file.write_all(one.as_bytes()).unwrap();
        file.write_all(blank.as_bytes()).unwrap();
    }
    drop(file);
    let numbers = |threads: &str| -> Vec<String> {
        let args = ["hunt", "log.jsonl", "--rules", "rules", "--json", "--threads", threads];
        let (findings, _) = read(&stdout(&place.run(&args)));
        findings
            .iter()
            .map(|f| f["evidence"][0].as_str().unwrap().to_owned())
            .collect()
    };
    let expected: Vec<String> = (0..70_u64)
        .map(|n| format!("log.jsonl#{}", n * ((1 << 10) + 1) + 1))
        .collect();
    assert_eq!(numbers("1"), expected);
    assert_eq!(numbers("3"), expected);
}

#[test]
fn truncated_files_are_named_and_what_came_before_is_kept() {
    let place = Place::new();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    packed.write_all(processes("pc-1", 200).as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    fs::create_dir(place.path("logs")).unwrap();
    place.write("logs/a.gz", &packed[..packed.len() / 2]);
    let zst = zstd::encode_all(processes("pc-2", 3).as_bytes(), 1).unwrap();
    place.write("logs/b.zst", &zst[..zst.len() - 4]);
    place.write("logs/c.evtx", b"ElfFile\0");
    place.write("logs/d.jsonl", processes("pc-3", 1).trim_end());
    place.write("logs/e.empty", "");
    let (findings, summary) = hunt(&place, "logs");
    let hosts: Vec<&str> = findings.iter().map(|f| f["host"].as_str().unwrap()).collect();
    assert!(hosts.iter().filter(|h| **h == "pc-1").count() >= 50, "{hosts:?}");
    assert_eq!(hosts.last(), Some(&"pc-3"), "the rest goes on");
    let cut: Vec<&str> = summary["cut_off_files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["file"].as_str().unwrap())
        .collect();
    assert!(cut.contains(&"logs/a.gz") && cut.contains(&"logs/b.zst"), "{cut:?}");
    let damaged = summary["damaged_places"].to_string();
    assert!(cut.contains(&"logs/c.evtx") || damaged.contains("logs/c.evtx"), "{summary}");
}
