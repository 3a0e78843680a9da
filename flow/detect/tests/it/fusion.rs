use leckwehr_detect::{ENTITIES_MAX, Fusion, FusionError, SUPPRESSION_MS_MAX, SuppressionError};
use leckwehr_estate::{Estate, Need, Party, PartyKind, Service, System, SystemKind, Zone};
use leckwehr_incident::{Alarm, AlarmLevel, Fact, Finding, Situation, Suppression, Timestamp, Verdict, What};

const HOUR_S: i64 = 3_600;

fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1_000_000_000)
}

fn finding(seconds: i64, rule: &str, weight: u8) -> Finding {
    Finding {
        at: at(seconds),
        rule: rule.into(),
        title: format!("Title of {rule}"),
        author: format!("Author of {rule}"),
        techniques: vec![format!("T-{rule}")],
        host: "fs-1".into(),
        weight,
        evidence: vec![format!("log#{seconds}")],
        ..Finding::default()
    }
}

fn on(host: &str, finding: Finding) -> Finding {
    Finding {
        host: host.into(),
        ..finding
    }
}

fn one(alarms: &[Alarm]) -> &Alarm {
    assert_eq!(alarms.len(), 1, "{alarms:#?}");
    &alarms[0]
}

fn close(fusion: &mut Fusion, alarm: &str, verdict: Verdict) -> What {
    fusion.close(alarm, at(100), "anna", verdict, "looked at it").unwrap()
}

fn wanted(entity: &str, rule: &str, until: Timestamp) -> Suppression {
    Suppression {
        id: String::new(),
        entity: entity.into(),
        rule: rule.into(),
        until,
        author: "anna".into(),
        reason: "a scanner".into(),
    }
}

#[test]
fn an_alarm_says_which_rule_of_whom_is_how_much_of_the_risk() {
    let mut fusion = Fusion::new();
    fusion.push(&[finding(0, "a", 20), finding(1, "a", 20)]);
    let alarms = fusion.push(&[finding(2, "b", 40)]);
    let alarm = one(&alarms);
    assert_eq!(
        alarm.level,
        AlarmLevel::Critical,
        "70 of risk, a fifth more for the second technique"
    );
    let of_b = &alarm.causes[0];
    assert_eq!(
        (of_b.rule.as_str(), of_b.author.as_str(), of_b.count),
        ("b", "Author of b", 1)
    );
    assert!((of_b.share - 40.0 / 70.0).abs() < 0.01, "{of_b:?}");
    assert_eq!(alarm.causes[1].evidence, ["log#0", "log#1"]);
    assert_eq!(alarm.reasons[0], "Title of b (1×, 57 % of the risk, by Author of b)");
    assert!((alarm.causes.iter().map(|c| c.share).sum::<f64>() - 1.0).abs() < 1e-9);
}

#[test]
fn what_comes_late_counts_as_old_as_it_is() {
    let mut fusion = Fusion::new();
    fusion.push(&[finding(10 * HOUR_S, "a", 20)]);
    assert_eq!(fusion.push(&[finding(0, "b", 85)]), [], "ten hours old when it comes");
    assert_eq!(fusion.push(&[finding(10 * HOUR_S, "c", 85)]).len(), 1);
}

#[test]
fn a_judged_rule_stays_quiet_and_any_other_opens_the_alarm_again() {
    let mut fusion = Fusion::new();
    let first = fusion.push(&[finding(0, "noisy", 60)]);
    let id = one(&first).id.clone();
    let closed = close(&mut fusion, &id, Verdict::FalsePositive);
    assert!(matches!(
        closed,
        What::AlarmClosed {
            verdict: Some(Verdict::FalsePositive),
            ..
        }
    ));
    assert_eq!(fusion.level(), None);
    assert_eq!(fusion.push(&[finding(200, "other", 9)]), [], "too light to wake anybody");
    let again = fusion.push(&[finding(300, "other", 15)]);
    let alarm = one(&again);
    assert_eq!(
        (&alarm.id, alarm.level),
        (&id, AlarmLevel::Warning),
        "it is as loud as when it was closed"
    );
    let why = alarm.reopened.as_deref().unwrap();
    for words in [
        "closed as false-positive by anna",
        "Title of other (by Author of other)",
        "log#300",
    ] {
        assert!(why.contains(words), "{why}");
    }
}

#[test]
fn a_judged_rule_opens_it_again_once_it_is_as_loud_as_before() {
    let mut fusion = Fusion::new();
    let first = fusion.push(&[finding(0, "noisy", 40)]);
    let id = one(&first).id.clone();
    close(&mut fusion, &id, Verdict::BenignTruePositive);
    assert_eq!(fusion.push(&[finding(HOUR_S, "noisy", 20)]), []);
    let again = fusion.push(&[finding(HOUR_S + 1, "noisy", 40)]);
    assert!(one(&again).reopened.as_deref().unwrap().contains("again as loud as before"));
}

#[test]
fn after_a_contained_attack_the_same_rule_opens_it_at_once_weeks_later() {
    let mut fusion = Fusion::new();
    let first = fusion.push(&[finding(0, "backup", 85)]);
    let id = one(&first).id.clone();
    close(&mut fusion, &id, Verdict::Contained);
    let again = fusion.push(&[finding(56 * 24 * HOUR_S, "backup", 20)]);
    let alarm = one(&again);
    assert_eq!((&alarm.id, alarm.level), (&id, AlarmLevel::Critical));
}

#[test]
fn the_same_indicator_elsewhere_opens_it_again() {
    let mut fusion = Fusion::new();
    let command = |seconds, rule: &str| Finding {
        indicators: vec!["198.51.100.7".into()],
        ..finding(seconds, rule, 30)
    };
    let first = fusion.push(&[command(0, "beacon")]);
    let id = one(&first).id.clone();
    close(&mut fusion, &id, Verdict::FalsePositive);
    assert_eq!(
        fusion.push(&[on("pc-9", command(200, "beacon"))]).len(),
        1,
        "the judged rule elsewhere is that host's alarm alone"
    );
    let other = fusion.push(&[on("pc-7", command(300, "upload"))]);
    let reopened = other.iter().find(|a| a.id == id).unwrap();
    assert_eq!(reopened.entity, "host:fs-1");
    assert!(
        reopened
            .reopened
            .as_deref()
            .unwrap()
            .contains("indicator 198.51.100.7 is seen again")
    );
    assert!(reopened.reopened.as_deref().unwrap().contains("pc-7"));
}

#[test]
fn closing_wants_an_open_alarm_a_name_and_a_reason() {
    let mut fusion = Fusion::new();
    let id = one(&fusion.push(&[finding(0, "a", 60)])).id.clone();
    let mut close = |alarm: &str, by: &str, why: &str| fusion.close(alarm, at(1), by, Verdict::Contained, why);
    assert!(matches!(close("alarm-9", "anna", "x"), Err(FusionError::NoSuchAlarm { .. })));
    assert!(matches!(close(&id, " ", "x"), Err(FusionError::Unsigned { .. })));
    assert!(matches!(close(&id, "anna", ""), Err(FusionError::Unsigned { .. })));
    assert!(close(&id, "anna", "x").is_ok());
    assert!(matches!(close(&id, "anna", "x"), Err(FusionError::Closed { .. })));
}

#[test]
fn a_suppression_ends_is_signed_and_cannot_hide_everything() {
    let mut fusion = Fusion::new();
    let unsigned = Suppression {
        author: " ".into(),
        ..wanted("host:*", "a", at(10))
    };
    let late = Timestamp(0).plus_ms(SUPPRESSION_MS_MAX + 1);
    let mut refused = |s| match fusion.suppress(s, at(0)) {
        Err(FusionError::Suppression(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(refused(unsigned), SuppressionError::Unsigned));
    assert!(matches!(refused(wanted("*", " * ", at(10))), SuppressionError::Everything));
    assert!(matches!(
        refused(wanted("host:*", "a", at(0))),
        SuppressionError::Expiry { .. }
    ));
    assert!(matches!(
        refused(wanted("host:*", "a", late)),
        SuppressionError::Expiry { .. }
    ));
}

#[test]
fn suppressed_findings_raise_nothing_until_the_end() {
    let mut fusion = Fusion::new();
    let told = fusion.suppress(wanted("host:FS-*", "*of a", at(100)), at(0)).unwrap();
    let What::Suppressed { suppression } = told else {
        panic!("{told:?}")
    };
    assert_eq!(suppression.id, "suppression-1");
    let with_account = Finding {
        account: Some("svc".into()),
        ..finding(1, "a", 85)
    };
    assert_eq!(fusion.push(&[with_account]), [], "neither the host nor the account");
    assert_eq!(fusion.push(&[finding(2, "b", 60)]).len(), 1, "another rule");
    assert_eq!(fusion.push(&[on("pc-1", finding(3, "a", 60))]).len(), 1, "another host");
    assert_eq!(fusion.tick(at(100)), []);
    let [What::SuppressionEnded { findings, reason, .. }] = &fusion.tick(at(101))[..] else {
        panic!()
    };
    assert_eq!((*findings, reason.as_str()), (1, "expired"));
    let from = Finding {
        origin: Some("fs-2".into()),
        ..on("dc-1", finding(200, "a", 60))
    };
    fusion.suppress(wanted("host:fs-2", "a", at(300)), at(199)).unwrap();
    let alarms = fusion.push(&[from]);
    assert_eq!(one(&alarms).entity, "host:dc-1", "only the origin stays quiet");
}

#[test]
fn a_suppression_holds_for_findings_before_its_end_only() {
    let mut fusion = Fusion::new();
    fusion.suppress(wanted("host:*", "a", at(100)), at(0)).unwrap();
    assert_eq!(fusion.push(&[finding(100, "a", 60)]), []);
    assert_eq!(fusion.push(&[finding(101, "a", 60)]).len(), 1, "also when nobody ticked");
    assert!(matches!(
        fusion.lift("suppression-7", "bert", "x"),
        Err(FusionError::Suppression(_))
    ));
    assert!(matches!(
        fusion.lift("suppression-1", "bert", "rule mended"),
        Ok(What::SuppressionEnded { findings: 1, .. })
    ));
    assert_eq!(fusion.suppressions().count(), 0);
}

fn estate() -> Estate {
    let zone = |party: &str, site: Option<&str>| Zone {
        name: String::new(),
        site: site.map(str::to_owned),
        party: party.into(),
        network: None,
        guard: None,
        protected: false,
    };
    let system = |zone: &str| System {
        name: String::new(),
        kind: SystemKind::Application,
        zone: zone.into(),
        address: None,
        needs: Vec::new(),
        backup: None,
        recipe: None,
        crew: None,
        data: Vec::new(),
        probe_port: None,
        root_of_trust: false,
        available_after_hours: 0,
        restore_gb_per_hour: None,
    };
    let party = |kind| Party {
        name: String::new(),
        kind,
        insured: 0,
        healthcare: false,
        contact: String::new(),
    };
    let service = Service {
        name: String::new(),
        priority: 1,
        vital: true,
        rto_minutes: 1,
        mtpd_minutes: 1,
        harm_eur_per_hour: 1,
        needs: vec![Need {
            any_of: vec!["eau-1".into(), "eau-2".into(), "eau-3".into()],
        }],
        degraded: Vec::new(),
        probe: None,
        customers: Vec::new(),
        arrivals_per_hour: 0,
    };
    let systems = ["eau-1", "eau-2", "eau-3"].map(|id| (id.to_owned(), system("inner")));
    Estate {
        zones: [
            ("inner".into(), zone("us", Some("essen"))),
            ("outer".into(), zone("vendor", None)),
        ]
        .into(),
        systems: systems.into_iter().chain([("jump-9".to_owned(), system("outer"))]).collect(),
        services: [("eau".into(), service)].into(),
        parties: [
            ("us".into(), party(PartyKind::Provider)),
            ("vendor".into(), party(PartyKind::ThirdParty)),
        ]
        .into(),
        ..Estate::default()
    }
}

#[test]
fn a_service_and_a_party_carry_the_risk_of_their_hosts() {
    let mut fusion = Fusion::for_estate(&estate());
    let from_vendor = |n: i64| Finding {
        origin: Some("jump-9".into()),
        ..on(&format!("eau-{n}"), finding(n, &format!("r{n}"), 60))
    };
    let alarms: Vec<Alarm> = (1..=3).flat_map(|n| fusion.push(&[from_vendor(n)])).collect();
    let level = |entity: &str| alarms.iter().filter(|a| a.entity == entity).map(|a| a.level).max();
    assert_eq!(level("host:eau-1"), Some(AlarmLevel::Warning));
    assert_eq!(
        level("service:eau"),
        Some(AlarmLevel::Warning),
        "three hosts, three techniques: {alarms:#?}"
    );
    assert_eq!(level("party:vendor"), Some(AlarmLevel::Warning));
    assert_eq!(level("party:us"), None);
}

#[test]
fn snapshot_and_ledger_give_the_same_fusion_back() {
    let estate = estate();
    let mut fusion = Fusion::for_estate(&estate);
    let mut facts = Vec::new();
    let mut note = |what| facts.push(Fact::new(at(100), "anna", what));
    for n in 0..40 {
        let finding = Finding {
            account: Some(format!("svc-{}", n % 3)),
            indicators: vec![format!("198.51.100.{}", n % 5)],
            ..on(
                &format!("eau-{}", n % 4),
                finding(n * 60, &format!("r{}", n % 7), 20 + n as u8),
            )
        };
        note(What::Found {
            finding: finding.clone(),
        });
        let raised = fusion.push(&[finding]);
        if let Some(alarm) = raised.first().filter(|_| n % 4 == 0) {
            note(close(&mut fusion, &alarm.id, Verdict::ALL[n as usize % 5]));
        }
        if n % 10 == 0 {
            let wanted = wanted(&format!("host:eau-{}", n % 4), "r1", at(10_000));
            note(fusion.suppress(wanted, at(n)).unwrap());
        }
    }
    let snapshot = fusion.snapshot();
    let restored = Fusion::restore(&snapshot, &estate).unwrap();
    assert_eq!(restored.snapshot(), snapshot);
    let mut folded = Fusion::for_estate(&estate);
    facts.iter().for_each(|fact| folded.take_fact(fact));
    assert_eq!(
        String::from_utf8(folded.snapshot()).unwrap(),
        String::from_utf8(snapshot).unwrap()
    );
    let newer = String::from_utf8(restored.snapshot())
        .unwrap()
        .replacen("\"version\":1", "\"version\":9", 1);
    assert!(matches!(
        Fusion::restore(newer.as_bytes(), &estate),
        Err(FusionError::SnapshotVersion { found: 9 })
    ));
    assert!(matches!(Fusion::restore(b"{", &estate), Err(FusionError::Snapshot(_))));
}

#[test]
fn the_situation_shows_an_alarm_closed_and_open_again() {
    let (mut fusion, mut situation) = (Fusion::new(), Situation::default());
    let mut tell = |by: &str, what| situation.apply(&Fact::new(at(100), by, what)).unwrap();
    let first = fusion.push(&[finding(0, "a", 60)]).remove(0);
    tell("detect", What::Alarmed { alarm: first.clone() });
    tell("anna", close(&mut fusion, &first.id, Verdict::FalsePositive));
    let again = fusion.push(&[finding(200, "b", 60)]).remove(0);
    tell("detect", What::Alarmed { alarm: again });
    let view = &situation.alarms[&first.id];
    assert_eq!((view.closed_as.as_deref(), view.closings.len()), (None, 1));
    assert!(view.closings[0].reopened.as_ref().unwrap().1.contains("Title of b"));
}

#[test]
fn entities_are_bounded_and_the_quiet_ones_go_first() {
    let mut fusion = Fusion::new();
    fusion.push(&[finding(0, "loud", 85)]);
    for n in 0..ENTITIES_MAX as i64 {
        fusion.push(&[on(&format!("h{n}"), finding(n, "quiet", 10))]);
    }
    assert_eq!(fusion.entities_forgotten(), ENTITIES_MAX as u64 / 16);
    assert_eq!(fusion.level(), Some(AlarmLevel::Critical));
}
