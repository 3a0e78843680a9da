use std::collections::BTreeMap;

use leckwehr_estate::Estate;
use leckwehr_incident::{Impact, Tier, Timestamp};
use leckwehr_telemetry::Events;
use serde::{Deserialize, Serialize};

use crate::coverage::CoverageLedger;

mod cuts;
mod data;
mod link;
mod observed;
mod partner;
mod standing;

pub use cuts::Cuts;
pub use data::{DataExposure, DataPlace, InsurerExposure, RecordBounds};
pub use link::{ConnectionExposure, LinkCoverage};
pub use observed::Observed;
pub use partner::{PartnerCheck, PartyExposure};

use self::standing::Standing;

/// What lies in reach of the attacker: data, insurers, third parties, other healthcare environments.
///
/// In reach does not mean taken. Tiers: *proven*, *probable* and *possible* are those of the hosts; *excluded* only where the
/// coverage ledger proves that every log-on and connection was seen; everything else is *unknown*, never "not affected".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Exposure {
    /// The examined window.
    pub window: Option<(Timestamp, Timestamp)>,
    /// Kinds of data, the most certain first. Records are upper bounds: which of them were looked at is not known.
    pub data: Vec<DataExposure>,
    /// Records by insurer, the most certain first. Unit: records; one person has many.
    pub insurers: Vec<InsurerExposure>,
    /// Records in reach that the estate gives for no single insurer: they may be any insurer's.
    pub records_of_no_insurer: RecordBounds,
    /// Third parties and customers with what they need to look for on their side, the most certain first.
    pub parties: Vec<PartyExposure>,
    /// Parties that run healthcare IT of their own and to which a connection leads from what is in reach.
    pub healthcare_environments: Vec<String>,
    /// What cannot be known, one sentence each.
    pub unknowns: Vec<String>,
}

/// Says what lies in reach of held and possibly held hosts, and what each partner needs to know.
///
/// `impact` is that of the same events; `cuts` says what was cut and when. O(events + connections × (systems + pairs)).
pub fn exposure(events: &Events, impact: &Impact, estate: &Estate, ledger: &CoverageLedger, cuts: &Cuts) -> Exposure {
    let standing = Standing::new(impact, estate, ledger);
    let data = data::data(estate, &standing);
    let insurers = data::insurers(estate, &data);
    let observed = observed::observe(events, estate);
    let parties = partner::parties(estate, impact, &standing, ledger, cuts, &observed, &insurers);
    let reached = parties.iter().filter(|p| p.healthcare && p.tier <= Tier::Possible);
    Exposure {
        window: impact.window,
        records_of_no_insurer: data::of_no_insurer(&data),
        healthcare_environments: reached.map(|p| p.party.clone()).collect(),
        unknowns: unknowns(impact, &data, ledger),
        data,
        insurers,
        parties,
    }
}

fn unknowns(impact: &Impact, data: &[DataExposure], ledger: &CoverageLedger) -> Vec<String> {
    let mut unknowns = vec![
        "Which records on a system in reach were read is in no figure; the numbers are everything that lies there.".to_owned(),
        "What the attacker did in the networks of partners, and whom they pass data on to, only they can see.".to_owned(),
    ];
    let blind = data.iter().filter(|d| d.tier == Tier::Unknown).count();
    if blind > 0 {
        unknowns.push(format!("Of {blind} kinds of data it is not known whether they lie in reach."));
    }
    if ledger.damaged_unowned > 0 {
        unknowns.push(format!(
            "{} damaged records name no sensor: no system is excluded while they are unread.",
            ledger.damaged_unowned
        ));
    }
    if impact.window.is_some_and(|(from, to)| from < ledger.from || ledger.to < to) {
        unknowns.push("The coverage ledger does not cover the whole window.".to_owned());
    }
    unknowns.extend(impact.unknowns.iter().cloned());
    unknowns
}

/// Returns the tier of a whole from those of its parts: any reach counts, then any doubt.
pub(crate) fn worst(tiers: impl IntoIterator<Item = Tier>) -> Tier {
    let rank = |tier: &Tier| match tier {
        Tier::Proven => 0,
        Tier::Probable => 1,
        Tier::Possible => 2,
        Tier::Unknown => 3,
        Tier::Excluded => 4,
    };
    tiers.into_iter().min_by_key(rank).unwrap_or(Tier::Unknown)
}

/// Returns the order in which tiers are told: what is certain first, then what is unknown, then what is excluded.
pub(crate) fn order(tier: Tier) -> u8 {
    match tier {
        Tier::Proven => 0,
        Tier::Probable => 1,
        Tier::Possible => 2,
        Tier::Unknown => 3,
        Tier::Excluded => 4,
    }
}

/// Adds up by key without overflow.
pub(crate) fn add(sums: &mut BTreeMap<String, u64>, key: &str, count: u64) {
    let sum = sums.entry(key.to_owned()).or_default();
    *sum = sum.saturating_add(count);
}
