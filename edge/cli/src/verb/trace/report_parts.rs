//! The tables of the report that stand on more than the impact.

use leckwehr_incident::Timestamp;
use leckwehr_publish::impact_report::{CoverageTrack, Hypothesis, Sight};
use leckwehr_publish::report::Annex;
use leckwehr_publish::{Language, tier_words};
use leckwehr_trace::routes::{Leg, Route, RouteHop, Routes};
use leckwehr_trace::{ConnectionExposure, CoverageLedger, Exposure, SlotState, StagingKind, TheftEvidence, Track};

/// Steps of the best way to each host that no record shows.
pub(super) fn hypotheses(found: &Routes) -> Vec<Hypothesis> {
    let best = found.routes.iter().filter(|r| r.rank == 1);
    let mut hypotheses: Vec<Hypothesis> = best
        .flat_map(|r| &r.hops)
        .filter_map(|hop| {
            let bridge = hop.bridge.as_ref()?;
            let missed = bridge.missed * 100.0;
            Some(Hypothesis {
                from: hop.from.clone(),
                to: hop.to.clone(),
                earliest: hop.earliest,
                latest: hop.latest,
                why: format!(
                    "{}; {missed:.0} % of such steps leave no record; to be looked at: {}",
                    bridge.why,
                    bridge.confirm.join(", ")
                ),
            })
        })
        .collect();
    hypotheses
        .sort_by(|a, b| (a.earliest, &a.from, &a.to, a.latest, &a.why).cmp(&(b.earliest, &b.from, &b.to, b.latest, &b.why)));
    hypotheses.dedup();
    hypotheses
}

/// The ways of each leg, the less likely ones too.
pub(super) fn ways(found: &Routes, l: Language) -> Annex {
    let head = [
        l.pick("Ziel", "to"),
        l.pick("von", "from"),
        l.pick("Abschnitt", "leg"),
        l.pick("Rang", "rank"),
        l.pick("Anteil", "share"),
        l.pick("Sicherheit", "certainty"),
        l.pick("Schritte", "steps"),
        l.pick("was es änderte", "what would change it"),
    ];
    Annex {
        title: l
            .pick("Wege, auch die weniger wahrscheinlichen", "Ways, the less likely ones too")
            .to_owned(),
        note: l
            .pick(
                "Anteil: Gewicht unter den Wegen zum selben Ziel. [Vermutung]: kein Beleg für diesen Schritt.",
                "Share: weight among the ways to the same end. [hypothesis]: no record of this step.",
            )
            .to_owned(),
        head: head.map(str::to_owned).to_vec(),
        rows: found.routes.iter().map(|route| way(route, l)).collect(),
    }
}

fn way(route: &Route, l: Language) -> Vec<String> {
    let leg = match route.leg {
        Leg::In => l.pick("hinein", "in"),
        Leg::Through => l.pick("hindurch", "through"),
        Leg::Out => l.pick("hinaus", "out"),
    };
    let step = |hop: &RouteHop| {
        let mark = if hop.bridge.is_some() {
            l.pick(" [Vermutung]", " [hypothesis]")
        } else {
            ""
        };
        format!("{} → {}: {}{mark}", hop.from, hop.to, hop.means)
    };
    vec![
        route.to.clone(),
        route.from.clone(),
        leg.to_owned(),
        route.rank.to_string(),
        route
            .share
            .map_or_else(|| "?".to_owned(), |share| format!("{:.0} %", share * 100.0)),
        tier_words(route.tier, l).to_owned(),
        route.hops.iter().map(step).collect::<Vec<_>>().join("; "),
        route.would_change.join("; "),
    ]
}

/// Coverage over time, slot by slot.
pub(super) fn tracks(ledger: &CoverageLedger) -> Vec<CoverageTrack> {
    let track = |track: &Track| {
        let mut at = ledger.from;
        let mut spans = Vec::new();
        for run in &track.runs {
            let end = at.plus_ms(ledger.slot_ms.saturating_mul(i64::from(run.slots)));
            let sight = match run.state {
                SlotState::Seen => Sight::Seen,
                SlotState::Gap => Sight::Gap,
                SlotState::Expired | SlotState::NeverCollected => Sight::Never,
            };
            spans.push((at, end, sight));
            at = end;
        }
        CoverageTrack {
            asset: track.asset.clone(),
            class: track.class.clone(),
            seen: track.seen,
            spans,
        }
    };
    ledger.tracks.iter().map(track).collect()
}

/// Where data may have gone.
pub(super) fn destinations(theft: &TheftEvidence, l: Language) -> Annex {
    let sentence = theft.sentence.get(l.tag()).cloned().unwrap_or_default();
    let row = |d: &leckwehr_trace::DestinationEvidence| {
        vec![
            d.address.clone(),
            d.bytes_since_max.to_string(),
            span(d.seen),
            d.suspects.join(", "),
            format!("{:?}", d.judgement).to_lowercase(),
            d.evidence_for.join("; "),
            d.evidence_against.join("; "),
            d.undetermined.join("; "),
        ]
    };
    Annex {
        title: l.pick("Abfluss von Daten", "Theft of data").to_owned(),
        note: sentence,
        head: heads([
            l.pick("Adresse", "address"),
            l.pick(
                "Bytes höchstens, seit dem ersten Anzeichen",
                "bytes at most, since the first sign",
            ),
            l.pick("gesehen (UTC)", "seen (UTC)"),
            l.pick("von", "from"),
            l.pick("Urteil", "judgement"),
            l.pick("dafür", "for"),
            l.pick("dagegen", "against"),
            l.pick("nicht bestimmt", "not determined"),
        ]),
        rows: theft.destinations.iter().map(row).collect(),
    }
}

/// What was made ready to leave.
pub(super) fn staging(theft: &TheftEvidence, l: Language) -> Annex {
    let kind = |kind: StagingKind| format!("{kind:?}");
    let row = |s: &leckwehr_trace::Staging| {
        vec![
            kind(s.kind),
            s.hosts.join(", "),
            span(Some(s.seen)),
            s.bytes.map_or_else(|| "?".to_owned(), |b| b.to_string()),
            s.what.clone(),
            s.evidence.join("; "),
        ]
    };
    Annex {
        title: l.pick("Zum Abfluss bereitgelegt", "Made ready to leave").to_owned(),
        note: l
            .pick(
                "Archive, Abzüge, Massenzugriffe vor dem Abfluss.",
                "Archives, dumps and mass reads before it left.",
            )
            .to_owned(),
        head: heads([
            l.pick("Art", "kind"),
            l.pick("Systeme", "hosts"),
            l.pick("gesehen (UTC)", "seen (UTC)"),
            "bytes",
            l.pick("was", "what"),
            l.pick("Belege", "evidence"),
        ]),
        rows: theft.staging.iter().map(row).collect(),
    }
}

/// Which data lay in reach.
pub(super) fn data(reach: &Exposure, l: Language) -> Annex {
    let row = |d: &leckwehr_trace::DataExposure| {
        let places = d.places.iter().map(|p| format!("{} ({})", p.system, tier_words(p.tier, l)));
        vec![
            d.name.clone(),
            tier_words(d.tier, l).to_owned(),
            d.records_max.to_string(),
            d.by_insurer.len().to_string(),
            d.since.map_or_else(|| "–".to_owned(), |at| at.to_string()),
            places.collect::<Vec<_>>().join(", "),
        ]
    };
    Annex {
        title: l.pick("Daten in Reichweite", "Data in reach").to_owned(),
        note: reach.unknowns.join(" "),
        head: heads([
            l.pick("Daten", "data"),
            l.pick("Sicherheit", "certainty"),
            l.pick("Sätze höchstens", "records at most"),
            l.pick("Kassen", "insurers"),
            l.pick("seit (UTC)", "since (UTC)"),
            l.pick("liegt auf", "held on"),
        ]),
        rows: reach.data.iter().map(row).collect(),
    }
}

/// Whom it concerns, and what they need to look for.
pub(super) fn parties(reach: &Exposure, l: Language) -> Annex {
    let row = |p: &leckwehr_trace::PartyExposure| {
        let links = p.connections.iter().map(|c| link(c, l));
        vec![
            p.name.clone(),
            p.kind.clone(),
            if p.healthcare {
                l.pick("ja", "yes")
            } else {
                l.pick("nein", "no")
            }
            .to_owned(),
            tier_words(p.tier, l).to_owned(),
            links.collect::<Vec<_>>().join(", "),
            p.summary.clone(),
            p.check.logs.join("; "),
        ]
    };
    Annex {
        title: l.pick("Partner in Reichweite", "Partners in reach").to_owned(),
        note: l
            .pick(
                "Was jeder Partner bei sich nachsehen muss. Verbindungen ohne Zeit einer Trennung gelten als offen.",
                "What each partner has to look for at home. Connections without a time of a cut count as open.",
            )
            .to_owned(),
        head: heads([
            l.pick("Partner", "partner"),
            l.pick("Art", "kind"),
            l.pick("eigene Gesundheits-IT", "own healthcare IT"),
            l.pick("Sicherheit", "certainty"),
            l.pick("Verbindungen", "connections"),
            l.pick("Zusammenfassung", "summary"),
            l.pick("nachsehen in", "look into"),
        ]),
        rows: reach.parties.iter().map(row).collect(),
    }
}

fn link(c: &ConnectionExposure, l: Language) -> String {
    let cut = c.cut.map(|at| format!(", {} {at}", l.pick("getrennt seit", "cut since")));
    format!("{} ({}{})", c.name, c.kind, cut.unwrap_or_default())
}

fn heads<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

fn span(seen: Option<(Timestamp, Timestamp)>) -> String {
    seen.map_or_else(|| "–".to_owned(), |(from, to)| format!("{from} – {to}"))
}
