use leckwehr_telemetry::Intake;
use serde_json::json;

use super::chance::{Chance, DAY_S, HOUR_S, after, office};
use super::feed::judge;
use super::roc::{Curve, Truth};

const PORTALS: usize = 12;
const DAYS: usize = 8;
/// A record says what came within this many seconds.
const STEP_S: f64 = 60.0;
const FACTORS: [f64; 5] = [2.0, 3.0, 5.0, 10.0, 30.0];
const BAD_SHARES: [f64; 4] = [0.02, 0.05, 0.15, 0.5];
const ATTACK_S: f64 = 900.0;
const FLOOD_THRESHOLDS: [f64; 6] = [3.0, 4.0, 5.0, 6.0, 8.0, 12.0];
const BURN_THRESHOLDS: [f64; 5] = [3.0, 6.0, 10.0, 14.4, 30.0];

/// What happens to a portal on the day that is judged.
#[derive(Clone, Copy)]
struct Fate {
    from: f64,
    to: f64,
    factor: f64,
    bad_share: f64,
    attack: bool,
}

fn line(portal: &str, seconds: f64, requests: u64, bad: u64) -> String {
    json!({
        "@timestamp": after(seconds).to_string(),
        "agent": {"id": format!("sensor-{portal}")},
        "host": {"name": portal},
        "event": {"category": ["web"], "action": "requests"},
        "http": {"requests": requests, "window_ms": STEP_S * 1e3, "slow_requests": bad}
    })
    .to_string()
}

/// Lets portals live for a week and a day; `fate` says what befalls each on the last day.
fn live(seed: u64, class: usize, fate: impl Fn(usize, f64, &mut Chance) -> Option<Fate>, truth: &mut Truth, detector: &str) {
    let mut chance = Chance::new(seed, "flood");
    let mut judge = judge();
    let mut portals: Vec<(String, f64, Option<Fate>)> = Vec::new();
    for number in 0..PORTALS {
        let name = format!("portal-{number}");
        let from = (DAYS - 1) as f64 * DAY_S + chance.between(1.0, 22.0) * HOUR_S;
        let fate = fate(number, from, &mut chance);
        match fate.filter(|f| f.attack) {
            Some(fate) => truth.attack(&name, class, after(fate.from)),
            None => truth.benign(&name),
        }
        portals.push((name, chance.lognormal(2_400.0, 0.8), fate));
    }
    let mut intake = Intake::new();
    for step in 0..(DAYS as f64 * DAY_S / STEP_S) as usize {
        let seconds = step as f64 * STEP_S;
        for (name, per_minute, fate) in &portals {
            // People come in waves: minutes differ by a quarter.
            let mut requests = chance.lognormal(per_minute * office(seconds), 0.25);
            let mut bad_share = 0.002 * chance.unit();
            if let Some(fate) = fate.filter(|f| (f.from..f.to).contains(&seconds)) {
                requests *= fate.factor;
                bad_share += fate.bad_share;
            }
            let bad = (requests * bad_share) as u64;
            intake.push_line(name, line(name, seconds, requests as u64, bad).as_bytes());
        }
        if (step + 1) % 1_440 == 0 {
            judge.push(&intake.take());
            if step + 1 == (DAYS - 1) * 1_440 {
                judge.end_learning();
                judge.take_opinions();
            }
        }
    }
    truth.hear(detector, &judge.take_opinions());
    truth.next_run();
}

/// Floods of requests against portals with their own rhythm.
pub(super) fn prove(seeds: &[u64], threshold: f64) -> Curve {
    let mut truth = Truth::new(FACTORS.map(|f| format!("{f:.0}× the usual rate")));
    for seed in seeds {
        for (class, factor) in FACTORS.into_iter().enumerate() {
            let fate = |number: usize, from: f64, chance: &mut Chance| {
                let attack = number < PORTALS / 3;
                // Of those that are not attacked, a quarter has a busy half hour of its own.
                let (busy, waves) = (chance.happens(0.25), chance.between(1.2, 2.0));
                (attack || busy).then_some(Fate {
                    from,
                    to: from + if attack { ATTACK_S } else { 1_800.0 },
                    factor: if attack { factor } else { waves },
                    bad_share: 0.0,
                    attack,
                })
            };
            live(seed * 10 + class as u64, class, fate, &mut truth, "flood");
        }
    }
    Curve {
        detector: "Request flood".to_owned(),
        what: "12 portals whose requests per minute follow office hours, log-normal with σ 0.25, seven days to learn, one judged; a \
               subject is a portal on that day. A quarter of the others has a busy half hour of 1.2 to 2 times the usual. Attacks \
               last 15 minutes, at any hour."
            .to_owned(),
        score: "robust deviations of the minute's logarithm from the busiest minutes at that hour".to_owned(),
        benign: truth.benign_count(),
        threshold,
        points: truth.points(&FLOOD_THRESHOLDS),
        words: "Five times the usual rate is seen within the minute, three times in four of ten cases. Twice is not detectable: a letter from an \
                insurer does as much. What takes few requests and much time (slow reading, costly searches) does not show in rates \
                at all, but in the next table. Below 200 requests a second, or 1,200 a minute, nothing is called a flood."
            .to_owned(),
    }
}

/// Answers that get slow.
pub(super) fn prove_burn(seeds: &[u64], threshold: f64) -> Curve {
    let mut truth = Truth::new(BAD_SHARES.map(|b| format!("{:.0} % slow or failed", b * 100.0)));
    for seed in seeds {
        for (class, bad_share) in BAD_SHARES.into_iter().enumerate() {
            let fate = |number: usize, from: f64, _: &mut Chance| {
                (number < PORTALS / 3).then_some(Fate {
                    from,
                    to: from + 4.0 * ATTACK_S,
                    factor: 1.0,
                    bad_share,
                    attack: true,
                })
            };
            live(seed * 10 + class as u64, class, fate, &mut truth, "burn");
        }
    }
    Curve {
        detector: "Latency burn".to_owned(),
        what: "The same portals; usually up to 0.2 % of requests are slow. Attacks make a share of them slow for an hour.".to_owned(),
        score: "how many times faster than allowed the budget (1 %) is used up, over one hour and over five minutes".to_owned(),
        benign: truth.benign_count(),
        threshold,
        points: truth.points(&BURN_THRESHOLDS),
        words: "An outage of half of the requests is seen within a quarter of an hour, 15 % within the hour; a few per cent are what \
                the budget is for, and are not called an attack."
            .to_owned(),
    }
}
