use std::collections::BTreeSet;

use leckwehr_incident::{Alarm, AlarmLevel, Finding, Timestamp, Verdict, What};
use serde::{Deserialize, Serialize};

use super::entity::indicators;
use super::{Fusion, FusionError};

/// A finding of less weight says too little to open an alarm again that a person closed.
const REOPEN_WEIGHT_MIN: u8 = 10;

/// How an alarm was closed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Closed {
    at: Timestamp,
    by: String,
    verdict: Verdict,
    pub(super) level: AlarmLevel,
    /// Rules whose findings the verdict is about.
    rules: BTreeSet<String>,
}

impl Closed {
    /// Returns why a finding about the same entity opens the alarm again, if it does.
    pub(super) fn reopened_by(&self, finding: &Finding, reached: Option<AlarmLevel>) -> Option<String> {
        let is_news = self.is_news(finding);
        if !is_news && reached < Some(self.level) {
            return None;
        }
        let why = if is_news { "" } else { ", again as loud as before" };
        Some(format!("{}: now {}{why}", self.words(), words(finding)))
    }

    /// Returns why a finding elsewhere that points at the same indicator opens the alarm again, if it does.
    fn reopened_elsewhere(&self, finding: &Finding, indicator: &str) -> Option<String> {
        self.is_news(finding).then(|| {
            format!(
                "{}: its indicator {indicator} is seen again, {}",
                self.words(),
                words(finding)
            )
        })
    }

    /// Returns whether the verdict says nothing about such a finding.
    fn is_news(&self, finding: &Finding) -> bool {
        let judged = self.verdict.is_harmless() && self.rules.contains(&finding.rule);
        finding.weight >= REOPEN_WEIGHT_MIN && !judged
    }

    fn words(&self) -> String {
        format!("closed as {} by {} on {}", self.verdict.word(), self.by, self.at)
    }
}

fn words(finding: &Finding) -> String {
    let place = finding.evidence.first().map_or(String::new(), |e| format!(" [{e}]"));
    let Finding {
        title, author, host, at, ..
    } = finding;
    format!("{title} (by {author}) on {host} at {at}{place}")
}

impl Fusion {
    /// Closes an alarm and returns the fact that says so. Its risk is taken as judged and begins at nothing again.
    ///
    /// Later evidence opens it again, louder if it has to be, and says why: a finding about the same entity, or one elsewhere
    /// that points at one of its indicators. Where the verdict is that all was harmless (see [`Verdict::is_harmless`]), the
    /// rules that it was given over do so only once they have reached the same level again; every other rule does at once.
    pub fn close(&mut self, alarm: &str, at: Timestamp, by: &str, verdict: Verdict, reason: &str) -> Result<What, FusionError> {
        let named = || alarm.to_owned();
        let found = self.entities.values().find(|e| e.alarm().is_some_and(|(id, _)| id == alarm));
        match found {
            None => return Err(FusionError::NoSuchAlarm { alarm: named() }),
            Some(entity) if entity.is_closed() => return Err(FusionError::Closed { alarm: named() }),
            Some(_) if by.trim().is_empty() || reason.trim().is_empty() => {
                return Err(FusionError::Unsigned { alarm: named() });
            }
            Some(_) => {}
        }
        self.close_over(alarm, at, by, verdict);
        Ok(What::AlarmClosed {
            alarm: named(),
            as_what: format!("closed as {}", verdict.word()),
            verdict: Some(verdict),
            reason: reason.to_owned(),
        })
    }

    pub(super) fn close_over(&mut self, alarm: &str, at: Timestamp, by: &str, verdict: Verdict) {
        let mut entities = self.entities.iter_mut();
        let Some((name, entity)) = entities.find(|(_, e)| e.alarm().is_some_and(|(id, _)| id == alarm)) else {
            return;
        };
        let Some((_, level)) = entity.alarm() else { return };
        entity.closed = Some(Closed {
            at,
            by: by.to_owned(),
            verdict,
            level,
            rules: entity.rules().cloned().collect(),
        });
        entity.clear_risk();
        for indicator in entity.indicators() {
            self.closed_over.entry(indicator.clone()).or_default().insert(name.clone());
        }
    }

    /// The alarm of this entity is no longer closed, or forgotten.
    pub(super) fn forget_closing(&mut self, name: &str) {
        self.closed_over.retain(|_, entities| {
            entities.remove(name);
            !entities.is_empty()
        });
    }

    /// Opens closed alarms that a finding about something else touches.
    pub(super) fn reopen_by_indicator(&mut self, finding: &Finding) -> Vec<Alarm> {
        let mut raised = Vec::new();
        let own: Vec<String> = self.stakes.touched(finding).into_iter().map(|(name, _)| name).collect();
        for indicator in indicators(finding) {
            let names = self.closed_over.get(indicator).cloned().unwrap_or_default();
            for name in names.into_iter().filter(|name| !own.contains(name)) {
                let Some(entity) = self.entities.get_mut(&name) else {
                    continue;
                };
                let why = entity
                    .closed
                    .as_ref()
                    .and_then(|closed| closed.reopened_elsewhere(finding, indicator));
                let Some(news) = why.and_then(|why| entity.reopen(why)) else {
                    continue;
                };
                let id = entity.alarm_id(&mut self.alarms_raised);
                raised.push(entity.tell(id, &name, news, finding.at));
                self.forget_closing(&name);
            }
        }
        raised
    }
}
