//! Several steps of a plan in one order: one transaction, one line in the journal, each step taken back by itself or with others.

use leckwehr_guard::{Action, Approval, Envelope, Event, Journal, Order, STEPS_PER_ORDER_MAX, Status};
use leckwehr_incident::{PlanKind, PlanRecord, PlanStep, Timestamp};
use serde_json::{Value, json};

use crate::attacks::{Place, issued};
use crate::warrant::{NOW, approval, envelope, key, sealed};

const TOGETHER: &str = "x-leckwehr:compartments";

/// Steps 1 to 3 isolate fs-1 to fs-3 at guard-a, 4 is another guard's, 5 brings fs-1 back.
fn plan(generation: u64) -> PlanRecord {
    let step = |number: u32, executor: &str, action: &str, target: &str| PlanStep {
        number,
        executor: executor.into(),
        action: action.into(),
        target: target.into(),
        reason: "the attacker acted here".into(),
        planned_ms: 50,
        clause: String::new(),
    };
    PlanRecord {
        kind: PlanKind::Takedown,
        generation,
        hash: String::new(),
        summary: "Isolate 3 systems".into(),
        harm_eur_per_hour: 7,
        steps: vec![
            step(1, "guard-a", "isolate-host", "fs-1"),
            step(2, "guard-a", "isolate-host", "fs-2"),
            step(3, "guard-a", "cut-connection", "fs-3"),
            step(4, "guard-b", "isolate-host", "fs-4"),
            step(5, "guard-a", "reconnect", "fs-1"),
        ],
    }
    .sealed()
}

fn order_of(plan: &PlanRecord, steps: &[u32], targets: &Value) -> Envelope {
    Envelope {
        order: Order::new(Action::Deny, TOGETHER, targets.clone()).with("x-leckwehr:lease_ms", 60_000),
        plan: Some((plan.clone(), steps.to_vec())),
        ..envelope(plan)
    }
}

fn undo_of(plan: &PlanRecord, steps: &[u32], targets: &Value) -> Envelope {
    let deny = order_of(plan, steps, targets);
    Envelope {
        order: deny.order.undoing().unwrap(),
        ..deny
    }
}

/// Red when `GuardExecutor::turn` cuts one compartment after another.
#[tokio::test]
async fn steps_of_one_order_are_one_transaction_and_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path(), "guard-a");
    let plan = plan(1);
    let order = order_of(&plan, &[1, 2, 3], &json!(["fs-1", "fs-2", "fs-3"]));
    assert_eq!(place.order(&sealed(&order, "guard-a")).await.status, Status::OK);
    assert_eq!((place.cut(), place.guard.firewall.transactions), (vec!["h1", "h2", "h3"], 1));
    assert_eq!(place.guard.firewall.cut["h3"], Some(60_000));
    let reports = place.warrant.journal.reports(0, 9);
    let intended = |event: &Event| matches!(event, Event::Intended { before, .. } if before.len() == 3);
    assert!(intended(&reports[0].event) && reports.len() == 2, "{reports:?}");
    assert_eq!(reports[0].steps.as_ref().unwrap().1, [1, 2, 3]);
    // The same order again is answered, and nothing is done.
    assert_eq!(place.order(&sealed(&order, "guard-a")).await.status, Status::OK);
    assert_eq!(place.guard.firewall.transactions, 1);
    // What is in force is known by step, after a restart as well.
    let again = Journal::open(&folder.path().join("journal")).unwrap();
    let steps: Vec<u32> = again.in_force().keys().map(|(_, step)| *step).collect();
    assert_eq!(steps, [1, 2, 3]);
    // All back in one transaction: byte for byte what it was.
    let undo = undo_of(&plan, &[1, 2, 3], &json!(["fs-1", "fs-2", "fs-3"]));
    assert_eq!(place.order(&issued(&undo, 1)).await.status, Status::OK);
    assert_eq!((place.cut(), place.guard.firewall.transactions), (vec![], 2));
    assert!(place.warrant.journal.in_force().is_empty());
}

/// Red when `before` is read once for the whole order, or an undo takes all of an order's steps back.
#[tokio::test]
async fn each_step_of_an_order_is_taken_back_to_what_it_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path(), "guard-a");
    let plan = plan(1);
    place.guard.firewall.cut.insert("h2".into(), None);
    let order = order_of(&plan, &[1, 2], &json!(["fs-1", "fs-2"]));
    assert_eq!(place.order(&sealed(&order, "guard-a")).await.status, Status::OK);
    // fs-2 was cut before the plan: undoing both leaves it so.
    let undo = undo_of(&plan, &[2], &json!(["fs-2"]));
    assert_eq!(place.order(&issued(&undo, 1)).await.status, Status::OK);
    assert_eq!(place.cut(), ["h1", "h2"]);
    let text = place
        .refuses(
            &issued(&undo_of(&plan, &[1, 2], &json!(["fs-1", "fs-2"])), 2),
            Status::NOT_FOUND,
        )
        .await;
    assert!(text.contains("step 2"), "{text}");
    let single = Envelope {
        order: Order::new(Action::Deny, "x-leckwehr:compartment", "fs-1").undoing().unwrap(),
        plan: Some((plan.clone(), vec![1])),
        ..order
    };
    assert_eq!(place.order(&issued(&single, 3)).await.status, Status::OK);
    assert_eq!(place.cut(), ["h2"]);
}

/// Red when `Warrant::steps` compares the first step only, or takes steps that somebody else approved for another guard.
#[tokio::test]
async fn an_order_for_several_does_exactly_its_steps_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path(), "guard-a");
    let plan = plan(1);
    let good = json!(["fs-1", "fs-2"]);
    let many: Vec<u32> = (1..=STEPS_PER_ORDER_MAX as u32 + 1).collect();
    for (steps, targets) in [
        (vec![1, 2], json!(["fs-2", "fs-1"])),
        (vec![1, 2], json!(["fs-1", "fs-3"])),
        (vec![1, 2], json!(["fs-1"])),
        (vec![1], good.clone()),
        (vec![1, 2], json!(["fs-1", "fs-2", "fs-3"])),
        (vec![1, 2], json!("fs-1")),
        (vec![1, 2], json!(["fs-1", ["fs-2"]])),
        (vec![1, 1], json!(["fs-1", "fs-1"])),
        (vec![1, 4], json!(["fs-1", "fs-4"])),
        // Step 5 is the opposite of a cut.
        (vec![1, 5], json!(["fs-1", "fs-1"])),
        (vec![], json!([])),
        (vec![], good.clone()),
        (many, good.clone()),
    ] {
        place
            .refuses(&sealed(&order_of(&plan, &steps, &targets), "guard-a"), Status::FORBIDDEN)
            .await;
    }
    // The seal covers every step.
    let mut moved = sealed(&order_of(&plan, &[1, 2], &good), "guard-a");
    moved.plan = Some((plan.clone(), vec![1]));
    moved.order = order_of(&plan, &[1], &json!(["fs-1"])).order;
    place.refuses(&moved, Status::UNAUTHORIZED).await;
    assert_eq!(place.guard.firewall.transactions, 0);
}

/// Red when words in time are asked for only if no step of the order stands.
#[tokio::test]
async fn a_step_that_stands_carries_no_other_over_the_end_of_the_words() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path(), "guard-a");
    let plan = plan(1);
    let word = |name: &str| Approval::sign(name, &key(name), &plan.hash, Some(NOW));
    let ordered = |steps: &[u32], targets: Value| Envelope {
        approvals: vec![word("anna"), word("bert")],
        ..order_of(&plan, steps, &targets)
    };
    assert_eq!(
        place.order(&sealed(&ordered(&[1], json!(["fs-1"])), "guard-a")).await.status,
        Status::OK
    );
    place.warrant.clock = std::sync::Arc::new(|| Timestamp(NOW.0 + 1_000_000));
    let both = ordered(&[1, 2], json!(["fs-1", "fs-2"]));
    place.refuses(&issued(&both, 1), Status::FORBIDDEN).await;
    // More time for the one that stands.
    let renewed = ordered(&[1], json!(["fs-1"]));
    assert_eq!(place.order(&issued(&renewed, 2)).await.status, Status::OK);
    assert_eq!(place.cut(), ["h1"]);
}

/// One target that this guard does not know: nothing of the order is done, and the guard says so.
#[tokio::test]
async fn one_unknown_target_keeps_the_whole_transaction_from_being_done() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path(), "guard-a");
    let mut odd = plan(1);
    odd.steps[1].target = "fs-9".into();
    let odd = odd.sealed();
    let order = Envelope {
        approvals: vec![approval("anna", &odd), approval("bert", &odd)],
        ..order_of(&odd, &[1, 2], &json!(["fs-1", "fs-9"]))
    };
    place.refuses(&sealed(&order, "guard-a"), Status::NOT_FOUND).await;
    assert_eq!(place.guard.firewall.transactions, 0);
}
