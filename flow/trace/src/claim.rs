use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::Estate;
use leckwehr_incident::{Claim, ClaimTopic, Confidence, Coverage, Impact, Tier, Timestamp};

use crate::TraceConfig;
use crate::coverage::damaged_unowned;

mod detail;

pub use detail::{ClaimSheet, DetailedClaim, RefusedClaim, detailed_claims};

/// A sensor that fell silent this long before the end of the window covers no more than until then.
const SILENCE_MS_MAX: i64 = 10_000;

/// Returns the sentences that the impact analysis supports, with what they stand on and what was not seen.
///
/// Nothing is claimed about what was not observed: without any record of an exit there is no claim about bytes, and a
/// host without a complete sensor is in no claim that the attacker was not seen there.
pub fn claims(impact: &Impact, estate: &Estate, config: &TraceConfig) -> Vec<Claim> {
    let Some((from, to)) = impact.window else {
        return Vec::new();
    };
    let page = Page {
        impact,
        config,
        from,
        to,
        review_by: to.plus_ms(config.review_after_ms),
    };
    [page.bytes_out(), page.compromised(), page.not_reached(estate)]
        .into_iter()
        .flatten()
        .collect()
}

impl TraceConfig {
    /// Returns what is in no bound and no claim because it cannot be told whose it is, one sentence each.
    pub(crate) fn untold(&self) -> Vec<String> {
        let guards = self.untold_bytes.iter().filter(|(_, bytes)| **bytes > 0);
        let mut untold: Vec<String> = guards
            .map(|(guard, bytes)| format!("{bytes} bytes through {guard} to addresses that its counters do not tell apart"))
            .collect();
        let damaged = damaged_unowned(&self.accounts);
        if damaged > 0 {
            untold.push(format!("what {damaged} damaged records that name no sensor recorded"));
        }
        untold
    }
}

struct Page<'a> {
    impact: &'a Impact,
    config: &'a TraceConfig,
    from: Timestamp,
    to: Timestamp,
    review_by: Timestamp,
}

impl Page<'_> {
    fn bytes_out(&self) -> Option<Claim> {
        let exits: Vec<&Coverage> = self
            .impact
            .coverage
            .iter()
            .filter(|c| matches!(c.class.as_str(), "flow" | "egress"))
            .collect();
        if exits.is_empty() {
            return None;
        }
        // What went to addresses that are not told apart has left through an observed exit as well.
        let untold_bytes = self.config.untold_bytes.values().copied().fold(0, u64::saturating_add);
        let bytes = self.impact.bytes_out_max.saturating_add(untold_bytes);
        let open = &self.impact.exits_unobserved;
        let untold = self.config.untold();
        let whole = exits.iter().all(|c| c.seen >= 1.0 && c.missing.is_empty()) && open.is_empty() && untold.is_empty();
        let period = format!("{} – {}", self.from, self.to);
        let (unseen_de, unseen_en) = match open.len() {
            0 => (
                "Ein unbeobachteter Ausgang ist nicht bekannt.".to_owned(),
                "No unobserved exit is known.".to_owned(),
            ),
            n => (format!("Nicht beobachtete Ausgänge: {n}."), format!("Unobserved exits: {n}.")),
        };
        let de =
            format!("Durch die beobachteten Ausgänge haben höchstens {bytes} Bytes das Haus verlassen ({period}). {unseen_de}");
        let en = format!("No more than {bytes} bytes left through the observed exits ({period}). {unseen_en}");
        let evidence = self
            .impact
            .outside
            .iter()
            .map(|o| format!("{}: at most {} bytes", o.address, o.bytes_out_max))
            .collect();
        Some(Claim {
            id: "claim-bytes-out".to_owned(),
            topic: ClaimTopic::BytesOut { bytes },
            text: texts(de, en),
            confidence: if whole { Confidence::Likely } else { Confidence::Assessed },
            evidence,
            coverage: said(&exits),
            not_seen: joined(
                &[untold, open.clone()].concat(),
                "ways out without a sensor: media, mobile networks, paper",
            ),
            review_by: self.review_by,
        })
    }

    fn compromised(&self) -> Option<Claim> {
        let proven: Vec<_> = self.impact.hosts.iter().filter(|h| h.tier == Tier::Proven).collect();
        if proven.is_empty() {
            return None;
        }
        let hosts: Vec<String> = proven.iter().map(|h| h.system.clone()).collect();
        let count = |tier: Tier| self.impact.hosts.iter().filter(|h| h.tier == tier).count();
        let (probable, possible, unknown) = (count(Tier::Probable), count(Tier::Possible), count(Tier::Unknown));
        let names = hosts.join(", ");
        let de = format!(
            "Auf diesen Systemen ist der Angreifer nachgewiesen: {names}. Wahrscheinlich betroffen: {probable}, möglich: \
             {possible}, ohne Erkenntnis: {unknown}. Weitere können hinzukommen."
        );
        let en = format!(
            "The attacker's presence is proven on these systems: {names}. Probable: {probable}, possible: {possible}, \
             nothing known: {unknown}. More may be found."
        );
        let relevant: Vec<&Coverage> = self.impact.coverage.iter().filter(|c| hosts.contains(&c.asset)).collect();
        Some(Claim {
            id: "claim-compromised".to_owned(),
            topic: ClaimTopic::Compromised { hosts },
            text: texts(de, en),
            confidence: Confidence::Confirmed,
            evidence: proven
                .iter()
                .filter_map(|h| Some(format!("{}: {}", h.system, h.reasons.first()?)))
                .collect(),
            coverage: said(&relevant),
            not_seen: joined(&self.impact.unknowns, ""),
            review_by: self.review_by,
        })
    }

    /// Only systems whose own sensors numbered every record, lost none and spoke until the end; none at all while there are
    /// damaged records that no sensor owns, because each of them may be the one that names such a system.
    fn not_reached(&self, estate: &Estate) -> Option<Claim> {
        if damaged_unowned(&self.config.accounts) > 0 {
            return None;
        }
        let named: BTreeSet<&str> = self.impact.hosts.iter().map(|h| h.system.as_str()).collect();
        let complete: BTreeSet<&str> = self
            .config
            .accounts
            .iter()
            .filter(|a| a.is_numbered() && a.coverage() >= 1.0 && a.classes.contains("logon"))
            .filter(|a| a.seen.is_some_and(|(_, last)| self.to <= last.plus_ms(SILENCE_MS_MAX)))
            .flat_map(|a| a.hosts.iter().map(String::as_str))
            .collect();
        let hosts: Vec<String> = estate
            .systems
            .iter()
            .filter(|(id, s)| estate.is_inside(&s.zone) && complete.contains(id.as_str()) && !named.contains(id.as_str()))
            .map(|(id, _)| id.clone())
            .collect();
        if hosts.is_empty() {
            return None;
        }
        let n = hosts.len();
        let relevant: Vec<&Coverage> = self.impact.coverage.iter().filter(|c| hosts.contains(&c.asset)).collect();
        let de = format!(
            "Auf {n} Systemen wurde der Angreifer bis {} nicht gesehen; ihre Sensoren lieferten im Zeitraum lückenlos.",
            self.to
        );
        let en = format!(
            "On {n} systems the attacker was not seen until {}; their sensors delivered without a gap.",
            self.to
        );
        Some(Claim {
            id: "claim-not-reached".to_owned(),
            topic: ClaimTopic::NotReached {
                scope: "systems with complete sensors and no contact from a compromised host".to_owned(),
                hosts,
            },
            text: texts(de, en),
            confidence: Confidence::Assessed,
            evidence: Vec::new(),
            coverage: said(&relevant),
            not_seen: "techniques that leave no log-on, program, file or connection record".to_owned(),
            review_by: self.review_by,
        })
    }
}

fn texts(de: String, en: String) -> BTreeMap<String, String> {
    BTreeMap::from([("de".to_owned(), de), ("en".to_owned(), en)])
}

/// Returns the coverage in one line: how many assets, and the worst share.
fn said(coverage: &[&Coverage]) -> String {
    let assets: BTreeSet<&str> = coverage.iter().map(|c| c.asset.as_str()).collect();
    let classes: BTreeSet<&str> = coverage.iter().map(|c| c.class.as_str()).collect();
    let worst = coverage.iter().map(|c| c.seen).fold(1.0, f64::min);
    match assets.len() {
        0 => "none of their own sensors; seen from the network and from other hosts only".to_owned(),
        n => {
            let classes: Vec<&str> = classes.into_iter().collect();
            format!(
                "{n} sensors or systems ({}), at least {:.1} % of the records known to be due",
                classes.join(", "),
                worst * 100.0
            )
        }
    }
}

fn joined(parts: &[String], last: &str) -> String {
    let mut parts: Vec<&str> = parts.iter().map(String::as_str).take(20).collect();
    if !last.is_empty() {
        parts.push(last);
    }
    parts.join(" · ")
}
