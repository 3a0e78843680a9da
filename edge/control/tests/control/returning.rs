use leckwehr_control::Input;
use leckwehr_incident::{Phase, PlanKind, ServiceLevel, StepOutcome};

use crate::house::{House, Run, approve, attack};
use crate::live::{assert_intent_before_outcome, has, phases, steps, to_the_end};

/// The end of the step that puts a system back, and what was said when the restoration was over.
fn reconnection<'r>(run: &'r Run, target: &str) -> &'r StepOutcome {
    steps(run, "reconnect").iter().find(|(t, _)| *t == target).unwrap().1
}

fn recovered_because(run: &Run) -> &str {
    &run.situation.history.last().unwrap().2
}

fn assert_held_back(house: &House, run: &Run, because: &str) {
    run.outcome.as_ref().unwrap();
    assert_eq!(phases(run), to_the_end());
    let outcome = reconnection(run, "fs-1");
    assert!(
        matches!(outcome, StepOutcome::NotApplied { reason } if reason.contains(because)),
        "{outcome:?}"
    );
    assert!(run.situation.hosts["fs-1"].isolated);
    assert!(has(&run.situation.open_decisions, "fs-1 is held back"));
    assert!(recovered_because(run).contains("stay cut"), "{}", recovered_because(run));
    assert!(run.situation.services["letters"].level < ServiceLevel::Limited);
    assert!(!run.situation.claims.contains_key("claim-restored-letters"));
    let truth = house.truth.lock().unwrap();
    assert!(truth.cut.contains("fs-1") && !truth.done.contains(&"allow fs-1".into()));
    assert_intent_before_outcome(run);
}

#[test]
fn a_system_whose_service_is_down_is_held_back_and_the_others_return() {
    let house = House::new();
    house.truth.lock().unwrap().services_down.insert("fs-1".into());
    let run = house.run(attack(&house), Box::new(approve));
    assert_held_back(
        &house,
        &run,
        "(probe fs-1) ended in doubt: does not answer the system itself: port 445",
    );
    for other in ["ws-1", "backup-1"] {
        assert!(matches!(reconnection(&run, other), StepOutcome::Verified { .. }));
        assert!(!run.situation.hosts[other].isolated);
    }
}

#[test]
fn a_sweep_that_fails_holds_its_system_back() {
    let house = House::new();
    house.truth.lock().unwrap().failing.insert("investigate fs-1 at fs-1".into());
    let run = house.run(attack(&house), Box::new(approve));
    assert_held_back(&house, &run, "(sweep fs-1) ended in doubt: failed: the disk is full");
}

#[test]
fn an_account_that_one_agent_did_not_change_holds_back_where_it_is_valid() {
    let house = House::new();
    house.truth.lock().unwrap().failing.insert("set adm-backup at vault-1".into());
    let run = house.run(attack(&house), Box::new(approve));
    assert_held_back(
        &house,
        &run,
        "the secret of adm-backup is not known to be changed: the change is not confirmed by agent:vault-1",
    );
}

#[test]
fn a_whole_restoration_says_so() {
    let house = House::new();
    let run = house.run(attack(&house), Box::new(approve));
    assert_eq!(recovered_because(&run), "every step of the restoration plan is verified");
    assert!(has(
        &steps(&run, "probe")
            .iter()
            .map(|(target, outcome)| format!("{target}: {outcome:?}"))
            .collect::<Vec<_>>(),
        "fs-1: Verified { evidence: \"answers the system itself: port 445\" }"
    ));
}

/// The end of the step that puts the files of a host back.
fn files<'r>(run: &'r Run, target: &str) -> &'r StepOutcome {
    steps(run, "restore-files").iter().find(|(t, _)| *t == target).unwrap().1
}

#[test]
fn without_a_vault_encrypted_files_are_no_restored_ones() {
    let mut house = House::new();
    house.has_vault = false;
    let run = house.run(attack(&house), Box::new(approve));
    assert_held_back(&house, &run, "1 of 1 files look encrypted, and there is no vault");
    let other = files(&run, "ws-1");
    assert!(
        matches!(other, StepOutcome::Verified { evidence } if evidence.starts_with("nothing was put back")),
        "{other:?}"
    );
}

#[test]
fn without_a_vault_a_host_whose_files_are_whole_returns() {
    let mut house = House::new();
    house.has_vault = false;
    house.truth.lock().unwrap().files = [("docs/a".to_owned(), b"letter".to_vec())].into();
    let run = house.run(attack(&house), Box::new(approve));
    assert!(matches!(files(&run, "fs-1"), StepOutcome::Verified { .. }));
    assert!(!run.situation.hosts["fs-1"].isolated);
}

#[test]
fn an_encrypted_file_that_the_vault_never_saw_is_lost() {
    let house = House::new();
    house
        .truth
        .lock()
        .unwrap()
        .files
        .insert("docs/new".into(), b"encrypted".to_vec());
    let run = house.run(attack(&house), Box::new(approve));
    let host = &run.situation.hosts["fs-1"];
    assert_eq!((host.files_restored, host.files_lost), (1, 1));
}

#[test]
fn what_the_attacker_left_must_be_gone() {
    for (is_sticky, gone) in [(false, true), (true, false)] {
        let house = House::new();
        {
            let mut truth = house.truth.lock().unwrap();
            truth.files.insert("docs/note".into(), b"pay".to_vec());
            truth.sticky.extend(is_sticky.then(|| "docs/note".to_owned()));
        }
        let run = house.run(attack(&house), Box::new(approve));
        assert_eq!(house.truth.lock().unwrap().files.contains_key("docs/note"), is_sticky);
        assert_eq!(matches!(files(&run, "fs-1"), StepOutcome::Verified { .. }), gone);
        if is_sticky {
            assert_held_back(&house, &run, "1 of 1 files that should be gone are still there");
        }
    }
}

/// Red if the room takes work that waits for people for the end, or their part for an agent's.
#[test]
fn what_people_have_to_do_is_waited_for_and_nothing_is_called_recovered_before() {
    let by_hand = |people_work: bool| {
        let mut house = House::new();
        // No directory and no system has this account: no agent can change its secret.
        let logs_on_to = "logs_on_to = [\"ws-1\", \"fs-1\", \"backup-1\", \"vault-1\"]";
        assert!(house.estate.contains(logs_on_to));
        house.estate = house.estate.replace(logs_on_to, "logs_on_to = []");
        house.people_work = people_work;
        let run = house.run(attack(&house), Box::new(approve));
        run.outcome.as_ref().unwrap();
        run
    };
    let left = by_hand(false);
    assert_eq!(phases(&left).last(), Some(&Phase::Restoring));
    let given = left.situation.plans.values().flat_map(|view| view.work.values());
    let given: Vec<(&str, bool)> = given.map(|w| (w.owner.as_str(), w.confirmed.is_some())).collect();
    assert_eq!(given, [("people", false)]);
    let run = by_hand(true);
    assert_eq!(phases(&run), to_the_end());
    let rotated = steps(&run, "rotate-credentials");
    assert!(
        matches!(rotated[..], [("adm-backup", StepOutcome::Verified { evidence })] if evidence.starts_with("anna at")),
        "{rotated:?}"
    );
}

/// Red if nobody plans again when a step fails, or if a forecast is made for what will not come back.
#[test]
fn a_failure_orders_what_is_left_anew_and_forecasts_only_what_can_return() {
    let house = House::new();
    house.truth.lock().unwrap().services_down.insert("fs-1".into());
    let run = house.run(attack(&house), Box::new(approve));
    let view = run
        .situation
        .plans
        .values()
        .find(|v| v.plan.kind == PlanKind::Restore)
        .unwrap();
    let (times, reason) = view.ordered.clone().unwrap();
    assert!(times >= 3 && reason.contains("(probe fs-1) failed"), "{times} {reason}");
    let foretold = &run.situation.forecasts["letters"];
    assert!(!foretold.is_empty());
    let is_valid = |f: &&leckwehr_incident::ForecastView| Some(f.at) >= view.ordered_at;
    assert_eq!(
        foretold.iter().filter(is_valid).count(),
        0,
        "letters rest on fs-1, which is held back"
    );
}

/// Red if nobody hears of an attack that begins while systems return.
#[test]
fn a_critical_alarm_while_systems_return_is_put_to_people() {
    let house = House::new();
    let answer = |plan: &leckwehr_incident::PlanRecord| {
        let lines = (0..8).map(|n| {
            let line = serde_json::json!({"@timestamp": format!("2023-11-14T22:30:{n:02}Z"), "agent": {"id": "sensor-vault-2"},
                "host": {"name": "vault-2"}, "source": {"ip": "10.0.2.3"}, "user": {"name": "adm-backup"},
                "file": {"path": "snapshots/1"}, "event": {"sequence": n + 1, "category": ["configuration"],
                "dataset": "backup", "action": "snapshot-delete", "outcome": "success"}});
            Input::Telemetry { line: line.to_string() }
        });
        let lines: Vec<Input> = lines.filter(|_| plan.kind == PlanKind::Restore).collect();
        lines.into_iter().chain(approve(plan)).collect()
    };
    let run = house.run(attack(&house), Box::new(answer));
    run.outcome.as_ref().unwrap();
    assert_eq!(run.situation.phase, Phase::Recovered);
    let asked = &run.situation.open_decisions;
    assert!(
        asked
            .iter()
            .any(|d| d.contains("host:vault-2") && d.contains("came up while systems return")),
        "{asked:?}"
    );
}
