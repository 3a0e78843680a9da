use std::collections::BTreeMap;

use leckwehr_estate::Estate;
use leckwehr_incident::{Claim, ClaimTopic, Confidence, Impact, Tier, Timestamp};
use serde::{Deserialize, Serialize};

use super::claims;
use crate::TraceConfig;
use crate::coverage::CoverageLedger;
use crate::theft::{Judgement, TheftEvidence};

/// Less coverage than this of files or connections on a system that holds the data: no claim about theft.
const COVERAGE_MIN: f64 = 0.9;
/// Reasons and holders listed per claim.
const LISTED_MAX: usize = 12;

/// A claim with what it is worth and what would change it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DetailedClaim {
    /// The claim.
    pub claim: Claim,
    /// Confidence as in STIX 2.1, 0 to 100: that of the words, times the coverage it stands on.
    pub stix_confidence: u8,
    /// Share of what it stands on that was seen, 0 to 1.
    pub coverage_share: f64,
    /// What would change it, one sentence each.
    pub what_would_change: Vec<String>,
}

/// A claim that people will ask for and that what was seen does not support.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RefusedClaim {
    /// Id that it would have.
    pub id: String,
    /// What it would say.
    pub would_say: String,
    /// Why it cannot be said.
    pub because: Vec<String>,
    /// What would be needed to say it.
    pub needs: Vec<String>,
}

/// Everything that can be said, and what cannot.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ClaimSheet {
    /// Claims.
    pub claims: Vec<DetailedClaim>,
    /// Claims that are refused.
    pub refused: Vec<RefusedClaim>,
}

/// Returns the claims of [`claims`] and one about theft per protected data class, with what each is worth and what would
/// change it; what is not supported is listed as refused, with the reason.
///
/// A data class is protected if it is health or social data or lies in a protected zone.
pub fn detailed_claims(
    impact: &Impact,
    estate: &Estate,
    config: &TraceConfig,
    ledger: &CoverageLedger,
    theft: &TheftEvidence,
) -> ClaimSheet {
    let desk = Desk {
        impact,
        estate,
        config,
        ledger,
        theft,
    };
    let mut sheet = ClaimSheet::default();
    for claim in claims(impact, estate, config) {
        sheet.claims.push(desk.detail(claim));
    }
    if impact.window.is_some() && !sheet.claims.iter().any(|c| c.claim.id == "claim-not-reached") {
        sheet.refused.push(desk.not_reached_refused());
    }
    let Some((_, to)) = impact.window else {
        return sheet;
    };
    for class in desk.protected() {
        match desk.no_theft(class, to) {
            Ok(claim) => sheet.claims.push(claim),
            Err(refused) => sheet.refused.push(refused),
        }
    }
    sheet
}

struct Desk<'a> {
    impact: &'a Impact,
    estate: &'a Estate,
    config: &'a TraceConfig,
    ledger: &'a CoverageLedger,
    theft: &'a TheftEvidence,
}

impl<'a> Desk<'a> {
    fn detail(&self, claim: Claim) -> DetailedClaim {
        let (coverage_share, what_would_change) = match &claim.topic {
            ClaimTopic::BytesOut { .. } => (self.exits_share(), self.bytes_would_change()),
            // That he was seen does not become less sure by what was not seen elsewhere.
            ClaimTopic::Compromised { .. } => (1.0, self.compromised_would_change()),
            ClaimTopic::NotReached { hosts, .. } => {
                let shares = hosts
                    .iter()
                    .map(|h| self.ledger.share(h, "logon", self.ledger.from, self.ledger.to));
                (shares.reduce(f64::min).unwrap_or(0.0), not_reached_would_change())
            }
            _ => (0.0, Vec::new()),
        };
        DetailedClaim {
            stix_confidence: stix(claim.confidence, coverage_share),
            coverage_share,
            what_would_change,
            claim,
        }
    }

    fn exits_share(&self) -> f64 {
        let exits = self
            .impact
            .coverage
            .iter()
            .filter(|c| matches!(c.class.as_str(), "flow" | "egress"));
        exits.map(|c| c.seen).reduce(f64::min).unwrap_or(0.0)
    }

    fn bytes_would_change(&self) -> Vec<String> {
        let open = self.theft.exits_unobserved.iter().take(LISTED_MAX);
        let mut changes: Vec<String> = open
            .map(|exit| format!("records of a way out that nothing observed: {exit}"))
            .collect();
        changes.push("records of connections or counters that were lost and come in later: the bound rises".to_owned());
        changes.push("a counter at the carrier's side of an exit that shows more or less".to_owned());
        changes
    }

    fn compromised_would_change(&self) -> Vec<String> {
        let blind = self.impact.hosts.iter().filter(|h| h.tier == Tier::Unknown).count();
        vec![
            "an image of a named system that shows another cause for the records named as evidence".to_owned(),
            format!("evidence on the systems that are only probable or possible, or on the {blind} of which nothing was seen"),
        ]
    }

    fn not_reached_refused(&self) -> RefusedClaim {
        let mut because = Vec::new();
        if self.ledger.damaged_unowned > 0 {
            let count = self.ledger.damaged_unowned;
            because.push(format!(
                "{count} damaged records name no sensor: any of them may tell of any system"
            ));
        }
        because.push(
            "no system of which the attacker was not seen has sensors that delivered every record until the end".to_owned(),
        );
        RefusedClaim {
            id: "claim-not-reached".to_owned(),
            would_say: "On these systems the attacker was not seen; their sensors delivered without a gap.".to_owned(),
            because,
            needs: vec!["log-on records with the sensor's own numbers, without a gap, from each such system".to_owned()],
        }
    }

    /// Returns the protected data classes.
    fn protected(&self) -> impl Iterator<Item = &'a String> {
        let estate = self.estate;
        let kept_apart = |id: &String| {
            let mut holders = estate.systems.values().filter(|s| s.data.contains(id));
            holders.any(|s| estate.zones.get(&s.zone).is_some_and(|z| z.protected))
        };
        estate
            .data_classes
            .iter()
            .filter(move |(id, c)| c.special || kept_apart(id))
            .map(|(id, _)| id)
    }

    fn no_theft(&self, class: &str, to: Timestamp) -> Result<DetailedClaim, RefusedClaim> {
        let holders: Vec<&String> = self
            .estate
            .systems
            .iter()
            .filter(|(_, s)| s.data.iter().any(|d| d == class))
            .map(|(id, _)| id)
            .collect();
        let bytes = self
            .theft
            .bytes_since_max
            .saturating_add(self.config.untold_bytes.values().copied().fold(0, u64::saturating_add));
        let name = self.estate.data_classes.get(class).map_or(class, |c| c.name.as_str());
        let en = format!(
            "There is no evidence that data of the class “{name}” left. No more than {bytes} bytes of any kind could have left after the attack's first sign."
        );
        let (because, needs) = self.objections(&holders);
        if !because.is_empty() {
            return Err(RefusedClaim {
                id: format!("claim-no-theft-{class}"),
                would_say: en,
                because,
                needs,
            });
        }
        let de = format!(
            "Es gibt keinen Hinweis darauf, dass Daten der Art „{name}“ das Haus verlassen haben. Nach dem ersten Zeichen des Angriffs können höchstens {bytes} Bytes jeder Art abgeflossen sein."
        );
        let coverage_share = self.least(&holders);
        let claim = Claim {
            id: format!("claim-no-theft-{class}"),
            topic: ClaimTopic::BytesOut { bytes },
            text: BTreeMap::from([("de".to_owned(), de), ("en".to_owned(), en)]),
            confidence: Confidence::Assessed,
            evidence: self.weighed(),
            coverage: format!(
                "{} systems hold it; of files and connections on them, at least {:.1} % of the time was seen",
                holders.len(),
                coverage_share * 100.0
            ),
            not_seen: "content of encrypted connections; ways out without a sensor: media, mobile networks, paper".to_owned(),
            review_by: to.plus_ms(self.config.review_after_ms),
        };
        Ok(DetailedClaim {
            stix_confidence: stix(claim.confidence, coverage_share),
            coverage_share,
            what_would_change: vec![
                "the data, or an offer of it, is found outside".to_owned(),
                "an image of a system that holds it shows that it was read or packed".to_owned(),
                "a destination that cannot be determined now turns out to be the attacker's".to_owned(),
            ],
            claim,
        })
    }

    /// Returns why nothing can be said about theft of what these systems hold, and what would be needed.
    fn objections(&self, holders: &[&String]) -> (Vec<String>, Vec<String>) {
        let (mut because, mut needs) = (Vec::new(), Vec::new());
        if holders.is_empty() {
            because.push("the estate names no system that holds it".to_owned());
            needs.push("an entry in the estate of where it lies".to_owned());
        }
        let tier = |id: &String| self.impact.hosts.iter().find(|h| h.system == *id).map(|h| h.tier);
        let held: Vec<&str> = holders
            .iter()
            .filter(|h| tier(h).is_some_and(|t| t <= Tier::Possible))
            .map(|h| h.as_str())
            .collect();
        let taken = self
            .theft
            .destinations
            .iter()
            .filter(|d| d.judgement == Judgement::EvidenceForTheft);
        let taken: Vec<&str> = taken.map(|d| d.address.as_str()).take(LISTED_MAX).collect();
        if !held.is_empty() && !taken.is_empty() {
            because.push(format!(
                "the attacker was or may have been on {}, and there is evidence of theft to {}",
                list(&held),
                taken.join(", ")
            ));
            needs.push("the content of what was taken, or images of these systems".to_owned());
        }
        let blind: Vec<&str> = holders
            .iter()
            .filter(|h| self.share(h) < COVERAGE_MIN)
            .map(|h| h.as_str())
            .collect();
        if !blind.is_empty() {
            because.push(format!(
                "of files or connections on {} less than {:.0} % of the time was seen",
                list(&blind),
                COVERAGE_MIN * 100.0
            ));
            needs.push("file and connection records of these systems for the window".to_owned());
        }
        let open = self.theft.exits_unobserved.len();
        if open > 0 {
            because.push(format!("{open} ways out were not observed"));
            needs.push("flow records or counters of the carrier for them".to_owned());
        }
        let untold = self.config.untold();
        if !untold.is_empty() {
            because.push(untold.join("; "));
            needs.push("the records that could not be read, and counters per address of these guards".to_owned());
        }
        let unmeasured = self.theft.destinations.iter().filter(|d| !d.measured).count();
        if unmeasured > 0 {
            because.push(format!("{unmeasured} destinations have no byte bound"));
            needs.push("byte counts of the connections to them".to_owned());
        }
        (because, needs)
    }

    fn share(&self, holder: &str) -> f64 {
        let share = |class: &str| self.ledger.share(holder, class, self.ledger.from, self.ledger.to);
        share("file").min(share("flow"))
    }

    fn least(&self, holders: &[&String]) -> f64 {
        holders.iter().map(|h| self.share(h)).reduce(f64::min).unwrap_or(0.0)
    }

    fn weighed(&self) -> Vec<String> {
        let judged = |j: Judgement| self.theft.destinations.iter().filter(|d| d.judgement == j).count();
        vec![
            format!("{} destinations with evidence of theft", judged(Judgement::EvidenceForTheft)),
            format!(
                "{} destinations that cannot be determined",
                judged(Judgement::CannotBeDetermined)
            ),
            format!(
                "{} destinations with evidence against it",
                judged(Judgement::EvidenceAgainstTheft) + self.theft.others.destinations
            ),
        ]
    }
}

fn not_reached_would_change() -> Vec<String> {
    vec![
        "a record of another sensor (a ticket at the directory, a flow) that names one of these systems with the attacker's accounts".to_owned(),
        "a clock that turns out to be off by more than two seconds".to_owned(),
        "an earlier first sign of the attacker than the one known now".to_owned(),
    ]
}

fn list(names: &[&str]) -> String {
    let mut text = names.iter().take(LISTED_MAX).copied().collect::<Vec<_>>().join(", ");
    if names.len() > LISTED_MAX {
        text.push_str(&format!(" and {} more", names.len() - LISTED_MAX));
    }
    text
}

/// Returns the confidence of STIX 2.1 (its scale of words, appendix A), times the share that was seen.
fn stix(confidence: Confidence, share: f64) -> u8 {
    let words = match confidence {
        Confidence::Confirmed => 95.0,
        Confidence::Likely => 75.0,
        Confidence::Assessed => 50.0,
        Confidence::Unknown => 0.0,
    };
    (words * share.clamp(0.0, 1.0)).round() as u8
}
