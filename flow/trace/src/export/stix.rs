use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use leckwehr_crypt::uuid_v5;
use leckwehr_incident::{Confidence, OutsideRole, Tier};
use serde_json::{Map, Value, json};

use super::graph::role_word;
use super::{Export, attack_flow, tier_word};

/// Namespace of identifiers of observables (STIX 2.1, section 2.9).
const OBSERVABLES: [u8; 16] = [
    0x00, 0xab, 0xed, 0xb4, 0xaa, 0x42, 0x46, 0x6c, 0x9c, 0x01, 0xfe, 0xd2, 0x33, 0x15, 0xa9, 0xb7,
];
/// Namespace of all other identifiers: ours, so that the same export gives the same bundle.
const OWN: [u8; 16] = [
    0x8d, 0x4b, 0x1c, 0x57, 0x6f, 0x0e, 0x4e, 0x0a, 0x9b, 0x7d, 0x4c, 0x65, 0x63, 0x6b, 0x77, 0x65,
];

/// Returns the impact as a STIX 2.1 bundle with an Attack Flow 2.0 of the steps.
///
/// Addresses outside become infrastructure with indicators, hosts identities of class `system` and assets of the flow,
/// accounts `user-account`, claims notes with their confidence, steps and exfiltration actions. Identifiers are UUIDv5:
/// of observables by the standard's namespace and properties, of all else by content and time of creation.
pub fn stix_bundle(export: &Export<'_>) -> Value {
    let mut bundle = Bundle::new(export);
    bundle.provider();
    bundle.techniques();
    for host in export.impact.hosts.iter().filter(|h| h.tier <= Tier::Possible) {
        bundle.host(&host.system, host.tier, &host.reasons.join("\n"));
    }
    bundle.outside();
    bundle.accounts();
    attack_flow::add(&mut bundle);
    bundle.claims();
    bundle.incident();
    let id = bundle.own_id("bundle", "bundle");
    let objects: Vec<Value> = bundle.objects.into_values().collect();
    json!({ "type": "bundle", "id": id, "objects": objects })
}

/// The objects by identifier, and what refers to them.
pub(super) struct Bundle<'a> {
    pub export: &'a Export<'a>,
    pub objects: BTreeMap<String, Value>,
    /// Hosts, by name.
    pub hosts: BTreeMap<String, String>,
    /// Addresses outside, by address.
    pub infrastructure: BTreeMap<String, String>,
    /// Attack patterns, by technique.
    pub patterns: BTreeMap<String, String>,
}

impl<'a> Bundle<'a> {
    fn new(export: &'a Export<'a>) -> Self {
        Self {
            export,
            objects: BTreeMap::new(),
            hosts: BTreeMap::new(),
            infrastructure: BTreeMap::new(),
            patterns: BTreeMap::new(),
        }
    }

    /// Returns the identifier of an object of ours.
    pub(super) fn own_id(&self, kind: &str, key: &str) -> String {
        let name = format!("{kind}\n{}\n{}\n{key}", self.export.name, self.export.created.0);
        format!("{kind}--{}", uuid_v5(OWN, name.as_bytes()))
    }

    /// Adds an object with the properties that all have, and returns its identifier.
    pub(super) fn object(&mut self, kind: &str, key: &str, properties: Value) -> String {
        let id = self.own_id(kind, key);
        let created = self.export.created.to_string();
        let mut object = Map::new();
        object.insert("type".to_owned(), json!(kind));
        object.insert("spec_version".to_owned(), json!("2.1"));
        object.insert("id".to_owned(), json!(id));
        object.insert("created".to_owned(), json!(created));
        object.insert("modified".to_owned(), json!(created));
        let provider = self.own_id("identity", "provider");
        if id != provider {
            object.insert("created_by_ref".to_owned(), json!(provider));
        }
        object.extend(properties.as_object().cloned().unwrap_or_default());
        self.objects.insert(id.clone(), Value::Object(object));
        id
    }

    pub(super) fn relate(&mut self, from: &str, kind: &str, to: &str) {
        let properties = json!({ "relationship_type": kind, "source_ref": from, "target_ref": to });
        self.object("relationship", &format!("{from} {kind} {to}"), properties);
    }

    /// Adds an observable; its identifier follows from its identifying property alone.
    fn observable(&mut self, kind: &str, property: &str, value: &str) -> String {
        let name = json!({ property: value }).to_string();
        let id = format!("{kind}--{}", uuid_v5(OBSERVABLES, name.as_bytes()));
        let object = json!({ "type": kind, "spec_version": "2.1", "id": id, property: value });
        self.objects.insert(id.clone(), object);
        id
    }

    /// Adds the observable of an address and returns it with the pattern that finds it; none for a text that is no address.
    fn address(&mut self, text: &str) -> Option<(String, String)> {
        let label = |l: &str| !l.is_empty() && l.len() <= 63 && l.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
        let kind = match (text.parse::<Ipv4Addr>(), text.parse::<Ipv6Addr>()) {
            (Ok(_), _) => "ipv4-addr",
            (_, Ok(_)) => "ipv6-addr",
            _ if text.len() <= 253 && text.split('.').all(label) => "domain-name",
            _ => return None,
        };
        // None of these has a character that a pattern would need escaped.
        Some((self.observable(kind, "value", text), format!("[{kind}:value = '{text}']")))
    }

    fn provider(&mut self) {
        let name = self.export.estate.name.clone();
        let name = if name.is_empty() { "provider".to_owned() } else { name };
        self.object(
            "identity",
            "provider",
            json!({ "name": name, "identity_class": "organization" }),
        );
    }

    fn techniques(&mut self) {
        let findings = self
            .export
            .findings
            .iter()
            .flat_map(|f| f.techniques.iter().map(|t| (t.clone(), f.title.clone())));
        let findings: BTreeMap<String, String> = findings.filter(|(t, _)| is_technique(t)).collect();
        for (technique, title) in findings {
            self.pattern(&technique, &title);
        }
    }

    /// Adds a technique by its ATT&CK id.
    pub(super) fn pattern(&mut self, technique: &str, name: &str) -> String {
        if let Some(id) = self.patterns.get(technique) {
            return id.clone();
        }
        let url = format!("https://attack.mitre.org/techniques/{}", technique.replace('.', "/"));
        let reference = json!([{ "source_name": "mitre-attack", "external_id": technique, "url": url }]);
        let properties = json!({ "name": format!("{technique}: {name}"), "external_references": reference });
        let id = self.object("attack-pattern", technique, properties);
        self.patterns.insert(technique.to_owned(), id.clone());
        id
    }

    /// Adds a host once.
    pub(super) fn host(&mut self, name: &str, tier: Tier, why: &str) -> String {
        if let Some(id) = self.hosts.get(name) {
            return id.clone();
        }
        let mut properties = json!({ "name": name, "identity_class": "system", "confidence": confidence(tier) });
        let why = if why.is_empty() { "no reason recorded" } else { why };
        properties["description"] = json!(format!("{}: {why}", tier_word(tier)));
        let id = self.object("identity", &format!("host {name}"), properties);
        self.hosts.insert(name.to_owned(), id.clone());
        id
    }

    fn outside(&mut self) {
        for endpoint in &self.export.impact.outside {
            let address = self.address(&endpoint.address);
            let types: &[&str] = match endpoint.role {
                OutsideRole::Command => &["command-and-control"],
                OutsideRole::Exfiltration => &["exfiltration"],
                OutsideRole::CommandAndExfiltration => &["command-and-control", "exfiltration"],
                OutsideRole::Entry | OutsideRole::Unknown => &["unknown"],
            };
            let told = format!(
                "{} ({}); no more than {} bytes went there through observed exits. {}",
                role_word(endpoint.role),
                tier_word(endpoint.tier),
                endpoint.bytes_out_max,
                endpoint.evidence.join("\n")
            );
            let mut properties = json!({ "name": endpoint.address, "infrastructure_types": types, "description": told,
                "confidence": confidence(endpoint.tier) });
            let valid_from = endpoint.seen.map_or(self.export.created, |(first, _)| first);
            if let Some((first, last)) = endpoint.seen {
                properties["first_seen"] = json!(first.to_string());
                properties["last_seen"] = json!(last.max(first).to_string());
            }
            let infrastructure = self.object("infrastructure", &endpoint.address, properties);
            self.infrastructure.insert(endpoint.address.clone(), infrastructure.clone());
            let Some((observable, pattern)) = address else {
                continue;
            };
            self.relate(&infrastructure, "consists-of", &observable);
            if endpoint.tier <= Tier::Probable {
                let properties = json!({ "name": format!("contact with {}", endpoint.address), "pattern": pattern,
                    "description": "A host that speaks to this address is to be looked at.", "pattern_type": "stix", "indicator_types": ["malicious-activity"],
                    "valid_from": valid_from.to_string(), "confidence": confidence(endpoint.tier) });
                let indicator = self.object("indicator", &endpoint.address, properties);
                self.relate(&indicator, "indicates", &infrastructure);
            }
        }
    }

    fn accounts(&mut self) {
        for credential in self.export.impact.credentials.iter().filter(|c| c.tier <= Tier::Possible) {
            let account = self.observable("user-account", "account_login", &credential.account);
            for host in &credential.used_on {
                let host = self.host(host, credential.tier, "");
                self.relate(&account, "related-to", &host);
            }
        }
    }

    fn claims(&mut self) {
        for claim in self.export.claims {
            let refs = [self.own_id("incident", "incident")];
            let text = claim.text.get("en").or_else(|| claim.text.values().next());
            let content = format!(
                "{}\nCoverage: {}\nNot seen: {}\nTo be looked at again by {}.",
                text.map_or("", String::as_str),
                claim.coverage,
                claim.not_seen,
                claim.review_by
            );
            let sure = match claim.confidence {
                Confidence::Confirmed => 95,
                Confidence::Likely => 75,
                Confidence::Assessed => 50,
                Confidence::Unknown => 0,
            };
            let properties = json!({ "abstract": claim.id, "content": content, "confidence": sure, "lang": "en",
                "object_refs": refs });
            self.object("note", &claim.id, properties);
        }
    }

    fn incident(&mut self) {
        let impact = self.export.impact;
        let window = impact
            .window
            .map_or_else(|| "no record".to_owned(), |(a, b)| format!("records from {a} to {b}"));
        let mut told = format!(
            "{window}; no more than {} bytes left through observed exits.",
            impact.bytes_out_max
        );
        for text in impact.exits_unobserved.iter().chain(&impact.unknowns) {
            told.push_str("\nNot known: ");
            told.push_str(text);
        }
        let incident = self.object(
            "incident",
            "incident",
            json!({ "name": self.export.name, "description": told }),
        );
        let provider = self.own_id("identity", "provider");
        self.relate(&incident, "related-to", &provider);
        let linked: BTreeSet<String> = self.infrastructure.values().cloned().collect();
        for id in linked {
            self.relate(&incident, "related-to", &id);
        }
    }
}

/// `T1021` or `T1021.006`.
fn is_technique(text: &str) -> bool {
    let digits = |t: &str, n: usize| t.len() == n && t.bytes().all(|b| b.is_ascii_digit());
    let Some(rest) = text.strip_prefix('T') else {
        return false;
    };
    match rest.split_once('.') {
        Some((main, sub)) => digits(main, 4) && digits(sub, 3),
        None => digits(rest, 4),
    }
}

/// STIX confidence of a tier.
pub(super) fn confidence(tier: Tier) -> u8 {
    match tier {
        Tier::Proven => 95,
        Tier::Probable => 75,
        Tier::Possible => 25,
        Tier::Excluded | Tier::Unknown => 0,
    }
}
