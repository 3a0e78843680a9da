use std::collections::{BTreeMap, BTreeSet};

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
    /// Needs by number; each is a list of alternatives.
    pub(crate) needs: Vec<Vec<Vec<usize>>>,
    /// Who needs it: (number, which of its needs).
    needed_by: Vec<Vec<(usize, usize)>>,
}

impl<'e> Graph<'e> {
    /// Builds the graph. Alternatives that name nothing are left out, as if they were down.
    pub(crate) fn new(estate: &'e Estate) -> Self {
        let systems = estate.systems.iter().map(|(id, s)| (id.as_str(), &s.needs));
        let services = estate.services.iter().map(|(id, s)| (id.as_str(), &s.needs));
        let nodes: Vec<(&str, &Vec<Need>)> = systems.chain(services).collect();
        // A system wins over a service of the same id; the loader refuses such estates.
        let number: BTreeMap<&str, usize> = nodes.iter().enumerate().rev().map(|(n, (id, _))| (*id, n)).collect();
        let mut needed_by = vec![Vec::new(); nodes.len()];
        let mut needs = Vec::with_capacity(nodes.len());
        for (n, (_, wants)) in nodes.iter().enumerate() {
            let mut numbered: Vec<Vec<usize>> = Vec::with_capacity(wants.len());
            for (which, need) in wants.iter().enumerate() {
                let any_of: BTreeSet<usize> = need.any_of.iter().filter_map(|id| number.get(id.as_str()).copied()).collect();
                for &alternative in &any_of {
                    needed_by[alternative].push((n, which));
                }
                numbered.push(any_of.into_iter().collect());
            }
            needs.push(numbered);
        }
        Self {
            ids: nodes.iter().map(|(id, _)| *id).collect(),
            services_from: estate.systems.len(),
            needs,
            needed_by,
        }
    }

    /// Returns the number of a system.
    pub(crate) fn system(&self, id: &str) -> Option<usize> {
        self.ids[..self.services_from].binary_search(&id).ok()
    }

    /// Returns, by number, what is down once `lost` are. Each need is looked at once per alternative.
    pub(crate) fn down(&self, lost: impl IntoIterator<Item = usize>) -> Vec<bool> {
        let mut left: Vec<Vec<usize>> = self.needs.iter().map(|n| n.iter().map(Vec::len).collect()).collect();
        let mut down = vec![false; self.ids.len()];
        let starved = (0..self.ids.len()).filter(|&n| left[n].contains(&0));
        let mut open: Vec<usize> = lost.into_iter().chain(starved).collect();
        while let Some(n) = open.pop() {
            if std::mem::replace(&mut down[n], true) {
                continue;
            }
            for &(who, which) in &self.needed_by[n] {
                left[who][which] -= 1;
                if left[who][which] == 0 {
                    open.push(who);
                }
            }
        }
        down
    }
}
