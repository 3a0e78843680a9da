use std::collections::BTreeMap;

use leckwehr_incident::{Finding, Timestamp};
use serde::{Deserialize, Serialize};

/// Rules told apart in one tally; findings of further ones are counted in [`Tally::rules_beyond`].
pub const TALLY_RULES_MAX: usize = 50_000;
/// Hosts told apart per rule; findings on further ones are counted in [`RuleTally::hosts_beyond`].
pub const TALLY_HOSTS_MAX: usize = 1_000;
/// Places of raw records kept per rule, the first ones.
const EVIDENCE_MAX: usize = 8;

/// Findings counted by rule: how many, on which hosts, when first and last. Bounded however many there are.
///
/// The order in which findings come does not matter, except for which of more than eight places are kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// By id of the rule.
    pub rules: BTreeMap<String, RuleTally>,
    /// Findings of rules beyond [`TALLY_RULES_MAX`].
    pub rules_beyond: u64,
}

/// What one rule found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleTally {
    /// Title.
    pub title: String,
    /// Author of the rule.
    pub author: String,
    /// ATT&CK technique ids.
    pub techniques: Vec<String>,
    /// Risk weight, 0 to 100.
    pub weight: u8,
    /// Findings.
    pub count: u64,
    /// First finding.
    pub first: Timestamp,
    /// Last finding.
    pub last: Timestamp,
    /// By host.
    pub hosts: BTreeMap<String, HostTally>,
    /// Findings on hosts beyond [`TALLY_HOSTS_MAX`].
    pub hosts_beyond: u64,
    /// Where some of the raw records are.
    pub evidence: Vec<String>,
}

/// What one rule found on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostTally {
    /// Findings.
    pub count: u64,
    /// First finding.
    pub first: Timestamp,
    /// Last finding.
    pub last: Timestamp,
}

impl Tally {
    /// Counts a finding. O(log rules + log hosts).
    pub fn add(&mut self, finding: &Finding) {
        if !self.rules.contains_key(&finding.rule) && self.rules.len() >= TALLY_RULES_MAX {
            self.rules_beyond += 1;
            return;
        }
        let rule = self
            .rules
            .entry(finding.rule.clone())
            .or_insert_with(|| RuleTally::new(finding));
        rule.add(finding);
    }

    /// Returns how many findings were counted.
    pub fn findings(&self) -> u64 {
        self.rules.values().map(|rule| rule.count).sum::<u64>() + self.rules_beyond
    }

    /// Returns the rules with their ids, the gravest first, then those with more findings.
    pub fn gravest_first(&self) -> Vec<(&str, &RuleTally)> {
        let mut rules: Vec<_> = self.rules.iter().map(|(id, rule)| (id.as_str(), rule)).collect();
        rules.sort_by(|(a, x), (b, y)| {
            (y.weight, y.count)
                .cmp(&(x.weight, x.count))
                .then_with(|| x.title.cmp(&y.title))
                .then(a.cmp(b))
        });
        rules
    }
}

impl RuleTally {
    fn new(finding: &Finding) -> Self {
        Self {
            title: finding.title.clone(),
            author: finding.author.clone(),
            techniques: finding.techniques.clone(),
            weight: finding.weight,
            count: 0,
            first: finding.at,
            last: finding.at,
            hosts: BTreeMap::new(),
            hosts_beyond: 0,
            evidence: Vec::new(),
        }
    }

    fn add(&mut self, finding: &Finding) {
        let at = finding.at;
        self.count += 1;
        self.weight = self.weight.max(finding.weight);
        self.first = self.first.min(at);
        self.last = self.last.max(at);
        let room = EVIDENCE_MAX.saturating_sub(self.evidence.len());
        self.evidence.extend(finding.evidence.iter().take(room).cloned());
        if !self.hosts.contains_key(&finding.host) && self.hosts.len() >= TALLY_HOSTS_MAX {
            self.hosts_beyond += 1;
            return;
        }
        let new = HostTally {
            count: 0,
            first: at,
            last: at,
        };
        let host = self.hosts.entry(finding.host.clone()).or_insert(new);
        host.count += 1;
        host.first = host.first.min(at);
        host.last = host.last.max(at);
    }
}
