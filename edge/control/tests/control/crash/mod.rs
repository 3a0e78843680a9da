//! A control room is killed with SIGKILL at every point of its journal and at every kernel commit of its guards, starts again,
//! and the end is the planned one.

mod attacks;
mod child;
mod measures;
pub mod place;
mod together;

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use leckwehr_control::{CommandWay, Runbook, RunbookStep};
use leckwehr_crypt::Dice;
use leckwehr_incident::{Fact, PlanRecord, PlanStep, Situation, StepOutcome, What};
use leckwehr_ledger::{Reader, Trust};

use crate::crash::child::Task;
use crate::crash::place::{Place, STEPS, prepare, words_for};
use crate::namespace::in_namespace;

/// Kills that continuous integration asks for.
const KILLS_MIN: usize = 500;
/// Worlds side by side.
const LANES: usize = 3;
/// Worlds in which the room is killed again while it resumes.
const TWICE: usize = 160;
/// Of so many worlds one is also looked at with real packets and by verifying its whole ledger.
const SAMPLE: usize = 16;

/// When the control room of a world is killed.
#[derive(Debug, Clone)]
struct Fate {
    /// Whether the plan is undone after it was carried out.
    undo: bool,
    /// At which points of its journal: one for each start.
    points: Vec<usize>,
    /// At which commit of a guard, at the first start.
    commit: Option<usize>,
}

/// Plays one world to its end; returns how often the room was killed and how many points its last start passed.
fn play(place: &mut Place, folder: &Path, number: usize, fate: &Fate) -> (usize, usize) {
    place.reset();
    let before = if fate.undo { place.rulesets() } else { String::new() };
    let ledger = folder.join(format!("world-{number}"));
    let (plan, runbook) = with_drain(place.next_plan().0, &ledger.with_extension("drains"));
    let mut task = Task {
        config: place.config.clone(),
        approvals: words_for(&plan),
        ledger,
        plan,
        runbook,
        undo: fate.undo,
        kill_at: None,
    };
    let (mut kills, mut starts) = (0, 0);
    loop {
        task.kill_at = fate.points.get(starts).copied();
        let child = task.start();
        if let (0, Some(commit)) = (starts, fate.commit) {
            place.watched.lock().unwrap().kill = Some((i32::try_from(child.id()).unwrap(), commit));
        }
        let output = child.wait_with_output().unwrap();
        starts += 1;
        if output.status.success() {
            break;
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(9), "{fate:?} start {starts}: {text}");
        assert!(starts <= fate.points.len() + 1, "{fate:?}: it does not come to an end");
        kills += 1;
        place.watched.lock().unwrap().kill = None;
    }
    check(place, &task, fate, number);
    if fate.undo {
        assert_eq!(place.rulesets(), before, "{fate:?}: the kernel is not as it was");
    }
    let points = task.points();
    std::fs::remove_dir_all(&task.ledger).unwrap();
    std::fs::remove_file(task.ledger.with_extension("drains")).unwrap();
    (kills, points)
}

/// Puts a step between the connection and the hosts that a program does, and undoes, each time with one line in a file.
fn with_drain(mut plan: PlanRecord, lines: &Path) -> (PlanRecord, Runbook) {
    let drain = PlanStep {
        action: "drain".into(),
        executor: "crew:databases".into(),
        ..plan.steps[1].clone()
    };
    plan.steps.insert(1, drain);
    for (step, number) in plan.steps.iter_mut().zip(1..) {
        step.number = number;
    }
    let shell = |script: &str| vec!["/bin/sh".into(), "-c".into(), format!("f={}; {script}", lines.display())];
    let way = CommandWay {
        check: shell("[ \"$(tail -n 1 $f 2>&1)\" = drained ]"),
        act: shell("echo drained >> $f"),
        undo: shell("echo taken >> $f"),
        environment: [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
        timeout_minutes: 1,
    };
    let step = RunbookStep {
        action: "drain".into(),
        target: plan.steps[1].target.clone(),
        proves: Vec::new(),
        restic: None,
        unit: None,
        command: Some(way),
        guard: false,
        manual: None,
    };
    let runbook = Runbook {
        steps: vec![step],
        ..Runbook::default()
    };
    (runbook.bind(plan), runbook)
}

/// The kernels are as planned, every effect was applied once, nothing was forgotten, and people were asked once.
fn check(place: &Place, task: &Task, fate: &Fate, number: usize) {
    let planned: BTreeSet<String> = match fate.undo {
        true => BTreeSet::new(),
        false => STEPS
            .iter()
            .map(|(_, guard, _, interface)| format!("{guard} {interface}"))
            .collect(),
    };
    assert_eq!(place.cut(), planned, "{fate:?}");
    let log = place.watched.lock().unwrap().log.clone();
    for (_, guard, target, interface) in STEPS {
        let times = |deed: &str| {
            log.iter()
                .filter(|line| **line == format!("{deed} {guard} {interface}"))
                .count()
        };
        assert_eq!(
            (times("cut"), times("release")),
            (1, usize::from(fate.undo)),
            "{target}: {fate:?}: {log:?}"
        );
    }
    let lines = std::fs::read_to_string(task.ledger.with_extension("drains")).unwrap();
    let expected = if fate.undo { "drained\ntaken\n" } else { "drained\n" };
    assert_eq!(lines, expected, "{fate:?}");
    let reader = Reader::open(&task.ledger).unwrap();
    let entries = reader.entries(0..reader.size()).unwrap();
    let situation = Situation::replay(entries.iter().map(Vec::as_slice)).unwrap();
    let facts: Vec<What> = entries
        .iter()
        .zip(0..)
        .map(|(e, i)| Fact::from_bytes(i, e).unwrap().what)
        .collect();
    let count = |is: fn(&What) -> bool| facts.iter().filter(|what| is(what)).count();
    assert_eq!(count(|w| matches!(w, What::PlanProposed { .. })), 1, "{fate:?}");
    assert_eq!(count(|w| matches!(w, What::ApprovalAsked { .. })), 1, "{fate:?}");
    assert_eq!(count(|w| matches!(w, What::PlanApproved { .. })), 2, "{fate:?}");
    assert_eq!(
        count(|w| matches!(w, What::StepIntended { .. })),
        task.plan.steps.len(),
        "{fate:?}"
    );
    assert_eq!(
        count(|w| matches!(w, What::StepEnded { .. })),
        task.plan.steps.len(),
        "{fate:?}"
    );
    let view = &situation.plans[&task.plan.hash];
    for step in &task.plan.steps {
        let is_verified = |ended: &Option<(_, StepOutcome)>| matches!(ended, Some((_, StepOutcome::Verified { .. })));
        assert!(is_verified(&view.steps[&step.number].ended), "{fate:?}: {:?}", view.steps);
        assert_eq!(
            view.undone.get(&step.number).is_some_and(|u| is_verified(&u.ended)),
            fate.undo,
            "{fate:?}"
        );
    }
    let isolated = situation.hosts.values().filter(|host| host.isolated).count();
    assert_eq!(
        (isolated, situation.connections_cut.len()),
        if fate.undo { (0, 0) } else { (4, 1) },
        "{fate:?}"
    );
    if number.is_multiple_of(SAMPLE) {
        let report = leckwehr_ledger::verify(&task.ledger, &Trust::default()).unwrap();
        assert!(report.is_ok(), "{fate:?}: {report:?}");
        for host in ["a1", "b1", "a2", "b2"] {
            assert_eq!(place.packets_pass(host, fate.undo), [fate.undo; 2], "{host}: {fate:?}");
        }
    }
}

/// Plays worlds in lanes side by side, each with kernels of its own; returns the kills.
fn play_all(folder: &Path, fates: &[Fate]) -> usize {
    let (next, kills) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let lane = |lane: usize| {
        let folder: PathBuf = folder.join(format!("lane-{lane}"));
        std::fs::create_dir_all(&folder).unwrap();
        let mut place = Place::build(&folder);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(fate) = fates.get(number) else { return };
            let (killed, _) = play(&mut place, &folder, number, fate);
            kills.fetch_add(killed, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        for number in 0..LANES {
            scope.spawn(move || lane(number));
        }
    });
    kills.into_inner()
}

/// Red if `Execution::stage` takes what it reads for `NotDone` and acts again (`(2, 0)` instead of `(1, 0)` transactions); if
/// intents are not written before acting (a cut that no fact knows of); if `Fence::pass_epoch` lets older control rooms pass.
#[test]
fn killed_at_any_point_it_ends_as_planned() {
    if !in_namespace("crash::killed_at_any_point_it_ends_as_planned") {
        return;
    }
    let folder = prepare();
    let whole = |undo| Fate {
        undo,
        points: vec![],
        commit: None,
    };
    let mut place = Place::build(&folder);
    let (_, to_cut) = play(&mut place, &folder, 0, &whole(false));
    let (_, to_undo) = play(&mut place, &folder, 0, &whole(true));
    let commits = 2 * STEPS.len();
    assert!(to_cut > 80 && to_undo > to_cut, "{to_cut} {to_undo}");
    let mut fates: Vec<Fate> = Vec::new();
    // A run that is only carried out is killed at all of its points, one that is undone at those that follow.
    fates.extend((0..to_undo).map(|point| Fate {
        points: vec![point],
        ..whole(point >= to_cut)
    }));
    fates.extend((0..2 * commits).map(|commit| Fate {
        commit: Some(commit),
        ..whole(commit >= commits)
    }));
    let mut dice = Dice::new(1, "where it is killed");
    fates.extend((0..TWICE).map(|_| Fate {
        points: vec![dice.below(to_undo), dice.below(to_cut / 2)],
        ..whole(true)
    }));
    let kills = play_all(&folder, &fates);
    println!(
        "{kills} kills in {} worlds; {to_cut} points to the cut, {to_undo} with its undo",
        fates.len()
    );
    assert!(kills >= KILLS_MIN, "{kills}");
}
