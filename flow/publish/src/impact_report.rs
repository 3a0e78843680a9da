//! The report of an impact analysis: one HTML file, without script, network or second file.
//!
//! It names hosts, addresses and accounts: it is not for publication.

use askama::Template;
use leckwehr_estate::Estate;
use leckwehr_incident::{Claim, Confidence, Impact, OutsideEndpoint, OutsideRole, Tier, Timestamp};

use crate::impact_map::{MapStep, StepKind, bytes, coverage_strip, impact_map, steps};
use crate::moment::precise;
use crate::pages::{confidence_words, policy};
use crate::report::Annex;
use crate::route::{role_words, tier_class, tier_mark, tier_words};
use crate::{Language, LintFinding, PublishError, lint_claim, moment};

/// Style: the report's, and what only the map needs.
const STYLE: &str = concat!(
    include_str!("../templates/report.css"),
    include_str!("../templates/impact.css")
);

/// Stretches without sight that are written out per track.
const UNSEEN_MAX: usize = 6;

/// A step that no record shows, but that must have happened in some form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hypothesis {
    /// From.
    pub from: String,
    /// To.
    pub to: String,
    /// It happened not before this.
    pub earliest: Timestamp,
    /// And not after this.
    pub latest: Timestamp,
    /// Why it is thought of, and what would confirm or exclude it.
    pub why: String,
}

/// What a stretch of a track is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Records arrived.
    Seen,
    /// Records are missing.
    Gap,
    /// Nothing was ever collected, or it is no longer kept.
    Never,
}

impl Sight {
    pub(crate) fn words(self, l: Language) -> &'static str {
        match self {
            Self::Seen => l.pick("gesehen", "seen"),
            Self::Gap => l.pick("Lücke", "gap"),
            Self::Never => l.pick("nicht erhoben oder nicht mehr vorhanden", "never collected or no longer kept"),
        }
    }
}

/// What was seen of one asset in one class, over time.
#[derive(Debug, Clone, PartialEq)]
pub struct CoverageTrack {
    /// System, zone or sensor.
    pub asset: String,
    /// Evidence class.
    pub class: String,
    /// Share seen, 0 to 1.
    pub seen: f64,
    /// Stretches in order of time.
    pub spans: Vec<(Timestamp, Timestamp, Sight)>,
}

/// Everything that the report shows.
#[derive(Debug, Clone)]
pub struct ImpactInput<'a> {
    /// Title.
    pub title: String,
    /// What it was computed from, in words.
    pub source: String,
    /// The analysis.
    pub impact: &'a Impact,
    /// What may be said.
    pub claims: &'a [Claim],
    /// The estate.
    pub estate: &'a Estate,
    /// Steps that no record shows; may be empty.
    pub hypotheses: Vec<Hypothesis>,
    /// Coverage over time; without it the shares of the analysis are drawn.
    pub tracks: Vec<CoverageTrack>,
    /// Further tables: routes, exposure, theft; may be empty.
    pub annexes: Vec<Annex>,
    /// When the report is made.
    pub generated_at: Timestamp,
    /// Language of the words around the data.
    pub language: Language,
}

/// Renders the report as one HTML file. Pure: equal inputs give equal bytes.
pub fn render_impact(input: &ImpactInput<'_>) -> Result<String, PublishError> {
    let l = input.language;
    let steps = steps(input.impact, &input.hypotheses, l);
    let page = ImpactPage {
        l,
        input,
        impact: input.impact,
        style: STYLE,
        policy: policy(STYLE),
        generated: precise(input.generated_at),
        map: impact_map(input.impact, input.estate, &steps, l),
        strip: coverage_strip(input.impact, &input.tracks, l),
        steps,
    };
    page.render().map_err(|source| PublishError::Page {
        path: "impact".to_owned(),
        source,
    })
}

#[derive(Template)]
#[template(path = "impact.html")]
struct ImpactPage<'a> {
    l: Language,
    input: &'a ImpactInput<'a>,
    impact: &'a Impact,
    style: &'static str,
    policy: String,
    generated: String,
    map: String,
    strip: String,
    steps: Vec<MapStep<'a>>,
}

/// What the template asks for; it hands over references.
impl ImpactPage<'_> {
    fn tier(&self, tier: &Tier) -> &'static str {
        tier_words(*tier, self.l)
    }

    fn tier_class(&self, tier: &Tier) -> &'static str {
        tier_class(*tier)
    }

    fn mark(&self, tier: &Tier) -> String {
        tier_mark(*tier, false)
    }

    fn role(&self, role: &OutsideRole) -> &'static str {
        role_words(*role, self.l)
    }

    fn confidence(&self, confidence: &Confidence) -> &'static str {
        confidence_words(*confidence, self.l)
    }

    fn certainty(&self, step: &MapStep<'_>) -> &'static str {
        match step.kind {
            StepKind::Hypothesis => self.l.pick("Vermutung", "hypothesis"),
            _ => tier_words(step.tier, self.l),
        }
    }

    fn count(&self, tier: &Tier) -> usize {
        self.impact.hosts.iter().filter(|h| h.tier == *tier).count()
    }

    fn time(&self, at: &Timestamp) -> String {
        precise(*at)
    }

    fn moment(&self, at: &Timestamp) -> String {
        moment(*at, self.l)
    }

    /// Rounded down, so that only what is whole says so.
    fn percent(&self, share: &f64) -> String {
        let tenths = if *share < 1.0 {
            (share * 1_000.0).floor() / 10.0
        } else {
            100.0
        };
        format!("{tenths:.1} %")
    }

    /// When a track saw nothing, in words.
    fn unseen(&self, track: &CoverageTrack) -> String {
        let missing = track.spans.iter().filter(|(_, _, sight)| *sight != Sight::Seen);
        let words = missing.clone().take(UNSEEN_MAX).map(|(from, to, sight)| {
            let sight = sight.words(self.l);
            format!("{sight}: {} – {}", precise(*from), precise(*to))
        });
        let more = missing.count().saturating_sub(UNSEEN_MAX);
        let more = (more > 0).then(|| self.l.pick(format!("und {more} weitere"), format!("and {more} more")));
        words.chain(more).collect::<Vec<_>>().join("; ")
    }

    fn bytes(&self, count: &u64) -> String {
        bytes(*count)
    }

    fn seen(&self, endpoint: &OutsideEndpoint) -> String {
        let words = |(from, to)| format!("{} – {}", precise(from), precise(to));
        endpoint.seen.map_or_else(|| "–".to_owned(), words)
    }

    fn claim<'c>(&self, claim: &'c Claim) -> &'c str {
        let own = claim.text.get(self.l.tag());
        own.or_else(|| claim.text.values().next()).map_or("", String::as_str)
    }

    fn lint(&self, claim: &Claim) -> Vec<LintFinding> {
        lint_claim(self.claim(claim), claim)
    }
}
