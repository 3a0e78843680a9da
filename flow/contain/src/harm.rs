use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::{Estate, Need, PartyKind};
use leckwehr_incident::ServiceLevel;
use serde::Serialize;

/// What a cut breaks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Harm {
    /// Services and the level they fall to; services that stay whole are left out.
    pub services: BTreeMap<String, ServiceLevel>,
    /// Euros per hour, as the estate states it; a service that runs limited counts half.
    pub eur_per_hour: u64,
    /// Insurers that lose a service.
    pub insurers: usize,
    /// Insured persons of these insurers.
    pub insured: u64,
}

/// Computes what breaks when `systems` and `connections` are cut. O(services × needs) for each round of the fix-point.
pub fn harm_of(estate: &Estate, systems: &BTreeSet<String>, connections: &BTreeSet<String>) -> Harm {
    let down = estate.services_down(systems);
    let mut broken = down.clone();
    for connection in connections {
        let switch = estate.connections.get(connection).and_then(|c| c.switch.as_ref());
        broken.extend(switch.map(|s| s.breaks.clone()).unwrap_or_default());
    }
    let mut harm = Harm::default();
    let mut customers: BTreeSet<&String> = BTreeSet::new();
    for id in &broken {
        let Some(service) = estate.services.get(id) else { continue };
        let level = service_level(estate, id, systems, &down);
        harm.eur_per_hour += service.harm_eur_per_hour / if level == ServiceLevel::Limited { 2 } else { 1 };
        harm.services.insert(id.clone(), level);
        let insurers = estate
            .parties
            .iter()
            .filter(|(_, p)| p.kind == PartyKind::Insurer)
            .map(|(id, _)| id);
        customers.extend(insurers.filter(|i| service.customers.is_empty() || service.customers.contains(i)));
    }
    harm.insurers = customers.len();
    harm.insured = customers
        .iter()
        .filter_map(|id| estate.parties.get(*id))
        .map(|p| p.insured)
        .sum();
    harm
}

/// Returns the level at which a service runs while `systems_down` and `services_down` are down: whole, limited if a degraded
/// mode has what it needs, or not at all.
pub fn service_level(
    estate: &Estate,
    service: &str,
    systems_down: &BTreeSet<String>,
    services_down: &BTreeSet<String>,
) -> ServiceLevel {
    if !services_down.contains(service) {
        return ServiceLevel::Full;
    }
    let up = |id: &String| !systems_down.contains(id) && !services_down.contains(id);
    let met = |needs: &[Need]| needs.iter().all(|need| need.any_of.iter().any(up));
    let modes = estate
        .services
        .get(service)
        .map(|s| s.degraded.as_slice())
        .unwrap_or_default();
    if modes.iter().any(|mode| !mode.needs.is_empty() && met(&mode.needs)) {
        ServiceLevel::Limited
    } else {
        ServiceLevel::Off
    }
}
