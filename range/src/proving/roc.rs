use std::collections::BTreeMap;

use leckwehr_detect::Opinion;
use leckwehr_incident::Timestamp;
use serde::Serialize;

/// How one kind of attack fared at one threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Point {
    /// Kind of attack, e.g. `jitter 20 %`.
    pub class: String,
    /// Attacks of that kind.
    pub attacks: usize,
    /// Score from which on the detector fires.
    pub threshold: f64,
    /// Share of attacks found.
    pub tpr: f64,
    /// Share of benign subjects that fire.
    pub fpr: f64,
    /// Share of what fires that is this attack, with as many benign subjects as were generated.
    pub precision: f64,
    /// Area under the curve: the chance that an attack scores above a benign subject.
    pub auc: f64,
    /// Median seconds from the begin of an attack to its detection, of those found.
    pub delay_s: Option<f64>,
}

/// One detector's curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Curve {
    /// Detector.
    pub detector: String,
    /// What was generated and what a subject is.
    pub what: String,
    /// What the score is.
    pub score: String,
    /// Benign subjects.
    pub benign: usize,
    /// The default threshold.
    pub threshold: f64,
    /// Points by kind of attack and threshold.
    pub points: Vec<Point>,
    /// What follows, in words: also what cannot be detected.
    pub words: String,
}

/// One subject: what it is in truth, and how its score rose.
#[derive(Debug, Clone)]
struct Track {
    class: Option<usize>,
    begin: Timestamp,
    /// Each score that was higher than all before.
    rises: Vec<(Timestamp, f64)>,
}

impl Track {
    fn score(&self) -> f64 {
        self.rises.last().map_or(0.0, |rise| rise.1)
    }

    fn delay_s(&self, threshold: f64) -> Option<f64> {
        let rise = self.rises.iter().find(|(_, score)| *score >= threshold)?;
        Some(rise.0.seconds_since(self.begin).max(0.0))
    }
}

/// What is true of the subjects of generated traffic, and what a detector thought of them.
#[derive(Debug, Default)]
pub(super) struct Truth {
    classes: Vec<String>,
    tracks: BTreeMap<String, Track>,
    run: usize,
}

impl Truth {
    pub(super) fn new(classes: impl IntoIterator<Item = String>) -> Self {
        Self {
            classes: classes.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Begins the next seed: its subjects are others, even if they have the same names.
    pub(super) fn next_run(&mut self) {
        self.run += 1;
    }

    fn name(&self, subject: &str) -> String {
        format!("{}/{subject}", self.run)
    }

    /// A subject that is an attack of the class since `begin`.
    pub(super) fn attack(&mut self, subject: &str, class: usize, begin: Timestamp) {
        let track = Track {
            class: Some(class),
            begin,
            rises: Vec::new(),
        };
        self.tracks.insert(self.name(subject), track);
    }

    /// A subject that is no attack, whether or not the detector has an opinion of it.
    pub(super) fn benign(&mut self, subject: &str) {
        let name = self.name(subject);
        self.tracks.entry(name).or_insert(Track {
            class: None,
            begin: Timestamp(0),
            rises: Vec::new(),
        });
    }

    /// Takes the opinions of one detector; attacks count from their begin on.
    pub(super) fn hear(&mut self, detector: &str, opinions: &[Opinion]) {
        for opinion in opinions.iter().filter(|o| o.detector == detector) {
            self.score(&opinion.subject, opinion.at, opinion.score);
        }
    }

    pub(super) fn score(&mut self, subject: &str, at: Timestamp, score: f64) {
        self.benign(subject);
        let name = self.name(subject);
        if let Some(track) = self.tracks.get_mut(&name).filter(|t| at >= t.begin)
            && (track.rises.is_empty() || score > track.score())
        {
            track.rises.push((at, score));
        }
    }

    /// Returns the points of the curve: for every class, at every threshold.
    pub(super) fn points(&self, thresholds: &[f64]) -> Vec<Point> {
        let of = |class: Option<usize>| self.tracks.values().filter(move |t| t.class == class);
        let mut benign: Vec<f64> = of(None).map(Track::score).collect();
        benign.sort_by(f64::total_cmp);
        let mut points = Vec::new();
        for (number, class) in self.classes.iter().enumerate() {
            let attacks: Vec<&Track> = of(Some(number)).collect();
            let scores: Vec<f64> = attacks.iter().map(|t| t.score()).collect();
            let auc = auc(&scores, &benign);
            for &threshold in thresholds {
                let mut delays: Vec<f64> = attacks.iter().filter_map(|t| t.delay_s(threshold)).collect();
                delays.sort_by(f64::total_cmp);
                let (found, false_alarms) = (delays.len(), benign.len() - benign.partition_point(|s| *s < threshold));
                points.push(Point {
                    class: class.clone(),
                    attacks: attacks.len(),
                    threshold,
                    tpr: share(found, attacks.len()),
                    fpr: share(false_alarms, benign.len()),
                    precision: share(found, found + false_alarms),
                    auc,
                    delay_s: delays.get(delays.len() / 2).copied(),
                });
            }
        }
        points
    }

    pub(super) fn benign_count(&self) -> usize {
        self.tracks.values().filter(|t| t.class.is_none()).count()
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Mann and Whitney's statistic: ties count half. `benign` is sorted.
fn auc(attacks: &[f64], benign: &[f64]) -> f64 {
    let below = |score: &f64| {
        let less = benign.partition_point(|b| b < score);
        let not_more = benign.partition_point(|b| b <= score);
        (less + not_more) as f64 / 2.0
    };
    let pairs = (attacks.len() * benign.len()) as f64;
    if pairs == 0.0 {
        return 0.0;
    }
    attacks.iter().map(below).sum::<f64>() / pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000_000)
    }

    #[test]
    fn rates_delay_and_area_by_hand() {
        let mut truth = Truth::new(["a".to_owned()]);
        truth.attack("x", 0, at(10));
        truth.attack("y", 0, at(10));
        for (subject, when, score) in [
            ("x", 5, 9.0),
            ("x", 12, 1.0),
            ("x", 14, 3.0),
            ("y", 11, 0.5),
            ("b", 1, 2.0),
            ("c", 1, 0.1),
        ] {
            truth.score(subject, at(when), score);
        }
        let points = truth.points(&[2.0]);
        let point = &points[0];
        assert_eq!((point.tpr, point.fpr, point.precision), (0.5, 0.5, 0.5));
        assert_eq!((point.delay_s, point.auc), (Some(4.0), 0.75));
    }

    #[test]
    fn runs_are_apart_and_silence_scores_nothing() {
        let mut truth = Truth::new(["a".to_owned()]);
        truth.attack("x", 0, at(0));
        truth.next_run();
        truth.score("x", at(1), 5.0);
        let points = truth.points(&[1.0]);
        assert_eq!((points[0].tpr, points[0].fpr, points[0].delay_s), (0.0, 1.0, None));
    }
}
