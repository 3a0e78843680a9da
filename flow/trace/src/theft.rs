use std::collections::{BTreeMap, BTreeSet};

use leckwehr_detect::AddressBook;
use leckwehr_estate::Estate;
use leckwehr_incident::{Finding, Impact, Timestamp};
use leckwehr_telemetry::Events;
use serde::{Deserialize, Serialize};

use crate::coverage::CLOCK_SKEW_MS;
use crate::scene::Scene;
use crate::{TraceConfig, bytes};

mod beacon;
mod egress;
mod judgement;
mod staging;
mod suspects;
mod tunnel;

pub use beacon::{BEACON_REGULAR_MIN, BEACON_SCORE_MIN, Beacon};
pub use egress::{ByteWindow, WINDOWS_SHOWN_MAX};
pub use judgement::Judgement;
pub use staging::{FILES_READ_MIN, INTERNAL_BYTES_MIN, Staging, StagingKind};
pub use tunnel::Tunnel;

use self::egress::{Outlet, Sent, Steps};
use self::judgement::Facts;
use self::suspects::Suspects;

/// Destinations told one by one: those with evidence first, then by bytes. The others are counted together.
pub const DESTINATIONS_MAX: usize = 1_000;

/// What speaks for theft, what against, and what cannot be determined, per address outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TheftEvidence {
    /// The examined window.
    pub window: Option<(Timestamp, Timestamp)>,
    /// The attack's first sign: before it, nothing is known of him.
    pub first_sign: Option<Timestamp>,
    /// No more than this many bytes left through observed exits in the window.
    pub bytes_out_max: u64,
    /// Of these, no more than this many after the first sign (less the skew of two clocks).
    pub bytes_since_max: u64,
    /// The largest five-minute windows of all destinations together.
    pub windows: Vec<ByteWindow>,
    /// Destinations, those with evidence first, then by bytes.
    pub destinations: Vec<DestinationEvidence>,
    /// Destinations beyond [`DESTINATIONS_MAX`].
    pub others: Others,
    /// What shows that data was brought together.
    pub staging: Vec<Staging>,
    /// Names that data may have left in.
    pub tunnels: Vec<Tunnel>,
    /// Exits that were not observed, in words.
    pub exits_unobserved: Vec<String>,
    /// The bound in one sentence, by language tag (`de`, `en`).
    pub sentence: BTreeMap<String, String>,
}

/// Destinations that are only counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Others {
    /// How many.
    pub destinations: usize,
    /// Bytes to them together, at most.
    pub bytes_out_max: u64,
}

/// One address outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DestinationEvidence {
    /// Address or name.
    pub address: String,
    /// Zone of the estate that it lies in, if any.
    pub zone: Option<String>,
    /// No more than this many bytes went there.
    pub bytes_out_max: u64,
    /// Of these, no more than this many after the attack's first sign.
    pub bytes_since_max: u64,
    /// Bytes that came back, as records give them.
    pub bytes_back: u64,
    /// Whether flow records or a counter gave the bytes of every connection; if not, there is no bound.
    pub measured: bool,
    /// Whether a guard's counter told of it.
    pub counted: bool,
    /// Connections.
    pub connections: u64,
    /// First and last contact.
    pub seen: Option<(Timestamp, Timestamp)>,
    /// Inside hosts that spoke to it while the attacker held or may have held them.
    pub suspects: Vec<String>,
    /// The largest five-minute windows.
    pub windows: Vec<ByteWindow>,
    /// How regular the connections were.
    pub beacons: Vec<Beacon>,
    /// The judgement.
    pub judgement: Judgement,
    /// What speaks for theft.
    pub evidence_for: Vec<String>,
    /// What speaks against it.
    pub evidence_against: Vec<String>,
    /// What cannot be determined, and why.
    pub undetermined: Vec<String>,
}

/// Weighs what left the provider: bounds by conservation at the exits, what was staged before, rhythm and tunnels.
///
/// Bounds count every byte to every address, whether or not anything about it looked bad, so that no judgement can make
/// them smaller. `impact` is that of the same events. O(events log events).
pub fn theft(events: &Events, findings: &[Finding], estate: &Estate, impact: &Impact, config: &TraceConfig) -> TheftEvidence {
    let scene = Scene::new(events, findings, AddressBook::new(estate));
    let suspects = Suspects::new(&scene, impact);
    let outflow = bytes::outflow(&scene);
    let sent = egress::sent(&scene);
    let since = suspects.first_sign.plus_ms(-CLOCK_SKEW_MS);
    let outlets = egress::outlets(&scene, &sent, since);
    let staging = staging::stagings(&scene, impact, &suspects);
    let mut beacons = beacon::beacons(&scene, &sent);
    let mut contacts: BTreeMap<u32, Vec<&Sent>> = BTreeMap::new();
    for s in &sent {
        contacts.entry(s.to).or_default().push(s);
    }
    let addresses: BTreeSet<u32> = outflow.by_address.keys().chain(outlets.keys()).copied().collect();
    let none = Outlet::default();
    let mut destinations = Vec::new();
    let (mut all, mut bytes_since_max) = (Steps::default(), 0_u64);
    for address in addresses {
        let outlet = outlets.get(&address).unwrap_or(&none);
        all = all.join(&outlet.windows, u64::saturating_add);
        bytes_since_max = bytes_since_max.saturating_add(outlet.since_max);
        let facts = Facts {
            scene: &scene,
            impact,
            suspects: &suspects,
            staging: &staging,
            address,
            contacts: contacts.get(&address).map_or(&[][..], Vec::as_slice),
            bytes_out_max: outflow.by_address.get(&address).copied().unwrap_or(0),
            measured: !outflow.unmeasured.contains(&address),
            outlet,
            beacons: beacons.remove(&address).unwrap_or_default(),
        };
        destinations.push(facts.weigh());
    }
    let key = |d: &DestinationEvidence| (d.judgement, std::cmp::Reverse(d.bytes_out_max), d.address.clone());
    destinations.sort_by_cached_key(key);
    let rest = destinations.split_off(destinations.len().min(DESTINATIONS_MAX));
    let mut exits_unobserved = impact.exits_unobserved.clone();
    exits_unobserved.extend(config.untold());
    TheftEvidence {
        window: impact.window,
        first_sign: impact.hosts.iter().any(|h| h.since.is_some()).then_some(suspects.first_sign),
        bytes_out_max: outflow.total,
        bytes_since_max: bytes_since_max.min(outflow.total),
        windows: impact.window.map_or_else(Vec::new, |w| all.largest(w)),
        destinations,
        others: Others {
            destinations: rest.len(),
            bytes_out_max: rest.iter().map(|d| d.bytes_out_max).fold(0, u64::saturating_add),
        },
        staging,
        tunnels: tunnel::tunnels(&scene),
        sentence: sentence(outflow.total, &exits_unobserved),
        exits_unobserved,
    }
}

fn sentence(bytes: u64, open: &[String]) -> BTreeMap<String, String> {
    let (none_de, none_en) = ("keiner bekannt".to_owned(), "none known".to_owned());
    let list = |none: String| if open.is_empty() { none } else { open.join(" · ") };
    let de = format!(
        "Durch die beobachteten Ausgänge haben höchstens {bytes} Bytes das Haus verlassen; nicht beobachtete Ausgänge: {}.",
        list(none_de)
    );
    let en = format!(
        "No more than {bytes} bytes left through observed exits; unobserved exits: {}.",
        list(none_en)
    );
    BTreeMap::from([("de".to_owned(), de), ("en".to_owned(), en)])
}
