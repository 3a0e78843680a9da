//! The room's plan goes by shifts, stores, the clean room and late hardware as the estate's way back does, and what is done is not
//! planned again.

use leckwehr_estate::{BackupSet, Estate, PartyKind, Recipe, RecipeStep, Shift, ThreePointEstimate};
use leckwehr_incident::{Fact, ServiceLevel, Situation, StepOutcome, Tier, Timestamp, What};
use leckwehr_restore::outage::{OutageEffort, OutagePlan, check_outages, generated_recovery, latest_starts, plan_outages};
use leckwehr_restore::{RestoreConfig, RestorePlan, StepKind, insurer_ways, places, plan_restore, recovery_left};

use crate::estate::{isolated, party, provider};

/// Thursday 2026-11-26, 10:00 where the offset is an hour.
const START: Timestamp = Timestamp(1_795_683_600_000_000_000);
const HOUR_MS: u64 = 3_600_000;

/// The provider, whose database comes back by a recipe: an hour of reading back, an hour of checking.
fn estate() -> Estate {
    let mut estate = provider();
    estate.utc_offset_minutes = 60;
    let step = |action: &str| RecipeStep {
        action: action.to_owned(),
        minutes: 60,
        restores: false,
        clean_room: false,
        estimate: None,
    };
    let recipe = Recipe {
        name: String::new(),
        steps: vec![step("read back"), step("check")],
    };
    estate.recipes.insert("files".to_owned(), recipe);
    for system in estate.systems.values_mut() {
        system.recipe = Some("files".to_owned());
    }
    estate
}

fn his(systems: &[&str]) -> Situation {
    let hosts: Vec<_> = systems.iter().map(|id| (*id, Some(Tier::Proven))).collect();
    isolated(&hosts)
}

fn plan(estate: &Estate, systems: &[&str]) -> RestorePlan {
    let config = RestoreConfig {
        clock: Some(START),
        ..RestoreConfig::default()
    };
    plan_restore(&his(systems), estate, &config)
}

fn end_ms(plan: &RestorePlan, kind: StepKind, target: &str) -> u64 {
    let mut steps = plan.steps.iter();
    steps.find(|s| s.kind == kind && s.target == target).unwrap().end_ms
}

/// Red if `schedule` takes crews without their shifts.
#[test]
fn nobody_of_the_room_works_outside_his_shift() {
    let mut estate = estate();
    let crew = estate.crews.get_mut("crew").unwrap();
    crew.size = 1;
    crew.shifts = vec![Shift {
        days: vec![3, 4],
        from_minute: 8 * 60,
        until_minute: 12 * 60,
        people: 1,
    }];
    let planned = plan(&estate, &["db"]);
    // Two hours are left today; 20 minutes of sweeping and two hours of restoring do not fit: what is left is for Friday, 8 o'clock.
    let restored = end_ms(&planned, StepKind::RestoreFiles, "db");
    assert!(restored > 22 * HOUR_MS && restored < 23 * HOUR_MS, "{restored}");
    for step in &planned.steps {
        for at in [step.start_ms, step.end_ms - 1] {
            let minute = (at / 60_000 + 10 * 60) % 1440;
            assert!((480..720).contains(&minute), "{step:?}");
        }
    }
    let portal = planned.service_forecasts.iter().find(|f| f.service == "portal").unwrap();
    assert!(
        portal.full_ms > Some(22 * HOUR_MS) && portal.full_p90_ms >= portal.full_ms,
        "{portal:?}"
    );
    // Around the clock it is done in the evening.
    let without = plan_restore(&his(&["db"]), &estate, &RestoreConfig::default());
    assert!(end_ms(&without, StepKind::Reconnect, "db") < 3 * HOUR_MS);
}

/// Red if a restore of the room takes no place in the clean room, nothing of its store, or begins before its hardware is there.
#[test]
fn the_room_plans_places_stores_and_late_hardware() {
    let both = ["app-a", "app-b"];
    let ends = |estate: &Estate| {
        let planned = plan(estate, &both);
        let mut ends = both.map(|id| end_ms(&planned, StepKind::RestoreFiles, id) / 60_000);
        ends.sort_unstable();
        ends
    };
    let estate = estate();
    assert_eq!(ends(&estate), [140, 140]);
    let mut narrow = estate.clone();
    narrow.clean_room_slots = Some(1);
    for step in &mut narrow.recipes.get_mut("files").unwrap().steps {
        step.clean_room = true;
    }
    assert!(ends(&narrow)[1] >= 260, "{:?}", ends(&narrow));
    let mut slow = estate.clone();
    slow.recipes.get_mut("files").unwrap().steps[0].restores = true;
    slow.systems.get_mut("ad").unwrap().restore_gb_per_hour = Some(100);
    for id in both {
        let set = BackupSet {
            name: String::new(),
            stored_on: "ad".to_owned(),
            offline_copy: None,
            rpo_minutes: 60,
            size_gb: 200,
            gb_per_hour: None,
        };
        slow.backup_sets.insert(id.to_owned(), set);
        slow.systems.get_mut(id).unwrap().backup = Some(id.to_owned());
    }
    // Two hours each, one after the other, then an hour of checking.
    assert_eq!(ends(&slow), [20 + 120 + 60, 20 + 240 + 60]);
    let mut late = estate.clone();
    late.systems.get_mut("app-b").unwrap().available_after_hours = 48;
    assert_eq!(ends(&late), [140, 48 * 60 + 140]);
}

/// Red if the room's forecast takes no notice of a recipe's estimate.
#[test]
fn a_recipe_s_own_estimate_spreads_the_forecast() {
    let p90_of = |pessimistic_minutes: u32| {
        let mut estate = estate();
        for step in &mut estate.recipes.get_mut("files").unwrap().steps {
            step.estimate = Some(ThreePointEstimate {
                optimistic_minutes: 50,
                pessimistic_minutes,
            });
        }
        let planned = plan(&estate, &["db"]);
        let portal = planned
            .service_forecasts
            .iter()
            .find(|f| f.service == "portal")
            .unwrap()
            .clone();
        (
            portal.full_ms.unwrap(),
            portal.full_p50_ms.unwrap(),
            portal.full_p90_ms.unwrap(),
        )
    };
    let (sure, unsure) = (p90_of(70), p90_of(600));
    assert_eq!(sure.0, unsure.0, "what is planned is the most likely");
    assert!(unsure.1 > sure.1 && unsure.2 > sure.2 + 4 * HOUR_MS, "{sure:?} {unsure:?}");
}

fn apply(situation: &mut Situation, at: Timestamp, what: What) {
    situation.apply(&Fact::new(at, "test", what)).unwrap();
}

/// Red if what stands is planned again, if nothing is taken off what is under way, or if a system that is back is planned anew.
#[test]
fn what_is_done_or_under_way_is_not_planned_again() {
    let estate = estate();
    let mut situation = his(&["db", "app-a"]);
    let planned = plan_restore(&situation, &estate, &RestoreConfig::default());
    apply(
        &mut situation,
        START,
        What::PlanProposed {
            plan: planned.to_record(),
        },
    );
    let (hash, steps) = (planned.hash.clone(), places(&planned));
    let ordered = What::PlanOrdered {
        plan: hash.clone(),
        begins: true,
        steps,
        reason: String::new(),
    };
    apply(&mut situation, START, ordered);
    let work_minutes = |situation: &Situation, at: Timestamp| {
        let config = RestoreConfig {
            clock: Some(at),
            ..RestoreConfig::default()
        };
        let left = recovery_left(situation, &estate, &config).unwrap();
        let minutes = |of: &str| {
            let tasks = left.work.iter().zip(&left.problem.tasks).filter(|(w, _)| w.of == of);
            tasks.map(|(_, t)| t.duration * left.unit_minutes).sum::<u32>()
        };
        (minutes("db"), minutes("app-a"), left.fixed.len())
    };
    let whole = work_minutes(&situation, START);
    // Sweep 20, restore 120, probe 1, reconnect 2.
    assert_eq!(whole, (143, 143, 0));
    let number = |kind: StepKind| {
        planned
            .steps
            .iter()
            .find(|s| s.kind == kind && s.target == "db")
            .unwrap()
            .number
    };
    let intended = |step| What::StepIntended {
        plan: hash.clone(),
        step,
    };
    let ended = |step| {
        let (plan, outcome) = (hash.clone(), StepOutcome::Verified { evidence: "seen".into() });
        What::StepEnded { plan, step, outcome }
    };
    apply(&mut situation, START, intended(number(StepKind::Sweep)));
    let swept = START.plus_ms(20 * 60_000);
    apply(&mut situation, swept, ended(number(StepKind::Sweep)));
    assert_eq!(work_minutes(&situation, swept), (123, 143, 0));
    apply(&mut situation, swept, intended(number(StepKind::RestoreFiles)));
    let later = swept.plus_ms(60 * 60_000);
    // Of two hours one is over; what is under way stays where it is.
    assert_eq!(work_minutes(&situation, later), (63, 143, 1));
    // It came back through its gates: nothing about it is in a new plan, though he was there once.
    for what in [
        What::HostIsolated {
            system: "db".into(),
            isolated: false,
        },
        What::SystemChanged {
            system: "db".into(),
            level: ServiceLevel::Provisional,
            reason: String::new(),
        },
    ] {
        apply(&mut situation, later, what);
    }
    let again = plan_restore(&situation, &estate, &RestoreConfig::default());
    assert!(again.steps.iter().all(|s| s.target != "db") && again.steps.iter().any(|s| s.target == "app-a"));
    assert_eq!(work_minutes(&situation, later).0, 0);
}

/// The plan packed to the right is a plan as well, by the checker, with the same ends of all outages; and there is slack in it. Red if
/// a step's slack does not end where its crew, its place or what waits for it is taken.
#[test]
fn every_step_can_end_as_late_as_its_slack_says() {
    for seed in 0..60 {
        let problem = generated_recovery(60, 900 + seed);
        let effort = OutageEffort {
            evaluations: 100,
            seed,
            ..OutageEffort::default()
        };
        let plan = plan_outages(&problem, &effort, &mut || false).unwrap();
        let latest = latest_starts(&problem, &plan, &[]).unwrap();
        assert!(latest.iter().zip(&plan.start).all(|(late, start)| late >= start));
        assert!(
            latest.iter().zip(&plan.start).any(|(late, start)| late > start),
            "no slack at all"
        );
        assert!(
            latest.iter().zip(&plan.start).any(|(late, start)| late == start),
            "nothing is critical"
        );
        let packed = OutagePlan {
            start: latest,
            ..plan.clone()
        };
        assert_eq!(check_outages(&problem, &packed, &[]), Ok(()), "seed {seed}");
        // What is fixed has no slack.
        let fixed = [(0, plan.start[0])];
        assert_eq!(latest_starts(&problem, &plan, &fixed).unwrap()[0], plan.start[0]);
    }
}

/// Red if insurers are weighed alike, or pay for services that they do not get.
#[test]
fn insurers_share_the_harm_by_their_insured() {
    let mut estate = estate();
    for (id, insured) in [("k01", 300), ("k02", 100)] {
        let mut insurer = party(PartyKind::Insurer);
        insurer.insured = insured;
        estate.parties.insert(id.to_owned(), insurer);
    }
    estate.services.get_mut("eau").unwrap().vital = true;
    estate.services.get_mut("portal").unwrap().customers = vec!["k02".to_owned()];
    let services = ["eau".to_owned(), "portal".to_owned()];
    let ways = insurer_ways(&estate, &services);
    let shares: Vec<(&str, u64, &[usize])> = ways
        .iter()
        .map(|w| (w.insurer.as_str(), w.cost(&[4_000, 500]), w.essential.as_slice()))
        .collect();
    assert_eq!(shares, [("k01", 3_000, &[0][..]), ("k02", 1_500, &[0][..])]);
    // The room forecasts them as well; the second one also waits for its portal.
    let planned = plan(&estate, &["db", "web"]);
    let of = |id: &str| planned.insurer_forecasts.iter().find(|f| f.insurer == id).unwrap();
    assert_eq!(of("k01").all_p90_ms, of("k01").essential_p90_ms);
    assert!(of("k02").all_p90_ms > of("k02").essential_p90_ms && of("k02").essential_p50_ms == of("k01").essential_p50_ms);
    let eau = planned.service_forecasts.iter().find(|f| f.service == "eau").unwrap();
    assert_eq!(of("k01").all_p90_ms, eau.full_p90_ms);
}
