use leckwehr_crypt::SigningKey;
use leckwehr_ledger::{Ledger, Trust, verify};

#[test]
fn a_ledger_is_written_closed_verified_opened_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, out) = (folder.path().join("ledger"), folder.path().join("export"));
    let mut ledger = Ledger::create(&dir, "example.org/a", SigningKey::generate().unwrap()).unwrap();
    assert_eq!(ledger.append(&[b"a".to_vec(), b"b".to_vec()]).unwrap(), 0..2);
    let old = ledger.checkpoint();
    let many: Vec<_> = (0..700u32).map(|n| n.to_le_bytes().to_vec()).collect();
    assert_eq!(ledger.append(&many).unwrap(), 2..702);
    ledger.close().unwrap();

    let trust = Trust {
        against: Some(old),
        verifier_key: None,
    };
    let report = verify(&dir, &trust).unwrap();
    assert!(report.is_ok(), "{report:?}");
    assert_eq!(report.against, Some(2));
    println!("{report:?}");

    let ledger = Ledger::open(&dir).unwrap();
    assert_eq!(ledger.entries(2..702).unwrap(), many);
    ledger.export(&out).unwrap();
    let report = verify(&out, &trust).unwrap();
    assert!(report.is_ok(), "{report:?}");
    assert!(report.notes.is_empty());
}
