use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use leckwehr_crypt::Dice;
use leckwehr_eau::{FaultPoint, Faults, Spool, SpoolConfig};

use crate::{eau, opening, sealing};

const FOLDER: &str = "LECKWEHR_EAU_CRASH_FOLDER";
const FAULT: &str = "LECKWEHR_EAU_CRASH_FAULT";
const BATCH: u64 = 5;
const POINTS: [FaultPoint; 5] = [
    FaultPoint::BeforeWrite,
    FaultPoint::HalfWritten,
    FaultPoint::Written,
    FaultPoint::Synced,
    FaultPoint::SegmentCreated,
];

/// Not a test by itself: the program that the tests below start and kill. It accepts without end and says each receipt.
#[test]
fn child() {
    let Some(folder) = variable(FOLDER) else { return };
    let (point, hit) = match variable(FAULT) {
        Some(text) => {
            let (point, hit) = text.split_once(':').unwrap();
            (Some(POINTS[point.parse::<usize>().unwrap()]), hit.parse().unwrap())
        }
        None => (None, 0),
    };
    let hits = AtomicU32::new(0);
    let faults = Faults::new(move |at| {
        if Some(at) == point && hits.fetch_add(1, Ordering::Relaxed) == hit {
            std::process::abort();
        }
        Ok(())
    });
    let config = SpoolConfig {
        segment_bytes_max: 8000,
        faults,
    };
    let mut spool = Spool::open(Path::new(&folder), sealing(), config).unwrap();
    let mut out = std::io::stdout().lock();
    // Some of what the one before may have said is sent again, as a sender without a receipt would.
    let first = spool.last_seq().saturating_sub(12) / BATCH * BATCH + 1;
    for start in (first..).step_by(BATCH as usize) {
        let batch: Vec<_> = (start..start + BATCH).map(eau).collect();
        spool.accept_batch(&batch).unwrap();
        for number in start..start + BATCH {
            writeln!(out, "receipt {number}").unwrap();
        }
        out.flush().unwrap();
    }
}

#[test]
fn killed_at_every_fault_point_nothing_acknowledged_is_lost_or_doubled() {
    for point in 0..POINTS.len() {
        let folder = tempfile::tempdir().unwrap();
        let mut acknowledged = BTreeSet::new();
        for hit in [0, 1, 4] {
            // Crash upon crash in the same folder: what an earlier crash left must not hurt a later one.
            run_child(folder.path(), Some(&format!("{point}:{hit}")), None, &mut acknowledged);
            check(folder.path(), &acknowledged);
        }
    }
}

#[test]
fn killed_with_sigkill_at_random_times_nothing_acknowledged_is_lost_or_doubled() {
    let mut dice = Dice::new(9, "kill");
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    for _ in 0..12 {
        run_child(folder.path(), None, Some(dice.below(80)), &mut acknowledged);
        check(folder.path(), &acknowledged);
    }
    println!("{} receipts over 12 kills, all there once", acknowledged.len());
}

/// Runs the child until it dies by its fault, or is killed after `lines` receipts; collects the receipts it gave.
fn run_child(folder: &Path, fault: Option<&str>, lines: Option<usize>, acknowledged: &mut BTreeSet<u64>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["crash::child", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(FOLDER, folder).stdout(Stdio::piped()).stderr(Stdio::null());
    if let Some(fault) = fault {
        command.env(FAULT, fault);
    }
    let mut child = command.spawn().unwrap();
    let mut seen = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let Ok(line) = line else { break };
        if let Some((_, number)) = line.split_once("receipt ") {
            acknowledged.insert(number.parse().unwrap());
            seen += 1;
        }
        if Some(seen) == lines {
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success());
}

fn check(folder: &Path, acknowledged: &BTreeSet<u64>) {
    let spool = Spool::open(folder, sealing(), SpoolConfig::default()).unwrap();
    let mut found = BTreeSet::new();
    for record in spool.records(1) {
        let opened = record.unwrap().open(&opening()).unwrap();
        let number: u64 = opened.message_id[1..].split('@').next().unwrap().parse().unwrap();
        assert!(opened.bytes == eau(number).bytes, "message {number} is not the one sent");
        assert!(found.insert(number), "message {number} is there twice");
    }
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "the child process is told by its environment what to do"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
