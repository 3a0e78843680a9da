use std::collections::{BTreeMap, BTreeSet};

use leckwehr_incident::{Alarm, AlarmLevel, Cause, Finding, Timestamp};
use serde::{Deserialize, Serialize};

use super::closing::Closed;
use super::{decay, level};

/// Each further technique adds this share of the risk, up to `DIVERSITY_MAX` in all.
const DIVERSITY_STEP: f64 = 0.2;
const DIVERSITY_MAX: f64 = 2.0;
/// A finding of this weight counts whole however often its rule fired.
const DECISIVE_WEIGHT: u8 = 90;
/// A rule with less risk than this no longer counts as one of several techniques.
const LIVE_RISK_MIN: f64 = 1.0;
/// Rules told apart for one entity; the quietest goes when another comes.
const CAUSES_MAX: usize = 64;
/// Places of raw records kept per rule and entity, the first ones.
const EVIDENCE_MAX: usize = 8;
/// Indicators kept per entity, the first ones.
const INDICATORS_MAX: usize = 16;
/// An open alarm that had gone quiet is told again after this time, so that it is not taken for the old one.
const RETELL_S: f64 = 86_400.0;

/// What is known of one host, account, service or party.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Entity {
    /// The time that the risks are of.
    at: Timestamp,
    /// By rule and title.
    causes: BTreeMap<String, CauseState>,
    indicators: BTreeSet<String>,
    alarm: Option<Told>,
    pub(super) closed: Option<Closed>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct CauseState {
    rule: String,
    title: String,
    author: String,
    techniques: Vec<String>,
    risk: f64,
    count: u64,
    first: Timestamp,
    last: Timestamp,
    evidence: Vec<String>,
}

/// The alarm as it was last told.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    id: String,
    level: AlarmLevel,
    at: Timestamp,
}

/// Why an alarm is told.
pub(super) struct News {
    level: AlarmLevel,
    reopened: Option<String>,
}

impl Entity {
    pub(super) fn at(&self) -> Timestamp {
        self.at
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    pub(super) fn open_level(&self) -> Option<AlarmLevel> {
        self.alarm.as_ref().filter(|_| self.closed.is_none()).map(|told| told.level)
    }

    pub(super) fn alarm(&self) -> Option<(&str, AlarmLevel)> {
        self.alarm.as_ref().map(|told| (told.id.as_str(), told.level))
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = &String> {
        self.causes.values().map(|cause| &cause.rule)
    }

    pub(super) fn indicators(&self) -> impl Iterator<Item = &String> {
        self.indicators.iter()
    }

    /// Forgets the risk: it was judged.
    pub(super) fn clear_risk(&mut self) {
        self.causes.values_mut().for_each(|cause| cause.risk = 0.0);
    }

    /// Returns how much it would cost to forget it: nothing, a closed alarm, an open one.
    pub(super) fn rank(&self) -> u8 {
        u8::from(self.alarm.is_some()) + u8::from(self.open_level().is_some())
    }

    pub(super) fn risk_at(&self, now: Timestamp) -> f64 {
        self.causes.values().map(|c| c.risk).sum::<f64>() * decay(self.at, now)
    }

    /// Takes a finding; what there is to be told of the alarm comes back.
    pub(super) fn add(&mut self, finding: &Finding, share: f64) -> Option<News> {
        let was_quiet = self.was_quiet(finding.at);
        self.take(finding, share);
        let reached = level(self.weighted_risk());
        if let Some(closed) = &self.closed {
            let reopened = closed.reopened_by(finding, reached)?;
            let level = reached.max(Some(closed.level))?;
            return Some(News {
                level,
                reopened: Some(reopened),
            });
        }
        let level = reached?;
        let is_news = self
            .alarm
            .as_ref()
            .is_none_or(|told| told.level < level || (was_quiet && told.level == level));
        is_news.then_some(News { level, reopened: None })
    }

    /// Opens a closed alarm without a finding about this entity.
    pub(super) fn reopen(&mut self, reopened: String) -> Option<News> {
        let level = self.closed.as_ref()?.level;
        Some(News {
            level,
            reopened: Some(reopened),
        })
    }

    /// Returns the id of its alarm; a new one if it has none.
    pub(super) fn alarm_id(&self, alarms: &mut u64) -> String {
        match &self.alarm {
            Some(told) => told.id.clone(),
            None => {
                *alarms += 1;
                format!("alarm-{alarms}")
            }
        }
    }

    /// Tells the alarm as it is now.
    pub(super) fn tell(&mut self, id: String, name: &str, news: News, at: Timestamp) -> Alarm {
        self.closed = None;
        self.alarm = Some(Told {
            id: id.clone(),
            level: news.level,
            at,
        });
        let causes = self.causes();
        Alarm {
            id,
            at,
            entity: name.to_owned(),
            level: news.level,
            risk: self.weighted_risk(),
            reasons: causes.iter().map(words).collect(),
            causes,
            reopened: news.reopened,
        }
    }

    /// Returns whether an open alarm was told long ago and nothing is left of it.
    fn was_quiet(&self, now: Timestamp) -> bool {
        let since = self.alarm.as_ref().map(|told| now.seconds_since(told.at));
        since.is_some_and(|s| s >= RETELL_S) && level(self.risk_at(now)).is_none()
    }

    fn take(&mut self, finding: &Finding, share: f64) {
        let passed = decay(self.at, finding.at);
        self.at = self.at.max(finding.at);
        self.causes.values_mut().for_each(|cause| cause.risk *= passed);
        let key = format!("{}\n{}", finding.rule, finding.title);
        if !self.causes.contains_key(&key) && self.causes.len() >= CAUSES_MAX {
            let quietest = self.causes.iter().min_by(|a, b| a.1.risk.total_cmp(&b.1.risk));
            if let Some(key) = quietest.map(|(key, _)| key.clone()) {
                self.causes.remove(&key);
            }
        }
        let cause = self.causes.entry(key).or_insert_with(|| CauseState::new(finding));
        // What comes late is as old as it says.
        cause.add(finding, f64::from(finding.weight) * share * decay(finding.at, self.at));
        let room = INDICATORS_MAX.saturating_sub(self.indicators.len());
        self.indicators.extend(indicators(finding).take(room).map(str::to_owned));
    }

    fn weighted_risk(&self) -> f64 {
        let live = self.causes.values().filter(|c| c.risk >= LIVE_RISK_MIN);
        let techniques: BTreeSet<&String> = live.filter_map(|c| c.techniques.first()).collect();
        let further = techniques.len().saturating_sub(1) as f64;
        let risk: f64 = self.causes.values().map(|c| c.risk).sum();
        risk * (1.0 + DIVERSITY_STEP * further).min(DIVERSITY_MAX)
    }

    fn causes(&self) -> Vec<Cause> {
        let whole: f64 = self.causes.values().map(|c| c.risk).sum();
        let share = |risk: f64| if whole > 0.0 { risk / whole } else { 0.0 };
        let cause = |c: &CauseState| Cause {
            rule: c.rule.clone(),
            title: c.title.clone(),
            author: c.author.clone(),
            techniques: c.techniques.clone(),
            count: c.count,
            share: share(c.risk),
            first: c.first,
            last: c.last,
            evidence: c.evidence.clone(),
        };
        let mut causes: Vec<Cause> = self.causes.values().map(cause).collect();
        causes.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.title.cmp(&b.title)));
        causes
    }
}

impl CauseState {
    fn new(finding: &Finding) -> Self {
        Self {
            rule: finding.rule.clone(),
            title: finding.title.clone(),
            author: finding.author.clone(),
            first: finding.at,
            last: finding.at,
            ..Self::default()
        }
    }

    fn add(&mut self, finding: &Finding, whole: f64) {
        // The first counts whole, the next half, then a quarter; what decays may count again.
        let left = if finding.weight >= DECISIVE_WEIGHT || whole <= 0.0 {
            1.0
        } else {
            (1.0 - self.risk / (2.0 * whole)).max(0.0)
        };
        self.risk += whole * left;
        self.count += 1;
        self.first = self.first.min(finding.at);
        self.last = self.last.max(finding.at);
        for technique in &finding.techniques {
            if !self.techniques.contains(technique) && self.techniques.len() < EVIDENCE_MAX {
                self.techniques.push(technique.clone());
            }
        }
        let room = EVIDENCE_MAX.saturating_sub(self.evidence.len());
        self.evidence.extend(finding.evidence.iter().take(room).cloned());
    }
}

/// Returns what a finding points at besides its host and account.
pub(super) fn indicators(finding: &Finding) -> impl Iterator<Item = &str> {
    let origin = finding.origin.as_deref();
    let address = origin.filter(|o| o.parse::<std::net::IpAddr>().is_ok());
    finding.indicators.iter().map(String::as_str).chain(address)
}

/// One cause in words: the title, how often, how much of the risk, and whose rule it is.
fn words(cause: &Cause) -> String {
    let Cause {
        title,
        count,
        share,
        author,
        ..
    } = cause;
    format!("{title} ({count}×, {:.0} % of the risk, by {author})", share * 100.0)
}
