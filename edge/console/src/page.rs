use std::collections::BTreeMap;

use askama::Template;
use leckwehr_estate::Estate;
use leckwehr_incident::{
    AlarmLevel, AlarmView, Claim, Confidence, HostAssessment, HostView, PlanView, Situation, StepOutcome, Tier, Timestamp,
};
use leckwehr_publish::report::STYLE;
use leckwehr_publish::{
    Due, Language, Works, duration_words, duties, level_words, lint_claim, moment, phase_sentence, phase_word, policy, route_map,
    service_advice, service_bars, tier_words,
};

use crate::tail;
use crate::watch::Watch;

pub(crate) const OWN_STYLE: &str = include_str!("../templates/console.css");

/// A page and the policy that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The HTML.
    pub html: String,
    /// The Content-Security-Policy.
    pub policy: String,
}

/// Renders the one screen for a moment. `refresh_s` of 0 keeps it still.
pub fn render(watch: &Watch, estate: &Estate, now: Timestamp, l: Language, refresh_s: u32) -> askama::Result<Page> {
    let situation = watch.situation();
    let style = format!("{STYLE}{OWN_STYLE}");
    let policy = policy(&style);
    let screen = Screen {
        l,
        style,
        refresh_s,
        watch,
        situation,
        phase: phase_word(situation.phase, l),
        sentence: phase_sentence(situation.phase, l),
        as_of: format!("{} ({})", moment(situation.as_of, l), situation.as_of),
        age: duration_words(now.seconds_since(situation.as_of).max(0.0)),
        tiers: tiers(situation, l),
        off_grid: situation.hosts.values().filter(|host| host.isolated).count(),
        hosts: hosts(situation, l),
        route: route_map(situation, estate, l),
        bars: service_bars(situation, estate, l),
        alarms: alarms(situation),
        plans: plans(situation, l),
        services: services(situation, estate, l),
        duties: duties(situation, estate, None)
            .into_iter()
            .map(|due| duty_row(due, now, l))
            .collect(),
        tail: watch
            .tail()
            .rev()
            .map(|t| (t.index, t.fact.at.to_string(), &*t.fact.by, tail::words(&t.fact.what)))
            .collect(),
    };
    Ok(Page {
        html: screen.render()?,
        policy,
    })
}

#[derive(Template)]
#[template(path = "console.html")]
struct Screen<'a> {
    l: Language,
    style: String,
    refresh_s: u32,
    watch: &'a Watch,
    situation: &'a Situation,
    phase: &'static str,
    sentence: &'static str,
    as_of: String,
    age: String,
    tiers: Vec<(&'static str, usize)>,
    off_grid: usize,
    hosts: Vec<HostRow<'a>>,
    route: String,
    bars: String,
    alarms: Vec<&'a AlarmView>,
    plans: Vec<PlanRow<'a>>,
    services: Vec<ServiceRow<'a>>,
    duties: Vec<DutyRow>,
    tail: Vec<(u64, String, &'a str, String)>,
}

struct HostRow<'a> {
    id: &'a str,
    tier: &'static str,
    isolated: &'static str,
    since: String,
    via: &'a str,
    why: String,
}

struct PlanRow<'a> {
    view: &'a PlanView,
    verified: usize,
    failed: usize,
    doubtful: usize,
    running: Vec<String>,
    proposed: String,
}

struct DutyRow {
    due: Due,
    at: String,
    left: String,
    overdue: bool,
    what: &'static str,
}

/// What the template asks for; it hands over references.
impl Screen<'_> {
    fn level(&self, level: &AlarmLevel) -> &'static str {
        level_word(*level, self.l)
    }

    fn time(&self, at: &Timestamp) -> String {
        moment(*at, self.l)
    }

    fn claim<'c>(&self, claim: &'c Claim) -> &'c str {
        let own = claim.text.get(self.l.tag());
        own.or_else(|| claim.text.values().next()).map_or("", String::as_str)
    }

    fn confidence(&self, confidence: &Confidence) -> &'static str {
        match confidence {
            Confidence::Confirmed => self.l.pick("bestätigt", "confirmed"),
            Confidence::Likely => self.l.pick("wahrscheinlich", "likely"),
            Confidence::Assessed => self.l.pick("Einschätzung", "assessed"),
            Confidence::Unknown => self.l.pick("unbekannt", "unknown"),
        }
    }

    fn blocked(&self, claim: &Claim) -> bool {
        claim.text.values().any(|text| !lint_claim(text, claim).is_empty())
    }
}

/// The word for a level, with a shape for those who see no colours.
pub(crate) fn level_word(level: AlarmLevel, l: Language) -> &'static str {
    match level {
        AlarmLevel::Notice => l.pick("○ Hinweis", "○ notice"),
        AlarmLevel::Warning => l.pick("▲ Warnung", "▲ warning"),
        AlarmLevel::Critical => l.pick("◆ kritisch", "◆ critical"),
    }
}

fn tiers(situation: &Situation, l: Language) -> Vec<(&'static str, usize)> {
    let all = [Tier::Proven, Tier::Probable, Tier::Possible, Tier::Excluded, Tier::Unknown];
    let count = |tier| {
        situation
            .hosts
            .values()
            .filter(|host| host.tier.unwrap_or(Tier::Unknown) == tier)
            .count()
    };
    all.into_iter().map(|tier| (tier_words(tier, l), count(tier))).collect()
}

/// Every host that was assessed or isolated, the most certain first.
fn hosts(situation: &Situation, l: Language) -> Vec<HostRow<'_>> {
    let mut views: Vec<_> = situation.hosts.iter().collect();
    views.sort_by_key(|(id, view)| (view.tier.unwrap_or(Tier::Unknown), *id));
    let assessed: BTreeMap<&str, &HostAssessment> = situation
        .impact
        .hosts
        .iter()
        .map(|host| (host.system.as_str(), host))
        .collect();
    views
        .into_iter()
        .map(|(id, view)| host_row(id, view, assessed.get(id.as_str()).copied(), l))
        .collect()
}

fn host_row<'a>(id: &'a str, view: &HostView, assessed: Option<&'a HostAssessment>, l: Language) -> HostRow<'a> {
    HostRow {
        id,
        tier: tier_words(view.tier.unwrap_or(Tier::Unknown), l),
        isolated: if view.isolated {
            l.pick("ja", "yes")
        } else {
            l.pick("nein", "no")
        },
        since: assessed
            .and_then(|host| host.since)
            .map_or_else(|| "–".to_owned(), |at| moment(at, l)),
        via: assessed.and_then(|host| host.via.as_deref()).unwrap_or("–"),
        why: assessed.map_or_else(String::new, |host| host.reasons.join("; ")),
    }
}

/// Open alarms, the loudest first.
fn alarms(situation: &Situation) -> Vec<&AlarmView> {
    let mut alarms: Vec<&AlarmView> = situation.alarms.values().collect();
    alarms.sort_by(|a, b| {
        let loudness = |v: &AlarmView| (v.closed_as.is_none(), v.alarm.level);
        loudness(b)
            .cmp(&loudness(a))
            .then(b.alarm.risk.total_cmp(&a.alarm.risk))
            .then(a.alarm.id.cmp(&b.alarm.id))
    });
    alarms
}

fn plans(situation: &Situation, l: Language) -> Vec<PlanRow<'_>> {
    let mut views: Vec<&PlanView> = situation.plans.values().collect();
    views.sort_by_key(|view| std::cmp::Reverse((view.proposed, view.plan.generation)));
    let count = |view: &PlanView, is: fn(&StepOutcome) -> bool| {
        let ended = view.steps.values().filter_map(|step| step.ended.as_ref());
        ended.filter(|(_, outcome)| is(outcome)).count()
    };
    let row = |view| PlanRow {
        view,
        verified: count(view, |o| matches!(o, StepOutcome::Verified { .. })),
        failed: count(view, |o| matches!(o, StepOutcome::NotApplied { .. })),
        doubtful: count(view, |o| matches!(o, StepOutcome::Doubtful { .. })),
        running: running(view),
        proposed: moment(view.proposed, l),
    };
    views.into_iter().map(row).collect()
}

/// Steps that have begun and not ended.
fn running(view: &PlanView) -> Vec<String> {
    let steps = view.plan.steps.iter();
    let open = steps.filter(|step| view.steps.get(&step.number).is_some_and(|s| s.ended.is_none()));
    open.map(|step| format!("{}. {} {}", step.number, step.action, step.target))
        .collect()
}

/// A service, how it works, why, and what its customers are told.
struct ServiceRow<'a> {
    name: &'a str,
    works: Works,
    words: &'static str,
    level: &'static str,
    reason: String,
    advice: String,
}

fn services<'a>(situation: &'a Situation, estate: &'a Estate, l: Language) -> Vec<ServiceRow<'a>> {
    let mut advice = service_advice(situation, estate, l);
    let unseen = estate.services.keys().filter(|id| !situation.services.contains_key(*id));
    let mut rows: Vec<_> = situation
        .services
        .keys()
        .chain(unseen)
        .map(|id| {
            let view = situation.services.get(id);
            let level = view.map(|v| v.level);
            let works = Works::of(level);
            let name = estate.services.get(id).map_or(id.as_str(), |service| &service.name);
            let reason = view.map_or_else(String::new, |v| v.reason.clone());
            ServiceRow {
                name,
                works,
                words: works.words(l),
                level: level_words(level, l),
                reason,
                advice: advice.remove(id).unwrap_or_default(),
            }
        })
        .collect();
    rows.sort_by_key(|row| (row.works, row.name));
    rows
}

fn duty_row(due: Due, now: Timestamp, l: Language) -> DutyRow {
    let left = due.due.map(|at| at.seconds_since(now));
    DutyRow {
        at: due.due.map_or_else(|| "?".to_owned(), |at| moment(at, l)),
        left: left.map_or_else(|| "?".to_owned(), |seconds| duration_words(seconds.round())),
        overdue: left.is_some_and(|seconds| seconds < 0.0),
        what: due.rule.what(l),
        due,
    }
}
