//! Three file servers that were encrypted, their restic repository, and a runbook of real programs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use leckwehr_control::{ControlError, Course, CourseEnd, Faults, Journal, Runbook, RunbookActuator, WithoutOrders};
use leckwehr_crypt::SigningKey;
use leckwehr_estate::{Estate, Source};
use leckwehr_incident::{
    CredentialAssessment, Fact, HostAssessment, Impact, SignedWord, Situation, Tier, Timestamp, What, WordAbout,
};
use leckwehr_ledger::{LedgerError, Reader};
use leckwehr_restore::{RestoreConfig, RestorePlan, plan_restore};

pub const SYSTEMS: [&str; 3] = ["fs-1", "fs-2", "fs-3"];
/// The backup was made then, in seconds; files are older.
pub const BACKUP_S: u64 = 1_700_000_000;
const DAY_S: u64 = 86_400;
/// The first compromise; what he encrypted; until when data may be lost; data that is newer than that; the room's clock.
const COMPROMISE_S: u64 = BACKUP_S + 2 * DAY_S;
const ENCRYPTED_S: u64 = BACKUP_S + 3 * DAY_S;
const LOST_S: u64 = BACKUP_S + 4 * DAY_S;
pub const NEWER_S: u64 = BACKUP_S + 5 * DAY_S;
const NOW_S: u64 = BACKUP_S + 6 * DAY_S;
pub const RESTIC: &str = "/usr/bin/restic";

fn at(seconds: u64) -> Timestamp {
    Timestamp(seconds.cast_signed() * 1_000_000_000)
}

pub fn estate() -> Estate {
    let mut text = String::from(
        "name = \"House\"\n[site.s]\ntown = \"T\"\n[party.p]\nkind = \"provider\"\n[zone.z]\nsite = \"s\"\nparty = \"p\"\n",
    );
    for id in SYSTEMS {
        text += &format!("[system.{id}]\nkind = \"file-server\"\nzone = \"z\"\nprobe_port = 445\n");
    }
    text += "[account.svc]\nlogs_on_to = [\"fs-1\", \"fs-2\"]\n";
    text += "[service.letters]\npriority = 1\nrto_minutes = 60\nmtpd_minutes = 600\nneeds = [\"fs-1\", \"fs-2\"]\n";
    text += "degraded = [{ name = \"reading\", gives = \"letters can be read\", needs = [\"fs-1\"] }]\n";
    text += "[service.archive]\npriority = 2\nrto_minutes = 60\nmtpd_minutes = 600\nneeds = [\"fs-3\"]\n";
    let name = "house.toml".into();
    Estate::parse(&[Source { name, text }]).unwrap()
}

/// Where everything lies.
pub struct Place {
    /// The backup, shared between scenes.
    pub shared: PathBuf,
    pub root: PathBuf,
}

fn write_at(path: &Path, text: &str, seconds: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

fn restic(shared: &Path, arguments: &[&str]) -> String {
    let output = Command::new(RESTIC)
        .args([
            "--repo",
            &text(&shared.join("repository")),
            "--password-file",
            &text(&shared.join("password")),
        ])
        .args(["--no-cache"])
        .args(arguments)
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Makes the files as they were and their backup, with a witness.
pub fn back_up(shared: &Path) {
    fs::write(shared.join("password"), "secret").unwrap();
    for id in SYSTEMS {
        let folder = shared.join("original").join(id);
        write_at(&folder.join("marker"), id, BACKUP_S - 1000);
        for n in 0..4 {
            let content = format!("letter {n} of {id} ").repeat(50);
            write_at(&folder.join(format!("letters/{n}.txt")), &content, BACKUP_S - 900);
        }
    }
    restic(shared, &["init"]);
    restic(shared, &["backup", &text(&shared.join("original"))]);
    let mut witness = String::from("# kept outside the backup\n");
    for folder in fs::read_dir(shared.join("repository/data")).unwrap() {
        for pack in fs::read_dir(folder.unwrap().path()).unwrap() {
            witness += &format!("pack {}\n", pack.unwrap().file_name().to_string_lossy());
        }
    }
    witness += &format!("snapshot {} {}\n", snapshot(shared), at(BACKUP_S));
    fs::write(shared.join("witness"), witness).unwrap();
}

/// The id of the only snapshot.
pub fn snapshot(shared: &Path) -> String {
    let entry = fs::read_dir(shared.join("repository/snapshots")).unwrap().next().unwrap();
    entry.unwrap().file_name().to_string_lossy().into_owned()
}

impl Place {
    /// A house in which every file is encrypted. Its ledger holds an approved plan; what is newer than the backup may be lost.
    pub fn new(shared: &Path, root: &Path) -> Self {
        let place = Self {
            shared: shared.to_owned(),
            root: root.to_owned(),
        };
        for folder in ["state", "srv"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(
            root.join("act.sh"),
            "echo \"$1 $2\" >> \"$0.log\"\nif rm \"$0.kills\" 2> /dev/null; then kill -9 $PPID; sleep 0.5; fi\n: > \"${0%act.sh}state/$1-$2\"\n",
        )
        .unwrap();
        for id in SYSTEMS {
            write_at(&place.target(id).join("letters/0.txt"), "####", ENCRYPTED_S);
            write_at(&place.target(id).join("marker"), "####", ENCRYPTED_S);
        }
        place
    }

    pub fn target(&self, id: &str) -> PathBuf {
        self.root.join("srv").join(id)
    }

    /// Somebody writes a letter after the time until which data may be lost.
    pub fn write_newer(&self, id: &str) {
        write_at(&self.target(id).join("newer.txt"), "written today", NEWER_S);
    }

    /// The next deed kills the control room while it is at work, and goes on for a while.
    pub fn kill_in_the_midst(&self) {
        fs::write(self.root.join("act.sh.kills"), "").unwrap();
    }

    /// The runbook's sweep of a system does not compare its configuration: every step of it is verified, and its gate stays closed.
    pub fn leave_unproven(&self, id: &str) {
        fs::write(self.root.join("unproven"), id).unwrap();
    }

    pub fn acts(&self) -> BTreeMap<String, usize> {
        let log = fs::read_to_string(self.root.join("act.sh.log")).unwrap_or_default();
        let mut acts = BTreeMap::new();
        for line in log.lines() {
            *acts.entry(line.to_owned()).or_default() += 1;
        }
        acts
    }

    /// Each deed of a command is a line in a log and a file, whose presence is the check.
    pub fn runbook_text(&self) -> String {
        let (shared, root) = (text(&self.shared), text(&self.root));
        let mut book = String::new();
        let command = |verb: &str| {
            format!(
                "[step.command]\ncheck = [\"/usr/bin/test\", \"-e\", \"{root}/state/{verb}-{{target}}\"]\n\
                 act = [\"/bin/sh\", \"{root}/act.sh\", \"{verb}\", \"{{target}}\"]\n"
            )
        };
        book += &format!(
            "[[step]]\naction = \"rotate-credentials\"\ntarget = \"svc\"\n{}",
            command("rotated")
        );
        let unproven = fs::read_to_string(self.root.join("unproven")).unwrap_or_default();
        for id in SYSTEMS {
            let head = |action: &str| format!("[[step]]\naction = \"{action}\"\ntarget = \"{id}\"\n");
            let proves = match id == unproven {
                true => "proves = [\"indicators-swept\"]\n",
                false => "proves = [\"indicators-swept\", \"configuration-compared\"]\n",
            };
            book += &format!("{}{proves}{}", head("sweep"), command("swept"));
            book += &format!(
                "{}[step.restic]\nprogram = \"{RESTIC}\"\nrepository = \"{shared}/repository\"\n\
                 password_file = \"{shared}/password\"\nsnapshot = \"{}\"\npath = \"{shared}/original/{id}\"\n\
                 target = \"{root}/srv/{id}\"\nwitness = \"{shared}/witness\"\ntimeout_minutes = 2\n",
                head("restore-files"),
                snapshot(&self.shared)
            );
            book += &format!(
                "{}[step.command]\ncheck = [\"/bin/grep\", \"-qx\", \"{{target}}\", \"{root}/srv/{id}/marker\"]\n",
                head("probe")
            );
            book += &format!("{}{}", head("reconnect"), command("online"));
        }
        book
    }

    pub fn runbook(&self) -> Runbook {
        Runbook::parse("runbook.toml", &self.runbook_text()).unwrap()
    }

    /// Opens the ledger; while another test starts a program, that holds its lock for a moment.
    pub fn open(&self, faults: Arc<dyn Faults>) -> Result<Journal, ControlError> {
        loop {
            let time = AtomicI64::new(at(NOW_S).0);
            let clock = Arc::new(move || Timestamp(time.fetch_add(1_000_000, Ordering::Relaxed)));
            let key = SigningKey::from_seed(&[1; 32]).unwrap();
            match Journal::open(&self.root.join("ledger"), "test/restoration", key, clock, Arc::clone(&faults)) {
                Err(ControlError::Ledger(LedgerError::Locked(_))) => std::thread::yield_now(),
                other => return other,
            }
        }
    }

    /// The incident until now: all three are proven to be his and isolated, one account is stolen.
    pub fn lay(&self, journal: &mut Journal) {
        let host = |id: &&str| HostAssessment {
            system: (*id).to_owned(),
            tier: Tier::Proven,
            since: Some(at(COMPROMISE_S)),
            via: None,
            reasons: Vec::new(),
        };
        let impact = Impact {
            hosts: SYSTEMS.iter().map(host).collect(),
            credentials: vec![CredentialAssessment {
                account: "svc".into(),
                tier: Tier::Proven,
                used_on: Vec::new(),
            }],
            ..Impact::default()
        };
        let mut facts = vec![What::Assessed { impact }];
        facts.extend(SYSTEMS.map(|id| What::HostIsolated {
            system: id.into(),
            isolated: true,
        }));
        facts.extend(SYSTEMS.map(|id| self.lost(id)));
        journal.record("test", facts).unwrap();
    }

    fn lost(&self, id: &str) -> What {
        let word = WordAbout::Lost {
            system: id.into(),
            until: at(LOST_S),
        };
        What::WordGiven {
            word: SignedWord {
                person: "anna".into(),
                word,
                reason: "the encrypted files".into(),
                at: at(NOW_S),
                signature: String::new(),
            },
        }
    }

    /// Plans, and proposes the plan as bound to the runbook. The approval is not part of this scene.
    pub fn propose(&self, journal: &mut Journal, runbook: &Runbook) -> (RestorePlan, String) {
        let plan = plan_again(journal.situation(), journal.now());
        let record = runbook.bind(plan.to_record());
        let hash = record.hash.clone();
        journal
            .record("test", vec![What::PlanProposed { plan: record.clone() }])
            .unwrap();
        Course::new(&record, &estate()).begin(journal, &plan, plan_again).unwrap();
        (plan, hash)
    }

    /// Carries the only plan on, as a control room does that is started again.
    pub fn resume(&self, journal: &mut Journal, runbook: &Runbook, faults: &Arc<dyn Faults>) -> Result<CourseEnd, ControlError> {
        let record = journal.situation().plans.values().next().unwrap().plan.clone();
        let (estate, work) = (estate(), self.root.join("work"));
        let mut course = Course::new(&record, &estate);
        let ways = |now: &Situation| RunbookActuator::new(runbook, &WithoutOrders, &record, now, &work, Arc::clone(faults));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(course.run(journal, ways, plan_again))
    }

    /// Every fact, in order.
    pub fn facts(&self) -> Vec<Fact> {
        let reader = Reader::open(&self.root.join("ledger")).unwrap();
        let entries = reader.entries(0..reader.size()).unwrap();
        let read = |(index, bytes): (usize, &Vec<u8>)| Fact::from_bytes(index as u64, bytes).unwrap();
        entries.iter().enumerate().map(read).collect()
    }
}

pub fn plan_again(situation: &Situation, _now: Timestamp) -> RestorePlan {
    plan_restore(situation, &estate(), &RestoreConfig::default())
}
