use std::sync::{Arc, Barrier};
use std::thread;

use leckwehr_crypt::SigningKey;
use leckwehr_ledger::{Ledger, LedgerError, Step, Trust, Writer, verify};

#[test]
fn many_callers_share_commits_and_each_finds_its_entries() {
    const CALLERS: u32 = 16;
    const EACH: u32 = 25;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let mut ledger = Ledger::create(&dir, "example.org/a", SigningKey::generate().unwrap()).unwrap();
    let commits = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counter = Arc::clone(&commits);
    ledger.on_step(move |step| {
        counter.fetch_add(u32::from(step == Step::Committed), std::sync::atomic::Ordering::Relaxed);
    });
    let writer = Writer::new(ledger);
    let start = Arc::new(Barrier::new(CALLERS as usize));
    let threads: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (writer, start) = (writer.clone(), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                for n in 0..EACH {
                    let pair = vec![format!("{caller} {n} a").into_bytes(), format!("{caller} {n} b").into_bytes()];
                    let range = writer.append(pair.clone()).unwrap();
                    let read = writer.with(|ledger| ledger.entries(range)).unwrap().unwrap();
                    assert_eq!(read, pair);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let appends = CALLERS * EACH;
    assert_eq!(writer.with(|ledger| ledger.size()).unwrap(), u64::from(2 * appends));
    assert!(commits.load(std::sync::atomic::Ordering::Relaxed) <= appends);
    drop(writer);
    assert!(verify(&dir, &Trust::default()).unwrap().is_ok());
}

#[test]
fn one_bad_append_does_not_spoil_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let writer = Writer::new(Ledger::create(&dir, "example.org/a", SigningKey::generate().unwrap()).unwrap());
    let error = writer.append(vec![vec![0; 70_000]]).unwrap_err();
    assert!(matches!(error, LedgerError::EntryTooLarge { .. }));
    assert_eq!(writer.append(vec![Vec::new()]).unwrap(), 0..1);
}

#[test]
fn what_waits_while_the_ledger_is_busy_is_committed_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(&folder.path().join("l"), "a", SigningKey::generate().unwrap()).unwrap();
    let writer = Writer::new(ledger);
    let (tell, commits) = std::sync::mpsc::channel();
    let mut threads = Vec::new();
    writer
        .with(|ledger| {
            ledger.on_step(move |step| {
                if step == Step::Committed {
                    tell.send(()).unwrap();
                }
            });
            for n in 0..5u8 {
                let writer = writer.clone();
                threads.push(thread::spawn(move || writer.append(vec![vec![n]]).unwrap()));
            }
            while writer.waiting() < 5 {
                thread::yield_now();
            }
        })
        .unwrap();
    let mut ranges: Vec<_> = threads.into_iter().map(|t| t.join().unwrap().start).collect();
    ranges.sort_unstable();
    assert_eq!(ranges, [0, 1, 2, 3, 4]);
    drop(writer);
    assert_eq!(commits.iter().count(), 1);
}

#[test]
fn when_a_caller_dies_within_a_commit_the_others_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(&folder.path().join("l"), "a", SigningKey::generate().unwrap()).unwrap();
    let writer = Writer::new(ledger);
    let mut threads = Vec::new();
    writer
        .with(|ledger| {
            ledger.on_step(|step| assert_ne!(step, Step::TilesWritten, "dies here"));
            for n in 0..4u8 {
                let writer = writer.clone();
                threads.push(thread::spawn(move || writer.append(vec![vec![n]])));
            }
            while writer.waiting() < 4 {
                thread::yield_now();
            }
        })
        .unwrap();
    let ends: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
    assert_eq!(ends.iter().filter(|end| end.is_err()).count(), 1);
    assert_eq!(ends.iter().filter(|end| matches!(end, Ok(Err(LedgerError::Died)))).count(), 3);
}

#[test]
fn readers_see_a_sound_ledger_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let ledger = Ledger::create(&dir, "example.org/a", SigningKey::generate().unwrap()).unwrap();
    let trust = Trust {
        against: Some(ledger.checkpoint()),
        verifier_key: Some(ledger.verifier_key().to_line()),
    };
    let writer = Writer::new(ledger);
    let writing = std::sync::atomic::AtomicU32::new(2);
    let reports = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..800 {
                    writer.append(crate::entries(3, "live")).unwrap();
                }
                writing.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
            });
        }
        let mut reports = Vec::new();
        while writing.load(std::sync::atomic::Ordering::Relaxed) > 0 {
            reports.push(verify(&dir, &trust));
        }
        reports
    });
    for report in reports {
        let report = report.unwrap();
        assert!(report.is_ok() && report.notes.is_empty(), "{report:?}");
    }
}
