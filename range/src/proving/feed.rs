use leckwehr_detect::{DetectConfig, Detector, Rules};
use leckwehr_estate::Estate;
use leckwehr_telemetry::{Events, Record};

use super::roc::Truth;

/// Records on their way to a detector.
#[derive(Default)]
pub(super) struct Feed {
    events: Events,
    number: u64,
}

impl Feed {
    pub(super) fn push(&mut self, record: &Record<'_>) {
        self.number += 1;
        self.events.push(record, "made-up", self.number);
    }

    /// Returns the reference of the record that is pushed next.
    pub(super) fn next_reference(&self) -> String {
        format!("made-up#{}", self.number + 1)
    }

    pub(super) fn take(&mut self) -> Events {
        std::mem::take(&mut self.events)
    }
}

/// A detector without rules and estate, which keeps its opinions; private addresses count as inside.
pub(super) fn judge() -> Detector {
    let mut detector = Detector::new(DetectConfig::new(Rules::default(), &Estate::default()));
    detector.keep_opinions();
    detector
}

/// Lets a detector learn one feed and judge another.
pub(super) fn learn_and_judge(detector: &str, learn: &mut Feed, test: &mut Feed, truth: &mut Truth) {
    let mut judge = judge();
    judge.push(&learn.take());
    judge.end_learning();
    judge.take_opinions();
    judge.push(&test.take());
    truth.hear(detector, &judge.take_opinions());
    truth.next_run();
}

/// Address of a host inside.
pub(super) fn inside(number: usize) -> String {
    format!("10.1.{}.{}", number / 250, 1 + number % 250)
}

/// Address of somebody outside.
pub(super) fn outside(number: usize) -> String {
    format!("198.{}.{}.{}", 18 + number / 62_500 % 2, number / 250 % 250, 1 + number % 250)
}
