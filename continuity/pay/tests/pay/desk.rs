use std::fs;
use std::path::Path;

use jiff::civil::date;
use leckwehr_crypt::{RecordKey, SigningKey, hex};
use leckwehr_incident::{Situation, Timestamp, What};
use leckwehr_pay::{Desk, DeskError, Faults, Ignored, Person, Roster, RosterError, Stage};

use crate::{NOW, TODAY, as_person, csv, iban, key, person_key, plan, roster, row};

/// A desk with one built file.
fn built(folder: &Path) -> (Desk, String) {
    let mut desk = crate::open(folder, &key(), Faults::default()).unwrap();
    let plan = plan(
        &csv(&[row(1, 1, 100, "Krankengeld", "once", "2026-11-30")]),
        "2026-11-01",
        "2026-11-30",
    );
    let files = as_person("carl", |carl| desk.build(&plan, &roster(), carl, NOW)).unwrap();
    (desk, files[0].clone())
}

fn approve(desk: &mut Desk, file: &str, name: &str, at: Timestamp) {
    as_person(name, |person| desk.approve(file, &roster(), person, at, 1)).unwrap();
}

fn why(desk: &mut Desk, file: &str, now: Timestamp) -> (usize, Vec<Ignored>) {
    match desk.release(file, &roster(), "carl", now, TODAY) {
        Err(DeskError::NotApproved { counted, ignored }) => (counted.len(), ignored.into_iter().map(|(_, why)| why).collect()),
        _ => (99, Vec::new()),
    }
}

const HOUR_MS: i64 = 3_600_000;

/// Counting a builder's second word, an expired, repeated or forged one makes this red.
#[test]
fn only_two_different_people_release_and_the_builder_is_never_the_second() {
    let folder = crate::crash::folder();
    let (mut desk, file) = built(folder.path());
    assert_eq!(why(&mut desk, &file, NOW), (0, vec![]));
    approve(&mut desk, &file, "anna", NOW);
    approve(&mut desk, &file, "anna", NOW);
    approve(&mut desk, &file, "carl", NOW);
    assert_eq!(why(&mut desk, &file, NOW), (1, vec![Ignored::Twice, Ignored::BuilderSecond]));
    assert_eq!(why(&mut desk, &file, NOW.plus_ms(-1)).0, 0, "a word from the future");
    let late = NOW.plus_ms(HOUR_MS);
    assert_eq!(why(&mut desk, &file, late), (0, vec![Ignored::OutOfTime; 3]));
    approve(&mut desk, &file, "bert", NOW);
    assert_eq!(why(&mut desk, &file, late).0, 0);
    assert!(!released(folder.path()).exists());
    desk.release(&file, &roster(), "carl", NOW, TODAY).unwrap();
    assert!(released(folder.path()).exists());
    // The builder can be the first.
    let folder = crate::crash::folder();
    let (mut desk, file) = built(folder.path());
    approve(&mut desk, &file, "carl", NOW);
    approve(&mut desk, &file, "anna", NOW);
    desk.release(&file, &roster(), "carl", NOW, TODAY).unwrap();
}

/// Path of the one released file, or of none.
fn released(folder: &Path) -> std::path::PathBuf {
    let mut found = fs::read_dir(folder.join("released"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    found.next().unwrap_or_else(|| folder.join("none"))
}

#[test]
fn keys_rosters_and_days_are_checked() {
    let folder = crate::crash::folder();
    let (mut desk, file) = built(folder.path());
    let anna = person_key("anna");
    let as_bert = Person {
        name: "bert",
        key: &anna,
    };
    assert!(matches!(
        desk.approve(&file, &roster(), &as_bert, NOW, 1),
        Err(DeskError::Roster(RosterError::OtherKey(_)))
    ));
    let as_mallory = Person {
        name: "mallory",
        key: &anna,
    };
    assert!(matches!(
        desk.approve(&file, &roster(), &as_mallory, NOW, 1),
        Err(DeskError::Roster(RosterError::Unknown(_)))
    ));
    assert!(as_person("anna", |anna| matches!(
        desk.approve(&file, &roster(), anna, NOW, 49),
        Err(DeskError::Hours)
    )));
    // Somebody put a key of his own on the roster.
    let other = SigningKey::from_seed(&[1; 32]).unwrap();
    let line = |name: &str, key: &SigningKey| format!("{name} {}\n", hex(key.verifying_key().as_bytes()));
    let changed = Roster::parse(&(line("anna", &anna) + &line("mallory", &other))).unwrap();
    let as_mallory = Person {
        name: "mallory",
        key: &other,
    };
    assert!(matches!(
        desk.approve(&file, &changed, &as_mallory, NOW, 1),
        Err(DeskError::OtherRoster)
    ));
    assert_eq!(
        Roster::parse(&(line("anna", &anna) + &line("mallory", &anna))).err(),
        Some(RosterError::Twice(2))
    );
    assert_eq!(Roster::parse(&line("anna", &anna)).err(), Some(RosterError::Count));
    assert_eq!(Roster::parse("anna").err(), Some(RosterError::Line(1)));
    for name in ["anna", "bert"] {
        approve(&mut desk, &file, name, NOW);
    }
    let late = desk.release(&file, &roster(), "carl", NOW, date(2026, 12, 1));
    assert!(matches!(late, Err(DeskError::Late(_))) && late.is_err_and(|e| e.is_refusal()));
    assert!(matches!(
        desk.release(&file, &changed, "carl", NOW, TODAY),
        Err(DeskError::OtherRoster)
    ));
}

#[test]
fn a_cancelled_file_frees_its_payments_and_a_released_one_can_be_neither_cancelled_nor_released_again() {
    let folder = crate::crash::folder();
    let (mut desk, file) = built(folder.path());
    let again = plan(
        &csv(&[row(1, 1, 100, "Krankengeld", "once", "2026-11-30")]),
        "2026-11-01",
        "2026-11-30",
    );
    let contradicts = as_person("carl", |carl| desk.build(&again, &roster(), carl, NOW.plus_ms(1)));
    assert!(
        matches!(contradicts, Err(DeskError::Contradiction)),
        "a plan that the journal contradicts"
    );
    as_person("anna", |anna| desk.cancel(&file, &roster(), anna, NOW)).unwrap();
    assert!(matches!(
        desk.release(&file, &roster(), "carl", NOW, TODAY),
        Err(DeskError::Stage(Stage::Cancelled))
    ));
    let files = as_person("carl", |carl| desk.build(&again, &roster(), carl, NOW.plus_ms(1))).unwrap();
    for name in ["anna", "bert"] {
        approve(&mut desk, &files[0], name, NOW.plus_ms(1));
    }
    let path = desk.release(&files[0], &roster(), "carl", NOW.plus_ms(1), TODAY).unwrap();
    // The bank took it: it is not written a second time.
    fs::remove_file(&path).unwrap();
    let twice = desk.release(&files[0], &roster(), "carl", NOW.plus_ms(1), TODAY);
    assert!(matches!(twice, Err(DeskError::Stage(Stage::Released))) && !path.exists());
    let cancelled = as_person("anna", |anna| desk.cancel(&files[0], &roster(), anna, NOW));
    assert!(matches!(cancelled, Err(DeskError::Stage(Stage::Released))));
}

#[test]
fn nothing_about_people_is_on_disk_before_the_release_nor_ever_in_journal_and_facts() {
    let folder = crate::crash::folder();
    let (mut desk, file) = built(folder.path());
    let secrets = ["Krankengeld", "Name 1", "Kasse 1", &iban(1), &iban(900_001)];
    let found = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        secrets
            .iter()
            .any(|secret| bytes.windows(secret.len()).any(|part| part == secret.as_bytes()))
    };
    assert!(!found(&folder.path().join("sealed").join(&file)));
    for name in ["anna", "bert"] {
        approve(&mut desk, &file, name, NOW);
    }
    let path = desk.release(&file, &roster(), "carl", NOW, TODAY).unwrap();
    assert!(found(&path) && !found(&folder.path().join("journal")));
    let facts = desk.facts();
    assert_eq!(facts.len(), 5);
    let mut situation = Situation::default();
    for fact in &facts {
        assert!(matches!(
            fact.what,
            What::PaymentRun {
                payments: 1,
                cents: 100,
                ..
            }
        ));
        situation.apply(fact).unwrap();
    }
    let text = situation.to_json();
    assert!(text.contains("\"released\"") && !secrets.iter().any(|secret| text.contains(secret)));
}

/// Every byte of the journal is under a check: a flipped bit anywhere stops everything.
#[test]
fn one_flipped_bit_of_journal_or_sealed_file_is_noticed_and_an_old_journal_too() {
    let folder = crate::crash::folder();
    let (mut desk, file) = built(folder.path());
    approve(&mut desk, &file, "anna", NOW);
    approve(&mut desk, &file, "bert", NOW);
    let journal = folder.path().join("journal");
    let approved = fs::read(&journal).unwrap();
    let sealed = folder.path().join("sealed").join(&file);
    let whole = fs::read(&sealed).unwrap();
    for at in [0, whole.len() / 2, whole.len() - 1] {
        let mut bad = whole.clone();
        bad[at] ^= 1;
        fs::write(&sealed, bad).unwrap();
        assert!(matches!(
            desk.release(&file, &roster(), "carl", NOW, TODAY),
            Err(DeskError::Sealed(_))
        ));
    }
    fs::write(&sealed, whole).unwrap();
    desk.release(&file, &roster(), "carl", NOW, TODAY).unwrap();
    drop(desk);
    let open = |bytes: &[u8]| {
        fs::write(&journal, bytes).unwrap();
        crate::open(folder.path(), &key(), Faults::default()).map(|desk| desk.files().count())
    };
    let last = fs::read(&journal).unwrap();
    for at in 0..last.len() {
        let mut bad = last.clone();
        bad[at] ^= 1 << (at % 8);
        assert!(open(&bad).is_err(), "byte {at} of {}", last.len());
    }
    assert!(matches!(open(&approved), Err(DeskError::Rollback(_))));
    assert!(matches!(open(b""), Err(DeskError::Rollback(_))));
    assert_eq!(open(&last).unwrap(), 1);
    fs::write(&journal, &last).unwrap();
    let other = RecordKey::from_bytes([6; 32]);
    assert!(matches!(
        crate::open(folder.path(), &other, Faults::default()),
        Err(DeskError::WrongKey(_))
    ));
    let held = crate::open(folder.path(), &key(), Faults::default()).unwrap();
    assert!(matches!(
        Desk::open(folder.path(), &key(), Faults::default()),
        Err(DeskError::Locked(_))
    ));
    drop(held);
}
