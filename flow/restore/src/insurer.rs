use leckwehr_estate::{Estate, PartyKind, Service};

use crate::outage::{Outage, OutageProblem};

/// What an insurer gets of some services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsurerWay {
    /// Party id.
    pub insurer: String,
    /// Services that it gets, as positions.
    pub services: Vec<usize>,
    /// Those of them that are vital.
    pub essential: Vec<usize>,
    /// For each of its services its insured persons, and those of all insurers that get it; 1 each where nobody counted them.
    shares: Vec<(u64, u64)>,
}

impl InsurerWay {
    /// Returns its share of what the outages of services cost: by insured persons among those who get a service. The shares of all
    /// insurers are together the costs, but for rounding.
    pub fn cost(&self, costs: &[u64]) -> u64 {
        let part = |(service, (own, all)): (&usize, &(u64, u64))| {
            let cost = costs.get(*service).copied().unwrap_or(0);
            u128::from(cost) * u128::from(*own) / u128::from((*all).max(1))
        };
        let sum = self.services.iter().zip(&self.shares).map(part).sum::<u128>();
        u64::try_from(sum).unwrap_or(u64::MAX)
    }
}

/// Returns for each insurer that gets at least one of these services which of them it gets. O(insurers · services · insurers).
pub fn insurer_ways(estate: &Estate, services: &[String]) -> Vec<InsurerWay> {
    let insurers: Vec<(&String, u64)> = estate
        .parties
        .iter()
        .filter(|(_, party)| party.kind == PartyKind::Insurer)
        .map(|(id, party)| (id, party.insured))
        .collect();
    let counted = insurers.iter().all(|(_, insured)| *insured > 0);
    let weight = |insured: u64| if counted { insured } else { 1 };
    let known: Vec<Option<(&Service, u64)>> = services
        .iter()
        .map(|id| {
            let service = estate.services.get(id)?;
            let all = insurers.iter().filter(|(id, _)| gets(service, id));
            Some((service, all.map(|(_, insured)| weight(*insured)).sum()))
        })
        .collect();
    let way = |(id, insured): &(&String, u64)| {
        let mut way = InsurerWay {
            insurer: (*id).clone(),
            services: Vec::new(),
            essential: Vec::new(),
            shares: Vec::new(),
        };
        for (position, (service, all)) in known.iter().enumerate().filter_map(|(p, k)| Some((p, (*k)?))) {
            if gets(service, id) {
                way.services.push(position);
                way.shares.push((weight(*insured), all));
                if service.vital {
                    way.essential.push(position);
                }
            }
        }
        way
    };
    insurers.iter().map(way).filter(|way| !way.services.is_empty()).collect()
}

fn gets(service: &Service, insurer: &String) -> bool {
    service.customers.is_empty() || service.customers.contains(insurer)
}

/// Adds for each insurer two outages that cost nothing, after those of the services: until its essential services are back, and
/// until all are. Their forecast is the insurer's.
pub fn with_insurers(problem: &OutageProblem, ways: &[InsurerWay]) -> OutageProblem {
    let mut with_them = problem.clone();
    for way in ways {
        for services in [&way.essential, &way.services] {
            let needs = services.iter().filter_map(|s| problem.outages.get(*s));
            with_them.outages.push(Outage {
                needs: needs.flat_map(|o| o.needs.iter().cloned()).collect(),
                breach_at: u32::MAX,
                ..Outage::default()
            });
        }
    }
    with_them
}
