use std::collections::BTreeMap;
use std::net::IpAddr;

use leckwehr_estate::{Estate, PartyKind};
use leckwehr_incident::Finding;

use crate::{AddressBook, Place};

/// Share of a finding's weight for the host it came from.
const ORIGIN_SHARE: f64 = 0.5;
/// Share for each service that needs the host directly, and for the party that the host or the origin belongs to.
const STAKE_SHARE: f64 = 0.3;

/// Which services and parties a host stands for.
#[derive(Debug, Default)]
pub(super) struct Stakes {
    book: AddressBook,
    services: BTreeMap<String, Vec<String>>,
    zone_of_system: BTreeMap<String, String>,
    party_of_zone: BTreeMap<String, String>,
}

impl Stakes {
    pub(super) fn new(estate: &Estate) -> Self {
        let mut services: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (id, service) in &estate.services {
            for system in service.needs.iter().flat_map(|need| &need.any_of) {
                services.entry(system.clone()).or_default().push(id.clone());
            }
        }
        let is_other = |party: &String| estate.parties.get(party).is_some_and(|p| p.kind != PartyKind::Provider);
        let foreign = estate.zones.iter().filter(|(_, zone)| is_other(&zone.party));
        Self {
            book: AddressBook::new(estate),
            services,
            zone_of_system: estate.systems.iter().map(|(id, s)| (id.clone(), s.zone.clone())).collect(),
            party_of_zone: foreign.map(|(id, zone)| (id.clone(), zone.party.clone())).collect(),
        }
    }

    /// Returns the entities that a finding raises, each once, with the share of its weight.
    pub(super) fn touched(&self, finding: &Finding) -> Vec<(String, f64)> {
        let mut touched = vec![(format!("host:{}", finding.host), 1.0)];
        if let Some(account) = finding.account.as_ref().filter(|a| !a.is_empty()) {
            touched.push((format!("account:{account}"), 1.0));
        }
        let origin = finding.origin.as_deref().filter(|origin| *origin != finding.host);
        // An address is nobody's host: outside addresses are the trace's business.
        if let Some(origin) = origin.filter(|o| o.parse::<IpAddr>().is_err()) {
            touched.push((format!("host:{origin}"), ORIGIN_SHARE));
        }
        let services = self.services.get(&finding.host).into_iter().flatten();
        touched.extend(services.map(|id| (format!("service:{id}"), STAKE_SHARE)));
        let parties = [Some(finding.host.as_str()), origin].into_iter().flatten();
        for party in parties.filter_map(|end| self.party(end)) {
            let name = format!("party:{party}");
            if touched.iter().all(|(known, _)| *known != name) {
                touched.push((name, STAKE_SHARE));
            }
        }
        touched
    }

    /// Returns the party other than the provider that a system or address belongs to.
    fn party(&self, end: &str) -> Option<&str> {
        let zone = match self.zone_of_system.get(end) {
            Some(zone) => zone.clone(),
            None => match self.book.place(end) {
                Place::Partner(zone) => zone,
                _ => return None,
            },
        };
        self.party_of_zone.get(&zone).map(String::as_str)
    }
}
