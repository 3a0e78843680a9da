//! Theft evidence: the two days of the APT29 evaluation, windows by hand, and bounds against generated truth.

use std::collections::BTreeMap;
use std::path::Path;

use leckwehr_detect::{DetectConfig, Detector, Rules};
use leckwehr_estate::Estate;
use leckwehr_incident::{ClaimTopic, Confidence, Finding, Impact, Tier, Timestamp};
use leckwehr_telemetry::{Events, Intake};
use leckwehr_trace::{
    ClaimSheet, CoverageLedger, DestinationEvidence, Judgement, LedgerConfig, SLOT_MS, StagingKind, TheftEvidence, TraceConfig,
    assess, claims, detailed_claims, theft,
};
use proptest::prelude::*;
use serde_json::json;

use crate::coverage::{Lines, after_ms, begin, estate};
use crate::estates;

/// A day of the evaluation with everything computed from it.
pub struct Day {
    /// Estate.
    pub estate: Estate,
    /// Events.
    pub events: Events,
    /// Analysis.
    pub impact: Impact,
    /// Accounts.
    pub config: TraceConfig,
    /// Coverage.
    pub ledger: CoverageLedger,
    /// Theft evidence.
    pub theft: TheftEvidence,
}

/// Reads a day, or says that it is skipped.
pub fn day(file: &str) -> Option<Day> {
    let path = estates::data(file)?;
    let estate = Estate::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/apt29")).unwrap();
    let mut intake = Intake::new();
    intake.read_file(&path).unwrap();
    let events = intake.take();
    let mut detector = Detector::new(DetectConfig::new(Rules::own().unwrap(), &estate));
    detector.end_learning();
    let findings = detector.push(&events);
    let config = TraceConfig::new(intake.accounts().values().cloned().collect());
    let impact = assess(&events, &findings, &estate, &config);
    let ledger = CoverageLedger::new(&events, &estate, &config.accounts, &LedgerConfig::new());
    let theft = theft(&events, &findings, &estate, &impact, &config);
    Some(Day {
        estate,
        events,
        impact,
        config,
        ledger,
        theft,
    })
}

fn destination<'a>(theft: &'a TheftEvidence, address: &str) -> &'a DestinationEvidence {
    theft.destinations.iter().find(|d| d.address == address).unwrap()
}

#[test]
fn day_one_has_evidence_of_the_documented_archive() {
    let Some(day) = day("trace/apt29-day1.zeek.jsonl") else {
        return;
    };
    let theft = &day.theft;
    println!("{}", serde_json::to_string_pretty(theft).unwrap());
    assert!(
        (1_082_089..=3_172_129).contains(&theft.bytes_out_max),
        "{}",
        theft.bytes_out_max
    );
    assert_eq!(theft.bytes_out_max, day.impact.bytes_out_max);
    let drop = destination(theft, "192.168.0.4");
    assert_eq!(drop.judgement, Judgement::EvidenceForTheft);
    assert!(drop.bytes_out_max >= 1_082_089 && drop.bytes_since_max >= 1_082_089);
    // The PUT of 1588206742.01: the window from 00:30 holds it.
    let put = Timestamp::from_unix_seconds(1_588_206_742.010_192);
    let window = drop.windows.iter().find(|w| w.from <= put && put < w.to).unwrap();
    assert!(window.bytes_max >= 1_082_089, "{window:?}");
    let sent = theft.staging.iter().find(|s| s.kind == StagingKind::ArchiveSent).unwrap();
    assert_eq!(
        (sent.hosts.as_slice(), sent.to.as_deref()),
        (&["scranton".to_owned()][..], Some("192.168.0.4"))
    );
    assert!(sent.bytes.unwrap() >= 1_082_089, "{sent:?}");
    // The documented upload over the channel itself cannot be told from commands and answers.
    assert_ne!(destination(theft, "192.168.0.5").judgement, Judgement::EvidenceAgainstTheft);
    assert!(theft.sentence["en"].starts_with("No more than"), "{}", theft.sentence["en"]);
}

#[test]
fn day_two_finds_no_archive_and_says_what_it_cannot_determine() {
    let Some(day) = day("trace/apt29-day2.zeek.jsonl") else {
        return;
    };
    println!("{}", serde_json::to_string_pretty(&day.theft).unwrap());
    let command = destination(&day.theft, "192.168.0.4");
    assert_eq!(command.judgement, Judgement::CannotBeDetermined);
    assert!(command.bytes_out_max >= 526_736 && !command.undetermined.is_empty());
    assert!(!day.theft.staging.iter().any(|s| s.kind == StagingKind::ArchiveSent));
}

#[test]
fn no_claim_about_theft_on_either_day() {
    for file in ["trace/apt29-day1.zeek.jsonl", "trace/apt29-day2.zeek.jsonl"] {
        let Some(mut day) = day(file) else {
            return;
        };
        day.estate.data_classes.get_mut("case-files").unwrap().special = true;
        let sheet = detailed_claims(&day.impact, &day.estate, &day.config, &day.ledger, &day.theft);
        println!("{}", serde_json::to_string_pretty(&sheet).unwrap());
        let refused = sheet.refused.iter().find(|r| r.id == "claim-no-theft-case-files").unwrap();
        assert!(!refused.because.is_empty() && !refused.needs.is_empty());
        let bytes = sheet.claims.iter().find(|c| c.claim.id == "claim-bytes-out").unwrap();
        assert!(bytes.stix_confidence <= 75 && !bytes.what_would_change.is_empty());
    }
}

fn finding(host: &str, at: Timestamp, techniques: &[&str], origin: Option<&str>, account: &str) -> Finding {
    Finding {
        at,
        rule: "test".to_owned(),
        title: "test".to_owned(),
        author: "Leckwehr".to_owned(),
        techniques: techniques.iter().map(|t| (*t).to_owned()).collect(),
        host: host.to_owned(),
        account: Some(account.to_owned()),
        origin: origin.map(str::to_owned),
        weight: 60,
        evidence: vec!["stream#1".to_owned()],
        detail: "by hand".to_owned(),
        ..Finding::default()
    }
}

struct Weighed {
    impact: Impact,
    theft: TheftEvidence,
    config: TraceConfig,
    sheet: ClaimSheet,
}

fn weigh(lines: &Lines, findings: &[Finding], estate: &Estate) -> Weighed {
    let (events, accounts) = lines.read();
    let config = TraceConfig::new(accounts);
    let impact = assess(&events, findings, estate, &config);
    let theft = theft(&events, findings, estate, &impact, &config);
    let ledger = CoverageLedger::new(&events, estate, &config.accounts, &LedgerConfig::new());
    let sheet = detailed_claims(&impact, estate, &config, &ledger, &theft);
    Weighed {
        impact,
        theft,
        config,
        sheet,
    }
}

#[test]
fn a_long_connection_counts_whole_in_every_window_it_touches() {
    let mut lines = Lines::default();
    let event = json!({"category": ["network"], "action": "flow", "duration": 12 * 60 * 1_000_000_000_i64});
    let fields = json!({"source": {"bytes": 1_000}, "destination": {"ip": "203.0.113.9", "port": 443, "bytes": 5}});
    lines.record("a", after_ms(14 * 60_000), true, event, fields);
    lines.flow("a", after_ms(6 * 60_000), "203.0.113.9", 443, 30, 0);
    let weighed = weigh(&lines, &[], &estate());
    let windows = &destination(&weighed.theft, "203.0.113.9").windows;
    let told: Vec<(i64, i64, u64)> = windows
        .iter()
        .map(|w| {
            (
                (w.from.0 - begin().0) / 60_000_000_000,
                (w.to.0 - begin().0) / 60_000_000_000,
                w.bytes_max,
            )
        })
        .collect();
    assert_eq!(told, [(5, 10, 1_030), (0, 5, 1_000), (10, 15, 1_000)]);
    assert_eq!(weighed.theft.bytes_out_max, 1_030);
}

#[test]
fn a_counter_can_have_grown_at_any_time_since_its_last_reading() {
    let mut lines = Lines::default();
    for (minute, bytes) in [(0, 100), (1, 150), (17, 4_150)] {
        let fields = json!({"observer": {"name": "guard"}, "destination": {"ip": "203.0.113.9"}, "source": {"bytes": bytes}});
        let event = json!({"category": ["network"], "dataset": "guard.egress", "action": "counter"});
        lines.record("guard", after_ms(minute * 60_000), true, event, fields);
    }
    let weighed = weigh(&lines, &[], &estate());
    let drop = destination(&weighed.theft, "203.0.113.9");
    assert_eq!((drop.bytes_out_max, drop.counted), (4_150, true));
    assert_eq!(drop.windows.iter().map(|w| w.bytes_max).collect::<Vec<_>>(), [4_150, 4_000]);
    assert_eq!(drop.judgement, Judgement::EvidenceAgainstTheft, "no held host spoke to it");
}

/// a is destroyed, reads files and uploads to a new address.
fn thief() -> (Lines, Vec<Finding>) {
    let mut lines = Lines::default();
    for minute in 0..=40 {
        for host in ["a", "b"] {
            lines.logon(host, after_ms(minute * 60_000), "10.1.0.200", "anna");
            lines.flow(host, after_ms(minute * 60_000 + 100), "10.1.0.201", 443, 10, 10);
            lines.file(
                host,
                after_ms(minute * 60_000 + 200),
                "change",
                "diary.txt",
                "10.1.0.200",
                "anna",
            );
        }
    }
    let at = after_ms(20 * 60_000 + 500);
    lines.logon("a", at, "203.0.113.50", "adm");
    let session =
        json!({"source": {"ip": "203.0.113.50", "bytes": 900}, "destination": {"ip": "10.1.0.5", "port": 22, "bytes": 300}});
    lines.record(
        "a",
        at,
        true,
        json!({"category": ["network"], "action": "flow", "duration": 0}),
        session,
    );
    for n in 0..8 {
        lines.file(
            "a",
            at.plus_ms(1_000 + n),
            "read",
            &format!("records-{n}"),
            "203.0.113.50",
            "adm",
        );
    }
    lines.file("a", at.plus_ms(1_100), "create", "C:\\temp\\all.7z", "203.0.113.50", "adm");
    lines.flow("a", at.plus_ms(2_000), "203.0.113.9", 443, 50_000, 200);
    let impact = finding("a", at.plus_ms(3_000), &["T1490"], Some("203.0.113.50"), "adm");
    (lines, vec![impact])
}

#[test]
fn staging_before_an_upload_to_a_new_address_is_evidence() {
    let (lines, findings) = thief();
    let weighed = weigh(&lines, &findings, &estate());
    let kinds: Vec<StagingKind> = weighed.theft.staging.iter().map(|s| s.kind).collect();
    assert_eq!(
        kinds,
        [StagingKind::FilesRead, StagingKind::Archive],
        "{:#?}",
        weighed.theft.staging
    );
    let drop = destination(&weighed.theft, "203.0.113.9");
    assert_eq!(drop.judgement, Judgement::EvidenceForTheft, "{drop:#?}");
    assert_eq!(drop.bytes_since_max, 50_000);
    assert_eq!(drop.suspects, ["a"]);
}

#[test]
fn names_that_are_no_words_are_a_tunnel() {
    let mut intake = Intake::new();
    for n in 0..120_u64 {
        let noise = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let query = format!("{noise:016x}{:016x}.data.example.net", noise.rotate_left(17) ^ 0x5bd1_e995);
        let normal = format!("www{n}.example.org");
        for query in [query, normal] {
            let line = json!({"_path": "dns", "ts": 1_682_391_600.0 + n as f64, "id.orig_h": "10.1.0.5", "id.resp_h": "10.1.0.6",
                "id.resp_p": 53, "query": query});
            intake.push_line("dns.log", line.to_string().as_bytes());
        }
    }
    let events = intake.take();
    let config = TraceConfig::new(intake.accounts().values().cloned().collect());
    let impact = assess(&events, &[], &estate(), &config);
    let tunnels = theft(&events, &[], &estate(), &impact, &config).tunnels;
    let told: Vec<_> = tunnels
        .iter()
        .map(|t| (t.host.as_str(), t.domain.as_str(), t.names, t.is_tunnel))
        .collect();
    assert_eq!(told, [("a", "example.net", 120, true), ("a", "example.org", 120, false)]);
    assert_eq!(tunnels[0].bytes_max, 120 * 49);
}

#[test]
fn a_log_on_one_second_before_the_first_sign_is_in_no_claim_that_nothing_was_seen() {
    // From a to b, as the account that the attacker turns out to use, one second before his first sign on a.
    for (early_ms, reached) in [(1_000, true), (600_000, false)] {
        let mut lines = Lines::default();
        let at = after_ms(20 * 60_000);
        for minute in 0..=40 {
            for host in ["a", "b", "c"] {
                lines.logon(host, after_ms(minute * 60_000 + 3), "10.1.0.200", "anna");
            }
            if minute == 9 {
                lines.logon("b", at.plus_ms(-600_000), "10.1.0.5", "adm");
            }
            if minute == 19 && early_ms == 1_000 {
                lines.logon("b", at.plus_ms(-early_ms), "10.1.0.5", "adm");
            }
            if minute == 19 {
                lines.logon("a", at, "203.0.113.50", "adm");
            }
        }
        let findings = [finding("a", at.plus_ms(10), &["T1490"], Some("203.0.113.50"), "adm")];
        let weighed = weigh(&lines, &findings, &estate());
        let tier = weighed.impact.hosts.iter().find(|h| h.system == "b").map(|h| h.tier);
        assert_eq!(tier, reached.then_some(Tier::Possible), "{:#?}", weighed.impact.hosts);
        let made = claims(&weighed.impact, &estate(), &weighed.config);
        let hosts = made.iter().find_map(|c| match &c.topic {
            ClaimTopic::NotReached { hosts, .. } => Some(hosts.clone()),
            _ => None,
        });
        assert_eq!(hosts.unwrap().contains(&"b".to_owned()), !reached);
    }
}

#[test]
fn bytes_that_no_address_accounts_for_are_in_the_claim() {
    let (lines, findings) = thief();
    let mut weighed = weigh(&lines, &findings, &estate());
    let bytes_out = |w: &Weighed| {
        claims(&w.impact, &estate(), &w.config)
            .into_iter()
            .find(|c| c.id == "claim-bytes-out")
            .unwrap()
    };
    let before = bytes_out(&weighed);
    weighed.config.untold_bytes.insert("guard-edge".to_owned(), 77);
    let after = bytes_out(&weighed);
    assert_eq!(before.confidence, Confidence::Likely);
    assert_eq!(after.confidence, Confidence::Assessed);
    assert!(after.not_seen.contains("77 bytes through guard-edge"), "{}", after.not_seen);
    let bound = |topic: &ClaimTopic| match topic {
        ClaimTopic::BytesOut { bytes } => *bytes,
        _ => 0,
    };
    assert_eq!(bound(&after.topic), bound(&before.topic) + 77);
}

#[test]
fn damaged_records_of_nobody_weaken_every_claim_about_what_was_not_seen() {
    let (mut lines, findings) = thief();
    let ids = |w: &Weighed| {
        claims(&w.impact, &estate(), &w.config)
            .into_iter()
            .map(|c| c.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ids(&weigh(&lines, &findings, &estate())),
        ["claim-bytes-out", "claim-compromised", "claim-not-reached"]
    );
    lines.raw("{\"@timestamp\": \"broken");
    let weighed = weigh(&lines, &findings, &estate());
    assert_eq!(ids(&weighed), ["claim-bytes-out", "claim-compromised"]);
    let bytes = &weighed.sheet.claims[0].claim;
    assert!(
        bytes.not_seen.contains("1 damaged records that name no sensor"),
        "{}",
        bytes.not_seen
    );
    assert_eq!(bytes.confidence, Confidence::Assessed);
    assert!(weighed.sheet.refused.iter().any(|r| r.id == "claim-not-reached"));
}

fn with_data(holder: &str) -> Estate {
    let mut estate = estate();
    let class = leckwehr_estate::DataClass {
        name: "Sick notes".to_owned(),
        records: 1_000,
        special: true,
        by_insurer: BTreeMap::new(),
    };
    estate.data_classes.insert("sick-notes".to_owned(), class);
    estate.systems.get_mut(holder).unwrap().data = vec!["sick-notes".to_owned()];
    estate
}

#[test]
fn no_evidence_of_theft_is_claimed_only_with_coverage_and_without_evidence() {
    let (lines, findings) = thief();
    // b was observed throughout and not reached; c sent nothing at all; a is where the thief was.
    for (holder, claimed) in [("b", true), ("c", false), ("a", false)] {
        let weighed = weigh(&lines, &findings, &with_data(holder));
        let id = "claim-no-theft-sick-notes";
        let made = weighed.sheet.claims.iter().find(|c| c.claim.id == id);
        let refused = weighed.sheet.refused.iter().find(|r| r.id == id);
        assert_eq!(
            (made.is_some(), refused.is_some()),
            (claimed, !claimed),
            "{holder}: {:#?}",
            weighed.sheet
        );
        if let Some(made) = made {
            assert!(
                made.claim.text["en"].contains("No more than 50300 bytes"),
                "{}",
                made.claim.text["en"]
            );
            assert!((1..=50).contains(&made.stix_confidence), "{made:?}");
        }
    }
}

/// Flows of three hosts to four addresses with the seconds in which their bytes really left.
#[derive(Debug, Clone)]
struct Truth {
    host: usize,
    to: usize,
    begin_s: i64,
    lasts_s: i64,
    bytes: Vec<(i64, u64)>,
}

fn flows() -> impl Strategy<Value = Vec<Truth>> {
    let one = (
        0..3_usize,
        0..4_usize,
        0..7_200_i64,
        0..2_000_i64,
        prop::collection::vec((0..=1_000_i64, 0..100_000_u64), 0..5),
    );
    let truth = one.prop_map(|(host, to, begin_s, lasts_s, parts)| Truth {
        host,
        to,
        begin_s,
        lasts_s,
        bytes: parts
            .into_iter()
            .map(|(part, bytes)| (begin_s + lasts_s * part / 1_000, bytes))
            .collect(),
    });
    prop::collection::vec(truth, 1..40)
}

proptest! {
    #[test]
    fn the_bound_is_never_below_what_really_left(flows in flows()) {
        let mut lines = Lines::default();
        let mut by_address: BTreeMap<String, u64> = BTreeMap::new();
        let mut by_slot: BTreeMap<(String, i64), u64> = BTreeMap::new();
        for flow in &flows {
            let (host, to) = (["a", "b", "c"][flow.host], format!("203.0.113.{}", flow.to));
            let out: u64 = flow.bytes.iter().map(|(_, b)| b).sum();
            let event = json!({"category": ["network"], "action": "flow", "duration": flow.lasts_s * 1_000_000_000});
            let fields = json!({"source": {"bytes": out}, "destination": {"ip": to, "port": 443, "bytes": 1}});
            lines.record(host, after_ms((flow.begin_s + flow.lasts_s) * 1_000), true, event, fields);
            *by_address.entry(to.clone()).or_default() += out;
            for (second, bytes) in &flow.bytes {
                *by_slot.entry((to.clone(), second * 1_000 / SLOT_MS)).or_default() += bytes;
            }
        }
        let theft = weigh(&lines, &[], &estate()).theft;
        prop_assert!(theft.bytes_out_max >= by_address.values().sum::<u64>());
        for (address, truth) in &by_address {
            prop_assert!(destination(&theft, address).bytes_out_max >= *truth);
        }
        for ((address, slot), truth) in by_slot.iter().filter(|(_, truth)| **truth > 0) {
            let windows = &destination(&theft, address).windows;
            let at = begin().plus_ms(slot * SLOT_MS);
            // A window that is not shown is not larger than the smallest one shown.
            let shown = windows.iter().find(|w| w.from <= at && at < w.to).or(windows.last());
            prop_assert!(shown.is_some_and(|w| w.bytes_max >= *truth), "{address} slot {slot}: {truth} in {windows:?}");
        }
    }
}
