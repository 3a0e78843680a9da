//! What an attacker tries who holds a part of the house: each test names what he holds and what he wants.

use std::collections::BTreeMap;
use std::path::Path;

use leckwehr_guard::{
    Action, Approval, Envelope, Event, GuardExecutor, Journal, Order, Refusal, Reply, Seal, SealFault, Status, Warrant, carry_out,
};
use leckwehr_incident::{PlanRecord, Timestamp};
use serde_json::json;

use crate::warrant::{Memory, NOW, approval, envelope, key, plan, sealed, warrant};

/// A guard with a firewall in memory and its journal on disk.
pub struct Place {
    pub warrant: Warrant,
    pub guard: GuardExecutor<Memory>,
}

impl Place {
    pub fn open(folder: &Path, name: &str) -> Self {
        let compartments = BTreeMap::from([
            ("fs-1".to_owned(), vec!["h1".to_owned()]),
            ("fs-2".to_owned(), vec!["h2".to_owned()]),
            ("fs-3".to_owned(), vec!["h2".to_owned(), "h3".to_owned()]),
        ]);
        let firewall = Memory::default();
        Self {
            warrant: warrant(folder, name, None),
            guard: GuardExecutor::new(firewall, compartments),
        }
    }

    pub async fn order(&mut self, envelope: &Envelope) -> Reply {
        carry_out(&mut self.warrant, &mut self.guard, envelope).await
    }

    pub fn cut(&self) -> Vec<&str> {
        self.guard.firewall.cut.keys().map(String::as_str).collect()
    }

    fn last_event(&self) -> Event {
        self.warrant.journal.reports(0, usize::MAX).last().unwrap().event.clone()
    }

    /// The order did nothing, said so, and is written down.
    pub async fn refuses(&mut self, envelope: &Envelope, status: Status) -> String {
        let before = self.guard.firewall.cut.clone();
        let reply = self.order(envelope).await;
        assert_eq!(reply.status, status, "{reply:?}");
        assert!(reply.is_certainly_not_applied());
        assert_eq!(self.guard.firewall.cut, before, "a refused order changed something");
        let event = self.last_event();
        assert!(
            matches!(&event, Event::Refused { status: s, .. } if *s == status),
            "{event:?}"
        );
        reply.status_text
    }
}

fn undo_of(plan: &PlanRecord) -> Envelope {
    let deny = envelope(plan);
    Envelope {
        request_id: "undo".into(),
        order: deny.order.undoing().unwrap(),
        ..deny
    }
}

pub fn issued(envelope: &Envelope, ms: i64) -> Envelope {
    let bare = Envelope {
        seal: None,
        ..envelope.clone()
    };
    bare.sealed("guard-a", &key("control-room"), NOW.plus_ms(ms), NOW.plus_ms(ms + 60_000))
}

/// Red when `Warrant::check` leaves out `check_seal`.
#[tokio::test]
async fn holding_all_approvals_but_not_the_control_rooms_key_orders_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path(), "guard-a");
    let good = envelope(&plan(1));
    place.refuses(&good, Status::UNAUTHORIZED).await;
    let mallory = Envelope {
        seal: None,
        ..good.clone()
    };
    let mallory = mallory.sealed("guard-a", &key("anna"), NOW, NOW.plus_ms(60_000));
    place.refuses(&mallory, Status::UNAUTHORIZED).await;
    // The seal of one order on another one.
    let seal = sealed(&good, "guard-a").seal;
    let mut other = good.clone();
    other.order = other.order.with("x-leckwehr:lease_ms", 1);
    place.refuses(&Envelope { seal, ..other }, Status::UNAUTHORIZED).await;
    // Not even to a neighbour may it be carried.
    place.refuses(&sealed(&good, "guard-b"), Status::UNAUTHORIZED).await;
    assert_eq!(place.order(&sealed(&good, "guard-a")).await.status, Status::OK);
}

/// Red when the seal's times are not compared with the clock.
#[tokio::test]
async fn an_order_that_is_kept_for_later_is_worth_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path(), "guard-a");
    let good = envelope(&plan(1));
    let text = place.refuses(&issued(&good, -60_001), Status::UNAUTHORIZED).await;
    assert!(text.contains("valid until"), "{text}");
    place.refuses(&issued(&good, 30_001), Status::UNAUTHORIZED).await;
    let forever = Envelope {
        seal: None,
        ..good.clone()
    };
    let forever = forever.sealed("guard-a", &key("control-room"), NOW, NOW.plus_ms(600_001));
    place.refuses(&forever, Status::UNAUTHORIZED).await;
    // Prolonging it breaks it.
    let mut longer = issued(&good, -60_001);
    let old = longer.seal.unwrap();
    longer.seal = Some(Seal {
        valid_until: NOW.plus_ms(1_000),
        ..old
    });
    place.refuses(&longer, Status::UNAUTHORIZED).await;
    assert_eq!(place.order(&issued(&good, -60_000)).await.status, Status::OK);
}

/// The attacker sends what he saw on the wire again, after the cut was released; also after a restart of the guard.
/// Red when `Journal::is_done` says no, or the journal is not read at the start.
#[tokio::test]
async fn a_replayed_order_changes_nothing_even_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(1);
    let deny = sealed(&envelope(&plan), "guard-a");
    {
        let mut place = Place::open(folder.path(), "guard-a");
        assert_eq!(place.order(&deny).await.status, Status::OK);
        assert_eq!(place.order(&sealed(&undo_of(&plan), "guard-a")).await.status, Status::OK);
        assert!(place.cut().is_empty());
    }
    let mut place = Place::open(folder.path(), "guard-a");
    let reply = place.order(&deny).await;
    assert_eq!(
        (reply.status, reply.status_text.as_str()),
        (Status::OK, "done already; nothing was changed")
    );
    assert!(place.cut().is_empty(), "a replayed order cut something");
    assert!(matches!(place.last_event(), Event::Repeated { .. }));
    // The control room itself may say the same again: with a new seal.
    assert_eq!(place.order(&issued(&envelope(&plan), 1)).await.status, Status::OK);
    assert_eq!(place.cut(), ["h1"]);
}

/// Red when one approver counts twice, or the undo needs no seal.
#[tokio::test]
async fn one_approvers_stolen_key_neither_starts_nor_widens_nor_undoes_a_takedown() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path(), "guard-a");
    let approved = plan(1);
    // To start one: his own word, and that of somebody who did not give it.
    let mut alone = envelope(&plan(2));
    alone.approvals = vec![approval("anna", &plan(2)), approval("anna", &plan(2))];
    place.refuses(&sealed(&alone, "guard-a"), Status::FORBIDDEN).await;
    alone.approvals[1].approver = "bert".into();
    place.refuses(&sealed(&alone, "guard-a"), Status::FORBIDDEN).await;
    assert_eq!(place.order(&sealed(&envelope(&approved), "guard-a")).await.status, Status::OK);
    // To widen it: the approved plan with one more system.
    let mut wider = plan(1);
    wider.steps[1].executor = "guard-a".into();
    let wider = wider.sealed();
    let mut widened = envelope(&wider);
    widened.plan = Some((wider.clone(), vec![2]));
    widened.order = Order::new(Action::Deny, "x-leckwehr:compartment", "fs-2");
    widened.approvals = vec![approval("anna", &wider), approval("bert", &approved)];
    place.refuses(&sealed(&widened, "guard-a"), Status::FORBIDDEN).await;
    // To undo it: signed with the stolen key, or not at all.
    let undo = undo_of(&approved);
    place.refuses(&undo, Status::UNAUTHORIZED).await;
    let own = Envelope {
        seal: None,
        ..undo.clone()
    };
    let own = own.sealed("guard-a", &key("anna"), NOW, NOW.plus_ms(60_000));
    place.refuses(&own, Status::UNAUTHORIZED).await;
    // A plan of his own that reconnects, of a newer generation.
    let mut reconnect = plan(3);
    reconnect.steps[0].action = "reconnect".into();
    let reconnect = reconnect.sealed();
    let mut release = envelope(&reconnect);
    release.order = Order::new(Action::Allow, "x-leckwehr:compartment", "fs-1");
    release.approvals = vec![approval("anna", &reconnect)];
    place.refuses(&sealed(&release, "guard-a"), Status::FORBIDDEN).await;
    assert_eq!(place.cut(), ["h1"]);
}

/// A guard that the attacker holds has been handed the whole plan with its approvals. Red when the seal does not name the
/// executor.
#[tokio::test]
async fn a_compromised_guard_can_order_nothing_at_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(1);
    let heard = sealed(&envelope(&plan), "guard-a");
    let mut other = Place::open(folder.path(), "guard-b");
    let mut theirs = heard.clone();
    theirs.plan = Some((plan.clone(), vec![2]));
    theirs.order = Order::new(Action::Deny, "x-leckwehr:compartment", "fs-2");
    other.refuses(&theirs, Status::UNAUTHORIZED).await;
    let own_key = Envelope { seal: None, ..theirs };
    let own_key = own_key.sealed("guard-b", &key("guard-a"), NOW, NOW.plus_ms(60_000));
    other.refuses(&own_key, Status::UNAUTHORIZED).await;
    assert!(other.cut().is_empty());
}

/// An undo is never silent: it is the control room's own, of a step in force here, and written down before and after.
/// Red when `Warrant::check` does not ask the journal what is in force.
#[tokio::test]
async fn an_undo_takes_back_what_that_step_did_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path(), "guard-a");
    let first = plan(1);
    let undo = undo_of(&first);
    let text = place.refuses(&sealed(&undo, "guard-a"), Status::NOT_FOUND).await;
    assert!(text.contains("not in force"), "{text}");
    // Somebody cut h1 before: undoing the step leaves that as it was.
    place.guard.firewall.cut.insert("h1".into(), None);
    assert_eq!(place.order(&sealed(&envelope(&first), "guard-a")).await.status, Status::OK);
    assert_eq!(place.order(&sealed(&undo, "guard-a")).await.status, Status::OK);
    assert_eq!(place.cut(), ["h1"]);
    let events: Vec<Event> = place.warrant.journal.reports(0, 99).iter().map(|r| r.event.clone()).collect();
    let undo_is_announced = |event: &Event| matches!(event, Event::Intended { undo: true, .. });
    assert_eq!(events.iter().filter(|e| undo_is_announced(e)).count(), 1);
    // Once.
    place.refuses(&issued(&undo, 1), Status::NOT_FOUND).await;
    place.guard.firewall.cut.clear();
    assert_eq!(place.order(&issued(&envelope(&plan(2)), 2)).await.status, Status::OK);
    assert_eq!(place.cut(), ["h1"]);
    assert_eq!(place.order(&issued(&undo_of(&plan(2)), 3)).await.status, Status::OK);
    assert!(place.cut().is_empty());
}

/// Red if the fence stops what an older plan still answers for (its cuts would end with their leases), or lets it touch what a newer
/// plan changed.
#[tokio::test]
async fn an_older_plan_keeps_what_it_did_until_a_newer_one_acts_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path(), "guard-a");
    let (old, new) = (plan(1), plan(3));
    assert_eq!(place.order(&issued(&envelope(&old), 0)).await.status, Status::OK);
    // A newer plan elsewhere: the old cut is prolonged, and nothing of the old plan is begun.
    place.warrant.fence.pass(2).unwrap();
    assert_eq!(place.order(&issued(&envelope(&old), 1)).await.status, Status::OK);
    place.refuses(&issued(&envelope(&plan(0)), 2), Status::FORBIDDEN).await;
    // A newer one on the same target: it is no longer the old one's, also for a guard that starts again.
    assert_eq!(place.order(&issued(&envelope(&new), 3)).await.status, Status::OK);
    let mut place = Place {
        warrant: Place::open(folder.path(), "guard-a").warrant,
        ..place
    };
    place.refuses(&issued(&envelope(&old), 4), Status::FORBIDDEN).await;
    place.refuses(&issued(&undo_of(&old), 5), Status::FORBIDDEN).await;
    // Taken back, it is the old one's again.
    assert_eq!(place.order(&issued(&undo_of(&new), 6)).await.status, Status::OK);
    assert_eq!(place.cut(), ["h1"]);
    assert_eq!(place.order(&issued(&undo_of(&old), 7)).await.status, Status::OK);
    assert!(place.cut().is_empty());
}

/// A journal of an older build, with one step in a line, is read: a guard that is renewed in an incident goes on.
#[tokio::test]
async fn a_journal_of_an_older_build_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(1);
    let line = json!({"number": 1, "at": NOW, "request_id": "1", "order": "deny x-leckwehr:compartment fs-1", "step": [plan.hash, 1],
        "event": {"event": "intended", "seal": "ab", "valid_until": NOW, "undo": false, "before": {"cut": {}}}});
    std::fs::write(folder.path().join("journal"), format!("{line}\n")).unwrap();
    let mut place = Place::open(folder.path(), "guard-a");
    place.guard.firewall.cut.insert("h1".into(), None);
    assert_eq!(place.order(&issued(&undo_of(&plan), 1)).await.status, Status::OK);
    assert!(place.cut().is_empty());
}

/// Red when `Approval::message` leaves the end out, or the end is not compared with the clock.
#[tokio::test]
async fn a_word_that_ended_starts_nothing_but_still_undoes() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path(), "guard-a");
    let plan = plan(1);
    let word = |name: &str, end: Timestamp| Approval::sign(name, &key(name), &plan.hash, Some(end));
    let mut order = envelope(&plan);
    order.approvals = vec![word("anna", NOW), word("bert", NOW)];
    let clock = |at: Timestamp| std::sync::Arc::new(move || at);
    place.warrant.clock = clock(NOW.plus_ms(1));
    let text = place.refuses(&sealed(&order, "guard-a"), Status::FORBIDDEN).await;
    assert!(text.contains("in time"), "{text}");
    // Prolonging it breaks it.
    let mut longer = order.clone();
    longer.approvals[0].valid_until = None;
    place.refuses(&sealed(&longer, "guard-a"), Status::FORBIDDEN).await;
    place.warrant.clock = clock(NOW);
    // A word without an end never starts anything.
    let mut endless = order.clone();
    endless.approvals[0] = Approval::sign("anna", &key("anna"), &plan.hash, None);
    place.refuses(&sealed(&endless, "guard-a"), Status::FORBIDDEN).await;
    assert_eq!(place.order(&sealed(&order, "guard-a")).await.status, Status::OK);
    place.warrant.clock = clock(NOW.plus_ms(1));
    let undo = Envelope {
        order: order.order.undoing().unwrap(),
        ..order
    };
    assert_eq!(place.order(&sealed(&undo, "guard-a")).await.status, Status::OK);
    assert!(place.cut().is_empty());
}

/// What the control room asks for: every refused, done and repeated order, by number.
#[tokio::test]
async fn the_guard_reports_what_it_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path(), "guard-a");
    place.order(&envelope(&plan(1))).await;
    place.order(&sealed(&envelope(&plan(1)), "guard-a")).await;
    let ask = |after: u64| Envelope {
        request_id: "ask".into(),
        order: Order::new(Action::Query, leckwehr_guard::REPORTS, after),
        plan: None,
        approvals: vec![],
        epoch: 0,
        seal: None,
    };
    let reply = place.order(&ask(0)).await;
    let reports = reply.results["reports"].as_array().unwrap().clone();
    let events: Vec<&str> = reports.iter().map(|r| r["event"]["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["refused", "intended", "ended"]);
    assert_eq!(reports[0]["event"]["status"], json!(401));
    assert_eq!(reports[0]["order"], json!("deny x-leckwehr:compartment fs-1"));
    let later = place.order(&ask(2)).await;
    assert_eq!(later.results["reports"].as_array().unwrap().len(), 1);
}

#[test]
fn a_missing_seal_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = warrant(folder.path(), "guard-a", None).check(&envelope(&plan(1))).map(|_| ());
    assert!(matches!(outcome, Err(Refusal::Seal(SealFault::Missing))), "{outcome:?}");
}

/// Half a line at the end is an order that was never begun; half a line in the middle is damage, and named.
#[test]
fn a_journal_survives_a_torn_end_and_names_damage() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut place = Place::open(folder.path(), "guard-a");
        place.order(&sealed(&envelope(&plan(1)), "guard-a")).await;
    });
    let whole = std::fs::read(&file).unwrap();
    let first = whole.iter().position(|b| *b == b'\n').unwrap() + 1;
    for end in 0..=whole.len() {
        std::fs::write(&file, &whole[..end]).unwrap();
        let journal = Journal::open(&file).unwrap();
        assert_eq!(journal.in_force().len(), usize::from(end >= first), "{end} bytes");
    }
    let mut torn = whole[..first - 5].to_vec();
    torn.extend(&whole[first..]);
    std::fs::write(&file, torn).unwrap();
    let error = Journal::open(&file).err().unwrap().to_string();
    assert!(error.contains("journal:1:"), "{error}");
}
