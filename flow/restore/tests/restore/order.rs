use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::{Estate, Need, SystemKind};
use leckwehr_incident::Tier;
use leckwehr_restore::{RestoreConfig, RestorePlan, plan_restore};
use proptest::prelude::*;

use crate::estate::{crew, isolated, service, system, zone};

#[derive(Debug, Clone)]
struct Case {
    systems: usize,
    /// Needs of systems first, then of services: all of (any of (number)).
    needs: Vec<Vec<Vec<usize>>>,
    /// Bit set of affected systems.
    affected: u32,
    hands: u32,
}

fn cases() -> impl Strategy<Value = Case> {
    (2_usize..7, 0_usize..3).prop_flat_map(|(systems, services)| {
        let n = systems + services;
        let needs = prop::collection::vec(prop::collection::vec(prop::collection::vec(0..n, 1..3), 0..3), n);
        (needs, 0..1_u32 << systems, 1..4_u32).prop_map(move |(needs, affected, hands)| Case {
            systems,
            needs,
            affected,
            hands,
        })
    })
}

impl Case {
    fn id(&self, n: usize) -> String {
        if n < self.systems { format!("s{n}") } else { format!("v{n}") }
    }

    fn is_affected(&self, n: usize) -> bool {
        n < self.systems && self.affected & 1 << n != 0
    }

    fn estate(&self) -> Estate {
        let mut estate = Estate::default();
        estate.zones.insert("lan".to_owned(), zone("us"));
        estate.crews.insert("crew".to_owned(), crew(self.hands));
        for (n, needs) in self.needs.iter().enumerate() {
            let need = |any: &Vec<usize>| Need {
                any_of: any.iter().map(|a| self.id(*a)).collect(),
            };
            let needs = needs.iter().map(need).collect();
            if n < self.systems {
                let mut system = system(SystemKind::Application, "lan", &[]);
                system.needs = needs;
                system.root_of_trust = n == 1;
                estate.systems.insert(self.id(n), system);
            } else {
                let mut service = service(n as u8, &[]);
                service.needs = needs;
                estate.services.insert(self.id(n), service);
            }
        }
        estate
    }

    fn plan(&self) -> RestorePlan {
        let hosts: Vec<String> = (0..self.systems)
            .filter(|n| self.is_affected(*n))
            .map(|n| self.id(n))
            .collect();
        let tiers = [None, Some(Tier::Possible), Some(Tier::Proven)];
        let hosts: Vec<_> = hosts.iter().enumerate().map(|(i, id)| (id.as_str(), tiers[i % 3])).collect();
        plan_restore(&isolated(&hosts), &self.estate(), &RestoreConfig::default())
    }

    /// What runs while these are lost: everything, minus, again and again, whatever has an unmet need.
    fn running(&self, lost: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut running: BTreeSet<usize> = (0..self.needs.len()).filter(|n| !lost.contains(n)).collect();
        loop {
            let holds = |n: &usize| self.is_met(*n, &running);
            let fewer: BTreeSet<usize> = running.iter().copied().filter(holds).collect();
            if fewer == running {
                return running;
            }
            running = fewer;
        }
    }

    fn is_met(&self, n: usize, running: &BTreeSet<usize>) -> bool {
        self.needs[n].iter().all(|any| any.iter().any(|a| running.contains(a)))
    }

    /// Whether all affected systems can come back one after another with their needs met: every order is tried.
    fn has_an_order(&self, remaining: &BTreeSet<usize>) -> bool {
        let running = self.running(remaining);
        let mut ready = remaining.iter().filter(|n| self.is_met(**n, &running));
        remaining.is_empty()
            || ready.any(|n| {
                let mut fewer = remaining.clone();
                fewer.remove(n);
                self.has_an_order(&fewer)
            })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Held against the definition by brute force: no step before what it needs, in the order and in the schedule; a cycle
    /// warning only where no order exists, and then for the systems that it names.
    #[test]
    fn no_step_stands_before_what_it_needs(case in cases()) {
        let plan = case.plan();
        let affected: BTreeSet<usize> = (0..case.systems).filter(|n| case.is_affected(*n)).collect();
        let number = |id: &str| id[1..].parse::<usize>().unwrap();
        let mut first_start = BTreeMap::new();
        let mut last_end = BTreeMap::new();
        let mut remaining = affected.clone();
        let cycles: Vec<&String> = plan.warnings.iter().filter(|w| w.contains("cannot come back before it")).collect();
        prop_assert_eq!(cycles.is_empty(), case.has_an_order(&affected));
        let warned = |n: usize| cycles.iter().any(|w| w.starts_with(&format!("{} needs", case.id(n))));
        // With every cycle broken where the plan says so.
        let mut eased = case.clone();
        for step in &plan.steps {
            let n = number(&step.target);
            if let Entry::Vacant(entry) = first_start.entry(n) {
                entry.insert(step.start_ms);
                let running = eased.running(&remaining);
                prop_assert!(warned(n) || eased.is_met(n, &running), "step {} too early", step.number);
                eased.needs[n].retain(|any| any.iter().any(|a| running.contains(a)));
            }
            last_end.insert(n, step.end_ms);
            if step.kind.word() == "reconnect" {
                remaining.remove(&n);
            }
        }
        prop_assert!(remaining.is_empty());
        for (n, start) in &first_start {
            let not_back = affected.iter().copied().filter(|a| last_end[a] > *start).collect();
            prop_assert!(eased.is_met(*n, &eased.running(&not_back)), "{n} is planned too early");
        }
        for step in &plan.steps {
            for other in &step.after {
                prop_assert!(*other < step.number && plan.steps[*other as usize - 1].end_ms <= step.start_ms);
            }
            let beside = plan.steps.iter().filter(|s| s.start_ms <= step.start_ms && step.start_ms < s.end_ms).count();
            prop_assert!(beside <= case.hands as usize, "more work than people");
        }
        // The forecast holds by the same definition.
        for forecast in &plan.service_forecasts {
            let n = number(&forecast.service);
            if let Some(at) = forecast.full_ms {
                let not_back = affected.iter().copied().filter(|a| last_end[a] > at).collect();
                prop_assert!(case.running(&not_back).contains(&n));
            }
        }
        prop_assert_eq!(&case.plan(), &plan);
    }
}
