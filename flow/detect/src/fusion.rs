use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use leckwehr_incident::{Alarm, AlarmLevel, Finding, Timestamp};

/// Entities with a risk; the one with the least risk goes when another comes.
pub const ENTITIES_MAX: usize = 20_000;
/// Risk halves in this time.
const HALF_LIFE_S: f64 = 1_800.0;
/// Each further technique adds this share of the risk, up to `DIVERSITY_MAX` in all.
const DIVERSITY_STEP: f64 = 0.2;
const DIVERSITY_MAX: f64 = 2.0;
/// A finding of this weight counts whole however often its rule fired.
const DECISIVE_WEIGHT: u8 = 90;

/// Fuses findings into alarms: risk per host and account, with decay, raised by the diversity of techniques.
///
/// A rule that fires again on the same entity counts half of what it counted before, so that one kind of noise cannot
/// add up to a critical alarm; different techniques can. The host a finding came from carries half of its weight.
#[derive(Debug, Default)]
pub struct Fusion {
    entities: HashMap<String, Entity>,
    alarms: u64,
}

#[derive(Debug, Default)]
struct Entity {
    risk: f64,
    at: Timestamp,
    techniques: BTreeSet<String>,
    reasons: BTreeMap<String, (u32, f64)>,
    alarm: Option<(String, AlarmLevel)>,
}

impl Fusion {
    /// Builds a fusion that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes findings and returns the alarms that are new or louder than before; a louder one keeps its id.
    pub fn push(&mut self, findings: &[Finding]) -> Vec<Alarm> {
        let mut raised: Vec<Alarm> = Vec::new();
        for finding in findings {
            for (entity, share) in touched(finding) {
                let Some(alarm) = self.add(&entity, finding, share) else {
                    continue;
                };
                raised.retain(|a| a.id != alarm.id);
                raised.push(alarm);
            }
        }
        raised
    }

    /// Returns the loudest level of any entity so far.
    pub fn level(&self) -> Option<AlarmLevel> {
        self.entities.values().filter_map(|e| Some(e.alarm.as_ref()?.1)).max()
    }

    fn add(&mut self, name: &str, finding: &Finding, share: f64) -> Option<Alarm> {
        if !self.entities.contains_key(name) && self.entities.len() >= ENTITIES_MAX {
            self.forget_quietest();
        }
        let entity = self.entities.entry(name.to_owned()).or_default();
        entity.add(finding, share);
        let risk = entity.weighted_risk();
        let level = level(risk)?;
        if entity.alarm.as_ref().is_some_and(|(_, before)| *before >= level) {
            return None;
        }
        let id = match entity.alarm.take() {
            Some((id, _)) => id,
            None => {
                self.alarms += 1;
                format!("alarm-{}", self.alarms)
            }
        };
        entity.alarm = Some((id.clone(), level));
        Some(Alarm {
            id,
            at: finding.at,
            entity: name.to_owned(),
            level,
            risk,
            reasons: entity.reasons(),
        })
    }

    fn forget_quietest(&mut self) {
        let quiet = self.entities.iter().filter(|(_, e)| e.alarm.is_none());
        let quietest = quiet.min_by(|a, b| a.1.risk.total_cmp(&b.1.risk).then_with(|| a.0.cmp(b.0)));
        if let Some(name) = quietest.map(|(name, _)| name.clone()) {
            self.entities.remove(&name);
        }
    }
}

impl Entity {
    fn add(&mut self, finding: &Finding, share: f64) {
        let passed = finding.at.seconds_since(self.at);
        if passed > 0.0 {
            self.risk *= 0.5_f64.powf(passed / HALF_LIFE_S);
            self.at = finding.at;
        }
        let (count, total) = self.reasons.entry(finding.title.clone()).or_insert((0, 0.0));
        let again = if finding.weight >= DECISIVE_WEIGHT {
            1.0
        } else {
            0.5_f64.powi((*count).min(30) as i32)
        };
        let gain = f64::from(finding.weight) * share * again;
        *count += 1;
        *total += gain;
        self.risk += gain;
        self.techniques.extend(finding.techniques.first().cloned());
    }

    fn weighted_risk(&self) -> f64 {
        let further = self.techniques.len().saturating_sub(1) as f64;
        self.risk * (1.0 + DIVERSITY_STEP * further).min(DIVERSITY_MAX)
    }

    fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by(|a, b| b.1.1.total_cmp(&a.1.1).then_with(|| a.0.cmp(b.0)));
        reasons
            .into_iter()
            .map(|(title, (count, _))| format!("{title} ({count}×)"))
            .collect()
    }
}

/// Returns the entities that a finding raises, with the share of its weight.
fn touched(finding: &Finding) -> Vec<(String, f64)> {
    let mut touched = vec![(format!("host:{}", finding.host), 1.0)];
    if let Some(account) = &finding.account {
        touched.push((format!("account:{account}"), 1.0));
    }
    // An address is nobody's host: outside addresses are the trace's business.
    if let Some(origin) = &finding.origin
        && *origin != finding.host
        && origin.parse::<IpAddr>().is_err()
    {
        touched.push((format!("host:{origin}"), 0.5));
    }
    touched
}

fn level(risk: f64) -> Option<AlarmLevel> {
    match risk {
        r if r >= 80.0 => Some(AlarmLevel::Critical),
        r if r >= 50.0 => Some(AlarmLevel::Warning),
        r if r >= 25.0 => Some(AlarmLevel::Notice),
        _ => None,
    }
}
