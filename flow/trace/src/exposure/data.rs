use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::{Estate, PartyKind, SystemKind};
use leckwehr_incident::{Tier, Timestamp};
use serde::{Deserialize, Serialize};

use super::standing::Standing;
use super::{add, order, worst};

/// A place where a kind of data lies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DataPlace {
    /// The system that the attacker was or may have been on.
    pub system: String,
    /// Why the data is there: `held here`, or the backup set or guest system whose copy is.
    pub because: String,
    /// How sure it is that the attacker was there.
    pub tier: Tier,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// A kind of data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DataExposure {
    /// Data class id.
    pub class: String,
    /// Name for people.
    pub name: String,
    /// Health or social data.
    pub special: bool,
    /// Held in a protected zone.
    pub protected: bool,
    /// How sure it is that it lies in reach.
    pub tier: Tier,
    /// Since when, at the earliest.
    pub since: Option<Timestamp>,
    /// No more than this many records; the whole class, because the estate does not say which records lie where.
    pub records_max: u64,
    /// Of these, by insurer.
    pub by_insurer: BTreeMap<String, u64>,
    /// The rest, of which the estate does not say whose they are.
    pub records_of_no_insurer: u64,
    /// Where it lies, the most certain first.
    pub places: Vec<DataPlace>,
}

/// Upper bounds on records by tier. Each record is counted once, at the tier of its class; the tiers add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RecordBounds {
    /// On systems where the attacker is proven.
    pub proven: u64,
    /// … was probably.
    pub probable: u64,
    /// … may have been.
    pub possible: u64,
    /// Of which nothing is known.
    pub unknown: u64,
    /// Excluded with coverage.
    pub excluded: u64,
}

impl RecordBounds {
    fn add(&mut self, tier: Tier, records: u64) {
        let sum = match tier {
            Tier::Proven => &mut self.proven,
            Tier::Probable => &mut self.probable,
            Tier::Possible => &mut self.possible,
            Tier::Unknown => &mut self.unknown,
            Tier::Excluded => &mut self.excluded,
        };
        *sum = sum.saturating_add(records);
    }

    /// Returns the records in reach: proven, probable and possible together.
    pub fn in_reach(&self) -> u64 {
        self.proven.saturating_add(self.probable).saturating_add(self.possible)
    }
}

/// What of one insurer lies in reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct InsurerExposure {
    /// Party id.
    pub party: String,
    /// Name for people.
    pub name: String,
    /// The most certain tier of its data.
    pub tier: Tier,
    /// Insured persons: no more persons than this can be concerned.
    pub insured_max: u64,
    /// Records; each data class counts once, however many systems hold it.
    pub records: RecordBounds,
    /// Records in reach by data class.
    pub by_class: BTreeMap<String, u64>,
}

/// Returns every kind of data with where it lies and how sure it is that it is in reach.
pub(crate) fn data(estate: &Estate, standing: &Standing<'_>) -> Vec<DataExposure> {
    let mut data: Vec<DataExposure> = estate
        .data_classes
        .iter()
        .map(|(id, class)| {
            let places = places(estate, standing, id);
            let by_insurer = class.by_insurer.clone();
            let attributed = by_insurer.values().copied().fold(0, u64::saturating_add);
            DataExposure {
                class: id.clone(),
                name: class.name.clone(),
                special: class.special,
                protected: holders(estate, id).any(|(_, s)| estate.zones.get(&s.zone).is_some_and(|z| z.protected)),
                tier: worst(places.iter().map(|p| p.tier)),
                since: places.iter().filter_map(|p| p.since).min(),
                // A sum of the insurers' own counts above the total means that the total is out of date.
                records_max: class.records.max(attributed),
                records_of_no_insurer: class.records.saturating_sub(attributed),
                by_insurer,
                places,
            }
        })
        .collect();
    data.sort_by(|a, b| (order(a.tier), a.since, &a.class).cmp(&(order(b.tier), b.since, &b.class)));
    data
}

fn holders<'a>(estate: &'a Estate, class: &str) -> impl Iterator<Item = (&'a String, &'a leckwehr_estate::System)> {
    estate.systems.iter().filter(move |(_, s)| s.data.iter().any(|d| d == class))
}

fn places(estate: &Estate, standing: &Standing<'_>, class: &str) -> Vec<DataPlace> {
    let mut places: BTreeMap<(String, String), (Tier, Option<Timestamp>)> = BTreeMap::new();
    for (id, system) in holders(estate, class) {
        let tier = standing.tier(id);
        places.insert((id.clone(), "held here".to_owned()), (tier, standing.since(id)));
        if let Some((set_id, set)) = system.backup.as_ref().and_then(|b| estate.backup_sets.get_key_value(b)) {
            let store = &set.stored_on;
            let because = format!("backups of {id} ({set_id})");
            places.insert((store.clone(), because), (standing.tier(store), standing.since(store)));
        }
        for host in hypervisors(estate, system) {
            // Who holds the hypervisor can read its guests' disks; that he did is another thing.
            let tier = match standing.tier(host) {
                Tier::Proven | Tier::Probable => Tier::Possible,
                tier => tier,
            };
            let because = format!("disks of its guest {id}");
            places.insert((host.to_owned(), because), (tier, standing.since(host)));
        }
    }
    let mut places: Vec<DataPlace> = places
        .into_iter()
        .map(|((system, because), (tier, since))| DataPlace {
            system,
            because,
            tier,
            since,
        })
        .collect();
    places.sort_by(|a, b| (order(a.tier), a.since, &a.system, &a.because).cmp(&(order(b.tier), b.since, &b.system, &b.because)));
    places
}

fn hypervisors<'a>(estate: &'a Estate, guest: &'a leckwehr_estate::System) -> BTreeSet<&'a str> {
    let needed = guest.needs.iter().flat_map(|n| &n.any_of);
    let is_hypervisor = |id: &&String| estate.systems.get(*id).is_some_and(|s| s.kind == SystemKind::Hypervisor);
    needed.filter(is_hypervisor).map(String::as_str).collect()
}

/// Returns what of each insurer lies in reach.
pub(crate) fn insurers(estate: &Estate, data: &[DataExposure]) -> Vec<InsurerExposure> {
    let parties = estate.parties.iter().filter(|(_, p)| p.kind == PartyKind::Insurer);
    let mut insurers: Vec<InsurerExposure> = parties
        .map(|(id, party)| {
            let (mut records, mut by_class, mut tiers) = (RecordBounds::default(), BTreeMap::new(), Vec::new());
            for class in data {
                let own = class.by_insurer.get(id).copied().unwrap_or(0);
                records.add(class.tier, own);
                if own > 0 {
                    tiers.push(class.tier);
                }
                if own > 0 && class.tier <= Tier::Possible {
                    add(&mut by_class, &class.class, own);
                }
            }
            InsurerExposure {
                party: id.clone(),
                name: party.name.clone(),
                tier: worst(tiers),
                insured_max: party.insured,
                records,
                by_class,
            }
        })
        .collect();
    let reach = |i: &InsurerExposure| std::cmp::Reverse(i.records.in_reach());
    insurers.sort_by(|a, b| (order(a.tier), reach(a), &a.party).cmp(&(order(b.tier), reach(b), &b.party)));
    insurers
}

pub(crate) fn of_no_insurer(data: &[DataExposure]) -> RecordBounds {
    let mut bounds = RecordBounds::default();
    for class in data {
        bounds.add(class.tier, class.records_of_no_insurer);
    }
    bounds
}
