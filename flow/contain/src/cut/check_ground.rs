//! The checker's own reading of estate and policy; nothing of the engine's.
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::check::{CutRefusal, Outcome, need};

/// One way between two nodes; without a switch it cannot be cut.
pub(super) struct Way {
    pub from: String,
    pub to: String,
    /// Name of the switch that cuts it, else empty.
    pub switch: String,
}

/// Every way of the estate, those from the attacker to the sources and from the targets to what is protected included.
pub(super) fn ways(
    estate: &Value,
    prices: &BTreeMap<String, Option<u64>>,
    sources: &BTreeSet<String>,
    targets: &BTreeSet<String>,
) -> Outcome<Vec<Way>> {
    let mut ways = Vec::new();
    let mut add = |from: String, to: String, switch: &str| {
        let switch = if prices.get(switch).copied().flatten().is_some() {
            switch
        } else {
            ""
        };
        ways.push(Way {
            from,
            to,
            switch: switch.to_owned(),
        });
    };
    let (mut over, mut split) = (BTreeSet::new(), BTreeSet::new());
    for (id, system) in map(&estate["systems"]) {
        for master in list(&system["needs"])
            .iter()
            .flat_map(|n| list(&n["any_of"]))
            .filter_map(Value::as_str)
        {
            let kind = text(&estate["systems"][master], "kind");
            if kind == "Hypervisor" {
                split.extend([master, id]);
            }
            if ["Hypervisor", "Directory"].contains(&kind) {
                over.insert((master, id.as_str(), kind == "Hypervisor"));
            }
        }
    }
    let enter = |state: &str| {
        if split.contains(state) {
            format!("{state}/in")
        } else {
            state.to_owned()
        }
    };
    let leave = |state: &str| {
        if split.contains(state) {
            format!("{state}/out>")
        } else {
            format!("{state}>")
        }
    };
    add("outside".into(), "outside>".into(), "");
    for (id, zone) in map(&estate["zones"]) {
        let name = format!("zone:{id}");
        add(name.clone(), format!("{name}>"), "");
        if text(&estate["parties"][text(zone, "party")], "kind") == "Public" {
            add("outside>".into(), name.clone(), "");
            add(format!("{name}>"), "outside".into(), "");
        }
    }
    for (id, system) in map(&estate["systems"]) {
        let (zone, switch) = (format!("zone:{}", text(system, "zone")), format!("system:{id}"));
        add(format!("{zone}>"), enter(id), "");
        add(leave(id), zone, "");
        if split.contains(id.as_str()) {
            add(format!("{id}/in"), format!("{id}/in>"), "");
            add(format!("{id}/in>"), id.clone(), &switch);
            add(id.clone(), format!("{id}>"), "");
            add(format!("{id}>"), format!("{id}/out"), &switch);
            add(format!("{id}/out"), format!("{id}/out>"), "");
        } else {
            add(id.clone(), format!("{id}>"), &switch);
        }
    }
    for (master, id, holds) in over {
        match holds {
            true => add(format!("{master}>"), id.to_owned(), ""),
            false => add(leave(master), enter(id), ""),
        }
    }
    for (id, link) in map(&estate["connections"]) {
        let (froms, tos) = (ends(estate, text(link, "from")), ends(estate, text(link, "to")));
        let (name, both) = (format!("connection:{id}"), link["both_ways"] == Value::Bool(true));
        if froms.len() == 1 && tos.len() == 1 {
            add(leave(&froms[0]), enter(&tos[0]), &name);
            if both {
                add(leave(&tos[0]), enter(&froms[0]), &name);
            }
            continue;
        }
        add(name.clone(), format!("{name}>"), &name);
        for (ends, goes_in, goes_out) in [(&froms, true, both), (&tos, both, true)] {
            for end in ends {
                if goes_in {
                    add(leave(end), name.clone(), "");
                }
                if goes_out {
                    add(format!("{name}>"), enter(end), "");
                }
            }
        }
    }
    for source in sources {
        known(estate, source)?;
        add("attacker".into(), source.clone(), "");
    }
    for target in targets {
        known(estate, target)?;
        add(format!("{target}>"), "protected".into(), "");
    }
    Ok(ways)
}

fn known(estate: &Value, state: &str) -> Outcome<()> {
    let zone = state.strip_prefix("zone:");
    let there = state == "outside" || zone.map_or(&estate["systems"][state], |z| &estate["zones"][z]).is_object();
    need(there, state, "is not in the estate")
}

fn ends(estate: &Value, end: &str) -> Vec<String> {
    if estate["systems"].get(end).is_some() {
        return vec![end.to_owned()];
    }
    let of_party = estate["zones"].get(end).is_none();
    let here = |(id, zone): &(&String, &Value)| *id == end || of_party && text(zone, "party") == end;
    map(&estate["zones"])
        .filter(here)
        .map(|(id, _)| format!("zone:{id}"))
        .collect()
}

/// The weight of every switch under the policy; none for a life-line.
pub(super) fn prices(estate: &Value, policy: &Value) -> Outcome<BTreeMap<String, Option<u64>>> {
    let of_policy = |key: &str| whole(policy, key);
    let rates = [
        of_policy("hours")?,
        of_policy("eur-per-insurer")?,
        of_policy("eur-per-1000-insured")?,
    ];
    let (switching, manual) = (of_policy("switching-eur")?, of_policy("manual-eur")?);
    let spares = policy["spare-vital"] == Value::Bool(true);
    let agreed: BTreeSet<&str> = list(&policy["life-lines"]).iter().filter_map(Value::as_str).collect();
    let mut prices = BTreeMap::new();
    let mut put = |name: String, lost: &[&str], id: &str, effort: u64| {
        let (harm, off) = harm(estate, lost, rates);
        let is_kept = |s: &str| agreed.contains(s) || spares && estate["services"][s]["vital"] == Value::Bool(true);
        let kept = agreed.contains(id) || off.iter().any(|s| is_kept(s));
        let weight = effort.saturating_add(harm).min(1 << 38);
        prices.insert(name, (!kept).then_some(weight));
    };
    for (id, system) in map(&estate["systems"]) {
        if estate["zones"][text(system, "zone")]["guard"].is_string() {
            put(format!("system:{id}"), &[id], id, switching);
        }
    }
    for (id, connection) in map(&estate["connections"]).filter(|(_, c)| c["switch"].is_object()) {
        let lost: Vec<&str> = list(&connection["switch"]["breaks"])
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let by_hand = connection["switch"]["guard"].is_null();
        put(
            format!("connection:{id}"),
            &lost,
            id,
            switching.saturating_add(if by_hand { manual } else { 0 }),
        );
    }
    Ok(prices)
}

/// What it costs to lose these systems and services, and which services are off.
fn harm<'v>(estate: &'v Value, lost: &[&'v str], rates: [u64; 3]) -> (u64, Vec<&'v str>) {
    let mut down: BTreeSet<&str> = lost.iter().copied().collect();
    let unmet = |need: &Value, down: &BTreeSet<&str>| {
        list(&need["any_of"])
            .iter()
            .all(|id| id.as_str().is_some_and(|i| down.contains(i)))
    };
    loop {
        let all = map(&estate["systems"]).chain(map(&estate["services"]));
        let falls = all.filter(|(id, one)| !down.contains(id.as_str()) && list(&one["needs"]).iter().any(|n| unmet(n, &down)));
        let fallen: Vec<&str> = falls.map(|(id, _)| id.as_str()).collect();
        if fallen.is_empty() {
            break;
        }
        down.extend(fallen);
    }
    let (mut eur, mut off, mut customers) = (0_u64, Vec::new(), BTreeSet::new());
    for (id, service) in map(&estate["services"]).filter(|(id, _)| down.contains(id.as_str())) {
        let hourly = service["harm_eur_per_hour"].as_u64().unwrap_or(0);
        let works = |mode: &Value| !list(&mode["needs"]).is_empty() && !list(&mode["needs"]).iter().any(|n| unmet(n, &down));
        let limited = list(&service["degraded"]).iter().any(works);
        eur = eur.saturating_add(if limited { hourly / 2 } else { hourly });
        if !limited {
            off.push(id.as_str());
        }
        let served = list(&service["customers"]);
        let insurers = map(&estate["parties"]).filter(|(_, p)| text(p, "kind") == "Insurer");
        customers.extend(
            insurers
                .map(|(id, _)| id)
                .filter(|id| served.is_empty() || served.iter().any(|c| c == id.as_str())),
        );
    }
    let insured = customers
        .iter()
        .map(|id| estate["parties"][id.as_str()]["insured"].as_u64().unwrap_or(0));
    let insured = insured.fold(0, u64::saturating_add);
    let [hours, insurer, thousand] = rates;
    let persons = (customers.len() as u64)
        .saturating_mul(insurer)
        .saturating_add((insured / 1_000).saturating_mul(thousand));
    (eur.saturating_mul(hours).saturating_add(persons), off)
}

pub(super) fn whole(value: &Value, key: &str) -> Outcome<u64> {
    value[key].as_u64().ok_or_else(|| CutRefusal {
        item: key.to_owned(),
        why: "is no whole number".into(),
    })
}

pub(super) fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or("")
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn map(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}
