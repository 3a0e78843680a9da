//! The executor against a world in memory that fails and dies at every point, and what follows from facts alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use leckwehr_control::{
    Actuator, ControlError, Ended, Execution, Faults, Journal, Manner, NoFaults, Point, Reading, Takedown, TakedownEnd, Ways,
    open_steps, undo_steps,
};
use leckwehr_crypt::SigningKey;
use leckwehr_estate::Estate;
use leckwehr_incident::{PlanKind, PlanRecord, PlanStep, StepOutcome, Timestamp, What};

/// Targets of the plan; `old` was cut before it.
const TARGETS: [(&str, &str, &str); 6] = [
    ("cut-connection", "guard-a", "vendor"),
    ("cut-connection", "guard-a", "old"),
    ("isolate-host", "guard-a", "ws-1"),
    ("isolate-host", "guard-b", "fs-1"),
    ("isolate-host", "guard-a", "fs-2"),
    ("isolate-host", "guard-b", "backup-1"),
];

fn plan() -> PlanRecord {
    let steps = TARGETS
        .iter()
        .enumerate()
        .map(|(index, (action, executor, target))| PlanStep {
            number: index as u32 + 1,
            executor: (*executor).into(),
            action: (*action).into(),
            target: (*target).into(),
            reason: "the attacker acted here".into(),
            planned_ms: 50,
            clause: String::new(),
        });
    PlanRecord {
        kind: PlanKind::Takedown,
        generation: 1,
        hash: String::new(),
        summary: "Cut".into(),
        harm_eur_per_hour: 5,
        steps: steps.collect(),
    }
    .sealed()
}

/// Switches and what was done at them.
#[derive(Default)]
struct World {
    cut: Mutex<BTreeSet<String>>,
    /// `cut fs-1`, `release fs-1`, in order.
    done: Mutex<Vec<String>>,
    /// Transactions, by executor.
    transactions: Mutex<BTreeMap<String, usize>>,
    /// Says that it did it, and does nothing.
    lying: Option<&'static str>,
    /// Cutting this costs a life-line.
    life_line: Option<&'static str>,
    /// Of this nothing can be read.
    silent: Option<&'static str>,
    /// The answer about this is lost after the deed.
    lost_answer: Option<&'static str>,
}

impl World {
    fn new() -> Self {
        let world = Self::default();
        world.cut.lock().unwrap().insert("old".into());
        world
    }

    fn times(&self, deed: &str) -> usize {
        self.done.lock().unwrap().iter().filter(|d| *d == deed).count()
    }
}

impl Ways for &World {
    fn manner(&self, _step: &PlanStep, _estate: &Estate) -> Manner {
        Manner::ByProgram
    }
}

impl Actuator for &World {
    async fn read(&self, step: &PlanStep) -> Reading {
        if self.silent == Some(step.target.as_str()) {
            return Reading::Unknown {
                reason: "it says nothing".into(),
            };
        }
        let state = |s: &str| s.to_owned();
        match self.cut.lock().unwrap().contains(&step.target) {
            true => Reading::Done { state: state("cut") },
            false => Reading::NotDone { state: state("open") },
        }
    }

    async fn act(&self, steps: &[PlanStep]) -> Vec<Result<(), StepOutcome>> {
        *self
            .transactions
            .lock()
            .unwrap()
            .entry(steps[0].executor.clone())
            .or_default() += 1;
        let act = |step: &PlanStep| {
            if self.lying != Some(step.target.as_str()) {
                self.cut.lock().unwrap().insert(step.target.clone());
                self.done.lock().unwrap().push(format!("cut {}", step.target));
            }
            match self.lost_answer == Some(step.target.as_str()) {
                true => Err(StepOutcome::Doubtful {
                    reason: "the line broke".into(),
                }),
                false => Ok(()),
            }
        };
        steps.iter().map(act).collect()
    }

    async fn verify(&self, step: &PlanStep) -> StepOutcome {
        match self.read(step).await {
            Reading::Done { .. } => StepOutcome::Verified { evidence: "cut".into() },
            other => StepOutcome::Doubtful {
                reason: format!("{other:?}"),
            },
        }
    }

    async fn undo(&self, step: &PlanStep, before: &str) -> Result<(), StepOutcome> {
        assert_eq!(before, "open");
        self.cut.lock().unwrap().remove(&step.target);
        self.done.lock().unwrap().push(format!("release {}", step.target));
        Ok(())
    }

    async fn life_lines(&self) -> BTreeMap<String, bool> {
        let Some(target) = self.life_line else {
            return BTreeMap::new();
        };
        let is_lost = self.cut.lock().unwrap().contains(target);
        [(format!("pump behind {target}"), !is_lost), ("dead before".into(), false)].into()
    }
}

/// Fails at the n-th point, counted from 0.
struct FailsAt {
    n: usize,
    passed: AtomicUsize,
    only: fn(Point) -> bool,
}

impl Faults for FailsAt {
    fn at(&self, point: Point) -> io::Result<()> {
        if !(self.only)(point) {
            return Ok(());
        }
        match self.passed.fetch_add(1, Ordering::Relaxed) == self.n {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

fn open(folder: &Path, faults: Arc<dyn Faults>) -> Result<Journal, ControlError> {
    let time = AtomicI64::new(1_700_000_000_000_000_000);
    let clock = Arc::new(move || Timestamp(time.fetch_add(1_000_000, Ordering::Relaxed)));
    let key = SigningKey::from_seed(&[1; 32]).unwrap();
    Journal::open(&folder.join("ledger"), "test/execution", key, clock, faults)
}

/// A folder in memory where there is one: hundreds of ledgers are opened and synced here.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn propose(journal: &mut Journal) {
    journal.record("test", vec![What::PlanProposed { plan: plan() }]).unwrap();
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

fn outcomes(journal: &Journal) -> Vec<StepOutcome> {
    let view = journal.plan(&plan().hash).unwrap();
    view.steps.values().map(|s| s.ended.clone().unwrap().1).collect()
}

/// Runs to the end with one fault; where there was one, again without. Returns whether there was one, and how it ended.
fn run_with_fault(
    world: &World,
    n: usize,
    only: fn(Point) -> bool,
    then: impl AsyncFn(&Execution<'_, &World>, &mut Journal) -> Result<Ended, ControlError>,
) -> (bool, Ended, Journal, tempfile::TempDir) {
    let folder = folder();
    propose(&mut open(folder.path(), Arc::new(NoFaults)).unwrap());
    let (plan, passed) = (plan(), AtomicUsize::new(0));
    let execution = Execution::new(&plan, &world);
    let attempt = |faults: Arc<dyn Faults>| {
        let mut journal = open(folder.path(), faults)?;
        let ended = block_on(then(&execution, &mut journal))?;
        Ok::<_, ControlError>((ended, journal))
    };
    match attempt(Arc::new(FailsAt { n, passed, only })) {
        Ok((ended, journal)) => (false, ended, journal, folder),
        Err(_) => {
            let (ended, journal) = attempt(Arc::new(NoFaults)).unwrap();
            (true, ended, journal, folder)
        }
    }
}

/// Within an append a process can only die, which the crash tests do.
fn can_fail(point: Point) -> bool {
    !matches!(point, Point::Ledger(_))
}

/// Red if `Execution::stage` acts on whatever is open without reading it first: a step whose outcome was not written is then done
/// twice.
#[test]
fn whatever_point_it_stops_at_a_resumed_plan_does_every_step_once() {
    let mut points = 0;
    loop {
        let world = World::new();
        let (failed, ended, journal, _kept) = run_with_fault(&world, points, can_fail, async |e, j| e.run(j).await);
        assert_eq!(ended, Ended::Complete);
        assert!(
            outcomes(&journal).iter().all(|o| matches!(o, StepOutcome::Verified { .. })),
            "point {points}"
        );
        for (_, _, target) in TARGETS {
            assert_eq!(
                world.times(&format!("cut {target}")),
                usize::from(target != "old"),
                "{target} at point {points}"
            );
        }
        assert!(open_steps(journal.plan(&plan().hash).unwrap()).is_empty());
        points += 1;
        if !failed {
            break;
        }
    }
    assert!(points > 30, "{points}");
}

#[test]
fn whatever_point_it_stops_at_an_undo_goes_on_until_all_is_as_before() {
    let mut points = 0;
    loop {
        let world = World::new();
        let undo = async |execution: &Execution<'_, &World>, journal: &mut Journal| {
            execution.run(journal).await?;
            execution.undo(journal, "anna", "false alarm").await
        };
        let (failed, _, journal, _kept) = run_with_fault(&world, points, can_fail, undo);
        assert_eq!(
            world.cut.lock().unwrap().iter().collect::<Vec<_>>(),
            ["old"],
            "point {points}"
        );
        for (_, _, target) in TARGETS {
            assert!(world.times(&format!("release {target}")) <= 1, "{target} at point {points}");
        }
        let view = journal.plan(&plan().hash).unwrap();
        assert!(undo_steps(view).is_empty() && view.undo.is_some());
        assert_eq!(world.times("release old"), 0, "it was cut before the plan");
        let released: Vec<String> = world
            .done
            .lock()
            .unwrap()
            .iter()
            .filter(|d| d.starts_with("release"))
            .cloned()
            .collect();
        assert_eq!(
            released,
            [
                "release backup-1",
                "release fs-2",
                "release fs-1",
                "release ws-1",
                "release vendor"
            ],
            "the last first"
        );
        points += 1;
        if !failed {
            break;
        }
    }
    assert!(points > 50, "{points}");
}

/// Red if the intent is written after the deed.
#[test]
fn a_journal_that_cannot_be_written_stops_the_plan_before_the_effect() {
    let is_record = |point| point == Point::BeforeRecord;
    // The first record is the start of the control room, the second the first intent.
    let world = World::new();
    let folder = folder();
    propose(&mut open(folder.path(), Arc::new(NoFaults)).unwrap());
    let faults = FailsAt {
        n: 1,
        passed: AtomicUsize::new(0),
        only: is_record,
    };
    let mut journal = open(folder.path(), Arc::new(faults)).unwrap();
    let plan = plan();
    let error = block_on(Execution::new(&plan, &&world).run(&mut journal)).unwrap_err();
    assert!(matches!(error, ControlError::Io { .. }), "{error}");
    assert!(world.done.lock().unwrap().is_empty());
}

#[test]
fn the_first_step_is_tried_alone_and_the_others_of_a_guard_go_together() {
    let (world, plan, folder) = (World::new(), plan(), folder());
    let estate = Estate::default();
    let takedown = Takedown::new(&plan, &estate, 60_000);
    let mut journal = open(folder.path(), Arc::new(NoFaults)).unwrap();
    propose(&mut journal);
    let ended = block_on(takedown.run(&mut journal, |_| &world)).unwrap();
    assert_eq!(ended, TakedownEnd::Ended(Ended::Complete));
    assert_eq!(world.done.lock().unwrap()[0], "cut vendor");
    assert_eq!(
        *world.transactions.lock().unwrap(),
        BTreeMap::from([("guard-a".into(), 2), ("guard-b".into(), 1)])
    );
    let world = World {
        lying: Some("vendor"),
        ..World::new()
    };
    let other = self::folder();
    let mut journal = open(other.path(), Arc::new(NoFaults)).unwrap();
    propose(&mut journal);
    let ended = block_on(takedown.run(&mut journal, |_| &world)).unwrap();
    assert!(
        matches!(ended, TakedownEnd::Ended(Ended::Stopped { ref reason }) if reason.contains("nothing else was begun")),
        "{ended:?}"
    );
    assert_eq!(outcomes(&journal).len(), 1);
    assert!(world.done.lock().unwrap().is_empty());
}

#[test]
fn a_lost_life_line_undoes_the_plan_by_itself() {
    let world = World {
        life_line: Some("fs-1"),
        ..World::new()
    };
    let (_, ended, journal, _kept) = run_with_fault(&world, usize::MAX, |_| true, async |e, j| e.run(j).await);
    assert!(
        matches!(ended, Ended::Undone { ref reason } if reason.contains("pump behind fs-1")),
        "{ended:?}"
    );
    assert_eq!(world.cut.lock().unwrap().iter().collect::<Vec<_>>(), ["old"]);
    assert_eq!(journal.plan(&plan().hash).unwrap().undo.as_ref().unwrap().1, "control-room");
}

#[test]
fn the_world_is_believed_not_the_answer() {
    let world = World {
        lying: Some("fs-1"),
        silent: Some("fs-2"),
        lost_answer: Some("backup-1"),
        ..World::new()
    };
    let (_, _, journal, _kept) = run_with_fault(&world, usize::MAX, |_| true, async |e, j| e.run(j).await);
    let ended = outcomes(&journal);
    assert!(
        matches!(ended[3], StepOutcome::Doubtful { .. }),
        "fs-1 says it is cut: {:?}",
        ended[3]
    );
    assert!(
        matches!(ended[4], StepOutcome::NotApplied { .. }),
        "fs-2 cannot be read: {:?}",
        ended[4]
    );
    assert!(
        matches!(ended[5], StepOutcome::Verified { .. }),
        "backup-1 is cut: {:?}",
        ended[5]
    );
    assert_eq!(world.times("cut fs-2"), 0);
}

#[test]
fn a_rehearsal_changes_nothing_and_names_what_is_in_the_way() {
    let world = World {
        silent: Some("fs-2"),
        ..World::new()
    };
    let folder = folder();
    let mut journal = open(folder.path(), Arc::new(NoFaults)).unwrap();
    propose(&mut journal);
    let plan = plan();
    let problems = block_on(Execution::new(&plan, &&world).rehearse(&mut journal)).unwrap();
    assert_eq!(
        problems,
        [
            "step 2: old is so already",
            "step 5, isolate-host fs-2, cannot be tried: it says nothing"
        ]
    );
    assert!(world.done.lock().unwrap().is_empty() && journal.plan(&plan.hash).unwrap().steps.is_empty());
    assert_eq!(journal.plan(&plan.hash).unwrap().rehearsed, Some(problems));
}

#[test]
fn every_start_has_a_greater_number() {
    let folder = folder();
    let first = open(folder.path(), Arc::new(NoFaults)).unwrap().epoch();
    let second = open(folder.path(), Arc::new(NoFaults)).unwrap();
    assert!(second.epoch() > first && !second.is_new());
}
