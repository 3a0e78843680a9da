use std::collections::{BTreeMap, BTreeSet};

use leckwehr_incident::Timestamp;
use leckwehr_telemetry::Kind;
use serde::{Deserialize, Serialize};

use crate::scene::Scene;

/// Different names under one domain that make a tunnel.
const NAMES_MIN: usize = 50;
/// Mean length of what stands before the domain, in characters, that makes a tunnel.
const LENGTH_MIN: f64 = 24.0;
/// Entropy of these characters in bits per character, from which on they are no words.
const ENTROPY_BITS_MIN: f64 = 3.6;
/// Tunnels shown, the largest first.
const TUNNELS_MAX: usize = 50;
/// Names kept per domain to tell them apart; more are different for sure.
const NAMES_KEPT_MAX: usize = 10_000;

/// Names that one host looked up under one domain, as a way out for data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tunnel {
    /// Host that asked.
    pub host: String,
    /// The domain: the last two labels.
    pub domain: String,
    /// Different names.
    pub names: usize,
    /// Look-ups.
    pub queries: u64,
    /// No more than this many bytes can have left inside the names: their length in all.
    pub bytes_max: u64,
    /// Mean length of what stands before the domain, in characters.
    pub length: f64,
    /// Entropy of these characters, in bits per character.
    pub entropy_bits: f64,
    /// First and last look-up.
    pub seen: (Timestamp, Timestamp),
    /// Number, length and entropy are those of a tunnel.
    pub is_tunnel: bool,
}

#[derive(Default)]
struct Asked<'a> {
    names: BTreeSet<&'a str>,
    queries: u64,
    bytes: u64,
    length: u64,
    letters: BTreeMap<char, u64>,
    seen: Option<(Timestamp, Timestamp)>,
}

/// Returns the domains under which hosts looked up so much that data may have left in names, tunnels first, then by bytes.
///
/// The names leave through a resolver: their bytes are in the bound of the exit, if that exit is observed.
pub(crate) fn tunnels(scene: &Scene<'_>) -> Vec<Tunnel> {
    let mut domains: BTreeMap<(&str, &str), Asked<'_>> = BTreeMap::new();
    for event in scene.events.iter().filter(|e| e.kind() == Kind::Name) {
        let name = event.object().trim_end_matches('.');
        let Some((before, domain)) = split(name) else {
            continue;
        };
        let host = if event.origin().is_empty() {
            event.host()
        } else {
            event.origin()
        };
        let asked = domains.entry((host, domain)).or_default();
        asked.queries += 1;
        asked.bytes = asked.bytes.saturating_add(name.len() as u64);
        asked.length += before.chars().count() as u64;
        for letter in before.chars().filter(|c| *c != '.') {
            *asked.letters.entry(letter.to_ascii_lowercase()).or_default() += 1;
        }
        if asked.names.len() < NAMES_KEPT_MAX {
            asked.names.insert(name);
        }
        let at = event.time();
        asked.seen = Some(asked.seen.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
    }
    let told = domains.into_iter().filter(|(_, a)| a.names.len() >= NAMES_MIN);
    let mut tunnels: Vec<Tunnel> = told
        .map(|((host, domain), asked)| tunnel(scene, host, domain, &asked))
        .collect();
    tunnels.sort_by_key(|t| (!t.is_tunnel, std::cmp::Reverse(t.bytes_max), t.host.clone(), t.domain.clone()));
    tunnels.truncate(TUNNELS_MAX);
    tunnels
}

fn tunnel(scene: &Scene<'_>, host: &str, domain: &str, asked: &Asked<'_>) -> Tunnel {
    let length = asked.length as f64 / asked.queries.max(1) as f64;
    let entropy_bits = entropy(&asked.letters);
    Tunnel {
        host: scene.book.system_or_text(host).to_owned(),
        domain: domain.to_owned(),
        names: asked.names.len(),
        queries: asked.queries,
        bytes_max: asked.bytes,
        length,
        entropy_bits,
        seen: asked.seen.unwrap_or_default(),
        is_tunnel: length >= LENGTH_MIN && entropy_bits >= ENTROPY_BITS_MIN,
    }
}

/// Splits a name before its last two labels; reverse look-ups and bare domains carry nothing.
fn split(name: &str) -> Option<(&str, &str)> {
    let (rest, _) = name.rsplit_once('.')?;
    let (before, _) = rest.rsplit_once('.')?;
    let domain = name.get(before.len() + 1..)?;
    (!domain.eq_ignore_ascii_case("in-addr.arpa") && !domain.eq_ignore_ascii_case("ip6.arpa")).then_some((before, domain))
}

/// Returns Shannon's entropy in bits per letter.
fn entropy(letters: &BTreeMap<char, u64>) -> f64 {
    let all = letters.values().sum::<u64>() as f64;
    let part = |count: &u64| {
        let share = *count as f64 / all;
        -share * share.log2()
    };
    letters.values().map(part).sum()
}
