//! A route hidden in a log, and how much of it the ways through find: generator and score of `leckwehr bench trace
//! --hidden`.
//!
//! The log is the worst of ordinary: nobody has habits (who talks to whom is drawn anew each time, both by Zipf), every
//! contact looks alike, and the attacker's differ from the rest in nothing but who and when. Each host loses a share of its
//! records, known by its coverage; so does the attacker's route. Something fires on the first and on the last host, and on
//! others by lot, up to ten minutes after the attacker came.

use std::collections::{BTreeMap, BTreeSet};

use leckwehr_incident::Tier;
use serde::Serialize;

use crate::reach::{Contact, Contacts, forward};
use crate::routes::{Anchor, Network, SENSITIVITY, SHARE_MIN, Sighting, WAYS_WEIGHED, between, gaps};

/// Hosts of the largest network.
pub const HOSTS_MAX: u32 = 100_000;
/// Contacts of the largest log.
pub const CONTACTS_MAX: usize = 10_000_000;
/// Nanoseconds in a second, the resolution of the log.
const SECOND: i64 = 1_000_000_000;
/// Nanoseconds in a minute.
const MINUTE: f64 = 60e9;
/// Part of the log that is over when the attacker comes.
const BEFORE: f64 = 0.4;
/// Least minutes on a host.
const DWELL_MINUTES_MIN: f64 = 10.0;

/// How a route is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Hiding {
    /// Hosts of the network, at most [`HOSTS_MAX`].
    pub hosts: u32,
    /// Contacts that have nothing to do with the attacker, at most [`CONTACTS_MAX`].
    pub contacts: usize,
    /// Days that they span.
    pub days: u32,
    /// Steps of the attacker, fewer than hosts.
    pub hops: usize,
    /// Share of records that are lost, 0 to 0.5: exactly this share of the attacker's, by host up to twice as much.
    pub lost: f64,
    /// Share of the attacker's hosts on which something fires, 0 to 1.
    pub marked: f64,
    /// Exponent of the Zipf distributions of who talks and of who is talked to.
    pub zipf: f64,
    /// Mean minutes from arriving on a host to leaving for the next one.
    pub dwell_minutes: f64,
}

impl Default for Hiding {
    fn default() -> Self {
        Self {
            hosts: 1_000,
            contacts: 200_000,
            days: 5,
            hops: 28,
            lost: 0.1,
            marked: 0.6,
            zipf: 1.0,
            dwell_minutes: 60.0,
        }
    }
}

/// A log with a route in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Hidden {
    /// What is left of the log, by time.
    pub sightings: Vec<Sighting>,
    /// Share of records about steps to each host that are lost.
    pub missed: Vec<f64>,
    /// Hosts on which something fired, and when.
    pub anchors: Vec<Anchor>,
    /// The truth: every host of the attacker, with the time of arrival.
    pub route: Vec<Anchor>,
    /// The truth: per hop, whether its record is left.
    pub seen: Vec<bool>,
}

/// Hosts of one tier: right ones and all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Hits {
    /// On the route.
    pub right: usize,
    /// Named.
    pub named: usize,
}

/// How much of the route was named. The first host, where everything begins, is in no figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Score {
    /// Hosts of the route behind the first.
    pub hosts: usize,
    /// All tiers together.
    pub all: Hits,
    /// Something fired there.
    pub proven: Hits,
    /// On nearly every likely way between two of these, with records of the steps.
    pub probable: Hits,
    /// On some likely way, mostly next to an unseen step.
    pub hypothesis: Hits,
    /// Of the hosts that were not named: on which nothing fired, and whose records on both sides are lost, so that no
    /// record of the attacker names them at all.
    pub nameless: usize,
}

impl Score {
    /// Returns whether every host was named.
    pub fn is_whole(&self) -> bool {
        self.all.right == self.hosts
    }
}

impl Hidden {
    /// Hides a route; equal seeds give equal logs. O(contacts × log contacts).
    pub fn new(hiding: &Hiding, seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let hosts = hiding.hosts.clamp(3, HOSTS_MAX);
        let lost = hiding.lost.clamp(0.0, 0.5);
        let missed: Vec<f64> = (0..hosts).map(|_| lost * 2.0 * dice.unit()).collect();
        let span = f64::from(hiding.days.max(1)) * 24.0 * 60.0 * MINUTE;
        let mut contacts = noise(hiding, hosts, span, &mut dice);
        contacts.retain(|(_, _, to)| dice.unit() >= missed[*to as usize]);
        let route = walk(hiding, hosts, span, &mut dice);
        let seen = left(&route, &missed, lost, &mut dice);
        for (pair, seen) in route.windows(2).zip(&seen) {
            if *seen {
                contacts.push((pair[1].since, pair[0].node, pair[1].node));
            }
        }
        contacts.sort_unstable();
        let sighting = |(record, (at, from, to))| Sighting {
            at,
            from,
            to,
            tier: Tier::Possible,
            record,
        };
        Self {
            sightings: contacts.into_iter().enumerate().map(sighting).collect(),
            anchors: mark(hiding, &route, &mut dice),
            missed,
            route,
            seen,
        }
    }

    /// Returns the hosts that the ways through name, with at most this many unseen steps between two hosts known.
    pub fn name(&self, bridges: usize) -> BTreeMap<u32, Tier> {
        let gaps = gaps(&Network {
            sightings: &self.sightings,
            missed: &self.missed,
            anchors: &self.anchors,
            entry: None,
            sensitivity: SENSITIVITY,
            k: WAYS_WEIGHED,
            bridges,
        });
        let between = between(&gaps).into_iter().filter(|(_, b)| b.share >= SHARE_MIN);
        let between = between.map(|(node, between)| (node, between.tier()));
        between.chain(self.anchors.iter().map(|a| (a.node, Tier::Proven))).collect()
    }

    /// Returns the hosts that plain reach from the first host names.
    pub fn reach(&self) -> BTreeMap<u32, Tier> {
        let contacts = self.sightings.iter().map(|s| Contact {
            at: s.at,
            from: s.from,
            to: s.to,
        });
        let seeds: Vec<(u32, i64)> = self.route.first().map(|a| (a.node, a.since)).into_iter().collect();
        let reach = forward(self.missed.len(), &Contacts::new(contacts.collect()), &seeds);
        let reached = reach.time.iter().enumerate().filter(|(_, t)| t.is_some());
        let mut named: BTreeMap<u32, Tier> = reached.map(|(node, _)| (node as u32, Tier::Possible)).collect();
        named.extend(self.anchors.iter().map(|a| (a.node, Tier::Proven)));
        named
    }

    /// Counts what was named against the truth.
    pub fn score(&self, named: &BTreeMap<u32, Tier>) -> Score {
        let first = self.route.first().map(|a| a.node);
        let truth: BTreeSet<u32> = self.route.iter().skip(1).map(|a| a.node).collect();
        let mut score = Score {
            hosts: truth.len(),
            ..Score::default()
        };
        for (node, tier) in named.iter().filter(|(n, _)| Some(**n) != first) {
            let right = usize::from(truth.contains(node));
            let of_tier = match tier {
                Tier::Proven => &mut score.proven,
                Tier::Probable => &mut score.probable,
                _ => &mut score.hypothesis,
            };
            for hits in [of_tier, &mut score.all] {
                hits.right += right;
                hits.named += 1;
            }
        }
        let unnamed = |i: usize| self.route.get(i).is_some_and(|a| !named.contains_key(&a.node));
        let dark = |i: usize| !self.seen[i - 1] && !self.seen.get(i).copied().unwrap_or(false);
        score.nameless = (1..=self.seen.len()).filter(|i| unnamed(*i) && dark(*i)).count();
        score
    }
}

fn noise(hiding: &Hiding, hosts: u32, span: f64, dice: &mut Dice) -> Vec<(i64, u32, u32)> {
    let (talkers, servers) = (Zipf::new(hosts, hiding.zipf, dice), Zipf::new(hosts, hiding.zipf, dice));
    let wanted = hiding.contacts.min(CONTACTS_MAX);
    let mut contacts = Vec::with_capacity(wanted + hiding.hops);
    while contacts.len() < wanted {
        let (from, to) = (talkers.draw(dice), servers.draw(dice));
        let at = (dice.unit() * span) as i64 / SECOND * SECOND;
        if from != to {
            contacts.push((at, from, to));
        }
    }
    contacts
}

/// Different hosts, each left some time after it was reached.
fn walk(hiding: &Hiding, hosts: u32, span: f64, dice: &mut Dice) -> Vec<Anchor> {
    let mut nodes: Vec<u32> = (0..hosts).collect();
    let mut at = span * BEFORE;
    let mut route = Vec::new();
    for _ in 0..=hiding.hops.min(hosts as usize - 1) {
        let node = nodes.swap_remove(dice.below(nodes.len()));
        let since = at as i64 / SECOND * SECOND;
        route.push(Anchor { since, node });
        let longer = (hiding.dwell_minutes - DWELL_MINUTES_MIN).max(0.0);
        at += (DWELL_MINUTES_MIN - longer * (1.0 - dice.unit()).ln()) * MINUTE;
    }
    route
}

/// Draws the hops whose records are lost: exactly the share, the likelier the blinder the host it came to.
fn left(route: &[Anchor], missed: &[f64], lost: f64, dice: &mut Dice) -> Vec<bool> {
    let hops = route.len() - 1;
    let mut seen = vec![true; hops];
    let mut losing = (lost * hops as f64).round() as usize;
    while losing > 0 {
        let i = dice.below(hops);
        if seen[i] && dice.unit() * lost * 2.0 < missed[route[i + 1].node as usize] {
            seen[i] = false;
            losing -= 1;
        }
    }
    seen
}

/// The first and the last host, and others by lot, up to ten minutes after they were reached.
fn mark(hiding: &Hiding, route: &[Anchor], dice: &mut Dice) -> Vec<Anchor> {
    let wanted = (hiding.marked.clamp(0.0, 1.0) * route.len() as f64).round() as usize;
    let mut marked = BTreeSet::from([0, route.len() - 1]);
    while marked.len() < wanted {
        marked.insert(dice.below(route.len()));
    }
    let mut delay = || (dice.unit() * DWELL_MINUTES_MIN * MINUTE) as i64;
    let marked = marked.iter().filter_map(|i| route.get(*i));
    let mut anchors: Vec<Anchor> = marked
        .map(|a| Anchor {
            since: a.since + delay(),
            node: a.node,
        })
        .collect();
    anchors.sort_unstable();
    anchors
}

/// Ranks by a power law, dealt to hosts by lot.
struct Zipf {
    sums: Vec<f64>,
    hosts: Vec<u32>,
}

impl Zipf {
    fn new(hosts: u32, exponent: f64, dice: &mut Dice) -> Self {
        let mut sum = 0.0;
        let weights = (1..=hosts).map(|rank| f64::from(rank).powf(-exponent));
        let sums = weights.map(|w| {
            sum += w;
            sum
        });
        let sums = sums.collect();
        let mut order: Vec<u32> = (0..hosts).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, dice.below(i + 1));
        }
        Self { sums, hosts: order }
    }

    fn draw(&self, dice: &mut Dice) -> u32 {
        let at = dice.unit() * self.sums.last().copied().unwrap_or(0.0);
        let rank = self.sums.partition_point(|s| *s < at).min(self.hosts.len() - 1);
        self.hosts[rank]
    }
}

/// xorshift64* (Vigna 2016).
struct Dice(u64);

impl Dice {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, n: usize) -> usize {
        ((self.unit() * n as f64) as usize).min(n.saturating_sub(1))
    }
}
