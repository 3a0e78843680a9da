//! The checker: parses a certificate and its inputs itself and trusts nothing of the engine that made it.
use std::collections::{BTreeMap, BTreeSet};

use leckwehr_crypt::{hex, sha256};
use serde_json::{Value, json};

use super::check_ground::{Ground, cuts, list, map, need, read, text, whole};

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

pub(super) type Outcome<T> = Result<T, Refusal>;
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
    let ground = Ground {
        estate: &estate_json,
        cuts: cuts(&lines)?,
        lines: &lines,
        skew,
    };
    let trial = Trial {
        paper: &paper,
        ground,
        closed,
        to,
    };
    trial.frame()?;
    trial.coverage()?;
    trial.assumed()?;
    trial.seeds()?;
    Ok(Checked {
        tried: [trial.closed.len(), trial.contacts()?, trial.ways()?],
    })
}

struct Trial<'t> {
    paper: &'t Value,
    ground: Ground<'t>,
    closed: BTreeMap<&'t str, i64>,
    to: i64,
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
        need(self.ground.skew >= 0, "skew-ns", "is negative")?;
        let zone = text(self.paper, "zone");
        need(
            self.ground.estate["zones"].get(zone).is_some(),
            "zone",
            "is not in the estate",
        )?;
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
            let hit = state.strip_prefix("zone:") == Some(zone) || self.ground.zone_of(state) == Some(zone);
            need(!hit, state, "is in the closed set and lies in the zone")?;
            need(*since <= self.to, state, "is reached only after the window")?;
        }
        Ok(())
    }

    /// What the records cover, and what of the zone nothing observes.
    fn coverage(&self) -> Outcome<()> {
        let zone = text(self.paper, "zone");
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
            map(&self.ground.estate["sensors"])
                .flat_map(|(_, s)| list(&s["observes"]))
                .filter_map(Value::as_str)
        };
        let mut blind: Vec<&str> = map(&self.ground.estate["systems"])
            .filter(|(_, s)| text(s, "zone") == zone)
            .map(|(id, _)| id.as_str())
            .collect();
        blind = if blind.is_empty() { vec![zone] } else { blind };
        blind.retain(|id| !sensors().any(|o| o == *id || o == zone));
        need(
            self.paper["unwatched"] == json!(blind),
            "unwatched",
            "is not what no sensor observes",
        )
    }

    fn assumed(&self) -> Outcome<()> {
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
                whole(seed, "since")?.saturating_sub(self.ground.skew),
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
            let (first, last) = (at.saturating_sub(self.ground.skew), until.saturating_add(self.ground.skew));
            let silent = text(contact, "answered") != "yes";
            let why = match () {
                () if first > self.to => 3,
                () if text(contact, "answered") == "no" => 1,
                () if last < *since => 0,
                () if silent
                    && !self.ground.cuts.is_empty()
                    && self.ground.is_cut(text(contact, "from"), text(contact, "to"), first, last) =>
                {
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
        let (ways, mut leaving) = (self.ground.every_way(), Vec::new());
        let held: BTreeSet<String> = self
            .closed
            .keys()
            .filter_map(|s| Some(format!("zone:{}", self.ground.zone_of(s)?)))
            .collect();
        for (from, to, kind, via, gates) in &ways {
            if self.strong() {
                let Some(since) = self.closed.get(from.as_str()) else {
                    continue;
                };
                if let Some(at) = self.ground.open_from(gates, *since).filter(|at| *at <= self.to) {
                    self.holds(to, at, &format!("the way from {from} to {to} {via}"))?;
                }
                if self.closed.contains_key(to.as_str()) {
                    continue;
                }
            } else if *kind != 1 || !(held.contains(from) || self.closed.contains_key(from.as_str())) {
                continue;
            }
            let gate = |target: &String| {
                let (cuts, evidence) = self.ground.cuts.get(target.as_str()).cloned().unwrap_or_default();
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

    /// If everything outside is the attacker's, it is one state.
    fn state(&self, name: &'t str) -> &'t str {
        if self.all() && self.ground.zone_of(name).is_none() {
            "outside"
        } else {
            name
        }
    }

    fn of(&self, kind: &'static str) -> impl Iterator<Item = &'t Value> {
        self.ground.lines.iter().filter(move |l| text(l, "line") == kind)
    }

    fn strong(&self) -> bool {
        text(self.paper, "level") == "possible-ways"
    }

    fn all(&self) -> bool {
        text(self.paper, "outside") == "everything"
    }
}
