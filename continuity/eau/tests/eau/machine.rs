use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use leckwehr_eau::{Faults, Inbox, Spool, SpoolConfig, SpoolError};
use proptest::prelude::*;

use crate::{eau_saying, opening, sealing};

/// Times that a spool is tried which a program being started beside the test still holds.
const LOCK_TRIES_MAX: usize = 1_000_000;

/// What can happen to a spool and its receiver.
#[derive(Debug, Clone)]
enum Op {
    /// A batch of (identifier, content).
    Accept(Vec<(u64, u8)>),
    /// The power fails during a batch: of its bytes only a part, possibly garbled, is on disk afterwards.
    PowerFails {
        batch: Vec<(u64, u8)>,
        kept: u16,
        garbled: Option<u16>,
    },
    Reopen,
    Replay(usize),
    Backup,
    RestoreBackup,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let batch = || prop::collection::vec((0..12_u64, 0..3_u8), 1..5);
    let op = prop_oneof![
        4 => batch().prop_map(Op::Accept),
        2 => (batch(), any::<u16>(), any::<Option<u16>>())
            .prop_map(|(batch, kept, garbled)| Op::PowerFails { batch, kept, garbled }),
        1 => Just(Op::Reopen),
        2 => (1..6_usize).prop_map(Op::Replay),
        1 => Just(Op::Backup),
        1 => Just(Op::RestoreBackup),
    ];
    prop::collection::vec(op, 1..25)
}

fn open(folder: &Path, faults: Faults) -> Spool {
    // A test beside this one may be about to start a program: between fork and exec it holds the lock too.
    let try_open = || {
        let config = SpoolConfig {
            segment_bytes_max: 3000,
            faults: faults.clone(),
        };
        Spool::open(&folder.join("spool"), sealing(), config)
    };
    let mut opened = try_open();
    for _ in 0..LOCK_TRIES_MAX {
        if !matches!(opened, Err(SpoolError::Locked(_))) {
            break;
        }
        std::thread::yield_now();
        opened = try_open();
    }
    opened.unwrap()
}

fn contents(spool: &Spool) -> Vec<Vec<u8>> {
    spool.records(1).map(|r| r.unwrap().open(&opening()).unwrap().bytes).collect()
}

fn newest_segment(folder: &Path) -> Option<(std::path::PathBuf, u64)> {
    let entries = fs::read_dir(folder.join("spool")).unwrap().map(|e| e.unwrap().path());
    let newest = entries.filter(|p| p.extension().is_some_and(|e| e == "seg")).max()?;
    let bytes = fs::metadata(&newest).unwrap().len();
    Some((newest, bytes))
}

fn tear(folder: &Path, before: Option<(std::path::PathBuf, u64)>, kept: u16, garbled: Option<u16>) {
    let Some((path, bytes)) = newest_segment(folder) else { return };
    let safe = before.filter(|(old, _)| *old == path).map_or(0, |(_, bytes)| bytes);
    let unsynced = bytes - safe;
    let mut content = fs::read(&path).unwrap();
    content.truncate((safe + u64::from(kept) % (unsynced + 1)) as usize);
    let torn = content.len() as u64 - safe;
    if let Some(garbled) = garbled
        && torn > 0
    {
        content[(safe + u64::from(garbled) % torn) as usize] ^= 0x55;
    }
    fs::write(&path, content).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens: every acknowledged message is in the spool exactly once, and after a replay in the inbox too.
    #[test]
    fn acknowledged_messages_are_there_exactly_once(ops in ops()) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let inbox_file = root.join("inbox");
        let mut backup = None;
        let mut acknowledged = BTreeSet::new();
        let mut spool = Some(open(root, Faults::default()));
        for op in ops {
            match op {
                Op::Accept(batch) => {
                    let messages: Vec<_> = batch.iter().map(|(id, text)| eau_saying(*id, &text.to_string())).collect();
                    spool.as_mut().unwrap().accept_batch(&messages).unwrap();
                    acknowledged.extend(messages.into_iter().map(|m| m.bytes));
                }
                Op::PowerFails { batch, kept, garbled } => {
                    drop(spool.take());
                    let faults = Faults::new(|point| match point {
                        leckwehr_eau::FaultPoint::Written => Err(std::io::ErrorKind::Other.into()),
                        _ => Ok(()),
                    });
                    let mut failing = open(root, faults);
                    let before = newest_segment(root);
                    let messages: Vec<_> = batch.iter().map(|(id, text)| eau_saying(*id, &text.to_string())).collect();
                    if failing.accept_batch(&messages).is_err() {
                        drop(failing);
                        tear(root, before, kept, garbled);
                    } else {
                        // Nothing to write: every message was a duplicate.
                        drop(failing);
                    }
                    spool = Some(open(root, Faults::default()));
                }
                Op::Reopen => {
                    drop(spool.take());
                    spool = Some(open(root, Faults::default()));
                }
                Op::Replay(records_max) => {
                    let mut inbox = Inbox::open(&inbox_file).unwrap();
                    let batch = spool.as_ref().unwrap().next_batch(inbox.position(), records_max).unwrap();
                    inbox.take(&batch).unwrap();
                }
                Op::Backup => backup = fs::read(&inbox_file).ok(),
                Op::RestoreBackup => {
                    if let Some(backup) = &backup {
                        fs::write(&inbox_file, backup).unwrap();
                    }
                }
            }
        }
        let spool = spool.unwrap();
        let mut times = BTreeMap::new();
        for bytes in contents(&spool) {
            *times.entry(bytes).or_insert(0) += 1;
        }
        prop_assert!(times.values().all(|n| *n == 1));
        prop_assert!(acknowledged.iter().all(|m| times.contains_key(m)));
        let mut inbox = Inbox::open(&inbox_file).unwrap();
        loop {
            let batch = spool.next_batch(inbox.position(), 3).unwrap();
            if batch.through == batch.after {
                break;
            }
            inbox.take(&batch).unwrap();
        }
        let got: Vec<_> = inbox.records().map(|r| r.unwrap().open(&opening()).unwrap().bytes).collect();
        prop_assert_eq!(got.len(), times.len());
        prop_assert!(got.iter().all(|m| times.contains_key(m)));
    }
}
