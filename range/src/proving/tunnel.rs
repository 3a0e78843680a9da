use leckwehr_telemetry::{Kind, Record};

use super::chance::{Chance, DAY_S, HOUR_S, after, office};
use super::feed::{Feed, inside, learn_and_judge};
use super::roc::{Curve, Truth};

const CLIENTS: usize = 80;
/// Queries per hour of a tunnel.
const RATES: [f64; 6] = [6_000.0, 600.0, 120.0, 60.0, 24.0, 6.0];
const TUNNELS: usize = 4;
const TUNNEL_H: f64 = 3.0;
const THRESHOLDS: [f64; 6] = [250.0, 500.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0];

fn ask(feed: &mut Feed, seconds: f64, client: usize, name: &str) {
    let origin = inside(client);
    feed.push(&Record {
        time: after(seconds),
        kind: Kind::Name,
        origin: &origin,
        destination: "10.1.9.53",
        port: 53,
        object: name,
        ..Record::default()
    });
}

/// People and programs that look names up; reputation services put hashes into names, too.
fn everyday(feed: &mut Feed, chance: &mut Chance, day: f64, new_service: bool) {
    let words = ["www", "api", "cdn", "static", "mail", "img", "login", "assets"];
    for client in 0..CLIENTS {
        let mut at = 0.0;
        while at < DAY_S {
            at += chance.pause(90.0);
            let site = (chance.pause(40.0) as usize).min(1_500);
            let busy = chance.happens(office(at));
            let name = match chance.below(12) {
                // Names of content networks: hashes, but few of them.
                0 => format!("{}.edge{}.example-cdn.net", chance.label(2), site % 40),
                1 => format!("d{:08x}.cloud{}.example.com", site * 7_919, site % 9),
                _ => format!("{}.site{site}.example-{}.org", words[chance.below(words.len())], site % 300),
            };
            if busy {
                ask(feed, day * DAY_S + at, client, &name);
            }
        }
        // The virus scanner asks for file hashes, the mail server for senders' reputation.
        let (rate, zone) = match client {
            0..20 => (40.0, "rep.scanner-example.com"),
            20 => (400.0, "bl.list-example.org"),
            21..25 if new_service => (15.0, "id.telemetry-example.io"),
            _ => continue,
        };
        let mut at = 0.0;
        while at < DAY_S {
            at += chance.pause(HOUR_S / rate);
            let label = match client {
                20 => format!(
                    "{}.{}.{}.{}",
                    chance.below(256),
                    chance.below(256),
                    chance.below(256),
                    chance.below(256)
                ),
                _ => chance.label(26),
            };
            ask(feed, day * DAY_S + at, client, &format!("{label}.{zone}"));
        }
    }
}

fn tunnel(feed: &mut Feed, chance: &mut Chance, client: usize, rate: f64, domain: &str) -> f64 {
    let begin = DAY_S + chance.between(0.0, DAY_S - TUNNEL_H * HOUR_S);
    let mut at = begin;
    while at < begin + TUNNEL_H * HOUR_S {
        let name = format!("{}.{}.{}.{domain}", chance.label(50), chance.label(50), chance.label(20));
        ask(feed, at, client, &name);
        at += chance.pause(HOUR_S / rate);
    }
    begin
}

/// Data in names.
pub(super) fn prove(seeds: &[u64], threshold: f64) -> Curve {
    let class = |rate: f64| format!("{rate:.0} queries/h ({:.1} kB/h)", rate * 120.0 * 5.0 / 8.0 / 1e3);
    let mut truth = Truth::new(RATES.map(class));
    for seed in seeds {
        let mut chance = Chance::new(*seed, "tunnel");
        let (mut learn, mut test) = (Feed::default(), Feed::default());
        everyday(&mut learn, &mut chance, 0.0, false);
        everyday(&mut test, &mut chance, 1.0, true);
        for (class, rate) in RATES.into_iter().enumerate() {
            for number in 0..TUNNELS {
                let client = 30 + class * TUNNELS + number;
                let domain = format!("t{class}{number}-example.net");
                let begin = tunnel(&mut test, &mut chance, client, rate, &domain);
                truth.attack(&format!("{}>{domain}", inside(client)), class, after(begin));
            }
        }
        learn_and_judge("tunnel", &mut learn, &mut test, &mut truth);
    }
    Curve {
        detector: "Data in names".to_owned(),
        what: "80 clients that look up names of 1,500 sites, content networks, a virus scanner's file hashes (20 clients), a mail \
               server's block lists, and telemetry that begins on the day that is judged; one day to learn, one judged; a subject \
               is a pair of client and registered domain. Tunnels last three hours, with 120 characters of base 32 a query."
            .to_owned(),
        score: "bytes of information per hour in distinct names".to_owned(),
        benign: truth.benign_count(),
        threshold,
        points: truth.points(&THRESHOLDS),
        words: "The detector bounds a channel rather than recognising a tool: below its threshold about one kilobyte an hour can \
                leave unseen for as long as anybody likes, which is a list of passwords a day, but no database. Recall collapses where \
                the rate falls below that bound, whatever the tool. What comes back in answers (downloads) is in no record of \
                names. A tunnel below a domain that carried many names while learning is measured against three times that."
            .to_owned(),
    }
}
