use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::{Estate, Need};
use leckwehr_incident::{ServiceLevel, Situation, Tier};

use crate::order::order;
use crate::plan::{RestoreConfig, RestorePlan, Step};
use crate::schedule::{Rest, Scene, away, schedule};
use crate::steps::{Affected, Writer};

/// Plans the return of everything that is isolated, or that the attacker was proven or probably in and that is not back yet.
///
/// Pure: the same arguments give the same plan. O(affected · needs of the estate + tries · steps).
pub fn plan_restore(situation: &Situation, estate: &Estate, config: &RestoreConfig) -> RestorePlan {
    let mut written = written(situation, estate, config);
    let away = away(situation);
    let scene = Scene {
        estate,
        config,
        away: &away,
        lost: BTreeSet::new(),
    };
    let rests: Vec<Rest> = written.steps.iter().map(Rest::of).collect();
    let schedule = schedule(&mut written.steps, &rests, &scene);
    written.warnings.extend(schedule.warning);
    RestorePlan::seal(
        situation.as_of,
        (config, away),
        estate,
        written,
        (schedule.services, schedule.insurers),
    )
}

/// The steps of a plan, without times.
pub(crate) struct Written {
    pub steps: Vec<Step>,
    pub warnings: Vec<String>,
    pub open_decisions: Vec<String>,
}

/// Writes down what is to be done, in an order in which it can be done.
pub(crate) fn written(situation: &Situation, estate: &Estate, config: &RestoreConfig) -> Written {
    let (affected, mut warnings) = affected(situation, estate);
    let (extra, backup_warnings) = backup_needs(estate, &affected);
    warnings.extend(backup_warnings);
    let ids: BTreeSet<String> = affected.keys().cloned().collect();
    let (placed, cycles) = order(estate, &ids, &extra);
    warnings.extend(cycles);
    let mut writer = Writer::new(estate, situation, config, &affected);
    writer.write(&placed);
    warnings.extend(writer.warnings);
    Written {
        steps: writer.steps,
        warnings,
        open_decisions: writer.open_decisions,
    }
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
        // What came back through its gates is not planned again; what is lost after that has fallen below this level.
        let is_back = host.level.is_some_and(|level| level >= ServiceLevel::Limited);
        let was_his = matches!(host.tier, Some(Tier::Proven | Tier::Probable));
        if !host.isolated && (is_back || !was_his) {
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
