use std::collections::BTreeMap;

use leckwehr_detect::{DetectConfig, Detector, Fusion, RuleError, Rules};
use leckwehr_estate::Estate;
use leckwehr_incident::{Alarm, AlarmLevel, Finding};
use leckwehr_telemetry::{Events, Intake};
use serde::Serialize;

use super::chance::{Chance, DAY_S, HOUR_S, after};
use super::everyday::{Day, House, Line};
use crate::miniature::{MiniatureError, miniature};

/// Records that arrive within this many seconds come as one batch.
const BATCH_S: f64 = 1.0;
/// When an attack begins after the benign day was counted, in seconds of that day.
const ATTACK_S: f64 = 23.9 * HOUR_S;
/// How often the detector is told the present, in seconds.
const TICK_S: f64 = 60.0;

/// How large the day is.
#[derive(Debug, Clone, Copy)]
pub struct DayConfig {
    /// Hosts of the miniature.
    pub hosts: usize,
    /// Days to learn, from a Monday on.
    pub learn_days: usize,
}

impl Default for DayConfig {
    fn default() -> Self {
        Self {
            hosts: 60,
            learn_days: 9,
        }
    }
}

/// What one benign day raised.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DayNoise {
    /// Seed.
    pub seed: u64,
    /// Events on that day.
    pub events: usize,
    /// Alarms by the loudest level that each reached.
    pub notices: usize,
    /// See above.
    pub warnings: usize,
    /// See above.
    pub criticals: usize,
    /// Alarms above "notice" with their reasons.
    pub loud: Vec<String>,
    /// Findings by title.
    pub findings: BTreeMap<String, usize>,
    /// Seconds from the first log-on of an attack in the last minutes of that day to a critical alarm; `None` if there was none.
    pub attack_critical_s: Option<f64>,
}

/// Benign days.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Days {
    /// What was generated.
    pub what: String,
    /// One per seed.
    pub days: Vec<DayNoise>,
    /// What follows.
    pub words: String,
}

/// A day that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DayError {
    /// The estate has no miniature.
    #[error(transparent)]
    Estate(#[from] MiniatureError),
    /// Our own rules do not load.
    #[error(transparent)]
    Rules(#[from] Box<RuleError>),
}

/// A provider whose detectors know its weeks, on a day that is about to begin.
pub struct Watch {
    detector: Detector,
    intake: Intake,
    fusion: Fusion,
    alarms: BTreeMap<String, Alarm>,
    findings: Vec<Finding>,
    ticked: f64,
}

impl Watch {
    fn new(estate: &Estate) -> Result<Self, DayError> {
        let rules = Rules::own().map_err(Box::new)?;
        Ok(Self {
            detector: Detector::new(DetectConfig::new(rules, estate)),
            intake: Intake::new(),
            fusion: Fusion::for_estate(estate),
            alarms: BTreeMap::new(),
            findings: Vec::new(),
            ticked: 0.0,
        })
    }

    /// Feeds lines as they would arrive; returns how many events they were.
    fn feed(&mut self, mut lines: Vec<Line>, live: bool) -> usize {
        lines.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        let (mut events, mut until) = (0, f64::MIN);
        for line in lines {
            if line.seconds >= until {
                events += self.batch(until - BATCH_S / 2.0, live);
                until = line.seconds + BATCH_S;
                if live && line.seconds >= self.ticked + TICK_S {
                    self.ticked = line.seconds;
                    let findings = self.detector.tick(after(line.seconds));
                    self.hear(findings);
                }
            }
            self.intake.push_line(&line.sensor, line.text.as_bytes());
        }
        events + self.batch(until, live)
    }

    fn batch(&mut self, arrived: f64, live: bool) -> usize {
        let batch: Events = self.intake.take();
        if batch.is_empty() {
            return 0;
        }
        let findings = self.detector.push_arrived(&batch, after(arrived));
        if live {
            self.hear(findings);
        }
        batch.len()
    }

    fn hear(&mut self, findings: Vec<Finding>) {
        for alarm in self.fusion.push(&findings) {
            self.alarms.insert(alarm.id.clone(), alarm);
        }
        self.findings.extend(findings);
    }
}

/// Lets a provider live for some days and counts what the last one raised.
///
/// # Errors
/// When the estate has no miniature of that size.
pub fn benign_day(estate: &Estate, config: DayConfig, seed: u64) -> Result<DayNoise, DayError> {
    let estate = miniature(estate, config.hosts)?;
    let house = House::new(&estate);
    let mut watch = Watch::new(&estate)?;
    let day = |number: usize, special: bool| Day {
        house: &house,
        chance: Chance::new(seed, &format!("day {number}")),
        number,
        special,
        lines: Vec::new(),
    };
    let write = |number: usize, special: bool| {
        let mut day = day(number, special);
        day.write();
        day.lines
    };
    for number in 0..config.learn_days {
        watch.feed(write(number, false), false);
    }
    watch.detector.end_learning();
    let events = watch.feed(write(config.learn_days, true), true);
    let count = |level: AlarmLevel| watch.alarms.values().filter(|a| a.level == level).count();
    let loud = watch.alarms.values().filter(|a| a.level > AlarmLevel::Notice);
    let mut findings = BTreeMap::new();
    for finding in &watch.findings {
        *findings.entry(finding.title.clone()).or_default() += 1;
    }
    let (notices, warnings, criticals) = (
        count(AlarmLevel::Notice),
        count(AlarmLevel::Warning),
        count(AlarmLevel::Critical),
    );
    let loud = loud.map(|a| format!("{}: {}", a.entity, a.reasons.join(", "))).collect();
    let mut attack = day(config.learn_days, false);
    attack.attack(ATTACK_S);
    watch.alarms.clear();
    watch.feed(attack.lines, true);
    let begin = after(config.learn_days as f64 * DAY_S + ATTACK_S);
    let critical = watch.alarms.values().filter(|a| a.level == AlarmLevel::Critical);
    Ok(DayNoise {
        seed,
        events,
        notices,
        warnings,
        criticals,
        loud,
        findings,
        attack_critical_s: critical.map(|a| a.at.seconds_since(begin)).reduce(f64::min),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::proving::everyday::DESTRUCTION_S;

    /// A smaller provider and less time to learn than in the report, for a test that stays short.
    #[test]
    fn a_benign_day_is_quiet_and_an_attack_on_it_is_not() {
        let estate = Estate::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/essen")).unwrap();
        let config = DayConfig {
            hosts: 20,
            learn_days: 3,
        };
        let noise = benign_day(&estate, config, 7).unwrap();
        assert!(noise.warnings + noise.criticals <= 3, "{noise:?}");
        assert!(noise.events > 5_000, "{noise:?}");
        let critical_s = noise.attack_critical_s.unwrap();
        assert!(critical_s < DESTRUCTION_S + 5.0, "{critical_s} s");
    }
}
