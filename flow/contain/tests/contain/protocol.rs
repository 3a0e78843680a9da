use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use leckwehr_contain::cut::CutPolicy;
use leckwehr_contain::protocol::{Measure, approval_request, crew_minutes, step_without_clause};
use leckwehr_contain::{ContainError, CutOption, Protocol, TakedownPolicy, options, protocol_plan, separations};
use leckwehr_estate::Estate;
use leckwehr_incident::{Impact, PlanRecord, Timestamp};

use crate::essen::{essen, vendor_door};

fn text(name: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)).unwrap()
}

fn protocol(estate: &Estate) -> Protocol {
    Protocol::parse("protocol-essen.toml", &text("protocol-essen.toml"), estate).unwrap()
}

fn compartment(impact: &Impact, estate: &Estate) -> CutOption {
    options(impact, estate, &TakedownPolicy::default()).remove(1)
}

fn plan(option: &CutOption, protocol: &Protocol) -> Result<PlanRecord, ContainError> {
    let estate = essen();
    protocol_plan(option, &vendor_door(&estate), &estate, protocol, 1, &BTreeSet::new())
}

#[test]
fn both_examples_are_read_without_a_mistake() {
    let apt29 = Estate::load(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/apt29")).unwrap();
    let small = Protocol::parse("p.toml", &text("protocol-apt29.toml"), &apt29).unwrap();
    assert_eq!(small.clauses.len(), 3);
    let large = protocol(&essen());
    assert_eq!(
        large.approval.people["union-chair"].signs_for.as_deref(),
        Some("insurer-union")
    );
    assert_eq!(large.approval.quiet_minutes, Some((22 * 60, 6 * 60)));
    assert_eq!(large.life_lines(), ["status-hosts".to_owned()].into());
}

#[test]
fn every_mistake_is_told_with_its_place_and_the_nearest_name() {
    let broken = text("protocol-essen.toml")
        .replace("leckwehr-protocol/1", "leckwehr-protocol/7")
        .replace("quiet_until = \"06:00\"", "quiet_until = \"26:00\"")
        .replace("\"rheinbogen-bank\"", "\"rheinbogen-bnak\"")
        .replace("measures = [\"drain\"]", "measures = [\"drian\"]\ncolour = 1")
        .replace(
            "deputies = [\"security-officer\"]",
            "deputies = [\"security-oficer\", \"lead-on-call\"]",
        )
        .replace("systems_max = 40", "systems_max = -40")
        .replace("signs_for = \"insurer-union\"", "systems_max = 1\neur_per_hour_max = 1");
    let errors = Protocol::parse("p.toml", &broken, &essen()).unwrap_err();
    let said = errors.to_string();
    for wanted in [
        "p.toml:4:10: `leckwehr-protocol/7` is no format",
        "`26:00` is no time of day",
        "no system, zone, connection or party is called `rheinbogen-bnak`; did you mean `rheinbogen-bank`?",
        "no measure is called `drian`; did you mean `drain`?",
        "clause `4.1` has no field `colour`",
        "no person is called `security-oficer`; did you mean `security-officer`?",
        "`lead-on-call` is named as the own deputy",
        "`systems_max` of person `operations-head` must be a whole number",
        "nobody signs for `insurer-union`",
    ] {
        assert!(said.contains(wanted), "{wanted}\n{said}");
    }
    assert_eq!(errors.errors.len(), 9, "{said}");
    let not_toml = Protocol::parse("p.toml", "format = \n[", &essen()).unwrap_err();
    assert!(not_toml.to_string().contains("p.toml:1:"), "{not_toml}");
    let unkept = text("protocol-essen.toml").replace("\"capture-memory\", \"snapshot\"", "\"notify\"");
    let said = Protocol::parse("p.toml", &unkept, &essen()).unwrap_err().to_string();
    assert!(said.contains("without evidence being kept"), "{said}");
}

/// Sorting the stages of `protocol_plan` in another way makes this red.
#[test]
fn every_step_cites_a_clause_and_evidence_comes_before_power_off() {
    let estate = essen();
    let mut protocol = protocol(&estate);
    // Everything is switched off, databases and what the attacker holds too.
    protocol.clauses.get_mut("4.4").unwrap().applies_to.clear();
    let impact = vendor_door(&estate);
    let plan = plan(&compartment(&impact, &estate), &protocol).unwrap();
    assert!(plan.is_sealed() && step_without_clause(&plan, &protocol).is_none());
    let place = |action: Measure, target: &str| {
        plan.steps
            .iter()
            .position(|s| s.action == action.name() && s.target == target)
    };
    let held = "jump-essen-1";
    assert_eq!(
        place(Measure::IsolateHost, held).map(|p| plan.steps[p].clause.as_str()),
        Some("3.1")
    );
    assert!(
        place(Measure::IsolateHost, held) < place(Measure::CaptureMemory, held),
        "the attacker is stopped first"
    );
    for step in plan.steps.iter().filter(|s| s.action == "power-off") {
        assert!(place(Measure::IsolateHost, &step.target) < place(Measure::PowerOff, &step.target));
        let evidence = place(Measure::Snapshot, &step.target);
        assert!(
            evidence.is_some() && evidence < place(Measure::PowerOff, &step.target),
            "{step:?}"
        );
    }
    assert_eq!(plan.steps.iter().filter(|s| s.action == "power-off").count(), 12);
    let mut option = compartment(&impact, &estate);
    option.systems.insert("db-core-1".into());
    let with_database = protocol_plan(&option, &impact, &estate, &protocol, 1, &BTreeSet::new()).unwrap();
    let of_database = with_database.steps.iter().filter(|s| s.target == "db-core-1");
    let order: Vec<&str> = of_database.map(|s| s.action.as_str()).collect();
    assert_eq!(order, ["flush", "snapshot", "isolate-host", "power-off"]);
    let crews = crew_minutes(&plan, &estate);
    assert!(crews.values().all(|minutes| *minutes > 0) && !crews.is_empty(), "{crews:?}");
    let request = approval_request(
        &plan,
        &compartment(&impact, &estate),
        &estate,
        &protocol,
        "lead-on-call",
        Timestamp(0),
    );
    assert_eq!(
        protocol.approval.people_needed(&request, Timestamp(12 * 3_600_000_000_000)),
        2
    );
}

#[test]
fn a_step_without_a_clause_a_life_line_and_a_cap_are_refused() {
    let estate = essen();
    let impact = vendor_door(&estate);
    let option = compartment(&impact, &estate);
    let mut bare = protocol(&estate);
    bare.clauses.retain(|_, c| !c.measures.contains(&Measure::IsolateHost));
    assert!(matches!(
        plan(&option, &bare),
        Err(ContainError::NoClause {
            action: "isolate-host",
            ..
        })
    ));
    let mut strict = protocol(&estate);
    if let Some(clause) = strict.clauses.get_mut("3.4") {
        clause.life_lines.insert("jump-essen-1".into());
    }
    assert_eq!(
        plan(&option, &strict),
        Err(ContainError::LifeLine {
            id: "jump-essen-1".into()
        })
    );
    let mut small = protocol(&estate);
    small.caps.systems_max = 3;
    assert!(matches!(plan(&option, &small), Err(ContainError::TooMuch { max: 3, .. })));
    small = protocol(&estate);
    small.caps.eur_per_hour_max = 1;
    assert!(matches!(plan(&option, &small), Err(ContainError::TooMuchHarm { max: 1, .. })));
    small = protocol(&estate);
    small.caps.connections_max = 0;
    assert!(matches!(
        plan(&option, &small),
        Err(ContainError::TooManyConnections { max: 0, .. })
    ));
    let mut good = plan(&option, &protocol(&estate)).unwrap();
    good.steps[0].clause = "4.2".into();
    assert!(
        step_without_clause(&good, &protocol(&estate)).is_some(),
        "that clause allows something else"
    );
}

#[test]
fn a_connection_with_notice_waits_unless_the_attacker_came_over_it() {
    let estate = essen();
    let mut protocol = protocol(&estate);
    let bank = estate
        .connections
        .iter()
        .find(|(_, c)| c.from == "rheinbogen-bank" || c.to == "rheinbogen-bank");
    let of_zone = estate.connections.iter().find(|(_, c)| {
        [&c.from, &c.to]
            .iter()
            .any(|e| estate.zones.get(*e).is_some_and(|z| z.party == "rheinbogen-bank"))
    });
    let (bank, _) = bank.or(of_zone).unwrap();
    let mut option = compartment(&vendor_door(&estate), &estate);
    option.connections.insert(bank.clone());
    let order = |protocol: &Protocol| -> Vec<String> {
        let plan = plan(&option, protocol).unwrap();
        plan.steps
            .iter()
            .filter(|s| s.target == *bank)
            .map(|s| format!("{} {}", s.action, s.clause))
            .collect()
    };
    assert_eq!(order(&protocol), ["notify 3.3", "await-notice 3.3", "cut-connection 3.3"]);
    // The vendor's door, over which he came, is cut at once even where notice is agreed.
    let used = option.connections.iter().find(|id| *id != bank).unwrap().clone();
    let clause = protocol.clauses.get_mut("3.3").unwrap();
    clause.applies_to.insert(used.clone());
    let steps = plan(&option, &protocol).unwrap().steps;
    assert_eq!((steps[0].target.as_str(), steps[0].clause.as_str()), (used.as_str(), "3.3"));
    let clause = protocol.clauses.get_mut("3.3").unwrap();
    clause.notice_waived_if_used = false;
    let steps = plan(&option, &protocol).unwrap().steps;
    assert_ne!(steps[0].target, used, "now he is waited for");
}

#[test]
fn the_cheapest_cut_keeps_the_protocols_life_lines() {
    let estate = essen();
    let impact = vendor_door(&estate);
    let policy = |life_lines: &[&str]| CutPolicy {
        life_lines: life_lines.iter().map(|id| (*id).to_owned()).collect(),
        ..CutPolicy::default()
    };
    let free = separations(&impact, &estate, &policy(&[]), 1).unwrap();
    let id = free[0].switches[0].switch.split_once(':').unwrap().1.to_owned();
    let bound = separations(&impact, &estate, &policy(&[&id]), 1).unwrap();
    assert!(bound[0].value >= free[0].value);
    assert!(bound[0].switches.iter().all(|s| !s.switch.ends_with(&format!(":{id}"))));
}
