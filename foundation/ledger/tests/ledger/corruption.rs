use std::fs;
use std::path::{Path, PathBuf};

use leckwehr_crypt::Dice;
use leckwehr_ledger::{Ledger, LedgerError, Place, Trust, verify};

const FLIPS: usize = 1_000;

/// Lists the files of a folder, with their paths inside it.
fn files(dir: &Path) -> Vec<(String, PathBuf)> {
    let (mut found, mut folders) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned(), path));
            }
        }
    }
    found.sort();
    found
}

fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    files(dir)
        .into_iter()
        .map(|(name, path)| (name, fs::read(path).unwrap()))
        .collect()
}

fn flip(path: &Path, bit: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[bit / 8] ^= 1 << (bit % 8);
    fs::write(path, bytes).unwrap();
}

/// Flips one bit after another — half of them anywhere in the folder, half in a random file, so that small files get
/// their share — and asks `named` whether the report tells where.
fn flip_bits(dir: &Path, named: impl Fn(&str, usize)) {
    let files = files(dir);
    let sizes: Vec<usize> = files
        .iter()
        .map(|(_, path)| fs::metadata(path).unwrap().len() as usize)
        .collect();
    let before = contents(dir);
    let mut dice = Dice::new(0, "flips");
    for round in 0..FLIPS {
        let (file, byte) = if round % 2 == 0 {
            let mut byte = dice.below(sizes.iter().sum());
            let file = sizes
                .iter()
                .position(|size| byte.checked_sub(*size).map(|rest| byte = rest).is_none());
            (file.unwrap(), byte)
        } else {
            let file = dice.below(files.len());
            (file, dice.below(sizes[file]))
        };
        let bit = byte * 8 + dice.below(8);
        let (name, path) = &files[file];
        flip(path, bit);
        named(name, bit);
        flip(path, bit);
    }
    assert!(contents(dir) == before, "verification changed a file");
    assert!(verify(dir, &Trust::default()).unwrap().is_ok());
}

#[test]
fn every_flipped_bit_of_a_closed_store_is_named_with_its_page() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    crate::filled(&dir, 600).close().unwrap();
    flip_bits(&dir, |file, bit| {
        let report = verify(&dir, &Trust::default()).unwrap();
        let page = Place::Page((bit / 8 / 4096 + 1) as u32);
        let named = |damage: &leckwehr_ledger::Damage| damage.file == file && (file != "ledger.db" || damage.place == page);
        assert!(report.damage.iter().any(named), "bit {bit} of {file}: {report:?}");
        assert!(
            Ledger::open(&dir).is_err() || file == "ledger.key",
            "bit {bit} of {file} was opened"
        );
    });
}

#[test]
fn every_flipped_bit_of_an_export_is_named_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("export");
    crate::filled(&folder.path().join("ledger"), 600).export(&dir).unwrap();
    flip_bits(&dir, |file, bit| {
        let report = verify(&dir, &Trust::default()).unwrap();
        assert!(
            report.damage.iter().any(|d| d.file == file),
            "bit {bit} of {file}: {report:?}"
        );
        assert!(
            report.damage.iter().all(|d| d.file == file),
            "bit {bit} of {file}: {report:?}"
        );
    });
}

#[test]
fn the_damaged_entry_and_the_damaged_hash_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("export");
    crate::filled(&folder.path().join("ledger"), 600).export(&dir).unwrap();
    let places = || {
        verify(&dir, &Trust::default())
            .unwrap()
            .damage
            .into_iter()
            .map(|d| (d.file, d.place))
            .collect::<Vec<_>>()
    };

    let bundle = dir.join("tile/entries/001");
    let lengths = crate::entries(600, "filled")[256..256 + 20]
        .iter()
        .map(|e| e.len() + 2)
        .sum::<usize>();
    flip(&bundle, (lengths + 2) * 8);
    assert_eq!(places(), [("tile/entries/001".to_owned(), Place::Entry(276))]);
    flip(&bundle, (lengths + 2) * 8);

    let tile = dir.join("tile/0/002.p/88");
    flip(&tile, 7 * 256);
    let hash = Some(7);
    assert_eq!(
        places(),
        [("tile/0/002.p/88".to_owned(), Place::Tile { level: 0, n: 2, hash })]
    );
    flip(&tile, 7 * 256);

    let hash = Some(1);
    flip(&dir.join("tile/1/000.p/2"), 256);
    assert_eq!(
        places(),
        [("tile/1/000.p/2".to_owned(), Place::Tile { level: 1, n: 0, hash })]
    );
}

#[test]
fn a_changed_entry_is_named_without_page_sums_too() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let mut ledger = crate::filled(&dir, 300);
    let secret = b"the byte sequence to look for".to_vec();
    ledger.append(std::slice::from_ref(&secret)).unwrap();
    ledger.close().unwrap();
    fs::remove_file(dir.join("ledger.sum")).unwrap();
    assert!(verify(&dir, &Trust::default()).unwrap().is_ok());

    let bytes = fs::read(dir.join("ledger.db")).unwrap();
    let at = bytes.windows(secret.len()).position(|w| w == secret).unwrap();
    flip(&dir.join("ledger.db"), at * 8 + 3);
    let report = verify(&dir, &Trust::default()).unwrap();
    assert_eq!(report.damage.len(), 1, "{report:?}");
    assert_eq!(
        (report.damage[0].file.as_str(), report.damage[0].place),
        ("ledger.db", Place::Entry(300))
    );
    assert!(matches!(Ledger::open(&dir), Err(LedgerError::Damaged { count: 1, .. })));
}

#[test]
fn a_flipped_bit_in_the_log_that_a_crash_left_is_named_and_never_just_shortens_the_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, crashed) = (folder.path().join("ledger"), folder.path().join("crashed"));
    let mut ledger = crate::filled(&dir, 0);
    for n in 1..20 {
        ledger.append(&crate::entries(n, "log")).unwrap();
    }
    // What lies there while the ledger is open is what kill -9 leaves.
    fs::create_dir(&crashed).unwrap();
    for (name, bytes) in contents(&dir) {
        fs::write(crashed.join(name), bytes).unwrap();
    }
    let log = crashed.join("ledger.db-wal");
    let (size, bytes) = (ledger.size(), fs::read(&log).unwrap());
    let intact = contents(&crashed);
    let mut dice = Dice::new(5, "log");
    let (mut damaged, mut torn) = (0, 0);
    for round in 0..300 {
        // Every tenth flip hits the header of 32 bytes.
        let bit = dice.below(if round % 10 == 0 { 32 * 8 } else { bytes.len() * 8 });
        flip(&log, bit);
        let report = verify(&crashed, &Trust::default()).unwrap();
        let named = report.damage.iter().any(|d| d.file == "ledger.db-wal");
        let noted = report.notes.iter().any(|note| note.starts_with("ledger.db-wal"));
        assert!(named || noted, "bit {bit}: {report:?}");
        if named {
            assert!(Ledger::open(&crashed).is_err(), "bit {bit} was opened");
        } else {
            // Only the last of the 19 commits can be mistaken for one that was never finished.
            assert_eq!(report.checkpoint.unwrap().size, size - 19, "bit {bit}");
        }
        damaged += usize::from(named);
        torn += usize::from(noted);
        for (name, bytes) in &intact {
            fs::write(crashed.join(name), bytes).unwrap();
        }
    }
    assert!(damaged > 200 && torn < 60, "{damaged} named, {torn} noted");
    assert!(verify(&crashed, &Trust::default()).unwrap().notes.is_empty());
    assert_eq!(Ledger::open(&crashed).unwrap().size(), size);
}
