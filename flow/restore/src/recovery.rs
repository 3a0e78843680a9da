use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::{Estate, Need};

use crate::order::down;
use crate::outage::{Outage, OutageEffort, OutageProblem, OutageProblemError, Resource, Task, plan_outages};

/// Minutes of one time unit of a recovery.
pub const TASK_UNIT_MINUTES: u32 = 5;
/// To restore a system that has no recipe.
const RESTORE_MINUTES: u32 = 120;
/// Hours of its plain harm that the breach of a service's maximum tolerable period counts for at once.
const BREACH_HOURS: u64 = 24;
/// How often a vital service's harm counts.
const VITAL_FACTOR: u64 = 3;
/// People who work on systems without a crew.
const HANDS_WITHOUT_CREW: u32 = 4;

/// What a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// System, or the service that is up from here on.
    pub of: String,
    /// What is done, in the words of the recipe; empty for a service.
    pub action: String,
    /// Crew that does it.
    pub crew: Option<String>,
}

/// An estate's way back as a scheduling problem, with the names of its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The problem, in units of [`TASK_UNIT_MINUTES`].
    pub problem: OutageProblem,
    /// What each task is.
    pub work: Vec<Work>,
    /// Crew of each resource; empty for people without a crew.
    pub crews: Vec<String>,
    /// Service of each outage.
    pub services: Vec<String>,
    /// Circles that had to be broken, one sentence each.
    pub warnings: Vec<String>,
}

/// Turns lost systems into tasks (the steps of their recipes, one of the crew at each), their needs into AND/OR groups, and
/// services that are down into outages: harm per hour, three times that for vital ones, and a breach at the MTPD.
/// Crews begin when they are there. A circle of needs is broken at one of its members, with a warning.
/// O(needs of the estate · circles).
pub fn recovery(estate: &Estate, lost: &BTreeSet<String>) -> Result<Recovery, OutageProblemError> {
    let mut built = Builder::new(estate, lost).build();
    loop {
        let look = OutageEffort {
            evaluations: 1,
            ..OutageEffort::default()
        };
        match plan_outages(&built.problem, &look, &mut || true) {
            Err(OutageProblemError::Circle(task)) => {
                built.problem.tasks[task].after.clear();
                let of = &built.work[task].of;
                built
                    .warnings
                    .push(format!("{of} waits for itself: it is started without what it needs, by hand"));
            }
            Err(other) => return Err(other),
            Ok(_) => return Ok(built),
        }
    }
}

struct Builder<'a> {
    estate: &'a Estate,
    down: BTreeSet<String>,
    built: Recovery,
    /// First and last task of each system, and the task of each service that is needed.
    first: BTreeMap<String, usize>,
    last: BTreeMap<String, usize>,
}

impl<'a> Builder<'a> {
    fn new(estate: &'a Estate, lost: &BTreeSet<String>) -> Self {
        let built = Recovery {
            problem: OutageProblem::default(),
            work: Vec::new(),
            crews: Vec::new(),
            services: Vec::new(),
            warnings: Vec::new(),
        };
        Self {
            estate,
            down: down(estate, lost),
            built,
            first: BTreeMap::new(),
            last: BTreeMap::new(),
        }
        .with_tasks(lost)
    }

    fn with_tasks(mut self, lost: &BTreeSet<String>) -> Self {
        let people = |size: u32, reach: u32| Resource {
            shifts: vec![(0, 0), (reach, size.max(1))],
        };
        self.built.crews.push(String::new());
        self.built.problem.resources.push(people(HANDS_WITHOUT_CREW, 0));
        for (id, crew) in &self.estate.crews {
            self.built.crews.push(id.clone());
            self.built
                .problem
                .resources
                .push(people(crew.size, crew.reach_hours.saturating_mul(60 / TASK_UNIT_MINUTES)));
        }
        let ids: Vec<String> = self.down.iter().cloned().collect();
        for id in &ids {
            if self.estate.systems.contains_key(id) {
                self.system(id, lost.contains(id));
            } else {
                self.task(id, "", None, 0);
            }
        }
        self
    }

    fn system(&mut self, id: &str, is_lost: bool) {
        let Some(system) = self.estate.systems.get(id) else { return };
        if !is_lost {
            // It only waits for what it needs.
            self.task(id, "", None, 0);
            return;
        }
        let recipe = system.recipe.as_ref().and_then(|r| self.estate.recipes.get(r));
        match recipe.filter(|r| !r.steps.is_empty()) {
            None => self.task(id, "restore", system.crew.clone(), RESTORE_MINUTES),
            Some(recipe) => {
                for step in &recipe.steps {
                    self.task(id, &step.action, system.crew.clone(), step.minutes);
                }
            }
        }
    }

    fn task(&mut self, of: &str, action: &str, crew: Option<String>, minutes: u32) {
        let number = self.built.problem.tasks.len();
        let resource = crew
            .as_ref()
            .and_then(|c| self.built.crews.iter().position(|r| r == c))
            .unwrap_or(0);
        self.built.problem.tasks.push(Task {
            duration: minutes.div_ceil(TASK_UNIT_MINUTES),
            demand: if minutes > 0 { vec![(resource, 1)] } else { Vec::new() },
            release: 0,
            after: self.last.get(of).map(|before| vec![vec![*before]]).unwrap_or_default(),
        });
        self.built.work.push(Work {
            of: of.to_owned(),
            action: action.to_owned(),
            crew,
        });
        self.first.entry(of.to_owned()).or_insert(number);
        self.last.insert(of.to_owned(), number);
    }

    /// Groups of the needs that are not met now.
    fn groups(&self, needs: &[Need]) -> Vec<Vec<usize>> {
        let open = needs.iter().filter(|n| n.any_of.iter().all(|id| self.down.contains(id)));
        let group = |n: &Need| {
            n.any_of
                .iter()
                .filter_map(|id| self.last.get(id).copied())
                .collect::<Vec<usize>>()
        };
        open.map(group).filter(|g| !g.is_empty()).collect()
    }

    fn build(mut self) -> Recovery {
        for (id, first) in self.first.clone() {
            let of_system = self.estate.systems.get(&id).map(|s| s.needs.as_slice());
            let needs = of_system.or(self.estate.services.get(&id).map(|s| s.needs.as_slice()));
            self.built.problem.tasks[first].after = self.groups(needs.unwrap_or_default());
        }
        for (id, service) in self.estate.services.iter().filter(|(id, _)| self.down.contains(*id)) {
            let Some(up) = self.last.get(id) else { continue };
            let per_hour = service.harm_eur_per_hour.max(1) * if service.vital { VITAL_FACTOR } else { 1 };
            let weight = (per_hour * u64::from(TASK_UNIT_MINUTES)).div_ceil(60);
            self.built.problem.outages.push(Outage {
                needs: vec![vec![*up]],
                weight,
                breach_at: service.mtpd_minutes / TASK_UNIT_MINUTES,
                breach_step: per_hour * BREACH_HOURS,
                breach_weight: weight,
            });
            self.built.services.push(id.clone());
        }
        self.built
    }
}
