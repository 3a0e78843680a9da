//! Attacks on a takedown, each against guards with real kernels, and a disk that is full.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use leckwehr_control::{
    Courier, CutActuator, Ended, Execution, Journal, NoFaults, Runbook, Takedown, TakedownActuator, TakedownEnd, Warranted,
    ask_for, may_begin, order_undo, propose, refusals, take_word, undo_hash,
};
use leckwehr_guard::Approval;
use leckwehr_incident::{PlanRecord, Situation, StepOutcome};

use crate::crash::child::{Tcp, open};
use crate::crash::place::{Place, STEPS, now, person, prepare};
use crate::namespace::{in_namespace, sh};

pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

pub fn room(place: &Place, ledger: &Path) -> (Journal, Courier<Tcp>) {
    let journal = open(ledger, &place.config, Arc::new(NoFaults));
    let courier = Courier::new(&place.config, Tcp, journal.epoch()).unwrap();
    (journal, courier)
}

/// Sends a plan to the guards under these words, whatever the control room would say about them.
pub fn force(place: &Place, journal: &mut Journal, courier: &Courier<Tcp>, plan: &PlanRecord, approvals: &[Approval]) -> Ended {
    let warrant = Warranted {
        plan: plan.clone(),
        approvals: approvals.to_vec(),
    };
    let (config, runbook) = (&place.config, Runbook::default());
    let ways = |situation: &Situation| {
        let cuts = CutActuator {
            courier,
            warrant: &warrant,
            life_lines: &config.life_lines,
            lease_ms: 3_600_000,
        };
        TakedownActuator::new(cuts, &runbook, situation, &config.folder, Arc::new(NoFaults))
    };
    let takedown = Takedown::new(plan, &config.estate, config.minute_ms);
    match block_on(takedown.run(journal, ways)).unwrap() {
        TakedownEnd::Ended(ended) => ended,
        TakedownEnd::Waits { work, .. } => Ended::Stopped {
            reason: format!("{work:?}"),
        },
    }
}

fn approve(place: &Place, journal: &mut Journal, plan: &PlanRecord, words: &[Approval]) -> Vec<Option<String>> {
    propose(journal, plan).unwrap();
    ask_for(&place.config, journal, plan, "control-room").unwrap();
    let take = |word: &Approval| take_word(&place.config, journal, plan, word).unwrap();
    words.iter().map(take).collect()
}

fn is_quiet(place: &Place) -> bool {
    place.cut().is_empty() && place.watched.lock().unwrap().log.is_empty()
}

pub fn reasons(journal: &Journal, plan: &PlanRecord) -> Vec<String> {
    let steps = journal.plan(&plan.hash).unwrap().steps.values();
    let reason = |outcome: StepOutcome| match outcome {
        StepOutcome::Verified { .. } => "verified".to_owned(),
        StepOutcome::NotApplied { reason } => format!("not applied: {reason}"),
        StepOutcome::Doubtful { reason } => format!("doubtful: {reason}"),
    };
    steps.map(|s| reason(s.ended.clone().unwrap().1)).collect()
}

/// Red if `fault_of` does not look at whose signature it is, or `Warrant::check` counts words instead of people.
#[test]
fn a_stolen_key_of_one_approver_cannot_start_a_takedown() {
    if !in_namespace("crash::attacks::a_stolen_key_of_one_approver_cannot_start_a_takedown") {
        return;
    }
    let folder = prepare();
    let mut place = Place::build(&folder);
    let (mut journal, courier) = room(&place, &folder.join("ledger"));
    let (plan, good) = place.next_plan();
    let until = Some(now().plus_ms(3_600_000));
    let stolen = person("anna");
    let mut words = vec![good[0].clone()];
    // The same key again, in other names, for longer, for ever, and a word of Bert's that is over or was for something else.
    words.push(Approval::sign("anna", &stolen, &plan.hash, Some(now().plus_ms(7_200_000))));
    words.push(Approval::sign("bert", &stolen, &plan.hash, until));
    words.push(Approval::sign("mallory", &stolen, &plan.hash, until));
    words.push(Approval::sign("bert", &person("bert"), &plan.hash, Some(now().plus_ms(-1))));
    words.push(Approval::sign("bert", &person("bert"), &undo_hash(&plan.hash), until));
    words.push(Approval::sign("bert", &person("bert"), &plan.hash, None));
    let faults = approve(&place, &mut journal, &plan, &words);
    assert_eq!(faults.iter().filter(|f| f.is_some()).count(), 5, "{faults:?}");
    assert_eq!(journal.situation().rejected, 5, "what does not count is a fact");
    assert!(!may_begin(&place.config, &mut journal, &plan).unwrap());
    // Even a control room that does it all the same is refused, by every guard. (The last word is Bert's own, so it is left out.)
    let ended = force(&place, &mut journal, &courier, &plan, &words[..6]);
    assert!(matches!(ended, Ended::Stopped { .. }) && is_quiet(&place), "{ended:?}");
    assert!(
        reasons(&journal, &plan)[0].contains("1 of 2"),
        "{:?}",
        reasons(&journal, &plan)
    );
}

/// Red if `Warrant::check` does not check that the plan fits its hash.
#[test]
fn a_stolen_key_of_one_approver_cannot_widen_a_takedown() {
    if !in_namespace("crash::attacks::a_stolen_key_of_one_approver_cannot_widen_a_takedown") {
        return;
    }
    let folder = prepare();
    let mut place = Place::build(&folder);
    let (mut journal, courier) = room(&place, &folder.join("ledger"));
    let (plan, words) = place.next_plan();
    let mut narrow = plan.clone();
    narrow.steps.truncate(1);
    let narrow = narrow.sealed();
    let until = Some(now().plus_ms(3_600_000));
    let of_narrow = ["anna", "bert"].map(|name| Approval::sign(name, &person(name), &narrow.hash, until));
    // Approved was the narrow plan. Wider under its words, or under a hash that only the stolen key signed: nothing happens.
    let faults = approve(
        &place,
        &mut journal,
        &plan,
        &[of_narrow[0].clone(), of_narrow[1].clone(), words[0].clone()],
    );
    assert_eq!(faults.iter().filter(|f| f.is_some()).count(), 2, "{faults:?}");
    assert!(!may_begin(&place.config, &mut journal, &plan).unwrap());
    force(&place, &mut journal, &courier, &plan, &of_narrow);
    assert!(is_quiet(&place), "{:?}", reasons(&journal, &plan));
    let mut forged = plan.clone();
    forged.hash.clone_from(&narrow.hash);
    let warrant = Warranted {
        plan: forged.clone(),
        approvals: of_narrow.to_vec(),
    };
    let actuator = CutActuator {
        courier: &courier,
        warrant: &warrant,
        life_lines: &[],
        lease_ms: 3_600_000,
    };
    let done = block_on(leckwehr_control::Actuator::act(&actuator, &forged.steps[..1]));
    assert!(
        matches!(&done[0], Err(StepOutcome::NotApplied { reason }) if reason.contains("does not fit its hash")),
        "{done:?}"
    );
    assert!(is_quiet(&place));
}

/// Red if `order_undo` counts words instead of people, or takes words for the plan as words for its undoing.
#[test]
fn a_stolen_key_of_one_approver_cannot_undo_a_takedown() {
    if !in_namespace("crash::attacks::a_stolen_key_of_one_approver_cannot_undo_a_takedown") {
        return;
    }
    let folder = prepare();
    let mut place = Place::build(&folder);
    let (mut journal, courier) = room(&place, &folder.join("ledger"));
    let (plan, words) = place.next_plan();
    approve(&place, &mut journal, &plan, &words);
    assert_eq!(force(&place, &mut journal, &courier, &plan, &words), Ended::Complete);
    let cut = place.cut();
    assert_eq!(cut.len(), STEPS.len());
    let (hash, until) = (undo_hash(&plan.hash), Some(now().plus_ms(3_600_000)));
    let by = |name: &str, key: &str| Approval::sign(name, &person(key), &hash, until);
    // Bert's word for the plan is no word for undoing it.
    let stolen = [by("anna", "anna"), by("anna", "anna"), by("bert", "anna"), words[1].clone()];
    let faults = order_undo(&place.config, &mut journal, &plan.hash, "nothing to see", &stolen).unwrap();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(journal.plan(&plan.hash).unwrap().undo.is_none());
    assert_eq!(journal.situation().rejected, 2, "what was tried is a fact");
    assert_eq!(place.cut(), cut);
    // Two people can, and the ledger says who they were.
    let both = [by("anna", "anna"), by("bert", "bert")];
    assert!(
        order_undo(&place.config, &mut journal, &plan.hash, "false alarm", &both)
            .unwrap()
            .is_empty()
    );
    assert!(matches!(
        force(&place, &mut journal, &courier, &plan, &words),
        Ended::Undone { .. }
    ));
    assert!(place.cut().is_empty());
    let undo = journal.plan(&plan.hash).unwrap().undo.clone().unwrap();
    assert!(undo.2.contains("anna") && undo.2.contains("bert"), "{undo:?}");
}

/// Red if `Fence::pass_epoch` lets an older control room pass.
#[test]
fn a_stale_control_room_is_refused() {
    if !in_namespace("crash::attacks::a_stale_control_room_is_refused") {
        return;
    }
    let folder = prepare();
    let mut place = Place::build(&folder);
    let (mut stale, stale_courier) = room(&place, &folder.join("stale"));
    let (mut journal, courier) = room(&place, &folder.join("ledger"));
    assert!(journal.epoch() > stale.epoch());
    let (plan, words) = place.next_plan();
    approve(&place, &mut journal, &plan, &words);
    approve(&place, &mut stale, &plan, &words);
    // A rehearsal asks every guard something, which is enough.
    let warrant = Warranted {
        plan: plan.clone(),
        approvals: words.clone(),
    };
    let actuator = CutActuator {
        courier: &courier,
        warrant: &warrant,
        life_lines: &[],
        lease_ms: 3_600_000,
    };
    assert!(
        block_on(Execution::new(&plan, &actuator).rehearse(&mut journal))
            .unwrap()
            .is_empty()
    );
    force(&place, &mut stale, &stale_courier, &plan, &words);
    assert!(is_quiet(&place));
    let reasons = reasons(&stale, &plan);
    assert!(
        reasons[0].starts_with("not applied") && reasons[0].contains("started before the one that is in charge"),
        "{reasons:?}"
    );
    assert_eq!(force(&place, &mut journal, &courier, &plan, &words), Ended::Complete);
}

/// Red if probes are left out: by the guards' own word every cut is verified.
#[test]
fn a_guard_that_lies_is_found_out_by_packets_from_both_sides() {
    if !in_namespace("crash::attacks::a_guard_that_lies_is_found_out_by_packets_from_both_sides") {
        return;
    }
    let folder = prepare();
    let mut place = Place::build(&folder);
    let (mut journal, courier) = room(&place, &folder.join("ledger"));
    let (plan, words) = place.next_plan();
    approve(&place, &mut journal, &plan, &words);
    place.watched.lock().unwrap().lies = true;
    assert_eq!(force(&place, &mut journal, &courier, &plan, &words), Ended::Complete);
    assert!(
        reasons(&journal, &plan).iter().all(|r| r == "verified"),
        "its word is all that it gives"
    );
    assert_eq!(
        place.packets_pass("a1", true),
        [true, true],
        "and packets show that it is not true"
    );
}

/// Red if executors do not write down what they refuse.
#[test]
fn an_order_that_somebody_else_sent_is_a_fact() {
    if !in_namespace("crash::attacks::an_order_that_somebody_else_sent_is_a_fact") {
        return;
    }
    let folder = prepare();
    let mut place = Place::build(&folder);
    let (journal, courier) = room(&place, &folder.join("ledger"));
    let (plan, words) = place.next_plan();
    // Holds the control room's certificate, but not the key that seals its orders.
    let mut thief = place.config.clone();
    thief.ledger_seed = [9; 32];
    let forged = Courier::new(&thief, Tcp, u64::MAX).unwrap();
    let warrant = Warranted {
        plan: plan.clone(),
        approvals: words.clone(),
    };
    let actuator = CutActuator {
        courier: &forged,
        warrant: &warrant,
        life_lines: &[],
        lease_ms: 3_600_000,
    };
    let done = block_on(leckwehr_control::Actuator::act(&actuator, &plan.steps[..1]));
    assert!(matches!(&done[0], Err(StepOutcome::NotApplied { .. })), "{done:?}");
    assert!(is_quiet(&place));
    let mut seen = BTreeMap::new();
    let facts = block_on(refusals(&courier, &mut seen, journal.situation()));
    let text = serde_json::to_string(&facts).unwrap();
    assert!(
        facts.len() == 1 && text.contains("guard-a") && text.contains("not the control room's"),
        "{text}"
    );
    assert!(
        block_on(refusals(&courier, &mut seen, journal.situation())).is_empty(),
        "once"
    );
}

/// Red if the intent is written after the order, or a failed append is taken for done.
#[test]
fn a_full_disk_stops_the_plan_before_the_effect() {
    if !in_namespace("crash::attacks::a_full_disk_stops_the_plan_before_the_effect") {
        return;
    }
    let folder = prepare();
    let mut place = Place::build(&folder);
    let small = folder.join("small");
    std::fs::create_dir(&small).unwrap();
    sh(&format!("mount -t tmpfs -o size=1m tmpfs {}", small.display()));
    let (plan, words) = place.next_plan();
    let ledger = small.join("ledger");
    let (mut journal, courier) = room(&place, &ledger);
    approve(&place, &mut journal, &plan, &words);
    sh(&format!(
        "dd if=/dev/zero of={}/filler bs=1k 2> /dev/null || true",
        small.display()
    ));
    let warrant = Warranted {
        plan: plan.clone(),
        approvals: words.clone(),
    };
    let actuator = CutActuator {
        courier: &courier,
        warrant: &warrant,
        life_lines: &[],
        lease_ms: 3_600_000,
    };
    let error = block_on(Execution::new(&plan, &actuator).run(&mut journal)).unwrap_err();
    assert!(matches!(error, leckwehr_control::ControlError::Ledger(_)), "{error}");
    assert!(is_quiet(&place), "something was done that is not written down");
    drop(journal);
    // With room again it goes on, and nobody is asked anew.
    std::fs::remove_file(small.join("filler")).unwrap();
    let (mut journal, courier) = room(&place, &ledger);
    assert!(may_begin(&place.config, &mut journal, &plan).unwrap());
    assert_eq!(force(&place, &mut journal, &courier, &plan, &words), Ended::Complete);
    assert_eq!(place.cut().len(), STEPS.len());
}
