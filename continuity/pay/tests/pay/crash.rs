use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use leckwehr_crypt::Dice;
use leckwehr_pay::{Effect, Faults};

use crate::key;
use crate::model::{all_due, finish, published, some_orders};

const FOLDER: &str = "LECKWEHR_PAY_CRASH_FOLDER";
const AFTER: &str = "LECKWEHR_PAY_CRASH_AFTER";
/// Overlapping runs, one after another.
const PERIODS: [(&str, &str); 3] = [
    ("2026-12-01", "2026-12-15"),
    ("2026-12-08", "2026-12-23"),
    ("2026-12-01", "2026-12-31"),
];
const ORDERS: u64 = 7;
/// Places at which the child is killed.
const KILLS_MIN: usize = 220;

/// Not a test by itself: the program that the test below starts. It pays everything in overlapping runs, says the number of each
/// effect on the disk, and kills itself after so many bytes and other effects.
#[test]
fn child() {
    let Some(folder) = variable(FOLDER) else { return };
    let after: usize = variable(AFTER).map_or(usize::MAX, |text| text.parse().unwrap());
    let done = AtomicUsize::new(0);
    let faults = Faults::new(move |effect| {
        let cost = match effect {
            Effect::Write(bytes) => bytes,
            Effect::Sync | Effect::Rename | Effect::Cut => 1,
            Effect::Stopped => return kill_myself(),
        };
        let before = done.fetch_add(cost, Ordering::Relaxed);
        println!("effect {}", before + cost);
        (before + cost > after).then(|| after - before)
    });
    let mut desk = crate::open(Path::new(&folder), &key(), faults).unwrap();
    for (from, to) in PERIODS {
        finish(&mut desk, &some_orders(ORDERS), from, to).unwrap();
    }
}

fn kill_myself() -> Option<usize> {
    nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL).unwrap();
    None
}

/// In memory where there is such a folder: what a killed process leaves does not depend on the disk, only its speed does.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

#[test]
fn killed_at_any_byte_nothing_is_paid_twice_and_nothing_is_forgotten() {
    let whole = folder();
    let (finished, effects) = run_child(whole.path(), None);
    assert!(finished);
    let total = *effects.last().unwrap();
    let due = all_due(&some_orders(ORDERS), "2026-12-01", "2026-12-31");
    // Every boundary between effects, and bytes within them.
    let mut dice = Dice::new(11, "kills");
    let mut points = effects;
    while points.len() < KILLS_MIN {
        points.push(dice.below(total));
    }
    let (mut kills, mut payments) = (0, 0);
    for (index, point) in points.into_iter().filter(|point| *point < total).enumerate() {
        let folder = folder();
        // Crash upon crash, every third time: what the first left must not hurt the second.
        let second = (index % 3 == 0).then(|| dice.below(total - point));
        for after in std::iter::once(point).chain(second) {
            kills += usize::from(!run_child(folder.path(), Some(after)).0);
            assert!(
                published(folder.path()).values().all(|times| *times == 1),
                "twice after {after}"
            );
        }
        let mut desk = crate::open(folder.path(), &key(), Faults::default()).unwrap();
        for (from, to) in PERIODS {
            finish(&mut desk, &some_orders(ORDERS), from, to).unwrap();
        }
        let paid = published(folder.path());
        assert!(paid.values().all(|times| *times == 1), "twice at {point}");
        assert!(paid.keys().eq(due.iter()), "forgotten at {point}");
        payments += paid.len();
    }
    assert!(kills > 200, "{kills}");
    println!("{kills} kills, {payments} payments due, each paid once");
}

/// Runs the child; returns whether it lived, and its effects.
fn run_child(folder: &Path, after: Option<usize>) -> (bool, Vec<usize>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["crash::child", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(FOLDER, folder).stdout(Stdio::piped()).stderr(Stdio::null());
    if let Some(after) = after {
        command.env(AFTER, after.to_string());
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let effects = text.lines().filter_map(|line| line.split_once("effect ")?.1.parse().ok());
    (output.status.success(), effects.collect())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the child process is told by its environment what to do"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
