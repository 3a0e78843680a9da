//! Appends per second: one fsync per append against group commit, at 1 to 64 callers.
//!
//! `cargo bench -p leckwehr-ledger [-- FOLDER]`: the folder (default: the temporary one) decides which disk is measured.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures time, prints and may fail loudly"
)]

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use leckwehr_crypt::SigningKey;
use leckwehr_ledger::{Ledger, Writer};

const ENTRY_BYTES: usize = 300;
const APPENDS: usize = 4_096;

fn main() {
    let place = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let place = place.map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(place).unwrap();

    let single = one_by_one(&folder.path().join("single"));
    println!("{APPENDS} appends of one entry of {ENTRY_BYTES} bytes");
    println!("one fsync per append, 1 caller   {single:>9.0} appends/s   1.0 ×");
    for callers in [1, 4, 16, 64] {
        let rate = grouped(&folder.path().join(format!("group-{callers}")), callers);
        println!(
            "group commit, {callers:>2} callers         {rate:>9.0} appends/s {:>5.1} ×",
            rate / single
        );
    }
    let batch = one_batch(&folder.path().join("batch"));
    println!(
        "one batch of all                 {batch:>9.0} entries/s {:>5.1} ×",
        batch / single
    );
}

fn create(dir: &Path) -> Ledger {
    Ledger::create(dir, "bench.example", SigningKey::generate().unwrap()).unwrap()
}

fn one_by_one(dir: &Path) -> f64 {
    let mut ledger = create(dir);
    per_second(|| {
        for _ in 0..APPENDS {
            ledger.append(&[vec![7; ENTRY_BYTES]]).unwrap();
        }
    })
}

fn grouped(dir: &Path, callers: usize) -> f64 {
    let writer = Writer::new(create(dir));
    per_second(|| {
        thread::scope(|scope| {
            for _ in 0..callers {
                scope.spawn(|| {
                    for _ in 0..APPENDS / callers {
                        writer.append(vec![vec![7; ENTRY_BYTES]]).unwrap();
                    }
                });
            }
        });
    })
}

fn one_batch(dir: &Path) -> f64 {
    let mut ledger = create(dir);
    let entries = vec![vec![7; ENTRY_BYTES]; APPENDS];
    per_second(|| {
        ledger.append(&entries).unwrap();
    })
}

fn per_second(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    APPENDS as f64 / start.elapsed().as_secs_f64()
}
