//! The checker's own reading of estate, switches and JSON; nothing of the engine's.
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::check::{Outcome, Refusal};

/// From, to, kind, connection, switches.
type Way = (String, String, usize, String, Vec<String>);
/// Cuts of one switch, start and end (`i64::MAX`: not ended), and what shows them.
type Cuts<'t> = (Vec<(i64, i64)>, Vec<&'t Value>);

/// What the certificate must hold on.
pub(super) struct Ground<'t> {
    pub estate: &'t Value,
    pub lines: &'t [Value],
    pub cuts: BTreeMap<&'t str, Cuts<'t>>,
    pub skew: i64,
}

impl<'t> Ground<'t> {
    pub(super) fn every_way(&self) -> BTreeSet<Way> {
        let (mut ways, systems) = (BTreeSet::new(), &self.estate["systems"]);
        let mut add = |from: &str, to: &str, kind: usize, via: &str, gates: &[&str]| {
            let gates = gates.iter().map(|g| (*g).to_owned()).collect();
            ways.insert((from.to_owned(), to.to_owned(), kind, via.to_owned(), gates));
        };
        let named = self
            .lines
            .iter()
            .flat_map(|l| ["state", "from", "to"].map(|key| text(l, key)));
        let listed = map(systems).map(|(id, _)| id.as_str());
        for state in named.chain(listed).collect::<BTreeSet<_>>() {
            let Some(zone) = self.zone_of(state) else { continue };
            let gates = if systems.get(state).is_some() { &[state][..] } else { &[] };
            add(state, &format!("zone:{zone}"), 0, "", gates);
            add(&format!("zone:{zone}"), state, 0, "", gates);
        }
        for (id, system) in map(systems) {
            for over in list(&system["needs"])
                .iter()
                .flat_map(|n| list(&n["any_of"]))
                .filter_map(Value::as_str)
            {
                match text(&systems[over], "kind") {
                    "Hypervisor" => add(over, id, 2, "", &[]),
                    "Directory" => add(over, id, 2, "", &[over, id]),
                    _ => {}
                }
            }
        }
        for (id, connection) in map(&self.estate["connections"]) {
            for (from, to) in self.pairs(connection) {
                let gates: Vec<&str> = [id, from.as_str(), &to]
                    .into_iter()
                    .filter(|g| !g.starts_with("zone:"))
                    .collect();
                add(&from, &to, 1, id, &gates);
            }
        }
        for (id, zone) in map(&self.estate["zones"]) {
            if text(&self.estate["parties"][text(zone, "party")], "kind") == "Public" {
                add("outside", &format!("zone:{id}"), 3, "", &[]);
                add(&format!("zone:{id}"), "outside", 3, "", &[]);
            }
        }
        ways
    }

    /// Returns the pairs of states between which a connection can be opened.
    fn pairs(&self, connection: &Value) -> Vec<(String, String)> {
        let ends = |end: &str| -> Vec<String> {
            if self.estate["systems"].get(end).is_some() {
                return vec![end.to_owned()];
            }
            let here =
                |id: &str, zone: &Value| id == end || (self.estate["zones"].get(end).is_none() && text(zone, "party") == end);
            map(&self.estate["zones"])
                .filter(|(id, z)| here(id, z))
                .map(|(id, _)| format!("zone:{id}"))
                .collect()
        };
        let (froms, tos) = (ends(text(connection, "from")), ends(text(connection, "to")));
        let mut pairs: Vec<(String, String)> = froms
            .iter()
            .flat_map(|f| tos.iter().map(|t| (f.clone(), t.clone())))
            .collect();
        if connection["both_ways"] == json!(true) {
            pairs.extend(pairs.clone().into_iter().map(|(f, t)| (t, f)));
        }
        pairs
    }

    /// Whether every connection that a contact can have taken was cut, or one end was off the grid.
    pub(super) fn is_cut(&self, from: &str, to: &str, first: i64, last: i64) -> bool {
        let within = |(start, end): &(i64, i64)| {
            start.saturating_add(self.skew) <= first && (*end == i64::MAX || last < end.saturating_sub(self.skew))
        };
        let cut = |id: &str| self.cuts.get(id).is_some_and(|(cuts, _)| cuts.iter().any(within));
        let off = |host: &str| self.estate["systems"].get(host).is_some() && cut(host);
        let (Some(a), Some(b)) = (self.zone_of(from), self.zone_of(to)) else {
            return off(from) || off(to);
        };
        let fits = |end: &str, state: &str, zone: &str| end == state || end.strip_prefix("zone:") == Some(zone);
        let spans = |connection: &Value| self.pairs(connection).iter().any(|(f, t)| fits(f, from, a) && fits(t, to, b));
        let mut taken = map(&self.estate["connections"]).filter(|(_, c)| spans(c)).peekable();
        off(from) || off(to) || (a != b && taken.peek().is_some() && taken.all(|(id, _)| cut(id)))
    }

    pub(super) fn open_from(&self, gates: &[String], mut at: i64) -> Option<i64> {
        let mut cuts: Vec<&(i64, i64)> = gates
            .iter()
            .filter_map(|g| self.cuts.get(g.as_str()))
            .flat_map(|c| &c.0)
            .collect();
        cuts.sort_unstable();
        for (start, end) in cuts {
            let open = end.saturating_sub(self.skew);
            if start.saturating_add(self.skew) <= at && (*end == i64::MAX || at < open) {
                at = if *end == i64::MAX { return None } else { open };
            }
        }
        Some(at)
    }

    pub(super) fn zone_of(&self, state: &str) -> Option<&'t str> {
        if let Some(system) = self.estate["systems"].get(state) {
            return system["zone"].as_str();
        }
        let bits = |address: &str| address.parse::<Ipv4Addr>().ok().map(u32::from);
        let address = bits(state)?;
        let zones = map(&self.estate["zones"]).filter_map(|(id, zone)| {
            let (network, prefix) = (bits(zone["network"][0].as_str()?)?, zone["network"][1].as_u64()?.min(32));
            let inside = prefix == 0 || (address ^ network) >> (32 - prefix) == 0;
            inside.then_some((prefix, id.as_str()))
        });
        zones.max_by_key(|(prefix, _)| *prefix).map(|(_, id)| id)
    }
}

pub(super) fn cuts(lines: &[Value]) -> Outcome<BTreeMap<&str, Cuts<'_>>> {
    let mut cuts: BTreeMap<&str, Cuts<'_>> = BTreeMap::new();
    let mut changes: Vec<(i64, bool, String, &Value)> = Vec::new();
    for line in lines.iter().filter(|l| text(l, "line") == "switch") {
        changes.push((
            whole(line, "at")?,
            line["cut"] != json!(true),
            line["evidence"].to_string(),
            line,
        ));
    }
    changes.sort_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
    for (at, opens, _, line) in changes {
        let (cuts, evidence) = cuts.entry(text(line, "target")).or_default();
        let running = cuts.last_mut().filter(|(_, end)| *end == i64::MAX);
        match (opens, running) {
            (false, None) => cuts.push((at, i64::MAX)),
            (true, Some(cut)) => cut.1 = at,
            _ => {}
        }
        evidence.extend(list(&line["evidence"]));
    }
    Ok(cuts)
}

pub(super) fn need(holds: bool, item: &str, why: &str) -> Outcome<()> {
    let (item, why) = (item.to_owned(), why.to_owned());
    if holds { Ok(()) } else { Err(Refusal { item, why }) }
}

pub(super) fn read(item: &str, bytes: &[u8]) -> Outcome<Value> {
    serde_json::from_slice(bytes).or_else(|e| need(false, item, &format!("is not JSON: {e}")).map(|()| Value::Null))
}

pub(super) fn whole(value: &Value, key: &str) -> Outcome<i64> {
    need(value[key].is_i64(), key, "is no whole number").map(|()| value[key].as_i64().unwrap_or(0))
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
