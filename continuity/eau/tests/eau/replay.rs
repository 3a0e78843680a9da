use std::collections::BTreeMap;
use std::fs;

use leckwehr_eau::{Inbox, InboxError, Spool, SpoolConfig, SpoolError, Taken};

use crate::{eau, eau_saying, opening, sealing};

/// Replays until nothing waits; returns how many records were taken newly.
fn drain(spool: &Spool, inbox: &mut Inbox, records_max: usize) -> usize {
    let mut new = 0;
    loop {
        let batch = spool.next_batch(inbox.position(), records_max).unwrap();
        if batch.through == batch.after {
            return new;
        }
        new += inbox.take(&batch).unwrap().new;
    }
}

#[test]
fn every_record_arrives_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(&folder.path().join("spool"), sealing(), SpoolConfig::default()).unwrap();
    let messages: Vec<_> = (1..=50).map(eau).chain([eau_saying(1, "other")]).collect();
    spool.accept_batch(&messages).unwrap();
    let mut inbox = Inbox::open(&folder.path().join("inbox")).unwrap();
    assert_eq!(spool.waiting(inbox.position()), 51);
    assert_eq!(drain(&spool, &mut inbox, 7), 51);
    assert_eq!(spool.waiting(inbox.position()), 0);
    let got: Vec<_> = inbox.records().map(|r| r.unwrap().open(&opening()).unwrap().bytes).collect();
    assert!(got == messages.iter().map(|m| m.bytes.clone()).collect::<Vec<_>>());
}

#[test]
fn a_receiver_restored_from_an_older_backup_gets_everything_again_and_keeps_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("inbox");
    let mut spool = Spool::open(&folder.path().join("spool"), sealing(), SpoolConfig::default()).unwrap();
    spool.accept_batch(&(1..=10).map(eau).collect::<Vec<_>>()).unwrap();
    drain(&spool, &mut Inbox::open(&file).unwrap(), 100);
    let backup = fs::read(&file).unwrap();
    spool.accept_batch(&(11..=20).map(eau).collect::<Vec<_>>()).unwrap();
    drain(&spool, &mut Inbox::open(&file).unwrap(), 100);

    fs::write(&file, &backup).unwrap();
    let mut inbox = Inbox::open(&file).unwrap();
    assert_eq!(inbox.position(), 10);
    assert_eq!(drain(&spool, &mut inbox, 3), 10);
    // A sender who repeats an old batch does no harm.
    let again = spool.next_batch(0, 100).unwrap();
    assert_eq!(inbox.take(&again).unwrap(), Taken { new: 0, known: 20 });
    let mut times = BTreeMap::new();
    for record in inbox.records() {
        *times.entry(record.unwrap().payload_hash).or_insert(0) += 1;
    }
    assert_eq!(times.len(), 20);
    assert!(times.values().all(|n| *n == 1));
}

#[test]
fn an_inbox_cut_anywhere_stands_at_the_last_whole_batch() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("inbox");
    let mut spool = Spool::open(&folder.path().join("spool"), sealing(), SpoolConfig::default()).unwrap();
    spool.accept_batch(&(1..=6).map(eau).collect::<Vec<_>>()).unwrap();
    drain(&spool, &mut Inbox::open(&file).unwrap(), 2);
    let whole = fs::read(&file).unwrap();
    for cut in (0..whole.len()).step_by(5) {
        fs::write(&file, &whole[..cut]).unwrap();
        let mut inbox = Inbox::open(&file).unwrap();
        assert_eq!(inbox.len() as u64, inbox.position());
        drain(&spool, &mut inbox, 4);
        assert_eq!(inbox.len(), 6, "cut at {cut}");
    }
}

#[test]
fn a_damaged_inbox_is_refused_and_holes_and_strangers_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("inbox");
    let mut spool = Spool::open(&folder.path().join("spool"), sealing(), SpoolConfig::default()).unwrap();
    spool.accept_batch(&(1..=4).map(eau).collect::<Vec<_>>()).unwrap();
    let mut inbox = Inbox::open(&file).unwrap();
    let later = spool.next_batch(2, 1).unwrap();
    assert!(matches!(inbox.take(&later), Err(InboxError::Hole { after: 2, position: 0 })));
    drain(&spool, &mut inbox, 1);
    let mut stranger = later;
    stranger.spool = [0; 16];
    assert!(matches!(inbox.take(&stranger), Err(InboxError::WrongSpool)));
    drop(inbox);
    let mut bytes = fs::read(&file).unwrap();
    bytes[70] ^= 1;
    fs::write(&file, bytes).unwrap();
    assert!(matches!(Inbox::open(&file), Err(InboxError::Damaged { .. })));
    assert!(matches!(spool.next_batch(5, 1), Err(SpoolError::ReceiverAhead { .. })));
}

#[test]
fn a_record_damaged_later_is_named_in_its_batch() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), sealing(), SpoolConfig::default()).unwrap();
    spool.accept_batch(&(1..=3).map(eau).collect::<Vec<_>>()).unwrap();
    let path = folder.path().join("00000000000000000001.seg");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let batch = spool.next_batch(0, 10).unwrap();
    assert_eq!(
        (batch.records.len(), batch.damaged.as_slice(), batch.through),
        (2, &[2][..], 3)
    );
}
