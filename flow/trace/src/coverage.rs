use leckwehr_estate::Estate;
use leckwehr_incident::Coverage;
use leckwehr_telemetry::{Kind, SensorAccount};

use crate::bytes::Outflow;
use crate::scene::Scene;

mod ledger;
mod sensitivity;
mod timeline;

/// Clocks of two machines differ by no more than this, in milliseconds: what a host did this long before the attack's first
/// sign there may have come after it.
pub(crate) const CLOCK_SKEW_MS: i64 = 2_000;

pub(crate) use ledger::damaged_unowned;
pub use ledger::{ASSETS_MAX, CoverageLedger, LedgerConfig, Track};
pub use sensitivity::{HopEvidence, Miss};
pub use timeline::{RUNS_MAX, Run, SLOT_MS, SLOTS_MAX, SlotState};

/// Returns what each sensor saw, by asset and evidence class, with what is known to be missing.
pub(crate) fn coverage(scene: &Scene<'_>, accounts: &[SensorAccount]) -> Vec<Coverage> {
    let mut coverage = Vec::new();
    for account in accounts {
        let sensor = std::iter::once(account.sensor.clone());
        let assets: Vec<String> = match account.hosts.is_empty() {
            true => sensor.collect(),
            false => account
                .hosts
                .iter()
                .map(|h| scene.book.system_or_text(h).to_owned())
                .collect(),
        };
        for asset in &assets {
            coverage.extend(account.classes.iter().map(|class| Coverage {
                asset: asset.clone(),
                class: (*class).to_owned(),
                seen: account.coverage(),
                missing: missing(account),
            }));
        }
    }
    coverage.sort_by(|a, b| (&a.asset, &a.class).cmp(&(&b.asset, &b.class)));
    coverage.dedup_by(|a, b| a.asset == b.asset && a.class == b.class && a.missing == b.missing);
    coverage
}

fn missing(account: &SensorAccount) -> String {
    let mut parts = Vec::new();
    if account.missing > 0 {
        parts.push(format!(
            "{} records missing by {}'s own numbers",
            account.missing, account.sensor
        ));
    }
    if account.damaged > 0 {
        parts.push(format!("{} damaged records kept aside", account.damaged));
    }
    if account.capture_loss > 0.0 {
        parts.push(format!(
            "the capture lost up to {:.1} % of packets",
            account.capture_loss * 100.0
        ));
    }
    if !account.is_numbered() {
        parts.push("its records carry no numbers: a loss would not show".to_owned());
    }
    parts.join("; ")
}

/// Returns the ways out of the provider that nothing observed, in words.
pub(crate) fn exits_unobserved(scene: &Scene<'_>, estate: &Estate, outflow: &Outflow) -> Vec<String> {
    let zone_of = |end: &str| estate.systems.get(end).map_or(end, |s| s.zone.as_str()).to_owned();
    let seen_zones: std::collections::BTreeSet<String> = scene
        .events
        .iter()
        .filter(|e| e.kind() == Kind::Flow)
        .filter_map(|e| match scene.book.system(e.origin()) {
            Some(id) => Some(zone_of(id)),
            None => scene.book.zone(e.origin()).map(str::to_owned),
        })
        .collect();
    let mut unobserved = Vec::new();
    for (id, connection) in &estate.connections {
        let ends = [zone_of(&connection.from), zone_of(&connection.to)];
        let inside: Vec<&String> = ends.iter().filter(|z| estate.is_inside(z)).collect();
        if inside.len() != 1 {
            continue;
        }
        let switch = connection.switch.as_ref().and_then(|s| s.guard.clone());
        let guard = switch.or_else(|| estate.zones.get(inside[0])?.guard.clone());
        let counted = guard.is_some_and(|g| outflow.counters.contains(&g));
        if !counted && !seen_zones.contains(inside[0]) {
            let (name, zone) = (&connection.name, inside[0]);
            unobserved.push(format!(
                "{id} ({name}) out of {zone}: neither a counter at its guard nor a flow record"
            ));
        }
    }
    let unmeasured = outflow.unmeasured.iter().map(|a| scene.name(*a));
    unobserved.extend(unmeasured.map(|a| format!("connections to {a} without byte counts and without a counter")));
    unobserved
}
