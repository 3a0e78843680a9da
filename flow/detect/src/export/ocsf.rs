use std::net::IpAddr;

use leckwehr_crypt::uuid_v5;
use leckwehr_incident::{Alarm, AlarmLevel, AlarmView, Cause, Finding, Suppression, Timestamp, Verdict};
use serde_json::{Map, Value, json};

use super::{OWN, is_technique, technique_url};

/// Version of the Open Cybersecurity Schema Framework that the exports follow.
pub const OCSF_VERSION: &str = "1.3.0";

const CLASS: u32 = 2004;
/// Activities of the class.
const CREATE: (u32, &str) = (1, "Create");
const UPDATE: (u32, &str) = (2, "Update");
const CLOSE: (u32, &str) = (3, "Close");
/// States of the class.
const NEW: (u32, &str) = (1, "New");
const IN_PROGRESS: (u32, &str) = (2, "In Progress");
const SUPPRESSED: (u32, &str) = (3, "Suppressed");
const RESOLVED: (u32, &str) = (4, "Resolved");
/// What a person closed without finding out; the class has no state for it before 1.6.
const OTHER: (u32, &str) = (99, "Closed");

/// Returns a finding as an OCSF Detection Finding (class 2004); `suppressed` by what, if it raises no alarm.
pub fn ocsf_finding(finding: &Finding, suppressed: Option<&Suppression>) -> Value {
    let name = [
        finding.rule.as_str(),
        &finding.at.0.to_string(),
        &finding.host,
        finding.account.as_deref().unwrap_or_default(),
        finding.origin.as_deref().unwrap_or_default(),
        &finding.evidence.join("\n"),
        &finding.detail,
    ];
    let uid = uuid_v5(OWN, name.join("\n\n").as_bytes());
    let status = if suppressed.is_some() { SUPPRESSED } else { NEW };
    let mut event = event(CREATE, status, severity_of_weight(finding.weight), finding.at, &uid);
    event.insert("message".into(), json!(finding.detail));
    event.insert("risk_score".into(), json!(finding.weight));
    if let Some(s) = suppressed {
        event.insert(
            "status_detail".into(),
            json!(format!("{} by {} until {}: {}", s.id, s.author, s.until, s.reason)),
        );
    }
    let mut info = info(&uid, &finding.title, finding.at, finding.at, finding.at);
    info.insert("desc".into(), json!(finding.detail));
    info.insert("analytic".into(), analytic(&finding.rule, &finding.title, &finding.author));
    insert_attacks(&mut info, finding.techniques.iter());
    insert_records(&mut info, &finding.evidence);
    event.insert("finding_info".into(), Value::Object(info));
    event.insert("evidences".into(), json!([evidence(finding)]));
    event.insert("resources".into(), json!([{ "name": named(&finding.host), "type": "host" }]));
    insert_observables(&mut event, finding);
    event.insert(
        "unmapped".into(),
        json!({ "rule_author": finding.author, "rule_license": license(&finding.rule) }),
    );
    Value::Object(event)
}

/// Returns an alarm in its present state as an OCSF Detection Finding (class 2004): new, in progress (open again), suppressed
/// (closed as harmless), resolved, or other (closed without an answer).
pub fn ocsf_alarm(view: &AlarmView) -> Value {
    let alarm = &view.alarm;
    let uid = alarm.id.clone();
    let closing = view.closings.last().filter(|_| view.closed_as.is_some());
    let (activity, status) = match (&view.closed_as, closing.and_then(|c| c.verdict)) {
        (None, _) if alarm.reopened.is_some() => (UPDATE, IN_PROGRESS),
        (None, _) => (CREATE, NEW),
        (Some(_), Some(verdict)) if verdict.is_harmless() => (CLOSE, SUPPRESSED),
        (Some(_), Some(Verdict::Contained)) => (CLOSE, RESOLVED),
        (Some(_), _) => (CLOSE, OTHER),
    };
    let at = closing.map_or(alarm.at, |c| c.at);
    let mut event = event(activity, status, severity_of_level(alarm.level), at, &uid);
    event.insert("message".into(), json!(alarm.reasons.join("; ")));
    event.insert("risk_score".into(), json!(alarm.risk.clamp(0.0, 1e9).round() as u64));
    let detail = match (closing, &alarm.reopened) {
        (Some(c), _) => Some(format!(
            "{} by {}: {}",
            view.closed_as.as_deref().unwrap_or_default(),
            c.by,
            c.reason
        )),
        (None, reopened) => reopened.clone(),
    };
    if let Some(detail) = detail {
        event.insert("status_detail".into(), json!(detail));
    }
    event.insert("finding_info".into(), Value::Object(alarm_info(alarm, &uid)));
    let evidences = alarm.causes.iter().map(|cause| alarm_evidence(alarm, cause));
    let evidences: Vec<Value> = evidences.collect();
    if !evidences.is_empty() {
        event.insert("evidences".into(), Value::Array(evidences));
    }
    let (kind, name) = alarm.entity.split_once(':').unwrap_or(("entity", &alarm.entity));
    event.insert("resources".into(), json!([{ "name": named(name), "type": kind }]));
    let causes = alarm.causes.iter();
    let rules: Vec<Value> = causes
        .map(|c| {
            json!({ "uid": c.rule, "title": c.title, "author": c.author, "license": license(&c.rule), "findings": c.count,
            "share_of_risk": c.share })
        })
        .collect();
    event.insert("unmapped".into(), json!({ "rules": rules }));
    Value::Object(event)
}

/// What every event of the class has.
fn event(
    activity: (u32, &str),
    status: (u32, &str),
    severity: (u32, &'static str, u32, &'static str),
    at: Timestamp,
    uid: &str,
) -> Map<String, Value> {
    let (severity_id, severity, risk_level_id, risk_level) = severity;
    let event = json!({
        "metadata": {
            "version": OCSF_VERSION,
            "uid": uid,
            "product": { "name": "Leckwehr", "vendor_name": "Leckwehr", "version": env!("CARGO_PKG_VERSION") },
        },
        "category_uid": 2, "category_name": "Findings",
        "class_uid": CLASS, "class_name": "Detection Finding",
        "activity_id": activity.0, "activity_name": activity.1,
        "type_uid": CLASS * 100 + activity.0, "type_name": format!("Detection Finding: {}", activity.1),
        "severity_id": severity_id, "severity": severity,
        "risk_level_id": risk_level_id, "risk_level": risk_level,
        "status_id": status.0, "status": status.1,
        "time": millis(at),
    });
    match event {
        Value::Object(event) => event,
        _ => Map::new(),
    }
}

fn info(uid: &str, title: &str, created: Timestamp, first: Timestamp, last: Timestamp) -> Map<String, Value> {
    let mut info = Map::new();
    info.insert("uid".into(), json!(uid));
    info.insert("title".into(), json!(title));
    info.insert("created_time".into(), json!(millis(created)));
    info.insert("first_seen_time".into(), json!(millis(first)));
    info.insert("last_seen_time".into(), json!(millis(last)));
    info
}

fn alarm_info(alarm: &Alarm, uid: &str) -> Map<String, Value> {
    let first = alarm.causes.iter().map(|c| c.first).min().unwrap_or(alarm.at);
    let last = alarm.causes.iter().map(|c| c.last).max().unwrap_or(alarm.at);
    let loudest = alarm.causes.first().map_or("no rule recorded", |c| &c.title);
    let mut info = info(uid, &format!("{}: {loudest}", alarm.entity), alarm.at, first, last);
    info.insert("desc".into(), json!(alarm.reasons.join("; ")));
    info.insert(
        "analytic".into(),
        json!({ "name": "Fusion of findings", "uid": "leckwehr:fusion", "type_id": 2, "type": "Behavioral" }),
    );
    let rules = alarm.causes.iter().map(|c| analytic(&c.rule, &c.title, &c.author));
    info.insert("related_analytics".into(), rules.collect());
    insert_attacks(&mut info, alarm.causes.iter().flat_map(|c| &c.techniques));
    let records: Vec<String> = alarm.causes.iter().flat_map(|c| c.evidence.clone()).collect();
    insert_records(&mut info, &records);
    info
}

/// A rule, with its author: OCSF has no field of its own for one.
fn analytic(rule: &str, title: &str, author: &str) -> Value {
    let (type_id, kind) = if is_own(rule) { (2, "Behavioral") } else { (1, "Rule") };
    json!({ "uid": rule, "name": title, "type_id": type_id, "type": kind, "desc": format!("by {author}") })
}

fn is_own(rule: &str) -> bool {
    rule.starts_with("detector:")
}

/// The licence that asks for the author's name.
fn license(rule: &str) -> &'static str {
    if is_own(rule) {
        "MIT OR Apache-2.0"
    } else {
        "as the rule says; SigmaHQ: DRL 1.1"
    }
}

fn insert_attacks<'a>(info: &mut Map<String, Value>, techniques: impl Iterator<Item = &'a String>) {
    let mut seen: Vec<&String> = Vec::new();
    for technique in techniques.filter(|t| is_technique(t)) {
        if !seen.contains(&technique) {
            seen.push(technique);
        }
    }
    let attack = |id: &String| {
        let (main, sub) = id.split_once('.').map_or((id.as_str(), None), |(main, _)| (main, Some(id)));
        let named = |uid: &str| json!({ "uid": uid, "name": uid, "src_url": technique_url(uid) });
        let mut attack = json!({ "technique": named(main) });
        if let Some(sub) = sub {
            attack["sub_technique"] = named(sub);
        }
        attack
    };
    if !seen.is_empty() {
        info.insert("attacks".into(), seen.into_iter().map(attack).collect());
    }
}

/// Where the raw records are: `source#record` is their id here.
fn insert_records(info: &mut Map<String, Value>, evidence: &[String]) {
    let records: Vec<Value> = evidence.iter().map(|place| json!({ "uid": place })).collect();
    if !records.is_empty() {
        info.insert("related_events".into(), Value::Array(records));
    }
}

fn evidence(finding: &Finding) -> Value {
    let mut evidence = json!({ "device": device(&finding.host),
        "data": { "records": finding.evidence, "detail": finding.detail } });
    if let Some(account) = finding.account.as_deref().filter(|a| !a.is_empty()) {
        evidence["user"] = json!({ "name": account });
    }
    if let Some(origin) = finding.origin.as_deref().filter(|o| !o.is_empty()) {
        evidence["src_endpoint"] = endpoint(origin);
    }
    evidence
}

fn alarm_evidence(alarm: &Alarm, cause: &Cause) -> Value {
    let mut evidence = json!({ "data": { "rule": cause.rule, "title": cause.title, "author": cause.author,
        "findings": cause.count, "records": cause.evidence } });
    match alarm.entity.split_once(':') {
        Some(("host", host)) => evidence["device"] = device(host),
        Some(("account", account)) => evidence["user"] = json!({ "name": named(account) }),
        _ => {}
    }
    evidence
}

/// A host by name or address; which kind of device it is is not known here.
fn device(host: &str) -> Value {
    let mut device = endpoint(host);
    device["type_id"] = json!(0);
    device["type"] = json!("Unknown");
    device
}

fn endpoint(name: &str) -> Value {
    match name.parse::<IpAddr>() {
        Ok(_) => json!({ "name": name, "ip": name }),
        Err(_) => json!({ "name": named(name) }),
    }
}

fn named(name: &str) -> &str {
    if name.is_empty() { "unknown" } else { name }
}

fn insert_observables(event: &mut Map<String, Value>, finding: &Finding) {
    let observable = |text: &String| {
        let is_hash = matches!(text.len(), 32 | 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
        let (type_id, kind) = match text.parse::<IpAddr>() {
            Ok(_) => (2, "IP Address"),
            Err(_) if is_hash => (8, "Hash"),
            Err(_) if text.contains("://") => (6, "URL String"),
            Err(_) => (1, "Hostname"),
        };
        json!({ "name": "evidences[0].data", "type_id": type_id, "type": kind, "value": text })
    };
    let observables: Vec<Value> = finding.indicators.iter().map(observable).collect();
    if !observables.is_empty() {
        event.insert("observables".into(), Value::Array(observables));
    }
}

/// Severity and risk level, by id and name.
fn severity_of_level(level: AlarmLevel) -> (u32, &'static str, u32, &'static str) {
    match level {
        AlarmLevel::Notice => (2, "Low", 1, "Low"),
        AlarmLevel::Warning => (4, "High", 3, "High"),
        AlarmLevel::Critical => (5, "Critical", 4, "Critical"),
    }
}

/// The levels of Sigma, as their weights.
fn severity_of_weight(weight: u8) -> (u32, &'static str, u32, &'static str) {
    match weight {
        0..10 => (1, "Informational", 0, "Info"),
        10..25 => (2, "Low", 1, "Low"),
        25..40 => (3, "Medium", 2, "Medium"),
        40..90 => (4, "High", 3, "High"),
        _ => (5, "Critical", 4, "Critical"),
    }
}

fn millis(at: Timestamp) -> i64 {
    at.0.div_euclid(1_000_000)
}
