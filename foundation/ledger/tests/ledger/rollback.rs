use std::fs;
use std::path::Path;

use leckwehr_crypt::SigningKey;
use leckwehr_ledger::{Ledger, Report, Trust, verify};

fn against(path: &Path, checkpoint: &str) -> Report {
    let trust = Trust {
        against: Some(checkpoint.to_owned()),
        verifier_key: None,
    };
    verify(path, &trust).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_rolled_back_store_is_detected_by_any_later_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, backup) = (folder.path().join("ledger"), folder.path().join("backup"));
    let ledger = crate::filled(&dir, 300);
    let early = ledger.checkpoint();
    ledger.close().unwrap();
    copy(&dir, &backup);
    let mut ledger = Ledger::open(&dir).unwrap();
    let mut later = Vec::new();
    for n in [1, 5, 90] {
        ledger.append(&crate::entries(n, "later")).unwrap();
        later.push(ledger.checkpoint());
    }
    ledger.close().unwrap();
    for checkpoint in later.iter().chain([&early]) {
        assert!(against(&dir, checkpoint).is_ok());
    }
    // The old folder is flawless in itself; only a checkpoint kept elsewhere shows what is missing.
    assert!(against(&backup, &early).is_ok());
    for checkpoint in &later {
        let report = against(&backup, checkpoint);
        assert!(report.damage.iter().any(|d| d.what.contains("rolled back")), "{report:?}");
    }
}

#[test]
fn a_rewritten_history_is_detected_even_if_its_owner_signed_it() {
    let folder = tempfile::tempdir().unwrap();
    let key = || SigningKey::from_seed(&[3; 32]).unwrap();
    let old = crate::filled(&folder.path().join("a"), 300).checkpoint();
    let dir = folder.path().join("b");
    let mut other = Ledger::create(&dir, "leckwehr.example/test", key()).unwrap();
    other.append(&crate::entries(400, "another history")).unwrap();
    other.close().unwrap();
    assert!(verify(&dir, &Trust::default()).unwrap().is_ok());
    let report = against(&dir, &old);
    assert!(report.damage[0].what.contains("history was rewritten"), "{report:?}");
    assert_eq!(report.against, None);
}

#[test]
fn a_folder_signed_by_somebody_else_is_detected_by_the_key_and_by_any_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = crate::filled(&folder.path().join("a"), 10);
    let (old, key) = (ledger.checkpoint(), ledger.verifier_key().to_line());
    let dir = folder.path().join("b");
    let mut forged = Ledger::create(&dir, "leckwehr.example/test", SigningKey::generate().unwrap()).unwrap();
    forged.append(&ledger.entries(0..10).unwrap()).unwrap();
    forged.close().unwrap();
    assert!(verify(&dir, &Trust::default()).unwrap().is_ok());
    assert!(!against(&dir, &old).is_ok());
    let trust = Trust {
        against: None,
        verifier_key: Some(key),
    };
    let files: Vec<_> = verify(&dir, &trust).unwrap().damage.into_iter().map(|d| d.file).collect();
    assert_eq!(files, ["ledger.vkey", "ledger.db"]);
}

#[test]
fn a_truncated_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, out) = (folder.path().join("ledger"), folder.path().join("export"));
    let ledger = crate::filled(&dir, 600);
    ledger.export(&out).unwrap();
    ledger.close().unwrap();
    for (path, name) in [
        (&dir, "ledger.db"),
        (&dir, "ledger.sum"),
        (&dir, "ledger.vkey"),
        (&dir, "ledger.key"),
        (&out, "checkpoint"),
        (&out, "ledger.vkey"),
        (&out, "tile/0/001"),
        (&out, "tile/1/000.p/2"),
        (&out, "tile/entries/002.p/88"),
    ] {
        let file = path.join(name);
        let bytes = fs::read(&file).unwrap();
        for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            fs::write(&file, &bytes[..length]).unwrap();
            let report = verify(path, &Trust::default()).unwrap();
            assert!(
                report.damage.iter().any(|d| d.file == name),
                "{name} cut to {length}: {report:?}"
            );
        }
        fs::write(&file, &bytes).unwrap();
        if !["ledger.db", "ledger.sum", "ledger.key", "checkpoint"].contains(&name) {
            fs::remove_file(&file).unwrap();
            let report = verify(path, &Trust::default()).unwrap();
            assert!(report.damage.iter().any(|d| d.file == name), "{name} removed: {report:?}");
            fs::write(&file, &bytes).unwrap();
        }
    }
}

#[test]
fn what_was_added_behind_the_checkpoint_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("export");
    crate::filled(&folder.path().join("ledger"), 10).export(&out).unwrap();
    let bundle = out.join("tile/entries/000.p/10");
    let mut bytes = fs::read(&bundle).unwrap();
    bytes.extend_from_slice(&[0, 1, b'x']);
    fs::write(&bundle, bytes).unwrap();
    fs::write(out.join("stranger"), "").unwrap();
    let report = verify(&out, &Trust::default()).unwrap();
    assert_eq!(report.damage[0].file, "tile/entries/000.p/10");
    assert!(report.damage[0].what.contains("after its last entry"));
}
