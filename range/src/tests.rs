//! Tests of the parts that decide what a drill is worth: the world, the truth and the score.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::sync::Arc;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use leckwehr_crypt::{SigningKey, hex, sha256};
use leckwehr_estate::{Estate, SystemKind};
use leckwehr_guard::{Counter, Firewall, FirewallState};
use leckwehr_incident::{
    Alarm, AlarmLevel, Claim, ClaimTopic, Confidence, Fact, HostAssessment, Impact, Phase, Situation, Tier, Timestamp, What,
};
use leckwehr_publish::{Language, SiteConfig, Tlp, build_site};
use tokio::sync::{mpsc, watch};

use crate::attacker::{Act, Entry};
use crate::benign::{PracticeReport, Rounds};
use crate::books::Books;
use crate::cast::Cast;
use crate::director::{DrillConfig, Played, Seconds, Truth};
use crate::fabric::{Fabric, MemoryFirewall};
use crate::miniature::{HOSTS_MAX, HOSTS_MIN, MiniatureError, miniature};
use crate::node::read_copy;
use crate::part::{Say, SiteCopy, Voice};
use crate::portal::{WEB_PORT, start_foreign};
use crate::score::{Score, score};
use crate::usage::{Used, trials};
use crate::wire::Net;
use crate::world::{Scenario, World};

fn essen() -> Estate {
    Estate::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/essen"))).unwrap()
}

fn world(hosts: usize, seed: u64) -> World {
    World::new(&essen(), hosts, seed, Path::new("nowhere")).unwrap()
}

#[test]
fn miniatures_of_every_size_have_what_the_scenario_touches() {
    let estate = essen();
    for hosts in [HOSTS_MIN, 24, 100, 200, HOSTS_MAX] {
        let small = miniature(&estate, hosts).unwrap();
        assert_eq!(small.systems.len(), hosts);
        let kinds: BTreeSet<SystemKind> = small.systems.values().map(|s| s.kind).collect();
        for kind in [
            SystemKind::JumpHost,
            SystemKind::BackupVault,
            SystemKind::EauIntake,
            SystemKind::EpaStore,
        ] {
            assert!(kinds.contains(&kind), "{hosts} hosts have no {kind:?}");
        }
        let addresses: BTreeSet<_> = small.systems.values().filter_map(|s| s.address).collect();
        assert_eq!(addresses.len(), hosts, "an address is used twice");
    }
    assert!(matches!(miniature(&estate, HOSTS_MIN - 1), Err(MiniatureError::Hosts(_))));
    assert!(matches!(miniature(&Estate::default(), 24), Err(MiniatureError::NoEntry)));
}

/// Hosts that somebody reaches who starts at the jump host and uses what lies on each host he is on.
fn reachable(world: &World) -> BTreeSet<String> {
    let by_address: BTreeMap<Ipv4Addr, &str> = world.hosts.iter().map(|h| (h.address, h.system.as_str())).collect();
    let mut owned = BTreeSet::from([by_address[&world.entry[1].host].to_owned()]);
    loop {
        let known: Vec<(String, String)> = owned.iter().flat_map(|o| world.host(o).unwrap().secrets.clone()).collect();
        let targets: BTreeSet<String> = owned
            .iter()
            .flat_map(|o| world.host(o).unwrap().neighbours.iter().map(|n| n.0.clone()))
            .collect();
        let opens = |t: &&String| {
            known
                .iter()
                .any(|(user, secret)| world.host(t).unwrap().accounts.get(user) == Some(secret))
        };
        let next: Vec<String> = targets
            .iter()
            .filter(|t| !owned.contains(*t))
            .filter(opens)
            .cloned()
            .collect();
        if next.is_empty() {
            return owned;
        }
        owned.extend(next);
    }
}

#[test]
fn every_seed_leads_to_backups_and_files_and_never_to_what_is_protected() {
    let mut ways = BTreeSet::new();
    for seed in 0..40 {
        let world = world(24, seed);
        let owned = reachable(&world);
        let kinds: BTreeSet<SystemKind> = owned.iter().map(|s| world.host(s).unwrap().kind).collect();
        assert!(
            kinds.contains(&SystemKind::BackupServer) && kinds.contains(&SystemKind::FileServer),
            "seed {seed}: {owned:?}"
        );
        assert!(
            !kinds.contains(&SystemKind::BackupVault) && !kinds.contains(&SystemKind::EpaStore),
            "seed {seed}: {owned:?}"
        );
        ways.insert(owned);
    }
    assert!(ways.len() > 20, "40 seeds give {} different ways only", ways.len());
}

#[test]
fn equal_seeds_give_equal_worlds() {
    let fingerprint = |seed| {
        let world = world(24, seed);
        let hosts: Vec<_> = world
            .hosts
            .iter()
            .map(|h| (h.system.clone(), h.secrets.clone(), h.neighbours.clone(), h.blind))
            .collect();
        (world.entry, hosts)
    };
    assert_eq!(fingerprint(7), fingerprint(7));
    assert_ne!(fingerprint(7), fingerprint(8));
}

const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// A drill in which everything went well: one host, one message, one file, one claim.
fn good() -> (Played, Vec<Fact>) {
    let entry = |act, path: &str, bytes| Entry {
        at: Timestamp(10),
        act,
        host: HOST,
        account: "adm".into(),
        path: path.into(),
        bytes,
        done: true,
    };
    let file = |digest: &str| BTreeMap::from([("docs/a".to_owned(), digest.to_owned())]);
    let truth = Truth {
        attack_began: Timestamp(5),
        diary: vec![
            entry(Act::Login, "", 0),
            entry(Act::Stole, "docs/a", 90),
            entry(Act::Encrypted, "docs/a", 0),
        ],
        systems: BTreeMap::from([(HOST, "fs-1".to_owned())]),
        dropped_bytes: 10,
        practices: vec![PracticeReport {
            sent: vec!["m1".into(), "m2".into()],
            accepted: vec!["m1".into()],
        }],
        delivered: vec!["m1".into()],
        services: BTreeMap::from([("eau".to_owned(), Used::default())]),
        guards: BTreeMap::from([("guard".to_owned(), FirewallState::default())]),
        files: BTreeMap::from([(
            "fs-1".to_owned(),
            BTreeMap::from([("docs/a".to_owned(), BTreeSet::from(["d".to_owned()]))]),
        )]),
        found: BTreeMap::from([("fs-1".to_owned(), file("d"))]),
        copies: vec![Some(SiteCopy {
            seq: 2,
            manifest: "m".into(),
        })],
        failures: Vec::new(),
        paid: crate::payday::Paid::default(),
    };
    let played = Played {
        estate: Estate::default(),
        truth,
        seconds: Seconds::default(),
        ..Played::default()
    };
    let host = HostAssessment {
        system: "fs-1".into(),
        tier: Tier::Proven,
        since: None,
        via: None,
        reasons: Vec::new(),
    };
    let impact = Impact {
        hosts: vec![host],
        bytes_out_max: 100,
        ..Impact::default()
    };
    let published = |seq| What::SitePublished {
        seq,
        manifest: "m".into(),
        mirrors_ok: 1,
        mirrors: 1,
    };
    let claim = |topic| What::Claimed {
        claim: Claim {
            id: "claim".into(),
            topic,
            text: BTreeMap::new(),
            confidence: Confidence::Likely,
            evidence: Vec::new(),
            coverage: String::new(),
            not_seen: String::new(),
            review_by: Timestamp(0),
        },
    };
    let whats = [
        What::Assessed { impact },
        claim(ClaimTopic::BytesOut { bytes: 100 }),
        claim(ClaimTopic::Compromised {
            hosts: vec!["fs-1".into()],
        }),
        claim(ClaimTopic::ServiceRestored { service: "eau".into() }),
        published(1),
        published(2),
    ];
    (
        played,
        whats.into_iter().map(|what| Fact::new(Timestamp(20), "test", what)).collect(),
    )
}

fn judged(played: &Played, facts: &[Fact], verified: bool) -> Score {
    let entries: Vec<Vec<u8>> = facts.iter().map(Fact::to_bytes).collect();
    let situation = Situation::replay(entries.iter().map(Vec::as_slice)).unwrap();
    let held = hex(&sha256(situation.to_json().as_bytes()));
    score(played, &Books::read(&entries, verified, &held).unwrap(), "real", 1)
}

#[test]
fn a_good_drill_passes() {
    let (played, facts) = good();
    let score = judged(&played, &facts, true);
    assert!(score.passed, "{:?}", score.because);
    assert_eq!((score.hosts.truth, score.hosts.found, score.hosts.wrong), (1, 1, 0));
    assert_eq!((score.files.damaged, score.files.restored, score.files.lost), (1, 1, 0));
    assert_eq!((score.messages.sent, score.messages.accepted), (2, 1));
    assert_eq!((score.bytes_out.truth, score.bytes_out.bound), (100, 100));
}

#[test]
fn every_single_thing_that_goes_wrong_fails_the_drill() {
    type Spoil = fn(&mut Played, &mut Vec<Fact>);
    let spoilt: [(&str, Spoil); 18] = [
        ("a host missed", |p, _| {
            let second = Ipv4Addr::new(10, 0, 0, 2);
            p.truth.systems.insert(second, "fs-2".into());
            let login = Entry {
                host: second,
                ..p.truth.diary[0].clone()
            };
            p.truth.diary.push(login);
        }),
        ("a packet through the cut", |p, _| {
            let state = p.truth.guards.get_mut("guard").unwrap();
            state.passed.insert("h0".into(), Counter { packets: 1, bytes: 60 });
        }),
        ("the attacker back after the cut", |p, _| {
            p.phases.insert(Phase::Contained.word().into(), Timestamp(15));
            p.truth.diary.push(Entry {
                at: Timestamp(16),
                act: Act::Returned,
                ..p.truth.diary[0].clone()
            });
        }),
        ("one byte over the bound", |p, _| p.truth.dropped_bytes += 1),
        ("a message lost", |p, _| p.truth.delivered.clear()),
        ("a message twice", |p, _| p.truth.delivered.push("m1".into())),
        ("nothing accepted", |p, _| p.truth.practices.clear()),
        ("a file wrong", |p, _| {
            drop(p.truth.found.get_mut("fs-1").unwrap().insert("docs/a".into(), "x".into()))
        }),
        ("a file gone", |p, _| p.truth.found.clear()),
        ("a claim of too many hosts", |_, f| {
            if let What::Claimed { claim } = &mut f[2].what {
                claim.topic = ClaimTopic::Compromised {
                    hosts: vec!["fs-1".into(), "fs-9".into()],
                };
            }
        }),
        ("a claim of safety", |_, f| {
            if let What::Claimed { claim } = &mut f[2].what {
                claim.topic = ClaimTopic::NotReached {
                    scope: "files".into(),
                    hosts: vec!["fs-1".into()],
                };
            }
        }),
        ("an alarm before the attack that starts a takedown", |_, f| {
            f.push(alarmed(AlarmLevel::Critical, 4, 20))
        }),
        ("a service said to work that did not", |p, _| {
            p.truth.services.get_mut("eau").unwrap().error = Some("refused".into());
        }),
        ("a message of a trial lost", |p, _| {
            p.truth.services.get_mut("eau").unwrap().message_id = Some("m3".into());
        }),
        ("no copy of the site", |p, _| p.truth.copies = vec![None]),
        ("an old copy of the site beside the last one", |p, _| {
            let mut old = p.truth.copies[0].clone();
            old.as_mut().unwrap().seq = 1;
            p.truth.copies.push(old);
        }),
        ("a site that was never published", |p, _| {
            p.truth.copies[0].as_mut().unwrap().manifest = "x".into();
        }),
        ("a node failed", |p, _| p.truth.failures.push("fs-1: gone".into())),
    ];
    for (what, spoil) in spoilt {
        let (mut played, mut facts) = good();
        spoil(&mut played, &mut facts);
        let score = judged(&played, &facts, true);
        assert!(!score.passed && !score.because.is_empty(), "{what} was not noticed");
    }
    let (played, facts) = good();
    assert!(!judged(&played, &facts, false).passed, "an unverified ledger was not noticed");
}

#[test]
fn a_cut_of_the_simulated_network_that_leaks_fails_the_drill() {
    let fabric = Arc::new(Fabric::default());
    fabric.plug(HOST, "guard", "h0");
    let mut firewall = MemoryFirewall {
        fabric: Arc::clone(&fabric),
        guard: "guard".into(),
    };
    firewall.cut(&["h0".into()], None).unwrap();
    let knock = || fabric.pass(Ipv4Addr::new(203, 0, 113, 66), HOST, 60);
    let judge = |firewall: &mut MemoryFirewall| {
        let (mut played, facts) = good();
        played.truth.guards.insert("guard".into(), firewall.state().unwrap());
        judged(&played, &facts, true)
    };
    assert!(!knock());
    let score = judge(&mut firewall);
    assert!(score.passed && score.packets_stopped == 1, "{:?}", score.because);
    fabric.leak();
    assert!(knock());
    let score = judge(&mut firewall);
    assert!(!score.passed && score.packets_after_cut == 1, "{:?}", score.because);
}

/// An alarm for something at one time, written down at another; the attack begins at 5.
fn alarmed(level: AlarmLevel, at: i64, written: i64) -> Fact {
    let alarm = Alarm {
        id: "alarm-1".into(),
        at: Timestamp(at),
        entity: "host:fs-1".into(),
        level,
        risk: 1.0,
        reasons: Vec::new(),
        causes: Vec::new(),
        reopened: None,
    };
    Fact::new(Timestamp(written), "test", What::Alarmed { alarm })
}

#[test]
fn false_alarms_are_those_of_the_time_before_the_attack() {
    let (played, facts) = good();
    let count = |fact: Fact| {
        let all: Vec<Fact> = facts.iter().cloned().chain([fact]).collect();
        let score = judged(&played, &all, true);
        (score.false_alarms.raised, score.false_alarms.takedown, score.passed)
    };
    assert_eq!(count(alarmed(AlarmLevel::Notice, 4, 4)), (0, 0, true));
    assert_eq!(count(alarmed(AlarmLevel::Warning, 4, 20)), (1, 0, true));
    assert_eq!(count(alarmed(AlarmLevel::Critical, 4, 4)), (1, 1, false));
    assert_eq!(count(alarmed(AlarmLevel::Critical, 6, 20)), (0, 0, true));
}

#[tokio::test]
async fn a_round_counts_only_if_it_began_after_it_was_asked_for() {
    let (sender, mut heard) = mpsc::unbounded_channel();
    let (asked, asking) = watch::channel(0_u64);
    let mut rounds = Rounds::new(asking, Voice::new("user", sender));
    let early = rounds.begin();
    asked.send_modify(|n| *n += 1);
    rounds.end(early);
    assert!(heard.try_recv().is_err());
    let late = rounds.begin();
    rounds.end(late);
    rounds.end(late);
    assert!(matches!(heard.try_recv(), Ok((_, Say::Round))) && heard.try_recv().is_err());
}

#[test]
fn who_lists_everything_as_a_hypothesis_shows() {
    let (played, mut facts) = good();
    if let What::Assessed { impact } = &mut facts[0].what {
        let possible = ["fs-1", "fs-2", "fs-3"].map(|system| HostAssessment {
            system: system.into(),
            tier: Tier::Possible,
            ..impact.hosts[0].clone()
        });
        impact.hosts = possible.to_vec();
    }
    let hosts = judged(&played, &facts, true).hosts;
    assert_eq!((hosts.found, hosts.wrong, hosts.hypothesis, hosts.possible), (1, 0, 1, 3));
}

#[tokio::test]
async fn a_reader_takes_no_site_that_is_older_than_what_he_saw() {
    let [mirror, reader] = [11, 20].map(|n| Ipv4Addr::new(198, 51, 100, n));
    let net = Net::Memory {
        fabric: Arc::default(),
        address: reader,
        management: Ipv4Addr::UNSPECIFIED,
    };
    start_foreign(&net, mirror, "token").unwrap();
    let key = SigningKey::generate().unwrap();
    let issued = crate::clock::now();
    let config = SiteConfig {
        base_url: "https://status.example/".into(),
        title: "essen".into(),
        languages: vec![Language::En],
        tlp: Tlp::Clear,
        issued,
        valid_until: issued.plus_ms(60_000),
        seq: 2,
        prev_manifest_hash: Some("0".repeat(64)),
        ledger_size: 0,
        checkpoint: String::new(),
    };
    let site = build_site(&Situation::default(), &essen(), &config, &key).unwrap();
    let on = SocketAddrV4::new(mirror, WEB_PORT);
    for (name, content) in site.in_order() {
        put(&net, on, &format!("/{name}"), "token", content).await.unwrap();
    }
    let read = async |seen| read_copy(&net, on, key.verifying_key(), seen).await;
    let copy = read(2).await.unwrap();
    assert_eq!((copy.seq, copy.manifest), (2, site.manifest_hash));
    read(3).await.unwrap_err();
}

/// Puts a file onto a foreign host.
async fn put(net: &Net, on: SocketAddrV4, path: &str, token: &str, content: &[u8]) -> io::Result<()> {
    let stream = net.connect(on).await?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let body = Full::new(Bytes::copy_from_slice(content));
    let request = Request::put(path)
        .header("host", "mirror")
        .header("authorization", token)
        .body(body);
    let response = sender.send_request(request.map_err(io::Error::other)?).await;
    assert!(response.map_err(io::Error::other)?.status().is_success());
    Ok(())
}

#[test]
fn a_claim_about_a_service_that_nobody_can_use_is_neither_true_nor_untrue() {
    let (mut played, facts) = good();
    assert_eq!(judged(&played, &facts, true).claims.unchecked, 0);
    played.truth.services.clear();
    let claims = judged(&played, &facts, true).claims;
    assert_eq!(
        (claims.untrue, claims.unchecked, claims.unchecked_claims),
        (0, 1, vec!["claim".to_owned()])
    );
}

#[test]
fn an_estate_that_would_fail_late_is_refused_early() {
    let refused = |spoil: &dyn Fn(&mut Estate)| {
        let mut estate = essen();
        spoil(&mut estate);
        World::new(&estate, 24, 1, Path::new("nowhere")).err().unwrap()
    };
    let rename = |estate: &mut Estate, name: &str| {
        let vault = estate
            .systems
            .iter()
            .find(|(_, s)| s.kind == SystemKind::Portal)
            .map(|(id, _)| id.clone());
        let portals: Vec<String> = estate
            .systems
            .iter()
            .filter(|(_, s)| s.kind == SystemKind::Portal)
            .map(|(id, _)| id.clone())
            .collect();
        let one = estate.systems[&vault.unwrap()].clone();
        portals.iter().for_each(|id| drop(estate.systems.remove(id)));
        estate.systems.insert(name.to_owned(), one);
    };
    for name in ["control", "attacker", "practice-b", "reader", "guard-essen"] {
        let error = refused(&|estate| rename(estate, name));
        assert!(
            matches!(&error, MiniatureError::NameTaken { name: n, .. } if n == name),
            "{name}: {error}"
        );
    }
    for address in [[203, 0, 113, 66], [198, 51, 100, 11], [10, 255, 0, 7], [169, 254, 1, 1]].map(Ipv4Addr::from) {
        let error = refused(&|estate| {
            for system in estate.systems.values_mut().filter(|s| s.kind == SystemKind::JumpHost) {
                system.address = Some(address);
            }
        });
        assert!(
            matches!(&error, MiniatureError::AddressTaken { address: a, .. } if *a == address),
            "{address}: {error}"
        );
    }
    let error = refused(&|estate| estate.accounts.clear());
    assert!(matches!(error, MiniatureError::NoDailyLogon), "{error}");
}

#[test]
fn every_kind_of_service_in_the_range_is_used_from_a_node_that_is_there() {
    let world = world(24, 3);
    let config = DrillConfig {
        estate: essen(),
        hosts: 24,
        seed: 3,
        scenario: Scenario::Ransom,
        folder: "nowhere".into(),
        decide_ms: 0,
        pause: false,
    };
    let trials = trials(&world, &Cast::new(&config, &world).unwrap());
    let mut used: Vec<&str> = trials.iter().map(|(_, t)| t.service.as_str()).collect();
    used.dedup();
    assert_eq!(
        used,
        [
            "backup",
            "benefit-payments",
            "case-files",
            "eau",
            "epa",
            "files",
            "insured-app"
        ]
    );
    for (node, trial) in &trials {
        let there = world.host(node).is_some() || world.outsiders.iter().any(|o| o.name == *node);
        assert!(there, "{trial:?} is to be used from {node}, which is not there");
    }
}

#[test]
fn books_that_skip_a_phase_are_refused() {
    let skip = Fact::new(
        Timestamp(1),
        "test",
        What::PhaseEntered {
            phase: Phase::Contained,
            reason: String::new(),
        },
    );
    assert!(Books::read(&[skip.to_bytes()], true, "").is_err());
}

#[test]
fn what_people_write_never_looks_encrypted() {
    for revision in 0..3_000 {
        let document = crate::benign::document("user-001", revision as usize % 6, revision);
        assert!(!leckwehr_restore::looks_encrypted(&document), "revision {revision}");
    }
}
