//! The checker: parses a certificate and its inputs itself and trusts nothing of the engine that made it.
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use leckwehr_crypt::{hex, sha256};
use serde_json::{Value, json};

/// What was tried against the closed set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// States of the set, contacts, ways.
    pub tried: [usize; 3],
}

/// The first item of a certificate that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{item}: {why}")]
pub struct Refusal {
    /// A field, a state, a record or a way.
    pub item: String,
    /// What is wrong with it.
    pub why: String,
}

type Outcome<T> = Result<T, Refusal>;
type Way = (String, String, usize, String, Vec<String>);
/// Cuts of one switch, start and end (`i64::MAX`: not ended), and what shows them.
type Cuts<'t> = (Vec<(i64, i64)>, Vec<&'t Value>);
const KINDS: [&str; 4] = ["segment", "connection", "control", "border"];
const WHY: [&str; 4] = ["before-arrival", "no-answer", "while-cut", "after-window"];

/// Verifies that the certificate's set is closed over this estate and basis, and that nothing of the zone is in it.
///
/// Takes the bytes of the certificate, of [`super::estate_bytes`] and of [`super::Basis::to_bytes`].
/// O((contacts + ways) log states).
pub fn check(certificate: &[u8], estate: &[u8], basis: &[u8]) -> Outcome<Checked> {
    let (paper, estate_json) = (read("certificate", certificate)?, read("estate", estate)?);
    let seal = text(&paper, "seal");
    let blank = String::from_utf8_lossy(certificate).replacen(&format!("\"{seal}\""), "\"\"", 1);
    need(text(&paper, "format") == "leckwehr-certificate/1", "format", "is not known")?;
    need(seal == hex(&sha256(blank.as_bytes())), "seal", "does not fit the text")?;
    need(
        text(&paper, "estate-sha256") == hex(&sha256(estate)),
        "estate-sha256",
        "is of another estate",
    )?;
    need(
        text(&paper, "basis-sha256") == hex(&sha256(basis)),
        "basis-sha256",
        "is of other records",
    )?;
    let lines = basis
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .map(|l| read("basis", l));
    let lines = lines.collect::<Outcome<Vec<Value>>>()?;
    let mut closed = BTreeMap::new();
    for state in list(&paper["closed"]) {
        let fresh = closed.insert(text(state, "state"), whole(state, "since")?).is_none();
        need(fresh, text(state, "state"), "stands twice in the closed set")?;
    }
    let (to, skew) = (whole(&paper, "to")?, whole(&paper, "skew-ns")?);
    let (estate, cuts) = (&estate_json, cuts(&lines)?);
    let trial = Trial {
        paper: &paper,
        estate,
        lines: &lines,
        closed,
        cuts,
        to,
        skew,
    };
    trial.frame()?;
    trial.seeds()?;
    Ok(Checked {
        tried: [trial.closed.len(), trial.contacts()?, trial.ways()?],
    })
}

struct Trial<'t> {
    paper: &'t Value,
    estate: &'t Value,
    lines: &'t [Value],
    closed: BTreeMap<&'t str, i64>,
    cuts: BTreeMap<&'t str, Cuts<'t>>,
    to: i64,
    skew: i64,
}

impl<'t> Trial<'t> {
    /// Window, zone, level, coverage and assumptions.
    fn frame(&self) -> Outcome<()> {
        let window = self.of("window").next().unwrap_or(&Value::Null);
        let (from, first, last) = (whole(self.paper, "from")?, whole(window, "from")?, whole(window, "to")?);
        need(
            first <= from && from <= self.to && self.to <= last,
            "window",
            "reaches beyond the records",
        )?;
        need(self.skew >= 0, "skew-ns", "is negative")?;
        let zone = text(self.paper, "zone");
        need(self.estate["zones"].get(zone).is_some(), "zone", "is not in the estate")?;
        let level = text(self.paper, "level");
        need(
            ["observed-contacts", "possible-ways"].contains(&level),
            "level",
            "is not known",
        )?;
        need(
            ["named", "everything"].contains(&text(self.paper, "outside")),
            "outside",
            "is not known",
        )?;
        for (state, since) in &self.closed {
            let hit = state.strip_prefix("zone:") == Some(zone) || self.zone_of(state) == Some(zone);
            need(!hit, state, "is in the closed set and lies in the zone")?;
            need(*since <= self.to, state, "is reached only after the window")?;
        }
        let mut coverage: Vec<Value> = self.of("coverage").cloned().collect();
        coverage
            .iter_mut()
            .filter_map(Value::as_object_mut)
            .for_each(|c| drop(c.remove("line")));
        need(
            self.paper["coverage"] == json!(coverage),
            "coverage",
            "is not what the records cover",
        )?;
        let sensors = || {
            map(&self.estate["sensors"])
                .flat_map(|(_, s)| list(&s["observes"]))
                .filter_map(Value::as_str)
        };
        let mut blind: Vec<&str> = map(&self.estate["systems"])
            .filter(|(_, s)| text(s, "zone") == zone)
            .map(|(id, _)| id.as_str())
            .collect();
        blind = if blind.is_empty() { vec![zone] } else { blind };
        blind.retain(|id| !sensors().any(|o| o == *id || o == zone));
        need(
            self.paper["unwatched"] == json!(blind),
            "unwatched",
            "is not what no sensor observes",
        )?;
        let common = "records-are-genuine clocks-within-skew nothing-held-before-its-first-sign nothing-taken-without-an-answer \
                      no-session-taken-over cuts-hold-until-the-ledger-ends-them no-way-beside-the-network";
        let own = if self.strong() {
            "estate-names-every-connection taken-only-by-modelled-ways"
        } else {
            "no-unseen-contact"
        };
        let entry = if self.all() { "" } else { "no-other-entry-from-outside" };
        let wanted: BTreeSet<&str> = [common, own, entry].iter().flat_map(|t| t.split_whitespace()).collect();
        let given: BTreeSet<&str> = list(&self.paper["assumed"]).iter().filter_map(Value::as_str).collect();
        need(given == wanted, "assumed", "is not what such a certificate stands on")
    }

    fn seeds(&self) -> Outcome<()> {
        let mut seeds = Vec::new();
        for held in self.of("held") {
            seeds.push(json!({"state": held["state"], "since": held["since"], "tier": held["tier"]}));
        }
        if self.all() {
            let window = self.of("window").next().unwrap_or(&Value::Null);
            seeds.push(json!({"state": "outside", "since": window["from"], "tier": null}));
        }
        need(
            !seeds.is_empty() && self.paper["seeds"] == json!(seeds),
            "seeds",
            "are not those of the records",
        )?;
        for seed in &seeds {
            self.holds(
                self.state(text(seed, "state")),
                whole(seed, "since")?.saturating_sub(self.skew),
                "a seed",
            )?;
        }
        Ok(())
    }

    /// Tries every contact: it stays in the set, or there is a reason why it is no step, and the reasons are those listed.
    fn contacts(&self) -> Outcome<usize> {
        let mut groups: BTreeMap<(&str, &str, usize), Value> = BTreeMap::new();
        for contact in self.of("contact") {
            let (from, to) = (self.state(text(contact, "from")), self.state(text(contact, "to")));
            let Some(since) = self.closed.get(from) else { continue };
            let (at, until) = (whole(contact, "at")?, whole(contact, "until")?);
            let (first, last) = (at.saturating_sub(self.skew), until.saturating_add(self.skew));
            let silent = text(contact, "answered") != "yes";
            let why = match () {
                () if first > self.to => 3,
                () if text(contact, "answered") == "no" => 1,
                () if last < *since => 0,
                () if silent && !self.cuts.is_empty() && self.is_cut(text(contact, "from"), text(contact, "to"), first, last) => {
                    2
                }
                () => {
                    self.holds(to, first.max(*since), text(contact, "evidence"))?;
                    continue;
                }
            };
            if !self.closed.contains_key(to) {
                let group = groups.entry((from, to, why)).or_insert_with(|| {
                    json!({"from": from, "to": to, "why": WHY[why], "count": 0, "first": at, "last": until,
                           "evidence": contact["evidence"]})
                });
                group["count"] = json!(group["count"].as_u64().unwrap_or(0) + 1);
                group["last"] = json!(group["last"].as_i64().unwrap_or(until).max(until));
            }
        }
        let groups: Vec<Value> = groups.into_values().collect();
        need(
            self.paper["contacts"] == json!(groups),
            "contacts",
            "are not those that leave the set",
        )?;
        Ok(self.of("contact").count())
    }

    /// Tries every way: it stays in the set, or it was cut for as long as its source was held, and is listed.
    fn ways(&self) -> Outcome<usize> {
        let (ways, mut leaving) = (self.every_way(), Vec::new());
        let held: BTreeSet<String> = self
            .closed
            .keys()
            .filter_map(|s| Some(format!("zone:{}", self.zone_of(s)?)))
            .collect();
        for (from, to, kind, via, gates) in &ways {
            if self.strong() {
                let Some(since) = self.closed.get(from.as_str()) else {
                    continue;
                };
                if let Some(at) = self.open_from(gates, *since).filter(|at| *at <= self.to) {
                    self.holds(to, at, &format!("the way from {from} to {to} {via}"))?;
                }
                if self.closed.contains_key(to.as_str()) {
                    continue;
                }
            } else if *kind != 1 || !(held.contains(from) || self.closed.contains_key(from.as_str())) {
                continue;
            }
            let gate = |target: &String| {
                let (cuts, evidence) = self.cuts.get(target.as_str()).cloned().unwrap_or_default();
                let cut = cuts.iter().map(|(a, b)| json!([a, (*b != i64::MAX).then_some(b)]));
                json!({"target": target, "cut": cut.collect::<Vec<_>>(), "evidence": evidence})
            };
            let gates: Vec<Value> = gates.iter().map(gate).collect();
            leaving.push(json!({"from": from, "to": to, "kind": KINDS[*kind], "via": via, "gates": gates}));
        }
        need(
            self.paper["ways"] == json!(leaving),
            "ways",
            "are not those that leave the set",
        )?;
        Ok(ways.len())
    }

    fn holds(&self, state: &str, at: i64, what: &str) -> Outcome<()> {
        match self.closed.get(state) {
            _ if at > self.to => Ok(()),
            None => need(false, what, &format!("leads to {state}, which is not in the closed set")),
            Some(since) => need(
                *since <= at,
                what,
                &format!("reaches {state} earlier than the closed set says"),
            ),
        }
    }

    fn every_way(&self) -> BTreeSet<Way> {
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
    fn is_cut(&self, from: &str, to: &str, first: i64, last: i64) -> bool {
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

    fn open_from(&self, gates: &[String], mut at: i64) -> Option<i64> {
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

    fn zone_of(&self, state: &str) -> Option<&'t str> {
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

    /// If everything outside is the attacker's, it is one state.
    fn state(&self, name: &'t str) -> &'t str {
        if self.all() && self.zone_of(name).is_none() {
            "outside"
        } else {
            name
        }
    }

    fn of(&self, kind: &'static str) -> impl Iterator<Item = &'t Value> {
        self.lines.iter().filter(move |l| text(l, "line") == kind)
    }

    fn strong(&self) -> bool {
        text(self.paper, "level") == "possible-ways"
    }

    fn all(&self) -> bool {
        text(self.paper, "outside") == "everything"
    }
}

fn cuts(lines: &[Value]) -> Outcome<BTreeMap<&str, Cuts<'_>>> {
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

fn need(holds: bool, item: &str, why: &str) -> Outcome<()> {
    let (item, why) = (item.to_owned(), why.to_owned());
    if holds { Ok(()) } else { Err(Refusal { item, why }) }
}

fn read(item: &str, bytes: &[u8]) -> Outcome<Value> {
    serde_json::from_slice(bytes).or_else(|e| need(false, item, &format!("is not JSON: {e}")).map(|()| Value::Null))
}

fn whole(value: &Value, key: &str) -> Outcome<i64> {
    need(value[key].is_i64(), key, "is no whole number").map(|()| value[key].as_i64().unwrap_or(0))
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or("")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn map(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}
