use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::{Estate, SystemKind, nearest};
use leckwehr_incident::{Impact, OutsideRole, ServiceLevel, Tier};
use serde::Serialize;

use super::ground::{Ground, OUTSIDE, Switchable};
use super::minimum::{MinimumCut, NoCut};
use super::network::NEVER;
use super::next::{cheapest_cuts, reach};
use super::policy::CutPolicy;
use crate::harm::harm_of;
use crate::options::{CutOption, Scale, perhaps_used};

/// Times that a cut is computed anew because it would take down a vital service as a whole.
const ROUNDS_MAX: usize = 64;

/// One switch of a cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CutSwitch {
    /// `system:…` or `connection:…`.
    pub switch: String,
    /// Harm of using it alone, in euros.
    pub weight: u64,
}

/// A cheapest set of switches between the attacker's possible states and what is protected.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Separation {
    /// Sum of the weights, in euros. The harm of all together, in `option`, is at most that, as services that two switches
    /// break are counted twice here.
    pub value: u64,
    /// What is cut.
    pub switches: Vec<CutSwitch>,
    /// The same as an option that can be planned.
    pub option: CutOption,
    /// Where the attacker may be: `x`, `zone:z` or `outside`.
    pub sources: Vec<String>,
    /// What is protected.
    pub targets: Vec<String>,
    /// What should be protected and is reached already.
    pub lost: Vec<String>,
    /// Systems that the attacker can still reach by some way of the estate, whether he was there or not.
    pub in_reach: Vec<String>,
    /// The policy as it was used: life-lines that only the cut as a whole would have taken down are among its own.
    pub policy: CutPolicy,
    /// Life-lines found by looking at the cut as a whole, with the service.
    pub kept: BTreeMap<String, String>,
    /// Vital services that no cut can spare: they are off with this one.
    pub vital_off: Vec<String>,
    /// The flow that proves that no cut is cheaper, as (from, to, euros) between nodes; empty for all but the cheapest cut.
    #[serde(skip)]
    pub flow: Vec<(String, String, u64)>,
}

/// A state on a way that cannot be cut, and why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenState {
    /// State.
    pub state: String,
    /// Why it cannot be cut.
    pub why: String,
}

/// No cut can be offered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Inseparable {
    /// Nobody to separate.
    #[error("nothing is known of where the attacker is")]
    NoSource,
    /// Nothing to protect.
    #[error("nothing is to be protected: name a zone as protected in the estate, or what to protect")]
    NoTarget,
    /// What is to be protected or spared is not in the estate.
    #[error("nothing in the estate is called `{id}`{}", .near.as_ref().map_or(String::new(), |n| format!("; did you mean `{n}`?")))]
    Unknown {
        /// The name.
        id: String,
        /// The nearest one that is.
        near: Option<String>,
    },
    /// A way cannot be cut.
    #[error("no cut separates the attacker from {}: {}", .way.last().map_or("", |s| s.state.as_str()), words(.way))]
    Open {
        /// The way, the attacker's state first.
        way: Vec<OpenState>,
    },
    /// Too large.
    #[error("the estate cannot be cut: {0}")]
    Malformed(&'static str),
}

fn words(way: &[OpenState]) -> String {
    let states: Vec<String> = way.iter().map(|s| format!("{} ({})", s.state, s.why)).collect();
    states.join(" → ")
}

/// Returns the `count` cheapest cuts between the attacker and what is protected, the cheapest first.
///
/// A vital service that no single switch of the cut takes down, but all together do, makes the dearest of the switches that it
/// takes a life-line, and the cut is computed anew; if none is left then, the earlier cut stands and names what it costs.
/// One flow for each switch in the list, and harm of each cut.
///
/// # Errors
/// [`Inseparable`], with the way that cannot be cut.
pub fn separations(impact: &Impact, estate: &Estate, policy: &CutPolicy, count: usize) -> Result<Vec<Separation>, Inseparable> {
    known(estate, policy)?;
    let mut best: Option<Vec<Separation>> = None;
    let (mut policy, mut kept) = (policy.clone(), BTreeMap::new());
    for _ in 0..ROUNDS_MAX {
        let found = match solve(impact, estate, &policy, &kept, count.max(1)) {
            Ok(found) => found,
            Err(error) => return best.ok_or(error),
        };
        let spoilt = found.first().and_then(|s| Some((s.vital_off.first()?.clone(), s)));
        let spoilt = spoilt.filter(|_| policy.spare_vital);
        let Some((service, separation)) = spoilt else {
            return Ok(found);
        };
        let id = dearest_needed(estate, separation, &service);
        best.get_or_insert(found);
        let Some(id) = id else {
            break;
        };
        policy.life_lines.insert(id.clone());
        kept.insert(id, service);
    }
    best.ok_or(Inseparable::NoSource)
}

/// Every name of the policy is one of the estate.
fn known(estate: &Estate, policy: &CutPolicy) -> Result<(), Inseparable> {
    fn keys<V>(map: &BTreeMap<String, V>) -> impl Iterator<Item = &str> {
        map.keys().map(String::as_str)
    }
    let names = keys(&estate.systems).chain(keys(&estate.services)).chain(keys(&estate.zones));
    let names = names.chain(keys(&estate.data_classes)).chain(keys(&estate.connections));
    let names: BTreeSet<&str> = names.collect();
    let unknown = policy
        .protect
        .iter()
        .chain(&policy.life_lines)
        .find(|id| !names.contains(id.as_str()));
    unknown.map_or(Ok(()), |id| {
        Err(Inseparable::Unknown {
            near: nearest(id, names.iter().copied()).map(str::to_owned),
            id: id.clone(),
        })
    })
}

/// Of the switches that only together take a service down, a smallest such set by leaving out one after the other: the dearest.
fn dearest_needed(estate: &Estate, separation: &Separation, service: &str) -> Option<String> {
    let is_off = |option: (&BTreeSet<String>, &BTreeSet<String>)| {
        harm_of(estate, option.0, option.1).services.get(service) == Some(&ServiceLevel::Off)
    };
    let option = &separation.option;
    let (mut systems, mut connections) = (option.systems.clone(), &option.connections | &option.by_hand);
    for id in systems.clone().iter().chain(&connections.clone()) {
        let (had_system, had_connection) = (systems.remove(id), connections.remove(id));
        if !is_off((&systems, &connections)) {
            systems.extend(had_system.then(|| id.clone()));
            connections.extend(had_connection.then(|| id.clone()));
        }
    }
    let weight = |id: &String| {
        let of = |s: &&CutSwitch| s.switch.split_once(':').is_some_and(|(_, name)| name == id);
        separation.switches.iter().find(of).map_or(0, |s| s.weight)
    };
    let needed = systems.into_iter().chain(connections);
    needed.max_by_key(|id| (weight(id), id.clone()))
}

fn solve(
    impact: &Impact,
    estate: &Estate,
    policy: &CutPolicy,
    kept: &BTreeMap<String, String>,
    count: usize,
) -> Result<Vec<Separation>, Inseparable> {
    let ground = Ground::new(estate, policy);
    let sources = sources(impact, estate, policy, &ground);
    if sources.is_empty() {
        return Err(Inseparable::NoSource);
    }
    let (lost, targets): (Vec<String>, Vec<String>) = targets(estate, policy).into_iter().partition(|t| sources.contains(t));
    if targets.is_empty() {
        return Err(Inseparable::NoTarget);
    }
    let number = |name: &String| ground.state(estate, name);
    let (from, to): (Vec<u32>, Vec<u32>) = (
        sources.iter().filter_map(number).collect(),
        targets.iter().filter_map(number).collect(),
    );
    let cuts = cheapest_cuts(&ground.network, &from, &to, count, &ground.twins()).map_err(|e| why_not(e, &ground))?;
    let frame = Frame {
        impact,
        estate,
        policy,
        kept,
        ground: &ground,
        sources: &sources,
        targets: &targets,
        lost: &lost,
    };
    Ok(cuts
        .iter()
        .enumerate()
        .map(|(place, cut)| frame.separation(cut, place == 0))
        .collect())
}

/// Returns the systems that the attacker can reach by some way of the estate once an option is carried out.
pub fn reach_after(option: &CutOption, impact: &Impact, estate: &Estate, policy: &CutPolicy) -> BTreeSet<String> {
    let ground = Ground::new(estate, policy);
    in_reach(estate, &ground, option, &sources(impact, estate, policy, &ground))
}

fn in_reach(estate: &Estate, ground: &Ground, option: &CutOption, sources: &BTreeSet<String>) -> BTreeSet<String> {
    let is_cut = |switch: &Switchable| match switch {
        Switchable::System(id) => option.systems.contains(id),
        Switchable::Connection(id) => {
            option.connections.contains(id) || option.scale == Scale::Minimum && option.by_hand.contains(id)
        }
    };
    let parts = ground
        .switches
        .iter()
        .filter(|(_, switch)| is_cut(switch))
        .map(|(part, _)| *part)
        .collect();
    let from: Vec<u32> = sources.iter().filter_map(|name| ground.state(estate, name)).collect();
    let reached = reach(&ground.network, &from, &parts);
    let names = reached.iter().filter_map(|v| ground.names.get(*v as usize));
    let systems = names.filter(|name| estate.systems.contains_key(*name));
    systems
        .chain(sources.iter().filter(|s| estate.systems.contains_key(*s)))
        .cloned()
        .collect()
}

/// States where the attacker may be.
fn sources(impact: &Impact, estate: &Estate, policy: &CutPolicy, ground: &Ground) -> BTreeSet<String> {
    let held = impact
        .hosts
        .iter()
        .filter(|h| h.tier <= policy.reach && h.tier <= Tier::Possible);
    let outside = impact.outside.iter().filter(|o| o.role != OutsideRole::Unknown);
    let all = held.map(|h| h.system.as_str()).chain(outside.map(|o| o.address.as_str()));
    let everywhere = policy.outside.then_some(OUTSIDE);
    let numbers = all.chain(everywhere).filter_map(|name| ground.state(estate, name));
    numbers.filter_map(|n| ground.names.get(n as usize).cloned()).collect()
}

/// States that are to be protected. Where nothing is said: who holds special data, and the backups.
fn targets(estate: &Estate, policy: &CutPolicy) -> BTreeSet<String> {
    let mut targets = BTreeSet::new();
    let zone = |id: &String, targets: &mut BTreeSet<String>| {
        targets.insert(format!("zone:{id}"));
        targets.extend(estate.systems.iter().filter(|(_, s)| s.zone == *id).map(|(id, _)| id.clone()));
    };
    let holders = |class: &str| {
        let holds = estate.systems.iter().filter(move |(_, s)| s.data.iter().any(|d| d == class));
        holds.map(|(id, _)| id.clone()).collect::<Vec<_>>()
    };
    for id in estate.zones.iter().filter(|(_, z)| z.protected).map(|(id, _)| id) {
        zone(id, &mut targets);
    }
    for id in &policy.protect {
        if estate.zones.contains_key(id) {
            zone(id, &mut targets);
        } else if estate.systems.contains_key(id) {
            targets.insert(id.clone());
        } else if estate.services.contains_key(id) {
            targets.extend(estate.needs_of_service(id));
        } else {
            targets.extend(holders(id));
        }
    }
    if targets.is_empty() {
        let special = estate.data_classes.iter().filter(|(_, d)| d.special);
        targets.extend(special.flat_map(|(id, _)| holders(id)));
        let backup = [SystemKind::BackupServer, SystemKind::BackupVault];
        let backups = estate.systems.iter().filter(|(_, s)| backup.contains(&s.kind));
        targets.extend(backups.map(|(id, _)| id.clone()));
    }
    targets
}

fn why_not(error: NoCut, ground: &Ground) -> Inseparable {
    let way = match error {
        NoCut::Open { way } => way,
        NoCut::Malformed(what) => return Inseparable::Malformed(what),
    };
    let state = |vertex: &u32| {
        let name = ground.names.get(*vertex as usize).cloned().unwrap_or_default();
        let base = name.split_once('/').map_or(name.as_str(), |(id, _)| id).to_owned();
        let mine = ground
            .prices
            .iter()
            .find(|(s, _)| s.name() == base || s.name() == format!("system:{base}"));
        let why = match mine {
            Some((_, price)) => price
                .life_line
                .clone()
                .unwrap_or_else(|| "held by what is over it".to_owned()),
            None => "no guard can cut it".to_owned(),
        };
        OpenState { state: base, why }
    };
    let mut way: Vec<OpenState> = way.iter().map(state).collect();
    way.dedup();
    Inseparable::Open { way }
}

struct Frame<'f> {
    impact: &'f Impact,
    estate: &'f Estate,
    policy: &'f CutPolicy,
    kept: &'f BTreeMap<String, String>,
    ground: &'f Ground,
    sources: &'f BTreeSet<String>,
    targets: &'f [String],
    lost: &'f [String],
}

impl Frame<'_> {
    fn separation(&self, cut: &MinimumCut, is_cheapest: bool) -> Separation {
        let switches: BTreeSet<&Switchable> = cut.parts.iter().filter_map(|part| self.ground.switches.get(part)).collect();
        let option = self.option(&switches);
        let off = option
            .harm
            .services
            .iter()
            .filter(|(id, level)| **level == ServiceLevel::Off && self.estate.services.get(*id).is_some_and(|s| s.vital));
        let weighed = |switch: &&Switchable| CutSwitch {
            switch: switch.name(),
            weight: self.ground.prices.get(*switch).map_or(NEVER, |p| p.weight),
        };
        Separation {
            value: cut.value,
            switches: switches.iter().map(weighed).collect(),
            vital_off: off.map(|(id, _)| id.clone()).collect(),
            sources: self.sources.iter().cloned().collect(),
            targets: self.targets.to_vec(),
            lost: self.lost.to_vec(),
            in_reach: in_reach(self.estate, self.ground, &option, self.sources)
                .into_iter()
                .collect(),
            option,
            policy: self.policy.clone(),
            kept: self.kept.clone(),
            flow: if is_cheapest { self.named(&cut.flow) } else { Vec::new() },
        }
    }

    fn option(&self, switches: &BTreeSet<&Switchable>) -> CutOption {
        let (mut systems, mut connections, mut by_hand) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for switch in switches {
            match switch {
                Switchable::System(id) => {
                    systems.insert(id.clone());
                }
                Switchable::Connection(id) => {
                    let switch = self.estate.connections.get(id).and_then(|c| c.switch.as_ref());
                    let guarded = switch.is_some_and(|s| s.guard.is_some());
                    if guarded { &mut connections } else { &mut by_hand }.insert(id.clone());
                }
            }
        }
        let all: BTreeSet<String> = connections.union(&by_hand).cloned().collect();
        let held = self
            .impact
            .hosts
            .iter()
            .filter(|h| h.tier <= Tier::Possible && self.estate.systems.contains_key(&h.system));
        let perhaps = perhaps_used(self.impact, self.estate).into_iter();
        CutOption {
            scale: Scale::Minimum,
            harm: harm_of(self.estate, &systems, &all),
            residual: held.map(|h| h.system.clone()).filter(|id| !systems.contains(id)).collect(),
            undecided: perhaps.filter(|(id, _)| !all.contains(id)).collect(),
            systems,
            connections,
            by_hand,
        }
    }

    /// The flow between nodes by name: `x` is where a state is entered, `x>` where it is left.
    fn named(&self, flow: &[(u32, u32, u64)]) -> Vec<(String, String, u64)> {
        let name = |node: u32| {
            let vertex = self.ground.names.get(node as usize / 2);
            match (vertex, node % 2) {
                (Some(name), 0) => name.clone(),
                (Some(name), _) => format!("{name}>"),
                (None, 0) => "attacker".to_owned(),
                (None, _) => "protected".to_owned(),
            }
        };
        let mut sums: BTreeMap<(String, String), u64> = BTreeMap::new();
        for (from, to, amount) in flow {
            *sums.entry((name(*from), name(*to))).or_default() += amount;
        }
        sums.into_iter().map(|((from, to), amount)| (from, to, amount)).collect()
    }
}
