use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::{DegradedMode, Estate, Need, Service};
use leckwehr_incident::{ServiceLevel, Situation};

use crate::order::{down, met};
use crate::state::below;

/// What a service does now, as it follows from its systems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceNow<'e> {
    /// Its level.
    pub level: ServiceLevel,
    /// The modes that have what they need, if it does not run whole; in the estate's order, the best first.
    pub modes: Vec<&'e DegradedMode>,
    /// Why, one sentence.
    pub reason: String,
}

impl<'e> ServiceNow<'e> {
    /// Returns the mode in which a customer gets it; `None` if it runs whole, or not at all for this one.
    pub fn mode_for(&self, party: &str) -> Option<&'e DegradedMode> {
        let mut modes = self.modes.iter().copied();
        modes.find(|mode| mode.customers.is_empty() || mode.customers.iter().any(|c| c == party))
    }
}

/// Returns what every service of the estate does now. Pure; O(services · needs of the estate).
///
/// A service runs as well as the worst of its needs, a need as well as the best of its alternatives. One that does not run so
/// is limited if a mode has what it needs.
pub fn services_now<'e>(situation: &Situation, estate: &'e Estate) -> BTreeMap<String, ServiceNow<'e>> {
    let down_below = |least| down(estate, &below(situation, least));
    let view = View {
        situation,
        unusable: down_below(ServiceLevel::Limited),
        limited: down_below(ServiceLevel::Provisional),
        watched: down_below(ServiceLevel::Full),
    };
    let services = estate.services.iter();
    services
        .map(|(id, service)| (id.clone(), view.service(id, service)))
        .collect()
}

struct View<'a> {
    situation: &'a Situation,
    /// What does not work with everything that is usable at all.
    unusable: BTreeSet<String>,
    /// What does not work without systems that are limited themselves.
    limited: BTreeSet<String>,
    /// What does not work without systems that are under observation.
    watched: BTreeSet<String>,
}

impl View<'_> {
    fn service<'e>(&self, id: &str, service: &'e Service) -> ServiceNow<'e> {
        let now = |level, reason: &str| ServiceNow {
            level,
            modes: Vec::new(),
            reason: reason.to_owned(),
        };
        if !self.watched.contains(id) {
            return now(ServiceLevel::Full, "everything that it needs runs");
        }
        if !self.limited.contains(id) {
            return now(
                ServiceLevel::Provisional,
                "everything that it needs is back, under observation",
            );
        }
        let works = |mode: &&DegradedMode| !mode.needs.is_empty() && met(&mode.needs, &self.unusable);
        let modes: Vec<&DegradedMode> = service.degraded.iter().filter(works).collect();
        if !self.unusable.contains(id) {
            let reason = "everything that it needs works, not all of it whole".to_owned();
            let level = ServiceLevel::Limited;
            return ServiceNow { level, modes, reason };
        }
        let missing = self.missing(&service.needs);
        let reason = format!("{} is missing", missing.join(", "));
        match modes.first() {
            Some(mode) => ServiceNow {
                level: ServiceLevel::Limited,
                reason: format!("{}: {reason}", mode.name),
                modes,
            },
            None => now(self.furthest_behind(&missing), &reason),
        }
    }

    /// What stands in needs that no alternative meets.
    fn missing<'n>(&self, needs: &'n [Need]) -> Vec<&'n str> {
        let unmet = needs
            .iter()
            .filter(|need| need.any_of.iter().all(|id| self.unusable.contains(id)));
        unmet.flat_map(|need| &need.any_of).map(String::as_str).collect()
    }

    /// A service comes back with the last of what it misses; what nobody works on is off.
    fn furthest_behind(&self, missing: &[&str]) -> ServiceLevel {
        let level = |id: &&str| self.situation.hosts.get(*id)?.level;
        let levels = missing.iter().map(|id| level(id).unwrap_or(ServiceLevel::Off));
        levels.min().unwrap_or(ServiceLevel::Off).min(ServiceLevel::CleanRoom)
    }
}
