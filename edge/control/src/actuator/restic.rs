use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leckwehr_incident::{GateCheck, StepOutcome, Timestamp};
use serde::{Deserialize, Serialize};

use crate::actuator::program::{Program, ProgramError, lock};
use crate::actuator::runbook::{ResticWay, UnitState, UnitWay};
use crate::actuator::tree::{Durably, newest, swap, sync_parent, tree};
use crate::actuator::unit;
use crate::actuator::witness::{Witness, check_repository};
use crate::execution::{Faults, Point, Reading};

/// Milliseconds of a minute.
const MINUTE_MS: u64 = 60_000;

/// What one look showed: for which check, whether it is passed, and in words.
type Evidence = (GateCheck, bool, String);

/// What is known of a restore once everything lies beside the target: written down durably before the swap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Prepared {
    snapshot: String,
    digest: String,
    files: u64,
    bytes: u64,
    /// What was seen on the way, for the gates.
    evidence: Vec<Evidence>,
}

/// How things lie on the disk.
enum Lie {
    /// The restored tree is in place and nothing newer was swapped out.
    Restored(Prepared),
    /// It is in place, and what was swapped out got something newer in the last moment.
    RestoredOver(PathBuf, Timestamp),
    /// The target holds something newer than the restore point.
    Newer(PathBuf, Timestamp),
    /// Nothing was swapped.
    Before(String),
}

/// One restore of one folder.
///
/// ```text
/// backup checked ─► restic ─► staged/ beside the target ─► digest, durable ─► swap ─► compared
///   without key      killed with its group when late           nothing newer? ┘└─ nothing newer in what was swapped out?
/// ```
#[derive(Clone)]
pub(crate) struct Restore {
    pub way: ResticWay,
    /// SHA-256 of the plan, hex, and the number of the step.
    pub plan: String,
    pub step: u32,
    /// First compromise that is known, with the margin taken off; `None` if it is not known.
    pub clean_before: Option<Timestamp>,
    /// A person signed that data up to then may be lost.
    pub lost_until: Option<Timestamp>,
    pub faults: Arc<dyn Faults>,
}

impl Restore {
    fn work(&self) -> PathBuf {
        let plan: String = self.plan.chars().take(12).collect();
        let beside = self.way.target.parent().unwrap_or(Path::new("/"));
        beside.join(format!(".leckwehr-{plan}-{}", self.step))
    }

    /// Where restic puts the folder, and where the old one lies after the swap.
    fn staged(&self) -> PathBuf {
        let inside = self.way.path.strip_prefix("/").unwrap_or(&self.way.path);
        self.work().join("staged").join(inside)
    }

    pub async fn read(&self) -> Reading {
        let own = self.clone();
        match blocking(move || own.survey()).await {
            Ok(Lie::Restored(prepared)) => Reading::Done { state: prepared.digest },
            Ok(Lie::RestoredOver(..)) => Reading::NotDone {
                state: "to be taken back".to_owned(),
            },
            Ok(Lie::Newer(path, at)) => Reading::Held {
                reason: self.refusal(&path, at),
            },
            Ok(Lie::Before(state)) => Reading::NotDone { state },
            Err(reason) => Reading::Unknown { reason },
        }
    }

    pub async fn act(&self) -> Result<(), StepOutcome> {
        let not_applied = |reason: String| StepOutcome::NotApplied { reason };
        let work = self.work();
        fs::create_dir_all(&work).map_err(|e| not_applied(format!("{} cannot be made: {e}", work.display())))?;
        let patience_ms = u64::from(self.way.timeout_minutes) * MINUTE_MS;
        let held = lock(&work.join("lock"), patience_ms).await;
        let held = held.map_err(|e| not_applied(e.to_string()))?;
        self.pass("restic locked")?;
        let own = self.clone();
        match blocking(move || own.survey()).await.map_err(not_applied)? {
            Lie::Restored(_) => return Ok(()),
            Lie::RestoredOver(path, at) => return Err(self.take_back(&path, at)),
            Lie::Newer(path, at) => return Err(not_applied(self.refusal(&path, at))),
            Lie::Before(_) => {}
        }
        if self.prepared().is_none() {
            self.prepare(held).await.map_err(not_applied)?;
        }
        self.pass("restic prepared")?;
        for name in &self.way.stop {
            let way = UnitWay {
                systemctl: self.way.systemctl.clone().unwrap_or_default(),
                unit: name.clone(),
                state: UnitState::Stopped,
                timeout_minutes: self.way.timeout_minutes,
            };
            unit::act(&way, None).await?;
        }
        let own = self.clone();
        match blocking(move || own.survey()).await.map_err(not_applied)? {
            Lie::Newer(path, at) => return Err(not_applied(self.refusal(&path, at))),
            Lie::Before(_) => {}
            _ => return Ok(()),
        }
        self.pass("before the swap")?;
        swap(&self.staged(), &self.way.target)
            .map_err(|e| not_applied(format!("{} cannot be swapped: {e}", self.way.target.display())))?;
        self.pass("after the swap")?;
        let own = self.clone();
        match blocking(move || own.survey()).await {
            Ok(Lie::RestoredOver(path, at)) => Err(self.take_back(&path, at)),
            Ok(_) => Ok(()),
            Err(reason) => Err(StepOutcome::Doubtful { reason }),
        }
    }

    pub async fn verify(&self) -> StepOutcome {
        let own = self.clone();
        match blocking(move || own.survey()).await {
            Ok(Lie::Restored(p)) => StepOutcome::Verified {
                evidence: format!(
                    "{} files, {} bytes of snapshot {} are in place, tree {}; what was there lies in {}",
                    p.files,
                    p.bytes,
                    p.snapshot,
                    p.digest,
                    self.staged().display()
                ),
            },
            Ok(Lie::Newer(path, at) | Lie::RestoredOver(path, at)) => StepOutcome::NotApplied {
                reason: self.refusal(&path, at),
            },
            Ok(Lie::Before(_)) => StepOutcome::NotApplied {
                reason: "the restored tree is not in place".to_owned(),
            },
            Err(reason) => StepOutcome::Doubtful { reason },
        }
    }

    pub async fn undo(&self) -> Result<(), StepOutcome> {
        let own = self.clone();
        let undone = blocking(move || match own.survey()? {
            Lie::Restored(_) | Lie::RestoredOver(..) => own.swap_back().map_err(|e| e.to_string()),
            _ => Ok(()),
        });
        undone.await.map_err(|reason| StepOutcome::Doubtful { reason })
    }

    /// What the restore proves about its system.
    pub fn evidence(&self) -> Vec<Evidence> {
        self.prepared().map(|p| p.evidence).unwrap_or_default()
    }

    fn survey(&self) -> Result<Lie, String> {
        let words = |error: io::Error| format!("{} cannot be read: {error}", self.way.target.display());
        let made_at = self.made_at()?.1;
        if let Some(prepared) = self.prepared()
            && self.way.target.exists()
            && tree(&self.way.target, Durably::No).map_err(words)?.digest == prepared.digest
        {
            let swapped_out = newest(&self.staged()).map_err(words)?;
            return Ok(match self.too_new(swapped_out, made_at) {
                Some((at, path)) => Lie::RestoredOver(path, at),
                None => Lie::Restored(prepared),
            });
        }
        let there = newest(&self.way.target).map_err(words)?;
        Ok(match self.too_new(there.clone(), made_at) {
            Some((at, path)) => Lie::Newer(path, at),
            None => Lie::Before(there.map_or("nothing is there".to_owned(), |(at, path)| {
                format!("the newest file is {} of {at}", path.display())
            })),
        })
    }

    /// Nothing that is newer than the restore point is replaced, unless a person declared it lost.
    fn too_new(&self, newest: Option<(Timestamp, PathBuf)>, made_at: Timestamp) -> Option<(Timestamp, PathBuf)> {
        newest.filter(|(at, _)| *at > made_at && self.lost_until.is_none_or(|until| *at > until))
    }

    fn refusal(&self, path: &Path, at: Timestamp) -> String {
        format!(
            "{} was written at {at}, after the restore point: choose a newer one, or declare what is newer lost",
            path.display()
        )
    }

    fn made_at(&self) -> Result<(Witness, Timestamp), String> {
        let witness = Witness::read(&self.way.witness)
            .map_err(|error| format!("the witness {} cannot be read: {error}", self.way.witness.display()))?;
        let at = witness.made_at(&self.way.snapshot).ok_or_else(|| {
            let (snapshot, witness) = (&self.way.snapshot, self.way.witness.display());
            format!("the witness {witness} does not know snapshot {snapshot}: somebody else may have added it")
        })?;
        Ok((witness, at))
    }

    fn take_back(&self, path: &Path, at: Timestamp) -> StepOutcome {
        match self.swap_back() {
            Ok(()) => StepOutcome::NotApplied {
                reason: format!("taken back: {}", self.refusal(path, at)),
            },
            Err(error) => StepOutcome::Doubtful {
                reason: format!("{}; and it cannot be taken back: {error}", self.refusal(path, at)),
            },
        }
    }

    fn swap_back(&self) -> io::Result<()> {
        match self.staged().exists() {
            true => swap(&self.staged(), &self.way.target),
            false => swap(&self.way.target, &self.staged()),
        }
    }

    /// Checks the backup and gets everything beside the target. Nothing of it is left if that does not succeed.
    async fn prepare(&self, held: File) -> Result<(), String> {
        let own = self.clone();
        let (mut evidence, made_at) = blocking(move || own.check()).await?;
        self.pass("backup checked").map_err(in_words)?;
        let place = self.work().join("staged");
        let clear = |place: &Path| match fs::remove_dir_all(place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(format!("{} cannot be cleared: {error}", place.display()))
            }
            _ => Ok(()),
        };
        clear(&place)?;
        let restored = self.restic(&place, held).await;
        self.pass("restic ended").map_err(in_words)?;
        if let Err(reason) = restored {
            clear(&place)?;
            return Err(reason);
        }
        let (own, staged) = (self.clone(), self.staged());
        let prepared = blocking(move || {
            let words = |error: io::Error| format!("{} cannot be read back: {error}", staged.display());
            let tree = tree(&staged, Durably::Yes).map_err(words)?;
            evidence.push((
                GateCheck::RestoreRehearsed,
                true,
                format!(
                    "{} files, {} bytes beside the target, tree {}",
                    tree.files, tree.bytes, tree.digest
                ),
            ));
            evidence.push(own.before_compromise(made_at));
            let prepared = Prepared {
                snapshot: own.way.snapshot.clone(),
                digest: tree.digest,
                files: tree.files,
                bytes: tree.bytes,
                evidence,
            };
            own.write_down(&prepared).map_err(|error| error.to_string())
        });
        let written = prepared.await;
        if written.is_err() {
            clear(&place)?;
        }
        written
    }

    /// Checks the backup itself.
    fn check(&self) -> Result<(Vec<Evidence>, Timestamp), String> {
        let (witness, made_at) = self.made_at()?;
        let known = format!(
            "snapshot {} of {made_at} is in {}",
            self.way.snapshot,
            self.way.witness.display()
        );
        let repository = Path::new(&self.way.repository);
        if !repository.is_absolute() {
            let seen = "the restore read and verified every byte of it; the repository is not a folder here".to_owned();
            let evidence = vec![
                (GateCheck::SnapshotWitnessed, true, known),
                (GateCheck::BackupVerified, true, seen),
            ];
            return Ok((evidence, made_at));
        }
        let seen = check_repository(repository, &witness, &self.way.snapshot)?;
        let evidence = vec![
            (GateCheck::SnapshotWitnessed, true, known),
            (GateCheck::BackupVerified, true, seen),
        ];
        Ok((evidence, made_at))
    }

    fn before_compromise(&self, made_at: Timestamp) -> Evidence {
        let (passed, words) = match self.clean_before {
            Some(limit) if made_at <= limit => (true, format!("made {made_at}, no later than {limit}")),
            Some(limit) => (false, format!("made {made_at}, after {limit}: the attacker may be in it")),
            None => (false, "when the attacker came first is not known".to_owned()),
        };
        (GateCheck::BeforeCompromise, passed, words)
    }

    async fn restic(&self, place: &Path, held: File) -> Result<(), String> {
        let way = &self.way;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let argv = [
            text(&way.program),
            "--repo".into(),
            way.repository.clone(),
            "--password-file".into(),
            text(&way.password_file),
            // Nothing is written into the repository.
            "--no-lock".into(),
            "--no-cache".into(),
            "restore".into(),
            way.snapshot.clone(),
            "--include".into(),
            text(&way.path),
            "--target".into(),
            text(place),
            "--verify".into(),
        ];
        let program = Program {
            argv: argv.into(),
            environment: way.environment.clone(),
            timeout_ms: u64::from(way.timeout_minutes) * MINUTE_MS,
        };
        let from = format!("restore from {}", way.repository);
        match program.run(Some(held)).await {
            Ok(end) if end.code == Some(0) => Ok(()),
            Ok(end) => Err(format!("{from}: restic {}", end.in_words())),
            Err(error @ ProgramError::TimedOut { .. }) => Err(format!("{from}: {error}: look at the backup server, then resume")),
            Err(error) => Err(format!("{from}: {error}")),
        }
    }

    fn prepared(&self) -> Option<Prepared> {
        let bytes = fs::read(self.work().join("prepared.json")).ok()?;
        let prepared: Prepared = serde_json::from_slice(&bytes).ok()?;
        (prepared.snapshot == self.way.snapshot).then_some(prepared)
    }

    fn write_down(&self, prepared: &Prepared) -> io::Result<()> {
        let (draft, name) = (self.work().join("prepared.new"), self.work().join("prepared.json"));
        let mut file = File::create(&draft)?;
        io::Write::write_all(&mut file, &serde_json::to_vec(prepared)?)?;
        file.sync_all()?;
        fs::rename(&draft, &name)?;
        sync_parent(&name)
    }

    fn pass(&self, what: &'static str) -> Result<(), StepOutcome> {
        let failed = |error| StepOutcome::NotApplied {
            reason: format!("{what}: {error}"),
        };
        self.faults.at(Point::Within(what)).map_err(failed)
    }
}

fn in_words(outcome: StepOutcome) -> String {
    match outcome {
        StepOutcome::Verified { evidence: text }
        | StepOutcome::NotApplied { reason: text }
        | StepOutcome::Doubtful { reason: text } => text,
    }
}

/// Reads the disk on a thread of its own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(format!("the work on the disk broke off: {error}")))
}
