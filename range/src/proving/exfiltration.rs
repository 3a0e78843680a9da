use leckwehr_telemetry::{Kind, Record};

use super::chance::{Chance, DAY_S, HOUR_S, after, office};
use super::feed::{Feed, inside, learn_and_judge, outside};
use super::roc::{Curve, Truth};

const DAYS: usize = 15;
const RATIOS: [f64; 5] = [1.0, 0.3, 0.1, 0.03, 0.01];
/// Pairs attacked per ratio, and at once or over the day.
const PAIRS: usize = 12;
const BENIGN_PAIRS: usize = 120;
const FLOWS_PER_HOUR: usize = 4;
const THRESHOLDS: [f64; 5] = [4.0, 5.0, 6.0, 8.0, 12.0];

/// What one host usually sends to one partner.
struct Pair {
    subject: (String, String),
    median_bytes_per_h: f64,
    spread: f64,
    office: bool,
}

impl Pair {
    fn new(number: usize, chance: &mut Chance) -> Self {
        Self {
            subject: (inside(number), outside(number)),
            median_bytes_per_h: chance.lognormal(4e6, 1.2),
            spread: [0.15, 0.3, 0.6][number % 3],
            office: number % 4 != 3,
        }
    }

    fn usual(&self, seconds: f64) -> f64 {
        let share = if self.office { office(seconds) } else { 1.0 };
        self.median_bytes_per_h * share
    }

    fn day_bytes(&self, day: f64) -> f64 {
        (0..24).map(|hour| self.usual(day * DAY_S + f64::from(hour) * HOUR_S)).sum()
    }

    fn send(&self, feed: &mut Feed, seconds: f64, bytes: f64) {
        feed.push(&Record {
            time: after(seconds),
            kind: Kind::Flow,
            origin: &self.subject.0,
            destination: &self.subject.1,
            port: 443,
            bytes_out: Some(bytes as u64),
            bytes_in: Some((bytes / 20.0) as u64),
            ..Record::default()
        });
    }

    fn hour(&self, feed: &mut Feed, chance: &mut Chance, begin: f64) {
        let volume = chance.lognormal(self.usual(begin).max(1.0), self.spread);
        for part in 0..FLOWS_PER_HOUR {
            let at = begin + HOUR_S * (part as f64 + chance.unit()) / FLOWS_PER_HOUR as f64;
            self.send(feed, at, volume / FLOWS_PER_HOUR as f64);
        }
    }
}

/// When the data leaves.
#[derive(Clone, Copy)]
enum Pace {
    OneHourByDay,
    OneHourByNight,
    AllDay,
}

const PACES: [(Pace, &str); 3] = [
    (Pace::OneHourByDay, "within an hour by day"),
    (Pace::OneHourByNight, "within an hour by night"),
    (Pace::AllDay, "spread over the day"),
];

fn attack(pair: &Pair, ratio: f64, pace: Pace, feed: &mut Feed, chance: &mut Chance) -> f64 {
    let day = (DAYS - 1) as f64;
    let bytes = ratio * pair.day_bytes(day);
    let (begin_h, hours) = match pace {
        Pace::OneHourByDay => (chance.between(9.0, 15.0), 1.0),
        Pace::OneHourByNight => (chance.between(0.0, 4.0), 1.0),
        Pace::AllDay => (0.0, 24.0),
    };
    let begin = day * DAY_S + begin_h * HOUR_S;
    let parts = 12.0 * hours;
    for part in 0..parts as usize {
        pair.send(feed, begin + HOUR_S * hours * part as f64 / parts, bytes / parts);
    }
    begin
}

/// Data that leaves on a way that is used every day.
pub(super) fn prove(seeds: &[u64], threshold: f64) -> Curve {
    let classes = RATIOS
        .iter()
        .flat_map(|ratio| PACES.map(|(_, pace)| format!("{ratio}× the day, {pace}")));
    let mut truth = Truth::new(classes);
    for seed in seeds {
        let mut chance = Chance::new(*seed, "exfiltration");
        let (mut learn, mut test) = (Feed::default(), Feed::default());
        let attacked = RATIOS.len() * PACES.len() * PAIRS;
        for number in 0..BENIGN_PAIRS + attacked {
            let pair = Pair::new(number, &mut chance);
            for hour in 0..DAYS * 24 {
                let feed = if hour < (DAYS - 1) * 24 { &mut learn } else { &mut test };
                pair.hour(feed, &mut chance, hour as f64 * HOUR_S);
            }
            let subject = format!("{}>{}", pair.subject.0, pair.subject.1);
            match number.checked_sub(BENIGN_PAIRS) {
                None => truth.benign(&subject),
                Some(attack_number) => {
                    let class = attack_number / PAIRS;
                    let (ratio, pace) = (RATIOS[class / PACES.len()], PACES[class % PACES.len()].0);
                    let begin = attack(&pair, ratio, pace, &mut test, &mut chance);
                    truth.attack(&subject, class, after(begin));
                }
            }
        }
        learn_and_judge("egress", &mut learn, &mut test, &mut truth);
    }
    Curve {
        detector: "Outbound volume".to_owned(),
        what: "300 pairs of host and partner with hourly volumes that follow office hours (three quarters) or none, log-normal with \
               σ 0.15, 0.3 or 0.6; fourteen days to learn, one judged; a subject is a pair. Attacks send a share of the pair's own \
               daily volume besides."
            .to_owned(),
        score: "robust deviations of the hour's logarithm, or their sum over hours".to_owned(),
        benign: truth.benign_count(),
        threshold,
        points: truth.points(&THRESHOLDS),
        words: "By day an office hour hides much: a whole day's volume within one hour is found in two of three cases, a third of it in \
                one of three, and at 0.1× recall collapses. By night half of the cases are found at 0.1× and a quarter at 0.03×; \
                spread over the day it takes 0.3×. What is not detectable on a way that is used every day: 0.1× and less \
                by day, 0.03× and less spread out, 0.01× at any time. Nobody should read silence here as proof that nothing left. A \
                destination that was never seen before is judged by its bytes alone (default 100 kB, or three times what the host \
                sent to new ones while learning) and is in no table."
            .to_owned(),
    }
}
