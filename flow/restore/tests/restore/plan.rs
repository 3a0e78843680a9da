use leckwehr_estate::{BackupSet, DegradedMode, Recipe, RecipeStep, SystemKind};
use leckwehr_incident::{Fact, PlanKind, ServiceLevel, Situation, StepOutcome, Tier, Timestamp, What};
use leckwehr_restore::outage::Spread;
use leckwehr_restore::{RestoreConfig, RestorePlan, StepKind, plan_restore, why_not_up};

use crate::estate::{isolated, needs, provider, stolen, system};

fn plan(situation: &Situation) -> RestorePlan {
    plan_restore(situation, &provider(), &RestoreConfig::default())
}

fn everything() -> Situation {
    let mut situation = isolated(&[
        ("web", None),
        ("app-b", Some(Tier::Possible)),
        ("app-a", Some(Tier::Proven)),
        ("db", Some(Tier::Probable)),
        ("ad", Some(Tier::Possible)),
    ]);
    situation.impact.credentials = vec![stolen("svc-backup"), stolen("admin"), stolen("admin")];
    situation.connections_cut = vec!["maintenance".to_owned(), "inside".to_owned()];
    situation
}

fn words(plan: &RestorePlan) -> Vec<String> {
    plan.steps.iter().map(|s| format!("{} {}", s.kind.word(), s.target)).collect()
}

#[test]
fn the_order_and_the_gates_are_the_promised_ones() {
    let plan = plan(&everything());
    assert_eq!(
        words(&plan),
        [
            "rotate-credentials admin",
            "rotate-credentials svc-backup",
            "sweep ad",
            "probe ad",
            "reconnect ad",
            "sweep db",
            "restore-files db",
            "probe db",
            "reconnect db",
            "sweep app-a",
            "restore-files app-a",
            "probe app-a",
            "reconnect app-a",
            "sweep app-b",
            "probe app-b",
            "reconnect app-b",
            "sweep web",
            "probe web",
            "reconnect web",
            "reconnect inside",
        ]
    );
    assert_eq!(plan.open_decisions.len(), 1);
    assert!(plan.open_decisions[0].starts_with("maintenance stays cut"));
    let of = |kind, target: &str| plan.steps.iter().find(|s| s.kind == kind && s.target == target).unwrap();
    assert_eq!(of(StepKind::RotateCredentials, "admin").executor, "agent:ad");
    assert_eq!(of(StepKind::Sweep, "db").executor, "agent:db");
    assert_eq!(of(StepKind::Reconnect, "db").executor, "guard-1");
    assert!(of(StepKind::RestoreFiles, "db").reason.contains("2023-04-25"));
    // app-a and app-b wait for the same and run beside each other.
    assert_eq!(of(StepKind::Sweep, "app-a").wave, of(StepKind::Sweep, "app-b").wave);
    assert_eq!(of(StepKind::Sweep, "app-a").start_ms, of(StepKind::Sweep, "app-b").start_ms);
    for step in plan.steps.iter().filter(|s| s.kind == StepKind::Reconnect) {
        assert!(
            step.after.contains(&1) && step.after.contains(&2),
            "{} reconnects with stolen secrets",
            step.target
        );
    }
}

#[test]
fn the_record_is_sealed_and_the_hash_covers_everything() {
    let plan = plan(&everything());
    let record = plan.to_record();
    assert!(record.is_sealed() && record.hash == plan.hash && record.kind == PlanKind::Restore);
    assert_eq!(record.steps.len(), plan.steps.len());
    assert_eq!(record.harm_eur_per_hour, 2000);
    let slower = RestoreConfig {
        spread: Spread {
            failure_percent: 50,
            ..Spread::default()
        },
        ..RestoreConfig::default()
    };
    assert_ne!(
        plan_restore(&everything(), &provider(), &slower).hash,
        plan.hash,
        "forecasts are covered"
    );
}

#[test]
fn the_order_of_lists_does_not_matter() {
    let one = everything();
    let mut other = everything();
    other.impact.hosts.reverse();
    other.impact.credentials.reverse();
    other.connections_cut.reverse();
    assert_eq!(plan(&one), plan(&other));
    assert_eq!(plan(&one).hash, plan(&one).hash);
}

#[test]
fn a_restored_directory_gets_its_new_secrets_after_its_old_files() {
    let mut situation = everything();
    situation.hosts.get_mut("ad").unwrap().tier = Some(Tier::Proven);
    let plan = plan(&situation);
    assert_eq!(
        words(&plan)[..5],
        [
            "sweep ad",
            "restore-files ad",
            "rotate-credentials admin",
            "rotate-credentials svc-backup",
            "probe ad"
        ]
    );
}

#[test]
fn services_are_forecast_by_the_alternative_that_is_back_first() {
    let mut estate = provider();
    estate.services.get_mut("eau").unwrap().degraded = vec![DegradedMode {
        name: "spool only".to_owned(),
        gives: "receipts".to_owned(),
        needs: needs(&["ad"]),
        ..DegradedMode::default()
    }];
    let situation = everything();
    let plan = plan_restore(&situation, &estate, &RestoreConfig::default());
    let end = |target: &str| {
        let step = plan
            .steps
            .iter()
            .find(|s| s.kind == StepKind::Reconnect && s.target == target);
        step.unwrap().end_ms
    };
    let eau = plan.service_forecasts.iter().find(|f| f.service == "eau").unwrap();
    assert_eq!(eau.limited_ms, Some(end("ad")));
    assert_eq!(eau.full_ms, Some(end("app-b").min(end("app-a"))));
    assert!(eau.full_p50_ms > eau.full_ms && eau.full_p90_ms > eau.full_p50_ms, "{eau:?}");
    let portal = plan.service_forecasts.iter().find(|f| f.service == "portal").unwrap();
    assert_eq!(portal.full_ms, Some(end("web")));
}

#[test]
fn backups_that_lie_where_the_attacker_was_are_waited_for_and_named() {
    let mut estate = provider();
    let backup = system(SystemKind::BackupServer, "lan", &[]);
    estate.systems.insert("vault".to_owned(), backup);
    estate.systems.get_mut("db").unwrap().backup = Some("nightly".to_owned());
    estate.systems.get_mut("db").unwrap().recipe = Some("db".to_owned());
    let minutes = |minutes| RecipeStep {
        action: String::new(),
        minutes,
        restores: false,
        clean_room: false,
        estimate: None,
    };
    let recipe = Recipe {
        name: String::new(),
        steps: vec![minutes(30), minutes(15)],
    };
    estate.recipes.insert("db".to_owned(), recipe);
    let set = BackupSet {
        name: String::new(),
        stored_on: "vault".to_owned(),
        offline_copy: None,
        rpo_minutes: 60,
        size_gb: 1,
        gb_per_hour: None,
    };
    estate.backup_sets.insert("nightly".to_owned(), set);
    let situation = isolated(&[("db", Some(Tier::Proven)), ("vault", Some(Tier::Proven))]);
    let plan = plan_restore(&situation, &estate, &RestoreConfig::default());
    let place = |word: &str| words(&plan).iter().position(|w| w == word).unwrap();
    assert!(place("reconnect vault") < place("sweep db"));
    assert_eq!(plan.steps[place("restore-files db")].planned_ms, 45 * 60_000);
    assert!(
        plan.warnings.iter().any(|w| w.contains("every copy of nightly")),
        "{:?}",
        plan.warnings
    );
    estate.backup_sets.get_mut("nightly").unwrap().offline_copy = Some("a safe in another town".to_owned());
    let plan = plan_restore(&situation, &estate, &RestoreConfig::default());
    assert!(!plan.warnings.iter().any(|w| w.contains("every copy")));
}

#[test]
fn what_the_estate_does_not_know_is_said() {
    let mut situation = isolated(&[("unknown", Some(Tier::Proven))]);
    situation.connections_cut = vec!["nowhere".to_owned()];
    let plan = plan(&situation);
    assert!(plan.steps.is_empty());
    assert_eq!(plan.warnings.len(), 2);
}

#[test]
fn why_not_up_names_the_bottom_its_owner_and_the_step_that_is_due() {
    let estate = provider();
    let mut situation = everything();
    let at = Timestamp(1);
    let blocked = why_not_up(&situation, &estate, "eau");
    let names: Vec<_> = blocked.iter().map(|b| b.what.as_str()).collect();
    assert_eq!(names, ["app-a", "ad", "db", "app-b"]);
    assert!(blocked.iter().all(|b| b.owner.as_deref() == Some("crew")));
    assert!(blocked[0].reason.contains("no restoration plan"));

    let plan = plan(&situation).to_record();
    let hash = plan.hash.clone();
    let mut say = |what| situation.apply(&Fact::new(at, "test", what)).unwrap();
    say(What::PlanProposed { plan });
    say(What::PlanApproved {
        hash: hash.clone(),
        approver: "anna".to_owned(),
        signature: String::new(),
        valid_until: None,
        on_behalf_of: None,
    });
    say(What::StepIntended {
        plan: hash.clone(),
        step: 3,
    });
    say(What::StepEnded {
        plan: hash,
        step: 3,
        outcome: StepOutcome::Verified {
            evidence: "clean".to_owned(),
        },
    });
    let blocked = why_not_up(&situation, &estate, "eau");
    let ad = blocked.iter().find(|b| b.what == "ad").unwrap();
    assert!(ad.reason.ends_with("step 4 (probe) is due"), "{}", ad.reason);

    for host in situation.hosts.values_mut() {
        host.isolated = false;
    }
    assert_eq!(why_not_up(&situation, &estate, "eau"), []);
    let off = What::ServiceChanged {
        service: "eau".to_owned(),
        level: ServiceLevel::Off,
        reason: "the probe fails".to_owned(),
    };
    situation.apply(&Fact::new(at, "test", off)).unwrap();
    assert!(why_not_up(&situation, &estate, "eau")[0].reason.contains("the probe fails"));
}

#[test]
fn two_hundred_systems_are_planned_quickly() {
    let mut estate = provider();
    let mut hosts = Vec::new();
    let ids: Vec<String> = (0..200).map(|n| format!("host-{n:03}")).collect();
    for (n, id) in ids.iter().enumerate() {
        let wants = if n > 0 { ids[n / 2].clone() } else { "ad".to_owned() };
        let wants = if n > 1 { wants } else { "ad".to_owned() };
        estate
            .systems
            .insert(id.clone(), system(SystemKind::Application, "lan", &[&wants]));
        hosts.push((id.as_str(), Some(Tier::Proven)));
    }
    let plan = plan_restore(&isolated(&hosts), &estate, &RestoreConfig::default());
    assert_eq!(plan.steps.len(), 800);
    assert!(
        plan.warnings.iter().all(|w| w.contains("no backup set")),
        "{:?}",
        plan.warnings
    );
}
