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

/// Computes what breaks when `systems` and `connections` are cut: whatever needs them, and whatever needs that.
///
/// O(needs of the estate) for each round of the fix-point.
pub fn harm_of(estate: &Estate, systems: &BTreeSet<String>, connections: &BTreeSet<String>) -> Harm {
    let down = all_down(estate, systems, connections);
    let mut harm = Harm::default();
    let mut customers: BTreeSet<&String> = BTreeSet::new();
    let insurers = || estate.parties.iter().filter(|(_, p)| p.kind == PartyKind::Insurer);
    for (id, service) in estate.services.iter().filter(|(id, _)| down.contains(*id)) {
        let level = service_level(estate, id, &down, &down);
        let share = if level == ServiceLevel::Limited { 2 } else { 1 };
        harm.eur_per_hour = harm.eur_per_hour.saturating_add(service.harm_eur_per_hour / share);
        harm.services.insert(id.clone(), level);
        let is_customer = |id: &&String| service.customers.is_empty() || service.customers.contains(*id);
        customers.extend(insurers().map(|(id, _)| id).filter(is_customer));
    }
    harm.insurers = customers.len();
    let insured = customers.iter().filter_map(|id| estate.parties.get(*id)).map(|p| p.insured);
    harm.insured = insured.fold(0, u64::saturating_add);
    harm
}

/// Systems and services that do not work whole: those cut, those that a cut connection breaks, and the least set of others
/// that have a need without an alternative left.
fn all_down(estate: &Estate, systems: &BTreeSet<String>, connections: &BTreeSet<String>) -> BTreeSet<String> {
    let mut down = systems.clone();
    let switches = connections
        .iter()
        .filter_map(|id| estate.connections.get(id)?.switch.as_ref());
    down.extend(switches.flat_map(|s| s.breaks.iter().cloned()));
    let of_systems = estate.systems.iter().map(|(id, s)| (id, &s.needs));
    let of_services = estate.services.iter().map(|(id, s)| (id, &s.needs));
    let all: Vec<(&String, &Vec<Need>)> = of_systems.chain(of_services).collect();
    loop {
        let unmet = |needs: &[Need]| needs.iter().any(|need| need.any_of.iter().all(|id| down.contains(id)));
        let falls = all.iter().filter(|(id, needs)| !down.contains(*id) && unmet(needs));
        let fallen: Vec<String> = falls.map(|(id, _)| (*id).clone()).collect();
        if fallen.is_empty() {
            return down;
        }
        down.extend(fallen);
    }
}

/// Returns the level at which a service runs while `systems_down` and `services_down` are down: whole, limited if a degraded
/// mode has what it needs, or not at all.
///
/// Both sets are to name whatever is down, also what went down with something else ([`Estate::systems_down`]).
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
