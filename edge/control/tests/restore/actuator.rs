//! What carries steps out, when the world is not as it should be: programs that hang, backups that are gone or damaged, full disks,
//! people.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use leckwehr_control::{
    CourseEnd, Faults, Journal, NoFaults, PROGRAM_OUTPUT_BYTES_MAX, Program, ProgramError, Runbook, take_signed_word,
};
use leckwehr_incident::{Gate, GateCheck, ServiceLevel, SignedWord, StepOutcome, Timestamp, What, WordAbout};
use leckwehr_restore::{GateState, gate_state};

use crate::restoration::{folder, has_restic};
use crate::scene::{Place, SYSTEMS, back_up};

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

fn program(argv: &[&str], timeout_ms: u64) -> Program {
    Program {
        argv: argv.iter().map(|a| (*a).to_owned()).collect(),
        environment: BTreeMap::new(),
        timeout_ms,
    }
}

/// Red if only the program itself is killed: its child would go on and hold the pipe.
#[test]
fn a_program_that_hangs_is_killed_with_its_whole_group() {
    let place = folder();
    let number = place.path().join("number");
    let script = format!("/bin/sleep 1000 & echo $! > {}; wait", number.display());
    let error = block_on(program(&["/bin/sh", "-c", &script], 500).run(None)).unwrap_err();
    assert!(
        matches!(error, ProgramError::TimedOut { ms: 500, .. }) && !error.is_certainly_not_applied(),
        "{error}"
    );
    let sleeper = fs::read_to_string(&number).unwrap();
    let state = || fs::read_to_string(format!("/proc/{}/stat", sleeper.trim())).unwrap_or_default();
    // Whoever inherits it takes its remains away.
    let gone = async {
        while !state().is_empty() && !state().contains(") Z") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    block_on(async { tokio::time::timeout(Duration::from_secs(20), gone).await }).unwrap();
}

#[test]
fn what_a_program_says_is_bounded_and_nothing_is_inherited() {
    let end = block_on(program(&["/usr/bin/head", "-c", "1000000", "/dev/zero"], 60_000).run(None)).unwrap();
    assert_eq!((end.code, end.output.len()), (Some(0), PROGRAM_OUTPUT_BYTES_MAX));
    assert_eq!(block_on(program(&["/usr/bin/env"], 60_000).run(None)).unwrap().output, "");
    let end = block_on(program(&["/bin/sh", "-c", "echo one; echo two >&2; exit 3"], 60_000).run(None)).unwrap();
    assert_eq!(end.in_words(), "exit code 3: two");
    for missing in ["sh", "/no/such/program"] {
        let error = block_on(program(&[missing], 60_000).run(None)).unwrap_err();
        assert!(error.is_certainly_not_applied(), "{error}");
    }
}

#[test]
fn a_runbook_names_what_is_wrong_with_it() {
    let refused = |text: &str| Runbook::parse("book.toml", text).unwrap_err().to_string();
    let head = "[[step]]\naction = \"probe\"\ntarget = \"fs-1\"\n";
    assert!(refused(head).contains("[[step]] probe fs-1: has 0 ways"));
    assert!(refused(&format!("{head}guard = true\nwords = 1\n")).contains("line 5"));
    let relative = format!("{head}command = {{ check = [\"test\"] }}\n");
    assert!(refused(&relative).contains("`test` must be an absolute path"));
    let twice = format!("{head}guard = true\n{head}guard = true\n");
    assert!(refused(&twice).contains("stands there twice"));
    let book = Runbook::parse("book.toml", &format!("{head}guard = true\n")).unwrap();
    let again = Runbook::parse(
        "other.toml",
        "step = [{ guard = true, target = \"fs-1\", action = \"probe\" }]",
    )
    .unwrap();
    assert_eq!(book.digest(), again.digest(), "the same ways, written differently");
}

/// A house with a plan under way; `change` makes the world worse before.
fn carried_out(shared: &Path, change: impl FnOnce(&Place, &mut String)) -> (tempfile::TempDir, Place, Journal, CourseEnd) {
    let root = folder();
    let place = Place::new(shared, root.path());
    let mut text = place.runbook_text();
    change(&place, &mut text);
    let runbook = Runbook::parse("book.toml", &text).unwrap();
    let faults: Arc<dyn Faults> = Arc::new(NoFaults);
    let mut journal = place.open(Arc::clone(&faults)).unwrap();
    place.lay(&mut journal);
    place.propose(&mut journal, &runbook);
    let end = place.resume(&mut journal, &runbook, &faults).unwrap();
    (root, place, journal, end)
}

/// What became of the restore of a system, in words.
fn restore_of(journal: &Journal, id: &str) -> String {
    let view = journal.situation().plans.values().next().unwrap();
    let step = view
        .plan
        .steps
        .iter()
        .find(|s| s.action == "restore-files" && s.target == id)
        .unwrap();
    match &view.steps[&step.number].ended {
        Some((_, StepOutcome::Verified { evidence })) => format!("verified: {evidence}"),
        Some((_, StepOutcome::NotApplied { reason })) => format!("not applied: {reason}"),
        other => format!("{other:?}"),
    }
}

/// Nothing half-restored is declared up: not the system, not its service, and its files are as they were.
fn is_not_up(place: &Place, journal: &Journal, id: &str) {
    let host = &journal.situation().hosts[id];
    assert!(
        host.isolated && host.level < Some(ServiceLevel::CleanRoom),
        "{id}: {:?}",
        host.level
    );
    assert_eq!(fs::read_to_string(place.target(id).join("marker")).unwrap(), "####");
    let beside = fs::read_dir(place.target(id).parent().unwrap()).unwrap();
    for work in beside
        .map(|e| e.unwrap().path())
        .filter(|p| p.to_string_lossy().contains(".leckwehr-"))
    {
        assert!(
            !work.join("staged").exists() || work.join("prepared.json").exists(),
            "{}",
            work.display()
        );
    }
}

#[test]
fn a_backup_that_is_gone_or_damaged_restores_nothing() {
    if !has_restic() {
        return;
    }
    let shared = folder();
    back_up(shared.path());
    let gone = |_: &Place, text: &mut String| *text = text.replace("/repository\"", "/gone\"");
    let (_root, place, journal, end) = carried_out(shared.path(), gone);
    assert_eq!(end, CourseEnd::Complete);
    for id in SYSTEMS {
        assert!(
            restore_of(&journal, id).contains("gone/data cannot be read"),
            "{}",
            restore_of(&journal, id)
        );
        is_not_up(&place, &journal, id);
    }
    // A server that nobody answers for: restic says so itself.
    let unreachable = |place: &Place, text: &mut String| {
        let folder = format!("repository = \"{}/repository\"", place.shared.display());
        *text = text.replace(&folder, "repository = \"rest:http://127.0.0.1:9/\"");
        *text = text.replace("timeout_minutes = 2", "timeout_minutes = 1");
    };
    let (_root, place, journal, _) = carried_out(shared.path(), unreachable);
    assert!(
        restore_of(&journal, "fs-1").contains("rest:http://127.0.0.1:9/"),
        "{}",
        restore_of(&journal, "fs-1")
    );
    is_not_up(&place, &journal, "fs-1");
    // One flipped bit in one pack; a snapshot that no witness saw.
    let pack = fs::read_dir(shared.path().join("repository/data")).unwrap();
    let pack = pack
        .flat_map(|f| fs::read_dir(f.unwrap().path()).unwrap())
        .next()
        .unwrap()
        .unwrap()
        .path();
    let whole = fs::read(&pack).unwrap();
    let mut damaged = whole.clone();
    damaged[7] ^= 1;
    let mode = fs::metadata(&pack).unwrap().permissions();
    fs::remove_file(&pack).unwrap();
    fs::write(&pack, damaged).unwrap();
    let (_root, place, journal, _) = carried_out(shared.path(), |_, _| ());
    assert!(
        restore_of(&journal, "fs-1").contains("is damaged: its SHA-256 is"),
        "{}",
        restore_of(&journal, "fs-1")
    );
    is_not_up(&place, &journal, "fs-1");
    fs::write(&pack, whole).unwrap();
    fs::set_permissions(&pack, mode).unwrap();
    fs::write(shared.path().join("witness"), "# nothing was ever seen\n").unwrap();
    let (_root, place, journal, _) = carried_out(shared.path(), |_, _| ());
    let view = journal.situation().plans.values().next().unwrap();
    let words = format!("{:?}", view.steps.values().map(|s| &s.ended).collect::<Vec<_>>());
    assert!(words.contains("does not know snapshot"), "{words}");
    is_not_up(&place, &journal, "fs-1");
}

/// The child of the next test, in a mount namespace of its own.
#[test]
fn with_a_full_disk() {
    #[expect(clippy::disallowed_methods, reason = "the parent speaks to its child by environment")]
    let (Ok(shared), Ok(small)) = (std::env::var("FULL_SHARED"), std::env::var("FULL_ROOT")) else {
        return;
    };
    let root = Path::new(&small);
    let place = Place::new(Path::new(&shared), root);
    let runbook = place.runbook();
    let faults: Arc<dyn Faults> = Arc::new(NoFaults);
    // The ledger lies elsewhere; only the systems' disk is full.
    let mount = Command::new("/bin/mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(root.join("srv"))
        .status();
    assert!(mount.unwrap().success());
    for id in SYSTEMS {
        fs::create_dir_all(place.target(id)).unwrap();
        fs::write(place.target(id).join("marker"), "####").unwrap();
        let time = std::time::UNIX_EPOCH + Duration::from_secs(crate::scene::BACKUP_S);
        fs::File::options()
            .write(true)
            .open(place.target(id).join("marker"))
            .unwrap()
            .set_modified(time)
            .unwrap();
    }
    let _ = fs::write(root.join("srv/fill"), vec![0; 48 << 10]);
    let mut journal = place.open(Arc::clone(&faults)).unwrap();
    place.lay(&mut journal);
    place.propose(&mut journal, &runbook);
    place.resume(&mut journal, &runbook, &faults).unwrap();
    for id in SYSTEMS {
        assert!(
            restore_of(&journal, id).contains("no space left on device") || restore_of(&journal, id).contains("No space left"),
            "{}",
            restore_of(&journal, id)
        );
        is_not_up(&place, &journal, id);
    }
    println!("the disk was full");
}

#[test]
fn on_a_full_disk_nothing_is_swapped_and_nothing_is_up() {
    if !has_restic() {
        return;
    }
    let (shared, root) = (folder(), folder());
    back_up(shared.path());
    let output = Command::new("/usr/bin/unshare")
        .args(["-Urm", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args(["actuator::with_a_full_disk", "--exact", "--nocapture"])
        .env("FULL_SHARED", shared.path())
        .env("FULL_ROOT", root.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    if String::from_utf8_lossy(&output.stderr).contains("unshare failed") {
        println!("SKIPPED: this machine forbids user namespaces");
        return;
    }
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("the disk was full"),
        "{said}{complaints}"
    );
}

/// People have a step with an owner and a time; their word is a fact; a gate can be decided, and that shows.
#[test]
fn people_do_their_part_and_put_their_names_to_it() {
    if !has_restic() {
        return;
    }
    let shared = folder();
    back_up(shared.path());
    let by_hand = |_: &Place, text: &mut String| {
        let from = text.find("[[step]]\naction = \"reconnect\"\ntarget = \"fs-3\"").unwrap();
        text.truncate(from);
        *text += "[[step]]\naction = \"reconnect\"\ntarget = \"fs-3\"\n\
                  manual = { owner = \"network desk\", what = \"plug fs-3 in\", due_minutes = 30 }\n";
        *text = text.replacen(
            "proves = [\"indicators-swept\", \"configuration-compared\"]",
            "proves = [\"indicators-swept\"]",
            3,
        );
    };
    let (_root, place, mut journal, end) = carried_out(shared.path(), by_hand);
    // Nobody compared the configuration: nothing is reconnected, and nobody is asked to.
    assert_eq!(end, CourseEnd::Complete);
    let view = journal.situation().plans.values().next().unwrap();
    let (plan, record) = (view.plan.hash.clone(), view.plan.clone());
    assert!(view.work.is_empty() && SYSTEMS.iter().all(|id| journal.situation().hosts[*id].isolated));
    let missing = format!("{}: no evidence", GateCheck::ConfigurationCompared.word());
    let clean = gate_state(journal.situation(), &record, "fs-3", Gate::Clean);
    assert_eq!(clean, GateState::Open { missing: vec![missing] });
    let say = |journal: &mut Journal, word: WordAbout| {
        let word = SignedWord {
            person: "anna".into(),
            word,
            reason: "I was there".into(),
            at: Timestamp(1),
            signature: String::new(),
        };
        journal.record("anna", vec![What::WordGiven { word }]).unwrap();
    };
    let (gate, system) = (Gate::Clean, "fs-3".to_owned());
    say(&mut journal, WordAbout::Override { system, gate });
    let decided = gate_state(journal.situation(), &record, "fs-3", Gate::Clean);
    assert!(matches!(decided, GateState::Overridden { ref by } if by.contains("anna") && by.contains("I was there")));
    let mut text = place.runbook_text();
    by_hand(&place, &mut text);
    let runbook = Runbook::parse("book.toml", &text).unwrap();
    let faults: Arc<dyn Faults> = Arc::new(NoFaults);
    let end = place.resume(&mut journal, &runbook, &faults).unwrap();
    let view = journal.situation().plans.values().next().unwrap();
    let (number, work) = view.work.iter().next().map(|(n, w)| (*n, w.clone())).unwrap();
    assert_eq!((work.owner.as_str(), work.what.as_str()), ("network desk", "plug fs-3 in"));
    assert_eq!(
        end,
        CourseEnd::WaitsForPeople {
            work: vec![(number, work.owner)]
        }
    );
    say(&mut journal, WordAbout::Done { plan, step: number });
    let end = place.resume(&mut journal, &runbook, &faults).unwrap();
    assert_eq!(end, CourseEnd::Complete);
    let hosts = &journal.situation().hosts;
    assert!(!hosts["fs-3"].isolated && hosts["fs-1"].isolated && hosts["fs-2"].isolated);
}

/// Red if `fault` looks at the signature alone: an old word would open the gate of a system that fell again.
#[test]
fn only_the_word_of_a_known_person_about_today_counts() {
    let (shared, root) = (folder(), folder());
    fs::create_dir_all(shared.path().join("repository/snapshots")).unwrap();
    let place = Place::new(shared.path(), root.path());
    let mut journal = place.open(Arc::new(NoFaults)).unwrap();
    place.lay(&mut journal);
    let key = leckwehr_crypt::SigningKey::from_seed(&[9; 32]).unwrap();
    let keys = BTreeMap::from([("anna".to_owned(), *key.verifying_key().as_bytes())]);
    let now = journal.now();
    let word = |person: &str, at: Timestamp, gate: Gate| {
        let mut word = SignedWord {
            person: person.into(),
            word: WordAbout::Override {
                system: "fs-1".into(),
                gate,
            },
            reason: "seen myself".into(),
            at,
            signature: String::new(),
        };
        word.signature = leckwehr_crypt::hex(&key.sign(&word.bytes()));
        word
    };
    let mut take = |word: &SignedWord| take_signed_word(&keys, &[], &mut journal, word).unwrap().unwrap_or_default();
    let good = word("anna", now, Gate::Clean);
    let mut forged = good.clone();
    forged.word = WordAbout::Override {
        system: "fs-1".into(),
        gate: Gate::Restorable,
    };
    assert_eq!(take(&forged), "the signature does not fit");
    assert_eq!(
        take(&word("mallory", now, Gate::Clean)),
        "no key of mallory is known that may say this"
    );
    assert!(take(&word("anna", now.plus_ms(-3_600_000), Gate::Clean)).contains("older than the loss"));
    assert!(take(&word("anna", now.plus_ms(3_600_000), Gate::Clean)).contains("still to come"));
    assert_eq!(take(&good), "");
    let back = &journal.situation().hosts["fs-1"].back;
    assert_eq!(back.overrides.keys().collect::<Vec<_>>(), [&Gate::Clean]);
    assert_eq!(journal.situation().rejected, 4);
}
