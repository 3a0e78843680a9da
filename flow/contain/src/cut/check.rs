//! The checker: parses a certificate and the estate itself and trusts nothing of the engine that made it.
use std::collections::{BTreeMap, BTreeSet, HashMap};

use leckwehr_crypt::{hex, sha256};
use leckwehr_incident::PlanRecord;
use serde_json::Value;

use super::check_ground::{Way, list, map, prices, text, ways, whole};

/// The capacity of what cannot be cut.
const ENDLESS: u128 = u128::MAX;

/// What was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct CheckedCut {
    /// Cost of the cut and amount of the flow, which is the same.
    pub value: u64,
    /// Switches of the cut.
    pub switches: usize,
    /// Ways of the estate that were walked.
    pub ways: usize,
    /// Ways on which something flows.
    pub flows: usize,
}

/// The first item that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{item}: {why}")]
pub struct CutRefusal {
    /// A field, a switch or a way.
    pub item: String,
    /// What is wrong with it.
    pub why: String,
}

pub(super) type Outcome<T> = Result<T, CutRefusal>;

pub(super) fn need(holds: bool, item: &str, why: &str) -> Outcome<()> {
    let refusal = || CutRefusal {
        item: item.to_owned(),
        why: why.to_owned(),
    };
    holds.then_some(()).ok_or_else(refusal)
}

/// Verifies that the cut separates, that it costs what it says, and that none is cheaper.
///
/// All that lies in protected zones must be a target or a source. Takes the bytes of the certificate and of
/// [`super::certificate::estate_json`], and, if given, of an impact whose hosts
/// must all be sources, and of a plan, which must switch all of the cut that guards can. O((ways + flows) log ways).
pub fn check_cut(certificate: &[u8], estate: &[u8], impact: Option<&[u8]>, plan: Option<&[u8]>) -> Outcome<CheckedCut> {
    let (paper, ground) = (read("certificate", certificate)?, read("estate", estate)?);
    let seal = text(&paper, "seal");
    let blank = String::from_utf8_lossy(certificate).replacen(&format!("\"seal\":\"{seal}\""), "\"seal\":\"\"", 1);
    need(text(&paper, "format") == "leckwehr-cut/1", "format", "is not known")?;
    need(seal == hex(&sha256(blank.as_bytes())), "seal", "does not fit the text")?;
    let bound = text(&paper, "estate-sha256") == hex(&sha256(estate));
    need(bound, "estate-sha256", "is of another estate")?;
    let names = |key: &str| {
        list(&paper[key])
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect::<BTreeSet<String>>()
    };
    let (sources, targets) = (names("sources"), names("targets"));
    need(!sources.is_empty(), "sources", "are none")?;
    need(!targets.is_empty(), "targets", "are none")?;
    all_protected(&ground, &sources, &targets)?;
    let prices = prices(&ground, &paper["policy"])?;
    let mut cut = BTreeSet::new();
    for switch in list(&paper["cut"]) {
        let name = text(switch, "switch");
        let price = prices.get(name).copied().flatten();
        need(price.is_some(), name, "may not be cut, or has no switch")?;
        need(price == Some(whole(switch, "weight")?), name, "weighs something else")?;
        need(cut.insert(name.to_owned()), name, "stands twice in the cut")?;
    }
    let ways = ways(&ground, &prices, &sources, &targets)?;
    let flows = list(&paper["flow"]).iter().map(flow_of).collect::<Outcome<Vec<_>>>()?;
    let checked = weigh_up(&ways, &flows, &cut, &prices, whole(&paper, "value")?)?;
    if let Some(impact) = impact {
        all_hosts(&read("impact", impact)?, &ground, &sources)?;
    }
    if let Some(plan) = plan {
        planned(plan, &ground, &cut)?;
    }
    Ok(checked)
}

/// Verifies a flow and a cut over numbered ways: (from, to, capacity or none, switch). For networks that are no estates.
///
/// # Errors
/// The first thing that does not hold, as [`check_cut`].
pub fn check_flow(
    ways: &[(u32, u32, Option<u64>, u32)],
    flows: &[(u32, u32, u64)],
    cut: &[(u32, u64)],
    value: u64,
    ends: (u32, u32),
) -> Outcome<CheckedCut> {
    let mut room: HashMap<(u32, u32), u128> = HashMap::with_capacity(ways.len());
    for (from, to, capacity, _) in ways {
        let room = room.entry((*from, *to)).or_default();
        *room = room.saturating_add(capacity.map_or(ENDLESS, u128::from));
    }
    let mut kept: HashMap<u32, i128> = HashMap::new();
    for (from, to, amount) in flows {
        let left = room
            .get_mut(&(*from, *to))
            .and_then(|room| room.checked_sub(u128::from(*amount)).map(|left| *room = left));
        need(
            left.is_some(),
            &format!("flow {from} → {to}"),
            "is more than the way can carry",
        )?;
        *kept.entry(*from).or_default() -= i128::from(*amount);
        *kept.entry(*to).or_default() += i128::from(*amount);
    }
    let (source, target) = ends;
    let lost = kept
        .iter()
        .find(|(node, sum)| **sum != 0 && **node != source && **node != target);
    need(lost.is_none(), "flow", "is not what it was behind some node")?;
    let arrives = kept.get(&target).copied().unwrap_or(0);
    need(arrives == i128::from(value), "flow", "does not amount to the value")?;
    let costs: u128 = cut.iter().map(|(_, weight)| u128::from(*weight)).sum();
    need(costs == u128::from(value), "cut", "does not cost the value")?;
    let cut: BTreeSet<u32> = cut.iter().map(|(switch, _)| *switch).collect();
    let mut next: HashMap<u32, Vec<u32>> = HashMap::new();
    for (from, to, _, _) in ways.iter().filter(|(_, _, _, switch)| !cut.contains(switch)) {
        next.entry(*from).or_default().push(*to);
    }
    let (mut seen, mut open) = (BTreeSet::from([source]), vec![source]);
    while let Some(node) = open.pop() {
        let onward = next.get(&node).map_or(&[][..], Vec::as_slice);
        open.extend(onward.iter().copied().filter(|to| seen.insert(*to)));
    }
    need(!seen.contains(&target), "cut", "leaves a way to what is protected")?;
    Ok(CheckedCut {
        value,
        switches: cut.len(),
        ways: ways.len(),
        flows: flows.len(),
    })
}

/// The same by name.
fn weigh_up(
    ways: &[Way],
    flows: &[(&str, &str, u64)],
    cut: &BTreeSet<String>,
    prices: &BTreeMap<String, Option<u64>>,
    value: u64,
) -> Outcome<CheckedCut> {
    let mut numbers: HashMap<String, u32> = HashMap::new();
    let mut number = |name: &str| {
        let next = numbers.len() as u32;
        *numbers.entry(name.to_owned()).or_insert(next)
    };
    let ends = (number("attacker"), number("protected"));
    let numbered: Vec<_> = ways
        .iter()
        .map(|w| {
            (
                number(&w.from),
                number(&w.to),
                prices.get(&w.switch).copied().flatten(),
                number(&w.switch),
            )
        })
        .collect();
    let flows: Vec<_> = flows
        .iter()
        .map(|(from, to, amount)| (number(from), number(to), *amount))
        .collect();
    let cut: Vec<_> = cut
        .iter()
        .map(|s| (number(s), prices.get(s).copied().flatten().unwrap_or(0)))
        .collect();
    check_flow(&numbered, &flows, &cut, value, ends)
}

fn flow_of(flow: &Value) -> Outcome<(&str, &str, u64)> {
    let found = flow[0].as_str().zip(flow[1].as_str()).zip(flow[2].as_u64());
    found
        .map(|((from, to), amount)| (from, to, amount))
        .ok_or_else(|| CutRefusal {
            item: "flow".into(),
            why: "is not written as from, to, amount".into(),
        })
}

/// Whatever lies in a protected zone is a target, unless the attacker may be there already.
fn all_protected(ground: &Value, sources: &BTreeSet<String>, targets: &BTreeSet<String>) -> Outcome<()> {
    let listed = |state: &str| {
        need(
            targets.contains(state) || sources.contains(state),
            state,
            "is protected and no target",
        )
    };
    for (id, _) in map(&ground["zones"]).filter(|(_, z)| z["protected"] == Value::Bool(true)) {
        listed(&format!("zone:{id}"))?;
        for (system, _) in map(&ground["systems"]).filter(|(_, s)| text(s, "zone") == id) {
            listed(system)?;
        }
    }
    Ok(())
}

/// Every host of the impact where the attacker may be is a source.
fn all_hosts(impact: &Value, ground: &Value, sources: &BTreeSet<String>) -> Outcome<()> {
    for host in list(&impact["hosts"]) {
        let (id, tier) = (text(host, "system"), text(host, "tier"));
        let known = ground["systems"].get(id).is_some();
        let held = ["proven", "probable", "possible"].contains(&tier);
        need(
            !(known && held) || sources.contains(id),
            id,
            "may be the attacker's and is no source",
        )?;
    }
    Ok(())
}

/// The plan is sealed and switches all of the cut that a guard can.
fn planned(plan: &[u8], ground: &Value, cut: &BTreeSet<String>) -> Outcome<()> {
    let plan: PlanRecord = serde_json::from_slice(plan).map_err(|e| CutRefusal {
        item: "plan".into(),
        why: e.to_string(),
    })?;
    need(plan.is_sealed(), "plan", "is not sealed by its hash")?;
    let does = |action: &str, target: &str| plan.steps.iter().any(|s| s.action == action && s.target == target);
    for name in cut {
        let Some((kind, id)) = name.split_once(':') else {
            continue;
        };
        let by_hand = ground["connections"][id]["switch"]["guard"].is_null();
        match kind {
            "connection" => need(
                by_hand || does("cut-connection", id),
                name,
                "is in the cut and not in the plan",
            )?,
            _ => need(does("isolate-host", id), name, "is in the cut and not in the plan")?,
        }
    }
    Ok(())
}

fn read(item: &str, bytes: &[u8]) -> Outcome<Value> {
    serde_json::from_slice(bytes).map_err(|e| CutRefusal {
        item: item.to_owned(),
        why: format!("is not JSON: {e}"),
    })
}
