use std::collections::{BTreeMap, BTreeSet};

use leckwehr_incident::{OutsideRole, Tier, Timestamp};
use serde_json::{Value, json};

use super::stix::{Bundle, confidence};
use super::tier_word;

/// The extension as its authors define it: Attack Flow 2.0.0 (Center for Threat-Informed Defense).
const EXTENSION: &str = "extension-definition--fb9c968a-745b-4ade-9b25-c324172197f4";
const AUTHOR: &str = "identity--d673f8cb-c168-42da-8ed4-0cb26725f86c";
const DEFINED: &str = "2022-08-02T19:34:35.143Z";

/// One action of the flow before it has an identifier.
struct Action {
    from: String,
    to: String,
    at: Timestamp,
    until: Option<Timestamp>,
    technique: &'static str,
    name: &'static str,
    tier: Tier,
    told: String,
}

/// Adds the steps as an Attack Flow: one action per step and per exfiltration, each leading to what came after it from
/// where it ended. Only steps above *possible*: reach alone is no action of anybody.
pub(super) fn add(bundle: &mut Bundle<'_>) {
    let actions = actions(bundle);
    if actions.is_empty() {
        return;
    }
    definition(bundle);
    let next = effects(&actions);
    let ids: Vec<String> = actions
        .iter()
        .enumerate()
        .map(|(n, _)| bundle.own_id("attack-action", &n.to_string()))
        .collect();
    let mut assets = BTreeMap::new();
    for (n, action) in actions.iter().enumerate() {
        let pattern = bundle.pattern(action.technique, action.name);
        let refs: BTreeSet<String> = [&action.from, &action.to]
            .into_iter()
            .map(|end| asset(bundle, &mut assets, end, action.tier))
            .collect();
        let mut properties = json!({ "name": action.name, "technique_id": action.technique, "technique_ref": pattern,
            "description": action.told, "execution_start": action.at.to_string(), "asset_refs": refs,
            "confidence": confidence(action.tier), "extensions": extension() });
        if let Some(until) = action.until {
            properties["execution_end"] = json!(until.max(action.at).to_string());
        }
        let effects: Vec<&String> = next[n].iter().filter_map(|m| ids.get(*m)).collect();
        if !effects.is_empty() {
            properties["effect_refs"] = json!(effects);
        }
        bundle.object("attack-action", &n.to_string(), properties);
    }
    let later: BTreeSet<usize> = next.iter().flatten().copied().collect();
    let starts: Vec<&String> = (0..ids.len())
        .filter(|n| !later.contains(n))
        .filter_map(|n| ids.get(n))
        .collect();
    let properties = json!({ "name": bundle.export.name, "scope": "incident", "start_refs": starts,
        "description": "Steps that are proven or probable; each says which.", "extensions": extension() });
    bundle.object("attack-flow", "flow", properties);
}

fn actions(bundle: &Bundle<'_>) -> Vec<Action> {
    let impact = bundle.export.impact;
    let hops = impact.hops.iter().filter(|h| h.tier <= Tier::Probable).map(|hop| {
        let (technique, name) = technique(&hop.means);
        let account = hop.account.as_ref().map_or_else(String::new, |a| format!(" as {a}"));
        Action {
            from: hop.from.clone(),
            to: hop.to.clone(),
            at: hop.at,
            until: None,
            technique,
            name,
            tier: hop.tier,
            told: format!(
                "{}: {} from {} to {}{account}\n{}",
                tier_word(hop.tier),
                hop.means,
                hop.from,
                hop.to,
                hop.evidence.join("\n")
            ),
        }
    });
    let exits = impact.outside.iter().filter(|o| {
        let leaves = matches!(o.role, OutsideRole::Exfiltration | OutsideRole::CommandAndExfiltration);
        leaves && o.tier <= Tier::Probable
    });
    let exits = exits.filter_map(|o| {
        let (first, last) = o.seen?;
        let said = |host: &str| o.evidence.iter().any(|e| e.starts_with(&format!("{host}:")));
        let host = impact
            .hosts
            .iter()
            .filter(|h| h.tier <= Tier::Probable)
            .find(|h| said(&h.system))?;
        Some(Action {
            from: host.system.clone(),
            to: o.address.clone(),
            at: first,
            until: Some(last),
            technique: "T1041",
            name: "Exfiltration Over C2 Channel",
            tier: o.tier,
            told: format!(
                "{}: data from {} to {}, no more than {} bytes through observed exits\n{}",
                tier_word(o.tier),
                host.system,
                o.address,
                o.bytes_out_max,
                o.evidence.join("\n")
            ),
        })
    });
    let mut actions: Vec<Action> = hops.chain(exits).collect();
    actions.sort_by(|a, b| (a.at, &a.from, &a.to, a.name).cmp(&(b.at, &b.from, &b.to, b.name)));
    actions
}

/// Each action follows from the last one before it that ended where it begins.
fn effects(actions: &[Action]) -> Vec<BTreeSet<usize>> {
    let mut next = vec![BTreeSet::new(); actions.len()];
    let mut arrived: BTreeMap<&str, usize> = BTreeMap::new();
    for (n, action) in actions.iter().enumerate() {
        if let Some(cause) = arrived.get(action.from.as_str()).and_then(|m| next.get_mut(*m)) {
            cause.insert(n);
        }
        arrived.insert(&action.to, n);
    }
    next
}

fn asset(bundle: &mut Bundle<'_>, assets: &mut BTreeMap<String, String>, end: &str, tier: Tier) -> String {
    if let Some(id) = assets.get(end) {
        return id.clone();
    }
    let object = match bundle.infrastructure.get(end) {
        Some(id) => id.clone(),
        None => bundle.host(end, tier, ""),
    };
    let properties = json!({ "name": end, "object_ref": object, "extensions": extension() });
    let id = bundle.object("attack-asset", end, properties);
    assets.insert(end.to_owned(), id.clone());
    id
}

/// The technique that the means of a step stand for.
fn technique(means: &str) -> (&'static str, &'static str) {
    match means {
        "remote execution (WinRM)" => ("T1021.006", "Windows Remote Management"),
        "file transfer (SMB)" | "administrative share" => ("T1021.002", "SMB/Windows Admin Shares"),
        "remote desktop" => ("T1021.001", "Remote Desktop Protocol"),
        "remote shell (SSH)" => ("T1021.004", "SSH"),
        "remote execution (RPC)" => ("T1569.002", "Service Execution"),
        "command channel" => ("T1071", "Application Layer Protocol"),
        "remote logon" => ("T1078", "Valid Accounts"),
        _ => ("T1021", "Remote Services"),
    }
}

fn extension() -> Value {
    json!({ EXTENSION: { "extension_type": "new-sdo" } })
}

fn definition(bundle: &mut Bundle<'_>) {
    let author = json!({ "type": "identity", "spec_version": "2.1", "id": AUTHOR, "created_by_ref": AUTHOR,
        "created": DEFINED, "modified": DEFINED, "name": "MITRE Center for Threat-Informed Defense",
        "identity_class": "organization" });
    let schema = "https://center-for-threat-informed-defense.github.io/attack-flow/stix/attack-flow-schema-2.0.0.json";
    let definition = json!({ "type": "extension-definition", "spec_version": "2.1", "id": EXTENSION, "created_by_ref": AUTHOR,
        "created": DEFINED, "modified": DEFINED, "name": "Attack Flow", "schema": schema, "version": "2.0.0",
        "description": "Extends STIX 2.1 with features to create Attack Flows.", "extension_types": ["new-sdo"] });
    bundle.objects.insert(AUTHOR.to_owned(), author);
    bundle.objects.insert(EXTENSION.to_owned(), definition);
}
