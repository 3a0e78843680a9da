use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use leckwehr_estate::Estate;

use super::basis::{Answered, Basis, Observed};
use super::certify::{Level, Outside, Question, WhyNot};
use super::switch::Switches;
use super::ways::{OUTSIDE, Way, Ways};

/// One step that the closure took.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Contact(usize),
    Way(usize),
}

/// Everything a closure works on. Times are pessimistic: a record says `t`, the truth lies within `t ± skew`.
pub(super) struct Scope<'b> {
    pub question: &'b Question,
    pub basis: &'b Basis,
    pub ways: Ways<'b>,
    pub switches: Switches<'b>,
    known: BTreeSet<&'b str>,
}

/// The closed set: state by name, the earliest time the attacker can be there, and the last step towards it.
pub(super) type Reached = BTreeMap<String, (i64, Option<(String, Step)>)>;

impl<'b> Scope<'b> {
    pub(super) fn new(estate: &'b Estate, basis: &'b Basis, question: &'b Question) -> Self {
        let known: BTreeSet<&str> = estate.systems.keys().map(String::as_str).collect();
        let ends = basis.contacts.iter().flat_map(|c| [c.from.as_str(), c.to.as_str()]);
        let named = ends.chain(basis.held.iter().map(|h| h.state.as_str()));
        let unlisted: BTreeSet<&str> = named.filter(|s| !known.contains(s)).collect();
        Self {
            question,
            basis,
            ways: Ways::new(estate, &unlisted),
            switches: Switches::new(&basis.switches, question.skew_ns),
            known,
        }
    }

    /// Returns the state that a name of the records stands for. If everything outside is the attacker's, it is one state.
    pub(super) fn state<'s>(&self, name: &'s str) -> &'s str {
        let listed = self.known.contains(name) || self.ways.zone_of(name).is_some();
        if listed || self.question.outside == Outside::Named {
            name
        } else {
            OUTSIDE
        }
    }

    /// Returns when each seed is held at the earliest; seeds after the window are none.
    pub(super) fn seeds(&self) -> BTreeMap<String, i64> {
        let mut seeds: BTreeMap<String, i64> = BTreeMap::new();
        for held in &self.basis.held {
            let since = held.since.0.saturating_sub(self.question.skew_ns);
            let seed = seeds.entry(self.state(&held.state).to_owned()).or_insert(since);
            *seed = since.min(*seed);
        }
        if self.question.outside == Outside::Everything {
            seeds.insert(
                OUTSIDE.to_owned(),
                self.basis.window.0.0.saturating_sub(self.question.skew_ns),
            );
        }
        seeds.retain(|_, since| *since <= self.question.to.0);
        seeds
    }

    /// Returns the earliest arrival over a contact from a state that is held from `since` on, or why there is none.
    pub(super) fn contact(&self, contact: &Observed, since: i64) -> Result<i64, WhyNot> {
        let skew = self.question.skew_ns;
        let (first, last) = (contact.at.0.saturating_sub(skew), contact.until.0.saturating_add(skew));
        if first > self.question.to.0 {
            return Err(WhyNot::AfterWindow);
        }
        if contact.answered == Answered::No {
            return Err(WhyNot::NoAnswer);
        }
        if last < since {
            return Err(WhyNot::BeforeArrival);
        }
        if contact.answered == Answered::Unknown && self.is_cut(contact, first, last) {
            return Err(WhyNot::WhileCut);
        }
        Ok(first.max(since))
    }

    fn is_cut(&self, contact: &Observed, first: i64, last: i64) -> bool {
        let cut = |gate: &str| self.switches.is_cut(gate, first, last);
        let ways = self.ways.connections(&contact.from, &contact.to);
        // A host that the estate does not list may call itself like a connection; it has no switch.
        let off = |name: &str| self.known.contains(name) && cut(name);
        off(&contact.from) || off(&contact.to) || (!ways.is_empty() && ways.into_iter().all(cut))
    }

    /// Returns the earliest arrival over a way, if it may be open before the window ends.
    pub(super) fn way(&self, way: &Way, since: i64) -> Option<i64> {
        let at = self.switches.open_from(&way.gates, since)?;
        (at <= self.question.to.0).then_some(at)
    }

    /// Computes the earliest arrival of every state that can be reached (Dijkstra's algorithm: waiting never arrives
    /// earlier). O((contacts + ways) log states).
    pub(super) fn close(&self) -> Reached {
        let mut contacts: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, contact) in self.basis.contacts.iter().enumerate() {
            contacts.entry(self.state(&contact.from)).or_default().push(index);
        }
        let mut ways: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        if self.question.level == Level::PossibleWays {
            for (index, way) in self.ways.all.iter().enumerate() {
                ways.entry(&way.from).or_default().push(index);
            }
        }
        let mut reached: Reached = self.seeds().into_iter().map(|(s, at)| (s, (at, None))).collect();
        let mut open: BinaryHeap<Reverse<(i64, String)>> = reached.iter().map(|(s, (at, _))| Reverse((*at, s.clone()))).collect();
        let mut done: BTreeSet<String> = BTreeSet::new();
        while let Some(Reverse((since, state))) = open.pop() {
            if !done.insert(state.clone()) {
                continue;
            }
            let by_contact = contacts.get(state.as_str()).into_iter().flatten().filter_map(|i| {
                let contact = &self.basis.contacts[*i];
                let at = self.contact(contact, since).ok()?;
                Some((self.state(&contact.to), at, Step::Contact(*i)))
            });
            let by_way = ways.get(state.as_str()).into_iter().flatten().filter_map(|i| {
                let way = &self.ways.all[*i];
                Some((way.to.as_str(), self.way(way, since)?, Step::Way(*i)))
            });
            for (to, at, step) in by_contact.chain(by_way) {
                if reached.get(to).is_none_or(|(before, _)| at < *before) {
                    reached.insert(to.to_owned(), (at, Some((state.clone(), step))));
                    open.push(Reverse((at, to.to_owned())));
                }
            }
        }
        reached
    }
}
