use leckwehr_estate::{Account, Estate};
use leckwehr_incident::{Fact, GateCheck, Situation, StepOutcome, Tier, Timestamp, What};
use leckwehr_restore::{RestoreConfig, RestorePlan, StepKind, follow, gates_closed, plan_restore};

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
        self.apply(ended);
        loop {
            let facts = follow(&self.situation, &self.estate, &self.plan.hash);
            if facts.is_empty() {
                return;
            }
            facts.into_iter().for_each(|what| self.apply(what));
        }
    }

    fn apply(&mut self, what: What) {
        self.situation.apply(&Fact::new(Timestamp(0), "test", what)).unwrap();
    }

    fn check(&mut self, system: &str, check: GateCheck, passed: bool) {
        let (system, evidence) = (system.to_owned(), if passed { "seen" } else { "not so" }.to_owned());
        self.apply(What::GateChecked {
            system,
            check,
            passed,
            evidence,
        });
    }

    /// With the evidence that agents give.
    fn all_but_reconnections_are_verified(mut self) -> Self {
        let steps = self.plan.steps.clone();
        for step in steps.iter().filter(|s| s.kind != StepKind::Reconnect) {
            self.end(step.kind, &step.target, verified());
        }
        for system in ["db", "web"] {
            self.check(system, GateCheck::IndicatorsSwept, true);
            self.check(system, GateCheck::ConfigurationCompared, true);
        }
        for check in OF_A_RESTORE {
            self.check("db", check, true);
        }
        self
    }

    fn why(&self, target: &str) -> Vec<String> {
        let view = &self.situation.plans[&self.plan.hash];
        let mut steps = view.plan.steps.iter();
        let step = steps
            .find(|s| s.action == StepKind::Reconnect.word() && s.target == target)
            .unwrap();
        gates_closed(view, step, &self.situation, &self.estate)
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

const OF_A_RESTORE: [GateCheck; 4] = [
    GateCheck::BackupVerified,
    GateCheck::SnapshotWitnessed,
    GateCheck::RestoreRehearsed,
    GateCheck::BeforeCompromise,
];

#[test]
fn nothing_holds_back_whose_gates_are_all_passed() {
    let mut scene = scene().all_but_reconnections_are_verified();
    assert!(
        scene.why("db").is_empty() && scene.why("web").is_empty(),
        "{:?} {:?}",
        scene.why("db"),
        scene.why("web")
    );
    scene.end(StepKind::Reconnect, "db", verified());
    scene.end(StepKind::Reconnect, "web", verified());
    assert!(scene.why("inside").is_empty());
}

#[test]
fn every_check_holds_its_own_system_back_and_no_other() {
    let of_all = [GateCheck::IndicatorsSwept, GateCheck::ConfigurationCompared];
    for check in OF_A_RESTORE.into_iter().chain(of_all) {
        let mut scene = scene().all_but_reconnections_are_verified();
        scene.check("db", check, false);
        let why = scene.why("db");
        assert!(
            why.len() == 1 && why[0].contains(&format!("{}: not so", check.word())),
            "{why:?}"
        );
        assert!(scene.why("web").is_empty());
    }
}

#[test]
fn a_gate_without_evidence_is_not_passed() {
    let why = scene().why("web");
    assert!(why.iter().any(|w| w.contains("kept-in-place: no evidence")), "{why:?}");
    assert!(why.iter().any(|w| w.contains("credentials-rotated: no evidence")), "{why:?}");
}

#[test]
fn a_system_that_stays_as_it_is_shows_that_it_works() {
    let mut scene = scene().all_but_reconnections_are_verified();
    scene.end(StepKind::Probe, "web", doubtful());
    let why = scene.why("web");
    assert!(
        why.len() == 1 && why[0].contains("kept-in-place: step") && why[0].contains("no word"),
        "{why:?}"
    );
    assert!(scene.why("db").is_empty());
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
    scene.check("web", GateCheck::IndicatorsSwept, false);
    scene.end(StepKind::Reconnect, "db", verified());
    assert!(scene.why("inside").iter().any(|w| w.contains("gate clean of web")));
    let inside = scene.estate.connections.get_mut("inside").unwrap();
    inside.from = "lan".to_owned();
    assert!(scene.why("inside").is_empty(), "{:?}", scene.why("inside"));
    scene.situation.hosts.get_mut("web").unwrap().isolated = false;
    assert!(!scene.why("inside").is_empty());
}
