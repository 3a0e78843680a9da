//! The report of a drill or a replay: one HTML file for those who stay inside.
//!
//! It needs no script, no network and no second file. Every drawing is followed by a table that says the same. Unlike the
//! public site it names hosts and accounts: it is not for publication.

use askama::Template;
use leckwehr_estate::Estate;
use leckwehr_incident::{
    Claim, Confidence, Hop, HostAssessment, OutsideEndpoint, OutsideRole, PlanKind, PlanStep, PlanView, Situation, StepOutcome,
    StepView, Tier, Timestamp,
};

use crate::duty::{Due, Rule, duties};
use crate::moment::precise;
use crate::pages::{confidence_words, policy};
use crate::route::{role_words, tier_class, tier_mark, tier_words};
use crate::state::service_states;
use crate::timeline::{timeline, zero};
use crate::{
    Language, LintFinding, PublishError, Works, duration_words, level_words, lint_claim, moment, phase_word, route_map,
    service_bars,
};

/// Style of the report and the console.
pub const STYLE: &str = include_str!("../templates/report.css");

/// What the situation was computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkMode {
    /// Real sockets, namespaces and firewalls.
    Real,
    /// An in-process network.
    Simulated,
    /// Recorded telemetry; nothing was cut.
    Recorded,
}

impl NetworkMode {
    /// Returns the label that stands at the top of the report.
    pub fn words(self, language: Language) -> &'static str {
        match self {
            Self::Real => language.pick("ECHTES Netz", "REAL network"),
            Self::Simulated => language.pick("SIMULIERTES Netz", "SIMULATED network"),
            Self::Recorded => language.pick("AUFGEZEICHNET", "RECORDED"),
        }
    }
}

/// What a score says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The target was met.
    Pass,
    /// It was not.
    Fail,
    /// It cannot be said.
    Unknown,
}

impl Verdict {
    fn class(self) -> &'static str {
        match self {
            Self::Pass => "yes",
            Self::Fail => "no",
            Self::Unknown => "unknown",
        }
    }

    fn shape(self) -> &'static str {
        match self {
            Self::Pass => "✓",
            Self::Fail => "✕",
            Self::Unknown => "?",
        }
    }

    fn words(self, language: Language) -> &'static str {
        match self {
            Self::Pass => language.pick("erfüllt", "pass"),
            Self::Fail => language.pick("verfehlt", "fail"),
            Self::Unknown => language.pick("unbekannt", "unknown"),
        }
    }
}

/// One line of the score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreRow {
    /// What was measured.
    pub name: String,
    /// The figure with its unit.
    pub value: String,
    /// What it should be.
    pub target: String,
    /// The judgement.
    pub verdict: Verdict,
}

/// One line of a diary that the control room could not see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruthEvent {
    /// When.
    pub at: Timestamp,
    /// Who; one lane of the timeline each.
    pub actor: String,
    /// What.
    pub text: String,
}

/// A further table, for what no situation holds: options that were not taken, forecasts, assumed deadlines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Annex {
    /// Title.
    pub title: String,
    /// What it stands on, one sentence.
    pub note: String,
    /// Column titles.
    pub head: Vec<String>,
    /// Rows; the first cell of each names it.
    pub rows: Vec<Vec<String>>,
}

/// Everything that a report shows.
#[derive(Debug, Clone)]
pub struct ReportInput<'a> {
    /// Title.
    pub title: String,
    /// Scenario and seed, or the names of the telemetry.
    pub source: String,
    /// What the situation was computed from.
    pub mode: NetworkMode,
    /// The situation.
    pub situation: &'a Situation,
    /// The estate.
    pub estate: &'a Estate,
    /// The score; may be empty.
    pub score: Vec<ScoreRow>,
    /// What really happened, where somebody knows; may be empty.
    pub truth: Vec<TruthEvent>,
    /// Further tables; may be empty.
    pub annexes: Vec<Annex>,
    /// When the status site was published.
    pub published: Vec<Timestamp>,
    /// Entries in the ledger.
    pub ledger_size: u64,
    /// Hash line of the ledger's checkpoint.
    pub checkpoint: String,
    /// When the report is made.
    pub generated_at: Timestamp,
    /// Language of the words around the data.
    pub language: Language,
}

/// Renders the report as one HTML file. Pure: equal inputs give equal bytes.
pub fn render(input: &ReportInput<'_>) -> Result<String, PublishError> {
    let l = input.language;
    let situation = input.situation;
    let start = zero(situation);
    let page = ReportPage {
        l,
        input,
        situation,
        style: STYLE,
        policy: policy(STYLE),
        mode: input.mode.words(l),
        phase: phase_word(situation.phase, l),
        mode_class: if input.mode == NetworkMode::Real { "real" } else { "not-real" },
        as_of: precise(situation.as_of),
        generated: precise(input.generated_at),
        timeline: timeline(situation, &input.truth, &input.published, l),
        route: route_map(situation, input.estate, l),
        bars: service_bars(situation, input.estate, l),
        events: events(input, start),
        plans: plans(situation, l),
        services: services(input, start),
        duties: duties(situation, input.estate, None),
    };
    page.render().map_err(|source| PublishError::Page {
        path: "report".to_owned(),
        source,
    })
}

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage<'a> {
    l: Language,
    input: &'a ReportInput<'a>,
    situation: &'a Situation,
    style: &'static str,
    policy: String,
    mode: &'static str,
    mode_class: &'static str,
    phase: &'static str,
    as_of: String,
    generated: String,
    timeline: String,
    route: String,
    bars: String,
    events: Vec<EventRow>,
    plans: Vec<PlanTable<'a>>,
    services: Vec<ServiceLine<'a>>,
    duties: Vec<Due>,
}

struct EventRow {
    at: Timestamp,
    time: String,
    since: String,
    who: String,
    text: String,
}

struct PlanTable<'a> {
    view: &'a PlanView,
    title: &'static str,
    steps: Vec<StepRow<'a>>,
}

struct StepRow<'a> {
    step: &'a PlanStep,
    planned: String,
    actual: String,
    verdict: Verdict,
    outcome: String,
}

struct ServiceLine<'a> {
    name: &'a str,
    works: Works,
    words: &'static str,
    level: &'static str,
    down: String,
    planned: String,
    changes: String,
}

/// What the template asks for; it hands over references.
impl ReportPage<'_> {
    fn tier(&self, tier: &Tier) -> &'static str {
        tier_words(*tier, self.l)
    }

    fn tier_class(&self, tier: &Tier) -> &'static str {
        tier_class(*tier)
    }

    fn mark(&self, tier: &Tier) -> String {
        tier_mark(*tier, false)
    }

    fn ring(&self) -> String {
        tier_mark(Tier::Unknown, true)
    }

    fn host_mark(&self, host: &HostAssessment) -> String {
        tier_mark(host.tier, self.isolated(host))
    }

    fn isolated(&self, host: &HostAssessment) -> bool {
        self.situation.hosts.get(&host.system).is_some_and(|view| view.isolated)
    }

    fn role(&self, role: &OutsideRole) -> &'static str {
        role_words(*role, self.l)
    }

    fn verdict(&self, verdict: &Verdict) -> &'static str {
        verdict.words(self.l)
    }

    fn confidence(&self, confidence: &Confidence) -> &'static str {
        confidence_words(*confidence, self.l)
    }

    fn duty(&self, rule: &Rule) -> &'static str {
        rule.what(self.l)
    }

    fn time(&self, at: &Timestamp) -> String {
        precise(*at)
    }

    fn moment(&self, at: &Timestamp) -> String {
        moment(*at, self.l)
    }

    fn percent(&self, share: &f64) -> String {
        format!("{:.0} %", share * 100.0)
    }

    fn bytes(&self, bytes: &u64) -> String {
        let digits = bytes.to_string();
        let groups = digits.as_bytes().rchunks(3).rev();
        let groups: Vec<&str> = groups.filter_map(|group| std::str::from_utf8(group).ok()).collect();
        format!("{} B", groups.join("\u{202f}"))
    }

    fn account<'h>(&self, hop: &'h Hop) -> &'h str {
        hop.account.as_deref().unwrap_or("–")
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

fn events(input: &ReportInput<'_>, start: Timestamp) -> Vec<EventRow> {
    let l = input.language;
    let row = |at: Timestamp, who: &str, text: String| EventRow {
        at,
        time: precise(at),
        since: duration_words(at.seconds_since(start)),
        who: who.to_owned(),
        text,
    };
    let situation = input.situation;
    let mut rows = Vec::new();
    for (at, phase, reason) in &situation.history {
        rows.push(row(
            *at,
            l.pick("Phase", "phase"),
            format!("{}: {reason}", phase_word(*phase, l)),
        ));
    }
    for view in situation.alarms.values() {
        let text = format!("{} – {}", view.alarm.entity, view.alarm.reasons.join("; "));
        rows.push(row(view.alarm.at, l.pick("Alarm", "alarm"), text));
    }
    for plan in plans(situation, l) {
        let record = &plan.view.plan;
        let text = format!(
            "{} {}: {} ({})",
            plan.title,
            record.generation,
            record.summary,
            record.steps.len()
        );
        rows.push(row(plan.view.proposed, l.pick("Plan vorgeschlagen", "plan proposed"), text));
    }
    for event in &input.truth {
        rows.push(row(event.at, &event.actor, event.text.clone()));
    }
    for at in &input.published {
        let text = l.pick("Statusseite veröffentlicht", "status site published");
        rows.push(row(*at, l.pick("Veröffentlichung", "publication"), text.to_owned()));
    }
    rows.sort_by_key(|row| row.at);
    rows
}

fn plans(situation: &Situation, l: Language) -> Vec<PlanTable<'_>> {
    let mut views: Vec<&PlanView> = situation.plans.values().collect();
    views.sort_by_key(|view| (view.proposed, view.plan.generation));
    let table = |view| PlanTable {
        view,
        title: match view.plan.kind {
            PlanKind::Takedown => l.pick("Trennplan", "Takedown plan"),
            PlanKind::Restore => l.pick("Wiederaufbauplan", "Restoration plan"),
        },
        steps: view
            .plan
            .steps
            .iter()
            .map(|step| step_row(step, view.steps.get(&step.number), l))
            .collect(),
    };
    views.into_iter().map(table).collect()
}

fn step_row<'a>(step: &'a PlanStep, view: Option<&StepView>, l: Language) -> StepRow<'a> {
    let ended = view.and_then(|v| v.ended.as_ref().map(|(at, outcome)| (at.seconds_since(v.intended), outcome)));
    let (verdict, outcome) = match (view, ended) {
        (None, _) => (Verdict::Unknown, l.pick("nicht begonnen", "not begun").to_owned()),
        (Some(_), None) => (
            Verdict::Unknown,
            l.pick("begonnen, nicht beendet", "begun, not ended").to_owned(),
        ),
        (_, Some((_, StepOutcome::Verified { evidence }))) => (Verdict::Pass, evidence.clone()),
        (_, Some((_, StepOutcome::NotApplied { reason }))) => (Verdict::Fail, reason.clone()),
        (_, Some((_, StepOutcome::Doubtful { reason }))) => (Verdict::Unknown, reason.clone()),
    };
    StepRow {
        step,
        planned: duration_words(step.planned_ms as f64 / 1e3),
        actual: ended.map_or_else(|| "–".to_owned(), |(seconds, _)| duration_words(seconds)),
        verdict,
        outcome,
    }
}

fn services<'a>(input: &ReportInput<'a>, start: Timestamp) -> Vec<ServiceLine<'a>> {
    let l = input.language;
    let states = service_states(input.situation, input.estate);
    let line = |state: &crate::state::ServiceState<'a>| {
        let mut down = 0.0;
        for (n, (at, level)) in state.changes.iter().enumerate() {
            let end = state.changes.get(n + 1).map_or(input.situation.as_of, |next| next.0);
            if Works::of(Some(*level)) == Works::No {
                down += end.seconds_since(*at);
            }
        }
        let change = |(at, level): &(Timestamp, leckwehr_incident::ServiceLevel)| {
            format!("{} {}", duration_words(at.seconds_since(start)), level_words(Some(*level), l))
        };
        ServiceLine {
            name: state.name,
            works: state.works,
            words: state.works.words(l),
            level: level_words(state.level, l),
            down: if state.level.is_none() {
                "?".to_owned()
            } else {
                duration_words(down)
            },
            planned: state
                .service
                .map_or_else(|| "–".to_owned(), |s| duration_words(f64::from(s.rto_minutes) * 60.0)),
            changes: state.changes.iter().map(change).collect::<Vec<_>>().join(" → "),
        }
    };
    states.iter().map(line).collect()
}
