use std::fs;
use std::path::PathBuf;

use leckwehr_contain::protocol::{Measure, step_without_clause};
use leckwehr_contain::{Attestation, AttestationGround, ContainError, Protocol, SeparationProof, reconnect_plan};
use leckwehr_incident::{Tier, Timestamp};

use crate::essen::{essen, vendor_door};

fn protocol() -> Protocol {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/protocol-essen.toml");
    Protocol::parse("protocol-essen.toml", &fs::read_to_string(path).unwrap(), &essen()).unwrap()
}

#[test]
fn the_vendor_is_told_what_was_found_at_both_ends_and_what_nobody_knows() {
    let estate = essen();
    let impact = vendor_door(&estate);
    let vendor = estate.zones["vendor-core"].party.clone();
    let told = Attestation::new(&vendor, &impact, &estate, AttestationGround::default(), Timestamp(0));
    assert!(told.is_sealed() && !told.connections.is_empty());
    let jump = told.found.iter().find(|f| f.system == "jump-essen-1").unwrap();
    assert_eq!(jump.tier, Tier::Proven);
    assert_eq!(told.contacts.len(), 1, "{:?}", told.contacts);
    assert!(told.not_known.contains(&"no certificate of separation was made".to_owned()));
    assert!(
        told.not_known
            .iter()
            .any(|n| n.contains("how well jump-essen-1 was observed"))
    );
    let ground = AttestationGround {
        separation: Some(SeparationProof {
            seal: "ab".into(),
            targets: vec![],
        }),
        ..AttestationGround::default()
    };
    let proven = Attestation::new(&vendor, &impact, &estate, ground, Timestamp(0));
    assert!(!proven.not_known.iter().any(|n| n.contains("separation")) && proven.seal != told.seal);
    let mut nicer = told.clone();
    nicer.not_known.clear();
    assert!(!nicer.is_sealed());
}

#[test]
fn a_connection_comes_back_when_both_sides_have_had_their_step() {
    let estate = essen();
    let vendor = estate.zones["vendor-core"].party.clone();
    let told = Attestation::new(
        &vendor,
        &vendor_door(&estate),
        &estate,
        AttestationGround::default(),
        Timestamp(0),
    );
    let plan = reconnect_plan(std::slice::from_ref(&told), &estate, &protocol(), 7).unwrap();
    assert!(plan.is_sealed() && step_without_clause(&plan, &protocol()).is_none());
    for steps in plan.steps.chunks(3) {
        let actions: Vec<&str> = steps.iter().map(|s| s.action.as_str()).collect();
        assert_eq!(actions, ["attest", "accept", "reconnect"]);
        assert!(
            steps
                .iter()
                .all(|s| s.target == steps[0].target && s.reason.ends_with(&told.seal))
        );
        assert_eq!(steps[1].executor, format!("party:{vendor}"));
        assert!(steps[0].executor.starts_with("crew:") && steps[2].executor.starts_with("guard-"));
    }
    let mut changed = told.clone();
    changed.found.clear();
    assert_eq!(
        reconnect_plan(&[changed], &estate, &protocol(), 7),
        Err(ContainError::Nothing),
        "its seal is broken"
    );
    let mut silent = protocol();
    silent.clauses.retain(|_, c| !c.measures.contains(&Measure::Reconnect));
    let refused = reconnect_plan(&[told], &estate, &silent, 7);
    assert!(matches!(refused, Err(ContainError::NoClause { action: "reconnect", .. })));
}
