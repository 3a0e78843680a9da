use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use leckwehr_crypt::Dice;
use leckwehr_epa::{Action, DocumentId, Store};

use crate::{DOCTOR, kvnr, master};

const FOLDER: &str = "LECKWEHR_EPA_CRASH_FOLDER";
const PERSONS: [&str; 2] = ["A123456780", "B987654321"];

/// Not a test by itself: the program that the test below starts and kills. It stores without end and says each id.
#[test]
fn child() {
    let Some(folder) = folder_told() else { return };
    let mut store = Store::open(Path::new(&folder), master()).unwrap();
    let mut out = std::io::stdout().lock();
    for person in PERSONS.into_iter().cycle() {
        let id = store.put(&kvnr(person), &DOCTOR, person.as_bytes()).unwrap();
        writeln!(out, "stored {person} {id}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn killed_at_random_times_every_stored_document_is_there_with_its_event() {
    let mut dice = Dice::new(4, "kill");
    let folder = tempfile::tempdir().unwrap();
    let mut stored = BTreeSet::new();
    for _ in 0..6 {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["crash::child", "--exact", "--nocapture", "--test-threads=1"]);
        command
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let lines = dice.below(20);
        let mut fresh = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let Ok(line) = line else { break };
            if let Some((_, said)) = line.split_once("stored ") {
                let (person, id) = said.split_once(' ').unwrap();
                fresh.push((person.to_owned(), DocumentId::parse(id).unwrap()));
            }
            if fresh.len() == lines {
                child.kill().unwrap();
            }
        }
        assert!(!child.wait().unwrap().success());
        let mut store = Store::open(folder.path(), master()).unwrap();
        for (person, id) in &fresh {
            assert_eq!(store.get(&kvnr(person), &DOCTOR, *id).unwrap(), person.as_bytes());
        }
        stored.extend(fresh);
        for person in PERSONS {
            let Ok(listed) = store.list(&kvnr(person), &DOCTOR) else {
                continue;
            };
            let trail = store.audit(&kvnr(person), &DOCTOR).unwrap();
            let puts: Vec<_> = trail
                .iter()
                .filter_map(|e| match e.action {
                    Action::Put { document } => Some(document),
                    _ => None,
                })
                .collect();
            assert_eq!(puts.len(), listed.len());
            // The newest document of a trail is the one that the kill can have hit.
            let last = *puts.last().unwrap();
            assert!(
                store.get(&kvnr(person), &DOCTOR, last).is_ok(),
                "an event without its document"
            );
        }
    }
    let mut store = Store::open(folder.path(), master()).unwrap();
    for person in PERSONS {
        let listed: BTreeSet<_> = store.list(&kvnr(person), &DOCTOR).unwrap().into_iter().collect();
        assert!(stored.iter().all(|(of, id)| of != person || listed.contains(id)));
    }
    assert!(stored.len() > 20);
}

#[expect(
    clippy::disallowed_methods,
    reason = "the child process is told by its environment what to do"
)]
fn folder_told() -> Option<String> {
    std::env::var(FOLDER).ok()
}
