use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::{Estate, Need};
use leckwehr_incident::{Situation, Tier};

use crate::forecast::forecast;
use crate::order::order;
use crate::plan::{RestoreConfig, RestorePlan};
use crate::schedule::{away, schedule};
use crate::steps::{Affected, Writer};

/// Plans the return of everything that is isolated, or that the attacker was proven or probably in.
///
/// Pure: the same arguments give the same plan. O(affected · needs of the estate).
pub fn plan_restore(situation: &Situation, estate: &Estate, config: &RestoreConfig) -> RestorePlan {
    let (affected, mut warnings) = affected(situation, estate);
    let (extra, backup_warnings) = backup_needs(estate, &affected);
    warnings.extend(backup_warnings);
    let ids: BTreeSet<String> = affected.keys().cloned().collect();
    let (placed, cycles) = order(estate, &ids, &extra);
    warnings.extend(cycles);
    let mut writer = Writer::new(estate, situation, config, &affected);
    writer.write(&placed);
    let (mut steps, open_decisions, last) = (writer.steps, writer.open_decisions, writer.last);
    warnings.extend(writer.warnings);
    let away = away(situation);
    schedule(&mut steps, estate, config, &away);
    let ready = |number: &u32| steps.get(*number as usize - 1).map_or(0, |step| step.end_ms());
    let ready_ms: BTreeMap<String, u64> = last.iter().map(|(id, number)| (id.clone(), ready(number))).collect();
    let forecasts = forecast(estate, &ready_ms, config.p90_percent);
    let down = forecasts.iter().filter_map(|f| estate.services.get(&f.service));
    let harm_eur_per_hour = down.fold(0_u64, |sum, service| sum.saturating_add(service.harm_eur_per_hour));
    RestorePlan::seal((config, away), harm_eur_per_hour, steps, forecasts, warnings, open_decisions)
}

fn affected(situation: &Situation, estate: &Estate) -> (BTreeMap<String, Affected>, Vec<String>) {
    let since = |id: &String| {
        let assessed = situation.impact.hosts.iter().filter(|h| h.system == *id);
        assessed.filter_map(|h| h.since).min()
    };
    let (mut affected, mut warnings) = (BTreeMap::new(), Vec::new());
    for (id, host) in &situation.hosts {
        let found = Affected {
            tier: host.tier,
            isolated: host.isolated,
            since: since(id),
        };
        if !host.isolated && !matches!(host.tier, Some(Tier::Proven | Tier::Probable)) {
            continue;
        }
        if estate.systems.contains_key(id) {
            affected.insert(id.clone(), found);
        } else {
            warnings.push(format!("{id} is affected and not in the estate: nothing is planned for it"));
        }
    }
    (affected, warnings)
}

/// A system whose files come from a backup needs the system that holds it, unless a copy lies where the attacker was not.
fn backup_needs(estate: &Estate, affected: &BTreeMap<String, Affected>) -> (BTreeMap<String, Need>, Vec<String>) {
    let (mut needs, mut warnings) = (BTreeMap::new(), Vec::new());
    for (id, _) in affected.iter().filter(|(_, a)| a.is_restored()) {
        let Some(set_id) = estate.systems.get(id).and_then(|s| s.backup.as_ref()) else {
            continue;
        };
        let Some(set) = estate.backup_sets.get(set_id) else { continue };
        let holders: Vec<String> = [Some(&set.stored_on), set.offline_copy.as_ref()]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        let untouched = |holder: &&String| !affected.get(*holder).is_some_and(Affected::is_restored);
        if !holders.iter().any(|h| untouched(&h)) {
            warnings.push(format!(
                "every copy of {set_id} lies where the attacker was ({}): check it before {id} is restored from it",
                holders.join(", ")
            ));
        }
        let in_place = holders.iter().any(|h| !affected.contains_key(h));
        let systems: Vec<String> = holders.into_iter().filter(|h| h != id && affected.contains_key(h)).collect();
        if !in_place && !systems.is_empty() {
            needs.insert(id.clone(), Need { any_of: systems });
        }
    }
    (needs, warnings)
}
