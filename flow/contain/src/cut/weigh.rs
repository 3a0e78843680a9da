use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::{Estate, Need, PartyKind};

use super::network::WEIGHT_MAX;
use super::policy::CutPolicy;

/// What one switch breaks on its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Broken {
    /// Weight in euros.
    pub weight: u64,
    /// Services that stop altogether.
    pub off: Vec<String>,
}

/// The needs of an estate by number, to see quickly what falls with one thing. The same least fixed point as
/// [`crate::harm_of`], but what did not change is not looked at again.
pub(super) struct Scale<'e> {
    estate: &'e Estate,
    numbers: BTreeMap<&'e str, usize>,
    /// Owner and alternatives of every need.
    needs: Vec<(usize, usize)>,
    /// Needs in which each number is an alternative.
    needed_by: Vec<Vec<usize>>,
    /// Alternatives that stand, by need.
    left: Vec<usize>,
    /// What does not stand even now.
    fallen: Vec<usize>,
    services: BTreeMap<usize, &'e str>,
    insurers: BTreeMap<&'e str, u64>,
}

impl<'e> Scale<'e> {
    pub(super) fn new(estate: &'e Estate) -> Self {
        let of_services = estate.services.iter().map(|(id, s)| (id.as_str(), &s.needs));
        let of_systems = estate.systems.iter().map(|(id, s)| (id.as_str(), &s.needs));
        let all: Vec<(&str, &Vec<Need>)> = of_services.chain(of_systems).collect();
        let numbers: BTreeMap<&str, usize> = all.iter().enumerate().map(|(n, (id, _))| (*id, n)).collect();
        let insurers = estate.parties.iter().filter(|(_, p)| p.kind == PartyKind::Insurer);
        let mut scale = Self {
            estate,
            needs: Vec::new(),
            needed_by: vec![Vec::new(); all.len()],
            left: Vec::new(),
            fallen: Vec::new(),
            services: estate
                .services
                .keys()
                .filter_map(|id| Some((*numbers.get(id.as_str())?, id.as_str())))
                .collect(),
            insurers: insurers.map(|(id, p)| (id.as_str(), p.insured)).collect(),
            numbers,
        };
        for (owner, needs) in all.iter().filter_map(|(id, needs)| Some((*scale.numbers.get(id)?, needs))) {
            for need in *needs {
                let any_of: BTreeSet<&String> = need.any_of.iter().collect();
                for id in any_of.iter().filter_map(|id| scale.numbers.get(id.as_str())) {
                    scale.needed_by[*id].push(scale.needs.len());
                }
                scale.needs.push((owner, any_of.len()));
                scale.left.push(any_of.len());
            }
        }
        let starved: Vec<usize> = scale
            .needs
            .iter()
            .filter(|(_, left)| *left == 0)
            .map(|(owner, _)| *owner)
            .collect();
        scale.fallen = scale.fall(starved);
        scale
    }

    /// Weighs a switch that takes down `ids` (systems or services). O(what falls).
    pub(super) fn weigh<'s>(&mut self, ids: impl Iterator<Item = &'s str>, manual: bool, policy: &CutPolicy) -> Broken {
        let begin: Vec<usize> = ids.filter_map(|id| self.numbers.get(id).copied()).collect();
        let begin = begin.into_iter().chain(self.fallen.clone()).collect();
        let down: BTreeSet<usize> = self.fall(begin).into_iter().collect();
        let (mut eur, mut off) = (0_u64, Vec::new());
        let mut customers: BTreeSet<&str> = BTreeSet::new();
        for id in down.iter().filter_map(|n| self.services.get(n)) {
            let Some(service) = self.estate.services.get(*id) else {
                continue;
            };
            let stands = |id: &String| self.numbers.get(id.as_str()).is_none_or(|n| !down.contains(n));
            let works = |needs: &[Need]| !needs.is_empty() && needs.iter().all(|need| need.any_of.iter().any(stands));
            if service.degraded.iter().any(|mode| works(&mode.needs)) {
                eur = eur.saturating_add(service.harm_eur_per_hour / 2);
            } else {
                eur = eur.saturating_add(service.harm_eur_per_hour);
                off.push((*id).to_owned());
            }
            let is_customer = |i: &&&str| service.customers.is_empty() || service.customers.iter().any(|c| c == **i);
            customers.extend(self.insurers.keys().filter(is_customer));
        }
        let insured = customers
            .iter()
            .filter_map(|i| self.insurers.get(*i))
            .fold(0, |a: u64, n| a.saturating_add(*n));
        let weight = policy
            .switching_eur
            .saturating_add(if manual { policy.manual_eur } else { 0 })
            .saturating_add(eur.saturating_mul(policy.hours))
            .saturating_add((customers.len() as u64).saturating_mul(policy.eur_per_insurer))
            .saturating_add((insured / 1_000).saturating_mul(policy.eur_per_1000_insured));
        Broken {
            weight: weight.min(WEIGHT_MAX),
            off,
        }
    }

    /// Returns all that falls with `open`.
    fn fall(&mut self, mut open: Vec<usize>) -> Vec<usize> {
        let mut down: BTreeSet<usize> = BTreeSet::new();
        while let Some(n) = open.pop() {
            if !down.insert(n) {
                continue;
            }
            for need in &self.needed_by[n] {
                self.left[*need] -= 1;
                if self.left[*need] == 0 {
                    open.push(self.needs[*need].0);
                }
            }
        }
        for need in down.iter().flat_map(|n| &self.needed_by[*n]) {
            self.left[*need] += 1;
        }
        down.into_iter().collect()
    }
}
