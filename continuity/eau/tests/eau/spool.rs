use std::fs;
use std::path::Path;

use leckwehr_eau::{Class, DamageKind, FaultPoint, Faults, Incoming, MESSAGE_BYTES_MAX, Spool, SpoolConfig, SpoolError};

use crate::{eau, eau_saying, opening, sealing};

fn open(folder: &Path) -> Spool {
    Spool::open(folder, sealing(), SpoolConfig::default()).unwrap()
}

fn segments(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "seg"));
    paths.sort();
    paths
}

#[test]
fn what_was_accepted_comes_out_again_with_the_private_key_only() {
    let folder = tempfile::tempdir().unwrap();
    let receipt = open(folder.path()).accept(eau(1)).unwrap();
    assert_eq!((receipt.seq, receipt.duplicate_of, receipt.class), (1, None, Class::Good));
    let record = open(folder.path()).records(1).next().unwrap().unwrap();
    let opened = record.open(&opening()).unwrap();
    assert!(opened.bytes == eau(1).bytes && opened.sender == eau(1).sender && opened.message_id == eau(1).message_id);
    assert!(
        record
            .open(&leckwehr_crypt::OpeningKey::from_seed(&[8; 32]).unwrap())
            .is_err()
    );
    let mut moved = record.clone();
    moved.seq = 2;
    assert!(moved.open(&opening()).is_err(), "a record is bound to its number");
    let mut flagged = record;
    flagged.identifier_conflict = true;
    assert!(flagged.open(&opening()).is_err(), "a record is bound to what stands in clear");
}

#[test]
fn nothing_is_rejected_and_everything_has_a_class() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    let with = |bytes: &[u8]| Incoming {
        bytes: bytes.to_vec(),
        ..eau(9)
    };
    let class = |spool: &mut Spool, bytes: &[u8]| spool.accept(with(bytes)).unwrap().class;
    assert_eq!(class(&mut spool, &eau(1).bytes), Class::Good);
    assert_eq!(
        class(&mut spool, b"<Patient xmlns=\"http://hl7.org/fhir\"/>"),
        Class::Doubtful
    );
    assert_eq!(class(&mut spool, b"\x30\x82\x01\x00signed container"), Class::Doubtful);
    assert_eq!(class(&mut spool, b"\xff\xff not a document"), Class::Unreadable);
    assert_eq!(class(&mut spool, b""), Class::Unreadable);
    assert_eq!(spool.status().classes, [1, 2, 2]);
}

#[test]
fn duplicates_are_noted_and_conflicts_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    let batch = [eau(1), eau(1), eau_saying(1, "other"), eau(2)];
    let receipts = spool.accept_batch(&batch).unwrap();
    assert_eq!(receipts.iter().map(|r| r.seq).collect::<Vec<_>>(), [1, 1, 2, 3]);
    assert_eq!(receipts[1].duplicate_of, Some(1));
    assert!(receipts[2].identifier_conflict && receipts[2].duplicate_of.is_none());
    drop(spool);
    let mut spool = open(folder.path());
    assert_eq!(spool.accept(eau_saying(1, "other")).unwrap().duplicate_of, Some(2));
    assert!(spool.accept(eau_saying(2, "other")).unwrap().identifier_conflict);
    let mut resent = eau(1);
    resent.message_id = "<again@praxis.example>".to_owned();
    assert_eq!(spool.accept(resent).unwrap().duplicate_of, Some(1));
    assert_eq!((spool.status().records, spool.status().conflicts), (4, 2));
}

#[test]
fn nothing_of_a_message_stands_in_clear_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).accept(eau_saying(4711, "Frau Winter")).unwrap();
    for path in segments(folder.path()) {
        let bytes = fs::read(path).unwrap();
        for secret in ["Winter", "4711", "praxis", "sommer", "Bundle", "hl7"] {
            assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()), "{secret}");
        }
    }
}

#[test]
fn limits_are_said_and_nothing_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    let mut long = eau(1);
    long.bytes = vec![0; MESSAGE_BYTES_MAX + 1];
    let error = spool.accept_batch(&[eau(2), long]).unwrap_err();
    assert!(matches!(error, SpoolError::OverLimit { .. }) && error.is_certainly_not_applied());
    assert_eq!(spool.status().records, 0);
    assert_eq!(spool.accept(eau(2)).unwrap().seq, 1);
}

#[test]
fn one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path());
    let second = Spool::open(folder.path(), sealing(), SpoolConfig::default());
    assert!(matches!(second.err(), Some(SpoolError::Locked(_))));
    assert_eq!(Spool::look(folder.path()).unwrap().records, 0, "a look needs no lock");
}

#[test]
fn segments_rotate_and_a_missing_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = SpoolConfig {
        segment_bytes_max: 2000,
        ..SpoolConfig::default()
    };
    let mut spool = Spool::open(folder.path(), sealing(), config).unwrap();
    for number in 1..=20 {
        spool.accept(eau(number)).unwrap();
    }
    let seqs = |spool: &Spool| spool.records(1).map(|r| r.unwrap().seq).collect::<Vec<_>>();
    assert_eq!(seqs(&spool), (1..=20).collect::<Vec<_>>());
    drop(spool);
    let files = segments(folder.path());
    assert!(files.len() > 4);
    fs::remove_file(&files[2]).unwrap();
    let spool = open(folder.path());
    let missing = 20 - seqs(&spool).len() as u64;
    let DamageKind::Missing { from, to } = spool.damages()[0].kind else {
        panic!("{:?}", spool.damages())
    };
    assert_eq!(to - from + 1, missing);
    assert_eq!(spool.last_seq(), 20);
}

#[test]
fn every_flipped_bit_is_named_and_costs_one_record_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    for number in 1..=3 {
        spool.accept(eau(number)).unwrap();
    }
    drop(spool);
    let path = segments(folder.path()).remove(0);
    let whole = fs::read(&path).unwrap();
    for bit in (0..whole.len() * 8).step_by(7) {
        let mut bad = whole.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bad).unwrap();
        let status = Spool::look(folder.path()).unwrap();
        assert!(!status.damages.is_empty(), "bit {bit}");
        assert!(status.records >= 2, "bit {bit}");
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(Spool::look(folder.path()).unwrap().damages, []);
}

#[test]
fn a_failing_disk_gives_no_receipt_and_reopening_is_safe() {
    for failing in [
        FaultPoint::BeforeWrite,
        FaultPoint::HalfWritten,
        FaultPoint::Written,
        FaultPoint::Synced,
    ] {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path()).accept(eau(1)).unwrap();
        let faults = Faults::new(move |point| {
            if point == failing {
                return Err(std::io::ErrorKind::StorageFull.into());
            }
            Ok(())
        });
        let config = SpoolConfig {
            faults,
            ..SpoolConfig::default()
        };
        let mut spool = Spool::open(folder.path(), sealing(), config).unwrap();
        let batch = [eau(2), eau(3), eau(4)];
        assert!(matches!(spool.accept_batch(&batch), Err(SpoolError::Io { .. })));
        assert!(matches!(spool.accept(eau(5)), Err(SpoolError::MustReopen)));
        drop(spool);
        let mut spool = open(folder.path());
        spool.accept_batch(&batch).unwrap();
        let sent: Vec<_> = (1..=4).map(|n| eau(n).bytes).collect();
        let got: Vec<_> = spool.records(1).map(|r| r.unwrap().open(&opening()).unwrap().bytes).collect();
        assert!(sent == got, "{failing:?}");
    }
}

#[test]
fn a_torn_tail_stays_where_it_is_and_its_numbers_are_not_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    spool.accept_batch(&[eau(1), eau(2)]).unwrap();
    drop(spool);
    let path = segments(folder.path()).remove(0);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    // Opened and closed without accepting anything: the numbers stay skipped.
    drop(open(folder.path()));
    let mut spool = open(folder.path());
    assert!(matches!(spool.damages()[0].kind, DamageKind::TornTail { .. }));
    assert!(spool.accept(eau(3)).unwrap().seq > 2);
    assert_eq!(fs::read(&path).unwrap(), whole[..whole.len() - 1]);
}
