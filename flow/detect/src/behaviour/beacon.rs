use std::collections::VecDeque;

use leckwehr_incident::Timestamp;
use leckwehr_telemetry::Kind;
use serde::{Deserialize, Serialize};

use super::Context;
use super::keyed::Keyed;
use super::look::{Found, Look, Side, Sign, digest};
use super::rhythm::{HOURS, Rhythm};
use super::season::hour_of;

/// Pairs of host and peer whose rhythm is watched.
pub const BEACON_PAIRS_MAX: usize = 16_384;
/// Connections remembered per pair, the newest.
const CONNECTIONS_MAX: usize = 256;
/// Connections between two measurements of a pair that is full.
const STEP: u64 = 64;
/// Hosts counted for prevalence.
const HOSTS_MAX: usize = 65_536;
/// Calls that a recording too short for duration must show, and seconds that they must span: in a short time everything is
/// regular, and a page loads from one address a dozen times a second.
const SHORT_CONNECTIONS_MIN: usize = 12;
const SHORT_SPAN_S_MIN: f64 = 600.0;
/// Modifiers of the score and where they begin: prevalence among hosts that go outside, days since the peer was first seen.
const MODIFIER: f64 = 0.15;
const RARE_SHARE: f64 = 0.02;
const COMMON_SHARE: f64 = 0.5;
const YOUNG_S: f64 = 7.0 * 86_400.0;
const OLD_S: f64 = 30.0 * 86_400.0;

/// Programs that call home: host and address, and host and server name of TLS and HTTP, as addresses change behind a name.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct BeaconWatch {
    begun: Option<Timestamp>,
    pairs: Keyed<(u64, u64, u16), Pair, BEACON_PAIRS_MAX>,
    hosts: Keyed<u64, (), HOSTS_MAX>,
    peers: Keyed<u64, Peer, BEACON_PAIRS_MAX>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Pair {
    starts: VecDeque<Timestamp>,
    sizes: VecDeque<f64>,
    /// Connections per hour, ending with `hour`.
    hours: VecDeque<u32>,
    hour: i64,
    count: u64,
    measure_at: u64,
    /// It had this rhythm while learning: a program that belongs there.
    learned: bool,
    told: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Peer {
    hosts: u32,
    first: Option<Timestamp>,
}

impl BeaconWatch {
    pub(crate) fn observe(&mut self, look: &Look<'_>, context: &Context, found: &mut Found) {
        let Some((peer_name, port)) = peer(look) else { return };
        let begun = *self.begun.get_or_insert(look.at);
        let peer_key = match look.event.kind() {
            Kind::Flow => look.destination.key,
            _ => digest(context.hash_key, peer_name),
        };
        let host = look.opener_or_host();
        self.hosts.entry(host.key);
        let pair = self.pairs.entry((host.key, peer_key, port));
        let peer = self.peers.entry(peer_key);
        peer.first.get_or_insert(look.at);
        peer.hosts = peer.hosts.saturating_add(u32::from(pair.count == 0));
        pair.add(look.at, look.event.bytes_out().unwrap_or(0) as f64);
        if pair.count < pair.measure_at {
            return;
        }
        pair.measure_at = (pair.count + pair.count / 2).min(pair.count + STEP).max(4);
        let Some(rhythm) = pair.rhythm(begun) else { return };
        let score = modified(rhythm.score, peer, self.hosts.len(), context.learning, look.at, begun);
        let told = if pair.learned { 0.0 } else { score };
        found.opine("beacon", look.at, told, || format!("{}>{peer_name}:{port}", host.name));
        let enough = rhythm.duration.is_some() || pair.is_kept();
        if score < context.thresholds.beacon_score_min || !enough {
            return;
        }
        if context.learning {
            pair.learned = true;
        } else if !pair.learned && !pair.told {
            pair.told = true;
            let part = |part: Option<f64>| part.map_or_else(|| "not known".to_owned(), |p| format!("{p:.2}"));
            found.push(look.finding(Sign {
                title: "Beacon",
                techniques: "T1071",
                weight: 20,
                origin: Some(peer_name),
                detail: format!(
                    "{} calls {peer_name}:{port} every {:.1} s, {} times (score {score:.2}: timing {:.2}, size {:.2}, \
                     duration {}, histogram {})",
                    host.name,
                    rhythm.interval_s,
                    pair.count,
                    rhythm.timing,
                    rhythm.size,
                    part(rhythm.duration),
                    part(rhythm.histogram)
                ),
            }));
        }
    }
}

/// Returns whom an inside host called, by name where the record has one.
fn peer<'a>(look: &Look<'a>) -> Option<(&'a str, u16)> {
    if look.destination.side != Side::Outside || !look.opener_or_host().is_inside() {
        return None;
    }
    let name = match look.event.kind() {
        Kind::Tls => look.event.object(),
        Kind::Web => look.event.field("host").unwrap_or(""),
        _ => look.destination.text,
    };
    (!name.is_empty()).then_some((name, look.event.port()))
}

/// RITA's modifiers: what few hosts call and what is new counts more, what half of them call and what is old counts less.
fn modified(score: f64, peer: &Peer, hosts: usize, learning: bool, now: Timestamp, begun: Timestamp) -> f64 {
    let share = f64::from(peer.hosts) / hosts.max(1) as f64;
    let prevalence = match share {
        _ if hosts < 3 => 0.0,
        s if s <= RARE_SHARE => MODIFIER,
        s if s >= COMMON_SHARE => -MODIFIER,
        _ => 0.0,
    };
    // Nothing is old to a recording that has just begun.
    let watched_s = now.seconds_since(begun);
    let age_s = peer.first.map_or(0.0, |first| now.seconds_since(first));
    let first_seen = match age_s {
        a if a >= OLD_S => -MODIFIER,
        a if a <= YOUNG_S && watched_s > YOUNG_S && !learning => MODIFIER,
        _ => 0.0,
    };
    score + prevalence + first_seen
}

impl Pair {
    fn add(&mut self, at: Timestamp, size: f64) {
        self.count += 1;
        if self.starts.len() >= CONNECTIONS_MAX {
            self.starts.pop_front();
            self.sizes.pop_front();
        }
        self.starts.push_back(at);
        self.sizes.push_back(size);
        let hour = hour_of(at);
        if self.hours.is_empty() || hour - self.hour >= HOURS as i64 {
            self.hours.clear();
            self.hours.push_back(0);
            self.hour = hour;
        }
        while self.hour < hour {
            self.hours.push_back(0);
            self.hour += 1;
        }
        while self.hours.len() > HOURS {
            self.hours.pop_front();
        }
        // A late record belongs to the hour that it says, if that is still there.
        let back = usize::try_from(self.hour - hour).unwrap_or(usize::MAX);
        let place = self.hours.len().checked_sub(1).and_then(|last| last.checked_sub(back));
        if let Some(count) = place.and_then(|place| self.hours.get_mut(place)) {
            *count += 1;
        }
    }

    /// Returns whether there are calls enough, over time enough, for a recording that is too short to know their duration.
    fn is_kept(&self) -> bool {
        let ends = self.starts.front().zip(self.starts.back());
        self.starts.len() >= SHORT_CONNECTIONS_MIN && ends.is_some_and(|(a, b)| b.seconds_since(*a) >= SHORT_SPAN_S_MIN)
    }

    /// Returns the rhythm over the last 24 hours that were watched.
    fn rhythm(&self, begun: Timestamp) -> Option<Rhythm> {
        let now = *self.starts.iter().max()?;
        let from = now.plus_ms(-24 * 3_600_000).max(begun);
        let recent = || self.starts.iter().zip(&self.sizes).filter(|(at, _)| **at >= from);
        let starts: Vec<Timestamp> = recent().map(|(at, _)| *at).collect();
        let sizes: Vec<f64> = recent().map(|(_, size)| *size).collect();
        let watched = usize::try_from(self.hour - hour_of(from) + 1).unwrap_or(1).clamp(1, HOURS);
        let mut hours = vec![0; watched.saturating_sub(self.hours.len())];
        hours.extend(self.hours.iter().skip(self.hours.len().saturating_sub(watched)));
        Rhythm::measure(&starts, &sizes, &hours, (from, now))
    }
}
