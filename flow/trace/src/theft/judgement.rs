use std::collections::BTreeSet;

use leckwehr_incident::{Impact, OutsideRole, Tier, Timestamp};
use serde::{Deserialize, Serialize};

use super::DestinationEvidence;
use super::beacon::Beacon;
use super::egress::{Outlet, Sent};
use super::staging::{Staging, StagingKind};
use super::suspects::Suspects;
use crate::coverage::CLOCK_SKEW_MS;
use crate::scene::Scene;

/// Fewer bytes carry no file worth the name; they may still carry a password.
const SMALL_BYTES_MAX: u64 = 1_000;
/// Bytes that make an upload where more goes out than comes back.
const UPLOAD_BYTES_MIN: u64 = 10_000;
/// Stagings and suspects named per destination.
const NAMED_MAX: usize = 8;

/// What the evidence about one destination comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// There is evidence that data was taken there.
    EvidenceForTheft,
    /// What was seen neither shows nor rules out that data was taken there.
    CannotBeDetermined,
    /// What was seen speaks against it, within what was observed.
    EvidenceAgainstTheft,
}

/// What is known of one address outside.
pub(crate) struct Facts<'a> {
    pub(crate) scene: &'a Scene<'a>,
    pub(crate) impact: &'a Impact,
    pub(crate) suspects: &'a Suspects,
    pub(crate) staging: &'a [Staging],
    pub(crate) address: u32,
    pub(crate) contacts: &'a [&'a Sent],
    pub(crate) bytes_out_max: u64,
    pub(crate) measured: bool,
    pub(crate) outlet: &'a Outlet,
    pub(crate) beacons: Vec<Beacon>,
}

#[derive(Default)]
struct Weighed {
    strong: bool,
    evidence_for: Vec<String>,
    evidence_against: Vec<String>,
    undetermined: Vec<String>,
}

impl Facts<'_> {
    /// Weighs the destination.
    pub(crate) fn weigh(self) -> DestinationEvidence {
        let mut weighed = Weighed::default();
        let suspects = self.suspected();
        self.for_theft(&mut weighed, &suspects);
        self.against_theft(&mut weighed, &suspects);
        self.open_questions(&mut weighed, &suspects);
        let nobody = suspects.is_empty();
        let small = self.bytes_out_max <= SMALL_BYTES_MAX;
        let judgement = match weighed.strong {
            true => Judgement::EvidenceForTheft,
            false if self.measured && (nobody || small) => Judgement::EvidenceAgainstTheft,
            false => Judgement::CannotBeDetermined,
        };
        let name = self.scene.name(self.address);
        let zone = self.scene.book.zone(name);
        DestinationEvidence {
            address: name.to_owned(),
            zone: zone.map(str::to_owned),
            bytes_out_max: self.bytes_out_max,
            bytes_since_max: self.outlet.since_max,
            bytes_back: self.contacts.iter().map(|s| s.back).fold(0, u64::saturating_add),
            measured: self.measured,
            counted: self.outlet.counted,
            connections: self.contacts.len() as u64,
            seen: self.seen(),
            suspects: suspects.iter().map(|(node, ..)| self.scene.name(*node).to_owned()).collect(),
            windows: self.impact.window.map_or_else(Vec::new, |w| self.outlet.windows.largest(w)),
            beacons: self.beacons,
            judgement,
            evidence_for: weighed.evidence_for,
            evidence_against: weighed.evidence_against,
            undetermined: weighed.undetermined,
        }
    }

    /// Hosts that spoke to the address while the attacker held or may have held them, the most certain first.
    fn suspected(&self) -> Vec<(u32, Tier, Timestamp)> {
        let mut found = BTreeSet::new();
        for contact in self.contacts {
            if let Some((tier, since)) = self.suspects.of(contact.host)
                && since <= contact.ended.plus_ms(CLOCK_SKEW_MS)
            {
                found.insert((tier, contact.host, since));
            }
        }
        found.into_iter().map(|(tier, host, since)| (host, tier, since)).collect()
    }

    fn seen(&self) -> Option<(Timestamp, Timestamp)> {
        let first = self.contacts.iter().map(|s| s.at).min()?;
        Some((first, self.contacts.iter().map(|s| s.ended).max()?))
    }

    fn for_theft(&self, weighed: &mut Weighed, suspects: &[(u32, Tier, Timestamp)]) {
        let name = self.scene.name(self.address);
        for sent in self.staging.iter().filter(|s| s.to.as_deref() == Some(name)).take(NAMED_MAX) {
            weighed.strong = true;
            let bytes = sent.bytes.map_or_else(String::new, |b| format!(", {b} bytes"));
            let (hosts, refs) = (sent.hosts.join(", "), sent.evidence.join(", "));
            weighed
                .evidence_for
                .push(format!("{} from {hosts}{bytes} [{refs}]", sent.what));
        }
        let endpoint = self.impact.outside.iter().find(|o| o.address == name);
        let role = endpoint.map(|o| (o.role, o.tier));
        if let Some((OutsideRole::Exfiltration | OutsideRole::CommandAndExfiltration, tier)) = role {
            weighed.strong |= tier <= Tier::Probable;
            weighed
                .evidence_for
                .push(format!("an upload by a held host ({})", word(tier)));
        }
        if let Some((OutsideRole::Command | OutsideRole::CommandAndExfiltration, tier)) = role {
            let sentence = format!(
                "the attacker's commands came from there ({}): data can leave on the same channel",
                word(tier)
            );
            weighed.evidence_for.push(sentence);
        }
        for beacon in self.beacons.iter().filter(|b| b.is_regular()) {
            if suspects.iter().any(|(node, ..)| self.scene.name(*node) == beacon.host) {
                weighed.evidence_for.push(format!(
                    "{} called every {:.1} s, {} times (score {:.2}): a program, not a person",
                    beacon.host, beacon.interval_s, beacon.connections, beacon.score
                ));
            }
        }
        self.staged_before(weighed, suspects);
    }

    /// Data was brought together on a host that then sent more than it got, to an address that was new.
    fn staged_before(&self, weighed: &mut Weighed, suspects: &[(u32, Tier, Timestamp)]) {
        for (node, tier, since) in suspects.iter().take(NAMED_MAX) {
            let host = self.scene.name(*node);
            let own: Vec<&&Sent> = self.contacts.iter().filter(|s| s.host == *node).collect();
            let Some(last) = own.iter().map(|s| s.ended).max() else {
                continue;
            };
            let out = own.iter().filter_map(|s| s.out).fold(0, u64::saturating_add);
            let back = own.iter().map(|s| s.back).fold(0, u64::saturating_add);
            let new = own.iter().all(|s| *since <= s.at.plus_ms(CLOCK_SKEW_MS));
            let upload = out >= UPLOAD_BYTES_MIN && out > back;
            let before = self
                .staging
                .iter()
                .filter(|s| s.kind != StagingKind::ArchiveSent && s.seen.0 <= last.plus_ms(CLOCK_SKEW_MS));
            let here = before.filter(|s| s.hosts.iter().any(|h| h == host)).take(NAMED_MAX);
            for staged in here {
                weighed.strong |= upload && new && *tier <= Tier::Probable;
                weighed.evidence_for.push(format!(
                    "before, data was brought together on {host}: {} at {}{}",
                    staged.what,
                    staged.seen.0,
                    staged.bytes.map_or_else(String::new, |b| format!(", {b} bytes"))
                ));
            }
            if upload {
                weighed.evidence_for.push(format!("{host} sent {out} bytes and got {back}"));
            }
        }
    }

    fn against_theft(&self, weighed: &mut Weighed, suspects: &[(u32, Tier, Timestamp)]) {
        if suspects.is_empty() {
            weighed
                .evidence_against
                .push("in the records, no host spoke to it while the attacker held or may have held it".to_owned());
        }
        if self.measured && self.bytes_out_max <= SMALL_BYTES_MAX {
            weighed.evidence_against.push(format!(
                "no more than {} bytes went there: no file, though perhaps a password",
                self.bytes_out_max
            ));
        }
        let usual = suspects.iter().filter(|(node, _, since)| {
            let before = |s: &&&Sent| s.host == *node && s.ended.plus_ms(CLOCK_SKEW_MS) < *since;
            self.contacts.iter().any(|s| before(&s))
        });
        for (node, _, since) in usual.take(NAMED_MAX) {
            let host = self.scene.name(*node);
            weighed
                .evidence_against
                .push(format!("{host} spoke to it already before {since}, the first sign there"));
        }
    }

    fn open_questions(&self, weighed: &mut Weighed, suspects: &[(u32, Tier, Timestamp)]) {
        if !self.measured {
            weighed
                .undetermined
                .push("its connections have no byte counts, and no counter told of it: there is no bound".to_owned());
        }
        if suspects.is_empty() {
            return;
        }
        let hosts: Vec<&str> = suspects
            .iter()
            .take(NAMED_MAX)
            .map(|(node, ..)| self.scene.name(*node))
            .collect();
        weighed.undetermined.push(format!(
            "what the bytes from {} were: records of connections do not show content",
            hosts.join(", ")
        ));
        let seen = |host: &str, class: &str| {
            self.impact
                .coverage
                .iter()
                .any(|c| c.asset == host && c.class == class && c.seen > 0.0)
        };
        let blind: Vec<&str> = hosts.into_iter().filter(|h| !seen(h, "file")).collect();
        if !blind.is_empty() {
            weighed.undetermined.push(format!(
                "whether files were read or packed there before: no sensor tells of files on {}",
                blind.join(", ")
            ));
        }
    }
}

fn word(tier: Tier) -> &'static str {
    match tier {
        Tier::Proven => "proven",
        Tier::Probable => "probable",
        Tier::Possible => "possible",
        Tier::Excluded => "excluded",
        Tier::Unknown => "unknown",
    }
}
