use leckwehr_telemetry::{Kind, Record};

use super::chance::{Chance, DAY_S, HOUR_S, after, office};
use super::feed::{Feed, judge};
use super::roc::{Curve, Truth};

const SENSORS: usize = 60;
const DAYS: usize = 8;
const TICK_S: f64 = 60.0;
const KINDS: [&str; 3] = ["always busy", "busy in office hours", "one batch an hour"];
const SILENCE_THRESHOLDS: [f64; 6] = [1.5, 2.0, 3.0, 5.0, 8.0, 12.0];
const SHIFTS_S: [f64; 6] = [0.2, 0.5, 1.0, 2.0, 5.0, 60.0];
const SKEW_THRESHOLDS: [f64; 5] = [0.1, 0.5, 1.0, 2.0, 5.0];
const BATCH_S: f64 = 10.0;

/// Moments at which a sensor speaks on one day.
fn moments(kind: usize, chance: &mut Chance, day: f64) -> Vec<f64> {
    let mut moments = Vec::new();
    let mut at = day * DAY_S + chance.unit() * 60.0;
    while at < (day + 1.0) * DAY_S {
        if kind != 1 || chance.happens(office(at)) {
            moments.push(at);
        }
        at += match kind {
            0 => chance.pause(45.0),
            1 => chance.pause(40.0),
            _ => chance.between(3_400.0, 3_800.0),
        };
    }
    moments
}

fn record(feed: &mut Feed, seconds: f64, sensor: &str) {
    feed.push(&Record {
        time: after(seconds),
        kind: Kind::Other,
        sensor,
        host: sensor,
        ..Record::default()
    });
}

/// Sensors that fall silent.
pub(super) fn prove(seeds: &[u64], threshold: f64) -> Curve {
    let mut truth = Truth::new(KINDS.map(str::to_owned));
    for seed in seeds {
        let mut chance = Chance::new(*seed, "silence");
        let mut judge = judge();
        let name = |n: usize| format!("sensor-{n}");
        let mut feed = Feed::default();
        for n in 0..SENSORS {
            for day in 0..DAYS - 1 {
                moments(n % 3, &mut chance, day as f64)
                    .into_iter()
                    .for_each(|at| record(&mut feed, at, &name(n)));
            }
        }
        judge.push(&feed.take());
        judge.end_learning();
        let first = (DAYS - 1) as f64 * DAY_S;
        let mut spoken: Vec<(f64, usize)> = Vec::new();
        for n in 0..SENSORS {
            // Every fifth is stopped in the office hours; every tenth of the others pauses for three quarters of an hour (an update).
            let from = first + chance.between(8.0, 15.0) * HOUR_S;
            let to = match n % 5 {
                0 => f64::MAX,
                _ if chance.happens(0.1) => from + chance.between(300.0, 2_700.0),
                _ => from,
            };
            match n % 5 {
                0 => truth.attack(&name(n), n % 3, after(from)),
                _ => truth.benign(&name(n)),
            }
            let moments = moments(n % 3, &mut chance, (DAYS - 1) as f64);
            spoken.extend(moments.into_iter().filter(|at| !(from..to).contains(at)).map(|at| (at, n)));
        }
        spoken.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut next = 0;
        for tick in 1..(DAY_S / TICK_S) as usize {
            let now = first + tick as f64 * TICK_S;
            while let Some((at, n)) = spoken.get(next).filter(|(at, _)| *at <= now) {
                record(&mut feed, *at, &name(*n));
                next += 1;
            }
            judge.push(&feed.take());
            judge.take_opinions();
            judge.tick(after(now));
            truth.hear("silence", &judge.take_opinions());
        }
        truth.next_run();
    }
    Curve {
        detector: "Sensor silence".to_owned(),
        what: "60 sensors of three kinds, a week to learn, one judged, the present told every minute; a subject is a sensor on that \
               day. A tenth of the others is restarted and silent for 5 to 45 minutes."
            .to_owned(),
        score: "silence as a multiple of the longest learned pause that began at that hour".to_owned(),
        benign: truth.benign_count(),
        threshold,
        points: truth.points(&SILENCE_THRESHOLDS),
        words: "The delay is the price of a sensor that speaks seldom: five times its longest pause. A sensor that is silent at \
                night anyway can be stopped in the evening and is missed only in the morning; one that speaks once a day is \
                missed after days. A sensor that an attacker lets speak, but not about him, is not silent: this detector does \
                not see it. Restarts that take longer than the threshold are told as what they are, silence."
            .to_owned(),
    }
}

/// Clocks that move.
pub(super) fn prove_skew(seeds: &[u64], threshold: f64) -> Curve {
    let mut truth = Truth::new(SHIFTS_S.map(|s| format!("{s} s")));
    for seed in seeds {
        let mut chance = Chance::new(*seed, "skew");
        let mut judge = judge();
        let mut feed = Feed::default();
        let name = |n: usize| format!("sensor-{n}");
        let (batches, moved_at) = (540, 420);
        for batch in 0..batches {
            let now = batch as f64 * BATCH_S;
            if batch == 300 {
                judge.end_learning();
                judge.take_opinions();
            }
            for n in 0..SENSORS {
                // Every second sensor's clock moves; a sixth ships late, up to 20 s.
                let class = n / 2 % SHIFTS_S.len();
                let moves = n % 2 == 0;
                if batch == moved_at && moves {
                    truth.attack(&name(n), class, after(now));
                }
                let shift = if moves && batch >= moved_at { SHIFTS_S[class] } else { 0.0 };
                let ahead = if n % 4 == 0 { shift } else { -shift };
                let late = if n % 6 == 5 {
                    chance.between(0.0, 20.0)
                } else {
                    chance.pause(0.05)
                };
                record(&mut feed, now - late + ahead, &name(n));
            }
            judge.push_arrived(&feed.take(), after(now));
            truth.hear("skew", &judge.take_opinions());
        }
        truth.next_run();
    }
    Curve {
        detector: "Clock skew".to_owned(),
        what: "60 sensors that ship every 10 s with 0.05 s delay (exponential) or, every sixth, up to 20 s late; 50 minutes to learn; a \
               subject is a sensor. The clock of every second one is moved forward or back."
            .to_owned(),
        score: "seconds by which the smallest of the last eight lags left the learned range".to_owned(),
        benign: truth.benign_count(),
        threshold,
        points: truth.points(&SKEW_THRESHOLDS),
        words: "A clock set back shows only when its late records fill the window of eight batches: hence the delay. The threshold must \
                lie above what late shipping looks like, so a shift of less than two seconds is not told; and in a recording \
                that is read at once, without arrival times, there is nothing to compare but the sensors with each other."
            .to_owned(),
    }
}
