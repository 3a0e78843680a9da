//! How systems and services come back: gates, levels, degraded modes, and what a new plan may do without being approved again.

use leckwehr_estate::{Crew, DegradedMode};
use leckwehr_incident::{Fact, Gate, GateCheck, PlanView, ServiceLevel, Situation, StepOutcome, Tier, Timestamp, What};
use leckwehr_restore::{
    GateState, Replan, RestoreConfig, RestorePlan, ServiceForecast, follow, gate_state, gates_closed, judge, places,
    plan_restore, ready, services_now, stuck, to_reopen,
};

use crate::estate::{isolated, needs, provider};

struct Way {
    estate: leckwehr_estate::Estate,
    situation: Situation,
    plan: RestorePlan,
}

impl Way {
    /// The database was his, the web server is only isolated.
    fn new() -> Self {
        let estate = provider();
        let mut situation = isolated(&[("db", Some(Tier::Proven)), ("web", None)]);
        for id in estate.services.keys() {
            let (service, level) = (id.clone(), ServiceLevel::Full);
            apply(
                &mut situation,
                What::ServiceChanged {
                    service,
                    level,
                    reason: String::new(),
                },
            );
        }
        let plan = plan_restore(&situation, &estate, &RestoreConfig::default());
        apply(&mut situation, What::PlanProposed { plan: plan.to_record() });
        let (hash, steps) = (plan.hash.clone(), places(&plan));
        apply(
            &mut situation,
            What::PlanOrdered {
                plan: hash,
                begins: true,
                steps,
                reason: "approved".into(),
            },
        );
        Self { estate, situation, plan }
    }

    fn number(&self, action: &str, target: &str) -> u32 {
        let mut steps = self.plan.steps.iter();
        steps.find(|s| s.kind.word() == action && s.target == target).unwrap().number
    }

    fn end(&mut self, action: &str, target: &str, outcome: StepOutcome) {
        let (plan, step) = (self.plan.hash.clone(), self.number(action, target));
        apply(
            &mut self.situation,
            What::StepIntended {
                plan: plan.clone(),
                step,
            },
        );
        apply(&mut self.situation, What::StepEnded { plan, step, outcome });
        self.follow();
    }

    fn done(&mut self, action: &str, target: &str) {
        self.end(action, target, StepOutcome::Verified { evidence: "seen".into() });
    }

    fn check(&mut self, system: &str, check: GateCheck) {
        let (system, evidence) = (system.to_owned(), "seen".to_owned());
        apply(
            &mut self.situation,
            What::GateChecked {
                system,
                check,
                passed: true,
                evidence,
            },
        );
        self.follow();
    }

    fn follow(&mut self) {
        for _ in 0..20 {
            for fact in follow(&self.situation, &self.estate, &self.plan.hash) {
                apply(&mut self.situation, fact);
            }
        }
        assert!(
            follow(&self.situation, &self.estate, &self.plan.hash).is_empty(),
            "facts follow without end"
        );
    }

    fn level(&self, system: &str) -> ServiceLevel {
        self.situation.hosts[system].level.unwrap()
    }

    fn view(&self) -> &PlanView {
        &self.situation.plans[&self.plan.hash]
    }
}

fn apply(situation: &mut Situation, what: What) {
    situation.apply(&Fact::new(Timestamp(5), "test", what)).unwrap();
}

/// Red if `gate_state` takes a check without a fact for passed.
#[test]
fn a_system_goes_forward_through_its_gates_and_back_with_a_reason() {
    let mut way = Way::new();
    way.follow();
    assert_eq!(way.level("db"), ServiceLevel::Off);
    way.done("sweep", "db");
    assert_eq!(way.level("db"), ServiceLevel::Rebuilding);
    way.check("db", GateCheck::IndicatorsSwept);
    way.done("restore-files", "db");
    assert_eq!(way.level("db"), ServiceLevel::CleanRoom);
    way.done("probe", "db");
    let reconnect = way
        .plan
        .to_record()
        .steps
        .into_iter()
        .find(|s| s.action == "reconnect" && s.target == "db")
        .unwrap();
    let closed = gates_closed(way.view(), &reconnect, &way.situation, &way.estate);
    assert!(
        closed[0].starts_with("gate restorable of db is not passed: backup-verified: no evidence"),
        "{closed:?}"
    );
    assert!(
        closed[1].contains("before-compromise: no evidence; configuration-compared: no evidence"),
        "{closed:?}"
    );
    for check in [
        GateCheck::BackupVerified,
        GateCheck::SnapshotWitnessed,
        GateCheck::RestoreRehearsed,
        GateCheck::BeforeCompromise,
        GateCheck::ConfigurationCompared,
    ] {
        way.check("db", check);
    }
    // That no stolen account is valid on it is evidence as well, and was recorded by itself.
    let record = way.plan.to_record();
    for gate in Gate::ALL {
        assert!(matches!(
            gate_state(&way.situation, &record, "db", gate),
            GateState::Passed { .. }
        ));
    }
    assert_eq!(way.level("db"), ServiceLevel::CleanRoom, "passed, and not on the grid yet");
    way.done("reconnect", "db");
    let back = What::HostIsolated {
        system: "db".into(),
        isolated: false,
    };
    apply(&mut way.situation, back);
    way.follow();
    assert_eq!(way.level("db"), ServiceLevel::Provisional);
    // It falls again: back in one go, and its evidence is worth nothing any more.
    apply(
        &mut way.situation,
        What::HostIsolated {
            system: "db".into(),
            isolated: true,
        },
    );
    way.follow();
    assert_eq!(way.level("db"), ServiceLevel::CleanRoom);
    assert!(matches!(
        gate_state(&way.situation, &record, "db", Gate::Restorable),
        GateState::Open { .. }
    ));
    let levels: Vec<ServiceLevel> = way.situation.hosts["db"].levels.iter().map(|(_, l, _)| *l).collect();
    assert_eq!(
        levels,
        [
            ServiceLevel::Off,
            ServiceLevel::Rebuilding,
            ServiceLevel::CleanRoom,
            ServiceLevel::Provisional,
            ServiceLevel::CleanRoom
        ]
    );
    // A test that fails in the clean room leads back to the rebuilding.
    let reason = "no answer".to_owned();
    way.end("probe", "db", StepOutcome::Doubtful { reason });
    assert_eq!(way.level("db"), ServiceLevel::Rebuilding);
    assert!(
        way.situation.hosts["db"]
            .levels
            .last()
            .unwrap()
            .2
            .contains("its test in the clean room: no answer")
    );
}

#[test]
fn a_service_is_as_far_as_its_systems_and_its_modes_are_for_customers() {
    let mut way = Way::new();
    let mode = |name: &str, customers: &[&str], wants: &[&str]| DegradedMode {
        name: name.into(),
        customers: customers.iter().map(|&c| c.to_owned()).collect(),
        needs: needs(wants),
        ..DegradedMode::default()
    };
    let eau = way.estate.services.get_mut("eau").unwrap();
    eau.degraded = vec![
        mode("paper", &["k01"], &["ad"]),
        mode("spool", &[], &["ad"]),
        mode("none", &[], &["db"]),
    ];
    let now = services_now(&way.situation, &way.estate);
    assert_eq!(now["eau"].level, ServiceLevel::Limited);
    let names: Vec<&str> = now["eau"].modes.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["paper", "spool"], "the third needs what is lost");
    let for_party = |party| now["eau"].mode_for(party).unwrap().name.as_str();
    assert_eq!((for_party("k01"), for_party("k02")), ("paper", "spool"));
    assert_eq!(now["portal"].level, ServiceLevel::Off);
    way.done("sweep", "db");
    way.done("sweep", "web");
    assert_eq!(
        services_now(&way.situation, &way.estate)["portal"].level,
        ServiceLevel::Off,
        "its database is behind"
    );
    way.done("restore-files", "db");
    for host in way.situation.hosts.values_mut() {
        host.isolated = false;
        host.level = Some(ServiceLevel::Limited);
    }
    assert_eq!(
        services_now(&way.situation, &way.estate)["portal"].level,
        ServiceLevel::Limited
    );
    for host in way.situation.hosts.values_mut() {
        host.level = Some(ServiceLevel::Provisional);
    }
    assert_eq!(
        services_now(&way.situation, &way.estate)["portal"].level,
        ServiceLevel::Provisional
    );
    way.situation.hosts.clear();
    assert_eq!(services_now(&way.situation, &way.estate)["eau"].level, ServiceLevel::Full);
}

/// Red if `judge` looks at steps only, not at what a reconnection was promised to wait for.
#[test]
fn another_order_is_covered_and_a_further_step_or_a_missing_gate_is_not() {
    let mut way = Way::new();
    way.done("sweep", "db");
    // One person of the crew is gone: other times, the same steps.
    let mut estate = way.estate.clone();
    let crew = estate.crews.get_mut("crew").unwrap();
    *crew = Crew { size: 1, ..crew.clone() };
    let slower = plan_restore(
        &way.situation,
        &estate,
        &RestoreConfig {
            generation: 2,
            ..RestoreConfig::default()
        },
    );
    assert_ne!(slower.hash, way.plan.hash);
    let (order, forecasts) = match judge(way.view(), &slower, &estate) {
        Replan::Covered { order, forecasts } => (order, forecasts),
        Replan::Widened { why } => panic!("{why:?}"),
    };
    let sweep = way.number("sweep", "db");
    assert!(order.iter().all(|place| place.number != sweep) && order.len() == way.plan.steps.len() - 1);
    // What is done takes no time any more, and what was tried in vain too often brings nothing back.
    let back_ms = |forecasts: &[ServiceForecast]| forecasts.iter().find(|f| f.service == "portal").map(|f| f.full_ms);
    let (first, then) = (back_ms(&way.plan.service_forecasts), back_ms(&forecasts));
    assert!(then.flatten() > Some(0) && then < first, "{then:?} {first:?}");
    for _ in 0..3 {
        let (plan, step) = (way.plan.hash.clone(), way.number("probe", "db"));
        let (reason, outcome) = (String::new(), StepOutcome::Doubtful { reason: "mute".into() });
        apply(&mut way.situation, What::StepReopened { plan, step, reason });
        way.end("probe", "db", outcome);
    }
    let Replan::Covered { forecasts, .. } = judge(way.view(), &slower, &estate) else {
        panic!("the same steps");
    };
    assert_eq!(back_ms(&forecasts), Some(None), "{forecasts:?}");
    // A new host fell: nobody approved steps for it.
    let mut worse = way.situation.clone();
    apply(
        &mut worse,
        What::HostIsolated {
            system: "app-a".into(),
            isolated: true,
        },
    );
    let wider = plan_restore(&worse, &way.estate, &RestoreConfig::default());
    assert!(
        matches!(judge(way.view(), &wider, &way.estate), Replan::Widened { ref why } if why[0] == "sweep app-a was never approved")
    );
    // The attacker is thought to be less certain on the database: a plan without its restore would reconnect it all the same.
    let milder = isolated(&[("db", Some(Tier::Possible)), ("web", None)]);
    let milder = plan_restore(&milder, &way.estate, &RestoreConfig::default());
    let judged = judge(way.view(), &milder, &way.estate);
    assert!(
        matches!(judged, Replan::Widened { ref why } if why.iter().any(|w| w.starts_with("restore-files db, which stands before"))),
        "{judged:?}"
    );
}

#[test]
fn what_waits_for_a_failed_step_is_stuck_and_the_rest_goes_on() {
    let mut way = Way::new();
    let first: Vec<u32> = ready(way.view()).iter().map(|s| s.number).collect();
    assert!(first.contains(&way.number("sweep", "db")));
    let reason = "the agent is silent".to_owned();
    way.end("sweep", "db", StepOutcome::NotApplied { reason: reason.clone() });
    assert!(ready(way.view()).iter().all(|s| s.target != "db"));
    let blocked = stuck(way.view());
    let restore = way.number("restore-files", "db");
    assert!(
        blocked.iter().any(|(n, why)| *n == restore && why.contains("(sweep db)")),
        "{blocked:?}"
    );
    assert_eq!(to_reopen(way.view()), [(way.number("sweep", "db"), reason.clone())]);
    for _ in 0..2 {
        let (plan, step) = (way.plan.hash.clone(), way.number("sweep", "db"));
        apply(
            &mut way.situation,
            What::StepReopened {
                plan,
                step,
                reason: reason.clone(),
            },
        );
        way.end("sweep", "db", StepOutcome::NotApplied { reason: reason.clone() });
    }
    assert!(to_reopen(way.view()).is_empty(), "three times is enough");
}

/// Red if `judge` takes a reconnection that stands for one that is still to come: nobody approved that it returns a second time.
#[test]
fn what_is_lost_again_after_its_return_needs_a_new_approval() {
    let mut way = Way::new();
    for action in ["sweep", "restore-files", "probe", "reconnect"] {
        way.done(action, "db");
    }
    for isolated in [false, true] {
        let system = "db".to_owned();
        apply(&mut way.situation, What::HostIsolated { system, isolated });
        let plan = plan_restore(&way.situation, &way.estate, &RestoreConfig::default());
        match judge(way.view(), &plan, &way.estate) {
            Replan::Covered { order, .. } => {
                assert!(!isolated && order.iter().all(|place| place.number != way.number("reconnect", "db")));
            }
            Replan::Widened { why } => assert!(isolated && why[0].starts_with("db was lost again"), "{why:?}"),
        }
    }
}

/// Red if what is left is forecast by what was planned, whatever the steps of that kind took.
#[test]
fn what_is_left_is_forecast_at_the_pace_of_what_is_done() {
    let minutes_left = |sweep_ms: i64| {
        let mut way = Way::new();
        let (plan, step) = (way.plan.hash.clone(), way.number("sweep", "db"));
        apply(
            &mut way.situation,
            What::StepIntended {
                plan: plan.clone(),
                step,
            },
        );
        let evidence = "seen".to_owned();
        let outcome = StepOutcome::Verified { evidence };
        let ended = Fact::new(
            Timestamp(5).plus_ms(sweep_ms),
            "test",
            What::StepEnded { plan, step, outcome },
        );
        way.situation.apply(&ended).unwrap();
        let plan = plan_restore(&way.situation, &way.estate, &RestoreConfig::default());
        let Replan::Covered { forecasts, .. } = judge(way.view(), &plan, &way.estate) else {
            panic!("the same steps");
        };
        let of_portal = forecasts.iter().find(|f| f.service == "portal").unwrap();
        of_portal.full_ms.unwrap() / 60_000
    };
    let (as_planned, slow) = (minutes_left(20 * 60_000), minutes_left(200 * 60_000));
    // 20 minutes were planned for a sweep; the web server's is left, and it is as slow as the database's was.
    assert!(slow > as_planned + 60, "{slow} {as_planned}");
}

#[test]
fn a_crew_that_is_away_begins_when_it_is_back() {
    let mut way = Way::new();
    let first = way.plan.steps.iter().map(|s| s.start_ms).min();
    assert_eq!(first, Some(0));
    let hour = What::AbsenceNoted {
        person: "crew".into(),
        since: Timestamp(0),
        until: Timestamp(5).plus_ms(3_600_000),
    };
    apply(&mut way.situation, hour);
    let later = plan_restore(&way.situation, &way.estate, &RestoreConfig::default());
    assert!(
        later.steps.iter().all(|s| s.start_ms >= 3_600_000),
        "{:?}",
        later.steps.first()
    );
    let Replan::Covered { order, .. } = judge(way.view(), &later, &way.estate) else {
        panic!("the same steps");
    };
    assert!(order.iter().all(|place| place.start_ms >= 3_600_000));
}
