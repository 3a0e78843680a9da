use std::collections::{BTreeMap, BTreeSet};

use leckwehr_incident::Tier;

use crate::routes::search::{Blind, Lead, Search, Start, Step, Trail, trails};

/// Share of the attacker's hosts on which something fires, where nothing better is known.
pub const SENSITIVITY: f64 = 0.6;
/// Cost of a step that its own evidence proves, in thousandths of a nat: 3,000 to 1.
const PROVEN_COST: i32 = -8_000;
/// Cost of a step that is probable by its own evidence: 150 to 1.
const PROBABLE_COST: i32 = -5_000;
/// Least cost of any other contact: however rare it is, nothing speaks for it by itself.
const CONTACT_COST_MIN: i32 = 0;
/// One more host was entered from outside by itself, and not from those held before: −ln 0.1.
const ENTRY_COST: i32 = 2_303;
/// Half of all first signs come so soon after the attacker does, on average, in nanoseconds; the others at any time.
const SIGN_AFTER: f64 = 15.0 * 60e9;
/// Shares of trails that cost so much more than the cheapest are nothing (e⁻⁷ ≈ 0.001), in thousandths of a nat.
const SLACK: i32 = 7_000;
/// No probability is taken to be less than this.
const PROBABILITY_MIN: f64 = 1e-6;
/// Hosts known to be held whose way in is looked for one by one.
pub const GAPS_MAX: usize = 1_024;

/// One contact with what its own evidence says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sighting {
    /// When, in nanoseconds.
    pub at: i64,
    /// Host that opened it.
    pub from: u32,
    /// Host that was touched.
    pub to: u32,
    /// Proven and probable steps bear the attacker's marks; possible ones are contacts like any other.
    pub tier: Tier,
    /// The caller's number of the record.
    pub record: usize,
}

/// A host known to be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Anchor {
    /// First sign of the attacker there, in nanoseconds.
    pub since: i64,
    /// Which host.
    pub node: u32,
}

/// What the ways through a network are computed from.
#[derive(Debug, Clone, Copy)]
pub struct Network<'a> {
    /// All contacts between hosts, in any order.
    pub sightings: &'a [Sighting],
    /// Share of steps to each host that leave no record, 0 to 1: 1 − coverage × sensitivity. Its length is the number of
    /// hosts.
    pub missed: &'a [f64],
    /// Hosts known to be held, in any order.
    pub anchors: &'a [Anchor],
    /// Number that stands for everything outside, and when the window begins: from there a host may have been entered
    /// without a contact that shows it.
    pub entry: Option<Anchor>,
    /// Share of the attacker's hosts on which something fires, 0 to 1.
    pub sensitivity: f64,
    /// Trails wanted per host.
    pub k: usize,
    /// Unseen steps at most per trail.
    pub bridges: usize,
}

/// One way to a host known to be held, with its weight among the ways that were found.
#[derive(Debug, Clone, PartialEq)]
pub struct Way {
    /// Its steps and cost.
    pub trail: Trail,
    /// Likelihood relative to all ways found to this host; they add up to 1.
    pub share: f64,
}

/// How the attacker came from the hosts held before to one more.
#[derive(Debug, Clone, PartialEq)]
pub struct Gap {
    /// The host.
    pub anchor: Anchor,
    /// Ways to it, likeliest first; none for the first host.
    pub ways: Vec<Way>,
}

/// Returns for every host known to be held how the attacker came there from those held earlier, in order of time.
///
/// A contact that bears marks costs little. Any other costs by how ordinary it is: with n hosts to choose from, a mean time
/// T from one step to the next, and λ contacts of this pair per unit of time without any attacker, a contact is
/// c ÷ (λ·T·n) times as likely to be the attacker's as not (c: share of records that arrive). λ is the larger of what the pair
/// did in all the records and what two hosts as busy as these would do by chance. A step that nobody recorded is
/// (1 − c) ÷ n. A host on the way on which nothing fired costs the share of hosts on which nothing fires. Setting out from a
/// host held long ago costs by the time since then ÷ T. Half of all first signs are taken to come soon after the attacker
/// does: of the contacts with the host in question, those shortly before its first sign cost least.
pub fn gaps(network: &Network<'_>) -> Vec<Gap> {
    let mut anchors = network.anchors.to_vec();
    anchors.sort_unstable();
    let mut seen = BTreeSet::new();
    anchors.retain(|a| (a.node as usize) < network.missed.len() && seen.insert(a.node));
    anchors.truncate(GAPS_MAX);
    let held: BTreeSet<u32> = anchors.iter().map(|a| a.node).collect();
    let scale = Scale::new(network, &anchors);
    let mut leads = scale.leads(network, &anchors);
    let into = into(&leads, &held);
    let blind = |(node, missed): (usize, &f64)| scale.blind(*missed, held.contains(&(node as u32)));
    let mut blind: Vec<Blind> = network.missed.iter().enumerate().map(blind).collect();
    let mut gaps = Vec::new();
    for (i, anchor) in anchors.iter().enumerate() {
        let mut starts: Vec<Start> = anchors[..i].iter().map(|a| scale.start(a, anchor)).collect();
        starts.extend(network.entry.map(|e| Start {
            at: e.since,
            node: e.node,
            cost: ENTRY_COST,
        }));
        let arriving = into.get(&anchor.node).map_or(&[][..], |l| l);
        let before: Vec<i32> = arriving.iter().map(|l| leads[*l].cost).collect();
        for lead in arriving {
            leads[*lead].cost += scale.early(anchor.since.saturating_sub(leads[*lead].at));
        }
        let unseen = blind[anchor.node as usize].into;
        blind[anchor.node as usize].into = unseen.map(|c| c + scale.unseen(starts.iter().map(|s| s.at).max(), anchor.since));
        let found = trails(&Search {
            leads: &leads,
            blind: &blind,
            starts: &starts,
            target: anchor.node,
            by: anchor.since,
            bridges: network.bridges,
            k: network.k,
            slack: SLACK,
        });
        blind[anchor.node as usize].into = unseen;
        for (lead, cost) in arriving.iter().zip(before) {
            leads[*lead].cost = cost;
        }
        gaps.push(Gap {
            anchor: *anchor,
            ways: weighed(found),
        });
    }
    gaps
}

/// Returns which leads come to each of the hosts.
fn into(leads: &[Lead], hosts: &BTreeSet<u32>) -> BTreeMap<u32, Vec<usize>> {
    let mut into: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (i, lead) in leads.iter().enumerate().filter(|(_, l)| hosts.contains(&l.to)) {
        into.entry(lead.to).or_default().push(i);
    }
    into
}

fn weighed(trails: Vec<Trail>) -> Vec<Way> {
    let cheapest = trails.first().map_or(0, |t| t.cost);
    let weight = |t: &Trail| (-f64::from(t.cost - cheapest) / 1e3).exp();
    let sum: f64 = trails.iter().map(weight).sum();
    let way = |trail: Trail| Way {
        share: weight(&trail) / sum.max(PROBABILITY_MIN),
        trail,
    };
    trails.into_iter().map(way).collect()
}

/// What the logarithms are taken of.
struct Scale {
    hosts: f64,
    /// Mean time from one of the attacker's steps to the next, in nanoseconds.
    pace: f64,
    /// Nanoseconds that the contacts span.
    span: f64,
    unmarked: i32,
}

impl Scale {
    fn new(network: &Network<'_>, anchors: &[Anchor]) -> Self {
        let sensitivity = network.sensitivity.clamp(PROBABILITY_MIN, 1.0);
        let times = network.sightings.iter().map(|s| s.at);
        let span = times.clone().min().zip(times.max()).map_or(0, |(a, b)| b.saturating_sub(a));
        let held = anchors.first().zip(anchors.last());
        let held = held.map_or(0, |(a, b)| b.since.saturating_sub(a.since));
        let steps = (anchors.len().max(2) - 1) as f64 / sensitivity;
        Self {
            hosts: network.missed.len().max(1) as f64,
            pace: (held as f64 / steps).max(1e9),
            span: (span as f64).max(1e9),
            unmarked: cost(1.0 - sensitivity),
        }
    }

    fn start(&self, from: &Anchor, to: &Anchor) -> Start {
        let waited = to.since.saturating_sub(from.since) as f64 / self.pace;
        Start {
            at: from.since,
            node: from.node,
            cost: (waited * 1e3).min(f64::from(i32::MAX / 4)) as i32,
        }
    }

    /// What it costs that the first sign came so long after the step to its host: nothing if at once.
    fn early(&self, before: i64) -> i32 {
        let soon = (self.pace / SIGN_AFTER).max(1.0);
        let density = soon * (-(before as f64) / SIGN_AFTER).exp() + 1.0;
        cost(density / (soon + 1.0))
    }

    /// The same for a step that came at no time known, and for there being no more steps than this one in all the time since
    /// a host was held last.
    fn unseen(&self, last: Option<i64>, since: i64) -> i32 {
        let waited = last.map_or(0, |l| since.saturating_sub(l)) as f64 / self.pace;
        cost(2.0 / ((self.pace / SIGN_AFTER).max(1.0) + 1.0)) + cost(1.0 / waited.max(1.0))
    }

    /// Arriving unseen pays for both ends: what the records of the host it left would show is shown by its own as well.
    fn blind(&self, missed: f64, marked: bool) -> Blind {
        let quiet = if marked { 0 } else { self.unmarked };
        let into = (missed > 0.0).then(|| cost(missed) + cost(1.0 / self.hosts) + quiet);
        Blind { out: Some(0), into }
    }

    fn leads(&self, network: &Network<'_>, anchors: &[Anchor]) -> Vec<Lead> {
        let mut pairs: BTreeMap<(u32, u32), f64> = BTreeMap::new();
        let (mut out, mut into) = (BTreeMap::new(), BTreeMap::new());
        for s in network.sightings {
            *pairs.entry((s.from, s.to)).or_default() += 1.0;
            *out.entry(s.from).or_insert(0.0) += 1.0;
            *into.entry(s.to).or_insert(0.0) += 1.0;
        }
        let marked: BTreeMap<u32, i64> = anchors.iter().map(|a| (a.node, a.since)).collect();
        let all = network.sightings.len() as f64;
        let cost_of = |s: &Sighting| match s.tier {
            Tier::Proven => PROVEN_COST,
            Tier::Probable => PROBABLE_COST,
            _ => {
                let chance = out[&s.from] * into[&s.to] / all;
                let usual = f64::max(pairs[&(s.from, s.to)] - 1.0, chance);
                let arrives = 1.0 - network.missed.get(s.to as usize).copied().unwrap_or(0.0);
                let odds = arrives.max(PROBABILITY_MIN) / (usual / self.span * self.pace * self.hosts).max(PROBABILITY_MIN);
                let quiet = if marked.contains_key(&s.to) { 0 } else { self.unmarked };
                (odd(odds) + quiet).max(CONTACT_COST_MIN)
            }
        };
        let hosts = network.missed.len();
        let known = network
            .sightings
            .iter()
            .filter(|s| (s.from as usize) < hosts && (s.to as usize) < hosts);
        let mut leads: Vec<Lead> = known
            .map(|s| Lead {
                at: s.at,
                from: s.from,
                to: s.to,
                cost: cost_of(s),
                record: s.record,
            })
            .collect();
        leads.sort_unstable();
        leads
    }
}

/// −ln of odds, in thousandths of a nat.
fn odd(odds: f64) -> i32 {
    (-odds.max(PROBABILITY_MIN).ln() * 1e3).round() as i32
}

/// −ln, in thousandths of a nat; what is likelier than not to happen costs nothing.
fn cost(probability: f64) -> i32 {
    (-probability.max(PROBABILITY_MIN * PROBABILITY_MIN).ln() * 1e3)
        .round()
        .max(0.0) as i32
}

/// What speaks for a host that lies on ways between held hosts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Between {
    /// Share of the likely ways that lead over it, 0 to 1; the largest of all gaps.
    pub share: f64,
    /// Most of that share needs an unseen step to it or from it.
    pub bridged: bool,
}

impl Between {
    /// Returns the tier of a host that nothing but this speaks for.
    pub fn tier(&self) -> Tier {
        match self.share >= crate::routes::SHARE_PROBABLE && !self.bridged {
            true => Tier::Probable,
            false => Tier::Possible,
        }
    }
}

/// Returns what speaks for each host that lies on a way and is not known to be held.
pub fn between(gaps: &[Gap]) -> BTreeMap<u32, Between> {
    let mut hosts: BTreeMap<u32, Between> = BTreeMap::new();
    for gap in gaps {
        let mut of_gap: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
        for way in &gap.ways {
            for pair in way.trail.steps.windows(2) {
                let bridged = pair.iter().any(|s| matches!(s, Step::Bridge { .. }));
                let sums = of_gap.entry(pair[0].to()).or_default();
                sums.0 += way.share;
                sums.1 += if bridged { way.share } else { 0.0 };
            }
        }
        for (node, (share, bridged)) in of_gap {
            let found = Between {
                share: share.min(1.0),
                bridged: bridged * 2.0 > share,
            };
            let host = hosts.entry(node).or_insert(found);
            if found.share > host.share {
                *host = found;
            }
        }
    }
    for gap in gaps {
        hosts.remove(&gap.anchor.node);
    }
    hosts
}
