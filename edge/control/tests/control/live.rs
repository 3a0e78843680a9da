use leckwehr_control::{Input, Output};
use leckwehr_crypt::{hex, sha256};
use leckwehr_incident::{ClaimTopic, Decision, Fact, Phase, PlanKind, StepOutcome, Verdict, What};

use crate::house::{HOSTS, House, Manner, Run, approve, attack, word};

pub fn phases(run: &Run) -> Vec<Phase> {
    run.situation.history.iter().map(|(_, phase, _)| *phase).collect()
}

/// Every phase from the alarm to the recovery, each once.
pub fn to_the_end() -> Vec<Phase> {
    Phase::ALL[1..7].to_vec()
}

/// Target and outcome of every step with this action, over all plans.
pub fn steps<'r>(run: &'r Run, action: &str) -> Vec<(&'r str, &'r StepOutcome)> {
    let mut found = Vec::new();
    for view in run.situation.plans.values() {
        for step in view.plan.steps.iter().filter(|s| s.action == action) {
            let ended = view.steps.get(&step.number).and_then(|s| s.ended.as_ref());
            found.push((step.target.as_str(), &ended.unwrap().1));
        }
    }
    found.sort_by_key(|(target, _)| *target);
    found
}

fn contained_because(run: &Run) -> &str {
    &run.situation
        .history
        .iter()
        .find(|(_, phase, _)| *phase == Phase::Contained)
        .unwrap()
        .2
}

pub fn has(list: &[String], part: &str) -> bool {
    list.iter().any(|text| text.contains(part))
}

/// The ledger says what is about to be done before it is done: every step is intended, then ended, under a plan that two
/// people approved before. One that failed may be tried again, after the ledger says that it is.
pub fn assert_intent_before_outcome(run: &Run) {
    let (mut approved, mut intended) = (Vec::new(), Vec::new());
    for fact in &run.facts {
        match &fact.what {
            What::PlanApproved { hash, .. } => approved.push(hash.clone()),
            What::StepIntended { plan, step } => {
                assert_eq!(approved.iter().filter(|hash| *hash == plan).count(), 2);
                assert!(!intended.contains(&(plan.clone(), *step)));
                intended.push((plan.clone(), *step));
            }
            What::StepReopened { plan, step, .. } => intended.retain(|known| *known != (plan.clone(), *step)),
            What::StepEnded { plan, step, .. } => assert!(intended.contains(&(plan.clone(), *step))),
            _ => {}
        }
    }
    assert!(!intended.is_empty());
}

#[test]
fn from_the_alarm_to_the_recovery() {
    let house = House::new();
    let run = house.run(attack(&house), Box::new(approve));
    run.outcome.as_ref().unwrap();
    assert_eq!(phases(&run), to_the_end());
    assert_intent_before_outcome(&run);
    let replayed = hex(&sha256(run.situation.to_json().as_bytes()));
    assert_eq!(
        run.closed_with,
        Some(replayed),
        "the ledger does not give the situation that the room held"
    );
    let isolated = steps(&run, "isolate-host");
    assert_eq!(
        isolated.iter().map(|(t, _)| *t).collect::<Vec<_>>(),
        ["backup-1", "fs-1", "ws-1"]
    );
    let verified = |(_, outcome): &(&str, &StepOutcome)| matches!(outcome, StepOutcome::Verified { .. });
    assert!(run.situation.plans.values().flat_map(|p| p.plan.steps.iter()).count() > 10);
    for action in [
        "isolate-host",
        "cut-connection",
        "sweep",
        "restore-files",
        "probe",
        "reconnect",
    ] {
        assert!(
            !steps(&run, action).is_empty() && steps(&run, action).iter().all(verified),
            "{action}"
        );
    }
    assert!(run.situation.probes_unexpected.is_empty() && run.situation.probes >= 6);
    assert_eq!(contained_because(&run), "every planned cut is verified from both sides");
    assert_eq!((run.situation.site.mirrors_ok, run.situation.site.mirrors), (1, 1));
    let truth = house.truth.lock().unwrap();
    assert_eq!(truth.files["docs/a"], b"letter");
    // The vendor's end is the vendor's to attest; all else is back.
    assert_eq!(truth.cut.iter().collect::<Vec<_>>(), ["vendor"]);
    assert!(has(&run.situation.open_decisions, "vendor stays cut"));
    assert_eq!(truth.done.iter().filter(|d| *d == "deny fs-1").count(), 1);
}

#[test]
fn services_that_a_cut_breaks_are_not_called_whole() {
    let house = House::new();
    let run = house.run(attack(&house), Box::new(approve));
    let levels = |service: &str| {
        let of_it = run.facts.iter().filter_map(|f| match &f.what {
            What::ServiceChanged { service: s, level, .. } if s == service => Some(format!("{level:?}")),
            _ => None,
        });
        of_it.collect::<Vec<_>>()
    };
    assert_eq!(levels("letters"), ["Off", "Rebuilding", "CleanRoom", "Provisional"]);
    // Rests on the vendor's connection alone, which stays cut.
    assert_eq!(levels("maintenance"), ["Off"]);
}

#[test]
fn a_guard_that_cannot_be_reached_leaves_a_cut_to_people() {
    let mut house = House::new();
    house.manners.insert("guard-b".into(), Manner::IsUnreachable);
    let run = house.run(attack(&house), Box::new(approve));
    run.outcome.as_ref().unwrap();
    assert_eq!(phases(&run), to_the_end());
    let isolated = steps(&run, "isolate-host");
    let not_applied = isolated
        .iter()
        .filter(|(_, o)| matches!(o, StepOutcome::NotApplied { .. }))
        .map(|(t, _)| *t);
    assert_eq!(not_applied.collect::<Vec<_>>(), ["backup-1"], "asked for once, in one plan");
    assert!(!run.situation.hosts["backup-1"].isolated && !house.truth.lock().unwrap().done.contains(&"deny backup-1".into()));
    assert!(
        has(&run.situation.open_decisions, "no guard confirms that backup-1 is cut"),
        "{:?}",
        run.situation.open_decisions
    );
    assert!(
        contained_because(&run).contains("1 cuts are left to people"),
        "{}",
        contained_because(&run)
    );
    assert!(has(&run.situation.unknown, "guard-b does not answer"));
    assert_intent_before_outcome(&run);
}

#[test]
fn an_answer_that_breaks_off_is_asked_for_again_and_the_deed_stays_one() {
    let mut house = House::new();
    house.manners.insert("guard-a".into(), Manner::BreaksOnce);
    let run = house.run(attack(&house), Box::new(approve));
    run.outcome.as_ref().unwrap();
    assert_eq!(phases(&run), to_the_end());
    assert!(
        steps(&run, "isolate-host")
            .iter()
            .all(|(_, o)| matches!(o, StepOutcome::Verified { .. }))
    );
    let truth = house.truth.lock().unwrap();
    let twice = truth.done.iter().filter(|d| d.starts_with("deny")).count();
    assert_eq!(twice, 5, "one of four orders went out twice: {:?}", truth.done);
    assert_eq!(truth.cut.len(), 1, "all but the vendor is back");
}

#[test]
fn a_guard_whose_answers_are_always_lost_is_believed_by_its_state() {
    let mut house = House::new();
    house.manners.insert("guard-b".into(), Manner::Breaks);
    let run = house.run(attack(&house), Box::new(approve));
    run.outcome.as_ref().unwrap();
    for (target, outcome) in steps(&run, "isolate-host") {
        let read = |evidence: &str| evidence.contains("shows it in its kernel's state");
        assert!(
            matches!(outcome, StepOutcome::Verified { evidence } if read(evidence)),
            "{target}: {outcome:?}"
        );
    }
    assert!(
        run.facts
            .iter()
            .any(|f| matches!(&f.what, What::HostIsolated { system, isolated: true } if system == "backup-1"))
    );
}

#[test]
fn a_guard_that_is_gone_after_the_deed_leaves_it_in_doubt() {
    let mut house = House::new();
    house.manners.insert("guard-b".into(), Manner::BreaksAndIsGone);
    let run = house.run(attack(&house), Box::new(approve));
    run.outcome.as_ref().unwrap();
    let isolated = steps(&run, "isolate-host");
    let of_backup = isolated.iter().find(|(target, _)| *target == "backup-1").unwrap().1;
    assert!(matches!(of_backup, StepOutcome::Doubtful { .. }), "{of_backup:?}");
    assert!(house.truth.lock().unwrap().cut.contains("backup-1"), "it was done");
}

#[test]
fn an_agent_that_says_nothing_stops_nobody() {
    let mut house = House::new();
    house.manners.insert("agent:fs-1".into(), Manner::IsSilent);
    let run = house.run(attack(&house), Box::new(approve));
    run.outcome.as_ref().unwrap();
    assert_eq!(phases(&run), to_the_end());
    assert!(house.truth.lock().unwrap().done.contains(&"deny fs-1".into()));
    assert!(
        has(&run.situation.unknown, "agent:fs-1 does not answer"),
        "{:?}",
        run.situation.unknown
    );
    assert!(has(&run.situation.unknown, "the probe from fs-1"));
    assert!(
        !contained_because(&run).starts_with("every planned cut"),
        "{}",
        contained_because(&run)
    );
    let restored = steps(&run, "restore-files");
    assert!(
        restored
            .iter()
            .any(|(t, o)| *t == "fs-1" && !matches!(o, StepOutcome::Verified { .. }))
    );
}

#[test]
fn records_that_were_lost_are_waited_for_a_while_and_then_an_unknown() {
    let house = House::new();
    let telemetry = attack(&house);
    *house.truth.lock().unwrap().sequences.get_mut("ws-1").unwrap() += 3;
    let run = house.run(telemetry, Box::new(approve));
    run.outcome.as_ref().unwrap();
    assert_eq!(phases(&run), to_the_end());
    assert!(
        has(&run.situation.unknown, "of sensor-ws-1 did not arrive"),
        "{:?}",
        run.situation.unknown
    );
}

#[test]
fn only_words_for_this_plan_by_two_known_people_count() {
    let house = House::new();
    let answer = |plan: &leckwehr_incident::PlanRecord| {
        let mut other = plan.clone();
        other.hash = "00".repeat(32);
        let mut inputs = vec![
            word("anna", plan, &other.hash),
            word("anna", &other, &other.hash),
            word("mallory", plan, &plan.hash),
            word("bert", plan, ""),
        ];
        inputs.extend([word("anna", plan, &plan.hash), word("anna", plan, &plan.hash)]);
        inputs.push(Input::Telemetry {
            line: "not a record".into(),
        });
        inputs.push(word("bert", plan, &plan.hash));
        inputs
    };
    let run = house.run(attack(&house), Box::new(answer));
    run.outcome.as_ref().unwrap();
    assert_eq!(phases(&run), to_the_end());
    for plan in run.situation.plans.values() {
        assert_eq!(plan.approvals, ["anna", "bert"]);
    }
    let recorded = run
        .facts
        .iter()
        .filter(|f| matches!(f.what, What::PlanApproved { .. }))
        .count();
    assert_eq!(
        recorded,
        2 * run.situation.plans.len(),
        "words that do not count are in the ledger"
    );
    assert_intent_before_outcome(&run);
}

#[test]
fn a_person_closes_an_alarm_and_later_evidence_opens_it_again() {
    let house = House::new();
    let close = |alarm: &str| Input::Decided {
        decision: Decision::Close {
            alarm: alarm.into(),
            verdict: Verdict::Contained,
            by: "anna".into(),
            reason: "the host is off".into(),
        },
    };
    let mut telemetry = attack(&house);
    let later = telemetry.pop().unwrap();
    let mut decided = Some(vec![close("alarm-1"), close("alarm-99"), Input::Telemetry { line: later }]);
    let answer = move |plan: &leckwehr_incident::PlanRecord| {
        let mut inputs = decided.take().unwrap_or_default();
        inputs.extend(approve(plan));
        inputs
    };
    let run = house.run(telemetry, Box::new(answer));
    run.outcome.as_ref().unwrap();
    let closed = |f: &&Fact| matches!(&f.what, What::AlarmClosed { .. });
    let closed: Vec<&str> = run.facts.iter().filter(closed).map(|f| f.by.as_str()).collect();
    assert_eq!(closed, ["anna"], "an alarm that is not there cannot be closed");
    let view = &run.situation.alarms["alarm-1"];
    assert_eq!(view.closings.len(), 1, "{view:?}");
}

#[test]
fn a_flood_of_telemetry_while_people_decide_is_taken_in() {
    const FLOOD: usize = 20_000;
    let house = House::new();
    let mut flooded = false;
    let answer = move |plan: &leckwehr_incident::PlanRecord| {
        let mut inputs = Vec::new();
        if !std::mem::replace(&mut flooded, true) {
            for i in 0..FLOOD {
                let line = serde_json::json!({"@timestamp": "2023-11-14T22:14:00Z", "agent": {"id": "sensor-vault-1"},
                    "host": {"name": "vault-1"}, "source": {"ip": "10.0.1.2"}, "user": {"name": format!("user-{i}")},
                    "event": {"sequence": i + 1, "category": ["authentication"], "action": "logon", "outcome": "failure"}});
                inputs.push(Input::Telemetry { line: line.to_string() });
            }
        }
        inputs.extend(approve(plan));
        inputs
    };
    let run = house.run(attack(&house), Box::new(answer));
    run.outcome.as_ref().unwrap();
    assert_eq!(phases(&run), to_the_end());
    let mut accounts = run.facts.iter().filter_map(|f| match &f.what {
        What::SourceAccount {
            source,
            records,
            missing,
            ..
        } if source == "sensor-vault-1" => Some((*records, *missing)),
        _ => None,
    });
    assert_eq!(accounts.next_back(), Some((FLOOD as u64, 0)));
}

#[test]
fn a_web_host_that_keeps_an_old_copy_is_not_counted() {
    let house = House::new();
    house.truth.lock().unwrap().site_is_stuck = true;
    let run = house.run(attack(&house), Box::new(approve));
    run.outcome.as_ref().unwrap();
    let copies = run.facts.iter().filter_map(|f| match f.what {
        What::SitePublished { seq, mirrors_ok, .. } => Some((seq, mirrors_ok)),
        _ => None,
    });
    for (seq, ok) in copies {
        assert_eq!(ok, u32::from(seq == 1), "copy {seq}");
    }
}

#[test]
fn a_web_host_that_says_nothing_holds_up_nobody() {
    let house = House::new();
    house.truth.lock().unwrap().site_is_silent = true;
    let run = house.run(attack(&house), Box::new(approve));
    run.outcome.as_ref().unwrap();
    assert_eq!(phases(&run), to_the_end());
    assert_eq!((run.situation.site.mirrors_ok, run.situation.site.mirrors), (0, 1));
}

#[test]
fn a_plan_beyond_the_cap_is_put_to_people() {
    let mut house = House::new();
    house.systems_max = 1;
    house.finishes_at_once = true;
    let run = house.run(attack(&house), Box::new(approve));
    run.outcome.as_ref().unwrap();
    assert_eq!(phases(&run), [Phase::Alarm]);
    assert!(house.truth.lock().unwrap().done.is_empty());
    let asked = run
        .situation
        .open_decisions
        .iter()
        .filter(|d| d.contains("the protocol allows 1 in one plan"));
    assert_eq!(asked.count(), 1, "{:?}", run.situation.open_decisions);
    assert_eq!(HOSTS.len(), 5);
}

#[test]
fn bytes_that_no_address_accounts_for_are_an_unknown_and_in_the_bound_of_all() {
    for (left_bytes, said) in [(100, false), (150, true)] {
        let house = House::new();
        house.truth.lock().unwrap().left_bytes = left_bytes;
        let run = house.run(attack(&house), Box::new(approve));
        run.outcome.as_ref().unwrap();
        let words = run
            .situation
            .unknown
            .iter()
            .filter(|u| u.contains("guard-a let out 50 bytes"));
        assert_eq!(words.count(), usize::from(said), "{:?}", run.situation.unknown);
        let mut bytes = run.facts.iter().filter_map(|f| match &f.what {
            What::Claimed { claim } => match claim.topic {
                ClaimTopic::BytesOut { bytes } => Some((bytes, &claim.not_seen)),
                _ => None,
            },
            _ => None,
        });
        let mut assessed = run.facts.iter().filter_map(|f| match &f.what {
            What::Assessed { impact } => Some(impact.bytes_out_max),
            _ => None,
        });
        let ((bytes, not_seen), known) = (bytes.next_back().unwrap(), assessed.next_back().unwrap());
        // Both guards of the house count alike.
        assert_eq!(bytes, known + if said { 2 * 50 } else { 0 });
        assert_eq!(not_seen.contains("50 bytes through guard-a"), said, "{not_seen}");
    }
}

/// What was claimed of the cut, in the order in which it was said: the systems and the English words.
fn claims_of_the_cut(run: &Run) -> Vec<(&[String], &str)> {
    let claims = run.facts.iter().filter_map(|f| match &f.what {
        What::Claimed { claim } => Some(claim),
        _ => None,
    });
    let of_the_cut = claims.filter_map(|claim| match &claim.topic {
        ClaimTopic::CutHolds { hosts } => Some((hosts.as_slice(), claim.text["en"].as_str())),
        _ => None,
    });
    of_the_cut.collect()
}

#[test]
fn that_the_cut_holds_is_claimed_of_the_proven_and_corrected_when_it_is_lifted() {
    let house = House::new();
    let run = house.run(attack(&house), Box::new(approve));
    let said = claims_of_the_cut(&run);
    assert_eq!(said.len(), 2);
    assert_eq!(said[0].0, ["backup-1", "fs-1", "ws-1"]);
    assert!(
        said[0]
            .1
            .starts_with("The cut holds: when it was checked, 3 isolated systems"),
        "{said:?}"
    );
    assert!(said[1].1.starts_with("The cut is lifted for 3 of 3 systems"), "{said:?}");
    let view = &run.situation.claims["claim-cut-holds"];
    assert_eq!(view.corrected.len(), 1);
    assert!(has(&view.claim.evidence, "6 probes") && has(&view.claim.evidence, "let 0 pass"));
    assert!(view.claim.review_by > run.situation.as_of && view.claim.text.contains_key("de"));
    for text in view.claim.text.values().chain(view.corrected[0].text.values()) {
        assert!(leckwehr_publish::lint_claim(text, &view.claim).is_empty(), "{text}");
    }
}

#[test]
fn nobody_claims_that_a_cut_holds_of_which_it_is_not_proven() {
    let mut house = House::new();
    house.manners.insert("agent:fs-1".into(), Manner::IsSilent);
    let run = house.run(attack(&house), Box::new(approve));
    assert!(claims_of_the_cut(&run)[0].0.iter().all(|host| host != "fs-1"));
    let house = House::new();
    house.truth.lock().unwrap().passed_packets = 7;
    let run = house.run(attack(&house), Box::new(approve));
    assert!(claims_of_the_cut(&run).is_empty());
    assert!(has(&run.situation.open_decisions, "14 packets passed the cut"));
}

/// Red if the room does not look again at the telemetry that it had, asks for approvals that it has, or acts without reading.
#[test]
fn a_room_that_is_torn_down_anywhere_goes_on_where_the_facts_end() {
    type Stop = fn(&Output) -> bool;
    let stops: [(&str, Stop); 8] = [
        ("asking", |o| matches!(o, Output::Approve { .. })),
        ("declared", |o| {
            matches!(
                o,
                Output::Phase {
                    phase: Phase::Declared,
                    ..
                }
            )
        }),
        ("cutting", |o| matches!(o, Output::Step { .. })),
        ("contained", |o| {
            matches!(
                o,
                Output::Phase {
                    phase: Phase::Contained,
                    ..
                }
            )
        }),
        ("assessed", |o| {
            matches!(
                o,
                Output::Phase {
                    phase: Phase::Assessed,
                    ..
                }
            )
        }),
        ("restoring", |o| {
            matches!(
                o,
                Output::Phase {
                    phase: Phase::Restoring,
                    ..
                }
            )
        }),
        (
            "files are back",
            |o| matches!(o, Output::Step { text } if text.starts_with("restore-files")),
        ),
        ("tested", |o| matches!(o, Output::Step { text } if text.starts_with("probe"))),
    ];
    for (name, stop) in stops {
        let mut house = House::new();
        house.stops.push(stop);
        let run = house.run(attack(&house), Box::new(approve));
        run.outcome.as_ref().unwrap();
        assert_eq!(run.situation.phase, Phase::Recovered, "{name}");
        let starts = run
            .facts
            .iter()
            .filter(|f| matches!(f.what, What::ControlStarted { .. }))
            .count();
        assert_eq!(starts, 2, "{name}");
        let truth = house.truth.lock().unwrap();
        assert_eq!(truth.cut.iter().collect::<Vec<_>>(), ["vendor"], "{name}");
        for host in ["fs-1", "ws-1", "backup-1", "vendor"] {
            let times = truth.done.iter().filter(|d| **d == format!("deny {host}")).count();
            assert_eq!(times, 1, "{name}: {host}");
        }
        let takedowns = run.situation.plans.values().filter(|v| v.plan.kind == PlanKind::Takedown);
        for view in takedowns {
            assert_eq!(view.words.len(), 2, "{name}");
            let asked = |f: &&Fact| matches!(&f.what, What::PlanApproved { hash, .. } if *hash == view.plan.hash);
            assert_eq!(run.facts.iter().filter(asked).count(), 2, "{name}: people were asked twice");
        }
        // The restoration is carried on under the approval that it has, and does nothing a second time.
        let restorations = run.situation.plans.values().filter(|v| v.plan.kind == PlanKind::Restore);
        let restorations: Vec<_> = restorations.collect();
        assert_eq!(
            (restorations.len(), restorations[0].approvals.len()),
            (1, 2),
            "{name}: planned or approved anew"
        );
        for host in ["fs-1", "ws-1", "backup-1"] {
            let times = truth.done.iter().filter(|d| **d == format!("allow {host}")).count();
            assert_eq!(times, 1, "{name}: {host}");
        }
        let replayed = hex(&sha256(run.situation.to_json().as_bytes()));
        assert_eq!(run.closed_with, Some(replayed), "{name}");
    }
}

/// Red if probes are not run from the other side, or their result is not put to people.
#[test]
fn a_guard_that_lies_is_found_out_by_probes_and_nobody_claims_its_cut() {
    let house = House::new();
    house.truth.lock().unwrap().lied_about.insert("fs-1".into());
    let run = house.run(attack(&house), Box::new(approve));
    let unexpected = &run.situation.probes_unexpected;
    assert!(
        unexpected.iter().any(|p| p.from == "fs-1") && unexpected.iter().any(|p| p.to == "fs-1"),
        "{unexpected:?}"
    );
    assert!(has(&run.situation.open_decisions, "find the way around the guard"));
    assert!(
        claims_of_the_cut(&run)
            .iter()
            .all(|(hosts, _)| hosts.iter().all(|host| host != "fs-1"))
    );
}
