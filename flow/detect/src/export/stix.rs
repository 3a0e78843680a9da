use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use leckwehr_crypt::uuid_v5;
use leckwehr_incident::{AlarmLevel, AlarmView, Timestamp};
use serde_json::{Map, Value, json};

use super::{OWN, is_technique, technique_url};
use crate::tally::{HostTally, RuleTally, Tally};

/// Namespace of identifiers of observables (STIX 2.1, section 2.9).
const OBSERVABLES: [u8; 16] = [
    0x00, 0xab, 0xed, 0xb4, 0xaa, 0x42, 0x46, 0x6c, 0x9c, 0x01, 0xfe, 0xd2, 0x33, 0x15, 0xa9, 0xb7,
];
/// Largest number of a sighting (STIX 2.1, section 5.2).
const SIGHTING_COUNT_MAX: u64 = 999_999_999;

/// What is exported.
#[derive(Debug, Clone, Copy)]
pub struct StixExport<'a> {
    /// Name of the incident or hunt; identifiers follow from it.
    pub name: &'a str,
    /// Who says so.
    pub provider: &'a str,
    /// Time of creation that the objects bear.
    pub created: Timestamp,
    /// Findings by rule and host.
    pub tally: &'a Tally,
    /// Alarms in their present state.
    pub alarms: &'a [AlarmView],
    /// The text of rules, by id: these are given along as indicators of pattern type `sigma`.
    pub rule_texts: &'a BTreeMap<String, String>,
}

/// Returns findings and alarms as a STIX 2.1 bundle.
///
/// A rule whose text is at hand becomes an indicator, its techniques attack patterns; each host on which it fired is an identity
/// of class `system`, and a sighting of rule or technique says how often, from when to when. An alarm is a grouping; who closed
/// it, as what and why, is a note. Rules' authors stand in the indicators and in a note of each rule (DRL 1.1). Identifiers are
/// UUIDv5: of observables by the standard's namespace, of all else by the export's name and what they are. O(rules × hosts).
pub fn stix_findings(export: &StixExport<'_>) -> Value {
    let mut bundle = Bundle {
        export,
        objects: BTreeMap::new(),
    };
    let provider = json!({ "name": export.provider, "identity_class": "organization" });
    bundle.object("identity", "provider", provider);
    for (id, rule) in &export.tally.rules {
        bundle.rule(id, rule);
    }
    for view in export.alarms {
        bundle.alarm(view);
    }
    let id = bundle.id("bundle", "bundle");
    let objects: Vec<Value> = bundle.objects.into_values().collect();
    json!({ "type": "bundle", "id": id, "objects": objects })
}

struct Bundle<'a> {
    export: &'a StixExport<'a>,
    objects: BTreeMap<String, Value>,
}

impl Bundle<'_> {
    fn id(&self, kind: &str, key: &str) -> String {
        let name = format!("{kind}\n{}\n{}\n{key}", self.export.name, self.export.created.0);
        format!("{kind}--{}", uuid_v5(OWN, name.as_bytes()))
    }

    /// Adds an object with the properties that all have, and returns its identifier.
    fn object(&mut self, kind: &str, key: &str, properties: Value) -> String {
        let id = self.id(kind, key);
        let created = self.export.created.to_string();
        let mut object = Map::new();
        object.insert("type".into(), json!(kind));
        object.insert("spec_version".into(), json!("2.1"));
        object.insert("id".into(), json!(id));
        object.insert("created".into(), json!(created));
        object.insert("modified".into(), json!(created));
        let provider = self.id("identity", "provider");
        if id != provider {
            object.insert("created_by_ref".into(), json!(provider));
        }
        object.extend(properties.as_object().cloned().unwrap_or_default());
        self.objects.insert(id.clone(), Value::Object(object));
        id
    }

    /// Adds an observable; its identifier follows from its identifying property alone.
    fn observable(&mut self, kind: &str, property: &str, value: &str) -> String {
        let name = json!({ property: value }).to_string();
        let id = format!("{kind}--{}", uuid_v5(OBSERVABLES, name.as_bytes()));
        let object = json!({ "type": kind, "spec_version": "2.1", "id": id, property: value });
        self.objects.insert(id.clone(), object);
        id
    }

    fn host(&mut self, name: &str) -> String {
        let name = if name.is_empty() { "unknown" } else { name };
        let key = format!("host {name}");
        self.object("identity", &key, json!({ "name": name, "identity_class": "system" }))
    }

    fn technique(&mut self, technique: &str) -> String {
        let reference = json!([{ "source_name": "mitre-attack", "external_id": technique, "url": technique_url(technique) }]);
        let properties = json!({ "name": technique, "external_references": reference });
        self.object("attack-pattern", technique, properties)
    }

    /// Adds a rule, what it indicates, and where it was seen.
    fn rule(&mut self, id: &str, rule: &RuleTally) {
        let techniques = rule.techniques.iter().filter(|t| is_technique(t));
        let techniques: Vec<String> = techniques.map(|t| self.technique(t)).collect();
        let indicator = self.export.rule_texts.get(id).map(|text| self.indicator(id, rule, text));
        for (technique, indicator) in techniques.iter().flat_map(|t| indicator.iter().map(move |i| (t, i))) {
            let key = format!("{indicator} indicates {technique}");
            let properties = json!({ "relationship_type": "indicates", "source_ref": indicator, "target_ref": technique });
            self.object("relationship", &key, properties);
        }
        let of: Vec<String> = match indicator {
            Some(indicator) => vec![indicator],
            None => techniques,
        };
        let mut seen = Vec::new();
        for (host, count) in &rule.hosts {
            let host_ref = self.host(host);
            seen.push(host_ref.clone());
            for of in &of {
                seen.push(self.sighting(id, rule, of, &host_ref, count));
            }
        }
        let beyond = match rule.hosts_beyond {
            0 => String::new(),
            more => format!(" {more} findings on further hosts are not listed."),
        };
        let content = format!(
            "{} findings of the rule {} ({id}) by {}, from {} to {}.{beyond} Records: {}.",
            rule.count,
            rule.title,
            rule.author,
            rule.first,
            rule.last,
            rule.evidence.join(", ")
        );
        let properties = json!({ "abstract": rule.title, "content": content, "authors": [rule.author], "object_refs": seen });
        self.object("note", &format!("rule {id}"), properties);
    }

    fn indicator(&mut self, id: &str, rule: &RuleTally, text: &str) -> String {
        let reference = json!([{ "source_name": "sigma", "external_id": id,
            "description": format!("rule by {}; keep the author's name with it (Detection Rule License 1.1)", rule.author) }]);
        let properties = json!({ "name": rule.title, "description": format!("Sigma rule by {}", rule.author),
            "pattern": text, "pattern_type": "sigma", "indicator_types": ["anomalous-activity"],
            "valid_from": rule.first.to_string(), "external_references": reference });
        self.object("indicator", &format!("rule {id}"), properties)
    }

    fn sighting(&mut self, rule_id: &str, rule: &RuleTally, of: &str, host: &str, count: &HostTally) -> String {
        let properties = json!({ "sighting_of_ref": of, "where_sighted_refs": [host], "count": count.count.min(SIGHTING_COUNT_MAX),
            "first_seen": count.first.to_string(), "last_seen": count.last.to_string(),
            "description": format!("{} (by {})", rule.title, rule.author) });
        self.object("sighting", &format!("{rule_id} {of} {host}"), properties)
    }

    fn alarm(&mut self, view: &AlarmView) {
        let alarm = &view.alarm;
        let mut refs = vec![self.entity(&alarm.entity)];
        for technique in alarm.causes.iter().flat_map(|c| &c.techniques).filter(|t| is_technique(t)) {
            refs.push(self.technique(technique));
        }
        refs.sort();
        refs.dedup();
        let level = match alarm.level {
            AlarmLevel::Notice => "notice",
            AlarmLevel::Warning => "warning",
            AlarmLevel::Critical => "critical",
        };
        let description = format!(
            "{level}, risk {:.0} at {}: {}",
            alarm.risk,
            alarm.at,
            alarm.reasons.join("; ")
        );
        let properties = json!({ "name": format!("{}: {}", alarm.id, alarm.entity), "description": description,
            "context": "suspicious-activity", "object_refs": refs });
        let grouping = self.object("grouping", &alarm.id, properties);
        for (number, closing) in view.closings.iter().enumerate() {
            let as_what = closing.verdict.map_or("undetermined", |verdict| verdict.word());
            let mut content = format!("closed as {as_what} by {} at {}: {}", closing.by, closing.at, closing.reason);
            if let Some((at, why)) = &closing.reopened {
                content.push_str(&format!("\nopen again since {at}: {why}"));
            }
            let properties = json!({ "abstract": format!("{} closed", alarm.id), "content": content, "authors": [closing.by],
                "object_refs": [grouping] });
            self.object("note", &format!("{} closing {number}", alarm.id), properties);
        }
    }

    /// Adds the object that an alarm is about.
    fn entity(&mut self, entity: &str) -> String {
        match entity.split_once(':') {
            Some(("account", account)) => self.observable("user-account", "account_login", account),
            Some(("host", address)) if address.parse::<Ipv4Addr>().is_ok() => self.observable("ipv4-addr", "value", address),
            Some(("host", address)) if address.parse::<Ipv6Addr>().is_ok() => self.observable("ipv6-addr", "value", address),
            Some(("host", host)) => self.host(host),
            Some((kind, name)) => {
                let class = if kind == "party" { "organization" } else { "system" };
                let properties = json!({ "name": name, "identity_class": class });
                self.object("identity", entity, properties)
            }
            None => self.host(entity),
        }
    }
}
