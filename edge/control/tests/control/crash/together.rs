//! Steps of one guard are one transaction of its kernel, and one bad step among them keeps no other back.

use leckwehr_incident::PlanStep;

use crate::crash::attacks::{force, reasons, room};
use crate::crash::place::{OWN_WAY, Place, prepare, words_for};
use crate::namespace::in_namespace;

/// Red if `CutActuator::act` sends one order per step.
#[test]
fn steps_of_one_guard_are_one_commit_of_its_kernel() {
    if !in_namespace("crash::together::steps_of_one_guard_are_one_commit_of_its_kernel") {
        return;
    }
    let folder = prepare();
    let mut place = Place::build(&folder);
    let (mut journal, courier) = room(&place, &folder.join("ledger"));
    let (plan, words) = place.next_plan();
    leckwehr_control::propose(&mut journal, &plan).unwrap();
    force(&place, &mut journal, &courier, &plan, &words);
    assert_eq!(place.cut().len(), plan.steps.len());
    // The connection alone first, then the two hosts of each guard.
    assert_eq!(place.watched.lock().unwrap().commits, 3 * 2);
}

/// Red if `CutActuator::act_together` gives up when the guard refuses the whole transaction.
#[test]
fn a_target_that_a_guard_refuses_keeps_no_other_on_the_grid() {
    if !in_namespace("crash::together::a_target_that_a_guard_refuses_keeps_no_other_on_the_grid") {
        return;
    }
    let folder = prepare();
    let mut place = Place::build(&folder);
    let (mut journal, courier) = room(&place, &folder.join("ledger"));
    let (mut plan, _) = place.next_plan();
    let all = plan.steps.len();
    plan.steps.push(PlanStep {
        number: all as u32 + 1,
        target: OWN_WAY.into(),
        ..plan.steps[1].clone()
    });
    let plan = plan.sealed();
    let words = words_for(&plan);
    leckwehr_control::propose(&mut journal, &plan).unwrap();
    force(&place, &mut journal, &courier, &plan, &words);
    assert_eq!(place.cut().len(), all);
    let reasons = reasons(&journal, &plan);
    let (last, others) = reasons.split_last().unwrap();
    assert!(last.starts_with("not applied") && last.contains("management path"), "{last}");
    assert!(others.iter().all(|reason| reason == "verified"), "{others:?}");
}
