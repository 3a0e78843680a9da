use askama::Template;
use leckwehr_incident::{AlarmLevel, AlarmView, Suppression, Timestamp, Verdict};
use leckwehr_publish::report::STYLE;
use leckwehr_publish::{Language, moment, policy};

use crate::desk::Desk;
use crate::page::{OWN_STYLE, Page, level_word};
use crate::watch::Watch;

/// Renders one alarm: whose rules fired how often, what became of it, and what can be decided. `None` if there is none.
pub(crate) fn render_alarm(watch: &Watch, alarm: &str, desk: Option<&Desk>, l: Language) -> Option<askama::Result<Page>> {
    let view = watch.situation().alarms.get(alarm)?;
    let suppressions = watch.situation().suppressions.values();
    let style = format!("{STYLE}{OWN_STYLE}");
    // Forms go to this console and nowhere else.
    let policy = policy(&style).replace("form-action 'none'", "form-action 'self'");
    let page = AlarmPage {
        l,
        style,
        view,
        token: desk.map(Desk::token),
        suppressions: suppressions.collect(),
    };
    Some(page.render().map(|html| Page { html, policy }))
}

#[derive(Template)]
#[template(path = "alarm.html")]
struct AlarmPage<'a> {
    l: Language,
    style: String,
    view: &'a AlarmView,
    token: Option<&'a str>,
    suppressions: Vec<&'a Suppression>,
}

/// What the template asks for; it hands over references.
impl AlarmPage<'_> {
    fn level(&self, level: &AlarmLevel) -> &'static str {
        level_word(*level, self.l)
    }

    fn time(&self, at: &Timestamp) -> String {
        moment(*at, self.l)
    }

    fn percent(&self, share: &f64) -> String {
        format!("{:.0} %", share * 100.0)
    }

    fn verdicts(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        Verdict::ALL
            .into_iter()
            .map(|verdict| (verdict.word(), self.verdict(verdict)))
    }

    fn verdict(&self, verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::FalsePositive => self.l.pick("Fehlalarm", "false positive"),
            Verdict::BenignTruePositive => self.l.pick("richtig erkannt, aber erlaubt", "true, but allowed"),
            Verdict::Contained => self.l.pick("Angriff, eingedämmt", "attack, contained"),
            Verdict::Duplicate => self.l.pick("doppelt", "duplicate"),
            Verdict::Undetermined => self.l.pick("nicht mehr feststellbar", "cannot be found out"),
        }
    }

    fn closed_as(&self, verdict: &Option<Verdict>) -> &'static str {
        verdict.map_or_else(|| self.l.pick("ohne Angabe", "not said"), |verdict| self.verdict(verdict))
    }
}
