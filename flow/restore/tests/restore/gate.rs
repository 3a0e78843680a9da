use leckwehr_estate::{Account, Estate};
use leckwehr_incident::{Fact, Situation, StepOutcome, Tier, Timestamp, What};
use leckwehr_restore::{RestoreConfig, RestorePlan, StepKind, held_back, plan_restore};

use crate::estate::{isolated, provider, stolen};

struct Scene {
    estate: Estate,
    situation: Situation,
    plan: RestorePlan,
}

/// The database was the attacker's, the web server is isolated with it, the connection between them is cut; of two stolen
/// accounts one logs on to the database only.
fn scene() -> Scene {
    let mut estate = provider();
    let logs_on_to = vec!["db".to_owned()];
    estate.accounts.insert("dba".to_owned(), account(logs_on_to));
    let mut situation = isolated(&[("db", Some(Tier::Proven)), ("web", None)]);
    situation.impact.credentials = vec![stolen("dba"), stolen("stranger")];
    situation.connections_cut = vec!["inside".to_owned()];
    let plan = plan_restore(&situation, &estate, &RestoreConfig::default());
    let proposed = What::PlanProposed { plan: plan.to_record() };
    situation.apply(&Fact::new(Timestamp(0), "test", proposed)).unwrap();
    Scene { estate, situation, plan }
}

fn account(logs_on_to: Vec<String>) -> Account {
    Account {
        name: String::new(),
        logs_on_to,
        comes_from: Vec::new(),
    }
}

impl Scene {
    fn end(&mut self, kind: StepKind, target: &str, outcome: StepOutcome) {
        let step = self.plan.steps.iter().find(|s| s.kind == kind && s.target == target).unwrap();
        let ended = What::StepEnded {
            plan: self.plan.hash.clone(),
            step: step.number,
            outcome,
        };
        self.situation.apply(&Fact::new(Timestamp(0), "test", ended)).unwrap();
    }

    fn all_but_reconnections_are_verified(mut self) -> Self {
        let steps = self.plan.steps.clone();
        for step in steps.iter().filter(|s| s.kind != StepKind::Reconnect) {
            self.end(step.kind, &step.target, verified());
        }
        self
    }

    fn why(&self, target: &str) -> Vec<String> {
        let mut steps = self.plan.steps.iter();
        let step = steps.find(|s| s.kind == StepKind::Reconnect && s.target == target).unwrap();
        held_back(&self.plan, step, &self.situation, &self.estate)
    }
}

fn verified() -> StepOutcome {
    StepOutcome::Verified { evidence: "seen".into() }
}

fn doubtful() -> StepOutcome {
    StepOutcome::Doubtful {
        reason: "no word".into(),
    }
}

#[test]
fn nothing_holds_back_whose_gates_are_all_verified() {
    let mut scene = scene().all_but_reconnections_are_verified();
    assert!(scene.why("db").is_empty() && scene.why("web").is_empty());
    assert!(
        !scene.why("inside").is_empty(),
        "both ends are named, and neither is back on the grid"
    );
    scene.end(StepKind::Reconnect, "db", verified());
    scene.end(StepKind::Reconnect, "web", verified());
    assert!(scene.why("inside").is_empty());
}

#[test]
fn every_gate_holds_its_own_system_back_and_no_other() {
    for kind in [StepKind::Sweep, StepKind::RestoreFiles, StepKind::Probe] {
        for (outcome, word) in [
            (doubtful(), "ended in doubt: no word"),
            (StepOutcome::NotApplied { reason: "no".into() }, "was not done: no"),
        ] {
            let mut scene = scene().all_but_reconnections_are_verified();
            scene.end(kind, "db", outcome);
            let why = scene.why("db");
            assert!(why.len() == 1 && why[0].contains(word), "{why:?}");
            assert!(why[0].contains(kind.word()), "{why:?}");
            assert!(scene.why("web").is_empty());
        }
    }
}

#[test]
fn a_step_that_never_ended_is_no_passed_gate() {
    let why = scene().why("web");
    assert!(why.iter().any(|w| w.contains("(probe web) has not ended")), "{why:?}");
}

#[test]
fn an_unchanged_account_holds_back_where_it_is_valid() {
    let mut scene = scene().all_but_reconnections_are_verified();
    scene.end(StepKind::RotateCredentials, "dba", doubtful());
    assert_eq!(scene.why("db").len(), 1);
    assert!(scene.why("web").is_empty(), "the account logs on to the database only");
    scene.end(StepKind::RotateCredentials, "stranger", doubtful());
    assert_eq!(
        scene.why("web").len(),
        1,
        "an account that the estate does not know is valid everywhere"
    );
}

#[test]
fn a_connection_waits_for_the_systems_it_names_but_not_for_one_that_stays_isolated_in_its_zone() {
    let mut scene = scene().all_but_reconnections_are_verified();
    scene.end(StepKind::Sweep, "web", doubtful());
    scene.end(StepKind::Reconnect, "db", verified());
    assert!(scene.why("inside").iter().any(|w| w.contains("sweep web")));
    let inside = scene.estate.connections.get_mut("inside").unwrap();
    inside.from = "lan".to_owned();
    assert!(scene.why("inside").is_empty(), "{:?}", scene.why("inside"));
    scene.situation.hosts.get_mut("web").unwrap().isolated = false;
    assert!(!scene.why("inside").is_empty());
}
