use std::collections::{BTreeMap, BTreeSet};

use leckwehr_crypt::{hex, sha256};
use leckwehr_estate::{Connection, ConnectionKind, Estate, Need, PartyKind, SystemKind};
use leckwehr_incident::{Coverage, Fact, PlanKind, PlanRecord, PlanStep, ProbeResult, StepOutcome, Tier, Timestamp, What};
use leckwehr_trace::certificate::{
    Answered, Assumed, Basis, Certificate, CertificateError, CounterRoute, Held, Level, Observed, Outside, Question, Refusal,
    SwitchChange, Verdict, certify, check, estate_bytes, switch_changes,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::estates;

fn connect(estate: &mut Estate, id: &str, from: &str, to: &str, both_ways: bool) {
    let connection = Connection {
        name: id.to_owned(),
        kind: ConnectionKind::Api,
        from: from.to_owned(),
        to: to.to_owned(),
        both_ways,
        ports: Vec::new(),
        owner: None,
        switch: None,
    };
    estate.connections.insert(id.to_owned(), connection);
}

fn contact(at: i64, from: &str, to: &str, answered: Answered) -> Observed {
    Observed {
        at: Timestamp(at),
        until: Timestamp(at),
        from: from.to_owned(),
        to: to.to_owned(),
        answered,
        means: "connection".to_owned(),
        evidence: format!("zeek#{at}"),
    }
}

fn switch(at: i64, target: &str, cut: bool) -> SwitchChange {
    SwitchChange {
        at: Timestamp(at),
        target: target.to_owned(),
        cut,
        evidence: vec![format!("ledger entry {at}")],
    }
}

fn held(state: &str, since: i64) -> Held {
    Held {
        state: state.to_owned(),
        since: Timestamp(since),
        tier: Tier::Proven,
    }
}

/// Office, servers and records; from the servers to the records leads one connection, cut from 100 on.
fn house() -> (Estate, Basis) {
    let mut estate = estates::empty();
    for (n, zone) in ["office", "servers", "records"].into_iter().enumerate() {
        estates::zone(&mut estate, zone, Some("site-1"), [10, 0, n as u8, 0], 24);
    }
    estates::system(&mut estate, "desk", SystemKind::Workstation, "office", [10, 0, 0, 5]);
    estates::system(&mut estate, "app", SystemKind::Application, "servers", [10, 0, 1, 5]);
    estates::system(&mut estate, "epa", SystemKind::EpaStore, "records", [10, 0, 2, 5]);
    connect(&mut estate, "office-servers", "office", "servers", false);
    connect(&mut estate, "servers-records", "servers", "records", false);
    let contacts = vec![
        contact(10, "app", "epa", Answered::Yes),
        contact(12, "app", "epa", Answered::Yes),
        contact(150, "desk", "app", Answered::Yes),
        contact(160, "app", "epa", Answered::No),
        contact(170, "app", "epa", Answered::Unknown),
        contact(900, "app", "epa", Answered::Yes),
    ];
    let basis = Basis {
        window: (Timestamp(0), Timestamp(1_000)),
        held: vec![held("desk", 120)],
        contacts,
        switches: vec![switch(100, "servers-records", true), switch(800, "servers-records", false)],
        coverage: vec![Coverage {
            asset: "office".to_owned(),
            class: "flow".to_owned(),
            seen: 0.993,
            missing: "7 records".to_owned(),
        }],
    };
    (estate, basis)
}

fn question(to: i64, level: Level) -> Question {
    Question {
        zone: "records".to_owned(),
        from: Timestamp(0),
        to: Timestamp(to),
        level,
        outside: Outside::Named,
        skew_ns: 5,
    }
}

fn holds(estate: &Estate, basis: &Basis, question: &Question) -> Certificate {
    let verdict = certify(estate, basis, question).unwrap();
    println!("{verdict:#?}");
    let certificate = if let Verdict::Holds(certificate) = verdict {
        Some(*certificate)
    } else {
        None
    };
    certificate.unwrap()
}

fn broken(estate: &Estate, basis: &Basis, question: &Question) -> CounterRoute {
    let verdict = certify(estate, basis, question).unwrap();
    println!("{verdict:#?}");
    let route = if let Verdict::Broken(route) = verdict {
        Some(route)
    } else {
        None
    };
    route.unwrap()
}

fn run(certificate: &[u8], estate: &Estate, basis: &Basis) -> Result<[usize; 3], Refusal> {
    check(certificate, &estate_bytes(estate), &basis.to_bytes()).map(|c| c.tried)
}

#[test]
fn a_cut_in_time_is_certified_at_the_strong_level() {
    let (estate, basis) = house();
    let certificate = holds(&estate, &basis, &question(700, Level::PossibleWays));
    let closed: Vec<(&str, i64)> = certificate.closed.iter().map(|s| (s.state.as_str(), s.since.0)).collect();
    assert_eq!(
        closed,
        [("app", 115), ("desk", 115), ("zone:office", 115), ("zone:servers", 115)]
    );
    let ways: Vec<_> = certificate
        .ways
        .iter()
        .map(|w| (w.from.as_str(), w.to.as_str(), w.via.as_str()))
        .collect();
    assert_eq!(ways, [("zone:servers", "zone:records", "servers-records")]);
    let gate = &certificate.ways[0].gates[0];
    assert_eq!(gate.cut, [(Timestamp(100), Some(Timestamp(800)))]);
    assert_eq!(gate.evidence, ["ledger entry 100", "ledger entry 800"]);
    let whys: Vec<String> = certificate
        .contacts
        .iter()
        .map(|c| format!("{:?} ×{}", c.why, c.count))
        .collect();
    assert_eq!(whys, ["BeforeArrival ×2", "NoAnswer ×1", "WhileCut ×1", "AfterWindow ×1"]);
    assert!(certificate.assumed.contains(&Assumed::EstateNamesEveryConnection));
    assert_eq!(certificate.unwatched, ["epa"], "no sensor of this estate observes the zone");
    assert_eq!(run(&certificate.to_bytes(), &estate, &basis), Ok([4, 6, 8]));
}

#[test]
fn the_walk_that_breaks_it_is_named_with_times_and_evidence() {
    let (estate, basis) = house();
    let route = broken(&estate, &basis, &question(1_000, Level::PossibleWays));
    let steps: Vec<_> = route
        .steps
        .iter()
        .map(|s| (s.from.as_str(), s.to.as_str(), s.at.0, s.observed))
        .collect();
    let expected = [
        ("desk", "zone:office", 115, false),
        ("zone:office", "zone:servers", 115, false),
        ("zone:servers", "zone:records", 795, false),
        ("zone:records", "epa", 795, false),
    ];
    assert_eq!(steps, expected);
    assert_eq!(route.steps[2].evidence, ["ledger entry 100", "ledger entry 800"]);
    let weak = broken(&estate, &basis, &question(1_000, Level::ObservedContacts));
    let steps: Vec<_> = weak
        .steps
        .iter()
        .map(|s| (s.from.as_str(), s.to.as_str(), s.at.0, s.observed))
        .collect();
    assert_eq!(steps, [("desk", "app", 145, true), ("app", "epa", 895, true)]);
    assert_eq!(
        weak.steps[1].evidence,
        ["connection recorded at 1970-01-01T00:00:00.000Z, answered [zeek#900]"]
    );
}

/// Records alone may look clean while a way stood open the whole time.
#[test]
fn the_weak_level_holds_where_the_strong_one_does_not() {
    let (estate, mut basis) = house();
    basis.switches.clear();
    basis.contacts.retain(|c| c.answered != Answered::Unknown);
    let certificate = holds(&estate, &basis, &question(700, Level::ObservedContacts));
    assert_eq!(run(&certificate.to_bytes(), &estate, &basis), Ok([2, 5, 8]));
    let open: Vec<_> = certificate.ways.iter().map(|w| w.via.as_str()).collect();
    assert_eq!(
        open,
        ["office-servers", "servers-records"],
        "the ways on which records show no step are named"
    );
    assert!(certificate.assumed.contains(&Assumed::NoUnseenContact));
    broken(&estate, &basis, &question(700, Level::PossibleWays));
}

#[test]
fn an_answer_through_a_cut_breaks_the_sentence() {
    let (estate, mut basis) = house();
    basis.contacts[4].answered = Answered::Yes;
    for level in [Level::ObservedContacts, Level::PossibleWays] {
        let route = broken(&estate, &basis, &question(700, level));
        assert_eq!(route.steps.last().map(|s| (s.to.as_str(), s.at.0)), Some(("epa", 165)));
    }
}

#[test]
fn doubt_about_clocks_works_against_the_sentence() {
    let (estate, mut basis) = house();
    let question = question(700, Level::PossibleWays);
    // The host was held from 120 on, the way was cut from 111 on: with clocks off by 5 each they may overlap.
    basis.switches[0] = switch(111, "servers-records", true);
    assert_eq!(broken(&estate, &basis, &question).steps[2].at.0, 115);
    basis.switches[0] = switch(110, "servers-records", true);
    holds(&estate, &basis, &question);
}

#[test]
fn a_hypervisor_holds_what_runs_on_it() {
    let (mut estate, basis) = house();
    estates::system(&mut estate, "vm-host", SystemKind::Hypervisor, "servers", [10, 0, 1, 9]);
    estate.systems.get_mut("epa").unwrap().needs = vec![Need {
        any_of: vec!["vm-host".to_owned()],
    }];
    let route = broken(&estate, &basis, &question(700, Level::PossibleWays));
    assert_eq!(route.steps.last().map(|s| s.kind.as_str()), Some("control"));
}

#[test]
fn everything_outside_may_be_the_attackers() {
    let (mut estate, mut basis) = house();
    estate.parties.get_mut("vendor").unwrap().kind = PartyKind::Public;
    let mut net = estate.zones["office"].clone();
    (net.site, net.party, net.network) = (None, "vendor".to_owned(), None);
    estate.zones.insert("internet".to_owned(), net);
    connect(&mut estate, "portal", "internet", "records", false);
    let mut ask = question(700, Level::PossibleWays);
    holds(&estate, &basis, &ask);
    ask.outside = Outside::Everything;
    let route = broken(&estate, &basis, &ask);
    assert_eq!(route.seed.state, "outside");
    basis.switches.insert(0, switch(-20, "portal", true));
    basis.switches.insert(0, switch(-20, "servers-records", true));
    let certificate = holds(&estate, &basis, &ask);
    run(&certificate.to_bytes(), &estate, &basis).unwrap();
}

#[test]
fn questions_that_cannot_be_answered_are_refused() {
    let (estate, mut basis) = house();
    let ask = |change: &dyn Fn(&mut Question)| {
        let mut q = question(700, Level::PossibleWays);
        change(&mut q);
        certify(&estate, &basis, &q).unwrap_err()
    };
    assert!(matches!(
        ask(&|q| q.zone = "moon".to_owned()),
        CertificateError::NoZone { .. }
    ));
    assert!(matches!(ask(&|q| q.to = Timestamp(1_001)), CertificateError::Window { .. }));
    assert!(matches!(ask(&|q| q.from = Timestamp(701)), CertificateError::Window { .. }));
    assert!(matches!(ask(&|q| q.skew_ns = -1), CertificateError::Skew { .. }));
    basis.held.clear();
    let nobody = certify(&estate, &basis, &question(700, Level::PossibleWays));
    assert_eq!(nobody, Err(CertificateError::NoSeed));
}

#[test]
fn the_ledger_tells_the_switches_with_what_was_seen() {
    let plan = PlanRecord {
        kind: PlanKind::Takedown,
        generation: 1,
        hash: "h".to_owned(),
        summary: String::new(),
        harm_eur_per_hour: 0,
        steps: vec![PlanStep {
            number: 1,
            executor: "guard".to_owned(),
            action: "cut-connection".to_owned(),
            target: "uplink".to_owned(),
            reason: String::new(),
            planned_ms: 1,
            clause: String::new(),
        }],
    };
    let verified = StepOutcome::Verified {
        evidence: "2 probes unanswered, counter 17".to_owned(),
    };
    let whats = [
        What::PlanProposed { plan },
        What::StepEnded {
            plan: "h".to_owned(),
            step: 1,
            outcome: verified,
        },
        What::ConnectionCut {
            connection: "uplink".to_owned(),
            cut: true,
        },
        What::HostIsolated {
            system: "desk".to_owned(),
            isolated: true,
        },
    ];
    let facts: Vec<(u64, Fact)> = (0..)
        .zip(whats)
        .map(|(n, w)| (n, Fact::new(Timestamp(n as i64), "test", w)))
        .collect();
    let changes = switch_changes(&facts);
    let evidence = [
        "ledger entry 2: uplink is cut",
        "ledger entry 1: step 1 verified: 2 probes unanswered, counter 17",
    ];
    assert_eq!(changes[0].evidence, evidence);
    assert_eq!(
        (changes[1].target.as_str(), changes[1].cut, changes[1].at),
        ("desk", true, Timestamp(3))
    );
    let probe = ProbeResult {
        from: "desk".to_owned(),
        to: "epa".to_owned(),
        expected_reachable: false,
        reachable: true,
    };
    let facts = [(7, Fact::new(Timestamp(9), "probe", What::Probed { probe }))];
    let basis = Basis::new(&Default::default(), &[], &house().0, &Default::default(), &facts);
    assert_eq!(
        basis.contacts[0].answered,
        Answered::Yes,
        "a probe that got through shows that the cut does not hold"
    );
}

/// Seals a changed certificate anew, as a forger would.
fn forge(certificate: &Certificate, change: impl FnOnce(&mut Certificate)) -> Vec<u8> {
    let mut forged = certificate.clone();
    change(&mut forged);
    forged.sealed().to_bytes()
}

#[test]
fn every_forgery_is_refused_by_name() {
    let (estate, basis) = house();
    let strong = holds(&estate, &basis, &question(700, Level::PossibleWays));
    type Change = Box<dyn FnOnce(&mut Certificate)>;
    let forgeries: Vec<(&str, Change)> = vec![
        ("format", Box::new(|c| c.format.push('0'))),
        ("zone", Box::new(|c| c.zone = "moon".to_owned())),
        ("app", Box::new(|c| c.zone = "servers".to_owned())),
        ("window", Box::new(|c| c.to = Timestamp(1_001))),
        ("window", Box::new(|c| c.from = Timestamp(-1))),
        ("window", Box::new(|c| c.from = Timestamp(701))),
        ("zeek#900", Box::new(|c| c.to = Timestamp(1_000))),
        (
            "the way from zone:servers to zone:records servers-records",
            Box::new(|c| c.to = Timestamp(850)),
        ),
        ("a seed", Box::new(|c| c.skew_ns = 6_000)),
        ("a seed", Box::new(|c| c.skew_ns = 6)),
        ("skew-ns", Box::new(|c| c.skew_ns = -1)),
        ("estate-sha256", Box::new(|c| c.estate_sha256 = "00".repeat(32))),
        ("basis-sha256", Box::new(|c| c.basis_sha256 = "00".repeat(32))),
        ("seeds", Box::new(|c| c.seeds.clear())),
        ("seeds", Box::new(|c| c.seeds[0].since = Timestamp(500))),
        ("seeds", Box::new(|c| c.seeds[0].state = "epa".to_owned())),
        ("seeds", Box::new(|c| c.seeds[0].tier = Some(Tier::Possible))),
        ("zeek#150", Box::new(|c| drop(c.closed.remove(0)))),
        ("a seed", Box::new(|c| drop(c.closed.remove(1)))),
        ("the way from desk to zone:office ", Box::new(|c| drop(c.closed.remove(2)))),
        ("the way from app to zone:servers ", Box::new(|c| drop(c.closed.remove(3)))),
        ("zeek#150", Box::new(|c| c.closed[0].since = Timestamp(146))),
        ("a seed", Box::new(|c| c.closed[1].since = Timestamp(116))),
        (
            "the way from zone:office to desk ",
            Box::new(|c| c.closed[2].since = Timestamp(114)),
        ),
        ("zeek#12", Box::new(|c| c.closed[0].since = Timestamp(17))),
        ("epa", Box::new(|c| c.closed[0].state = "epa".to_owned())),
        ("desk", Box::new(|c| c.closed[0].state = "desk".to_owned())),
        ("ways", Box::new(|c| c.ways.clear())),
        ("ways", Box::new(|c| c.ways[0].via = "office-servers".to_owned())),
        ("ways", Box::new(|c| c.ways[0].to = "zone:office".to_owned())),
        ("ways", Box::new(|c| c.ways[0].from = "zone:office".to_owned())),
        ("ways", Box::new(|c| c.ways[0].gates.clear())),
        ("ways", Box::new(|c| c.ways[0].gates[0].cut[0].0 = Timestamp(0))),
        ("ways", Box::new(|c| c.ways[0].gates[0].cut[0].1 = None)),
        ("ways", Box::new(|c| c.ways[0].gates[0].cut.clear())),
        ("ways", Box::new(|c| drop(c.ways[0].gates[0].evidence.pop()))),
        ("ways", Box::new(|c| c.ways[0].gates[0].target.push('x'))),
        ("contacts", Box::new(|c| drop(c.contacts.pop()))),
        ("contacts", Box::new(|c| c.contacts[0].count = 1)),
        ("contacts", Box::new(|c| c.contacts[0].why = c.contacts[1].why)),
        ("contacts", Box::new(|c| c.contacts[0].first = Timestamp(0))),
        ("contacts", Box::new(|c| c.contacts[0].last = Timestamp(11))),
        ("contacts", Box::new(|c| c.contacts[0].evidence.clear())),
        ("contacts", Box::new(|c| c.contacts[0].to = "app".to_owned())),
        ("contacts", Box::new(|c| c.contacts[0].from = "desk".to_owned())),
        ("coverage", Box::new(|c| c.coverage[0].seen = 1.0)),
        ("coverage", Box::new(|c| c.coverage.clear())),
        ("unwatched", Box::new(|c| c.unwatched.clear())),
        ("assumed", Box::new(|c| c.assumed.truncate(1))),
        ("assumed", Box::new(|c| c.level = Level::ObservedContacts)),
        ("assumed", Box::new(|c| c.outside = Outside::Everything)),
    ];
    run(&forge(&strong, |_| ()), &estate, &basis).unwrap();
    for (n, (item, change)) in forgeries.into_iter().enumerate() {
        let refusal = run(&forge(&strong, change), &estate, &basis);
        assert_eq!(refusal.map_err(|r| r.item), Err(item.to_owned()), "forgery {n}");
    }
}

/// Whatever is changed without a new seal is refused, be it true or not.
#[test]
fn every_changed_value_breaks_the_seal() {
    let (estate, basis) = house();
    let bytes = holds(&estate, &basis, &question(700, Level::PossibleWays)).to_bytes();
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    let mut paths = Vec::new();
    leaves(&value, String::new(), &mut paths);
    assert!(paths.len() > 60, "{}", paths.len());
    for path in paths {
        let mut changed = value.clone();
        let leaf = changed.pointer_mut(&path).unwrap();
        *leaf = match leaf {
            Value::Number(n) => json!(n.as_f64().unwrap() + 1.0),
            Value::String(s) => json!(format!("{s}x")),
            _ => json!("other"),
        };
        let text = serde_json::to_vec_pretty(&changed).unwrap();
        assert!(run(&text, &estate, &basis).is_err(), "{path}");
    }
    for n in (0..bytes.len()).step_by(7) {
        let mut flipped = bytes.clone();
        flipped[n] ^= 1;
        assert!(run(&flipped, &estate, &basis).is_err(), "byte {n}");
        assert!(run(&bytes[..n], &estate, &basis).is_err(), "cut off at {n}");
    }
}

fn leaves(value: &Value, path: String, paths: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(k, v)| leaves(v, format!("{path}/{k}"), paths)),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .for_each(|(n, v)| leaves(v, format!("{path}/{n}"), paths)),
        _ => paths.push(path),
    }
}

/// Other records or another estate than those that the certificate binds.
#[test]
fn other_inputs_are_refused() {
    let (estate, basis) = house();
    let bytes = holds(&estate, &basis, &question(700, Level::PossibleWays)).to_bytes();
    let mut other = basis.clone();
    other.contacts.push(contact(300, "app", "epa", Answered::Yes));
    assert_eq!(run(&bytes, &estate, &other).unwrap_err().item, "basis-sha256");
    let mut altered = estate.clone();
    connect(&mut altered, "back-door", "office", "records", false);
    assert_eq!(run(&bytes, &altered, &basis).unwrap_err().item, "estate-sha256");
    // A forger who binds the other inputs anew is caught by what they say.
    let rebind = |c: &mut Certificate, e: &Estate, b: &Basis| {
        c.estate_sha256 = hex(&sha256(&estate_bytes(e)));
        c.basis_sha256 = hex(&sha256(&b.to_bytes()));
    };
    let certificate = holds(&estate, &basis, &question(700, Level::PossibleWays));
    let forged = forge(&certificate, |c| rebind(c, &estate, &other));
    assert_eq!(run(&forged, &estate, &other).unwrap_err().item, "zeek#300");
    let forged = forge(&certificate, |c| rebind(c, &altered, &basis));
    assert_eq!(
        run(&forged, &altered, &basis).unwrap_err().item,
        "the way from zone:office to zone:records back-door"
    );
}

// ── against brute force ─────────────────────────────────────────────────────────────────────────────────────────

const STATES: [&str; 7] = ["s0", "s1", "s2", "s3", "s4", "10.0.1.99", "203.0.113.9"];
const ENDS: [&str; 8] = ["z0", "z1", "z2", "z3", "z3", "net", "s1", "s4"];
const TICKS: i64 = 12;

#[derive(Debug, Clone)]
struct Small {
    estate: Estate,
    basis: Basis,
    question: Question,
}

fn small() -> impl Strategy<Value = Small> {
    let tick = || 0..TICKS;
    let zones = prop::collection::vec(0..4_usize, 5);
    let links = prop::collection::vec((0..ENDS.len(), 0..ENDS.len(), any::<bool>()), 0..6);
    let contacts = prop::collection::vec((tick(), 0..3_i64, 0..STATES.len(), 0..STATES.len(), 0..3_u8), 0..10);
    let switches = prop::collection::vec((tick(), 0..9_usize, any::<bool>()), 0..16);
    let seeds = prop::collection::vec((0..STATES.len(), 0..6_i64), 1..3);
    let ask = (3..TICKS, 0..3_i64, any::<bool>(), any::<bool>());
    let needs = prop::option::of((0..5_usize, 0..5_usize, any::<bool>()));
    (zones, links, contacts, switches, seeds, ask, needs).prop_map(|(zones, links, contacts, switches, seeds, ask, needs)| {
        let mut estate = estates::empty();
        for n in 0..4_u8 {
            estates::zone(&mut estate, &format!("z{n}"), Some("site-1"), [10, 0, n, 0], 24);
        }
        estate.parties.get_mut("vendor").unwrap().kind = PartyKind::Public;
        let mut net = estate.zones["z0"].clone();
        (net.site, net.party, net.network) = (None, "vendor".to_owned(), None);
        estate.zones.insert("net".to_owned(), net);
        for (n, zone) in zones.into_iter().enumerate() {
            let kind = SystemKind::Application;
            estates::system(&mut estate, &format!("s{n}"), kind, &format!("z{zone}"), [10, 9, 9, n as u8]);
        }
        if let Some((over, under, directory)) = needs.filter(|(a, b, _)| a != b) {
            let kind = if directory {
                SystemKind::Directory
            } else {
                SystemKind::Hypervisor
            };
            estate.systems.get_mut(&format!("s{over}")).unwrap().kind = kind;
            let any_of = vec![format!("s{over}")];
            estate.systems.get_mut(&format!("s{under}")).unwrap().needs = vec![Need { any_of }];
        }
        for (n, (from, to, both)) in links.into_iter().enumerate() {
            connect(&mut estate, &format!("c{n}"), ENDS[from], ENDS[to], both);
        }
        let answers = [Answered::Yes, Answered::No, Answered::Unknown];
        let mut contacts: Vec<Observed> = contacts
            .into_iter()
            .map(|(at, length, from, to, a)| Observed {
                until: Timestamp(at + length),
                ..contact(at, STATES[from], STATES[to], answers[usize::from(a)])
            })
            .collect();
        contacts.sort();
        let target = |n: usize| if n < 6 { format!("c{n}") } else { format!("s{}", n - 6) };
        let mut switches: Vec<SwitchChange> = switches.into_iter().map(|(at, n, cut)| switch(at, &target(n), cut)).collect();
        switches.sort_by(|a, b| (a.at, &a.target, a.cut).cmp(&(b.at, &b.target, b.cut)));
        let mut seeds: Vec<Held> = seeds.into_iter().map(|(state, at)| held(STATES[state], at)).collect();
        seeds.sort_by(|a, b| (a.since, &a.state).cmp(&(b.since, &b.state)));
        let (to, skew_ns, strong, everything) = ask;
        Small {
            estate,
            basis: Basis {
                window: (Timestamp(0), Timestamp(TICKS + 4)),
                held: seeds,
                contacts,
                switches,
                coverage: Vec::new(),
            },
            question: Question {
                zone: "z3".to_owned(),
                from: Timestamp(0),
                to: Timestamp(to),
                level: if strong {
                    Level::PossibleWays
                } else {
                    Level::ObservedContacts
                },
                outside: if everything { Outside::Everything } else { Outside::Named },
                skew_ns,
            },
        }
    })
}

/// The rules once more, as plainly as possible: one moment after the other, every state, every step.
impl Small {
    /// Whether `target` is cut for certain at `tick`: by replaying its changes, with the doubt at both ends.
    fn cut_at(&self, target: &str, tick: i64) -> bool {
        let k = self.question.skew_ns;
        let state_at = |t: i64| {
            let changes = self.basis.switches.iter().filter(|s| s.target == target && s.at.0 <= t);
            let last = changes.clone().map(|s| s.at).max();
            let last_ones: Vec<bool> = changes.filter(|s| Some(s.at) == last).map(|s| s.cut).collect();
            !last_ones.is_empty() && last_ones.iter().all(|cut| *cut)
        };
        (tick - k..=tick + k).all(state_at)
    }

    fn zone(&self, state: &str) -> Option<String> {
        match state {
            "10.0.1.99" => Some("z1".to_owned()),
            "203.0.113.9" => None,
            _ => Some(self.estate.systems.get(state)?.zone.clone()),
        }
    }

    fn name(&self, state: &str) -> String {
        let everything = self.question.outside == Outside::Everything;
        if everything && state == "203.0.113.9" {
            "outside".to_owned()
        } else {
            state.to_owned()
        }
    }

    /// Connections by which a step from `from` to `to` can be opened.
    fn links(&self, from: &str, to: &str) -> Vec<&str> {
        let is = |end: &str, state: &str| {
            let zone = state.strip_prefix("zone:").map(str::to_owned);
            if self.estate.systems.contains_key(end) {
                end == state
            } else {
                zone.as_deref() == Some(end)
            }
        };
        let links = self.estate.connections.iter();
        let fits = |c: &Connection| is(&c.from, from) && is(&c.to, to) || c.both_ways && is(&c.to, from) && is(&c.from, to);
        links.filter(|(_, c)| fits(c)).map(|(id, _)| id.as_str()).collect()
    }

    fn way_open(&self, from: &str, to: &str, tick: i64) -> bool {
        let open = |id: &str| !self.cut_at(id, tick);
        let segment = |host: &str, zone: &str| {
            let off = self.estate.systems.contains_key(host) && !open(host);
            self.zone(host).is_some_and(|z| format!("zone:{z}") == zone) && !off
        };
        let on = |state: &str| !self.estate.systems.contains_key(state) || open(state);
        let link = self.links(from, to).into_iter().any(|id| open(id) && on(from) && on(to));
        let needs = self
            .estate
            .systems
            .get(to)
            .is_some_and(|s| s.needs.iter().any(|n| n.any_of[0] == from));
        let control = needs
            && match self.estate.systems[from].kind {
                SystemKind::Hypervisor => true,
                SystemKind::Directory => on(from) && on(to),
                _ => false,
            };
        let border = [from, to].contains(&"outside") && [from, to].contains(&"zone:net");
        segment(from, to) || segment(to, from) || link || control || border
    }

    fn contact_open(&self, c: &Observed, tick: i64) -> bool {
        let k = self.question.skew_ns;
        let span = c.at.0 - k..=c.until.0 + k;
        if c.answered == Answered::No || !span.contains(&tick) {
            return false;
        }
        // Whole and certain: from the first moment that it can have been until the last.
        let cut = |id: &str| span.clone().all(|t| self.cut_at(id, t));
        let off = |s: &str| self.estate.systems.contains_key(s) && cut(s);
        let (a, b) = (self.zone(&c.from), self.zone(&c.to));
        let mut links: BTreeSet<&str> = BTreeSet::new();
        if let (Some(a), Some(b)) = (&a, &b)
            && a != b
        {
            for from in [c.from.clone(), format!("zone:{a}")] {
                for to in [c.to.clone(), format!("zone:{b}")] {
                    links.extend(self.links(&from, &to));
                }
            }
        }
        let blocked = off(&c.from) || off(&c.to) || (!links.is_empty() && links.into_iter().all(cut));
        c.answered == Answered::Yes || !blocked
    }

    fn step_open(&self, from: &str, to: &str, tick: i64) -> bool {
        let contacts = self.basis.contacts.iter();
        let mut contacts = contacts.filter(|c| self.name(&c.from) == from && self.name(&c.to) == to);
        let way = self.question.level == Level::PossibleWays && self.way_open(from, to, tick);
        way || contacts.any(|c| self.contact_open(c, tick))
    }

    fn seeds(&self) -> BTreeMap<String, i64> {
        let mut seeds = BTreeMap::new();
        let held = self.basis.held.iter().map(|h| (self.name(&h.state), h.since.0));
        let outside = (self.question.outside == Outside::Everything).then(|| ("outside".to_owned(), 0));
        for (state, since) in held.chain(outside) {
            let slot = seeds.entry(state).or_insert(i64::MAX);
            *slot = (*slot).min(since - self.question.skew_ns);
        }
        seeds
    }

    fn all_states(&self) -> Vec<String> {
        let zones = self.estate.zones.keys().map(|z| format!("zone:{z}"));
        let listed = self.estate.systems.keys().cloned();
        let contacts = self.basis.contacts.iter().flat_map(|c| [&c.from, &c.to]);
        let named = contacts.chain(self.basis.held.iter().map(|h| &h.state)).map(|s| self.name(s));
        let all: BTreeSet<String> = zones.chain(listed).chain(named).chain(["outside".to_owned()]).collect();
        all.into_iter().collect()
    }

    fn in_zone(&self, state: &str) -> bool {
        state == "zone:z3" || self.zone(state).as_deref() == Some("z3")
    }

    /// Returns every state with the first tick at which it is reached.
    fn brute(&self) -> BTreeMap<String, i64> {
        let (seeds, states) = (self.seeds(), self.all_states());
        let mut reached: BTreeMap<String, i64> = BTreeMap::new();
        for tick in -self.question.skew_ns..=self.question.to.0 {
            for (state, _) in seeds.iter().filter(|(_, since)| **since <= tick) {
                reached.entry(state.clone()).or_insert(tick);
            }
            loop {
                let before = reached.len();
                for from in reached.keys().cloned().collect::<Vec<_>>() {
                    for to in states.iter().filter(|to| **to != from) {
                        if !reached.contains_key(to) && self.step_open(&from, to, tick) {
                            reached.insert(to.clone(), tick);
                        }
                    }
                }
                if reached.len() == before {
                    break;
                }
            }
        }
        reached
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_certificate_exists_exactly_if_no_walk_does(case in small()) {
        let reached = case.brute();
        match certify(&case.estate, &case.basis, &case.question) {
            Ok(Verdict::Holds(certificate)) => {
                prop_assert!(!reached.keys().any(|s| case.in_zone(s)), "{reached:?}");
                let closed: BTreeMap<String, i64> = certificate.closed.iter().map(|s| (s.state.clone(), s.since.0)).collect();
                prop_assert_eq!(closed, reached);
                let checked = run(&certificate.to_bytes(), &case.estate, &case.basis);
                prop_assert!(checked.is_ok(), "{checked:?}");
            }
            Ok(Verdict::Broken(route)) => {
                prop_assert!(reached.keys().any(|s| case.in_zone(s)), "{route:?} against {reached:?}");
                let (mut here, mut at) = (route.seed.state.clone(), route.seed.since.0);
                prop_assert!(case.seeds().get(&here).is_some_and(|since| *since <= at));
                for step in &route.steps {
                    prop_assert_eq!(&step.from, &here);
                    prop_assert!(step.at.0 >= at && step.at <= case.question.to);
                    prop_assert!(case.step_open(&step.from, &step.to, step.at.0), "{step:?}");
                    (here, at) = (step.to.clone(), step.at.0);
                }
                prop_assert!(case.in_zone(&here));
                prop_assert_eq!(reached.iter().filter(|(s, _)| case.in_zone(s)).map(|(_, t)| *t).min(), Some(at));
            }
            Err(error) => {
                prop_assert_eq!(error, CertificateError::NoSeed);
                prop_assert!(reached.is_empty());
            }
        }
    }

    /// A set that lacks one of its states is not closed, whatever else the forger writes.
    #[test]
    fn a_set_with_a_hole_is_refused(case in small(), drop in any::<prop::sample::Index>()) {
        if let Ok(Verdict::Holds(certificate)) = certify(&case.estate, &case.basis, &case.question) {
            let forged = forge(&certificate, |c| std::mem::drop(c.closed.remove(drop.index(c.closed.len()))));
            prop_assert!(run(&forged, &case.estate, &case.basis).is_err());
        }
    }
}
