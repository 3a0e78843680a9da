use std::collections::{BTreeMap, BTreeSet};

use leckwehr_detect::{StixExport, TALLY_HOSTS_MAX, Tally, ocsf_alarm, ocsf_finding, stix_findings};
use leckwehr_incident::{Alarm, AlarmLevel, AlarmView, Cause, ClosedView, Finding, Suppression, Timestamp, Verdict};
use serde_json::Value;

fn at(seconds: i64) -> Timestamp {
    Timestamp(1_700_000_000_000_000_000 + seconds * 1_000_000_000)
}

fn findings() -> Vec<Finding> {
    let sigma = Finding {
        at: at(0),
        rule: "5af54681-df95-4c26-854f-2565e13cfab0".into(),
        title: "PsExec <Service>".into(),
        author: "Thomas Patzke, \"someone\"".into(),
        techniques: vec!["T1569.002".into(), "T1569".into(), "attack.execution".into()],
        host: "fs-1".into(),
        account: Some("CORP\\adm".into()),
        origin: Some("10.0.0.7".into()),
        weight: 40,
        evidence: vec!["security.evtx#12".into()],
        detail: "Image: psexesvc.exe".into(),
        indicators: vec![
            "198.51.100.7".into(),
            "evil.example".into(),
            "d41d8cd98f00b204e9800998ecf8427e".into(),
        ],
    };
    let own = Finding {
        at: at(60),
        rule: "detector:backups-deleted".into(),
        title: "Backups deleted".into(),
        author: "Leckwehr".into(),
        techniques: vec!["T1490".into()],
        host: String::new(),
        weight: 90,
        ..Finding::default()
    };
    let again = Finding {
        at: at(-60),
        host: "2001:db8::1".into(),
        ..sigma.clone()
    };
    vec![sigma, own, again]
}

fn alarms() -> Vec<AlarmView> {
    let alarm = |id: &str, entity: &str| Alarm {
        id: id.into(),
        at: at(0),
        entity: entity.into(),
        level: AlarmLevel::Warning,
        risk: 61.5,
        reasons: vec!["PsExec (1×, 100 % of the risk, by Thomas Patzke)".into()],
        causes: vec![Cause {
            rule: "5af54681".into(),
            title: "PsExec".into(),
            author: "Thomas Patzke".into(),
            techniques: vec!["T1569.002".into()],
            count: 2,
            share: 1.0,
            first: at(-60),
            last: at(0),
            evidence: vec!["security.evtx#12".into()],
        }],
        reopened: None,
    };
    let closing = |verdict, reopened: Option<&str>| ClosedView {
        at: at(100),
        by: "anna".into(),
        verdict,
        reason: "looked at it".into(),
        reopened: reopened.map(|why| (at(200), why.to_owned())),
    };
    let view = |alarm, closed_as: Option<&str>, closings| AlarmView {
        alarm,
        closed_as: closed_as.map(str::to_owned),
        closings,
    };
    let again = Alarm {
        reopened: Some("closed as contained by anna: now PsExec".into()),
        ..alarm("alarm-4", "service:eau")
    };
    let no_cause = Alarm {
        causes: Vec::new(),
        ..alarm("alarm-6", "party:vendor")
    };
    vec![
        view(alarm("alarm-1", "host:fs-1"), None, Vec::new()),
        view(
            alarm("alarm-2", "account:adm"),
            Some("closed as false-positive"),
            vec![closing(Some(Verdict::FalsePositive), None)],
        ),
        view(
            alarm("alarm-3", "host:10.0.0.7"),
            Some("closed as contained"),
            vec![closing(Some(Verdict::Contained), None)],
        ),
        view(again, None, vec![closing(Some(Verdict::Contained), Some("PsExec"))]),
        view(
            alarm("alarm-5", "host:pc"),
            Some("closed as a drill"),
            vec![closing(None, None)],
        ),
        view(no_cause, None, Vec::new()),
    ]
}

fn ocsf() -> Vec<Value> {
    let suppression = Suppression {
        id: "suppression-1".into(),
        entity: "host:*".into(),
        rule: "*".into(),
        until: at(9_999),
        author: "anna".into(),
        reason: "a test".into(),
    };
    let found = findings();
    let mut events: Vec<Value> = found.iter().map(|f| ocsf_finding(f, None)).collect();
    events.push(ocsf_finding(&found[0], Some(&suppression)));
    events.extend(alarms().iter().map(ocsf_alarm));
    events
}

fn stix() -> Value {
    let mut tally = Tally::default();
    findings().iter().for_each(|f| tally.add(f));
    let texts = BTreeMap::from([(findings()[0].rule.clone(), "title: PsExec\ndetection: …\n".to_owned())]);
    stix_findings(&StixExport {
        name: "hunt",
        provider: "Leckwehr",
        created: at(500),
        tally: &tally,
        alarms: &alarms(),
        rule_texts: &texts,
    })
}

#[test]
fn a_finding_is_a_detection_finding_with_author_technique_and_record() {
    let event = &ocsf()[0];
    for (path, expected) in [
        ("/class_uid", Value::from(2004)),
        ("/type_uid", 200_401.into()),
        ("/severity_id", 4.into()),
        ("/status_id", 1.into()),
        ("/time", 1_700_000_000_000_i64.into()),
        ("/finding_info/analytic/desc", "by Thomas Patzke, \"someone\"".into()),
        ("/finding_info/attacks/0/technique/uid", "T1569".into()),
        ("/finding_info/attacks/0/sub_technique/uid", "T1569.002".into()),
        ("/finding_info/related_events/0/uid", "security.evtx#12".into()),
        ("/evidences/0/src_endpoint/ip", "10.0.0.7".into()),
        ("/evidences/0/user/name", "CORP\\adm".into()),
        ("/observables/2/type", "Hash".into()),
        ("/unmapped/rule_author", "Thomas Patzke, \"someone\"".into()),
    ] {
        assert_eq!(event.pointer(path), Some(&expected), "{path}");
    }
    assert_eq!(
        event["finding_info"]["attacks"].as_array().unwrap().len(),
        2,
        "a tactic is no technique"
    );
}

#[test]
fn what_became_of_a_finding_or_alarm_is_its_status() {
    let states: Vec<(u64, u64, String)> = ocsf()
        .iter()
        .map(|e| {
            let number = |field: &str| e[field].as_u64().unwrap();
            let detail = e["status_detail"].as_str().unwrap_or_default();
            (number("activity_id"), number("status_id"), detail.to_owned())
        })
        .collect();
    let expected = [
        (1, 1, ""),
        (1, 1, ""),
        (1, 1, ""),
        (1, 3, "suppression-1 by anna until 2023-11-15T00:59:59.000Z: a test"),
        (1, 1, ""),
        (3, 3, "closed as false-positive by anna: looked at it"),
        (3, 4, "closed as contained by anna: looked at it"),
        (2, 2, "closed as contained by anna: now PsExec"),
        (3, 99, "closed as a drill by anna: looked at it"),
        (1, 1, ""),
    ];
    let states: Vec<_> = states.iter().map(|(a, s, d)| (*a, *s, d.as_str())).collect();
    assert_eq!(states, expected);
}

#[test]
fn identifiers_follow_from_the_content() {
    assert_eq!(ocsf(), ocsf());
    assert_eq!(stix(), stix());
    let uids: BTreeSet<String> = ocsf()[..3].iter().map(|e| e["metadata"]["uid"].to_string()).collect();
    assert_eq!(uids.len(), 3);
}

#[test]
fn every_reference_of_the_bundle_leads_somewhere_and_authors_are_named() {
    let bundle = stix();
    let objects = bundle["objects"].as_array().unwrap();
    let ids: BTreeSet<&str> = objects.iter().map(|o| o["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), objects.len());
    for object in objects {
        for (name, value) in object.as_object().unwrap() {
            let refs: Vec<&Value> = match value {
                Value::Array(all) if name.ends_with("_refs") => all.iter().collect(),
                one if name.ends_with("_ref") => vec![one],
                _ => Vec::new(),
            };
            assert!(refs.iter().all(|r| ids.contains(r.as_str().unwrap())), "{name} of {object}");
        }
    }
    let of = |kind: &str| objects.iter().filter(|o| o["type"] == kind).collect::<Vec<_>>();
    let indicator = of("indicator");
    assert_eq!(indicator.len(), 1, "only the rule whose text is at hand");
    assert_eq!(
        (&indicator[0]["pattern_type"], &indicator[0]["name"]),
        (&"sigma".into(), &"PsExec <Service>".into())
    );
    assert_eq!(of("sighting").len(), 3, "two hosts of the rule, one of the detector");
    assert_eq!(of("grouping").len(), 6);
    let authors: BTreeSet<&str> = of("note").iter().filter_map(|n| n["authors"][0].as_str()).collect();
    assert_eq!(authors, BTreeSet::from(["Leckwehr", "Thomas Patzke, \"someone\"", "anna"]));
}

#[test]
fn a_tally_counts_by_rule_and_host_and_stays_bounded() {
    let mut tally = Tally::default();
    let found = findings();
    found.iter().for_each(|f| tally.add(f));
    let psexec = &tally.rules[&found[0].rule];
    assert_eq!(
        (psexec.count, psexec.first, psexec.last, psexec.hosts.len()),
        (2, at(-60), at(0), 2)
    );
    assert_eq!(tally.gravest_first()[0].0, "detector:backups-deleted");
    for n in 0..TALLY_HOSTS_MAX {
        tally.add(&Finding {
            host: format!("pc-{n}"),
            ..found[0].clone()
        });
    }
    let psexec = &tally.rules[&found[0].rule];
    assert_eq!((psexec.hosts.len(), psexec.hosts_beyond), (TALLY_HOSTS_MAX, 2));
    assert_eq!(tally.findings(), 3 + TALLY_HOSTS_MAX as u64);
    let read: Tally = serde_json::from_str(&serde_json::to_string(&tally).unwrap()).unwrap();
    assert_eq!(read, tally);
}

/// Writes both exports to the folder that `LECKWEHR_EXPORTS` names, for validators that are not ours.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the folder for the validators is named in the environment"
)]
fn exports_can_be_written_for_outside_validators() {
    let Ok(folder) = std::env::var("LECKWEHR_EXPORTS") else {
        println!("skipped: LECKWEHR_EXPORTS names no folder");
        return;
    };
    let folder = std::path::Path::new(&folder);
    let lines: Vec<String> = ocsf().iter().map(Value::to_string).collect();
    std::fs::write(folder.join("ocsf.jsonl"), lines.join("\n")).unwrap();
    std::fs::write(folder.join("stix.json"), stix().to_string()).unwrap();
}
