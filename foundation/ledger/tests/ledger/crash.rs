//! A child process appends and dies, at every step of an append and of closing, and by kill -9 at moments of the
//! parent's choosing. Every entry it acknowledged must be there afterwards.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use leckwehr_crypt::{Dice, SigningKey};
use leckwehr_ledger::{Ledger, Step, Trust, verify};

const STEPS: [Step; 8] = [
    Step::SumRemoved,
    Step::Begun,
    Step::EntriesWritten,
    Step::TilesWritten,
    Step::CheckpointWritten,
    Step::Committed,
    Step::LogEmptied,
    Step::SumWritten,
];

/// The child: appends batches, tells the size after each, and aborts at the step that it is told to.
#[test]
fn child() {
    #[expect(clippy::disallowed_methods, reason = "the parent speaks to its child by environment")]
    let variable = |name| std::env::var(name);
    let Ok(dir) = variable("LEDGER_CRASH_DIR") else { return };
    let mut ledger = Ledger::open(Path::new(&dir)).unwrap();
    if let (Ok(step), Ok(mut left)) = (
        variable("LEDGER_CRASH_STEP"),
        variable("LEDGER_CRASH_AFTER").map(|n| n.parse::<u32>().unwrap()),
    ) {
        ledger.on_step(move |now| {
            if format!("{now:?}") == step {
                left -= 1;
                if left == 0 {
                    std::process::abort();
                }
            }
        });
    }
    let batches: u64 = variable("LEDGER_CRASH_BATCHES").unwrap().parse().unwrap();
    let mut out = std::io::stdout();
    for n in 0..batches {
        let size = ledger.size();
        ledger.append(&batch(size, 1 + n % 9)).unwrap();
        writeln!(out, "acknowledged {}", ledger.size()).unwrap();
        out.flush().unwrap();
    }
    ledger.close().unwrap();
}

/// The entries that stand at `first` and behind it: their content follows from their index alone.
fn batch(first: u64, count: u64) -> Vec<Vec<u8>> {
    (first..first + count)
        .map(|index| format!("entry {index} {}", "x".repeat(index as usize % 500)).into_bytes())
        .collect()
}

fn start(dir: &Path, batches: u64, fault: Option<(Step, u32)>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["crash::child", "--exact", "--nocapture"])
        .env("LEDGER_CRASH_DIR", dir)
        .env("LEDGER_CRASH_BATCHES", batches.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if let Some((step, after)) = fault {
        command
            .env("LEDGER_CRASH_STEP", format!("{step:?}"))
            .env("LEDGER_CRASH_AFTER", after.to_string());
    }
    command.spawn().unwrap()
}

/// Reads acknowledgements until the child is dead, killing it after `kill_after` of them; returns the last size.
fn watch(mut child: Child, before: u64, kill_after: usize) -> u64 {
    let mut last = before;
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for (seen, line) in lines
        .map_while(Result::ok)
        .filter(|l| l.contains("acknowledged "))
        .enumerate()
    {
        last = line.rsplit(' ').next().unwrap().parse().unwrap();
        if seen + 1 == kill_after {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    last
}

/// Checks what a crash left: verifiable as it lies there, openable, and complete.
fn survey(dir: &Path, acknowledged: u64, checkpoint: &str) -> (u64, String) {
    let trust = Trust {
        against: Some(checkpoint.to_owned()),
        verifier_key: None,
    };
    let report = verify(dir, &trust).unwrap();
    assert!(report.is_ok(), "as the crash left it: {report:?}");
    let ledger = Ledger::open(dir).unwrap();
    let size = ledger.size();
    assert!(
        size >= acknowledged,
        "{acknowledged} entries were acknowledged, {size} are there"
    );
    assert_eq!(ledger.entries(0..size).unwrap(), batch(0, size));
    let checkpoint = ledger.checkpoint();
    ledger.close().unwrap();
    let report = verify(dir, &trust).unwrap();
    assert!(report.is_ok() && report.pages != leckwehr_ledger::Pages::NoSums, "{report:?}");
    (size, checkpoint)
}

fn new_ledger(dir: &Path) -> String {
    Ledger::create(dir, "example.org/crash", SigningKey::generate().unwrap())
        .unwrap()
        .checkpoint()
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_dies_at_any_step() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let (mut size, mut checkpoint) = (0, new_ledger(&dir));
    for after in [1, 40] {
        for step in STEPS {
            let once = matches!(step, Step::SumRemoved | Step::LogEmptied | Step::SumWritten);
            let after = if once { 1 } else { after };
            let acknowledged = watch(start(&dir, 60, Some((step, after))), size, usize::MAX);
            let before = size;
            (size, checkpoint) = survey(&dir, acknowledged, &checkpoint);
            // What was committed but not acknowledged may be there; nothing else may.
            let committed = step == Step::Committed;
            assert_eq!(
                size > acknowledged,
                committed,
                "{step:?} after {after}: {before}, {acknowledged}, {size}"
            );
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let (mut size, mut checkpoint) = (0, new_ledger(&dir));
    let mut dice = Dice::new(9, "kill");
    for _ in 0..20 {
        let kill_after = 1 + dice.below(80);
        let acknowledged = watch(start(&dir, 100_000, None), size, kill_after);
        assert!(acknowledged > size);
        (size, checkpoint) = survey(&dir, acknowledged, &checkpoint);
    }
}

#[test]
fn a_folder_half_made_does_not_stand_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let half = folder.path().join(".ledger.ledger-in-the-making");
    std::fs::create_dir(&half).unwrap();
    std::fs::write(half.join("ledger.key"), "half a k").unwrap();
    let dir = folder.path().join("ledger");
    new_ledger(&dir);
    assert!(!half.exists());
    assert!(verify(&dir, &Trust::default()).unwrap().is_ok());
}
