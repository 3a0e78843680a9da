use leckwehr_telemetry::{Kind, Outcome, Record};

use super::chance::{Chance, DAY_S, HOUR_S, after, office};
use super::feed::{Feed, inside, learn_and_judge};
use super::roc::{Curve, Truth};

const USERS: usize = 150;
const ADMINS: usize = 10;
const SERVERS: usize = 60;
const DAYS: usize = 15;
const THRESHOLDS: [f64; 6] = [2.0, 4.0, 6.0, 8.0, 10.0, 14.0];
const CLASSES: [&str; 4] = [
    "a clerk's account, from his own place, to servers new to him",
    "a clerk's account from a foreign place",
    "an administrator's account from a server where he was never",
    "an administrator's account on his usual ways",
];

/// Number of the host of a server, behind the workstations.
fn server(number: usize) -> String {
    inside(1_000 + number)
}

fn log_on(feed: &mut Feed, seconds: f64, account: &str, from: &str, host: &str) {
    feed.push(&Record {
        time: after(seconds),
        kind: Kind::Logon,
        outcome: Outcome::Success,
        account,
        origin: from,
        host,
        ..Record::default()
    });
}

/// Clerks use three servers from their own place, administrators fifteen from theirs and from a jump host; now and then
/// somebody does something new.
fn day(feed: &mut Feed, chance: &mut Chance, day: usize, truth: Option<&mut Truth>) {
    let mut benign = Vec::new();
    for user in 0..USERS + ADMINS {
        let admin = user >= USERS;
        let (servers, mean_s) = if admin { (15, 600.0) } else { (3, 5_400.0) };
        let mut at = chance.pause(mean_s);
        while at < DAY_S {
            let seconds = day as f64 * DAY_S + at;
            at += chance.pause(mean_s);
            if !chance.happens(office(seconds)) {
                continue;
            }
            let account = if admin {
                format!("adm-{user}")
            } else {
                format!("user-{user}")
            };
            let usual = (user * 7 + chance.below(servers) * 3) % SERVERS;
            let new = if admin { 0.02 } else { 0.004 };
            let to = if chance.happens(new) { chance.below(SERVERS) } else { usual };
            let from = if !admin && chance.happens(0.002) {
                inside(chance.below(USERS))
            } else if admin && chance.happens(0.3) {
                server(0)
            } else {
                inside(user)
            };
            benign.push(feed.next_reference());
            log_on(feed, seconds, &account, &from, &server(to));
        }
    }
    if let Some(truth) = truth {
        benign.iter().for_each(|subject| truth.benign(subject));
    }
}

fn attack(feed: &mut Feed, chance: &mut Chance, truth: &mut Truth) {
    for round in 0..25 {
        let at = (DAYS - 1) as f64 * DAY_S + chance.between(8.0, 17.0) * HOUR_S;
        let (clerk, admin) = (chance.below(USERS), USERS + chance.below(ADMINS));
        let far = server(chance.below(SERVERS));
        let usual = server((admin * 7 + chance.below(15) * 3) % SERVERS);
        let (clerks, admins) = (format!("user-{clerk}"), format!("adm-{admin}"));
        let foreign = inside((clerk + 40) % USERS);
        let other = server((clerk + 7 + round) % SERVERS);
        let steps = [
            (&clerks, inside(clerk), far.clone()),
            (&clerks, foreign, server((clerk * 7) % SERVERS)),
            (&admins, other, far),
            (&admins, inside(admin), usual),
        ];
        for (class, (account, from, to)) in steps.into_iter().enumerate() {
            let seconds = at + class as f64 * 1_200.0;
            truth.attack(&feed.next_reference(), class, after(seconds));
            log_on(feed, seconds, account, &from, &to);
        }
    }
}

/// Log-ons that nobody made before.
pub(super) fn prove(seeds: &[u64], threshold: f64) -> Curve {
    let mut truth = Truth::new(CLASSES.map(str::to_owned));
    for seed in seeds {
        let mut chance = Chance::new(*seed, "logon");
        let (mut learn, mut test) = (Feed::default(), Feed::default());
        (0..DAYS - 1).for_each(|number| day(&mut learn, &mut chance, number, None));
        day(&mut test, &mut chance, DAYS - 1, Some(&mut truth));
        attack(&mut test, &mut chance, &mut truth);
        learn_and_judge("logon", &mut learn, &mut test, &mut truth);
    }
    Curve {
        detector: "Novel log-on".to_owned(),
        what: "150 clerks and 10 administrators on 60 servers, fourteen days to learn, one judged; a subject is one log-on. Now and \
               then a clerk takes another's place or an administrator goes to a server where he never was."
            .to_owned(),
        score: "bits of surprise, with what happened at the origin before".to_owned(),
        benign: truth.benign_count(),
        threshold,
        points: truth.points(&THRESHOLDS),
        words: "A stolen account that goes where its owner never went is seen at once; one that keeps to its owner's usual ways is \
                not detectable by its edges at all (last rows), as 28 % of the red team's log-ons in the Los Alamos recordings \
                were not new. So this detector ranks and never excludes: its weight alone raises no warning."
            .to_owned(),
    }
}
