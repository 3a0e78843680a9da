use std::fs;
use std::path::{Path, PathBuf};

use leckwehr_epa::{Access, Action, DOCUMENT_BYTES_MAX, DocumentId, EpaError, MasterKey, Store};

use crate::{DOCTOR, kvnr, master};

const ANNA: &str = "A123456780";
const BODO: &str = "B987654321";

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        }
        into.push(path);
    }
}

fn file_of(folder: &Path, name: &str) -> PathBuf {
    let mut all = Vec::new();
    files(folder, &mut all);
    all.into_iter().find(|p| p.to_string_lossy().ends_with(name)).unwrap()
}

#[test]
fn a_document_comes_back_and_every_access_is_in_the_trail() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path(), master()).unwrap();
    let id = store.put(&kvnr(ANNA), &DOCTOR, b"blood group 0").unwrap();
    drop(store);
    let mut store = Store::open(folder.path(), master()).unwrap();
    let herself = Access {
        actor: ANNA,
        at_ns: DOCTOR.at_ns + 1,
    };
    assert_eq!(store.list(&kvnr(ANNA), &DOCTOR).unwrap(), [id]);
    assert_eq!(store.get(&kvnr(ANNA), &DOCTOR, id).unwrap(), b"blood group 0");
    let unknown = DocumentId::parse(&"00".repeat(16)).unwrap();
    assert!(matches!(
        store.get(&kvnr(ANNA), &DOCTOR, unknown),
        Err(EpaError::NoDocument { .. })
    ));
    let trail = store.audit(&kvnr(ANNA), &herself).unwrap();
    let actions: Vec<_> = trail.iter().map(|e| e.action).collect();
    let get = |document, given| Action::Get { document, given };
    assert_eq!(
        actions,
        [
            Action::Put { document: id },
            Action::List,
            get(id, true),
            get(unknown, false),
            Action::ReadAudit
        ]
    );
    assert_eq!((trail[0].actor.as_str(), trail[4].actor.as_str()), (DOCTOR.actor, ANNA));
    assert_eq!(trail.iter().map(|e| e.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(store.audit_head(&kvnr(ANNA)).unwrap().events, 5);
}

#[test]
fn nothing_on_disk_says_who_or_what() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path(), master()).unwrap();
    let id = store.put(&kvnr(ANNA), &DOCTOR, b"Diagnose: Influenza").unwrap();
    store.get(&kvnr(ANNA), &DOCTOR, id).unwrap();
    store.list(&kvnr(ANNA), &DOCTOR).unwrap();
    let mut all = Vec::new();
    files(folder.path(), &mut all);
    assert!(all.len() >= 4);
    for path in all {
        let name = path.strip_prefix(folder.path()).unwrap().to_string_lossy().into_owned();
        let content = if path.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
        for secret in [ANNA, &ANNA[1..], "Diagnose", "Influenza", "Sommer", "action", "put"] {
            assert!(!name.contains(secret), "{secret} in the name {name}");
            assert!(
                !content.windows(secret.len()).any(|w| w == secret.as_bytes()),
                "{secret} in {name}"
            );
        }
        // An unkeyed hash of the KVNR would be as good as the KVNR: there are few of them.
        assert!(!name.contains(&leckwehr_crypt::hex(&leckwehr_crypt::sha256(ANNA.as_bytes()))));
    }
}

#[test]
fn another_persons_context_and_another_master_key_open_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path(), master()).unwrap();
    let id = store.put(&kvnr(ANNA), &DOCTOR, b"hers").unwrap();
    assert!(matches!(store.get(&kvnr(BODO), &DOCTOR, id), Err(EpaError::NoRecord)));
    let his = store.put(&kvnr(BODO), &DOCTOR, b"his").unwrap();
    assert!(matches!(
        store.get(&kvnr(BODO), &DOCTOR, id),
        Err(EpaError::NoDocument { .. })
    ));
    // Even with her file under his document's name.
    fs::copy(
        file_of(folder.path(), &format!("{id}.rec")),
        file_of(folder.path(), &format!("{his}.rec")),
    )
    .unwrap();
    assert!(matches!(
        store.get(&kvnr(BODO), &DOCTOR, his),
        Err(EpaError::DocumentDamaged { .. })
    ));
    drop(store);
    let mut stranger = Store::open(folder.path(), MasterKey::from_bytes([4; 32])).unwrap();
    assert!(matches!(stranger.get(&kvnr(ANNA), &DOCTOR, id), Err(EpaError::NoRecord)));
}

#[test]
fn two_documents_of_one_person_cannot_be_swapped() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path(), master()).unwrap();
    let one = store.put(&kvnr(ANNA), &DOCTOR, b"one").unwrap();
    let two = store.put(&kvnr(ANNA), &DOCTOR, b"two").unwrap();
    fs::copy(
        file_of(folder.path(), &format!("{one}.rec")),
        file_of(folder.path(), &format!("{two}.rec")),
    )
    .unwrap();
    assert!(matches!(
        store.get(&kvnr(ANNA), &DOCTOR, two),
        Err(EpaError::DocumentDamaged { .. })
    ));
    fs::remove_file(file_of(folder.path(), &format!("{one}.rec"))).unwrap();
    assert!(matches!(
        store.get(&kvnr(ANNA), &DOCTOR, one),
        Err(EpaError::DocumentDamaged { .. })
    ));
    assert_eq!(
        store.list(&kvnr(ANNA), &DOCTOR).unwrap().len(),
        2,
        "a lost document is still listed"
    );
}

#[test]
fn a_changed_trail_is_refused_and_a_cut_one_where_a_document_tells() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path(), master()).unwrap();
    store.put(&kvnr(ANNA), &DOCTOR, b"one").unwrap();
    let head = store.audit_head(&kvnr(ANNA)).unwrap();
    store.put(&kvnr(ANNA), &DOCTOR, b"two").unwrap();
    store.list(&kvnr(ANNA), &DOCTOR).unwrap();
    let path = file_of(folder.path(), "audit.log");
    let whole = fs::read(&path).unwrap();
    let first = 4 + u32::from_le_bytes(whole[..4].try_into().unwrap()) as usize;
    let second = first + 4 + u32::from_le_bytes(whole[first..first + 4].try_into().unwrap()) as usize;
    for byte in 4..second {
        let mut bad = whole.clone();
        bad[byte] ^= 1;
        fs::write(&path, bad).unwrap();
        let refused = store.audit_head(&kvnr(ANNA));
        assert!(matches!(refused, Err(EpaError::AuditDamaged { .. })), "byte {byte}");
        fs::write(&path, &whole).unwrap();
    }
    fs::write(&path, &whole[..first]).unwrap();
    assert!(matches!(store.list(&kvnr(ANNA), &DOCTOR), Err(EpaError::AuditDamaged { .. })));
    // Cut behind the last document: only a head kept elsewhere tells.
    fs::write(&path, &whole[..second]).unwrap();
    assert_eq!(store.audit_head(&kvnr(ANNA)).unwrap().events, head.events + 1);
}

#[test]
fn an_unfinished_event_is_set_aside_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path(), master()).unwrap();
    let id = store.put(&kvnr(ANNA), &DOCTOR, b"one").unwrap();
    let path = file_of(folder.path(), "audit.log");
    let whole = fs::read(&path).unwrap();
    for torn in [&[0_u8][..], &[90, 0, 0, 0, 1, 2, 3], &whole[..whole.len() - 1]] {
        fs::write(&path, [&whole, torn].concat()).unwrap();
        assert_eq!(store.get(&kvnr(ANNA), &DOCTOR, id).unwrap(), b"one");
        let trail = store.audit(&kvnr(ANNA), &DOCTOR).unwrap();
        let bytes = torn.len() as u64;
        assert_eq!(trail[1].action, Action::TailSetAside { bytes });
    }
}

#[test]
fn a_crash_before_the_event_leaves_nothing_and_after_it_the_document() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path(), master()).unwrap();
    let id = store.put(&kvnr(ANNA), &DOCTOR, b"one").unwrap();
    let finished = file_of(folder.path(), &format!("{id}.rec"));
    let unfinished = finished.with_extension("new");
    // After the event, before the rename.
    fs::rename(&finished, &unfinished).unwrap();
    assert_eq!(store.get(&kvnr(ANNA), &DOCTOR, id).unwrap(), b"one");
    assert!(finished.exists() && !unfinished.exists());
    // Before the event.
    let stray = finished.with_file_name(format!("{}.new", "11".repeat(16)));
    fs::write(&stray, b"half").unwrap();
    assert_eq!(store.list(&kvnr(ANNA), &DOCTOR).unwrap(), [id]);
    assert!(!stray.exists());
}

#[test]
fn limits_and_locks_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path(), master()).unwrap();
    assert!(matches!(
        Store::open(folder.path(), master()).err(),
        Some(EpaError::Locked(_))
    ));
    let long = vec![0; DOCUMENT_BYTES_MAX + 1];
    assert!(matches!(
        store.put(&kvnr(ANNA), &DOCTOR, &long),
        Err(EpaError::OverLimit { .. })
    ));
    assert!(matches!(store.put(&kvnr("anna"), &DOCTOR, b""), Err(EpaError::BadKvnr)));
    let talker = Access {
        actor: &"x".repeat(300),
        at_ns: 0,
    };
    assert!(matches!(
        store.put(&kvnr(ANNA), &talker, b""),
        Err(EpaError::OverLimit { .. })
    ));
    assert!(!format!("{:?}", store.put(&kvnr("A12"), &DOCTOR, b"")).contains("A12"));
}
