//! What is made to fit a ledger entry.

use leckwehr_control::{fit_fact, fit_impact, plan_facts};
use leckwehr_incident::{
    Coverage, Fact, Finding, Hop, HostAssessment, Impact, OutsideEndpoint, OutsideRole, PlanKind, PlanRecord, PlanStep,
    Situation, Tier, Timestamp, What,
};
use leckwehr_ledger::ENTRY_BYTES_MAX;

fn impact(hosts: usize, sentence_chars: usize) -> Impact {
    let tier = |n: usize| match n {
        0..5 => Tier::Proven,
        5..10 => Tier::Probable,
        _ if n.is_multiple_of(2) => Tier::Possible,
        _ => Tier::Unknown,
    };
    let host = |n: usize| HostAssessment {
        system: format!("host-{n}"),
        tier: tier(n),
        since: Some(Timestamp(n as i64)),
        via: Some("host-0".to_owned()),
        reasons: vec!["é".repeat(sentence_chars); 3],
    };
    let hop = |n: usize| Hop {
        from: "host-0".to_owned(),
        to: format!("host-{n}"),
        at: Timestamp(n as i64),
        account: Some("adm".to_owned()),
        tier: tier(n),
        means: "remote logon".to_owned(),
        evidence: vec!["e".repeat(sentence_chars); 5],
    };
    let coverage = |n: usize| Coverage {
        asset: format!("host-{n}"),
        class: if n == 0 { "flow" } else { "logon" }.to_owned(),
        seen: 1.0,
        missing: String::new(),
    };
    let outside = |n: usize| OutsideEndpoint {
        address: format!("203.0.113.{n}"),
        role: OutsideRole::Command,
        tier: tier(n),
        bytes_out_max: 7,
        seen: None,
        evidence: vec!["o".repeat(sentence_chars); 4],
    };
    let mut impact = Impact {
        window: Some((Timestamp(1), Timestamp(2))),
        bytes_out_max: 1_234_567,
        hosts: (0..hosts).map(host).collect(),
        hops: (1..hosts).map(hop).collect(),
        outside: (0..hosts / 10).map(outside).collect(),
        coverage: (0..hosts).map(coverage).collect(),
        ..Impact::default()
    };
    impact.hosts.sort_by_key(|h| (h.tier, h.since));
    impact
}

#[test]
fn a_small_analysis_is_unchanged() {
    let small = impact(20, 30);
    assert_eq!(fit_impact(small.clone()), small);
}

#[test]
fn every_size_fits_and_keeps_what_matters_most() {
    for hosts in [30, 100, 400, 2_000] {
        for chars in [0, 50, 400, 2_000] {
            let whole = impact(hosts, chars);
            let fitted = fit_impact(whole.clone());
            let fact = Fact::new(Timestamp(3), "trace", What::Assessed { impact: fitted.clone() });
            let bytes = fact.to_bytes().len();
            assert!(bytes <= ENTRY_BYTES_MAX, "{hosts} hosts, {chars} characters: {bytes}");
            assert_eq!((fitted.window, fitted.bytes_out_max), (whole.window, whole.bytes_out_max));
            let proven = |impact: &Impact| impact.hosts.iter().filter(|h| h.tier == Tier::Proven).count();
            assert_eq!(proven(&fitted), 5);
            let steps = |impact: &Impact| impact.hops.iter().filter(|h| h.tier == Tier::Proven).count();
            assert_eq!(steps(&fitted), 4);
            let changed = fitted != whole;
            let told = fitted.unknowns.iter().any(|u| u.starts_with("Left out of this ledger entry"));
            assert_eq!(changed, told, "{hosts} hosts, {chars} characters");
            assert!(fitted.hops.is_sorted_by_key(|h| h.at), "steps stay in order of time");
        }
    }
}

#[test]
fn a_long_finding_is_shortened() {
    let finding = Finding {
        at: Timestamp(1),
        rule: "r".to_owned(),
        title: "t".to_owned(),
        author: "a".to_owned(),
        techniques: Vec::new(),
        host: "h".repeat(100_000),
        account: Some("a".repeat(100_000)),
        origin: None,
        weight: 1,
        evidence: vec!["e".repeat(100_000)],
        detail: "d".repeat(100_000),
        indicators: vec!["i".repeat(100_000)],
    };
    let fact = fit_fact(Fact::new(Timestamp(1), "detect", What::Found { finding }));
    assert!(matches!(fact.what, What::Found { .. }) && fact.to_bytes().len() <= ENTRY_BYTES_MAX);
}

/// A takedown plan with this many steps.
fn plan(steps: u32, reason_chars: usize) -> PlanRecord {
    let step = |number| PlanStep {
        number,
        executor: "guard".to_owned(),
        action: "isolate-host".to_owned(),
        target: format!("host-{number}"),
        reason: "r".repeat(reason_chars),
        planned_ms: 50,
        clause: String::new(),
    };
    PlanRecord {
        kind: PlanKind::Takedown,
        generation: 1,
        hash: String::new(),
        summary: "s".to_owned(),
        harm_eur_per_hour: 0,
        steps: (1..=steps).map(step).collect(),
    }
    .sealed()
}

#[test]
fn a_plan_of_any_length_is_in_the_ledger_as_it_was_hashed() {
    for (steps, chars) in [(0, 0), (1, 10), (260, 100), (400, 120), (6_000, 150), (40, 30_000)] {
        let plan = plan(steps, chars);
        let facts = plan_facts(&plan);
        let mut situation = Situation::default();
        for what in &facts {
            let fact = Fact::new(Timestamp(i64::MAX), "control-room", what.clone());
            assert!(fact.to_bytes().len() <= ENTRY_BYTES_MAX, "{steps} steps");
            assert_eq!(fit_fact(fact.clone()), fact);
            situation.apply(&fact).unwrap();
        }
        let held = &situation.plans[&plan.hash].plan;
        assert!(*held == plan && held.is_sealed(), "{steps} steps in {} facts", facts.len());
        assert_eq!(
            facts.len() > 1,
            plan.canonical_bytes().len() > ENTRY_BYTES_MAX,
            "{steps} steps"
        );
    }
}

#[test]
fn a_step_that_no_entry_holds_is_said_not_to_be_there() {
    let facts = plan_facts(&plan(2, 100_000));
    let unfit = facts
        .into_iter()
        .map(|what| fit_fact(Fact::new(Timestamp(1), "control-room", what)));
    let said = unfit.filter(|fact| matches!(&fact.what, What::NotBuilt { what, .. } if what.contains("not in the ledger")));
    assert_eq!(said.count(), 2);
}
