use std::fs;

use leckwehr_crypt::SigningKey;
use leckwehr_ledger::{ENTRY_BYTES_MAX, Ledger, LedgerError, Pages, Reader, Trust, Writer, empty_root, verify};

#[test]
fn a_ledger_is_written_closed_verified_opened_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, out) = (folder.path().join("a #1 ledger?"), folder.path().join("export"));
    let mut ledger = Ledger::create(&dir, "example.org/a", SigningKey::generate().unwrap()).unwrap();
    assert_eq!((ledger.size(), ledger.root()), (0, empty_root()));
    assert_eq!(ledger.append(&[b"a".to_vec(), b"b".to_vec()]).unwrap(), 0..2);
    assert_eq!(ledger.append(&[]).unwrap(), 2..2);
    let old = ledger.checkpoint();
    let many: Vec<_> = (0..700u32).map(|n| n.to_le_bytes().to_vec()).collect();
    assert_eq!(ledger.append(&many).unwrap(), 2..702);
    let key = ledger.verifier_key().to_line();
    ledger.close().unwrap();
    let mut names: Vec<_> = fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["ledger.db", "ledger.key", "ledger.sum", "ledger.vkey"]);

    let trust = Trust {
        against: Some(old),
        verifier_key: Some(key),
    };
    let report = verify(&dir, &trust).unwrap();
    assert!(report.is_ok() && report.notes.is_empty(), "{report:?}");
    assert_eq!(report.against, Some(2));
    assert!(matches!(report.pages, Pages::Checked(10..)));

    let ledger = Ledger::open(&dir).unwrap();
    assert_eq!(ledger.entries(2..702).unwrap(), many);
    ledger.export(&out).unwrap();
    assert!(matches!(ledger.export(&out), Err(LedgerError::Occupied(_))));
    let report = verify(&out, &trust).unwrap();
    assert!(report.is_ok() && report.notes.is_empty(), "{report:?}");

    let (store, export) = (Reader::open(&dir).unwrap(), Reader::open(&out).unwrap());
    assert_eq!(store.checkpoint(), export.checkpoint());
    assert_eq!(store.entries(0..702).unwrap(), export.entries(0..702).unwrap());
    assert_eq!(
        store.inclusion_proof(17, 600).unwrap(),
        export.inclusion_proof(17, 600).unwrap()
    );
}

#[test]
fn an_empty_ledger_verifies_as_store_and_as_export() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, out) = (folder.path().join("ledger"), folder.path().join("export"));
    let ledger = Ledger::create(&dir, "example.org/a", SigningKey::generate().unwrap()).unwrap();
    ledger.export(&out).unwrap();
    ledger.close().unwrap();
    for path in [&dir, &out] {
        let report = verify(path, &Trust::default()).unwrap();
        assert!(report.is_ok() && report.notes.is_empty(), "{report:?}");
    }
}

#[test]
fn a_ledger_that_is_being_written_can_be_verified_and_is_not_changed_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let mut ledger = Ledger::create(&dir, "example.org/a", SigningKey::generate().unwrap()).unwrap();
    ledger.append(&crate::entries(300, "live")).unwrap();
    let report = verify(&dir, &Trust::default()).unwrap();
    assert!(report.is_ok(), "{report:?}");
    assert_eq!(report.pages, Pages::NoSums);
    assert_eq!(report.checkpoint.unwrap().size, 300);
    ledger.append(&crate::entries(10, "live")).unwrap();
    ledger.close().unwrap();
    assert!(matches!(verify(&dir, &Trust::default()).unwrap().pages, Pages::Checked(_)));
}

#[test]
fn there_is_one_writer_at_a_time_and_only_with_the_right_key() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let seed = [5; 32];
    let key = || SigningKey::from_seed(&seed).unwrap();
    let ledger = Ledger::create_without_key(&dir, "example.org/a", key()).unwrap();
    assert!(matches!(Ledger::open_with_key(&dir, key()), Err(LedgerError::Locked(_))));
    drop(ledger);
    assert!(!dir.join("ledger.key").exists());
    assert!(matches!(Ledger::open(&dir), Err(LedgerError::File { .. })));
    let other = Ledger::open_with_key(&dir, SigningKey::generate().unwrap());
    assert!(matches!(other, Err(LedgerError::WrongKey)));
    Ledger::open_with_key(&dir, key()).unwrap();
    let again = Ledger::create(&dir, "example.org/a", key());
    assert!(matches!(again, Err(LedgerError::Occupied(_))));
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_appended() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let mut ledger = Ledger::create(&dir, "example.org/a", SigningKey::generate().unwrap()).unwrap();
    let error = ledger.append(&[b"a".to_vec(), vec![0; ENTRY_BYTES_MAX + 1]]).unwrap_err();
    assert!(matches!(error, LedgerError::EntryTooLarge { bytes: 65_536 }) && error.is_certainly_not_applied());
    let error = ledger.append(&vec![Vec::new(); 65_537]).unwrap_err();
    assert!(matches!(error, LedgerError::BatchTooLarge { entries: 65_537, .. }));
    assert_eq!(ledger.size(), 0);
    assert_eq!(ledger.append(&[vec![0; ENTRY_BYTES_MAX]]).unwrap(), 0..1);
    assert!(matches!(ledger.entries(0..2), Err(LedgerError::Range { .. })));
    assert!(matches!(ledger.inclusion_proof(1, 1), Err(LedgerError::Range { .. })));
    assert!(matches!(ledger.consistency_proof(1, 2), Err(LedgerError::Range { .. })));
    assert!(Ledger::create(&folder.path().join("b"), "two words", SigningKey::generate().unwrap()).is_err());
}

#[test]
fn the_private_key_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    Ledger::create(&dir, "example.org/a", SigningKey::generate().unwrap()).unwrap();
    let mode = fs::metadata(dir.join("ledger.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn handles_go_from_thread_to_thread() {
    fn is_send<T: Send>() {}
    fn is_sync<T: Sync>() {}
    is_send::<Ledger>();
    is_send::<Reader>();
    is_send::<Writer>();
    is_sync::<Writer>();
}
