use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::{Estate, Need};

/// A system in the order of return.
#[derive(Debug, PartialEq)]
pub(crate) struct Placed {
    pub system: String,
    /// Affected systems that its needs stand on; all of them stand before it in the order.
    pub after: BTreeSet<String>,
}

/// Systems and services that do not work while `lost` are lost.
pub(crate) fn down(estate: &Estate, lost: &BTreeSet<String>) -> BTreeSet<String> {
    let mut down = estate.systems_down(lost);
    down.extend(estate.services_down(lost));
    down
}

/// Whether every need has an alternative that works.
pub(crate) fn met(needs: &[Need], down: &BTreeSet<String>) -> bool {
    needs.iter().all(|need| need.any_of.iter().any(|id| !down.contains(id)))
}

/// Orders the affected systems: whatever a system needs comes before it, and of those that could come next the one that
/// a root of trust, then the most urgent service, waits for. `extra` are needs beyond the estate's (backups).
///
/// A cycle is broken at its most urgent system: the needs left open there are returned as warnings, and from then on that
/// system counts as working without them.
/// O(affected · needs of the estate).
pub(crate) fn order(estate: &Estate, affected: &BTreeSet<String>, extra: &BTreeMap<String, Need>) -> (Vec<Placed>, Vec<String>) {
    let ranks = ranks(estate, affected, extra);
    let down_at_first = down(estate, affected);
    // The estate as it is with cycles broken.
    let mut eased = estate.clone();
    let mut remaining = affected.clone();
    let (mut placed, mut warnings) = (Vec::new(), Vec::new());
    let mut positions = BTreeMap::new();
    while !remaining.is_empty() {
        let down_now = down(&eased, &remaining);
        let ready = |id: &&String| met(&needs_of(&eased, extra, id), &down_now);
        let urgent = |id: &&String| (ranks.get(*id).copied().unwrap_or(RANK_LAST), (*id).clone());
        let next = remaining.iter().filter(ready).min_by_key(urgent);
        let Some(next) = next.or_else(|| remaining.iter().min_by_key(urgent)).cloned() else {
            break;
        };
        let (closed, open): (Vec<Need>, Vec<Need>) = needs_of(&eased, extra, &next)
            .into_iter()
            .partition(|need| met(std::slice::from_ref(need), &down_now));
        if !open.is_empty() {
            warnings.push(cycle_warning(&next, &open));
            if let Some(system) = eased.systems.get_mut(&next) {
                system.needs.retain(|need| !open.contains(need));
            }
        }
        let support = Support {
            estate: &eased,
            down_at_first: &down_at_first,
            down_now: &down_now,
            positions: &positions,
        };
        let mut after = BTreeSet::new();
        support.collect(&closed, &mut BTreeSet::new(), &mut after);
        positions.insert(next.clone(), positions.len());
        remaining.remove(&next);
        placed.push(Placed { system: next, after });
    }
    (placed, warnings)
}

fn needs_of(estate: &Estate, extra: &BTreeMap<String, Need>, id: &str) -> Vec<Need> {
    let own = estate.systems.get(id).map(|s| s.needs.clone()).unwrap_or_default();
    own.into_iter().chain(extra.get(id).cloned()).collect()
}

fn cycle_warning(system: &str, open: &[Need]) -> String {
    let waits: Vec<String> = open.iter().map(|n| n.any_of.join(" or ")).collect();
    format!(
        "{system} needs {}, which cannot come back before it: it is started without, by hand",
        waits.join(" and ")
    )
}

/// Finds out what satisfied needs stand on.
struct Support<'a> {
    estate: &'a Estate,
    down_at_first: &'a BTreeSet<String>,
    down_now: &'a BTreeSet<String>,
    positions: &'a BTreeMap<String, usize>,
}

impl Support<'_> {
    /// Adds the placed systems that these needs stand on. What never was down stands on nothing; what only came back with
    /// others stands on what those others are.
    fn collect(&self, needs: &[Need], seen: &mut BTreeSet<String>, into: &mut BTreeSet<String>) {
        for need in needs {
            let working = need.any_of.iter().filter(|id| !self.down_now.contains(*id));
            let early = |id: &&String| {
                let was_up = !self.down_at_first.contains(*id);
                (!was_up, self.positions.get(*id).copied().unwrap_or(usize::MAX), (*id).clone())
            };
            let Some(id) = working.min_by_key(early) else { continue };
            if !self.down_at_first.contains(id) || !seen.insert(id.clone()) {
                continue;
            }
            if self.positions.contains_key(id) {
                into.insert(id.clone());
            } else if let Some(system) = self.estate.systems.get(id) {
                self.collect(&system.needs, seen, into);
            } else if let Some(service) = self.estate.services.get(id) {
                self.collect(&service.needs, seen, into);
            }
        }
    }
}

/// How urgent a system is; less is sooner: no root of trust waits for it, priority of the most urgent service, not vital.
type Rank = (bool, u8, bool);

const RANK_LAST: Rank = (true, u8::MAX, true);

fn ranks(estate: &Estate, affected: &BTreeSet<String>, extra: &BTreeMap<String, Need>) -> BTreeMap<String, Rank> {
    let mut ranks: BTreeMap<String, Rank> = BTreeMap::new();
    let mut raise = |id: &str, rank: Rank| {
        if affected.contains(id) {
            let own = ranks.entry(id.to_owned()).or_insert(RANK_LAST);
            own.0 &= rank.0;
            let (priority, not_vital) = (own.1, own.2).min((rank.1, rank.2));
            (own.1, own.2) = (priority, not_vital);
        }
    };
    for (id, service) in &estate.services {
        let rank = (true, service.priority, !service.vital);
        let systems = estate.needs_of_service(id);
        for system in systems.iter().chain(&service.probe) {
            raise(system, rank);
        }
        for needed in systems.iter().filter_map(|s| extra.get(s)).flat_map(|n| &n.any_of) {
            raise(needed, rank);
        }
    }
    for (id, _) in estate.systems.iter().filter(|(_, s)| s.root_of_trust) {
        for system in closure(estate, extra, id) {
            raise(&system, (false, u8::MAX, true));
        }
    }
    ranks
}

/// A system and everything that it may rest on, all alternatives taken.
fn closure(estate: &Estate, extra: &BTreeMap<String, Need>, system: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::from([system.to_owned()]);
    let mut open = vec![system.to_owned()];
    while let Some(id) = open.pop() {
        let of_system = estate.systems.get(&id).map(|s| s.needs.as_slice()).unwrap_or_default();
        let of_service = estate.services.get(&id).map(|s| s.needs.as_slice()).unwrap_or_default();
        for need in of_system.iter().chain(of_service).chain(extra.get(&id)) {
            open.extend(need.any_of.iter().filter(|a| seen.insert((*a).clone())).cloned());
        }
    }
    seen
}
