use std::collections::BTreeSet;

use leckwehr_incident::{
    AlarmLevel, FACT_VERSION, Fact, FactError, Phase, PlanKind, SignedWord, Situation, SituationError, Timestamp, Verdict, What,
    WordAbout,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::vocabulary::{alarm, one_of_each, plan};

/// Any fact: each kind of the vocabulary, plans of several generations and steps of plans that may not be there.
fn any_what() -> impl Strategy<Value = What> {
    let plan_of = |generation: u64| {
        let mut plan = plan(PlanKind::Takedown);
        plan.generation = generation;
        plan.sealed()
    };
    let hash = (0..4_u64).prop_map(move |g| plan_of(g).hash);
    let approver = select(vec!["anna", "bert", "cem"]);
    prop_oneof![
        3 => select(one_of_each()),
        2 => any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(|risk| What::Alarmed {
            alarm: alarm(AlarmLevel::Warning, risk)
        }),
        4 => select(Phase::ALL.to_vec()).prop_map(|phase| What::PhaseEntered { phase, reason: phase.word().to_owned() }),
        2 => (0..3_u64).prop_map(move |g| What::PlanProposed { plan: plan_of(g) }),
        2 => (hash.clone(), approver).prop_map(|(hash, approver)| What::PlanApproved {
            hash,
            approver: approver.to_owned(),
            signature: String::new(), valid_until: None, on_behalf_of: None }),
        1 => (hash, 0..3_u32).prop_map(|(plan, step)| What::StepIntended { plan, step }),
        1 => (select(vec!["a", "b"]), any::<bool>()).prop_map(|(system, isolated)| What::HostIsolated {
            system: system.to_owned(),
            isolated
        }),
        1 => (select(vec!["c", "d"]), any::<bool>()).prop_map(|(connection, cut)| What::ConnectionCut {
            connection: connection.to_owned(),
            cut
        }),
    ]
}

fn any_facts() -> impl Strategy<Value = Vec<Fact>> {
    let fact = (any::<i64>(), any_what()).prop_map(|(at, what)| Fact::new(Timestamp(at), "test", what));
    vec(fact, 0..60)
}

/// What the fold must say of a fact, written down a second time and without its code.
struct Model {
    phase: Phase,
    plans: BTreeSet<String>,
}

impl Model {
    /// Returns whether the fact fits, and takes it in if so.
    fn takes(&mut self, what: &What) -> bool {
        match what {
            What::PhaseEntered { phase, .. } => {
                let place = |phase: Phase| Phase::ALL.iter().position(|p| *p == phase);
                let fits = place(*phase) == place(self.phase).map(|p| p + 1) || place(*phase) < place(self.phase);
                if fits {
                    self.phase = *phase;
                }
                fits
            }
            What::PlanProposed { plan } => {
                self.plans.insert(plan.hash.clone());
                true
            }
            What::PlanApproved { hash, .. }
            | What::PlanContinued { hash, .. }
            | What::ApprovalAsked { hash, .. }
            | What::ApprovalRefused { hash, .. }
            | What::ApprovalExpired { hash, .. } => self.plans.contains(hash),
            What::StepIntended { plan, .. }
            | What::StepEnded { plan, .. }
            | What::PlanRehearsed { plan, .. }
            | What::LifeLinesSeen { plan, .. }
            | What::StepSeen { plan, .. }
            | What::LeaseGiven { plan, .. }
            | What::UndoOrdered { plan, .. }
            | What::UndoIntended { plan, .. }
            | What::UndoEnded { plan, .. }
            | What::PlanOrdered { plan, .. }
            | What::StepReopened { plan, .. }
            | What::WorkGiven { plan, .. } => self.plans.contains(plan),
            What::WordGiven {
                word:
                    SignedWord {
                        word: WordAbout::Done { plan, .. },
                        ..
                    },
            } => self.plans.contains(plan),
            _ => true,
        }
    }
}

proptest! {
    #[test]
    fn live_and_replayed_situations_are_the_same_bytes(facts in any_facts()) {
        let mut live = Situation::default();
        let mut model = Model { phase: Phase::Watching, plans: BTreeSet::new() };
        let mut entries = Vec::new();
        for fact in &facts {
            let before = live.to_json();
            let outcome = live.apply(fact);
            prop_assert_eq!(outcome.is_ok(), model.takes(&fact.what), "{:?}: {:?}", &fact.what, outcome);
            if outcome.is_ok() {
                entries.push(fact.to_bytes());
            } else {
                prop_assert_eq!(before, live.to_json(), "a refused fact changed the situation");
            }
        }
        let again = || Situation::replay(entries.iter().map(Vec::as_slice)).map(|s| s.to_json());
        prop_assert_eq!(again().unwrap(), live.to_json());
        prop_assert_eq!(again().unwrap(), again().unwrap());
        prop_assert_eq!(live.facts, entries.len() as u64);
        prop_assert_eq!(live.phase, model.phase);
        let read: Situation = serde_json::from_str(&live.to_json()).unwrap();
        prop_assert_eq!(read, live);
    }

    #[test]
    fn a_damaged_or_newer_entry_is_named_by_its_index(facts in any_facts(), at in any::<prop::sample::Index>(), newer in any::<bool>()) {
        let mut kept = Situation::default();
        let mut entries: Vec<Vec<u8>> = Vec::new();
        for fact in facts {
            if kept.apply(&fact).is_ok() {
                entries.push(fact.to_bytes());
            }
        }
        let place = at.index(entries.len() + 1);
        let next = FACT_VERSION + 1;
        let newest = format!(r#"{{"v":{next},"at":0,"by":"","what":{{"fact":"not-yet-thought-of"}}}}"#);
        let bad = if newer { newest.as_str() } else { r#"{"v":1,"at":0}"# };
        entries.insert(place, bad.as_bytes().to_vec());
        let error = Situation::replay(entries.iter().map(Vec::as_slice)).unwrap_err();
        match error {
            SituationError::Fact(FactError::Newer { index, found }) => prop_assert!(newer && found == next && index == place as u64),
            SituationError::Fact(FactError::Unreadable { index, .. }) => prop_assert!(!newer && index == place as u64),
            other => prop_assert!(false, "{other:?}"),
        }
    }
}

#[test]
fn a_skipped_phase_is_refused_by_index_and_leaves_the_situation_as_it_was() {
    let enter = |phase| {
        Fact::new(
            Timestamp(1),
            "test",
            What::PhaseEntered {
                phase,
                reason: "why".into(),
            },
        )
    };
    let mut situation = Situation::default();
    situation.apply(&enter(Phase::Alarm)).unwrap();
    let before = situation.clone();
    for phase in [
        Phase::Alarm,
        Phase::Contained,
        Phase::Assessed,
        Phase::Restoring,
        Phase::Recovered,
        Phase::Closed,
    ] {
        let error = situation.apply(&enter(phase)).unwrap_err();
        assert!(matches!(error, SituationError::Phase { index: 1, .. }), "{error}");
        assert_eq!(situation, before);
    }
}

#[test]
fn open_decisions_stand_apart_from_unknowns_and_each_stands_once() {
    let mut situation = Situation::default();
    for _ in 0..2 {
        for what in [
            What::DecisionOpen {
                room: "contain".into(),
                what: "cut pump-1 by hand".into(),
            },
            What::NotKnown {
                room: "probe".into(),
                what: "no answer".into(),
            },
        ] {
            situation.apply(&Fact::new(Timestamp(1), "test", what)).unwrap();
        }
    }
    assert_eq!(situation.open_decisions, ["contain: cut pump-1 by hand"]);
    assert_eq!(situation.unknown, ["probe: no answer"]);
}

#[test]
fn an_alarm_keeps_who_closed_it_and_why_it_is_open_again() {
    let mut situation = Situation::default();
    let mut told = alarm(AlarmLevel::Warning, 60.0);
    let mut apply = |at, by: &str, what| situation.apply(&Fact::new(Timestamp(at), by, what)).unwrap();
    let closed = |reason: &str| What::AlarmClosed {
        alarm: "alarm-1".into(),
        as_what: "closed as false-positive".into(),
        verdict: Some(Verdict::FalsePositive),
        reason: reason.into(),
    };
    apply(1, "detect", What::Alarmed { alarm: told.clone() });
    apply(2, "anna", closed("a scanner"));
    told.reopened = Some("another rule fired".into());
    apply(3, "detect", What::Alarmed { alarm: told });
    apply(4, "bert", closed("the same scanner"));
    let view = &situation.alarms["alarm-1"];
    assert_eq!(view.closed_as.as_deref(), Some("closed as false-positive"));
    let told: Vec<_> = view
        .closings
        .iter()
        .map(|c| (c.by.as_str(), c.reason.as_str(), c.reopened.clone()))
        .collect();
    let again = Some((Timestamp(3), "another rule fired".to_owned()));
    assert_eq!(told, [("anna", "a scanner", again), ("bert", "the same scanner", None)]);
}

#[test]
fn a_suppression_stands_until_it_ended() {
    let mut situation = Situation::default();
    for what in one_of_each() {
        let is_end = matches!(what, What::SuppressionEnded { .. });
        if matches!(what, What::Suppressed { .. }) || is_end {
            situation.apply(&Fact::new(Timestamp(1), "anna", what)).unwrap();
            assert_eq!(situation.suppressions.is_empty(), is_end);
        }
    }
    assert_eq!(situation.facts, 2);
}

/// serde_json without `float_roundtrip` reads this number one unit in the last place off.
#[test]
fn a_risk_keeps_its_last_digit_through_the_ledger() {
    let risk = -1.212_236_848_730_575_6e247;
    let fact = Fact::new(
        Timestamp(0),
        "test",
        What::Alarmed {
            alarm: alarm(AlarmLevel::Notice, risk),
        },
    );
    assert_eq!(Fact::from_bytes(0, &fact.to_bytes()).unwrap(), fact);
}
