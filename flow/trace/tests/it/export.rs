use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::{Estate, SystemKind};
use leckwehr_incident::{
    Claim, ClaimTopic, Confidence, CredentialAssessment, Finding, Hop, HostAssessment, Impact, OutsideEndpoint, OutsideRole,
    Tier, Timestamp,
};
use leckwehr_trace::export::{Export, graphml, open_graph, stix_bundle};
use serde_json::Value;

use crate::estates;

/// A name that wants to be markup, a formula and a pattern at once.
const HOSTILE: &str = "fs-1\"><script>alert('x')</script>\u{1}]]>&amp;\\";

fn at(second: i64) -> Timestamp {
    Timestamp(1_682_391_600_000_000_000).plus_ms(second * 1_000)
}

fn hop(from: &str, to: &str, second: i64, tier: Tier, means: &str) -> Hop {
    Hop {
        from: from.to_owned(),
        to: to.to_owned(),
        at: at(second),
        account: Some("adm-ops".to_owned()),
        tier,
        means: means.to_owned(),
        evidence: vec![format!("winlog#{second}")],
    }
}

fn host(system: &str, second: i64, tier: Tier, via: Option<&str>) -> HostAssessment {
    HostAssessment {
        system: system.to_owned(),
        tier,
        since: (tier <= Tier::Possible).then(|| at(second)),
        via: via.map(str::to_owned),
        reasons: vec![format!("seen at {second} s")],
    }
}

fn endpoint(address: &str, role: OutsideRole, tier: Tier, evidence: &str) -> OutsideEndpoint {
    OutsideEndpoint {
        address: address.to_owned(),
        role,
        tier,
        bytes_out_max: 1_082_089,
        seen: Some((at(1), at(900))),
        evidence: vec![evidence.to_owned()],
    }
}

struct Case {
    estate: Estate,
    impact: Impact,
    claims: Vec<Claim>,
    findings: Vec<Finding>,
}

fn case() -> Case {
    let mut estate = estates::empty();
    estates::zone(&mut estate, "inner", Some("site-1"), [10, 1, 0, 0], 16);
    estates::system(&mut estate, "jump-1", SystemKind::JumpHost, "inner", [10, 1, 0, 5]);
    let impact = Impact {
        window: Some((at(0), at(1_000))),
        hosts: vec![
            host("jump-1", 1, Tier::Proven, None),
            host(HOSTILE, 60, Tier::Proven, Some("jump-1")),
            host("app-1", 90, Tier::Probable, Some(HOSTILE)),
            host("app-2", 95, Tier::Possible, Some("app-1")),
            host("app-3", 0, Tier::Unknown, None),
        ],
        credentials: vec![CredentialAssessment {
            account: "adm-ops".to_owned(),
            tier: Tier::Proven,
            used_on: vec!["jump-1".to_owned(), HOSTILE.to_owned()],
        }],
        hops: vec![
            hop("203.0.113.9", "jump-1", 1, Tier::Proven, "command channel"),
            hop("jump-1", HOSTILE, 60, Tier::Proven, "remote execution (WinRM)"),
            hop(HOSTILE, "app-1", 90, Tier::Probable, "administrative share"),
        ],
        outside: vec![
            endpoint(
                "203.0.113.9",
                OutsideRole::CommandAndExfiltration,
                Tier::Proven,
                "jump-1: 40 connections to port 443",
            ),
            endpoint("2001:db8::5", OutsideRole::Unknown, Tier::Possible, "jump-1: 1 connection"),
            endpoint("drop-zone.example", OutsideRole::Entry, Tier::Probable, "a session"),
            endpoint("no'address\\ at all", OutsideRole::Command, Tier::Proven, "a session"),
        ],
        bytes_out_max: 3_172_129,
        exits_unobserved: vec!["the fax".to_owned()],
        coverage: Vec::new(),
        unknowns: vec!["what came before".to_owned()],
    };
    let claim = Claim {
        id: "claim-bytes-out".to_owned(),
        topic: ClaimTopic::BytesOut { bytes: 3_172_129 },
        text: BTreeMap::from([("en".to_owned(), "No more than 3,172,129 bytes left.".to_owned())]),
        confidence: Confidence::Assessed,
        evidence: Vec::new(),
        coverage: "1 sensor".to_owned(),
        not_seen: "the fax".to_owned(),
        review_by: at(9_000),
    };
    let finding = Finding {
        at: at(60),
        rule: "r".to_owned(),
        title: "Remote thread".to_owned(),
        author: "Leckwehr".to_owned(),
        techniques: vec!["T1055.001".to_owned(), "TA0008".to_owned(), "T1055.001x".to_owned()],
        host: "jump-1".to_owned(),
        weight: 50,
        ..Finding::default()
    };
    Case {
        estate,
        impact,
        claims: vec![claim],
        findings: vec![finding],
    }
}

fn export(case: &Case) -> Export<'_> {
    Export {
        name: "Incident \"47\" <b>",
        impact: &case.impact,
        claims: &case.claims,
        findings: &case.findings,
        estate: &case.estate,
        created: at(2_000),
    }
}

fn objects(bundle: &Value) -> BTreeMap<String, Value> {
    let list = bundle["objects"].as_array().unwrap().iter();
    list.map(|o| (o["id"].as_str().unwrap().to_owned(), o.clone())).collect()
}

/// Collects every value below a key that ends in `_ref` or `_refs`.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if key.ends_with("_ref") || key.ends_with("_refs") {
                    let list = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                    found.extend(list.iter().map(|v| v.as_str().unwrap().to_owned()));
                }
                references(value, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|v| references(v, found)),
        _ => {}
    }
}

fn is_uuid(text: &str, version: Option<char>) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    let hex = text
        .chars()
        .all(|c| c == '-' || c.is_ascii_digit() || ('a'..='f').contains(&c));
    let right = version.is_none_or(|v| text.chars().nth(14) == Some(v));
    groups == [8, 4, 4, 4, 12] && hex && right && "89ab".contains(text.chars().nth(19).unwrap())
}

#[test]
fn a_stix_bundle_is_whole() {
    let case = case();
    let bundle = stix_bundle(&export(&case));
    assert_eq!(bundle["type"], "bundle");
    let objects = objects(&bundle);
    assert_eq!(
        objects.len(),
        bundle["objects"].as_array().unwrap().len(),
        "no identifier twice"
    );
    let observable = ["ipv4-addr", "ipv6-addr", "domain-name", "user-account"];
    for (id, object) in &objects {
        let kind = object["type"].as_str().unwrap();
        let (prefix, uuid) = id.split_once("--").unwrap();
        let foreign = [
            "extension-definition--fb9c968a-745b-4ade-9b25-c324172197f4",
            "identity--d673f8cb-c168-42da-8ed4-0cb26725f86c",
        ];
        let version = (!foreign.contains(&id.as_str())).then_some('5');
        assert!(prefix == kind && is_uuid(uuid, version), "{id}");
        assert_eq!(object["spec_version"], "2.1");
        if !observable.contains(&kind) {
            let (created, modified) = (object["created"].as_str().unwrap(), object["modified"].as_str().unwrap());
            assert!(
                created <= modified && created.ends_with('Z') && created.parse::<Timestamp>().is_ok(),
                "{id}"
            );
        }
        if let Some(sure) = object.get("confidence") {
            assert!((0..=100).contains(&sure.as_u64().unwrap()));
        }
        let own = format!("{kind}--");
        assert!(
            object["extensions"].is_object() == (own.starts_with("attack-") && kind != "attack-pattern"),
            "{id}"
        );
    }
    let mut found = Vec::new();
    references(&bundle, &mut found);
    assert!(found.len() > 30);
    let dangling: Vec<&String> = found.iter().filter(|r| !objects.contains_key(*r)).collect();
    assert!(dangling.is_empty(), "{dangling:?}");
}

#[test]
fn observables_have_the_identifiers_of_the_standard() {
    // Computed with the stix2 library 3.0: IPv4Address(value='203.0.113.9'), UserAccount(account_login='adm-ops').
    let case = case();
    let objects = objects(&stix_bundle(&export(&case)));
    for id in [
        "ipv4-addr--39090fdc-366e-571f-ab5b-d05e2918f88f",
        "ipv6-addr--088ee214-b1f7-557f-92b9-c401d94b2165",
        "domain-name--a47e3eb0-c7fa-5e5d-941f-a048b6de3e9b",
        "user-account--1dab6215-1681-50c7-9afa-1e79bd6c14f7",
    ] {
        assert!(objects.contains_key(id), "{id} is not among {:?}", objects.keys());
    }
    let patterns: Vec<&str> = objects.values().filter_map(|o| o["pattern"].as_str()).collect();
    // None for an address that is only possible, nor for a text that is no address.
    let expected = [
        "[domain-name:value = 'drop-zone.example']",
        "[ipv4-addr:value = '203.0.113.9']",
    ];
    assert_eq!(patterns.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from(expected));
}

#[test]
fn the_attack_flow_follows_the_route() {
    let case = case();
    let objects = objects(&stix_bundle(&export(&case)));
    let of = |kind: &str| objects.values().filter(|o| o["type"] == kind).cloned().collect::<Vec<_>>();
    let flows = of("attack-flow");
    assert_eq!(flows.len(), 1);
    assert_eq!(flows[0]["scope"], "incident");
    let mut walk = Vec::new();
    let mut open: Vec<String> = flows[0]["start_refs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(open.len(), 1);
    while let Some(id) = open.pop() {
        let action = &objects[&id];
        walk.push(action["technique_id"].as_str().unwrap().to_owned());
        assert!(objects[action["technique_ref"].as_str().unwrap()]["type"] == "attack-pattern");
        let next = action["effect_refs"].as_array().cloned().unwrap_or_default();
        open.extend(next.iter().map(|v| v.as_str().unwrap().to_owned()));
    }
    walk.sort();
    // Command channel, exfiltration, WinRM, share: everything is reached from the start, possible steps are no actions.
    assert_eq!(walk, ["T1021.002", "T1021.006", "T1041", "T1071"]);
    let techniques: BTreeSet<String> = of("attack-pattern")
        .iter()
        .map(|p| p["external_references"][0]["external_id"].to_string())
        .collect();
    assert!(
        techniques.contains("\"T1055.001\"") && techniques.len() == 5,
        "{techniques:?}"
    );
}

#[test]
fn open_graph_fits_its_schema() {
    let case = case();
    let graph = open_graph(&export(&case));
    assert_eq!(graph["metadata"]["source_kind"], "Leckwehr");
    let nodes = graph["graph"]["nodes"].as_array().unwrap();
    let ids: BTreeSet<&str> = nodes.iter().map(|n| n["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), nodes.len());
    assert_eq!(nodes.len(), 5 + 4 + 1);
    let kind = |k: &Value| k.as_str().unwrap().chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    for node in nodes {
        let kinds = node["kinds"].as_array().unwrap();
        assert!((1..=3).contains(&kinds.len()) && kinds.iter().all(kind));
        plain(&node["properties"]);
    }
    let edges = graph["graph"]["edges"].as_array().unwrap();
    let kinds: Vec<&str> = edges.iter().map(|e| e["kind"].as_str().unwrap()).collect();
    let expected = [
        "LW_UsedOn",
        "LW_UsedOn",
        "LW_CommandChannel",
        "LW_RemoteExecutionWinRM",
        "LW_AdministrativeShare",
        "LW_CouldReach",
    ];
    assert_eq!(kinds, expected);
    for edge in edges {
        assert!(kind(&edge["kind"]));
        for end in ["start", "end"] {
            assert_eq!(edge[end]["match_by"], "id");
            assert!(ids.contains(edge[end]["value"].as_str().unwrap()), "{edge}");
        }
        plain(&edge["properties"]);
    }
}

/// Properties are texts, numbers, booleans, or lists of one of them.
fn plain(properties: &Value) {
    for (key, value) in properties.as_object().unwrap() {
        assert!(key.chars().all(|c| c.is_ascii_lowercase()), "{key}");
        let flat = |v: &Value| v.is_string() || v.is_number() || v.is_boolean();
        assert!(
            flat(value) || value.as_array().is_some_and(|l| l.iter().all(Value::is_string)),
            "{key}: {value}"
        );
    }
}

#[test]
fn graphml_is_well_formed_and_declares_its_keys() {
    let case = case();
    let text = graphml(&export(&case));
    let mut open: Vec<String> = Vec::new();
    let (mut declared, mut used, mut nodes, mut ends) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let attribute = |tag: &str, name: &str| {
        let value = tag
            .split(&format!(" {name}=\""))
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        value.unwrap_or_default().to_owned()
    };
    for tag in text
        .split('<')
        .skip(1)
        .filter_map(|part| part.split_once('>').map(|(tag, _)| tag))
    {
        let name = tag.split([' ', '/']).next().unwrap();
        match name {
            "key" => drop(declared.insert((attribute(tag, "id"), attribute(tag, "for")))),
            "data" => drop(used.insert((attribute(tag, "key"), open.last().unwrap().clone()))),
            "node" => assert!(nodes.insert(attribute(tag, "id"))),
            "edge" => ends.extend([attribute(tag, "source"), attribute(tag, "target")]),
            _ => {}
        }
        if let Some(closing) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(closing));
        } else if !tag.ends_with(['/', '?']) {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty());
    assert!(used.is_subset(&declared), "{:?}", used.difference(&declared));
    assert!(ends.is_subset(&nodes), "{:?}", ends.difference(&nodes));
    assert_eq!(nodes.len(), 10);
    assert!(!text.contains("<script") && !text.contains('\u{1}'));
}

#[test]
fn equal_exports_give_equal_bytes() {
    let (a, b) = (case(), case());
    assert_eq!(stix_bundle(&export(&a)).to_string(), stix_bundle(&export(&b)).to_string());
    let mut later = export(&a);
    later.created = at(2_001);
    let (first, second) = (objects(&stix_bundle(&export(&a))), objects(&stix_bundle(&later)));
    let same: BTreeSet<&String> = first.keys().filter(|id| second.contains_key(*id)).collect();
    let kinds: BTreeSet<&str> = same.iter().filter_map(|id| id.split("--").next()).collect();
    let lasting = [
        "domain-name",
        "extension-definition",
        "identity",
        "ipv4-addr",
        "ipv6-addr",
        "user-account",
    ];
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        lasting,
        "another time, other objects; the same observables"
    );
}

#[test]
fn an_empty_impact_exports_empty() {
    let mut case = case();
    case.impact = Impact::default();
    let bundle = stix_bundle(&export(&case));
    assert!(!bundle.to_string().contains("attack-flow--"));
    assert_eq!(open_graph(&export(&case))["graph"]["nodes"].as_array().map(Vec::len), Some(0));
    assert!(graphml(&export(&case)).contains("<graph id=\"impact\""));
}

/// Writes everything for the validators of others; only where somebody names a folder.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the folder for the validators is named in the environment"
)]
fn files_for_other_validators() {
    let Ok(folder) = std::env::var("LECKWEHR_EXPORTS") else {
        println!("skipped: LECKWEHR_EXPORTS names no folder");
        return;
    };
    let case = case();
    let write = |name: &str, text: String| std::fs::write(format!("{folder}/{name}"), text).unwrap();
    write(
        "stix.json",
        serde_json::to_string_pretty(&stix_bundle(&export(&case))).unwrap(),
    );
    write(
        "opengraph.json",
        serde_json::to_string_pretty(&open_graph(&export(&case))).unwrap(),
    );
    write("impact.graphml", graphml(&export(&case)));
}
