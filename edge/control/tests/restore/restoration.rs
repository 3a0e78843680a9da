//! A restoration with a real restic repository and real files: it dies again and again, and converges.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use leckwehr_control::{CourseEnd, Faults, NoFaults, Point};
use leckwehr_crypt::Dice;
use leckwehr_incident::{Gate, ServiceLevel, Situation, StepOutcome, What};
use leckwehr_restore::{GateState, gate_state};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::scene::{Place, RESTIC, SYSTEMS, back_up};

/// Kills of the whole test.
const KILLS_MIN: usize = 400;
/// Points that a start passes before it does anything new.
const POINTS_OF_A_START: usize = 8;

/// Kills the process at the n-th point.
struct DiesAt {
    n: usize,
    passed: AtomicUsize,
}

impl Faults for DiesAt {
    fn at(&self, _point: Point) -> io::Result<()> {
        if self.passed.fetch_add(1, Ordering::Relaxed) == self.n {
            kill(Pid::this(), Signal::SIGKILL)?;
        }
        Ok(())
    }
}

/// The child: carries the restoration on and dies where it is told to.
#[test]
fn child() {
    #[expect(clippy::disallowed_methods, reason = "the parent speaks to its child by environment")]
    let variable = |name| std::env::var(name);
    let (Ok(root), Ok(shared), Ok(n)) = (variable("CRASH_ROOT"), variable("CRASH_SHARED"), variable("CRASH_AT")) else {
        return;
    };
    let place = Place {
        shared: shared.into(),
        root: root.into(),
    };
    let passed = AtomicUsize::new(0);
    let faults: Arc<dyn Faults> = Arc::new(DiesAt {
        n: n.parse().unwrap(),
        passed,
    });
    let mut journal = place.open(Arc::clone(&faults)).unwrap();
    let end = place.resume(&mut journal, &place.runbook(), &faults).unwrap();
    assert_eq!(end, CourseEnd::Complete);
    journal.close().unwrap();
}

/// Starts a child that dies at point `n`. Returns whether it was killed; it may come to its end before.
fn dies(place: &Place, n: usize) -> bool {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["restoration::child", "--exact", "--nocapture"])
        .env("CRASH_ROOT", &place.root)
        .env("CRASH_SHARED", &place.shared)
        .env("CRASH_AT", n.to_string())
        .output()
        .unwrap();
    let killed = output.status.signal() == Some(Signal::SIGKILL as i32);
    assert!(
        killed || output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    killed
}

/// A folder in memory where there is one: hundreds of ledgers are opened and synced here.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Says that restic is missing; in CI it may not be.
pub fn has_restic() -> bool {
    if Path::new(RESTIC).exists() {
        return true;
    }
    #[expect(clippy::disallowed_methods, reason = "a test may not skip in CI")]
    let required = std::env::var("LECKWEHR_REQUIRE_TOOLS").is_ok_and(|value| value == "1");
    assert!(!required, "{RESTIC} is missing");
    println!("SKIPPED: {RESTIC} is missing");
    false
}

/// Red when (each was tried)
/// - `Restore::too_new` finds nothing too new: `fs-2` is online over what was written today;
/// - `RunbookActuator::hold` takes no lock: a deed that kills the room in its midst, and goes on, is done a second time;
/// - `Gated::read` lets everything pass: `fs-1` is restored whole, nobody compared its configuration, and it is online.
#[test]
fn killed_four_hundred_times_it_converges_restores_over_nothing_newer_and_skips_no_gate() {
    if !has_restic() {
        return;
    }
    let shared = folder();
    back_up(shared.path());
    let (mut kills, mut world, mut dice) = (0, 0_usize, Dice::new(6, "kills"));
    while kills < KILLS_MIN {
        let root = folder();
        let place = Place::new(shared.path(), root.path());
        // In every third house one system is restored whole, and nobody compares its configuration.
        let unproven = (world % 3 == 1).then_some("fs-1");
        if let Some(id) = unproven {
            place.leave_unproven(id);
        }
        let runbook = place.runbook();
        let mut journal = place.open(Arc::new(NoFaults)).unwrap();
        place.lay(&mut journal);
        place.propose(&mut journal, &runbook);
        journal.close().unwrap();
        // In every second house somebody goes on writing on fs-2; in the others on fs-3, at some moment in between.
        let writes = world % 2 == 0;
        if writes {
            place.write_newer("fs-2");
        }
        let moment = dice.below(40);
        if world % 2 == 1 {
            place.kill_in_the_midst();
        }
        for start in 0.. {
            if !writes && start == moment {
                place.write_newer("fs-3");
            }
            // Mostly a few steps on, at times far: otherwise it would never get through what lies between two facts.
            let far = if dice.below(4) == 0 { 60 } else { 9 };
            if !dies(&place, POINTS_OF_A_START + dice.below(far)) {
                break;
            }
            kills += 1;
        }
        judge(&place, if writes { "fs-2" } else { "fs-3" }, unproven, world);
        world += 1;
    }
    println!("{kills} kills in {world} restorations");
}

/// Looks at what a restoration left, in the world and in its ledger.
fn judge(place: &Place, written_on: &str, unproven: Option<&str>, world: usize) {
    let (mut situation, mut verified) = (Situation::default(), BTreeMap::<u32, usize>::new());
    for fact in place.facts() {
        situation.apply(&fact).unwrap();
        match &fact.what {
            What::StepEnded {
                step,
                outcome: StepOutcome::Verified { .. },
                ..
            } => *verified.entry(*step).or_default() += 1,
            What::HostIsolated { system, isolated: false } => {
                let plan = &situation.plans.values().next().unwrap().plan;
                for gate in Gate::ALL {
                    let state = gate_state(&situation, plan, system, gate);
                    assert!(
                        matches!(state, GateState::Passed { .. }),
                        "{system} skipped {gate:?}: {state:?}"
                    );
                }
            }
            _ => {}
        }
    }
    assert!(verified.values().all(|times| *times == 1), "world {world}: {verified:?}");
    let twice: Vec<_> = place.acts().into_iter().filter(|(_, times)| *times > 1).collect();
    assert!(twice.is_empty(), "world {world}: done twice: {twice:?}");
    let newer = place.target(written_on).join("newer.txt");
    if place.acts().contains_key(&format!("online {written_on}")) {
        // Written after the swap: it lies on top.
        assert!(written_on == "fs-3" && is_restored(place, written_on), "world {world}");
    }
    if newer.exists() || written_on == "fs-2" {
        assert_eq!(fs::read_to_string(&newer).unwrap(), "written today", "world {world}");
    }
    for id in SYSTEMS.into_iter().filter(|id| *id != written_on) {
        assert!(is_restored(place, id), "{id} in world {world}");
        let is_back = unproven != Some(id);
        let level = if is_back {
            ServiceLevel::Provisional
        } else {
            ServiceLevel::CleanRoom
        };
        assert_eq!(situation.hosts[id].level, Some(level), "{id} in world {world}");
        let is_online = place.acts().contains_key(&format!("online {id}"));
        assert_eq!(
            (is_online, situation.hosts[id].isolated),
            (is_back, !is_back),
            "{id} in world {world}"
        );
    }
    if written_on == "fs-2" {
        assert!(
            !place.acts().contains_key("online fs-2") && situation.hosts["fs-2"].isolated,
            "world {world}"
        );
        let letters = if unproven.is_none() {
            ServiceLevel::Limited
        } else {
            ServiceLevel::Rebuilding
        };
        assert_eq!(situation.services["letters"].level, letters, "world {world}");
    }
}

/// Whether every file is as it was.
fn is_restored(place: &Place, id: &str) -> bool {
    let original = place.shared.join("original").join(id);
    let same = |name: &str| fs::read(original.join(name)).ok() == fs::read(place.target(id).join(name)).ok();
    same("marker") && (0..4).all(|n| same(&format!("letters/{n}.txt")))
}
