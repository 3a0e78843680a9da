use std::collections::{BTreeMap, BTreeSet};

use leckwehr_incident::Tier;
use leckwehr_telemetry::{SensorAccount, Sym};

use crate::routes::gap::Sighting;
use crate::routes::link::Links;
use crate::scene::Scene;

/// Of 29 captures of remote execution, 29 showed the hop in connection records.
const FLOW_SENSITIVITY: f64 = 1.0;
/// Of the same 29, 22 showed it in log-on records.
const LOGON_SENSITIVITY: f64 = 22.0 / 29.0;
/// No more than this counts where a sensor does not number its records: a loss would not show.
const UNNUMBERED_COVERAGE_MAX: f64 = 0.9;

/// Returns per host the share of steps to it that leave no record: 1 − coverage × sensitivity of the best sensor that spoke
/// about it: its own, or one on the network. 1 for hosts that no such sensor spoke about.
pub(crate) fn missed(scene: &Scene<'_>, accounts: &[SensorAccount]) -> Vec<f64> {
    let accounts: BTreeMap<&str, &SensorAccount> = accounts.iter().map(|a| (a.sensor.as_str(), a)).collect();
    let mut spoke: BTreeSet<(u32, Sym)> = BTreeSet::new();
    for event in scene.events.iter() {
        let about = match event.host_sym().is_none() {
            true => [scene.node_of(event.origin_sym()), scene.node_of(event.destination_sym())],
            false => [scene.node_of(event.host_sym()), None],
        };
        spoke.extend(about.into_iter().flatten().map(|node| (node, event.sensor_sym())));
    }
    let mut missed = vec![1.0; scene.names.len()];
    for (node, sensor) in spoke {
        let seen = accounts.get(scene.events.symbols().text(sensor)).map_or(0.0, |a| sees(a));
        if let Some(slot) = missed.get_mut(node as usize) {
            *slot = f64::min(*slot, 1.0 - seen);
        }
    }
    missed
}

/// Returns the share of steps that the sensor would have shown.
fn sees(account: &SensorAccount) -> f64 {
    let sensitivity = |class: &str| match class {
        "flow" => FLOW_SENSITIVITY,
        "logon" => LOGON_SENSITIVITY,
        _ => 0.0,
    };
    let best = account.classes.iter().map(|c| sensitivity(c)).fold(0.0, f64::max);
    let known = if account.is_numbered() { 1.0 } else { UNNUMBERED_COVERAGE_MAX };
    best * f64::min(account.coverage(), known)
}

/// Returns the contacts between inside hosts, and those from outside with all addresses outside as one host, whose number
/// is the last.
pub(crate) fn sightings(scene: &Scene<'_>, links: &Links<'_>) -> Vec<Sighting> {
    let outside = scene.names.len() as u32;
    let hops = links.pairs();
    let mut sightings = Vec::with_capacity(scene.touches.len());
    for (index, touch) in scene.touches.iter().enumerate() {
        let tier = match hops.contains(&(touch.from, touch.to)) {
            true => links.tier_of(touch.from, touch.to, touch.row),
            false => Tier::Possible,
        };
        sightings.push(Sighting {
            at: touch.at.0,
            from: if scene.is_inside(touch.from) { touch.from } else { outside },
            to: touch.to,
            tier,
            record: index,
        });
    }
    sightings
}
