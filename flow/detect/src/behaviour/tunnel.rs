use serde::{Deserialize, Serialize};

use super::Context;
use super::keyed::Keyed;
use super::look::{Found, Look, Sign, digest};
use super::season::hour_of;

/// Pairs of client and registered domain.
const DOMAINS_MAX: usize = 16_384;
/// Longest name looked at, in bytes (RFC 1035, section 2.3.4).
const NAME_BYTES_MAX: usize = 255;
/// Words of the bitmap in which distinct names are marked.
const MARKS: usize = 32;
/// Characters whose frequency is counted: letters, digits, and all others together.
const LETTERS: usize = 38;
/// Names of record types that carry data and that clients seldom ask for.
const CARRIERS: [&str; 5] = ["TXT", "NULL", "CNAME", "MX", "SRV"];
/// What names count more where most queries ask for such types.
const CARRIER_FACTOR: f64 = 1.5;
/// Lookups of addresses under these domains are how the directory of addresses works, not a channel.
const REVERSE: [&str; 2] = ["in-addr.arpa", "ip6.arpa"];

/// Data carried in names: how much information one client puts into names below one registered domain in an hour.
///
/// Volume is counted over distinct names only, each character at the entropy of all of them together, as what is asked twice
/// is told once (after Paxson et al., "Practical Comprehensive Bounds on Surreptitious Communication Over DNS", USENIX Security
/// 2013). What comes back in answers is not in the records.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct TunnelWatch {
    domains: Keyed<(u64, u64), Domain, DOMAINS_MAX>,
    learned: Keyed<u64, f64>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Domain {
    hour: i64,
    queries: u32,
    carriers: u32,
    /// A bitmap of distinct names (linear counting), 64 names a word.
    marks: Vec<u64>,
    letters: Vec<u32>,
    told: bool,
}

impl TunnelWatch {
    pub(crate) fn observe(&mut self, look: &Look<'_>, context: &Context, found: &mut Found) {
        let name = look.event.object().trim_end_matches('.');
        let registered = registered_domain(name);
        if registered.len() >= name.len() || name.len() > NAME_BYTES_MAX || REVERSE.iter().any(|r| name.ends_with(r)) {
            return;
        }
        let below = name.get(..name.len() - registered.len() - 1).unwrap_or("");
        let client = look.opener_or_host();
        let key = digest(context.hash_key, registered);
        let domain = self.domains.entry((client.key, key));
        let hour = hour_of(look.at);
        if domain.hour != hour || domain.marks.is_empty() {
            *domain = Domain::begin(hour);
        }
        let record_type = look
            .event
            .field("qtype_name")
            .or_else(|| look.event.field("dns.question.type"));
        domain.add(below, digest(context.hash_key, below), record_type.unwrap_or(""));
        let (bytes, learned) = (domain.bytes(), self.learned.entry(key));
        if context.learning {
            *learned = learned.max(bytes);
            return;
        }
        let threshold = context.thresholds.tunnel_bytes_per_h_min;
        // A domain that always got many names (reputation look-ups, telemetry) is measured against itself.
        let score = bytes * threshold / threshold.max(3.0 * *learned);
        found.opine("tunnel", look.at, score, || format!("{}>{registered}", client.name));
        if score < threshold || domain.told {
            return;
        }
        domain.told = true;
        found.push(look.finding(Sign {
            title: "Data in names",
            techniques: "T1071.004 T1048.003",
            weight: 30,
            origin: Some(registered),
            detail: format!(
                "{} asked {} times for about {:.0} distinct names below {registered} within the hour: about {bytes:.0} bytes of \
                 information, {:.1} bits per character, {} of them for types that carry data",
                client.name,
                domain.queries,
                domain.distinct(),
                domain.entropy(),
                domain.carriers
            ),
        }));
    }
}

impl Domain {
    fn begin(hour: i64) -> Self {
        Self {
            hour,
            marks: vec![0; MARKS],
            letters: vec![0; LETTERS],
            ..Self::default()
        }
    }

    fn add(&mut self, below: &str, name: u64, record_type: &str) {
        self.queries = self.queries.saturating_add(1);
        self.carriers += u32::from(CARRIERS.contains(&record_type));
        let bit = (name % (MARKS as u64 * 64)) as usize;
        let Some(word) = self.marks.get_mut(bit / 64) else { return };
        let mark = 1_u64 << (bit % 64);
        if *word & mark != 0 {
            return;
        }
        *word |= mark;
        for byte in below.bytes() {
            let letter = match byte.to_ascii_lowercase() {
                b @ b'a'..=b'z' => usize::from(b - b'a'),
                b @ b'0'..=b'9' => 26 + usize::from(b - b'0'),
                b'.' => continue,
                b'-' => 36,
                _ => 37,
            };
            if let Some(count) = self.letters.get_mut(letter) {
                *count += 1;
            }
        }
    }

    /// Distinct names by linear counting (Whang et al. 1990); the bitmap tells up to about 14,000 apart.
    fn distinct(&self) -> f64 {
        let size = (MARKS * 64) as f64;
        let empty = self.marks.iter().map(|w| w.count_zeros()).sum::<u32>();
        -size * (f64::from(empty.max(1)) / size).ln()
    }

    /// Bits per character of all names together.
    fn entropy(&self) -> f64 {
        let total = f64::from(self.letters.iter().sum::<u32>()).max(1.0);
        let shares = self.letters.iter().filter(|n| **n > 0).map(|n| f64::from(*n) / total);
        shares.map(|share| -share * share.log2()).sum()
    }

    /// Information in distinct names, in bytes.
    fn bytes(&self) -> f64 {
        let marked = self.marks.iter().map(|w| w.count_ones()).sum::<u32>();
        let letters = f64::from(self.letters.iter().sum::<u32>());
        let per_name = letters / f64::from(marked.max(1)) * self.entropy() / 8.0;
        let carrier = if self.carriers * 2 > self.queries {
            CARRIER_FACTOR
        } else {
            1.0
        };
        // The first name below a domain is no message.
        per_name * (self.distinct() - 1.0).max(0.0) * carrier
    }
}

/// Second-level labels under which registries sell names, as in `example.co.uk`.
const SHARED: [&str; 9] = ["co", "com", "net", "org", "gov", "gob", "ac", "edu", "or"];

/// Returns the domain that somebody registered: the last two labels of a name, or three below a registry's second level
/// (`example.co.uk`). An approximation of the Public Suffix List that needs no list.
pub fn registered_domain(name: &str) -> &str {
    let mut ends = name.rmatch_indices('.').map(|(at, _)| at);
    let (Some(last), second) = (ends.next(), ends.next()) else {
        return name;
    };
    let top = &name[last + 1..];
    let middle = second.map_or(&name[..last], |at| &name[at + 1..last]);
    let shared = top.len() == 2 && SHARED.iter().any(|label| middle.eq_ignore_ascii_case(label));
    let begin = if shared { ends.next() } else { second };
    match (shared, second, begin) {
        (_, _, Some(at)) => &name[at + 1..],
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registered_domains() {
        let cases = [
            ("a.b.example.org", "example.org"),
            ("example.org", "example.org"),
            ("www.example.co.uk", "example.co.uk"),
            ("example.co.uk", "example.co.uk"),
            ("x.t.co", "t.co"),
            ("localhost", "localhost"),
            ("", ""),
        ];
        for (name, registered) in cases {
            assert_eq!(registered_domain(name), registered, "{name}");
        }
    }

    #[test]
    fn the_same_name_again_carries_nothing() {
        let mut domain = Domain::begin(1);
        for n in 0..1_000_u64 {
            domain.add("www", 5, "A");
            assert!(domain.bytes() < 1.0, "{n}");
        }
        for n in 0..300_u64 {
            let name = format!("{:032x}", u128::from(n) * 0x9e37_79b9_7f4a_7c15_f39c);
            domain.add(&name, digest(7, &name), "TXT");
        }
        assert!((280.0..330.0).contains(&domain.distinct()), "{}", domain.distinct());
        assert!(domain.bytes() > 3_000.0, "{}", domain.bytes());
    }
}
