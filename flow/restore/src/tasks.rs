use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::{Need, Service};

use crate::means::{Means, Piece};
use crate::outage::{Chance, Outage, OutageProblem, OutageProblemError, Prepared, Task, until};
use crate::recovery::{Recovery, Work};

/// Hours of its plain harm that the breach of a service's maximum tolerable period counts for at once.
const BREACH_HOURS: u64 = 24;
/// How often a vital service's harm counts.
const VITAL_FACTOR: u64 = 3;

/// Writes pieces of work, and whatever comes back with them, as a scheduling problem.
pub(crate) struct Tasks<'a> {
    pub means: Means<'a>,
    /// Systems and services that do not work before the first task.
    down: BTreeSet<String>,
    /// What no task brings back.
    never: BTreeSet<String>,
    /// The task after which a system or service works.
    last: BTreeMap<String, usize>,
    built: Recovery,
    /// Groups that were taken out to break circles are still here: (task, groups).
    follows: Vec<(usize, Vec<Vec<usize>>)>,
}

/// When systems and services work again that only wait for others, given the ends of all work. Unlike the problem it has no circle
/// broken: services that need each other come back together.
pub(crate) struct Follows {
    follows: Vec<(usize, Vec<Vec<usize>>)>,
}

impl<'a> Tasks<'a> {
    pub fn new(means: Means<'a>, down: BTreeSet<String>, never: BTreeSet<String>) -> Self {
        let built = Recovery {
            problem: OutageProblem {
                resources: means.resources.clone(),
                ..OutageProblem::default()
            },
            unit_minutes: means.clock.unit_minutes,
            work: Vec::new(),
            chances: Vec::new(),
            fixed: Vec::new(),
            crews: means.crews.clone(),
            places: means.places.clone(),
            services: Vec::new(),
            warnings: Vec::new(),
        };
        Self {
            means,
            down,
            never,
            last: BTreeMap::new(),
            built,
            follows: Vec::new(),
        }
    }

    /// Adds pieces, one after the other, of a system or service; the first one waits for `after`. Returns its first and last task.
    pub fn chain(&mut self, of: &str, pieces: Vec<Piece>, after: Vec<Vec<usize>>, release: u32) -> (usize, usize) {
        let (first, mut after, mut release) = (self.built.problem.tasks.len(), after, release);
        for piece in pieces {
            let number = self.built.problem.tasks.len();
            self.built.problem.tasks.push(Task {
                duration: piece.minutes.div_ceil(self.means.clock.unit_minutes.max(1)),
                demand: piece.demand,
                release,
                after,
            });
            self.built.work.push(Work {
                of: of.to_owned(),
                action: piece.action,
                crew: piece.crew,
            });
            self.built.chances.push(Chance {
                goes_on: piece.goes_on,
                percent: piece.estimate,
            });
            (after, release) = (vec![vec![number]], 0);
        }
        (first, self.built.problem.tasks.len().saturating_sub(1))
    }

    /// Says after which task a system works.
    pub fn back_with(&mut self, id: &str, task: usize) {
        self.last.insert(id.to_owned(), task);
    }

    /// The task after which a system or service works.
    pub fn task_of(&self, id: &str) -> Option<usize> {
        self.last.get(id).copied()
    }

    /// Whether it does not work before the first task.
    pub fn is_down(&self, id: &str) -> bool {
        self.down.contains(id)
    }

    /// Lets a task wait for what its system needs.
    pub fn waits_for(&mut self, task: usize, needs: &[Need]) {
        let groups = self.groups(needs);
        self.built.problem.tasks[task].after = groups;
    }

    /// A task stays where it is, from the beginning on.
    pub fn is_under_way(&mut self, task: usize) {
        self.built.fixed.push((task, 0));
    }

    /// Adds whatever else is down: it only waits for what it needs, and if it is a service, its outage costs. `early` are systems
    /// whose own work is over with a task, perhaps before what they need is back.
    pub fn add_followers(&mut self, early: &BTreeMap<String, usize>) {
        let estate = self.means.estate;
        let waiting: Vec<String> = self.down.difference(&self.never).cloned().collect();
        let mut added = Vec::new();
        for id in &waiting {
            let own = early.get(id).map(|task| vec![*task]);
            if own.is_some() || !self.last.contains_key(id) {
                let (_, task) = self.chain(id, vec![Piece::nothing()], Vec::new(), 0);
                self.back_with(id, task);
                added.push((id, task, own));
            }
        }
        for (id, task, own) in added {
            let of_system = estate.systems.get(id).map(|s| s.needs.as_slice());
            let needs = of_system.or(estate.services.get(id).map(|s| s.needs.as_slice()));
            let mut groups = self.groups(needs.unwrap_or_default());
            groups.extend(own);
            self.built.problem.tasks[task].after.clone_from(&groups);
            self.follows.push((task, groups));
        }
        for id in &waiting {
            if let (Some(service), Some(up)) = (estate.services.get(id), self.last.get(id)) {
                let outage = self.outage(service, *up);
                self.built.problem.outages.push(outage);
                self.built.services.push(id.clone());
            }
        }
    }

    fn outage(&self, service: &Service, up: usize) -> Outage {
        let unit_minutes = self.means.clock.unit_minutes.max(1);
        let per_hour = service.harm_eur_per_hour.max(1) * if service.vital { VITAL_FACTOR } else { 1 };
        let weight = (per_hour * u64::from(unit_minutes)).div_ceil(60);
        Outage {
            needs: vec![vec![up]],
            weight,
            breach_at: service.mtpd_minutes / unit_minutes,
            breach_step: per_hour * BREACH_HOURS,
            breach_weight: weight,
        }
    }

    /// Groups of the needs that are not met at first; what never comes back is no alternative.
    pub fn groups(&self, needs: &[Need]) -> Vec<Vec<usize>> {
        let open = needs.iter().filter(|n| n.any_of.iter().all(|id| self.down.contains(id)));
        let group = |n: &Need| {
            let tasks = n.any_of.iter().filter(|id| !self.never.contains(*id));
            tasks.filter_map(|id| self.last.get(id).copied()).collect::<Vec<usize>>()
        };
        open.map(group).filter(|g| !g.is_empty()).collect()
    }

    /// Breaks circles of needs, each at one of its members.
    pub fn finish(mut self) -> Result<(Recovery, Follows), OutageProblemError> {
        while let Some(circle) = self.circle_without_work() {
            self.open(&circle);
        }
        loop {
            match Prepared::new(&self.built.problem, &self.built.fixed, 0).map(drop) {
                Err(OutageProblemError::Circle(task)) => {
                    self.built.problem.tasks[task].after.clear();
                    self.warn_of_circle(task);
                }
                Err(other) => return Err(other),
                Ok(()) => break,
            }
        }
        let follows = self.follows;
        Ok((self.built, Follows { follows }))
    }

    fn warn_of_circle(&mut self, task: usize) {
        let of = &self.built.work[task].of;
        let warning = format!("{of} waits for itself: it is started without what it needs, by hand");
        self.built.warnings.push(warning);
    }

    /// Finds tasks without work that wait for each other in a circle, even if each has an alternative: they are over at the same
    /// time, so that who follows a chain back by its times would go round for ever. Each with the group and the place in it of
    /// the next. O(tasks · alternatives).
    fn circle_without_work(&self) -> Option<Vec<(usize, usize, usize)>> {
        let tasks = &self.built.problem.tasks;
        let edges = |a: usize| -> Vec<(usize, usize, usize)> {
            let groups = tasks[a].after.iter().enumerate();
            let of_group = groups.flat_map(|(g, group)| group.iter().enumerate().map(move |(p, b)| (g, p, *b)));
            of_group.filter(|(_, _, b)| tasks[*b].duration == 0).collect()
        };
        let mut is_done: Vec<bool> = tasks.iter().map(|task| task.duration > 0).collect();
        for root in 0..tasks.len() {
            // The way from the root: task, its edges, the next edge to follow.
            let mut way = vec![(root, edges(root), 0)];
            while let Some((a, from, next)) = way.last_mut() {
                let Some((_, _, b)) = from.get(*next).filter(|_| !is_done[*a]) else {
                    is_done[*a] = true;
                    way.pop();
                    continue;
                };
                let b = *b;
                *next += 1;
                if let Some(begin) = way.iter().position(|(a, ..)| *a == b) {
                    let edge = |(a, from, next): &(usize, Vec<(usize, usize, usize)>, usize)| {
                        let (group, place, _) = from[*next - 1];
                        (*a, group, place)
                    };
                    return Some(way[begin..].iter().map(edge).collect());
                }
                if !is_done[b] {
                    way.push((b, edges(b), 0));
                }
            }
        }
        None
    }

    /// Takes an alternative out of a circle where another one is left, else a need.
    fn open(&mut self, circle: &[(usize, usize, usize)]) {
        let tasks = &mut self.built.problem.tasks;
        let spare = circle.iter().find(|(a, group, _)| tasks[*a].after[*group].len() > 1);
        match (spare, circle.last()) {
            (Some((a, group, place)), _) => drop(tasks[*a].after[*group].remove(*place)),
            (None, Some((a, group, _))) => {
                let a = *a;
                tasks[a].after.remove(*group);
                self.warn_of_circle(a);
            }
            (None, None) => {}
        }
    }
}

impl Follows {
    /// Puts the times at which followers work into the ends of all tasks: the least times that fit, so that those that need each
    /// other do not wait for each other. O(followers · followers) at most.
    pub fn settle(&self, finish: &mut [u32]) {
        for (task, _) in &self.follows {
            finish[*task] = 0;
        }
        for _ in 0..=self.follows.len() {
            let mut is_settled = true;
            for (task, groups) in &self.follows {
                let at = until(groups, finish);
                is_settled &= at == finish[*task];
                finish[*task] = at;
            }
            if is_settled {
                return;
            }
        }
    }
}
