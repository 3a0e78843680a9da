use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use leckwehr_crypt::SigningKey;
use leckwehr_guard::{
    Action, Approval, Counter, Envelope, Executor, Fence, Firewall, FirewallError, FirewallState, GuardExecutor, Journal, Order,
    Refusal, Status, Warrant, Warranted,
};
use leckwehr_incident::{PlanKind, PlanRecord, PlanStep, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The executors' time.
pub const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

pub fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(&leckwehr_crypt::sha256(name.as_bytes())).unwrap()
}

pub fn approval(name: &str, plan: &PlanRecord) -> Approval {
    Approval::sign(name, &key(name), &plan.hash, Some(Timestamp(i64::MAX)))
}

pub fn warrant(folder: &Path, executor: &str, directory: Option<&str>) -> Warrant {
    Warrant {
        executor: executor.into(),
        directory: directory.map(str::to_owned),
        controller: key("control-room").verifying_key(),
        approvers: ["anna", "bert", "cem"]
            .map(|name| (name.to_owned(), key(name).verifying_key()))
            .into(),
        fence: Fence::open(folder.join("fence")).unwrap(),
        journal: Journal::open(&folder.join("journal")).unwrap(),
        clock: Arc::new(|| NOW),
    }
}

fn step(number: u32, executor: &str, action: &str, target: &str) -> PlanStep {
    PlanStep {
        number,
        executor: executor.into(),
        action: action.into(),
        target: target.into(),
        reason: "the attacker acted here".into(),
        planned_ms: 50,
        clause: String::new(),
    }
}

pub fn plan(generation: u64) -> PlanRecord {
    let steps = vec![
        step(1, "guard-a", "isolate-host", "fs-1"),
        step(2, "guard-b", "isolate-host", "fs-2"),
        step(3, "agent:dc-1", "rotate-credentials", "svc"),
        step(4, "agent:dc-1", "sweep", "dc-1"),
        step(5, "guard-a", "probe", "fs-1"),
    ];
    let summary = "Isolate 2 systems".into();
    PlanRecord {
        kind: PlanKind::Takedown,
        generation,
        hash: String::new(),
        summary,
        harm_eur_per_hour: 7,
        steps,
    }
    .sealed()
}

/// Step 1 of the plan, as the control room sends it to `guard-a`.
pub fn envelope(plan: &PlanRecord) -> Envelope {
    Envelope {
        request_id: "1".into(),
        order: Order::new(Action::Deny, "x-leckwehr:compartment", "fs-1"),
        plan: Some((plan.clone(), vec![1])),
        approvals: vec![approval("anna", plan), approval("bert", plan)],
        epoch: 0,
        seal: None,
    }
}

/// The control room's seal over an envelope for `executor`, as it is now.
pub fn sealed(envelope: &Envelope, executor: &str) -> Envelope {
    let bare = Envelope {
        seal: None,
        ..envelope.clone()
    };
    bare.sealed(executor, &key("control-room"), NOW, NOW.plus_ms(60_000))
}

fn number_of(warranted: Warranted<'_>) -> Option<u32> {
    match warranted {
        Warranted::Question => None,
        Warranted::Steps { steps, .. } => Some(steps[0].number),
    }
}

/// What a fresh guard-a says to an envelope.
fn verdict(envelope: &Envelope) -> Result<Option<u32>, Refusal> {
    let folder = tempfile::tempdir().unwrap();
    warrant(folder.path(), "guard-a", None)
        .check(&sealed(envelope, "guard-a"))
        .map(number_of)
}

#[test]
fn an_approved_step_passes_and_questions_need_no_plan() {
    let good = envelope(&plan(1));
    assert_eq!(verdict(&good).unwrap(), Some(1));
    for action in [Action::Query, Action::Scan] {
        let question = Envelope {
            order: Order::new(action, "features", json!([])),
            plan: None,
            approvals: vec![],
            ..good.clone()
        };
        assert_eq!(verdict(&question).unwrap(), None);
    }
}

#[test]
fn orders_without_a_sufficient_word_are_refused() {
    let generation_2 = plan(2);
    let plan = plan(1);
    let good = envelope(&plan);
    let with = |approvals: Vec<Approval>| {
        verdict(&Envelope {
            approvals,
            ..good.clone()
        })
    };
    let few = |outcome: Result<Option<u32>, Refusal>, count: usize| {
        assert!(
            matches!(&outcome, Err(Refusal::TooFewApprovals { found }) if *found == count),
            "{outcome:?}"
        );
    };
    let (anna, bert) = (approval("anna", &plan), approval("bert", &plan));
    few(with(vec![]), 0);
    few(with(vec![anna.clone()]), 1);
    few(with(vec![anna.clone(), anna.clone(), anna.clone()]), 1);
    few(with(vec![anna.clone(), approval("mallory", &plan)]), 1);
    few(
        with(vec![
            anna.clone(),
            Approval {
                approver: "bert".into(),
                ..anna.clone()
            },
        ]),
        1,
    );
    few(
        with(vec![
            anna.clone(),
            Approval {
                signature: "zz".into(),
                ..bert.clone()
            },
        ]),
        1,
    );
    few(
        with(vec![
            anna.clone(),
            Approval {
                signature: String::new(),
                ..bert.clone()
            },
        ]),
        1,
    );
    few(with(vec![anna.clone(), approval("bert", &generation_2)]), 1);
    assert_eq!(with(vec![approval("mallory", &plan), anna, bert]).unwrap(), Some(1));
    assert!(matches!(
        verdict(&Envelope {
            plan: None,
            ..good.clone()
        }),
        Err(Refusal::NoPlan)
    ));
}

#[test]
fn an_order_that_is_not_the_step_is_refused() {
    let plan = plan(1);
    let good = envelope(&plan);
    let numbered = |number| Envelope {
        plan: Some((plan.clone(), vec![number])),
        ..good.clone()
    };
    for number in [0, 2, 3, 6, u32::MAX] {
        let outcome = verdict(&numbered(number));
        assert!(
            matches!(&outcome, Err(Refusal::NotMyStep { step, .. }) if *step == number),
            "{outcome:?}"
        );
    }
    // Step 5 is this guard's as well, but a probe.
    assert!(matches!(verdict(&numbered(5)), Err(Refusal::NotTheStep { step: 5 })));
    let ordered = |order| verdict(&Envelope { order, ..good.clone() });
    for order in [
        Order::new(Action::Deny, "x-leckwehr:compartment", "fs-2"),
        Order::new(Action::Deny, "x-leckwehr:compartment", ""),
        Order::new(Action::Deny, "x-leckwehr:compartment", json!(["fs-1"])),
        Order::new(Action::Allow, "x-leckwehr:compartment", "fs-1"),
        Order::new(Action::Set, "x-leckwehr:compartment", "fs-1"),
        Order::new(Action::Restore, "x-leckwehr:compartment", "fs-1"),
    ] {
        let outcome = ordered(order.clone());
        assert!(
            matches!(outcome, Err(Refusal::NotTheStep { step: 1 })),
            "{order:?}: {outcome:?}"
        );
    }
    // A second target beside the approved one could be the one that an executor acts on.
    let mut two = good.order.clone();
    two.target.insert("x-leckwehr:system".into(), "fs-2".into());
    assert!(ordered(two).is_err());
}

#[test]
fn the_directory_stands_for_its_members_in_changing_secrets_only() {
    let plan = plan(1);
    let ask = |number, action, target: &str, directory| {
        let folder = tempfile::tempdir().unwrap();
        let order = Order::new(action, "x-leckwehr:account", target);
        let envelope = Envelope {
            order,
            plan: Some((plan.clone(), vec![number])),
            ..envelope(&plan)
        };
        warrant(folder.path(), "agent:fs-1", directory)
            .check(&sealed(&envelope, "agent:fs-1"))
            .map(number_of)
    };
    assert_eq!(ask(3, Action::Set, "svc", Some("agent:dc-1")).unwrap(), Some(3));
    assert!(matches!(ask(3, Action::Set, "svc", None), Err(Refusal::NotMyStep { .. })));
    assert!(matches!(
        ask(3, Action::Set, "svc", Some("agent:dc-2")),
        Err(Refusal::NotMyStep { .. })
    ));
    assert!(matches!(
        ask(4, Action::Investigate, "dc-1", Some("agent:dc-1")),
        Err(Refusal::NotMyStep { .. })
    ));
}

#[test]
fn a_stale_generation_stays_refused_across_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let passes = |generation| {
        warrant(folder.path(), "guard-a", None)
            .check(&sealed(&envelope(&plan(generation)), "guard-a"))
            .map(|_| ())
    };
    passes(3).unwrap();
    passes(3).unwrap();
    let stale = passes(2);
    assert!(matches!(stale, Err(Refusal::Stale { found: 2, newest: 3 })), "{stale:?}");
    passes(u64::MAX).unwrap();
    assert!(passes(4).is_err());
    assert_eq!(
        std::fs::read_to_string(folder.path().join("fence"))
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap(),
        u64::MAX.to_string()
    );
    // Half a fence is not read as none.
    std::fs::write(folder.path().join("fence"), "").unwrap();
    assert!(Fence::open(folder.path().join("fence")).is_err());
}

#[test]
fn a_refused_order_does_not_move_the_fence() {
    let folder = tempfile::tempdir().unwrap();
    let mut forged = envelope(&plan(9));
    forged.approvals.pop();
    assert!(
        warrant(folder.path(), "guard-a", None)
            .check(&sealed(&forged, "guard-a"))
            .is_err()
    );
    let good = sealed(&envelope(&plan(1)), "guard-a");
    warrant(folder.path(), "guard-a", None).check(&good).unwrap();
}

/// Every place in a JSON value, as a pointer.
fn places(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => map
            .iter()
            .for_each(|(key, inner)| places(inner, format!("{at}/{key}"), found)),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .for_each(|(i, inner)| places(inner, format!("{at}/{i}"), found)),
        _ => found.push(at),
    }
}

fn changed(value: &Value, by: u64, text: &str) -> Value {
    match value {
        Value::Number(number) => json!(number.as_u64().unwrap_or_default().wrapping_add(by) % u64::from(u32::MAX)),
        Value::String(kind) if kind == "takedown" => json!("restore"),
        Value::String(old) => json!(format!("{text}{old}")),
        other => other.clone(),
    }
}

proptest! {
    /// Any one field changed, and any one step left out, doubled or moved: refused as it is, and refused when the changed
    /// plan is hashed anew, because nobody approved that hash.
    #[test]
    fn any_single_change_of_an_approved_plan_is_refused(
        place in any::<prop::sample::Index>(),
        by in 1..1_000_u64,
        text in "[a-z0-9 ]{1,3}",
        shuffle in 0..4_u8,
        at in 0..5_usize,
    ) {
        let good = envelope(&plan(1));
        let approved = plan(1);
        let mut value = serde_json::to_value(&approved).unwrap();
        match shuffle {
            0 => {
                let mut all = Vec::new();
                places(&value, String::new(), &mut all);
                let pointer = place.get(&all);
                let target = value.pointer_mut(pointer).unwrap();
                *target = changed(target, by, &text);
            }
            1 => { value["steps"].as_array_mut().unwrap().remove(at); }
            2 => {
                let steps = value["steps"].as_array_mut().unwrap();
                let doubled = steps[at].clone();
                steps.push(doubled);
            }
            _ => value["steps"].as_array_mut().unwrap().swap(at, (at + 1) % 5),
        }
        let forged: PlanRecord = serde_json::from_value(value).unwrap();
        prop_assert_ne!(&forged, &approved);
        let outcome = verdict(&Envelope { plan: Some((forged.clone(), vec![1])), ..good.clone() });
        prop_assert!(matches!(outcome, Err(Refusal::PlanChanged)), "{:?}", outcome);
        let resealed = forged.sealed();
        if resealed != approved {
            let outcome = verdict(&Envelope { plan: Some((resealed, vec![1])), ..good });
            prop_assert!(matches!(outcome, Err(Refusal::TooFewApprovals { found: 0 })), "{:?}", outcome);
        }
    }
}

/// A firewall that accepts orders and, when `deaf`, does nothing.
#[derive(Default)]
pub struct Memory {
    pub cut: BTreeMap<String, Option<u64>>,
    pub deaf: bool,
    pub transactions: u32,
}

impl Firewall for Memory {
    fn prepare(&mut self, _outside: &[String]) -> Result<(), FirewallError> {
        Ok(())
    }

    fn cut(&mut self, interfaces: &[String], lease_ms: Option<u64>) -> Result<(), FirewallError> {
        self.transactions += 1;
        if !self.deaf {
            self.cut.extend(interfaces.iter().map(|i| (i.clone(), lease_ms)));
        }
        Ok(())
    }

    fn release(&mut self, interfaces: &[String]) -> Result<(), FirewallError> {
        self.transactions += 1;
        if !self.deaf {
            self.cut.retain(|i, _| !interfaces.contains(i));
        }
        Ok(())
    }

    fn state(&mut self) -> Result<FirewallState, FirewallError> {
        Ok(FirewallState {
            cut: self.cut.keys().map(|i| (i.clone(), Counter::default())).collect(),
            ..FirewallState::default()
        })
    }
}

#[tokio::test]
async fn the_guard_does_the_step_and_believes_the_state_not_the_answer() {
    let compartments = BTreeMap::from([("fs-1".to_owned(), vec!["h1".to_owned(), "h2".to_owned()])]);
    let mut guard = GuardExecutor::new(Memory::default(), compartments);
    let deny = Order::new(Action::Deny, "x-leckwehr:compartment", "fs-1");
    for _ in 0..2 {
        let reply = guard.execute(&deny.clone().with("x-leckwehr:lease_ms", 5)).await.unwrap();
        assert_eq!(
            (reply.status, reply.results["cut"].as_object().unwrap().len()),
            (Status::OK, 2)
        );
    }
    assert_eq!(guard.firewall.cut["h1"], Some(5));
    let unknown = guard
        .execute(&Order::new(Action::Deny, "x-leckwehr:compartment", "fs-9"))
        .await
        .unwrap_err();
    assert_eq!(unknown.status(), Status::NOT_FOUND);
    let other = guard
        .execute(&Order::new(Action::Restore, "x-leckwehr:compartment", "fs-1"))
        .await
        .unwrap_err();
    assert_eq!(other.status(), Status::NOT_IMPLEMENTED);
    guard.firewall.deaf = true;
    let allow = Order::new(Action::Allow, "x-leckwehr:compartment", "fs-1");
    assert_eq!(guard.execute(&allow).await.unwrap_err().status(), Status::INTERNAL_ERROR);
    guard.firewall.deaf = false;
    guard.execute(&allow).await.unwrap();
    assert!(guard.firewall.cut.is_empty());
}
