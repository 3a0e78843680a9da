use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::ops::Range;

use crate::{Estate, Need};

impl Estate {
    /// Returns the services that do not work while `systems_down` are lost.
    ///
    /// A system or service is down when it is named itself, or when one of its needs has no alternative left. This is the
    /// least fixed point: members of a cycle that nothing else takes down count as running. O(needs of the estate).
    pub fn services_down(&self, systems_down: &BTreeSet<String>) -> BTreeSet<String> {
        let graph = Graph::new(self);
        let down = graph.down(systems_down.iter().filter_map(|id| graph.system(id)));
        let services = graph.services_from..graph.ids.len();
        services.filter(|&n| down[n]).map(|n| graph.ids[n].to_owned()).collect()
    }

    /// Returns every system that goes down with `systems_down`, these included.
    ///
    /// The same fixed point as [`Estate::services_down`], seen from the systems.
    pub fn systems_down(&self, systems_down: &BTreeSet<String>) -> BTreeSet<String> {
        let graph = Graph::new(self);
        let down = graph.down(systems_down.iter().filter_map(|id| graph.system(id)));
        let systems = 0..graph.services_from;
        systems.filter(|&n| down[n]).map(|n| graph.ids[n].to_owned()).collect()
    }

    /// Returns every system that `service` may rest on: the transitive closure of its needs, taking all alternatives.
    ///
    /// Empty for an unknown service. O(needs of the estate).
    pub fn needs_of_service(&self, service: &str) -> BTreeSet<String> {
        let mut systems = BTreeSet::new();
        let mut seen = BTreeSet::from([service]);
        let mut open: Vec<&Need> = self
            .services
            .get(service)
            .map(|s| s.needs.iter().collect())
            .unwrap_or_default();
        while let Some(need) = open.pop() {
            for id in need.any_of.iter().filter(|id| seen.insert(id)) {
                if let Some(system) = self.systems.get(id) {
                    systems.insert(id.clone());
                    open.extend(&system.needs);
                } else if let Some(service) = self.services.get(id) {
                    open.extend(&service.needs);
                }
            }
        }
        systems
    }
}

/// The AND/OR needs of an estate with ids as numbers: systems first, then services, each in order of id.
pub(crate) struct Graph<'e> {
    /// Id by number.
    pub(crate) ids: Vec<&'e str>,
    /// Number of the first service.
    pub(crate) services_from: usize,
    /// All needs, those of one owner beside each other.
    needs: Vec<NumberedNeed>,
    /// The needs of each number.
    needs_of: Vec<Range<usize>>,
    /// The needs in which each number is an alternative.
    needed_by: Vec<Vec<usize>>,
}

struct NumberedNeed {
    owner: usize,
    any_of: Vec<usize>,
}

impl<'e> Graph<'e> {
    /// Builds the graph. Alternatives that name nothing are left out, as if they were down.
    pub(crate) fn new(estate: &'e Estate) -> Self {
        let systems = estate.systems.iter().map(|(id, s)| (id.as_str(), &s.needs));
        let services = estate.services.iter().map(|(id, s)| (id.as_str(), &s.needs));
        let nodes: Vec<(&str, &Vec<Need>)> = systems.chain(services).collect();
        // A system wins over a service of the same id; the loader refuses such estates.
        let number: BTreeMap<&str, usize> = nodes.iter().enumerate().rev().map(|(n, (id, _))| (*id, n)).collect();
        let mut graph = Self {
            ids: nodes.iter().map(|(id, _)| *id).collect(),
            services_from: estate.systems.len(),
            needs: Vec::new(),
            needs_of: Vec::with_capacity(nodes.len()),
            needed_by: vec![Vec::new(); nodes.len()],
        };
        for (owner, (_, wants)) in nodes.iter().enumerate() {
            let from = graph.needs.len();
            for need in *wants {
                let any_of: BTreeSet<usize> = need.any_of.iter().filter_map(|id| number.get(id.as_str()).copied()).collect();
                for &alternative in &any_of {
                    graph.needed_by[alternative].push(graph.needs.len());
                }
                let any_of = any_of.into_iter().collect();
                graph.needs.push(NumberedNeed { owner, any_of });
            }
            graph.needs_of.push(from..graph.needs.len());
        }
        graph
    }

    /// Returns the number of a system.
    pub(crate) fn system(&self, id: &str) -> Option<usize> {
        self.ids[..self.services_from].binary_search(&id).ok()
    }

    /// Returns every alternative of every need of `n`.
    pub(crate) fn alternatives(&self, n: usize) -> impl Iterator<Item = usize> {
        self.needs[self.needs_of[n].clone()]
            .iter()
            .flat_map(|need| need.any_of.iter().copied())
    }

    /// Returns who has `n` as an alternative in a need.
    pub(crate) fn dependants(&self, n: usize) -> impl Iterator<Item = usize> {
        self.needed_by[n].iter().map(|need| self.needs[*need].owner)
    }

    /// Returns, by number, what is down once `lost` are. Each need is looked at once per alternative.
    pub(crate) fn down(&self, lost: impl IntoIterator<Item = usize>) -> Vec<bool> {
        let mut left: Vec<usize> = self.needs.iter().map(|need| need.any_of.len()).collect();
        let mut down = vec![false; self.ids.len()];
        let starved = self.needs.iter().filter(|need| need.any_of.is_empty()).map(|need| need.owner);
        let mut open: Vec<usize> = lost.into_iter().chain(starved).collect();
        while let Some(n) = open.pop() {
            if std::mem::replace(&mut down[n], true) {
                continue;
            }
            for &need in &self.needed_by[n] {
                left[need] -= 1;
                if left[need] == 0 {
                    open.push(self.needs[need].owner);
                }
            }
        }
        down
    }

    /// Returns, by number, the earliest minute at which it works when everything starts from nothing at once; `None` if it
    /// never does, because it waits for itself. Takes the quickest alternative of each need and unlimited people, so it is a
    /// lower bound. Knuth's generalisation of Dijkstra's algorithm; O(needs · log systems).
    pub(crate) fn cold_start(&self, minutes: impl Fn(usize) -> u64) -> Vec<Option<u64>> {
        let mut waits_for: Vec<usize> = self.needs_of.iter().map(Range::len).collect();
        let mut met = vec![false; self.needs.len()];
        let mut ready = vec![None; self.ids.len()];
        let free = (0..self.ids.len()).filter(|n| waits_for[*n] == 0);
        let mut open: BinaryHeap<Reverse<(u64, usize)>> = free.map(|n| Reverse((minutes(n), n))).collect();
        while let Some(Reverse((at, n))) = open.pop() {
            ready[n] = Some(at);
            for &need in &self.needed_by[n] {
                if std::mem::replace(&mut met[need], true) {
                    continue;
                }
                let owner = self.needs[need].owner;
                waits_for[owner] -= 1;
                if waits_for[owner] == 0 {
                    open.push(Reverse((at.saturating_add(minutes(owner)), owner)));
                }
            }
        }
        ready
    }
}
