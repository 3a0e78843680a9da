//! A made-up provider and a made-up incident, built the way the control room builds it: by applying facts.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use leckwehr_crypt::SigningKey;
use leckwehr_estate::{DegradedMode, Estate, Need, Party, PartyKind, Service, Site, System, SystemKind, Zone};
use leckwehr_incident::{
    Alarm, AlarmLevel, Claim, ClaimTopic, Confidence, Coverage, CredentialAssessment, Fact, Finding, Hop, HostAssessment, Impact,
    OutsideEndpoint, OutsideRole, Phase, PlanKind, PlanRecord, PlanStep, ServiceLevel, Situation, StepOutcome, Tier, Timestamp,
    What,
};
use leckwehr_publish::{Language, SiteConfig, Tlp};

const ZONES: [(&str, &str, bool); 10] = [
    ("vendor", "Fernwartung Kessler", false),
    ("internet", "Internet", false),
    ("dmz-a", "Portale A", true),
    ("app-a", "Anwendungen A", true),
    ("data-a", "Daten A", true),
    ("office-a", "Büro A", true),
    ("mgmt-a", "Verwaltung A", true),
    ("backup-b", "Sicherung B", true),
    ("app-b", "Anwendungen B", true),
    ("ti-b", "TI-Anbindung B", true),
];

const SERVICES: [(&str, &str, u8); 20] = [
    ("eau", "eAU-Annahme", 1),
    ("epa", "ePA-Aktensystem", 1),
    ("kim", "KIM-Fachdienst", 1),
    ("payments", "Leistungszahlungen", 2),
    ("sick-pay", "Krankengeld", 2),
    ("exchange", "Datenaustausch mit Leistungserbringern", 2),
    ("contributions", "Beitragseinzug", 3),
    ("core", "Kernverarbeitung", 3),
    ("portal", "Versichertenportal", 3),
    ("app", "App der Kassen", 4),
    ("mail", "E-Mail", 4),
    ("phone", "Telefon", 4),
    ("directory", "Verzeichnisdienst", 2),
    ("dmp", "Chronikerprogramme", 5),
    ("statistics", "Statistik", 7),
    ("archive", "Archiv", 7),
    ("print", "Druck & Versand", 5),
    ("cards", "Gesundheitskarten", 5),
    ("reports", "Meldeverfahren <DEÜV>", 6),
    ("training", "Schulung", 9),
];

pub fn time(seconds: i64) -> Timestamp {
    let start: Timestamp = "2027-04-19T03:10:00Z".parse().unwrap();
    start.plus_ms(seconds * 1_000)
}

pub fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

pub fn config() -> SiteConfig {
    SiteConfig {
        base_url: "https://stand.example/".to_owned(),
        title: "Rhein-Ruhr IT für Kassen".to_owned(),
        languages: vec![Language::De, Language::En],
        tlp: Tlp::Clear,
        issued: time(900),
        valid_until: time(900 + 4 * 3_600),
        seq: 1,
        prev_manifest_hash: None,
        ledger_size: 1_284,
        checkpoint: "fEXjwhb9SB1XkYGxG1mfmEBbTyrC1RMQTFdsl8DyKTA=".to_owned(),
    }
}

/// A provider with this many hosts, 20 services and 80 insurers.
pub fn estate(hosts: usize) -> Estate {
    let zone = |(id, name, inside): (&str, &str, bool)| {
        let zone = Zone {
            name: name.to_owned(),
            site: inside.then(|| if id.ends_with('b') { "site-b" } else { "site-a" }.to_owned()),
            party: "provider".to_owned(),
            network: None,
            guard: inside.then(|| format!("guard-{id}")),
            protected: id == "ti-b",
        };
        (id.to_owned(), zone)
    };
    let site = |id: &str, name: &str, town: &str| {
        let site = Site {
            name: name.to_owned(),
            town: town.to_owned(),
        };
        (id.to_owned(), site)
    };
    let mut systems: BTreeMap<String, System> = (0..hosts).map(|n| system(n, hosts)).collect();
    systems.insert(
        "kw-jump-1".to_owned(),
        plain_system("Sprungrechner", "vendor", SystemKind::JumpHost, None),
    );
    Estate {
        name: "Rhein-Ruhr IT".to_owned(),
        sites: [site("site-a", "Essen", "Essen"), site("site-b", "Hamm", "Hamm")].into(),
        zones: ZONES.into_iter().map(zone).collect(),
        systems,
        services: SERVICES.into_iter().map(service).collect(),
        parties: (1..=80).map(insurer).collect(),
        ..Estate::default()
    }
}

fn insurer(n: u32) -> (String, Party) {
    const WORDS: [&str; 8] = ["Ruhr", "Lippe", "Sieg", "Weser", "Eifel", "Harz", "Küste", "Börde"];
    let name = format!("BKK {} {}", WORDS[n as usize % 8], 1880 + n);
    let party = Party {
        name,
        kind: PartyKind::Insurer,
        insured: 20_000 + u64::from(n) * 911,
        healthcare: false,
        contact: "+49 201 0000".to_owned(),
    };
    (format!("k{n:02}"), party)
}

fn service((id, name, priority): (&str, &str, u8)) -> (String, Service) {
    let needs = vec![Need {
        any_of: vec![if id == "eau" { "app-a-01" } else { "data-a-02" }.to_owned()],
    }];
    let service = Service {
        name: name.to_owned(),
        priority,
        vital: priority == 1,
        rto_minutes: u32::from(priority) * 30,
        mtpd_minutes: u32::from(priority) * 600,
        harm_eur_per_hour: 9_000,
        needs,
        degraded: vec![DegradedMode {
            name: "spool only".to_owned(),
            gives: "Annahme mit späterer Antwort".to_owned(),
            ..DegradedMode::default()
        }],
        probe: None,
        customers: if id == "training" {
            vec!["k01".to_owned()]
        } else {
            Vec::new()
        },
        arrivals_per_hour: 4_000,
    };
    (id.to_owned(), service)
}

fn plain_system(name: &str, zone: &str, kind: SystemKind, address: Option<Ipv4Addr>) -> System {
    System {
        name: name.to_owned(),
        kind,
        zone: zone.to_owned(),
        address,
        needs: Vec::new(),
        backup: None,
        recipe: None,
        crew: None,
        data: Vec::new(),
        probe_port: None,
        root_of_trust: false,
        available_after_hours: 0,
        restore_gb_per_hour: None,
    }
}

/// Hosts are dealt to the eight inner zones in turn: `dmz-a-01`, `app-a-01`, …
fn system(n: usize, hosts: usize) -> (String, System) {
    let inner = &ZONES[2..];
    let (zone, name, _) = inner[n % inner.len()];
    let number = n / inner.len() + 1;
    let id = format!("{zone}-{number:02}");
    let kind = if id == "app-a-01" {
        SystemKind::EauIntake
    } else {
        SystemKind::Application
    };
    let address = Ipv4Addr::new(10, (hosts % 200) as u8, (n / 200) as u8, (n % 200) as u8 + 1);
    (id, plain_system(&format!("{name} {number}"), zone, kind, Some(address)))
}

fn texts(de: &str, en: &str) -> BTreeMap<String, String> {
    [("de".to_owned(), de.to_owned()), ("en".to_owned(), en.to_owned())].into()
}

pub fn claim(id: &str, de: &str, en: &str, confidence: Confidence) -> Claim {
    Claim {
        id: id.to_owned(),
        topic: ClaimTopic::BytesOut { bytes: 3_172_129 },
        text: texts(de, en),
        confidence,
        evidence: vec!["flow.jsonl#1182".to_owned()],
        coverage: "Flussdaten von 4 der 5 Ausgänge, 03:00 bis 03:25".to_owned(),
        not_seen: "Ausgang über das Mobilfunk-Modem in Hamm".to_owned(),
        review_by: time(7_200),
    }
}

fn host(system: &str, tier: Tier, since: Option<i64>, via: Option<&str>) -> HostAssessment {
    HostAssessment {
        system: system.to_owned(),
        tier,
        since: since.map(time),
        via: via.map(str::to_owned),
        reasons: vec![format!(
            "logon record on {system}, security.jsonl#{}",
            since.unwrap_or(0) + 4_100
        )],
    }
}

fn hop(from: &str, to: &str, at: i64, tier: Tier, means: &str) -> Hop {
    Hop {
        from: from.to_owned(),
        to: to.to_owned(),
        at: time(at),
        account: (tier == Tier::Proven).then(|| "svc-backup".to_owned()),
        tier,
        means: means.to_owned(),
        evidence: vec![format!("security.jsonl#{}", at + 4_100)],
    }
}

pub fn impact(estate: &Estate) -> Impact {
    let route = [
        ("198.51.100.23", "kw-jump-1", -300, Tier::Probable, "remote maintenance"),
        ("kw-jump-1", "mgmt-a-01", -240, Tier::Proven, "remote logon"),
        ("mgmt-a-01", "data-a-01", -180, Tier::Proven, "remote execution (WinRM)"),
        ("mgmt-a-01", "backup-b-01", -120, Tier::Proven, "remote logon"),
        ("data-a-01", "app-a-02", -60, Tier::Probable, "remote logon"),
        ("data-a-01", "office-a-01", -30, Tier::Proven, "file share"),
        ("backup-b-01", "app-b-01", -10, Tier::Possible, "reach"),
        ("data-a-01", "203.0.113.80", 20, Tier::Proven, "command channel"),
        ("office-a-01", "mgmt-a-01", 30, Tier::Proven, "remote logon"),
    ];
    let mut hosts: Vec<HostAssessment> = route
        .iter()
        .filter(|(_, to, ..)| estate.systems.contains_key(*to))
        .map(|(from, to, at, tier, _)| host(to, *tier, Some(*at), Some(from)))
        .collect();
    hosts.dedup_by(|a, b| a.system == b.system);
    hosts.retain({
        let mut seen = Vec::new();
        move |h| {
            !seen.contains(&h.system) && {
                seen.push(h.system.clone());
                true
            }
        }
    });
    for (n, id) in estate.systems.keys().enumerate() {
        if hosts.iter().all(|h| h.system != *id) {
            match n % 5 {
                0 => hosts.push(host(id, Tier::Possible, Some(-5), Some("data-a-01"))),
                1 | 2 => hosts.push(host(id, Tier::Excluded, None, None)),
                _ => {}
            }
        }
    }
    hosts.sort_by_key(|h| (h.tier, h.since));
    Impact {
        window: Some((time(-3_600), time(300))),
        hosts,
        credentials: vec![CredentialAssessment {
            account: "svc-backup".to_owned(),
            tier: Tier::Proven,
            used_on: vec!["mgmt-a-01".to_owned(), "backup-b-01".to_owned()],
        }],
        hops: route
            .iter()
            .map(|(from, to, at, tier, means)| hop(from, to, *at, *tier, means))
            .collect(),
        outside: vec![
            endpoint("198.51.100.23", OutsideRole::Entry, Tier::Probable, 12_400),
            endpoint("203.0.113.80", OutsideRole::CommandAndExfiltration, Tier::Proven, 3_159_729),
        ],
        bytes_out_max: 3_172_129,
        exits_unobserved: vec!["LTE modem at site-b".to_owned()],
        coverage: vec![
            Coverage {
                asset: "data-a".to_owned(),
                class: "logon".to_owned(),
                seen: 0.98,
                missing: "03:11–03:12".to_owned(),
            },
            Coverage {
                asset: "office-a".to_owned(),
                class: "process".to_owned(),
                seen: 0.4,
                missing: "no sensor on workstations".to_owned(),
            },
        ],
        unknowns: vec!["Whether data left over the LTE modem at site-b.".to_owned()],
    }
}

fn endpoint(address: &str, role: OutsideRole, tier: Tier, bytes: u64) -> OutsideEndpoint {
    OutsideEndpoint {
        address: address.to_owned(),
        role,
        tier,
        bytes_out_max: bytes,
        seen: Some((time(-300), time(40))),
        evidence: vec!["conn.log#881".to_owned()],
    }
}

fn plan(kind: PlanKind, hash: &str, targets: &[String]) -> PlanRecord {
    let (action, executor) = match kind {
        PlanKind::Takedown => ("isolate-host", "guard-data-a"),
        PlanKind::Restore => ("restore-files", "agent:backup-b-01"),
    };
    let step = |(n, target): (usize, &String)| PlanStep {
        number: n as u32 + 1,
        executor: executor.to_owned(),
        action: action.to_owned(),
        target: target.clone(),
        reason: "on the route, proven".to_owned(),
        planned_ms: 1_500,
        clause: String::new(),
    };
    PlanRecord {
        kind,
        generation: 1,
        hash: hash.repeat(32),
        summary: format!("{action} for {} hosts", targets.len()),
        harm_eur_per_hour: 41_000,
        steps: targets.iter().enumerate().map(step).collect(),
    }
}

/// Declared, cut, assessed, half restored.
pub fn situation(estate: &Estate) -> Situation {
    let mut story = Story::default();
    let services = SERVICES.iter().filter(|(id, ..)| *id != "statistics");
    story.tell(
        -3_600,
        What::WatchStarted {
            estate: estate.name.clone(),
            services: services.map(|(id, ..)| (*id).to_owned()).collect(),
        },
    );
    story.phase(0, Phase::Alarm, "host:data-a-01 critical");
    story.alarms();
    story.phase(40, Phase::Declared, "two people declared it");
    let impact = impact(estate);
    let cut: Vec<String> = impact
        .hosts
        .iter()
        .filter(|h| h.tier <= Tier::Probable)
        .map(|h| h.system.clone())
        .collect();
    story.execute(50, plan(PlanKind::Takedown, "a1", &cut));
    for system in &cut {
        let system = system.clone();
        story.tell(70, What::HostIsolated { system, isolated: true });
    }
    for (id, ..) in &SERVICES[1..8] {
        story.service(72, id, ServiceLevel::Off);
    }
    story.service(73, "eau", ServiceLevel::Limited);
    story.phase(80, Phase::Contained, "cut verified from both sides");
    story.tell(120, What::Assessed { impact });
    story.claims();
    story.phase(140, Phase::Assessed, "impact analysis stands");
    story.phase(150, Phase::Restoring, "plan approved");
    story.execute(160, plan(PlanKind::Restore, "b2", &cut));
    story.service(200, "epa", ServiceLevel::Rebuilding);
    story.service(300, "epa", ServiceLevel::CleanRoom);
    story.service(420, "kim", ServiceLevel::Provisional);
    story.tell(
        880,
        What::NotBuilt {
            room: "restore".to_owned(),
            what: "forecast of backlogs".to_owned(),
        },
    );
    story.situation
}

#[derive(Default)]
struct Story {
    situation: Situation,
}

impl Story {
    fn tell(&mut self, at: i64, what: What) {
        self.situation.apply(&Fact::new(time(at), "test", what)).unwrap();
    }

    fn phase(&mut self, at: i64, phase: Phase, reason: &str) {
        let reason = reason.to_owned();
        self.tell(at, What::PhaseEntered { phase, reason });
    }

    fn service(&mut self, at: i64, service: &str, level: ServiceLevel) {
        let (service, reason) = (service.to_owned(), "by plan".to_owned());
        self.tell(at, What::ServiceChanged { service, level, reason });
    }

    fn alarms(&mut self) {
        let levels = [AlarmLevel::Notice, AlarmLevel::Warning, AlarmLevel::Critical];
        for (n, level) in levels.into_iter().enumerate() {
            let finding = Finding {
                at: time(n as i64 * 9),
                rule: "detector:backup-destruction".to_owned(),
                title: "Backups deleted".to_owned(),
                author: "Leckwehr".to_owned(),
                techniques: vec!["T1490".to_owned()],
                host: "backup-b-01".to_owned(),
                weight: 90,
                evidence: vec!["backup.jsonl#4".to_owned()],
                detail: "41 snapshots in 3 s".to_owned(),
                ..Finding::default()
            };
            self.tell(n as i64 * 9, What::Found { finding });
            let alarm = Alarm {
                id: format!("alarm-{}", n + 1),
                at: time(n as i64 * 9),
                entity: "host:backup-b-01".to_owned(),
                level,
                risk: 40.0 * (n as f64 + 1.0),
                reasons: vec!["Backups deleted (41)".to_owned()],
                causes: Vec::new(),
                reopened: None,
            };
            self.tell(n as i64 * 9, What::Alarmed { alarm });
        }
    }

    fn execute(&mut self, at: i64, plan: PlanRecord) {
        let hash = plan.hash.clone();
        let steps = plan.steps.len() as u32;
        self.tell(at, What::PlanProposed { plan });
        for approver in ["A. Lindqvist", "M. Okafor"] {
            self.tell(
                at + 2,
                What::PlanApproved {
                    hash: hash.clone(),
                    approver: approver.to_owned(),
                    signature: "00".repeat(64),
                    valid_until: None,
                    on_behalf_of: None,
                },
            );
        }
        for step in 1..=steps {
            let begun = at + 3 + i64::from(step);
            let plan = hash.clone();
            self.tell(
                begun,
                What::StepIntended {
                    plan: plan.clone(),
                    step,
                },
            );
            let evidence = "probed from both sides".to_owned();
            let outcome = if step == 4 {
                StepOutcome::Doubtful {
                    reason: "guard did not answer in time".to_owned(),
                }
            } else {
                StepOutcome::Verified { evidence }
            };
            self.tell(begun + 1, What::StepEnded { plan, step, outcome });
        }
    }

    fn claims(&mut self) {
        let first = claim(
            "claim-bytes-out",
            "Höchstens 4 MB haben das Netz über beobachtete Ausgänge verlassen.",
            "No more than 4 MB left through observed exits.",
            Confidence::Assessed,
        );
        self.tell(125, What::Claimed { claim: first });
        let second = claim(
            "claim-bytes-out",
            "Höchstens 3,2 MB haben das Netz über beobachtete Ausgänge verlassen.",
            "No more than 3.2 MB left through observed exits.",
            Confidence::Likely,
        );
        self.tell(130, What::Claimed { claim: second });
        let named = claim(
            "claim-compromised",
            "Der Angreifer war auf data-a-01, mgmt-a-01 und backup-b-01.",
            "The attacker was on data-a-01, mgmt-a-01 and backup-b-01.",
            Confidence::Confirmed,
        );
        self.tell(131, What::Claimed { claim: named });
        let absolute = claim(
            "claim-epa",
            "Die ePA war zu keinem Zeitpunkt gefährdet.",
            "The ePA was never at risk.",
            Confidence::Likely,
        );
        self.tell(132, What::Claimed { claim: absolute });
    }
}
