use leckwehr_telemetry::{Kind, Record};

use super::chance::{Chance, DAY_S, HOUR_S, after, office};
use super::feed::{Feed, inside, learn_and_judge, outside};
use super::roc::{Curve, Truth};

const HOSTS: usize = 120;
const JITTERS: [f64; 6] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5];
/// Seconds between two calls of a program that an attacker put there.
const INTERVALS_S: [f64; 5] = [30.0, 60.0, 300.0, 900.0, 3_600.0];
const THRESHOLDS: [f64; 6] = [0.6, 0.7, 0.75, 0.8, 0.85, 0.9];

/// Traffic of one day among programs that poll for good reasons.
struct Traffic<'a> {
    feed: &'a mut Feed,
    chance: &'a mut Chance,
    day: f64,
}

/// How a program calls home.
#[derive(Clone, Copy)]
struct Call {
    interval_s: f64,
    jitter: f64,
    bytes: f64,
    /// Sizes differ by this, as the standard deviation of their logarithm.
    spread: f64,
    port: u16,
    hours: (f64, f64),
}

impl Traffic<'_> {
    fn flow(&mut self, seconds: f64, host: usize, peer: usize, port: u16, bytes: f64) {
        let (origin, destination) = (inside(host), outside(peer));
        self.feed.push(&Record {
            time: after(self.day * DAY_S + seconds),
            kind: Kind::Flow,
            origin: &origin,
            destination: &destination,
            port,
            bytes_out: Some(bytes as u64),
            bytes_in: Some((bytes * 4.0) as u64),
            ..Record::default()
        });
    }

    fn poll(&mut self, host: usize, peer: usize, call: Call) {
        let mut at = call.hours.0 * HOUR_S + self.chance.unit() * call.interval_s;
        while at < call.hours.1 * HOUR_S {
            let bytes = self.chance.lognormal(call.bytes, call.spread);
            self.flow(at, host, peer, call.port, bytes);
            let jitter = call.jitter * self.chance.between(-1.0, 1.0);
            at += call.interval_s * (1.0 + jitter);
        }
    }

    /// NTP and updates everywhere, mail in office hours, monitoring from three servers, people who browse.
    fn everyday(&mut self) {
        let whole = (0.0, 24.0);
        for host in 0..HOSTS {
            let ntp = [64.0, 256.0, 1_024.0][host % 3];
            let call = |interval_s, jitter, bytes, spread, port, hours| Call {
                interval_s,
                jitter,
                bytes,
                spread,
                port,
                hours,
            };
            self.poll(host, host % 2, call(ntp, 0.01, 48.0, 0.0, 123, whole));
            self.poll(host, 10 + host % 3, call(3_600.0, 0.3, 900.0, 0.2, 443, whole));
            if host % 5 < 2 {
                let begin = 7.0 + self.chance.unit() * 2.0;
                self.poll(host, 20, call(300.0, 0.02, 400.0, 0.3, 993, (begin, begin + 9.0)));
            }
            if host < 3 {
                self.poll(host, 30 + host, call(60.0, 0.0, 300.0, 0.05, 443, whole));
            }
            if host >= 20 {
                self.browse(host);
            }
        }
    }

    fn browse(&mut self, host: usize) {
        for _ in 0..1 + self.chance.below(6) {
            let mut at = self.chance.between(7.0, 18.0) * HOUR_S;
            let site = 100 + (self.chance.pause(60.0) as usize).min(2_000);
            for _ in 0..10 + self.chance.below(60) {
                at += self.chance.pause(20.0);
                let bytes = self.chance.lognormal(1_500.0, 1.2);
                if at < DAY_S && office(at) > 0.0 {
                    let part = self.chance.below(4);
                    self.flow(at, host, site * 4 + part, 443, bytes);
                }
            }
        }
    }

    /// Programs that began today, for good reasons.
    fn new_programs(&mut self, truth: &mut Truth) {
        for number in 0..10 {
            let (host, peer) = (50 + number, 20_000 + number);
            let interval_s = [60.0, 300.0, 600.0, 1_800.0, 3_600.0][number % 5];
            let call = Call {
                interval_s,
                jitter: self.chance.between(0.0, 0.2),
                bytes: 600.0,
                spread: 0.4,
                port: 443,
                hours: if number < 5 { (0.0, 24.0) } else { (8.0, 17.0) },
            };
            self.poll(host, peer, call);
            truth.benign(&format!("{}>{}:443", inside(host), outside(peer)));
        }
    }

    fn attacks(&mut self, truth: &mut Truth) {
        for (class, jitter) in JITTERS.into_iter().enumerate() {
            for (number, interval_s) in INTERVALS_S.into_iter().enumerate() {
                let (host, peer) = (60 + class * 5 + number, 30_000 + class * 5 + number);
                let begin = self.chance.between(0.0, 6.0);
                let call = Call {
                    interval_s,
                    jitter,
                    bytes: 250.0,
                    spread: [0.0, 0.1, 0.3][number % 3],
                    port: 443,
                    hours: (begin, 24.0),
                };
                let subject = format!("{}>{}:443", inside(host), outside(peer));
                truth.attack(&subject, class, after(self.day * DAY_S + begin * HOUR_S));
                self.poll(host, peer, call);
            }
        }
    }
}

/// Programs that call home among those that may.
pub(super) fn prove(seeds: &[u64], threshold: f64) -> Curve {
    let mut truth = Truth::new(JITTERS.map(|j| format!("jitter {:.0} %", j * 100.0)));
    for seed in seeds {
        let (mut learn, mut test) = (Feed::default(), Feed::default());
        let mut chance = Chance::new(*seed, "beacon");
        let mut traffic = Traffic {
            feed: &mut learn,
            chance: &mut chance,
            day: 0.0,
        };
        traffic.everyday();
        let mut traffic = Traffic {
            feed: &mut test,
            chance: &mut chance,
            day: 1.0,
        };
        traffic.everyday();
        traffic.new_programs(&mut truth);
        traffic.attacks(&mut truth);
        learn_and_judge("beacon", &mut learn, &mut test, &mut truth);
    }
    Curve {
        detector: "Beacon".to_owned(),
        what: "120 hosts, one day to learn, one day judged; a subject is a pair of host and address. Benign: NTP, hourly update \
               checks, mail polled in office hours, three servers under outside monitoring, browsing, and ten programs that begin \
               to poll on the day that is judged. Attacks: 5 intervals from 30 s to 1 h, begun in the first six hours."
            .to_owned(),
        score: "RITA's four scores with modifiers".to_owned(),
        benign: truth.benign_count(),
        threshold,
        points: truth.points(&THRESHOLDS),
        words: "Jitter costs little, because three of the four scores do not look at intervals. What is not detectable: a beacon \
                that was already there while learning (it counts as a program that belongs there); one that calls so seldom that \
                fewer than six hours of a day see it; one that speaks through an address which half of the hosts use (the \
                modifier for prevalence takes 0.15 off). Every false alarm here is a program that began to poll on that day: \
                regularity cannot tell it from a beacon, only people can. Before six hours have passed there is no verdict: the \
                delay is the price of the model."
            .to_owned(),
    }
}
