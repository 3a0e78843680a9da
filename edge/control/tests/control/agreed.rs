//! The room under an agreed protocol, and where no cut separates.

use leckwehr_contain::Scale;
use leckwehr_incident::{PlanKind, PlanView, StepOutcome, What};

use crate::house::{House, Run, approve, attack};

/// Hosts are cut at once; evidence is people's work, whose time is a minute; nothing is switched off without it.
const PROTOCOL: &str = r#"
format = "leckwehr-protocol/1"
id = "house-takedown"
name = { de = "Protokoll", en = "Protocol" }
version = "1"
agreed = "2023-01-12T08:00:00Z"
expected_hours = 8
[approval]
alone_systems_max = 0
alone_eur_per_hour_max = 0
valid_minutes = 360
[caps]
systems_max = 10
connections_max = 10
eur_per_hour_max = 5000
[person.anna]
name = "Anna"
systems_max = 10
eur_per_hour_max = 5000
[person.bert]
name = "Bert"
systems_max = 10
eur_per_hour_max = 5000
[clause."1"]
title = { de = "Trennen", en = "Cut" }
text = { de = "Sofort.", en = "At once." }
measures = ["isolate-host", "cut-connection"]
minutes = 10
[clause."2"]
title = { de = "Beweise", en = "Evidence" }
text = { de = "Der Speicher wird gesichert.", en = "The memory is kept." }
measures = ["capture-memory"]
minutes = 1
[clause."3"]
title = { de = "Abschalten", en = "Switch off" }
text = { de = "Danach.", en = "Afterwards." }
measures = ["power-off"]
minutes = 1
"#;

fn takedowns(run: &Run) -> Vec<&PlanView> {
    let views = run.situation.plans.values();
    views.filter(|view| view.plan.kind == PlanKind::Takedown).collect()
}

/// Red if `planned` does not ask the protocol, if work that nobody confirms holds the takedown up for ever, or if a host is
/// switched off without it.
#[test]
fn under_a_protocol_every_step_cites_its_clause_and_no_sleeping_crew_holds_it_up() {
    let mut house = House::new();
    house.protocol = Some(PROTOCOL);
    let run = house.run(attack(&house), Box::new(approve));
    run.outcome.as_ref().unwrap();
    let plans = takedowns(&run);
    let steps = plans.iter().flat_map(|view| view.plan.steps.iter().map(|step| (*view, step)));
    let mut seen = [0; 3];
    for (view, step) in steps {
        let ended = view.steps.get(&step.number).and_then(|s| s.ended.as_ref());
        let (kind, clause, part) = match step.action.as_str() {
            "isolate-host" | "cut-connection" => (0, "1", ""),
            "capture-memory" => (1, "2", "crew:on-call did not confirm it by"),
            _ => (2, "3", "capture-memory"),
        };
        seen[kind] += 1;
        assert_eq!(step.clause, clause);
        match ended.unwrap() {
            (_, StepOutcome::Verified { .. }) => assert_eq!(kind, 0, "{step:?}"),
            (_, StepOutcome::NotApplied { reason }) => assert!(kind > 0 && reason.contains(part), "{step:?}: {reason}"),
            (_, other) => assert!(kind > 2, "{step:?}: {other:?}"),
        }
    }
    assert!(seen.iter().all(|count| *count >= 3), "{seen:?}");
    let truth = house.truth.lock().unwrap();
    assert!(truth.done.iter().any(|deed| deed == "deny fs-1"));
}

fn told(run: &Run, part: &str) -> usize {
    let decisions = run.facts.iter().filter(|fact| match &fact.what {
        What::DecisionOpen { what, .. } => what.contains(part),
        _ => false,
    });
    decisions.count()
}

/// The backups' zone is protected, and the attacker is on one host of it already: the others there are taken away from him.
///
/// Red if `chosen` takes the option of a scale in the place of the cheapest cut.
#[test]
fn the_cheapest_cut_separates_what_is_protected() {
    let mut house = House::new();
    house.scale = Scale::Minimum;
    house.estate = house
        .estate
        .replace("network = \"10.0.2.0/24\"", "network = \"10.0.2.0/24\"\nprotected = true");
    let run = house.run(attack(&house), Box::new(approve));
    run.outcome.as_ref().unwrap();
    let first = takedowns(&run).into_iter().min_by_key(|view| view.plan.generation).unwrap();
    let targets: Vec<&str> = first.plan.steps.iter().map(|step| step.target.as_str()).collect();
    assert_eq!(targets, ["backup-1"]);
    assert_eq!(told(&run, "no cut separates"), 0);
}

/// No switch stands before the backups: nothing can separate them. What the attacker has is cut all the same, and people know.
#[test]
fn where_no_cut_can_be_found_what_the_attacker_has_is_cut() {
    let mut house = House::new();
    house.scale = Scale::Minimum;
    house.estate = house.estate.replace("guard = \"guard-b\"", "protected = true");
    let run = house.run(attack(&house), Box::new(approve));
    run.outcome.as_ref().unwrap();
    assert_eq!(told(&run, "no cut separates the attacker from"), 1);
    assert!(house.truth.lock().unwrap().done.iter().any(|deed| deed == "deny fs-1"));
}
